/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What xac_cuda.cu uses of CUDA's driver, for a host without a device: see cuda_on_host.cpp.
 */
#ifndef HOST_CUDA_H
#define HOST_CUDA_H

typedef enum { CUDA_SUCCESS = 0, CUDA_ERROR_NOT_FOUND = 500 } CUresult;
typedef struct host_module *CUmodule;
typedef struct host_function *CUfunction;
typedef struct host_stream *CUstream;

CUresult cuModuleLoadData(CUmodule *module, const void *image);
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name);
CUresult cuModuleUnload(CUmodule module);
CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                        CUstream stream, void **arguments, void **extra);
CUresult cuGetErrorName(CUresult code, const char **name);

#endif
