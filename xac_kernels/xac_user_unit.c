/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a user's kernel file is compiled in for the cpu. Every round of its loops is counted, and
 * the compiler checks its indices (-fsanitize without a runtime: the functions that the checks call
 * are here); both end the kernel through the renderer, which draws on without it.
 */
#include <math.h>
#include <stdint.h>
#include <time.h>

#include "xac_user_call.h"

#include "parameters.h"
#include "xac_user_kernel.h"

enum { XAC_PORTION = 1 << 14 };

/* Of the worker that calls. The model keeps reading it as cheap as a variable of our own. */
#define XAC_MINE static __thread __attribute__((tls_model("initial-exec")))
XAC_MINE xac_user_call *xac_now;
XAC_MINE unsigned xac_left = XAC_PORTION;

static void __attribute__((noinline, cold)) xac_portion_done(void) {
  struct timespec t;
  xac_left = XAC_PORTION;
  xac_now->rounds += XAC_PORTION;
  if (xac_now->rounds >= XAC_USER_ROUNDS) {
    xac_now->stop(xac_now, XAC_USER_ENDLESS);
  }
  clock_gettime(CLOCK_MONOTONIC, &t);
  if ((long long)t.tv_sec * 1000 + t.tv_nsec / 1000000 > xac_now->deadline) {
    xac_now->stop(xac_now, XAC_USER_SLOW);
  }
}

static inline __attribute__((always_inline)) void xac_round(void) {
  if (--xac_left == 0) {
    xac_portion_done();
  }
}

XAC_FUNCTION float xac_value_at(const xac_point *p, float dx, float dy, float dz) {
  const float at[3] = {p->index[0] + dx, p->index[1] + dy, p->index[2] + dz};
  const xac_user_call *call = p->source;
  return call->value_at(call, at);
}

XAC_FUNCTION xac_rgba xac_color_of(const xac_point *p, float value) {
  const xac_user_call *call = p->source;
  float entry = value * call->table_scale + call->table_bias;
  float last = (float)call->table_last;
  const float *t = call->table + 4 * (int)(entry > 0.0f ? (entry < last ? entry : last) : 0.0f);
  xac_rgba c = {t[0], t[1], t[2], t[3]};
  return c;
}

#include "xac_user_file.h"

__attribute__((visibility("default"))) void xac_user_packet(xac_user_call *call) {
  xac_now = call;
  for (int i = 0; i < XAC_USER_LANES; i++) {
    xac_rgba color = {0, 0, 0, 0};
    if (call->live[i]) {
      xac_point p;
      p.value = call->value[i];
      p.lit = call->lit[i];
      p.openness = call->openness[i];
      p.distance = call->distance[i];
      p.step = call->step;
      p.value_range[0] = call->value_range[0];
      p.value_range[1] = call->value_range[1];
      p.parameter = call->parameter;
      p.source = call;
      for (int a = 0; a < 3; a++) {
        p.index[a] = call->index[a][i];
        p.gradient[a] = call->gradient[a][i];
        p.eye[a] = call->eye[a][i];
        p.light[a] = call->light[a][i];
        p.position[a] = call->position[a][i];
      }
      color = xac_color_of(&p, p.value);
      call->rounds = 0;
      xac_user_sample(&p, &color);
    }
    call->r[i] = xac_unit(color.r);
    call->g[i] = xac_unit(color.g);
    call->b[i] = xac_unit(color.b);
    call->a[i] = xac_unit(color.a);
  }
}

/* --- what the compiler's checks call, under the names that gcc and clang give them -------------
 */

#define XAC_CHECK(NAME, WHY)                                                                       \
  void __ubsan_handle_##NAME(void) {                                                               \
    xac_now->stop(xac_now, WHY);                                                                   \
  }                                                                                                \
  void __ubsan_handle_##NAME##_abort(void) {                                                       \
    xac_now->stop(xac_now, WHY);                                                                   \
  }
XAC_CHECK(out_of_bounds, XAC_USER_OUTSIDE)
XAC_CHECK(type_mismatch_v1, XAC_USER_OUTSIDE)
XAC_CHECK(pointer_overflow, XAC_USER_OUTSIDE)
XAC_CHECK(vla_bound_not_positive, XAC_USER_OUTSIDE)
XAC_CHECK(divrem_overflow, XAC_USER_DIVISION)
