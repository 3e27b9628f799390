/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Projection and back-projection. Each number is summed by one thread in the order of the angles,
 * so that results don't depend on the number of threads.
 */
#include "backproject.h"

#include <math.h>
#include <string.h>

static void add_row(const beam *b, const window *part, uint64_t y, double cosine, double sine,
                    const float *lines, uint64_t planes, float *sums) {
  const double middle = ((double)b->size[0] - 1) / 2;
  const double start = b->axis + ((double)y - ((double)b->size[1] - 1) / 2) * sine;
  for (uint64_t x = part->x0; x < part->x1; x++, sums += planes) {
    const double at = start + ((double)x - middle) * cosine;
    if (!(at >= 0 && at < (double)(b->columns - 1))) {
      continue;
    }
    const uint64_t column = (uint64_t)at;
    const float right = (float)(at - (double)column), left = 1 - right;
    const float *before = lines + column * planes, *after = before + planes;
    for (uint64_t z = 0; z < planes; z++) {
      sums[z] += left * before[z] + right * after[z];
    }
  }
}

void back_project(const beam *b, const window *part, const double *angles, uint64_t count,
                  const float *filtered, uint64_t planes, float *sums) {
#pragma omp parallel for schedule(static)
  for (uint64_t y = part->y0; y < part->y1; y++) {
    for (uint64_t i = 0; i < count; i++) {
      add_row(b, part, y, cos(angles[i]), sin(angles[i]), filtered + i * b->columns * planes,
              planes, sums + (y - part->y0) * (part->x1 - part->x0) * planes);
    }
  }
}

/* Adds weight times what the slices have at `at` in one row (or column) of pixels, interpolated
 * between two of them; outside they are 0. first: the row's first pixel; step: floats from one
 * pixel to the next. */
static void add_sample(const float *first, uint64_t step, uint64_t pixels, double at, float weight,
                       uint64_t planes, float *line) {
  const int64_t left = (int64_t)floor(at), last = (int64_t)pixels - 1;
  if (left < -1 || left > last) {
    return;
  }
  const float share = (float)(at - (double)left);
  const float a = left >= 0 ? weight * (1 - share) : 0, b = left < last ? weight * share : 0;
  const float *before = first + (uint64_t)(left >= 0 ? left : 0) * step;
  const float *after = first + (uint64_t)(left < last ? left + 1 : last) * step;
  for (uint64_t z = 0; z < planes; z++) {
    line[z] += a * before[z] + b * after[z];
  }
}

void project(const beam *b, double angle, const float *slices, uint64_t planes, float *line) {
  const double cosine = cos(angle), sine = sin(angle);
  const int by_rows = fabs(cosine) >= fabs(sine); /* the axis that the ray runs along the most */
  const uint64_t rows = b->size[by_rows ? 1 : 0], pixels = b->size[by_rows ? 0 : 1];
  const uint64_t to_row = (by_rows ? b->size[0] : 1) * planes;
  const uint64_t to_pixel = (by_rows ? 1 : b->size[0]) * planes;
  const double steep = by_rows ? cosine : sine, slope = (by_rows ? sine : cosine) / steep;
  memset(line, 0, b->columns * planes * sizeof *line);
  for (uint64_t column = 0; column < b->columns; column++, line += planes) {
    const double across = ((double)column - b->axis) / steep + ((double)pixels - 1) / 2;
    for (uint64_t row = 0; row < rows; row++) {
      const double at = across - ((double)row - ((double)rows - 1) / 2) * slope;
      add_sample(slices + row * to_row, to_pixel, pixels, at, (float)(1 / fabs(steep)), planes,
                 line);
    }
  }
}
