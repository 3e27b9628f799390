/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end's host side: what has to be on the device, brought there when it changed, and a
 * frame drawn. xac_cuda_kernel.cuh has what runs there.
 */
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include <cuda_runtime.h>

#include "xac_cuda_kernel.cuh"

extern "C" {
#include "xac_cuda.h"
}

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

struct xac_device {
  int number = 0;
  buffer core, border[6], table, light, open, visible, rgba, depth, limit, samples;
  uint64_t volume_version = 0, table_version = 0, light_version = 0;
  const void *visible_of = nullptr;
};

static int cuda_failed(cudaError_t code, const char *what, beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "cuda: %s: %s", what,
                       cudaGetErrorString(code));
}

extern "C" xac_device *xac_device_open(char *description, size_t size, beamcast_error *error) {
  int count = 0;
  cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess || count < 1) {
    cuda_failed(code, "no device answers", error);
    return nullptr;
  }
  xac_device *device = new (std::nothrow) xac_device;
  cudaDeviceProp properties;
  if (device == nullptr || cudaGetDevice(&device->number) != cudaSuccess ||
      cudaGetDeviceProperties(&properties, device->number) != cudaSuccess) {
    delete device;
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "cuda: the device's properties can't be read");
    return nullptr;
  }
  snprintf(description, size, "cuda, %s, %.0f GiB", properties.name,
           (double)properties.totalGlobalMem / 1073741824.0);
  return device;
}

extern "C" void xac_device_close(xac_device *device) {
  delete device;
}

/* Copies a strided box of points to the device, packed. */
static cudaError_t upload_box(const void *host, const int64_t dims[3], const int64_t stride[3],
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
static cudaError_t upload_core(const xac_volume *v, size_t size, void *device) {
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

static int upload_volume(xac_device *d, const xac_renderer *r, beamcast_error *error) {
  const xac_volume *v = &r->volume;
  const size_t size = beamcast_type_size(v->type);
  const size_t bytes = (size_t)(v->dims[0] * v->dims[1] * v->dims[2]) * size;
  size_t available = 0, total = 0;
  if (!d->core.reserve(bytes)) {
    cudaGetLastError();
    cudaMemGetInfo(&available, &total);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "the brick needs %.2f GiB of the GPU's memory, %.2f of %.2f GiB are free",
                         (double)bytes / 1073741824.0, (double)available / 1073741824.0,
                         (double)total / 1073741824.0);
  }
  cudaError_t code = upload_core(v, size, d->core.data);
  for (int face = 0; face < 6 && code == cudaSuccess; face++) {
    if (v->border[face] == nullptr) {
      continue;
    }
    const int64_t n0 = v->dims[face < 2 ? 1 : 0], n1 = v->dims[face < 4 ? 2 : 1];
    const int64_t dims[3] = {n0, n1, 1};
    const int64_t stride[3] = {v->border_stride[face][0], v->border_stride[face][1],
                               v->border_stride[face][1] * n1};
    if (!d->border[face].reserve((size_t)(n0 * n1) * size)) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory on the GPU for border planes");
    }
    code = upload_box(v->border[face], dims, stride, size, d->border[face].data);
  }
  if (code != cudaSuccess) {
    return cuda_failed(code, "uploading the volume", error);
  }
  d->volume_version = r->volume_version;
  d->visible_of = nullptr;
  return BEAMCAST_OK;
}

static int upload_to(buffer *to, const void *from, size_t bytes, const char *what,
                     beamcast_error *error) {
  if (!to->reserve(bytes)) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory on the GPU for %s", what);
  }
  cudaError_t code = cudaMemcpy(to->data, from, bytes, cudaMemcpyHostToDevice);
  return code == cudaSuccess ? BEAMCAST_OK : cuda_failed(code, what, error);
}

static int upload_changes(xac_device *d, xac_renderer *r, const xac_frame *f,
                          beamcast_error *error) {
  int code = BEAMCAST_OK;
  if (d->volume_version != r->volume_version) {
    code = upload_volume(d, r, error);
  }
  if (code == BEAMCAST_OK && (d->table_version != r->table_version || d->visible_of == nullptr)) {
    std::vector<unsigned> bits(2 * r->ranges.count);
    for (size_t i = 0; i < r->ranges.count; i++) {
      xac_visible_bits(r, i, &bits[2 * i]);
    }
    code = upload_to(&d->visible, bits.data(), bits.size() * sizeof(unsigned),
                     "the grid of value ranges", error);
    if (code == BEAMCAST_OK) {
      code = upload_to(&d->table, r->table, XAC_TABLE * 16, "the colour table", error);
    }
    d->visible_of = code == BEAMCAST_OK ? r : nullptr;
    d->table_version = r->table_version;
  }
  if (code == BEAMCAST_OK && (f->kernel & (2 | 4)) && d->light_version != r->light_version) {
    code = upload_to(&d->light, r->coarse.light, r->coarse.count * 4, "light", error);
    if (code == BEAMCAST_OK) {
      code = upload_to(&d->open, r->coarse.open, r->coarse.count * 4, "occlusion", error);
    }
    d->light_version = code == BEAMCAST_OK ? r->light_version : 0;
  }
  return code;
}

typedef void (*draw_kernel)(const xac_frame, xk_source, const xk_grid, const float *, float4 *,
                            float *, unsigned long long *);

static draw_kernel kernel_for(int kernel) {
  switch (kernel) {
  case 1:
    return draw_rays<1>;
  case 2:
    return draw_rays<2>;
  case 4:
    return draw_rays<4>;
  case 5:
    return draw_rays<5>;
  case 6:
    return draw_rays<6>;
  default:
    return draw_rays<0>;
  }
}

extern "C" int xac_device_draw(xac_device *d, xac_renderer *r, const xac_frame *f,
                               const xac_image *image, xac_stats *stats, beamcast_error *error) {
  const size_t pixels = (size_t)f->width * (size_t)f->height;
  if (r->ranges.count == 0) {
    memset(image->rgba, 0, pixels * 16);
    for (size_t i = 0; image->depth && i < pixels; i++) {
      image->depth[i] = INFINITY;
    }
    stats->backend = XAC_CUDA;
    return BEAMCAST_OK;
  }
  int code = upload_changes(d, r, f, error);
  if (code == BEAMCAST_OK && image->depth_limit) {
    code = upload_to(&d->limit, image->depth_limit, pixels * 4, "the depth limit", error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (!d->rgba.reserve(pixels * 16) || !d->samples.reserve(8) ||
      (image->depth && !d->depth.reserve(pixels * 4))) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory on the GPU for the picture");
  }
  xk_source source = {};
  source.type = r->volume.type;
  source.core = d->core.data;
  xk_grid grid = {};
  grid.visible = (const uint2 *)d->visible.data;
  for (int a = 0; a < 3; a++) {
    source.dims[a] = (int)r->volume.dims[a];
    source.start[a] = (int)r->volume.start[a];
    grid.dims[a] = (int)r->ranges.grid[a];
    grid.whole[a] = (int)r->volume.whole[a];
  }
  for (int face = 0; face < 6; face++) {
    source.border[face] = r->volume.border[face] ? d->border[face].data : nullptr;
  }
  source.table = (const float4 *)d->table.data;
  source.light = (const float *)d->light.data;
  source.open = (const float *)d->open.data;
  cudaMemset(d->samples.data, 0, 8);
  dim3 block(16, 8), blocks((f->width + 15) / 16, (f->height + 7) / 8);
  kernel_for(f->kernel)<<<blocks, block>>>(
      *f, source, grid, image->depth_limit ? (const float *)d->limit.data : nullptr,
      (float4 *)d->rgba.data, image->depth ? (float *)d->depth.data : nullptr,
      (unsigned long long *)d->samples.data);
  cudaError_t failed = cudaGetLastError();
  unsigned long long samples = 0;
  if (failed == cudaSuccess) {
    failed =
        cudaMemcpy(&samples, d->samples.data, 8, cudaMemcpyDeviceToHost); /* waits for the kernel */
  }
  if (failed == cudaSuccess) {
    failed = cudaMemcpy(image->rgba, d->rgba.data, pixels * 16, cudaMemcpyDeviceToHost);
  }
  if (failed == cudaSuccess && image->depth) {
    failed = cudaMemcpy(image->depth, d->depth.data, pixels * 4, cudaMemcpyDeviceToHost);
  }
  if (failed != cudaSuccess) {
    return cuda_failed(failed, "drawing", error);
  }
  stats->samples = samples;
  stats->bricks = stats->visible = r->ranges.count;
  stats->backend = XAC_CUDA;
  return BEAMCAST_OK;
}
