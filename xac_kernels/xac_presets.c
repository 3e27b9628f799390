/* SPDX-License-Identifier: BSD-3-Clause
 *
 * First pictures: colours made for CT, and the window of values to lay them over.
 */
#include <math.h>
#include <stdlib.h>

#define XAC_LANES 8
#include "xac_block.h"
#include "xac_internal.h"

typedef struct control {
  float at, r, g, b, opacity; /* at: 0..1 of the window */
} control;

typedef struct preset {
  const char *name;
  int count;
  control controls[8];
} preset;

static const preset presets[] = {
    /* The densest part of a body; what lies under it is hardly seen. */
    {"bone",
     6,
     {{0.00f, 0.10f, 0.05f, 0.03f, 0.00f},
      {0.48f, 0.55f, 0.32f, 0.22f, 0.00f},
      {0.58f, 0.78f, 0.60f, 0.44f, 0.12f},
      {0.70f, 0.92f, 0.83f, 0.70f, 0.45f},
      {0.85f, 0.97f, 0.93f, 0.86f, 0.80f},
      {1.00f, 1.00f, 0.99f, 0.96f, 0.95f}}},
    /* Grains against pores: everything above the air, brighter where denser. */
    {"rock",
     6,
     {{0.00f, 0.10f, 0.09f, 0.08f, 0.00f},
      {0.30f, 0.30f, 0.24f, 0.19f, 0.00f},
      {0.42f, 0.55f, 0.44f, 0.33f, 0.35f},
      {0.62f, 0.74f, 0.63f, 0.48f, 0.75f},
      {0.85f, 0.90f, 0.84f, 0.72f, 0.95f},
      {1.00f, 1.00f, 0.97f, 0.90f, 1.00f}}},
    /* Translucent, so that what lies inside is seen. */
    {"soft matter",
     6,
     {{0.00f, 0.05f, 0.05f, 0.20f, 0.000f},
      {0.15f, 0.20f, 0.25f, 0.55f, 0.000f},
      {0.35f, 0.75f, 0.40f, 0.40f, 0.015f},
      {0.55f, 0.92f, 0.68f, 0.50f, 0.050f},
      {0.80f, 0.97f, 0.88f, 0.72f, 0.150f},
      {1.00f, 1.00f, 0.98f, 0.94f, 0.300f}}},
    {"labels", 0, {{0, 0, 0, 0, 0}}},
};

const char *xac_preset_name(int number) {
  return number >= 0 && (size_t)number < sizeof presets / sizeof *presets ? presets[number].name
                                                                          : NULL;
}

/* Hues a golden angle apart, so that neighbouring labels differ. */
static void label_color(int label, float *rgba) {
  double hue = fmod(label * 0.61803398875, 1.0) * 6.0;
  for (int c = 0; c < 3; c++) {
    double h = fmod(hue + 4.0 * (3 - c), 6.0);
    double v = h < 1.0 ? h : h < 3.0 ? 1.0 : h < 4.0 ? 4.0 - h : 0.0;
    rgba[c] = (float)(0.25 + 0.7 * v);
  }
  rgba[3] = label > 0 ? 0.9f : 0.0f;
}

static void control_color(const preset *p, float at, float *rgba) {
  int i = 0;
  while (i < p->count - 2 && p->controls[i + 1].at < at) {
    i++;
  }
  const control *a = &p->controls[i], *b = a + 1;
  float t = (at - a->at) / (b->at - a->at);
  rgba[0] = a->r + t * (b->r - a->r);
  rgba[1] = a->g + t * (b->g - a->g);
  rgba[2] = a->b + t * (b->b - a->b);
  rgba[3] = a->opacity + t * (b->opacity - a->opacity);
}

int xac_preset(const char *name, float *rgba, int entries, beamcast_error *error) {
  for (size_t p = 0; p < sizeof presets / sizeof *presets; p++) {
    if (strcmp(name, presets[p].name) != 0) {
      continue;
    }
    for (int i = 0; i < entries; i++) {
      if (presets[p].count == 0) {
        label_color(i, rgba + 4 * i);
      } else {
        control_color(&presets[p], entries > 1 ? (float)i / (float)(entries - 1) : 0.0f,
                      rgba + 4 * i);
      }
    }
    return BEAMCAST_OK;
  }
  return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                       "no preset is called \"%s\"; there are bone, rock, soft matter, labels",
                       name);
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
        xac_read_row(v->type, v->data, x * v->stride[0] + y * v->stride[1] + z * v->stride[2],
                     v->stride[0], n, row);
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
