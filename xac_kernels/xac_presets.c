/* SPDX-License-Identifier: BSD-3-Clause
 *
 * First pictures: colours made for CT, and the window of values to lay them over.
 */
#include <math.h>
#include <stdlib.h>

#define XAC_LANES 8
#include "xac_block.h"
#include "xac_internal.h"
#include "xac_preset_table.h"

typedef struct control {
  double at, r, g, b, opacity; /* at: 0..1 of the window */
} control;

typedef struct preset {
  const char *name;
  control controls[8]; /* the last is at 1, what is left is 0; labels: all 0 */
} preset;

/* clang-format off */
#define BEGIN(name) {name, {
#define AT(at, r, g, b, opacity) {at, r, g, b, opacity},
#define END }},
static const preset presets[] = {XAC_PRESETS(BEGIN, AT, END){"labels", {{0, 0, 0, 0, 0}}}};
#undef BEGIN
#undef AT
#undef END
/* clang-format on */

const char *xac_preset_name(int number) {
  return number >= 0 && (size_t)number < sizeof presets / sizeof *presets ? presets[number].name
                                                                          : NULL;
}

static void control_color(const preset *p, double at, float *rgba) {
  int i = 0;
  while (i < 6 && p->controls[i + 1].at < at) {
    i++;
  }
  const control *a = &p->controls[i], *b = a + 1;
  double t = (at - a->at) / (b->at - a->at);
  rgba[0] = (float)(a->r + t * (b->r - a->r));
  rgba[1] = (float)(a->g + t * (b->g - a->g));
  rgba[2] = (float)(a->b + t * (b->b - a->b));
  rgba[3] = (float)(a->opacity + t * (b->opacity - a->opacity));
}

int xac_preset(const char *name, float *rgba, int entries, beamcast_error *error) {
  for (size_t p = 0; p < sizeof presets / sizeof *presets; p++) {
    if (strcmp(name, presets[p].name) != 0) {
      continue;
    }
    for (int i = 0; i < entries; i++) {
      if (presets[p].controls[1].at <= 0.0) {
        xac_label_color(i, rgba + 4 * i);
      } else {
        control_color(&presets[p], entries > 1 ? (double)i / (double)(entries - 1) : 0.0,
                      rgba + 4 * i);
      }
    }
    return BEAMCAST_OK;
  }
  return beamcast_fail(
      error, BEAMCAST_ERR_ARGUMENT,
      "no preset is called \"%s\"; there are grey, bone, rock, soft matter, labels", name);
}

/* --- percentiles ------------------------------------------------------------------------------ */

int xac_histogram(xac_renderer *r, double lo, double hi, int64_t *bins, int count,
                  beamcast_error *error) {
  if (!r->has_volume || count < 1 || !isfinite(lo) || !isfinite(hi) || lo > hi) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a histogram needs a volume, bins, and a range of values");
  }
  memset(bins, 0, (size_t)count * sizeof *bins);
  const xac_volume *v = &r->volume;
  double scale = hi > lo ? count / (hi - lo) : 0.0;
  int64_t end[3];
  for (int a = 0; a < 3; a++) {
    end[a] = v->start[a] + v->dims[a] == v->whole[a] ? v->dims[a] : v->dims[a] - 1;
  }
  float row[512];
  for (int64_t z = 0; z < end[2]; z++) {
    for (int64_t y = 0; y < end[1]; y++) {
      for (int64_t x = 0; x < end[0]; x += 512) {
        int n = end[0] - x < 512 ? (int)(end[0] - x) : 512;
        xac_read_points(v, x, y, z, n, row);
        for (int i = 0; i < n; i++) {
          double bin = ((double)row[i] - lo) * scale;
          if (fabsf(row[i]) < 1e30f) {
            bins[bin > 0.0 ? (bin < count - 1 ? (int)bin : count - 1) : 0]++;
          }
        }
      }
    }
  }
  return BEAMCAST_OK;
}

double xac_percentile(const int64_t *bins, int count, double lo, double hi, double part) {
  int64_t all = 0;
  for (int i = 0; i < count; i++) {
    all += bins[i];
  }
  double target = part * (double)all, below = 0.0;
  for (int i = 0; i < count && all > 0; i++) {
    double here = (double)bins[i];
    if (here > 0.0 && below + here >= target) {
      double inside = (target - below) / here;
      return lo + (hi - lo) * (i + inside) / count;
    }
    below += here;
  }
  return lo;
}
