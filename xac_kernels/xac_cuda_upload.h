/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The brick on its way to the device: a thread of its own copies it slab by slab, packed, while the
 * renderer works on. Included once, by xac_cuda.cu.
 */
#ifndef XAC_CUDA_UPLOAD_H
#define XAC_CUDA_UPLOAD_H

/* Device memory that grows as needed and is freed with its owner. */
struct buffer {
  void *data = nullptr;
  size_t bytes = 0;
  bool reserve(size_t wanted) {
    if (wanted <= bytes) {
      return true;
    }
    cudaFree(data);
    data = nullptr;
    bytes = 0;
    if (cudaMalloc(&data, wanted) != cudaSuccess) {
      data = nullptr;
      return false;
    }
    bytes = wanted;
    return true;
  }
  ~buffer() {
    cudaFree(data);
  }
};

/* Copies a strided box of points to the device, packed. */
inline cudaError_t upload_box(const void *host, const int64_t dims[3], const int64_t stride[3],
                              size_t size, void *device) {
  if (stride[0] == 1 && stride[1] >= dims[0] && stride[2] % stride[1] == 0) {
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr(const_cast<void *>(host), (size_t)stride[1] * size,
                                      (size_t)dims[0] * size, (size_t)(stride[2] / stride[1]));
    copy.dstPtr = make_cudaPitchedPtr(device, (size_t)dims[0] * size, (size_t)dims[0] * size,
                                      (size_t)dims[1]);
    copy.extent = make_cudaExtent((size_t)dims[0] * size, (size_t)dims[1], (size_t)dims[2]);
    copy.kind = cudaMemcpyHostToDevice;
    return cudaMemcpy3D(&copy);
  }
  std::vector<char> row((size_t)dims[0] * size);
  for (int64_t z = 0; z < dims[2]; z++) {
    for (int64_t y = 0; y < dims[1]; y++) {
      const char *from = (const char *)host + (y * stride[1] + z * stride[2]) * (int64_t)size;
      for (int64_t x = 0; x < dims[0]; x++) {
        memcpy(row.data() + (size_t)x * size, from + x * stride[0] * (int64_t)size, size);
      }
      char *to = (char *)device + (size_t)((z * dims[1] + y) * dims[0]) * size;
      cudaError_t code = cudaMemcpy(to, row.data(), row.size(), cudaMemcpyHostToDevice);
      if (code != cudaSuccess) {
        return code;
      }
    }
  }
  return cudaSuccess;
}

/* The core to the device, packed, its last planes from where they lie. */
inline cudaError_t upload_core(const xac_volume *v, size_t size, void *device) {
  int64_t own[3];
  for (int a = 0; a < 3; a++) {
    own[a] = v->dims[a] - (v->last[a] != nullptr);
  }
  if (own[0] == v->dims[0] && own[1] == v->dims[1]) { /* planes along z follow one another */
    cudaError_t code = upload_box(v->data, own, v->stride, size, device);
    if (code == cudaSuccess && v->last[2]) {
      const int64_t *s = v->last_stride[2], dims[3] = {own[0], own[1], 1};
      const int64_t stride[3] = {s[0], s[1], s[1] * own[1]};
      code = upload_box(v->last[2], dims, stride, size,
                        (char *)device + (size_t)(own[0] * own[1] * own[2]) * size);
    }
    return code;
  }
  std::vector<char> plane((size_t)(v->dims[0] * v->dims[1]) * size);
  for (int64_t z = 0; z < v->dims[2]; z++) {
    for (int64_t i = 0; i < v->dims[0] * v->dims[1]; i++) {
      const int64_t x = i % v->dims[0], y = i / v->dims[0];
      const char *from = (const char *)v->data;
      int64_t at = x * v->stride[0] + y * v->stride[1] + z * v->stride[2];
      if (z == own[2]) {
        from = (const char *)v->last[2];
        at = x * v->last_stride[2][0] + y * v->last_stride[2][1];
      } else if (y == own[1]) {
        from = (const char *)v->last[1];
        at = x * v->last_stride[1][0] + z * v->last_stride[1][1];
      } else if (x == own[0]) {
        from = (const char *)v->last[0];
        at = y * v->last_stride[0][0] + z * v->last_stride[0][1];
      }
      memcpy(plane.data() + (size_t)i * size, from + at * (int64_t)size, size);
    }
    cudaError_t code = cudaMemcpy((char *)device + (size_t)z * plane.size(), plane.data(),
                                  plane.size(), cudaMemcpyHostToDevice);
    if (code != cudaSuccess) {
      return code;
    }
  }
  return cudaSuccess;
}

/* A border plane to the device, packed. */
inline cudaError_t upload_border(const xac_volume *v, int face, size_t size, void *device) {
  const int64_t n0 = v->dims[face < 2 ? 1 : 0], n1 = v->dims[face < 4 ? 2 : 1];
  const int64_t dims[3] = {n0, n1, 1};
  const int64_t stride[3] = {v->border_stride[face][0], v->border_stride[face][1],
                             v->border_stride[face][1] * n1};
  return upload_box(v->border[face], dims, stride, size, device);
}

/* The brick's device memory, and the upload that fills it. */
class xac_device_brick {
public:
  buffer core, border[6];

  ~xac_device_brick() {
    wait();
  }

  void wait() {
    if (worker.joinable()) {
      worker.join();
    }
  }

  /* Starts the upload of a brick. */
  void begin(int device, const xac_volume *volume, uint64_t version) {
    wait();
    of = version;
    brick = *volume;
    code = BEAMCAST_OK;
    if (brick.dims[0] == 0 || !reserve()) {
      return;
    }
    try {
      worker = std::thread([this, device] { copy(device); });
    } catch (const std::exception &) {
      copy(device); /* no thread to be had */
    }
  }

  /* Waits until the brick of this version is there; starts over where another one is. */
  int finish(int device, const xac_volume *volume, uint64_t version, beamcast_error *error) {
    if (of != version) {
      begin(device, volume, version);
    }
    wait();
    if (code != BEAMCAST_OK) {
      of = 0; /* to be tried again */
      return beamcast_fail(error, code, "%s", message);
    }
    return BEAMCAST_OK;
  }

private:
  std::thread worker;
  xac_volume brick = {};
  uint64_t of = 0; /* version; 0: none */
  int code = BEAMCAST_OK;
  char message[200] = "";

  bool reserve() {
    const size_t size = beamcast_type_size(brick.type);
    const size_t bytes = (size_t)(brick.dims[0] * brick.dims[1] * brick.dims[2]) * size;
    bool fine = core.reserve(bytes);
    for (int face = 0; face < 6 && fine; face++) {
      const int64_t n0 = brick.dims[face < 2 ? 1 : 0], n1 = brick.dims[face < 4 ? 2 : 1];
      fine = brick.border[face] == nullptr || border[face].reserve((size_t)(n0 * n1) * size);
    }
    if (!fine) {
      size_t available = 0, total = 0;
      cudaGetLastError();
      cudaMemGetInfo(&available, &total);
      code = BEAMCAST_ERR_MEMORY;
      snprintf(message, sizeof message,
               "the brick needs %.2f GiB of the GPU's memory, %.2f of %.2f GiB are free",
               (double)bytes / 1073741824.0, (double)available / 1073741824.0,
               (double)total / 1073741824.0);
    }
    return fine;
  }

  void copy(int device) {
    const size_t size = beamcast_type_size(brick.type);
    cudaError_t failed = cudaSetDevice(device);
    try {
      if (failed == cudaSuccess) {
        failed = upload_core(&brick, size, core.data);
      }
      for (int face = 0; face < 6 && failed == cudaSuccess; face++) {
        if (brick.border[face]) {
          failed = upload_border(&brick, face, size, border[face].data);
        }
      }
    } catch (const std::exception &) {
      failed = cudaErrorMemoryAllocation; /* of the rows that are packed */
    }
    if (failed != cudaSuccess) {
      code = BEAMCAST_ERR_UNSUPPORTED;
      snprintf(message, sizeof message, "cuda: uploading the volume: %s",
               cudaGetErrorString(failed));
    }
  }
};

#endif
