/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The grid of value ranges with which empty space is skipped: one pass over the brick.
 */
#include <math.h>
#include <stdlib.h>

#define XAC_LANES 8
#include "xac_block.h"
#include "xac_internal.h"

typedef struct scan {
  const xac_volume *volume;
  xac_ranges *ranges;
  int *gaps; /* per macrocell */
} scan;

/* Least and greatest of 5 x 5 rows, elementwise: rows of 16 points. */
static void rows_range(const float *low, const float *high, int y0, int y1, int z0, int z1,
                       float *lo, float *hi) {
  for (int i = 0; i < XAC_POINTS; i++) {
    lo[i] = INFINITY;
    hi[i] = -INFINITY;
  }
  for (int z = z0; z <= z1; z++) {
    for (int y = y0; y <= y1; y++) {
      const float *a = low + z * XAC_PLANE + y * XAC_ROW;
      const float *b = high + z * XAC_PLANE + y * XAC_ROW;
      for (int i = 0; i < XAC_POINTS; i++) {
        lo[i] = a[i] < lo[i] ? a[i] : lo[i];
        hi[i] = b[i] > hi[i] ? b[i] : hi[i];
      }
    }
  }
}

/* Macrocells in a row that are scanned together, and their points: so many that memory is read in
 * long runs, so few that what is found fits the cache. */
enum { RUN = 32, RUN_POINTS = RUN * XAC_CELLS + 1 };

/* The ranges of the subcells of up to RUN macrocells along x, of memory in the volume's own type
 * whose points follow each other. Each row is read once: along y into up to two of a plane's four
 * subcells, each plane then into up to two along z. Returns whether there is a value that is not
 * finite. */
#define XAC_SCAN(NAME, TYPE, HIGHEST, LOWEST, IS_FINE)                                             \
  static int NAME##_row(const TYPE *row, int count, TYPE *low, TYPE *high) {                       \
    int gaps = 0;                                                                                  \
    for (int i = 0; i < count; i++) {                                                              \
      const TYPE value = row[i];                                                                   \
      const int fine = IS_FINE(value);                                                             \
      const TYPE below = fine ? value : HIGHEST, above = fine ? value : LOWEST;                    \
      gaps |= !fine;                                                                               \
      low[i] = below < low[i] ? below : low[i];                                                    \
      high[i] = above > high[i] ? above : high[i];                                                 \
    }                                                                                              \
    return gaps;                                                                                   \
  }                                                                                                \
  static void NAME##_join(const TYPE *low, const TYPE *high, int count, TYPE *least,               \
                          TYPE *greatest) {                                                        \
    for (int i = 0; i < count; i++) {                                                              \
      least[i] = low[i] < least[i] ? low[i] : least[i];                                            \
      greatest[i] = high[i] > greatest[i] ? high[i] : greatest[i];                                 \
    }                                                                                              \
  }                                                                                                \
  static int NAME(const void *data, int64_t offset, const int64_t *stride, int macrocells,         \
                  float *lo, float *hi) {                                                          \
    const TYPE *first = (const TYPE *)data + offset;                                               \
    const int count = macrocells * XAC_CELLS + 1;                                                  \
    TYPE low[4 * RUN_POINTS], high[4 * RUN_POINTS];         /* of a plane: [y][x] */               \
    TYPE least[16 * RUN_POINTS], greatest[16 * RUN_POINTS]; /* of all: [z][y][x] */                \
    int gaps = 0;                                                                                  \
    for (int i = 0; i < 16 * count; i++) {                                                         \
      least[i] = HIGHEST;                                                                          \
      greatest[i] = LOWEST;                                                                        \
    }                                                                                              \
    for (int z = 0; z < XAC_POINTS; z++) {                                                         \
      for (int i = 0; i < 4 * count; i++) {                                                        \
        low[i] = HIGHEST;                                                                          \
        high[i] = LOWEST;                                                                          \
      }                                                                                            \
      for (int y = 0; y < XAC_POINTS; y++) {                                                       \
        const TYPE *row = first + z * stride[2] + y * stride[1];                                   \
        for (int sub = (y - 1) / 4; sub <= y / 4; sub++) {                                         \
          gaps |= NAME##_row(row, count, low + sub * count, high + sub * count);                   \
        }                                                                                          \
      }                                                                                            \
      for (int sub = (z - 1) / 4; sub <= z / 4; sub++) {                                           \
        NAME##_join(low, high, 4 * count, least + sub * 4 * count, greatest + sub * 4 * count);    \
      }                                                                                            \
    }                                                                                              \
    for (int sub = 0; sub < macrocells * XAC_SUBCELLS; sub++) {                                    \
      const int x = sub % 4 * 4, yz = sub / 4 % 16;                                                \
      const int at = yz * count + sub / XAC_SUBCELLS * XAC_CELLS + x;                              \
      TYPE lowest = least[at], highest = greatest[at];                                             \
      for (int i = 1; i <= 4 && x + i < XAC_POINTS; i++) {                                         \
        lowest = least[at + i] < lowest ? least[at + i] : lowest;                                  \
        highest = greatest[at + i] > highest ? greatest[at + i] : highest;                         \
      }                                                                                            \
      lo[sub] = (float)lowest;                                                                     \
      hi[sub] = (float)highest;                                                                    \
    }                                                                                              \
    return gaps;                                                                                   \
  }
#define XAC_ALWAYS(value) 1
#define XAC_FINITE(value) (fabsf(value) < 1e30f) /* false for what is not a number */
XAC_SCAN(scan_uint8, uint8_t, UINT8_MAX, 0, XAC_ALWAYS)
XAC_SCAN(scan_int8, int8_t, INT8_MAX, INT8_MIN, XAC_ALWAYS)
XAC_SCAN(scan_uint16, uint16_t, UINT16_MAX, 0, XAC_ALWAYS)
XAC_SCAN(scan_int16, int16_t, INT16_MAX, INT16_MIN, XAC_ALWAYS)
XAC_SCAN(scan_float32, float, INFINITY, -INFINITY, XAC_FINITE)

typedef int scan_function(const void *data, int64_t offset, const int64_t *stride, int macrocells,
                          float *lo, float *hi);

/* NULL where there is none for the type, or where points do not follow each other. */
static scan_function *scan_of(const xac_volume *v) {
  if (v->stride[0] != 1) {
    return NULL;
  }
  switch (v->type) {
  case BEAMCAST_UINT8:
    return scan_uint8;
  case BEAMCAST_INT8:
    return scan_int8;
  case BEAMCAST_UINT16:
    return scan_uint16;
  case BEAMCAST_INT16:
    return scan_int16;
  case BEAMCAST_FLOAT32:
    return scan_float32;
  default:
    return NULL;
  }
}

static int smaller(int a, int b) {
  return a < b ? a : b;
}

static void scan_macrocell(scan *s, size_t item) {
  const xac_volume *v = s->volume;
  int64_t first[3] = {(int64_t)item % s->ranges->grid[0] * XAC_CELLS,
                      (int64_t)item / s->ranges->grid[0] % s->ranges->grid[1] * XAC_CELLS,
                      (int64_t)item / (s->ranges->grid[0] * s->ranges->grid[1]) * XAC_CELLS};
  float *lo = s->ranges->lo + item * XAC_SUBCELLS, *hi = s->ranges->hi + item * XAC_SUBCELLS;
  static _Thread_local float low[XAC_BLOCK], high[XAC_BLOCK];
  const xac_frame raw = {0}; /* has_gaps is 0: what is not finite stays as it is */
  xac_fill_values(&raw, v, first, low);
  int gaps = 0;
  for (int z = 0; z < XAC_POINTS; z++) {
    for (int y = 0; y < XAC_POINTS; y++) {
      float *a = low + z * XAC_PLANE + y * XAC_ROW;
      float *b = high + z * XAC_PLANE + y * XAC_ROW;
      for (int i = 0; i < XAC_POINTS; i++) {
        float value = a[i];
        int fine = fabsf(value) < 1e30f; /* false for what is not a number */
        gaps |= !fine;
        a[i] = fine ? value : INFINITY;
        b[i] = fine ? value : -INFINITY;
      }
    }
  }
  s->gaps[item] = gaps;
  int last[3];
  for (int a = 0; a < 3; a++) {
    int64_t left = v->dims[a] - 1 - first[a];
    last[a] = left < XAC_CELLS ? (int)left : XAC_CELLS;
  }
  for (int sub = 0; sub < XAC_SUBCELLS; sub++) {
    lo[sub] = INFINITY;
    hi[sub] = -INFINITY;
  }
  for (int z = 0; z < 4 && (4 * z < last[2] || z == 0); z++) {
    for (int y = 0; y < 4 && (4 * y < last[1] || y == 0); y++) {
      float row_lo[XAC_POINTS], row_hi[XAC_POINTS];
      rows_range(low, high, 4 * y, smaller(4 * y + 4, last[1]), 4 * z, smaller(4 * z + 4, last[2]),
                 row_lo, row_hi);
      for (int x = 0; x < 4 && (4 * x < last[0] || x == 0); x++) {
        int sub = x + 4 * y + 16 * z;
        for (int i = 4 * x; i <= smaller(4 * x + 4, last[0]); i++) {
          lo[sub] = row_lo[i] < lo[sub] ? row_lo[i] : lo[sub];
          hi[sub] = row_hi[i] > hi[sub] ? row_hi[i] : hi[sub];
        }
      }
    }
  }
}

/* Points along an axis that lie in one piece: its last plane may be apart. */
static int64_t points_along(const xac_volume *v, int axis) {
  return v->dims[axis] - (v->last[axis] != NULL);
}

/* Up to RUN macrocells along x. */
static void scan_run(void *argument, size_t item, int worker) {
  (void)worker;
  scan *s = argument;
  const xac_volume *v = s->volume;
  const int64_t *grid = s->ranges->grid;
  const int64_t runs = (grid[0] + RUN - 1) / RUN;
  const int64_t x = (int64_t)item % runs * RUN, y = (int64_t)item / runs % grid[1],
                z = (int64_t)item / runs / grid[1];
  const int64_t end = x + RUN < grid[0] ? x + RUN : grid[0];
  const size_t first = (size_t)(x + grid[0] * (y + grid[1] * z));
  int64_t whole = 0; /* macrocells whose points are all there */
  scan_function *fast = scan_of(v);
  if (fast != NULL && y * XAC_CELLS + XAC_POINTS <= points_along(v, 1) &&
      z * XAC_CELLS + XAC_POINTS <= points_along(v, 2)) {
    whole = (points_along(v, 0) - 1) / XAC_CELLS - x;
    whole = whole < 0 ? 0 : whole > end - x ? end - x : whole;
  }
  if (whole > 0) {
    s->gaps[first] =
        fast(v->data, XAC_CELLS * (x + y * v->stride[1] + z * v->stride[2]), v->stride, (int)whole,
             s->ranges->lo + first * XAC_SUBCELLS, s->ranges->hi + first * XAC_SUBCELLS);
  }
  for (int64_t i = whole; i < end - x; i++) {
    scan_macrocell(s, first + (size_t)i);
  }
}

/* Border planes count for gaps only. */
static int border_has_gaps(const xac_volume *v) {
  if (v->type != BEAMCAST_FLOAT16 && v->type != BEAMCAST_FLOAT32 && v->type != BEAMCAST_FLOAT64) {
    return 0;
  }
  for (int face = 0; face < 6; face++) {
    int64_t n0 = v->dims[face < 2 ? 1 : 0], n1 = v->dims[face < 4 ? 2 : 1];
    for (int64_t j = 0; v->border[face] && j < n1; j++) {
      for (int64_t i = 0; i < n0; i++) {
        float value;
        xac_read_row(v->type, v->border[face],
                     i * v->border_stride[face][0] + j * v->border_stride[face][1], 1, 1, &value);
        if (!(fabsf(value) < 1e30f)) {
          return 1;
        }
      }
    }
  }
  return 0;
}

void xac_ranges_free(xac_ranges *ranges) {
  free(ranges->lo);
  free(ranges->hi);
  memset(ranges, 0, sizeof *ranges);
}

/* Macrocells along an axis: one for a whole volume that is one point thick. */
static int64_t macrocells_along(const xac_volume *v, int axis) {
  if (v->whole[axis] == 1) {
    return 1;
  }
  return (v->dims[axis] - 1 + XAC_CELLS - 1) / XAC_CELLS;
}

int xac_ranges_build(xac_ranges *ranges, const xac_volume *v, xac_pool *pool,
                     beamcast_error *error) {
  xac_ranges built = {.range = {INFINITY, -INFINITY}};
  built.count = v->dims[0] > 0 && v->dims[1] > 0 && v->dims[2] > 0;
  for (int a = 0; a < 3; a++) {
    built.grid[a] = built.count ? macrocells_along(v, a) : 0;
  }
  built.count = (size_t)(built.grid[0] * built.grid[1] * built.grid[2]);
  if (built.count > 0) {
    size_t bytes = built.count * XAC_SUBCELLS * sizeof(float);
    built.lo = malloc(bytes);
    built.hi = malloc(bytes);
    int *gaps = calloc(built.count, sizeof *gaps);
    if (built.lo == NULL || built.hi == NULL || gaps == NULL || built.count > UINT32_MAX) {
      free(gaps);
      xac_ranges_free(&built);
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                           "no memory for the value ranges of %zu macrocells", built.count);
    }
    scan s = {v, &built, gaps};
    const int64_t runs = (built.grid[0] + RUN - 1) / RUN * built.grid[1] * built.grid[2];
    xac_pool_run(pool, (size_t)runs, scan_run, &s);
    for (size_t i = 0; i < built.count; i++) {
      built.gaps |= gaps[i];
      for (int sub = 0; sub < XAC_SUBCELLS; sub++) {
        float lo = built.lo[i * XAC_SUBCELLS + (size_t)sub];
        float hi = built.hi[i * XAC_SUBCELLS + (size_t)sub];
        built.range[0] = lo < built.range[0] ? lo : built.range[0];
        built.range[1] = hi > built.range[1] ? hi : built.range[1];
      }
    }
    free(gaps);
    built.gaps |= border_has_gaps(v);
  }
  built.any = built.range[0] <= built.range[1];
  xac_ranges_free(ranges);
  *ranges = built;
  return BEAMCAST_OK;
}
