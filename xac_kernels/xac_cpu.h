/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the renderer and the cpu back end: what a worker is given to draw one tile of the
 * picture. xac_cpu_tile.c is compiled once per instruction set; each gives one function of this
 * type.
 */
#ifndef XAC_CPU_H
#define XAC_CPU_H

#include "xac.h"
#include "xac_shared.h"
#include "xac_user_call.h"

enum { XAC_TILE = 128 }; /* pixels a side at most; workers take tiles one by one */

/* Points of a macrocell's block lie XAC_ROW apart in y and XAC_PLANE in z: not powers of two, so
 * that they spread over the sets of the cache. */
enum { XAC_ROW = 17, XAC_PLANE = 17 * 16, XAC_BLOCK = 17 * 16 * 16 + 16 };

typedef struct xac_rectangle {
  int x0, y0, x1, y1; /* pixels x0..x1-1, y0..y1-1 */
} xac_rectangle;

typedef struct xac_cpu_job {
  const xac_frame *frame;
  const xac_volume *volume;        /* strides filled in */
  const xac_macrocell *macrocells; /* all that show something, front to back */
  const xac_rectangle *rectangles; /* where each may be seen */
  const uint32_t *list;            /* those that touch this tile, front to back */
  size_t listed;
  const float *table; /* [XAC_TABLE][4] premultiplied, for one step; 64-byte aligned */
  const float *light; /* [z][y][x] coarse grids, or NULL */
  const float *open;
  xac_rectangle tile;
  xac_image image;
  void *scratch;    /* XAC_CPU_SCRATCH bytes, 64-byte aligned, of this worker's own */
  uint64_t samples; /* result: added to */
  /* With a user's kernel: it, when it has to be done (CLOCK_MONOTONIC in ms), and the result, why
   * it was stopped; the picture's tile is not finished then. */
  xac_user_function user;
  long long deadline;
  int stopped;
  xac_user_call call; /* the worker's own */
  void *jump;
} xac_cpu_job;

typedef void (*xac_cpu_tile_function)(xac_cpu_job *job);

/* Blocks (1 + 4 + 4 channels), raw rows, and the rays of a tile. */
enum {
  XAC_CPU_SCRATCH = XAC_BLOCK * 4 * 10 + 18 * 18 * 24 * 4 + (XAC_TILE * XAC_TILE / 8) * 480 + 4096
};

void xac_cpu_tile_portable(xac_cpu_job *job);
void xac_cpu_tile_avx2(xac_cpu_job *job);

/* Several volumes that may reach into one another: pixels a side of their tiles, samples of a ray
 * that are sorted at a time, volumes at most, and bytes for each (rays and bins). */
enum { XAC_TOGETHER_SIDE = 64, XAC_TOGETHER_BINS = 16, XAC_TOGETHER_MOST = 16 };
enum {
  XAC_TOGETHER_SCRATCH =
      XAC_TOGETHER_SIDE * XAC_TOGETHER_SIDE / 8 * (480 + 32 + XAC_TOGETHER_BINS * 128 + 4)
};

typedef struct xac_together_volume {
  xac_cpu_job job;        /* the first's has the picture, and scratch for all */
  const float (*ends)[2]; /* world distances along rays between which each macrocell lies */
  int stride;             /* of its samples, in common steps */
} xac_together_volume;

typedef struct xac_together {
  xac_together_volume volumes[XAC_TOGETHER_MOST];
  int count;
  float step;    /* world length of a common step */
  void *scratch; /* count * XAC_TOGETHER_SCRATCH bytes, 64-byte aligned, of this worker's own */
} xac_together;

typedef void (*xac_cpu_together_function)(xac_together *together);

void xac_cpu_together_portable(xac_together *together);
void xac_cpu_together_avx2(xac_together *together);

#endif
