/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a user's kernel file is compiled in for a CUDA device, by NVRTC: the kernel source that all
 * back ends share, and in it a call of the user's function for each sample. Rounds of loops are
 * counted as on the cpu (xac_user_unit.c). A thread that has to stop says why and ends; the picture
 * is drawn again without this kernel. Indices are not checked here.
 */
#define XAC_CALLS_USER
#include "xac_cuda_kernel.cuh"
#include "xac_user_call.h"

#include "parameters.h"
#include "xac_user_kernel.h"

enum { XAC_PORTION = 1 << 10 };
#define XAC_PICTURE_NANOSECONDS 60000000000ull /* as on the cpu */

/* What a thread counts, in the memory that its block shares. */
struct xac_thread {
  unsigned left, rounds;
  xk_report *report;
};

XAC_INLINE xac_thread *xac_mine() {
  __shared__ xac_thread threads[XAC_BLOCK_X * XAC_BLOCK_Y];
  return &threads[threadIdx.y * XAC_BLOCK_X + threadIdx.x];
}

static __device__ __attribute__((noinline)) void xac_portion_done() {
  xac_thread *mine = xac_mine();
  mine->left = XAC_PORTION;
  mine->rounds += XAC_PORTION;
  unsigned long long now = XAC_CLOCK();
  unsigned long long begun = atomicCAS(&mine->report->begun, 0ull, now);
  int why = mine->rounds >= XAC_USER_ROUNDS                            ? XAC_USER_ENDLESS
            : begun != 0 && now > begun + XAC_PICTURE_NANOSECONDS      ? XAC_USER_SLOW
            : *(volatile int *)&mine->report->stopped != XAC_USER_RUNS ? XAC_USER_SLOW
                                                                       : XAC_USER_RUNS;
  if (why != XAC_USER_RUNS) {
    atomicCAS(&mine->report->stopped, (int)XAC_USER_RUNS, why);
    XAC_END_THREAD();
  }
}

XAC_INLINE void xac_round() {
  if (--xac_mine()->left == 0) {
    xac_portion_done();
  }
}

/* A point of the brick, clamped to what there is of it. at: core indices, -1..dims. */
XAC_INLINE float xac_voxel(const xk_source *s, const int *at) {
  int c[3], face = -1;
  for (int a = 0; a < 3; a++) {
    c[a] = max(min(at[a], s->dims[a] - 1), 0);
    if (face < 0 && at[a] < 0 && s->border[2 * a]) {
      face = 2 * a;
    } else if (face < 0 && at[a] >= s->dims[a] && s->border[2 * a + 1]) {
      face = 2 * a + 1;
    }
  }
  return face < 0 ? device_point(s, c[0], c[1], c[2])
                  : device_border(s, face, c[face < 2 ? 1 : 0], c[face < 4 ? 2 : 1]);
}

XAC_INLINE float xac_between(float a, float lo, float hi) {
  return a > lo ? (a < hi ? a : hi) : lo; /* lo also for what is not a number */
}

XAC_FUNCTION float xac_value_at(const xac_point *p, float dx, float dy, float dz) {
  const xk_source *s = (const xk_source *)p->source;
  const float index[3] = {p->index[0] + dx, p->index[1] + dy, p->index[2] + dz};
  int cell[3];
  float part[3], sum = 0.0f;
  for (int a = 0; a < 3; a++) {
    float at = xac_between(index[a], -2.0f, 2e7f) - (float)s->start[a];
    at = xac_between(at, -1.0f, (float)s->dims[a]);
    cell[a] = (int)floorf(at);
    part[a] = at - (float)cell[a];
  }
  for (int i = 0; i < 8; i++) {
    const int at[3] = {cell[0] + (i & 1), cell[1] + (i >> 1 & 1), cell[2] + (i >> 2)};
    float w = (i & 1 ? part[0] : 1.0f - part[0]) * (i & 2 ? part[1] : 1.0f - part[1]) *
              (i & 4 ? part[2] : 1.0f - part[2]);
    if (w > 0.0f) {
      sum += w * xac_voxel(s, at);
    }
  }
  return sum;
}

XAC_FUNCTION xac_rgba xac_color_of(const xac_point *p, float value) {
  const xk_source *s = (const xk_source *)p->source;
  float entry = value * s->frame->table_scale + s->frame->table_bias;
  xk_color t = xk_lookup(s, (int)xac_between(entry, 0.0f, (float)(XAC_TABLE - 1)));
  xac_rgba c = {t.r, t.g, t.b, t.a};
  return c;
}

#include "xac_user_file.h"

XAC_INLINE xk_color xk_user(const xac_frame *f, const xk_source *source, const xk_sample *s,
                            const float *eye, const float *light, int live) {
  (void)live; /* only live samples come here */
  xac_point p;
  p.value = s->value;
  p.lit = s->light;
  p.openness = s->open;
  p.distance = s->distance;
  p.step = f->step;
  p.value_range[0] = f->value_lo;
  p.value_range[1] = f->value_hi;
  p.parameter = f->parameter;
  p.source = source;
  for (int a = 0; a < 3; a++) {
    const float *m = f->to_world + 3 * a;
    p.index[a] = s->position[a];
    p.gradient[a] = s->g[a];
    p.eye[a] = eye[a];
    p.light[a] = light[a];
    p.position[a] =
        f->world_origin[a] + m[0] * s->position[0] + m[1] * s->position[1] + m[2] * s->position[2];
  }
  xac_rgba color = xac_color_of(&p, p.value);
  xac_mine()->rounds = 0;
  xac_user_sample(&p, &color);
  xk_color c;
  c.a = 1.0f - xf_pow(1.0f - xac_unit(color.a), f->unit_steps);
  c.r = xac_unit(color.r) * c.a;
  c.g = xac_unit(color.g) * c.a;
  c.b = xac_unit(color.b) * c.a;
  return c;
}

extern "C" __global__ void __launch_bounds__(XAC_BLOCK_X *XAC_BLOCK_Y)
    xac_draw_user(const __grid_constant__ xac_frame frame, xk_source source, const xk_grid grid,
                  const float *limit, float4 *rgba, float *depth, xk_report *report) {
  if (*(volatile int *)&report->stopped != XAC_USER_RUNS) {
    return;
  }
  xac_thread *mine = xac_mine();
  mine->left = XAC_PORTION;
  mine->report = report;
  draw_ray<XAC_USER_BITS>(&frame, &source, &grid, limit, rgba, depth, report);
}
