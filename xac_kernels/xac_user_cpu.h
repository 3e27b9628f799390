/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel on the cpu: hands it the samples of a packet that show something, and takes its
 * colours. When it has to be stopped, the tile is left where it was. Included by xac_cpu_tile.c.
 */
#ifndef XAC_USER_CPU_H
#define XAC_USER_CPU_H

_Static_assert((int)XAC_USER_LANES == (int)XAC_LANES, "a packet is a packet");
_Static_assert((int)XAC_USER_PARAMETERS == (int)XAC_FRAME_PARAMETERS, "parameters");

/* A point of the brick, clamped to what there is of it. at: core indices, -1..dims. */
static float xk_user_voxel(const xac_frame *f, const xac_volume *v, const int64_t *at) {
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
  float value = 0.0f;
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

static float xk_between(float a, float lo, float hi) {
  return a > lo ? (a < hi ? a : hi) : lo; /* lo also for what is not a number */
}

/* The value at a place in voxels of the whole volume, wherever the kernel says. */
static float xk_user_value_at(const xac_user_call *call, const float *index) {
  const xac_cpu_job *job = call->owner;
  const xac_volume *v = job->volume;
  int64_t cell[3];
  float part[3], sum = 0.0f;
  for (int a = 0; a < 3; a++) {
    float at = xk_between(index[a], -2.0f, 2e7f) - (float)v->start[a];
    at = xk_between(at, -1.0f, (float)v->dims[a]);
    cell[a] = (int64_t)floorf(at);
    part[a] = at - (float)cell[a];
  }
  for (int i = 0; i < 8; i++) {
    const int64_t at[3] = {cell[0] + (i & 1), cell[1] + (i >> 1 & 1), cell[2] + (i >> 2)};
    float w = (i & 1 ? part[0] : 1.0f - part[0]) * (i & 2 ? part[1] : 1.0f - part[1]) *
              (i & 4 ? part[2] : 1.0f - part[2]);
    if (w > 0.0f) {
      sum += w * xk_user_voxel(job->frame, v, at);
    }
  }
  return sum;
}

static void xk_user_stop(xac_user_call *call, int why) {
  xac_cpu_job *job = call->owner;
  job->stopped = why;
  longjmp(*(jmp_buf *)job->jump, 1);
}

static void xk_user_begin(xac_cpu_job *job) {
  const xac_frame *f = job->frame;
  xac_user_call *call = &job->call;
  call->step = f->step;
  call->value_range[0] = f->value_lo;
  call->value_range[1] = f->value_hi;
  call->parameter = f->parameter;
  call->table = job->table;
  call->table_scale = f->table_scale;
  call->table_bias = f->table_bias;
  call->table_last = XAC_TABLE - 1;
  call->deadline = job->deadline;
  call->value_at = xk_user_value_at;
  call->stop = xk_user_stop;
  call->owner = job;
}

XAC_INLINE void xk_put(float *out, xf a) {
  memcpy(out, &a, sizeof a);
}

XAC_INLINE xf xk_get(const float *in) {
  xf a;
  memcpy(&a, in, sizeof a);
  return a;
}

/* Calls the kernel for live lanes; gives colours multiplied with the opacity of one step. */
XAC_INLINE xk_color xk_user(const xac_frame *f, const xk_source *source, const xk_sample *s,
                            const xf *eye, const xf *light, xi live) {
  xac_user_call *call = &source->job->call;
  xk_put(call->value, s->value);
  xk_put(call->lit, s->light);
  xk_put(call->openness, s->open);
  xk_put(call->distance, s->distance);
  memcpy(call->live, &live, sizeof live);
  for (int a = 0; a < 3; a++) {
    const float *m = f->to_world + 3 * a;
    xk_put(call->index[a], s->position[a]);
    xk_put(call->gradient[a], s->g[a]);
    xk_put(call->eye[a], eye[a]);
    xk_put(call->light[a], light[a]);
    xk_put(call->position[a], f->world_origin[a] + m[0] * s->position[0] + m[1] * s->position[1] +
                                  m[2] * s->position[2]);
  }
  source->job->user(call);
  xk_color c;
  c.a = 1.0f - xf_pow(1.0f - xk_get(call->a), xf_set(f->unit_steps));
  c.r = xk_get(call->r) * c.a;
  c.g = xk_get(call->g) * c.a;
  c.b = xk_get(call->b) * c.a;
  return c;
}

#endif
