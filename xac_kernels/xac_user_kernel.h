/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a kernel file sees; docs/kernels.md is its manual. Included right before the kernel file.
 */
#ifndef XAC_USER_KERNEL_H
#define XAC_USER_KERNEL_H

/* Functions that call themselves are refused: nothing would count how deep they go. */
#define XAC_FUNCTION static inline __attribute__((unused, always_inline))

/* One sample of one ray. Vectors and lengths are in world space. */
typedef struct xac_point {
  float value;
  float gradient[3];
  float position[3];
  float eye[3];         /* unit vector towards the eye */
  float light[3];       /* unit vector towards the light */
  float lit;            /* light that arrives, 0..1; 1 without XAC_USES_LIGHT */
  float openness;       /* 0..1; 1 without XAC_USES_OPENNESS */
  float distance;       /* along the ray */
  float step;           /* between samples */
  float value_range[2]; /* of the transfer function */
  float index[3];       /* position in voxels of the whole volume */
  const float *parameter;
  const void *source; /* the renderer's own */
} xac_point;

typedef struct xac_rgba {
  float r, g, b; /* 0..1, not multiplied with a */
  float a;       /* opacity over the unit distance, 0..1 */
} xac_rgba;

/* Declarations that the loader reads; nothing to the compiler. */
#define XAC_PARAMETER(TYPE, NAME, MINIMUM, MAXIMUM, DEFAULT, HELP)
#define XAC_USES_LIGHT
#define XAC_USES_OPENNESS
#define XAC_EVERYWHERE

/* A declared parameter's value. */
#define XAC_GET(POINT, NAME) ((POINT)->parameter[XAC_INDEX_##NAME])

/* Begins the kernel: XAC_KERNEL(p, color) { ... } */
#define XAC_KERNEL(POINT, COLOR)                                                                   \
  XAC_FUNCTION void xac_user_sample(const xac_point *POINT, xac_rgba *COLOR)

/* The value dx, dy, dz voxels away. Exact up to one voxel away; further off, what lies in another
 * rank's brick is taken from the border. */
XAC_FUNCTION float xac_value_at(const xac_point *p, float dx, float dy, float dz);
/* Colour and opacity of a value. */
XAC_FUNCTION xac_rgba xac_color_of(const xac_point *p, float value);

XAC_FUNCTION float xac_clamp(float a, float lo, float hi) {
  return a > lo ? (a < hi ? a : hi) : lo;
}
XAC_FUNCTION float xac_mix(float a, float b, float part) {
  return a + part * (b - a);
}
/* 0 below lo, 1 above hi, smooth between. */
XAC_FUNCTION float xac_smooth(float a, float lo, float hi) {
  float t = xac_clamp((a - lo) / (hi - lo), 0.0f, 1.0f);
  return t * t * (3.0f - 2.0f * t);
}
XAC_FUNCTION float xac_dot(const float *a, const float *b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
XAC_FUNCTION float xac_length(const float *a) {
  return sqrtf(xac_dot(a, a));
}
/* |cosine| between the gradient and a unit vector; 1 where there is no gradient. */
XAC_FUNCTION float xac_facing(const xac_point *p, const float *direction) {
  float norm = xac_length(p->gradient);
  return norm > 0.0f ? fabsf(xac_dot(p->gradient, direction)) / norm : 1.0f;
}

#endif
