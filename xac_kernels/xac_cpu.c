/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cpu back end's outer part: cuts the picture into tiles, lists the macrocells of each, and has
 * the pool's threads draw them (xac_cpu_tile.c).
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "xac_internal.h"

enum { USER_MS = 60000 }; /* that a user's kernel with loops has for a picture */

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

typedef struct cpu_draw {
  xac_renderer *r;
  xac_cpu_job job;
  xac_cpu_tile_function tile;
  int side, columns, rows;
  size_t *starts; /* of each tile's list; [tiles + 1] */
  uint64_t *samples;
  atomic_int stopped; /* why a user's kernel was */
} cpu_draw;

/* Counting first, filling second. */
int xac_bin_macrocells(xac_renderer *r, size_t found, int side, int columns, size_t tiles,
                       size_t *starts, beamcast_error *error) {
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < found; i++) {
      const xac_rectangle *b = &r->rectangles[i];
      for (int y = b->y0 / side; y <= (b->y1 - 1) / side; y++) {
        for (int x = b->x0 / side; x <= (b->x1 - 1) / side; x++) {
          size_t t = (size_t)y * (size_t)columns + (size_t)x;
          if (pass == 0) {
            starts[t + 1]++;
          } else {
            r->lists[starts[t]++] = (uint32_t)i;
          }
        }
      }
    }
    if (pass == 0) {
      for (size_t t = 0; t < tiles; t++) {
        starts[t + 1] += starts[t];
      }
      if (starts[tiles] > r->list_capacity) {
        uint32_t *lists = realloc(r->lists, starts[tiles] * sizeof *lists);
        if (lists == NULL) {
          return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to sort macrocells");
        }
        r->lists = lists;
        r->list_capacity = starts[tiles];
      }
    }
  }
  /* Filling moved each start to its end. */
  for (size_t t = tiles; t > 0; t--) {
    starts[t] = starts[t - 1];
  }
  starts[0] = 0;
  return BEAMCAST_OK;
}

void xac_clear_tile(const xac_frame *f, const xac_image *image, const xac_rectangle *tile) {
  for (int row = tile->y0; row < tile->y1; row++) {
    size_t at = (size_t)row * (size_t)f->width + (size_t)tile->x0;
    int count = tile->x1 - tile->x0;
    if (!f->under) {
      memset(image->rgba + 4 * at, 0, (size_t)count * 4 * sizeof(float));
    }
    for (int i = 0; image->depth && i < count; i++) {
      image->depth[at + (size_t)i] = INFINITY;
    }
  }
}

xac_cpu_job xac_cpu_job_for(const xac_renderer *r, const xac_frame *frame, const xac_image *image) {
  xac_cpu_job job = {.frame = frame,
                     .volume = &r->volume,
                     .macrocells = r->macrocells,
                     .rectangles = r->rectangles,
                     .table = r->table,
                     .light = r->coarse.light,
                     .open = r->coarse.open,
                     .image = *image};
  if (frame->kernel & XAC_USER) {
    job.user = xac_user_packet_function(r->user);
    job.deadline = now_ms() + USER_MS;
  }
  return job;
}

static void draw_tile(void *argument, size_t item, int worker) {
  cpu_draw *d = argument;
  const xac_frame *f = d->job.frame;
  xac_cpu_job job = d->job;
  int x = (int)(item % (size_t)d->columns) * d->side,
      y = (int)(item / (size_t)d->columns) * d->side;
  job.tile = (xac_rectangle){x, y, x + d->side < f->width ? x + d->side : f->width,
                             y + d->side < f->height ? y + d->side : f->height};
  job.listed = d->starts[item + 1] - d->starts[item];
  if (job.listed == 0) {
    xac_clear_tile(f, &job.image, &job.tile);
    return;
  }
  if (atomic_load(&d->stopped)) {
    return;
  }
  job.list = d->r->lists + d->starts[item];
  job.scratch = d->r->scratch[worker];
  job.samples = 0;
  d->tile(&job);
  d->samples[worker] += job.samples;
  if (job.stopped) {
    atomic_store(&d->stopped, job.stopped);
  }
}

int xac_draw_cpu(xac_renderer *r, const xac_frame *frame, const xac_camera *camera,
                 const xac_image *image, xac_stats *stats, int *stopped, beamcast_error *error) {
  size_t found = 0;
  int code = xac_frame_macrocells(r, frame, camera, &found, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  int threads = xac_pool_threads(r->pool);
  cpu_draw d = {.r = r, .tile = r->tile, .side = XAC_TILE};
  /* Tiles small enough that all threads have some, large enough that blocks are made few times. */
  while (d.side > 32 && (int64_t)frame->width * frame->height < 12LL * threads * d.side * d.side) {
    d.side /= 2;
  }
  d.columns = (frame->width + d.side - 1) / d.side;
  d.rows = (frame->height + d.side - 1) / d.side;
  size_t tiles = (size_t)d.columns * (size_t)d.rows;
  d.starts = calloc(tiles + 1, sizeof *d.starts);
  d.samples = calloc((size_t)threads, sizeof *d.samples);
  if (d.starts == NULL || d.samples == NULL) {
    code = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for %zu tiles", tiles);
  } else {
    code = xac_bin_macrocells(r, found, d.side, d.columns, tiles, d.starts, error);
  }
  if (code == BEAMCAST_OK) {
    d.job = xac_cpu_job_for(r, frame, image);
    xac_pool_run(r->pool, tiles, draw_tile, &d);
    *stopped = atomic_load(&d.stopped);
    for (int i = 0; i < threads; i++) {
      stats->samples += d.samples[i];
    }
    stats->visible = found;
    stats->bricks = r->ranges.count;
    stats->backend = XAC_CPU;
  }
  free(d.starts);
  free(d.samples);
  return code;
}
