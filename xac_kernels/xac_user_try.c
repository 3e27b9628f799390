/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The program in which a user's kernel first runs: linked with the kernel's object, it draws a
 * small volume of many values. When it crashes or does not end, the kernel is not loaded.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "xac_cpu.h"

void xac_user_tile(xac_cpu_job *job);

enum { SIDE = 16, PIXELS = 32 };

static void set_frame(xac_frame *f, const float *parameters) {
  memset(f, 0, sizeof *f);
  f->width = f->height = PIXELS;
  f->kernel = 8 | 2 | 4;
  f->origin[0] = f->origin[1] = 0.1f;
  f->origin[2] = -5.0f;
  f->origin_dx[0] = f->origin_dy[1] = 15.0f / PIXELS;
  f->direction[2] = f->world[2] = 1.0f;
  for (int a = 0; a < 3; a++) {
    f->to_world[4 * a] = f->gradient[4 * a] = 1.0f;
    f->box_hi[a] = SIDE - 1;
    f->coarse_dims[a] = 1;
  }
  f->step = f->unit_steps = 0.5f;
  f->terminate = 0.001f;
  f->table_scale = XAC_TABLE - 1;
  f->table_bias = 0.5f;
  f->value_hi = 1.0f;
  f->lowest = -1.0f;
  f->light[2] = 1.0f;
  f->light_kind = 1;
  memcpy(f->parameter, parameters, sizeof f->parameter);
}

int main(int count, char **arguments) {
  const struct rlimit seconds = {5, 5}, memory = {1u << 30, 1u << 30};
  setrlimit(RLIMIT_CPU, &seconds);
  setrlimit(RLIMIT_AS, &memory);
  float parameters[XAC_FRAME_PARAMETERS] = {0};
  for (int i = 1; i < count && i <= XAC_FRAME_PARAMETERS; i++) {
    parameters[i - 1] = (float)atof(arguments[i]);
  }
  xac_frame frame;
  set_frame(&frame, parameters);
  float *values = malloc(SIDE * SIDE * SIDE * sizeof *values);
  float *table = aligned_alloc(64, XAC_TABLE * 4 * sizeof *table);
  float *rgba = malloc(PIXELS * PIXELS * 4 * sizeof *rgba);
  void *scratch = aligned_alloc(64, (XAC_CPU_SCRATCH + 63) / 64 * 64);
  if (!values || !table || !rgba || !scratch) {
    return 3;
  }
  memset(scratch, 0, XAC_CPU_SCRATCH);
  unsigned random = 1;
  for (int i = 0; i < SIDE * SIDE * SIDE; i++) {
    random = random * 1664525u + 1013904223u;
    values[i] = (float)(random >> 8) / 16777216.0f;
  }
  for (int i = 0; i < XAC_TABLE; i++) {
    for (int c = 0; c < 4; c++) {
      table[4 * i + c] = 0.2f * (float)i / XAC_TABLE;
    }
  }
  xac_volume volume = {.type = BEAMCAST_FLOAT32,
                       .data = values,
                       .dims = {SIDE, SIDE, SIDE},
                       .stride = {1, SIDE, SIDE * SIDE},
                       .whole = {SIDE, SIDE, SIDE}};
  xac_macrocell cell = {
      .hi = {SIDE - 1, SIDE - 1, SIDE - 1}, .cells = {15, 15, 15}, .visible = {~0u, ~0u}};
  xac_rectangle all = {0, 0, PIXELS, PIXELS};
  const uint32_t first = 0;
  const float one[40] = {1.0f};
  xac_cpu_job job = {.frame = &frame,
                     .volume = &volume,
                     .macrocells = &cell,
                     .rectangles = &all,
                     .list = &first,
                     .listed = 1,
                     .table = table,
                     .light = one,
                     .open = one,
                     .tile = all,
                     .image = {.rgba = rgba},
                     .scratch = scratch};
  xac_user_tile(&job);
  for (int i = 0; i < PIXELS * PIXELS * 4; i++) {
    if (!isfinite(rgba[i])) {
      return 4;
    }
  }
  return 0;
}
