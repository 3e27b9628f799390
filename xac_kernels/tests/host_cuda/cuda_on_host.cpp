/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end on a machine without a device: its sources, host side and kernels, compiled for
 * the host, each thread of a kernel run after the other. What is tested with it is what these
 * sources compute, not that a device does. In the place of NVRTC and of the driver's modules are
 * users' kernels that the build compiled (host_kernel.cpp).
 */
#include <dlfcn.h>
#include <map>
#include <mutex>

static void *host_symbol(const char *name);
#define dlopen(NAME, FLAGS) ((void *)(NAME))
#define dlsym(LIBRARY, NAME) ((void)(LIBRARY), host_symbol(NAME))
#include "xac_cuda.cu"

extern "C" {
#include "host_device.h"
}

typedef void host_draw(const xac_frame, xk_source, const xk_grid, const float *, float4 *, float *,
                       xk_report *);

#define HOST_KERNELS(X) X(iso_edges) X(label_colors) X(depth_density) X(neighbours) X(runaway)
#define DECLARE(NAME) extern "C" host_draw host_##NAME;
HOST_KERNELS(DECLARE)

struct host_module {
  const char *file;
  host_draw *draw;
};
#define LIST(NAME) {#NAME ".c", host_##NAME},
static host_module modules[] = {HOST_KERNELS(LIST)};

/* In the place of a compiled image: the file's name. */
int xac_nvrtc_compile(const xac_user *user, int, xac_nvrtc_form, void **image, size_t *size,
                      beamcast_error *) {
  *image = strdup(strrchr(user->path, '/') + 1);
  *size = strlen((const char *)*image);
  return BEAMCAST_OK;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  for (host_module &m : modules) {
    if (strcmp(m.file, (const char *)image) == 0) {
      *module = &m;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_NOT_FOUND;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *) {
  *function = (CUfunction)module;
  return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule) {
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult code, const char **name) {
  *name = code == CUDA_SUCCESS ? "success" : "not found";
  return CUDA_SUCCESS;
}

/* --- the device's memory ---------------------------------------------------------------------- */

static struct {
  std::mutex lock;
  std::map<void *, size_t> blocks;
  size_t total = (size_t)1 << 30, used = 0;
  uint64_t copied = 0;
} memory;

void host_device_resize(size_t bytes) {
  std::lock_guard<std::mutex> hold(memory.lock);
  memory.total = bytes;
}

size_t host_device_used(void) {
  std::lock_guard<std::mutex> hold(memory.lock);
  return memory.used;
}

uint64_t host_device_copied(void) {
  std::lock_guard<std::mutex> hold(memory.lock);
  return memory.copied;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  std::lock_guard<std::mutex> hold(memory.lock);
  *total = memory.total;
  *available = memory.total - std::min(memory.used, memory.total);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
  std::lock_guard<std::mutex> hold(memory.lock);
  *p = memory.used + bytes <= memory.total ? malloc(bytes) : nullptr;
  if (*p == nullptr) {
    return cudaErrorMemoryAllocation;
  }
  memory.used += memory.blocks[*p] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void *p) {
  std::lock_guard<std::mutex> hold(memory.lock);
  auto found = memory.blocks.find(p);
  if (found != memory.blocks.end()) {
    memory.used -= found->second;
    memory.blocks.erase(found);
    free(p);
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms *p, cudaStream_t) {
  for (size_t z = 0; z < p->extent.depth; z++) {
    for (size_t y = 0; y < p->extent.height; y++) {
      memcpy((char *)p->dstPtr.ptr + (z * p->dstPtr.ysize + y) * p->dstPtr.pitch,
             (const char *)p->srcPtr.ptr + (z * p->srcPtr.ysize + y) * p->srcPtr.pitch,
             p->extent.width);
    }
  }
  std::lock_guard<std::mutex> hold(memory.lock);
  memory.copied += p->extent.width * p->extent.height * p->extent.depth;
  return cudaSuccess;
}

/* --- drawing ---------------------------------------------------------------------------------- */

static void run(host_draw *draw, dim3 grid, dim3 block, void **a) {
  blockDim = block;
  for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++) {
    for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
      for (threadIdx.y = 0; threadIdx.y < block.y; threadIdx.y++) {
        for (threadIdx.x = 0; threadIdx.x < block.x; threadIdx.x++) {
          try {
            draw(*(xac_frame *)a[0], *(xk_source *)a[1], *(xk_grid *)a[2], *(float **)a[3],
                 *(float4 **)a[4], *(float **)a[5], *(xk_report **)a[6]);
          } catch (const host_thread_end &) {
          }
        }
      }
    }
  }
}

cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments, size_t,
                             cudaStream_t) {
  run((host_draw *)kernel, grid, block, arguments);
  return cudaSuccess;
}

CUresult cuLaunchKernel(CUfunction function, unsigned x, unsigned y, unsigned, unsigned block_x,
                        unsigned block_y, unsigned, unsigned, CUstream, void **arguments, void **) {
  run(((host_module *)function)->draw, dim3(x, y), dim3(block_x, block_y), arguments);
  return CUDA_SUCCESS;
}

static void *host_symbol(const char *name) {
  return strcmp(name, "cuModuleLoadData") == 0      ? (void *)cuModuleLoadData
         : strcmp(name, "cuModuleGetFunction") == 0 ? (void *)cuModuleGetFunction
         : strcmp(name, "cuModuleUnload") == 0      ? (void *)cuModuleUnload
         : strcmp(name, "cuLaunchKernel") == 0      ? (void *)cuLaunchKernel
         : strcmp(name, "cuGetErrorName") == 0      ? (void *)cuGetErrorName
                                                    : nullptr;
}
