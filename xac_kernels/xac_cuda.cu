/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end's host side: what has to be on the device, brought there when it changed, and a
 * frame drawn. xac_cuda_kernel.cuh has what runs there.
 */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#include <cuda.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#include "xac_cuda_kernel.cuh"

extern "C" {
#include "xac_cuda.h"
#include "xac_landing.h"
#include "xac_nvrtc.h"
}

#include "xac_cuda_upload.h"

#include "xac_cuda_brick.h"

struct xac_device {
  int number = 0, architecture = 0;
  xac_device_brick brick;
  buffer table, light, open, visible, rgba, depth, limit, report;
  uint64_t table_version = 0, light_version = 0, visible_version = 0;
};

static int cuda_failed(cudaError_t code, const char *what, beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "cuda: %s: %s", what,
                       cudaGetErrorString(code));
}

static xac_device *device_open(char *description, size_t size, beamcast_error *error) {
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
  device->architecture = 10 * properties.major + properties.minor;
  snprintf(description, size, "cuda, %s, %.0f GiB", properties.name,
           (double)properties.totalGlobalMem / 1073741824.0);
  return device;
}

static void device_close(xac_device *device) {
  delete device;
}

static int upload_to(buffer *to, const void *from, size_t bytes, const char *what,
                     beamcast_error *error) {
  if (!to->reserve(bytes)) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory on the GPU for %s", what);
  }
  cudaError_t code = cudaMemcpy(to->data, from, bytes, cudaMemcpyHostToDevice);
  return code == cudaSuccess ? BEAMCAST_OK : cuda_failed(code, what, error);
}

/* The macrocells' bits and the colour table. */
static int upload_colours(xac_device *d, xac_renderer *r, beamcast_error *error) {
  int code = xac_visible_build(r, error);
  if (code == BEAMCAST_OK && d->visible_version != r->visible.version) {
    code = upload_to(&d->visible, r->visible.bits, 2 * r->ranges.count * sizeof(unsigned),
                     "the grid of value ranges", error);
    d->visible_version = code == BEAMCAST_OK ? r->visible.version : 0;
  }
  if (code == BEAMCAST_OK && d->table_version != r->table_version) {
    code = upload_to(&d->table, r->table, XAC_TABLE * 16, "the colour table", error);
    d->table_version = code == BEAMCAST_OK ? r->table_version : 0;
  }
  return code;
}

static int upload_changes(xac_device *d, xac_renderer *r, const xac_frame *f,
                          beamcast_error *error) {
  int code = d->brick.finish(d->number, &r->volume, r->volume_version, error);
  if (code == BEAMCAST_OK) {
    code = upload_colours(d, r, error);
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

/* --- a user's kernel -------------------------------------------------------------------------- */

/* What is used of the driver's library, which the runtime has loaded where a device answers. */
struct driver {
  decltype(&cuModuleLoadData) load = nullptr;
  decltype(&cuModuleGetFunction) get = nullptr;
  decltype(&cuModuleUnload) unload = nullptr;
  decltype(&cuLaunchKernel) launch = nullptr;
  decltype(&cuGetErrorName) name = nullptr;

  driver() {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library) {
      find(library, "cuModuleLoadData", &load);
      find(library, "cuModuleGetFunction", &get);
      find(library, "cuModuleUnload", &unload);
      find(library, "cuLaunchKernel", &launch);
      find(library, "cuGetErrorName", &name);
    }
  }

  bool complete() const {
    return load && get && unload && launch && name;
  }

private:
  template <class FUNCTION> static void find(void *library, const char *symbol, FUNCTION *to) {
    void *found = dlsym(library, symbol);
    memcpy(to, &found, sizeof found);
  }
};

static const driver &the_driver() {
  static const driver functions;
  return functions;
}

struct user_module {
  CUmodule module = nullptr;
  CUfunction function = nullptr;
};

static int driver_failed(CUresult code, const char *what, beamcast_error *error) {
  const char *name = nullptr;
  the_driver().name(code, &name);
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "cuda: %s: %s", what,
                       name ? name : "unknown");
}

static int device_architecture(const xac_device *device) {
  return device->architecture;
}

static void device_unload(void *module) {
  user_module *user = (user_module *)module;
  if (user && user->module) {
    the_driver().unload(user->module);
  }
  delete user;
}

static int device_load(xac_device *device, const void *image, void **module,
                       beamcast_error *error) {
  *module = nullptr;
  if (!the_driver().complete()) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "cuda: libcuda.so.1 can't be loaded");
  }
  user_module *user = new (std::nothrow) user_module;
  if (user == nullptr) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a kernel");
  }
  cudaSetDevice(device->number);
  cudaFree(nullptr); /* makes the device's context this thread's */
  CUresult code = the_driver().load(&user->module, image);
  if (code == CUDA_SUCCESS) {
    code = the_driver().get(&user->function, user->module, XAC_NVRTC_ENTRY);
  }
  if (code != CUDA_SUCCESS) {
    device_unload(user);
    return driver_failed(code, "loading the compiled kernel", error);
  }
  *module = user;
  return BEAMCAST_OK;
}

/* --- drawing ---------------------------------------------------------------------------------- */

static const void *kernel_for(int kernel) {
  switch (kernel) {
  case 1:
    return (const void *)draw_rays<1>;
  case 2:
    return (const void *)draw_rays<2>;
  case 4:
    return (const void *)draw_rays<4>;
  case 5:
    return (const void *)draw_rays<5>;
  case 6:
    return (const void *)draw_rays<6>;
  default:
    return (const void *)draw_rays<0>;
  }
}

/* Starts the built-in kernel, or the user's. */
static int launch(const xac_renderer *r, const xac_frame *f, void **arguments,
                  beamcast_error *error) {
  const dim3 block(XAC_BLOCK_X, XAC_BLOCK_Y), blocks((f->width + XAC_BLOCK_X - 1) / XAC_BLOCK_X,
                                                     (f->height + XAC_BLOCK_Y - 1) / XAC_BLOCK_Y);
  if (f->kernel & XAC_USER) {
    const char *why_not;
    const user_module *user = (const user_module *)xac_user_module(r->user, &why_not);
    CUresult code = the_driver().launch(user->function, blocks.x, blocks.y, 1, block.x, block.y, 1,
                                        0, nullptr, arguments, nullptr);
    return code == CUDA_SUCCESS ? BEAMCAST_OK : driver_failed(code, "drawing", error);
  }
  cudaError_t code = cudaLaunchKernel(kernel_for(f->kernel), blocks, block, arguments, 0, nullptr);
  return code == cudaSuccess ? BEAMCAST_OK : cuda_failed(code, "drawing", error);
}

/* What the kernels read the brick and the coarse grids by. */
static void describe(const xac_device *d, const xac_renderer *r, const xac_frame *f,
                     xk_source *source, xk_grid *grid) {
  source->type = r->volume.type;
  source->core = d->brick.core.data;
  grid->visible = (const uint2 *)d->visible.data;
  for (int a = 0; a < 3; a++) {
    source->dims[a] = (int)r->volume.dims[a];
    source->start[a] = (int)r->volume.start[a];
    grid->dims[a] = (int)r->ranges.grid[a];
    grid->whole[a] = (int)r->volume.whole[a];
  }
  for (int face = 0; face < 6; face++) {
    source->border[face] = r->volume.border[face] ? d->brick.border[face].data : nullptr;
  }
  source->table = (const float4 *)d->table.data;
  if (f->kernel & (2 | 4)) {
    source->light = (const float *)d->light.data;
    source->open = (const float *)d->open.data;
  }
}

static void device_upload(xac_device *d, const xac_volume *volume, uint64_t version) {
  d->brick.begin(d->number, volume, version);
}

static int device_draw(xac_device *d, xac_renderer *r, const xac_frame *f, const xac_image *image,
                       xac_stats *stats, int *stopped, beamcast_error *error) {
  const size_t pixels = (size_t)f->width * (size_t)f->height;
  if (r->ranges.count == 0) {
    if (!f->under) {
      memset(image->rgba, 0, pixels * 16);
    }
    for (size_t i = 0; image->depth && i < pixels; i++) {
      image->depth[i] = INFINITY;
    }
    stats->backend = XAC_CUDA;
    return BEAMCAST_OK;
  }
  cudaSetDevice(d->number);
  int code = upload_changes(d, r, f, error);
  if (code == BEAMCAST_OK && image->depth_limit) {
    code = upload_to(&d->limit, image->depth_limit, pixels * 4, "the depth limit", error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (!d->rgba.reserve(pixels * 16) || !d->report.reserve(sizeof(xk_report)) ||
      (image->depth && !d->depth.reserve(pixels * 4))) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory on the GPU for the picture");
  }
  if (f->under) {
    code = upload_to(&d->rgba, image->rgba, pixels * 16, "the picture so far", error);
    if (code != BEAMCAST_OK) {
      return code;
    }
  }
  xac_frame frame = *f;
  xk_source source = {};
  xk_grid grid = {};
  describe(d, r, f, &source, &grid);
  cudaMemset(d->report.data, 0, sizeof(xk_report));
  const void *limit = image->depth_limit ? d->limit.data : nullptr;
  void *depth = image->depth ? d->depth.data : nullptr;
  void *arguments[] = {&frame, &source, &grid, &limit, &d->rgba.data, &depth, &d->report.data};
  code = launch(r, f, arguments, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  xk_report report = {};
  cudaError_t failed = cudaMemcpy(&report, d->report.data, sizeof report,
                                  cudaMemcpyDeviceToHost); /* waits for the kernel */
  if (failed == cudaSuccess) {
    failed = cudaMemcpy(image->rgba, d->rgba.data, pixels * 16, cudaMemcpyDeviceToHost);
  }
  if (failed == cudaSuccess && image->depth) {
    failed = cudaMemcpy(image->depth, d->depth.data, pixels * 4, cudaMemcpyDeviceToHost);
  }
  if (failed != cudaSuccess) {
    return cuda_failed(failed, "drawing", error);
  }
  *stopped = report.stopped;
  stats->samples = report.samples;
  stats->bricks = stats->visible = r->ranges.count;
  stats->copied_early = d->brick.early;
  stats->copied_late = d->brick.late;
  stats->backend = XAC_CUDA;
  return BEAMCAST_OK;
}

static const xac_device_calls calls = {device_open, device_close,  device_architecture,
                                       device_load, device_unload, device_upload,
                                       device_draw};
extern "C" const xac_device_calls *const xac_cuda = &calls;
