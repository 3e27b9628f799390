/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets: XAC_LANES rays at once. xf is one float per lane, xi one int per lane; a condition is an
 * xi of -1 (true) and 0. With XAC_LANES 1 they are plain float and int, which is how CUDA sees
 * them. Operators work on packets; what C has no operator for is here.
 */
#ifndef XAC_PACKET_H
#define XAC_PACKET_H

#ifndef XAC_LANES
#define XAC_LANES 8
#endif

#ifdef __CUDACC__
#define XAC_INLINE static __device__ __forceinline__
#else
#define XAC_INLINE static inline __attribute__((always_inline, unused))
#endif

#if XAC_LANES == 1

typedef float xf;
typedef int xi;

XAC_INLINE xf xf_set(float a) {
  return a;
}
XAC_INLINE xi xi_set(int a) {
  return a;
}
XAC_INLINE float xf_lane(xf a, int lane) {
  (void)lane;
  return a;
}
XAC_INLINE xi xf_lt(xf a, xf b) {
  return -(a < b);
}
XAC_INLINE xi xf_le(xf a, xf b) {
  return -(a <= b);
}
XAC_INLINE xf xf_select(xi m, xf a, xf b) {
  return m ? a : b;
}
XAC_INLINE xi xi_select(xi m, xi a, xi b) {
  return m ? a : b;
}
XAC_INLINE xf xf_min(xf a, xf b) {
  return a < b ? a : b;
}
XAC_INLINE xf xf_max(xf a, xf b) {
  return a > b ? a : b;
}
XAC_INLINE xf xf_sqrt(xf a) {
  return sqrtf(a);
}
XAC_INLINE xf xf_ceil(xf a) {
  return ceilf(a);
}
XAC_INLINE xi xf_int(xf a) {
  return (int)a;
}
XAC_INLINE xf xi_float(xi a) {
  return (float)a;
}
XAC_INLINE int xi_any(xi m) {
  return m != 0;
}
XAC_INLINE int xi_count(xi m) {
  return m != 0;
}
XAC_INLINE float xf_greatest(xf a) {
  return a;
}
XAC_INLINE xf xf_pow(xf a, xf b) {
  return a > 0.0f ? powf(a, b) : 0.0f;
}
XAC_INLINE xf xf_shine(xf a, float b) {
  return a > 0.0f ? powf(a, b) : 0.0f;
}
XAC_INLINE xf xf_rsqrt(xf a) {
  return 1.0f / sqrtf(a);
}

#else /* several lanes */

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef float xf __attribute__((vector_size(4 * XAC_LANES)));
typedef int xi __attribute__((vector_size(4 * XAC_LANES)));

XAC_INLINE xf xf_set(float a) {
  return a - (xf){0};
}
XAC_INLINE xi xi_set(int a) {
  return a - (xi){0};
}
XAC_INLINE float xf_lane(xf a, int lane) {
  return a[lane];
}
XAC_INLINE xi xf_lt(xf a, xf b) {
  return (xi)(a < b);
}
XAC_INLINE xi xf_le(xf a, xf b) {
  return (xi)(a <= b);
}
XAC_INLINE xi xi_select(xi m, xi a, xi b) {
  return (m & a) | (~m & b);
}
XAC_INLINE xi xf_int(xf a) {
  return __builtin_convertvector(a, xi);
}
XAC_INLINE xf xi_float(xi a) {
  return __builtin_convertvector(a, xf);
}

/* A packet anywhere in memory, in one load or store: compilers take two of half the size for
 * memcpy, after which a load of the whole has to wait. */
typedef xf xf_loose __attribute__((aligned(4), may_alias));

XAC_INLINE xf xf_load(const float *p) {
  return *(const xf_loose *)p;
}
XAC_INLINE void xf_store(float *p, xf a) {
  *(xf_loose *)p = a;
}

#if defined(__AVX2__) && XAC_LANES == 8
/* min and max give b when a is not a number: put the value that is sure last. */
XAC_INLINE xf xf_min(xf a, xf b) {
  return (xf)_mm256_min_ps((__m256)a, (__m256)b);
}
XAC_INLINE xf xf_max(xf a, xf b) {
  return (xf)_mm256_max_ps((__m256)a, (__m256)b);
}
XAC_INLINE xf xf_select(xi m, xf a, xf b) {
  return (xf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
XAC_INLINE xf xf_sqrt(xf a) {
  return (xf)_mm256_sqrt_ps((__m256)a);
}
XAC_INLINE xf xf_ceil(xf a) {
  return (xf)_mm256_ceil_ps((__m256)a);
}
XAC_INLINE int xi_any(xi m) {
  return _mm256_movemask_ps((__m256)m) != 0;
}
XAC_INLINE int xi_count(xi m) {
  return __builtin_popcount((unsigned)_mm256_movemask_ps((__m256)m));
}
#else
XAC_INLINE xf xf_select(xi m, xf a, xf b) {
  return (xf)(((xi)a & m) | ((xi)b & ~m));
}
XAC_INLINE xf xf_min(xf a, xf b) {
  return xf_select(xf_lt(a, b), a, b);
}
XAC_INLINE xf xf_max(xf a, xf b) {
  return xf_select(xf_lt(b, a), a, b);
}
XAC_INLINE xf xf_sqrt(xf a) {
  for (int i = 0; i < XAC_LANES; i++) {
    a[i] = __builtin_sqrtf(a[i]);
  }
  return a;
}
XAC_INLINE xf xf_ceil(xf a) { /* for |a| below 2^31 */
  xf whole = xi_float(xf_int(a));
  return whole + xf_select(xf_lt(whole, a), xf_set(1.0f), xf_set(0.0f));
}
XAC_INLINE int xi_any(xi m) {
  int any = 0;
  for (int i = 0; i < XAC_LANES; i++) {
    any |= m[i];
  }
  return any != 0;
}
XAC_INLINE int xi_count(xi m) {
  int count = 0;
  for (int i = 0; i < XAC_LANES; i++) {
    count -= m[i];
  }
  return count;
}
#endif

XAC_INLINE float xf_greatest(xf a) {
  float greatest = a[0];
  for (int i = 1; i < XAC_LANES; i++) {
    greatest = a[i] > greatest ? a[i] : greatest;
  }
  return greatest;
}

/* a to the b for a >= 0, to about 1e-5: log2 by its series in (m - 1) / (m + 1), exp2 by Taylor. */
XAC_INLINE xf xf_pow(xf a, xf b) {
  xi bits = (xi)xf_max(a, xf_set(1e-30f));
  xi exponent = ((bits - 0x3f3504f3) >> 23);
  xf m = (xf)(bits - (exponent << 23)); /* between sqrt(1/2) and sqrt(2) */
  xf s = (m - 1.0f) / (m + 1.0f);
  xf s2 = s * s;
  xf log2m = s * (2.88539008f + s2 * (0.96179669f + s2 * (0.57707802f + s2 * 0.41219858f)));
  xf y = b * (xi_float(exponent) + log2m);
  y = xf_min(xf_max(y, xf_set(-126.0f)), xf_set(126.0f));
  xi n = xf_int(y + xf_select(xf_lt(y, xf_set(0.0f)), xf_set(-0.5f), xf_set(0.5f)));
  xf t = (y - xi_float(n)) * 0.69314718f;
  xf e =
      1.0f + t * (1.0f + t * (0.5f + t * (0.16666667f + t * (0.041666667f + t * 0.0083333333f))));
  xf power = e * (xf)((n + 127) << 23);
  return xf_select(xf_lt(xf_set(0.0f), a), power, xf_set(0.0f));
}

/* a to the b for 0 <= a <= 1, to about b * 1e-5: what highlights need, in half the time. The
 * polynomials interpolate log2(1 + m) / m and 2^t at Chebyshev's nodes. */
XAC_INLINE xf xf_shine(xf a, float b) {
  xi bits = (xi)xf_max(a, xf_set(1e-30f));
  xi exponent = ((bits - 0x3f3504f3) >> 23);
  xf m = (xf)(bits - (exponent << 23)) - 1.0f;
  xf m2 = m * m;
  xf low = 1.4427004f - 0.72119576f * m;
  xf high = (0.47992557f - 0.36692578f * m) + m2 * (0.31689817f - 0.20228921f * m);
  xf y = xf_max(b * (xi_float(exponent) + m * (low + m2 * high)), xf_set(-126.0f));
  xi n = xf_int(y - 0.5f);
  xf t = y - xi_float(n);
  xf e = (0.99992454f + 0.69313675f * t) + t * t * (0.24263948f + 0.05583828f * t);
  return e * (xf)((n + 127) << 23);
}

/* 1 / sqrt(a) for a > 0. */
XAC_INLINE xf xf_rsqrt(xf a) {
#if defined(__AVX2__) && XAC_LANES == 8
  xf y = (xf)_mm256_rsqrt_ps((__m256)a);
  return y * (1.5f - 0.5f * a * y * y); /* one step of Newton's: to 1e-7 */
#else
  return 1.0f / xf_sqrt(a);
#endif
}

#endif /* XAC_LANES */

XAC_INLINE xf xf_clamp01(xf a) {
  return xf_min(xf_max(a, xf_set(0.0f)), xf_set(1.0f));
}

#endif
