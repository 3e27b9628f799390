/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Points of a brick on their way to the device, packed; on a stream of their own, so that they do
 * not wait for what is being drawn. Included once, by xac_cuda.cu, before xac_cuda_brick.h.
 */
#ifndef XAC_CUDA_UPLOAD_H
#define XAC_CUDA_UPLOAD_H

/* Device memory that grows as needed and is freed with its owner. */
struct buffer {
  void *data = nullptr;
  size_t bytes = 0;
  bool reserve(size_t wanted);
  /* As reserve, but never at the cost of others. */
  bool reserve_spare(size_t wanted) {
    if (wanted <= bytes) {
      return true;
    }
    release();
    if (cudaMalloc(&data, wanted) != cudaSuccess) {
      cudaGetLastError();
      data = nullptr;
      return false;
    }
    bytes = wanted;
    return true;
  }
  void release() {
    cudaFree(data);
    data = nullptr;
    bytes = 0;
  }
  ~buffer() {
    cudaFree(data);
  }
};

/* Copies so many planes of rows; pitches in bytes from row to row, heights in rows from plane to
 * plane. On return `from` has been read. */
inline cudaError_t upload_rows(const void *from, size_t pitch, size_t height, void *to,
                               size_t to_pitch, size_t to_height, size_t width, size_t rows,
                               size_t planes, cudaStream_t stream) {
  cudaMemcpy3DParms copy = {};
  copy.srcPtr = make_cudaPitchedPtr(const_cast<void *>(from), pitch, width, height);
  copy.dstPtr = make_cudaPitchedPtr(to, to_pitch, width, to_height);
  copy.extent = make_cudaExtent(width, rows, planes);
  copy.kind = cudaMemcpyHostToDevice;
  cudaError_t code = cudaMemcpy3DAsync(&copy, stream);
  return code == cudaSuccess ? cudaStreamSynchronize(stream) : code;
}

/* Copies a strided box of n points, the first of them at `from`, to a packed array of dims points,
 * `to` being the place of the first. */
inline cudaError_t upload_box(const void *from, const int64_t n[3], const int64_t stride[3],
                              size_t size, void *to, const int64_t dims[3], cudaStream_t stream) {
  const size_t to_pitch = (size_t)dims[0] * size, width = (size_t)n[0] * size;
  if (stride[0] == 1 && stride[1] >= n[0] && stride[2] % stride[1] == 0) {
    return upload_rows(from, (size_t)stride[1] * size, (size_t)(stride[2] / stride[1]), to,
                       to_pitch, (size_t)dims[1], width, (size_t)n[1], (size_t)n[2], stream);
  }
  std::vector<char> plane(width * (size_t)n[1]);
  for (int64_t z = 0; z < n[2]; z++) {
    for (int64_t y = 0; y < n[1]; y++) {
      const char *row = (const char *)from + (y * stride[1] + z * stride[2]) * (int64_t)size;
      for (int64_t x = 0; x < n[0]; x++) {
        memcpy(plane.data() + (size_t)y * width + (size_t)x * size,
               row + x * stride[0] * (int64_t)size, size);
      }
    }
    cudaError_t code = upload_rows(plane.data(), width, (size_t)n[1],
                                   (char *)to + (size_t)(z * dims[1]) * to_pitch, to_pitch,
                                   (size_t)dims[1], width, (size_t)n[1], 1, stream);
    if (code != cudaSuccess) {
      return code;
    }
  }
  return cudaSuccess;
}

/* The core to the device, its last planes from where they lie. */
inline cudaError_t upload_parts(const xac_volume *v, size_t size, void *device,
                                cudaStream_t stream) {
  int64_t own[3];
  for (int a = 0; a < 3; a++) {
    own[a] = v->dims[a] - (v->last[a] != nullptr);
  }
  if (own[0] == v->dims[0] && own[1] == v->dims[1]) { /* planes along z follow one another */
    cudaError_t code = upload_box(v->data, own, v->stride, size, device, v->dims, stream);
    if (code == cudaSuccess && v->last[2]) {
      const int64_t *s = v->last_stride[2], n[3] = {own[0], own[1], 1};
      const int64_t stride[3] = {s[0], s[1], s[1] * own[1]};
      code = upload_box(v->last[2], n, stride, size,
                        (char *)device + (size_t)(own[0] * own[1] * own[2]) * size, n, stream);
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
    const size_t width = (size_t)v->dims[0] * size, rows = (size_t)v->dims[1];
    cudaError_t code =
        upload_rows(plane.data(), width, rows, (char *)device + (size_t)z * plane.size(), width,
                    rows, width, rows, 1, stream);
    if (code != cudaSuccess) {
      return code;
    }
  }
  return cudaSuccess;
}

/* A border plane to the device. */
inline cudaError_t upload_border(const xac_volume *v, int face, size_t size, void *device,
                                 cudaStream_t stream) {
  const int64_t n0 = v->dims[face < 2 ? 1 : 0], n1 = v->dims[face < 4 ? 2 : 1];
  const int64_t n[3] = {n0, n1, 1};
  const int64_t stride[3] = {v->border_stride[face][0], v->border_stride[face][1],
                             v->border_stride[face][1] * n1};
  return upload_box(v->border[face], n, stride, size, device, n, stream);
}

/* Points lo to lo + n - 1 of a core that has no last planes apart. */
inline cudaError_t upload_points(const xac_volume *v, const xac_box &box, size_t size, void *device,
                                 cudaStream_t stream) {
  int64_t from = 0;
  for (int a = 0; a < 3; a++) {
    from += box.lo[a] * v->stride[a];
  }
  const int64_t to = (box.lo[2] * v->dims[1] + box.lo[1]) * v->dims[0] + box.lo[0];
  return upload_box((const char *)v->data + from * (int64_t)size, box.n, v->stride, size,
                    (char *)device + (size_t)to * size, v->dims, stream);
}

/* The common part of two boxes, into *out; false where there is none. */
inline bool boxes_meet(const xac_box &a, const xac_box &b, xac_box *out) {
  bool meet = true;
  for (int i = 0; i < 3; i++) {
    out->lo[i] = std::max(a.lo[i], b.lo[i]);
    out->n[i] = std::min(a.lo[i] + a.n[i], b.lo[i] + b.n[i]) - out->lo[i];
    meet = meet && out->n[i] > 0;
  }
  return meet;
}

/* Takes a box out of disjoint boxes. */
inline void boxes_without(std::vector<xac_box> *boxes, const xac_box &cut) {
  std::vector<xac_box> left;
  for (const xac_box &box : *boxes) {
    xac_box common, rest = box;
    if (!boxes_meet(box, cut, &common)) {
      left.push_back(box);
      continue;
    }
    for (int a = 2; a >= 0; a--) {
      xac_box part = rest;
      part.n[a] = common.lo[a] - rest.lo[a];
      if (part.n[a] > 0) {
        left.push_back(part);
      }
      part.lo[a] = common.lo[a] + common.n[a];
      part.n[a] = rest.lo[a] + rest.n[a] - part.lo[a];
      if (part.n[a] > 0) {
        left.push_back(part);
      }
      rest.lo[a] = common.lo[a];
      rest.n[a] = common.n[a];
    }
  }
  boxes->swap(left);
}

inline size_t boxes_points(const std::vector<xac_box> &boxes) {
  size_t points = 0;
  for (const xac_box &box : boxes) {
    points += (size_t)(box.n[0] * box.n[1] * box.n[2]);
  }
  return points;
}

#endif
