/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The grid of value ranges, of every voxel type and of bricks of many shapes: each subcell has the
 * least and the greatest of its own points, whichever way it was scanned.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../xac_internal.h"

static unsigned seed = 5;

static int chance(void) {
  seed = seed * 1664525u + 1013904223u;
  return (int)(seed >> 8);
}

static void put(int type, void *data, size_t at, double value) {
  switch (type) {
  case BEAMCAST_UINT8:
    ((uint8_t *)data)[at] = (uint8_t)value;
    break;
  case BEAMCAST_INT8:
    ((int8_t *)data)[at] = (int8_t)value;
    break;
  case BEAMCAST_UINT16:
    ((uint16_t *)data)[at] = (uint16_t)value;
    break;
  case BEAMCAST_INT16:
    ((int16_t *)data)[at] = (int16_t)value;
    break;
  case BEAMCAST_INT32:
    ((int32_t *)data)[at] = (int32_t)value;
    break;
  case BEAMCAST_FLOAT32:
    ((float *)data)[at] = (float)value;
    break;
  default:
    ((double *)data)[at] = value;
  }
}

/* Points of the subcell `sub` of macrocell `cell` along one axis: [range[0], range[1]]. */
static void points_of(int64_t cell, int sub, int64_t dims, int64_t range[2]) {
  range[0] = cell * 15 + 4 * sub;
  range[1] = range[0] + (sub == 3 ? 3 : 4);
  range[1] = range[1] < dims - 1 ? range[1] : dims - 1;
}

static void check(const xac_ranges *ranges, const int64_t dims[3], const float *values) {
  int gaps = 0;
  for (size_t item = 0; item < ranges->count; item++) {
    const int64_t cell[3] = {(int64_t)item % ranges->grid[0],
                             (int64_t)item / ranges->grid[0] % ranges->grid[1],
                             (int64_t)item / (ranges->grid[0] * ranges->grid[1])};
    for (int sub = 0; sub < XAC_SUBCELLS; sub++) {
      int64_t p[3][2];
      points_of(cell[0], sub % 4, dims[0], p[0]);
      points_of(cell[1], sub / 4 % 4, dims[1], p[1]);
      points_of(cell[2], sub / 16, dims[2], p[2]);
      /* a subcell of which only the first plane is there has no cells */
      if ((p[0][1] <= p[0][0] && dims[0] > 1) || (p[1][1] <= p[1][0] && dims[1] > 1) ||
          (p[2][1] <= p[2][0] && dims[2] > 1)) {
        continue;
      }
      float lo = INFINITY, hi = -INFINITY;
      for (int64_t z = p[2][0]; z <= p[2][1]; z++) {
        for (int64_t y = p[1][0]; y <= p[1][1]; y++) {
          for (int64_t x = p[0][0]; x <= p[0][1]; x++) {
            const float value = values[x + dims[0] * (y + dims[1] * z)];
            if (fabsf(value) < 1e30f) {
              lo = value < lo ? value : lo;
              hi = value > hi ? value : hi;
            } else {
              gaps = 1;
            }
          }
        }
      }
      assert_true(ranges->lo[item * XAC_SUBCELLS + (size_t)sub] == lo);
      assert_true(ranges->hi[item * XAC_SUBCELLS + (size_t)sub] == hi);
    }
  }
  assert_int_equal(ranges->gaps, gaps);
}

static void try_brick(int type, int64_t nx, int64_t ny, int64_t nz, int stride, int apart,
                      int with_gaps) {
  const int64_t dims[3] = {nx, ny, nz};
  const size_t count = (size_t)(nx * ny * nz);
  float *values = malloc(count * sizeof *values);
  double *data = malloc(count * (size_t)stride * sizeof *data), /* of any type */
      *plane = malloc((size_t)(nx * ny) * sizeof *plane);
  assert_true(values && data && plane);
  const int low = type == BEAMCAST_UINT8 || type == BEAMCAST_UINT16 ? 0 : -128;
  for (size_t i = 0; i < count; i++) {
    double value = chance() % 128 + low;
    if (with_gaps && chance() % 50 == 0) {
      value = i % 3 == 0 ? (double)NAN : i % 3 == 1 ? (double)INFINITY : -2e30;
    }
    values[i] = (float)value;
    const size_t in_plane = i - (size_t)(nx * ny * (nz - 1));
    if (apart && i >= (size_t)(nx * ny * (nz - 1))) {
      put(type, plane, in_plane, value);
      value = 127; /* what lies in its place is not the volume's */
    }
    put(type, data, i * (size_t)stride, value);
  }
  xac_volume volume = {.type = type, .data = data};
  memcpy(volume.dims, dims, sizeof dims);
  memcpy(volume.whole, dims, sizeof dims);
  volume.stride[0] = stride;
  volume.stride[1] = stride * nx;
  volume.stride[2] = stride * nx * ny;
  if (apart) {
    volume.last[2] = plane;
    volume.last_stride[2][0] = 1;
    volume.last_stride[2][1] = nx;
  }
  xac_pool *pool = xac_pool_create(2);
  xac_ranges ranges = {0};
  beamcast_error error;
  assert_int_equal(xac_ranges_build(&ranges, &volume, pool, &error), BEAMCAST_OK);
  check(&ranges, dims, values);
  xac_ranges_free(&ranges);
  xac_pool_destroy(pool);
  free(values);
  free(data);
  free(plane);
}

static void every_subcell_has_its_own(void **state) {
  (void)state;
  static const int types[] = {BEAMCAST_UINT8, BEAMCAST_INT8,    BEAMCAST_UINT16, BEAMCAST_INT16,
                              BEAMCAST_INT32, BEAMCAST_FLOAT32, BEAMCAST_FLOAT64};
  static const int64_t shapes[][3] = {{16, 16, 16}, {31, 17, 46}, {500, 33, 17}, {482, 16, 16},
                                      {5, 40, 40},  {40, 1, 31},  {33, 31, 2}};
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
      const int64_t *n = shapes[i];
      const int is_float = types[t] == BEAMCAST_FLOAT32 || types[t] == BEAMCAST_FLOAT64;
      try_brick(types[t], n[0], n[1], n[2], 1, 0, 0);
      try_brick(types[t], n[0], n[1], n[2], 1, 1, is_float);
      try_brick(types[t], n[0], n[1], n[2], 2, 0, is_float);
    }
  }
  try_brick(BEAMCAST_FLOAT32, 500, 33, 46, 1, 0, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_subcell_has_its_own)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
