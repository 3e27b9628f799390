/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel on the cpu: called for each lane that shows something. Included by xac_cpu_tile.c
 * when that is compiled with a kernel file.
 */
#ifndef XAC_USER_CPU_H
#define XAC_USER_CPU_H

#include "parameters.h"
#include "xac_user_kernel.h"

#include XAC_USER_KERNEL

/* A point of the brick, clamped to what there is of it. at: core indices, -1..dims. */
static float xac_user_voxel(const xac_frame *f, const xac_volume *v, const int64_t *at) {
  int64_t c[3];
  int face = -1;
  for (int a = 0; a < 3; a++) {
    c[a] = xac_clamp64(at[a], 0, v->dims[a] - 1);
    if (face < 0 && at[a] < 0 && v->border[2 * a]) {
      face = 2 * a;
    } else if (face < 0 && at[a] >= v->dims[a] && v->border[2 * a + 1]) {
      face = 2 * a + 1;
    }
  }
  float value;
  if (face >= 0) {
    const int64_t *s = v->border_stride[face];
    int64_t i = c[face < 2 ? 1 : 0], j = c[face < 4 ? 2 : 1];
    xac_read_row(v->type, v->border[face], i * s[0] + j * s[1], 1, 1, &value);
  } else {
    xac_read_points(v, c[0], c[1], c[2], 1, &value);
  }
  if (f->has_gaps) {
    xac_mark_gaps(f, &value, 1);
  }
  return value;
}

XAC_FUNCTION float xac_value_at(const xac_point *p, float dx, float dy, float dz) {
  const xac_volume *v = ((const xk_source *)p->source)->job->volume;
  const float offset[3] = {dx, dy, dz};
  int64_t cell[3];
  float part[3], sum = 0.0f;
  for (int a = 0; a < 3; a++) {
    float at = xac_clamp(p->index[a] + offset[a], -2.0f, 2e7f) - (float)v->start[a];
    at = xac_clamp(at, -1.0f, (float)v->dims[a]);
    cell[a] = (int64_t)floorf(at);
    part[a] = at - (float)cell[a];
  }
  for (int i = 0; i < 8; i++) {
    const int64_t at[3] = {cell[0] + (i & 1), cell[1] + (i >> 1 & 1), cell[2] + (i >> 2)};
    float w = (i & 1 ? part[0] : 1.0f - part[0]) * (i & 2 ? part[1] : 1.0f - part[1]) *
              (i & 4 ? part[2] : 1.0f - part[2]);
    if (w > 0.0f) {
      sum += w * xac_user_voxel(p->frame, v, at);
    }
  }
  return sum;
}

XAC_FUNCTION xac_rgba xac_color_of(const xac_point *p, float value) {
  const float *table = ((const xk_source *)p->source)->table;
  float entry = value * p->frame->table_scale + p->frame->table_bias;
  int i = entry > 0.0f ? (entry < XAC_TABLE - 1 ? (int)entry : XAC_TABLE - 1) : 0;
  xac_rgba c = {table[4 * i], table[4 * i + 1], table[4 * i + 2], table[4 * i + 3]};
  return c;
}

XAC_INLINE float xk_unit(float a) {
  return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f;
}

/* Calls the kernel for live lanes; gives colours multiplied with the opacity of one step. */
XAC_INLINE xk_color xk_user(const xac_frame *f, const xk_source *source, const xk_sample *s,
                            const xf *eye, const xf *light, xi live) {
  xk_color c;
  c.r = c.g = c.b = c.a = xf_set(0.0f);
  for (int i = 0; i < XAC_LANES; i++) {
    if (!live[i]) {
      continue;
    }
    xac_point p;
    p.value = s->value[i];
    p.lit = s->light[i];
    p.openness = s->open[i];
    p.distance = s->distance[i];
    p.step = f->step;
    p.value_range[0] = f->value_lo;
    p.value_range[1] = f->value_hi;
    p.frame = f;
    p.source = source;
    for (int a = 0; a < 3; a++) {
      const float *m = f->to_world + 3 * a;
      p.index[a] = s->position[a][i];
      p.gradient[a] = s->g[a][i];
      p.eye[a] = eye[a][i];
      p.light[a] = light[a][i];
      p.position[a] = f->world_origin[a] + m[0] * s->position[0][i] + m[1] * s->position[1][i] +
                      m[2] * s->position[2][i];
    }
    xac_rgba color = xac_color_of(&p, p.value);
    xac_user_sample(&p, &color);
    c.r[i] = xk_unit(color.r);
    c.g[i] = xk_unit(color.g);
    c.b[i] = xk_unit(color.b);
    c.a[i] = xk_unit(color.a);
  }
  c.a = 1.0f - xf_pow(1.0f - c.a, xf_set(f->unit_steps));
  c.r *= c.a;
  c.g *= c.a;
  c.b *= c.a;
  return c;
}

#endif
