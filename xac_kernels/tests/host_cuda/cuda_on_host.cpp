/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end on a machine without a device: its sources, host side and kernels, compiled for
 * the host, each thread of a kernel run after the other. What is tested with it is what these
 * sources compute, not that a device does. In the place of NVRTC and of the driver's modules are
 * users' kernels that the build compiled (host_kernel.cpp).
 */
#include <dlfcn.h>

static void *host_symbol(const char *name);
#define dlopen(NAME, FLAGS) ((void *)(NAME))
#define dlsym(LIBRARY, NAME) ((void)(LIBRARY), host_symbol(NAME))
#include "xac_cuda.cu"

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
