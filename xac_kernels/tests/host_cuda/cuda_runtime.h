/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the cuda back end uses of CUDA C++ and of its runtime, for a host without a device: device
 * memory is memory, a kernel's threads run one after the other. Threads that wait for one another
 * could not, and there are none. See cuda_on_host.cpp.
 */
#ifndef HOST_CUDA_RUNTIME_H
#define HOST_CUDA_RUNTIME_H

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>

#define __global__
#define __device__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(THREADS)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint2 {
  unsigned x, y;
};
struct float4 {
  float x, y, z, w;
};

inline dim3 threadIdx, blockIdx, blockDim;

inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
template <class T> inline T __ldg(const T *p) {
  return *p;
}
inline float __uint_as_float(unsigned bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
inline int min(int a, int b) {
  return a < b ? a : b;
}
inline int max(int a, int b) {
  return a > b ? a : b;
}
template <class T> inline T atomicAdd(T *at, T value) {
  T old = *at;
  *at += value;
  return old;
}
template <class T> inline T atomicCAS(T *at, T expected, T value) {
  T old = *at;
  *at = old == expected ? value : old;
  return old;
}

/* Ends a thread of a kernel. */
struct host_thread_end {};
#define XAC_END_THREAD() throw host_thread_end()
#define XAC_CLOCK()                                                                                \
  ((unsigned long long)std::chrono::steady_clock::now().time_since_epoch().count())

typedef enum { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 } cudaError_t;
enum { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
typedef struct host_stream *cudaStream_t;
enum { cudaStreamNonBlocking = 1 };

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};
struct cudaPitchedPtr {
  void *ptr;
  size_t pitch, xsize, ysize;
};
struct cudaExtent {
  size_t width, height, depth;
};
struct cudaMemcpy3DParms {
  cudaPitchedPtr srcPtr, dstPtr;
  cudaExtent extent;
  int kind;
};

inline cudaPitchedPtr make_cudaPitchedPtr(void *p, size_t pitch, size_t width, size_t height) {
  return {p, pitch, width, height};
}
inline cudaExtent make_cudaExtent(size_t width, size_t height, size_t depth) {
  return {width, height, depth};
}
inline const char *cudaGetErrorString(cudaError_t code) {
  return code == cudaSuccess ? "no error" : "out of memory";
}
inline cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int) {
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
  *properties = {"the host", (size_t)1 << 30, 9, 0};
  return cudaSuccess;
}
/* Device memory, and what was copied to it on streams: cuda_on_host.cpp */
cudaError_t cudaMemGetInfo(size_t *available, size_t *total);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMemcpy3DAsync(const struct cudaMemcpy3DParms *p, cudaStream_t stream);
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}
inline cudaError_t cudaMemset(void *p, int value, size_t bytes) {
  memset(p, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, int) {
  memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments,
                             size_t shared, cudaStream_t stream);

#endif
