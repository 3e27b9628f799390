/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several volumes in one picture, which may reach into one another: the outer part, as xac_cpu.c is
 * for one. xac_cpu_together.h draws the tiles.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "xac_internal.h"

enum { SIDE = XAC_TOGETHER_SIDE };

typedef struct together_draw {
  xac_together shared; /* what each tile's own copy is made of */
  xac_cpu_together_function draw;
  xac_renderer *const *renderers;
  void **scratch; /* one per worker */
  size_t *starts[XAC_TOGETHER_MOST];
  float (*ends[XAC_TOGETHER_MOST])[2];
  xac_frame frames[XAC_TOGETHER_MOST];
  int columns, rows;
  uint64_t *samples;                     /* [worker][volume] */
  atomic_int stopped[XAC_TOGETHER_MOST]; /* why a user's kernel was */
} together_draw;

static void draw_tile(void *argument, size_t item, int worker) {
  together_draw *d = argument;
  xac_together t = d->shared;
  const xac_frame *f = t.volumes[0].job.frame;
  int x = (int)(item % (size_t)d->columns) * SIDE, y = (int)(item / (size_t)d->columns) * SIDE;
  const xac_rectangle tile = {x, y, x + SIDE < f->width ? x + SIDE : f->width,
                              y + SIDE < f->height ? y + SIDE : f->height};
  size_t listed = 0;
  for (int v = 0; v < t.count; v++) {
    xac_cpu_job *job = &t.volumes[v].job;
    job->tile = tile;
    job->list = d->renderers[v]->lists + d->starts[v][item];
    job->listed = d->starts[v][item + 1] - d->starts[v][item];
    job->scratch = d->renderers[0]->scratch[worker];
    listed += job->listed;
    if (atomic_load(&d->stopped[v])) {
      return;
    }
  }
  if (listed == 0) {
    xac_clear_tile(f, &t.volumes[0].job.image, &tile);
    return;
  }
  t.scratch = d->scratch[worker];
  d->draw(&t);
  for (int v = 0; v < t.count; v++) {
    d->samples[(size_t)worker * XAC_TOGETHER_MOST + (size_t)v] += t.volumes[v].job.samples;
    if (t.volumes[v].job.stopped) {
      atomic_store(&d->stopped[v], t.volumes[v].job.stopped);
    }
  }
}

/* Between which world distances along rays each macrocell lies: of a ball around it. */
static void find_ends(const xac_renderer *r, const xac_camera *camera, size_t found, float margin,
                      float (*ends)[2]) {
  const double *m = r->volume.index_to_world;
  double dx = 0.0, dy = 0.0, spread = 0.0, norm = 0.0;
  for (int a = 0; a < 3; a++) {
    dx += camera->origin_dx[a] * camera->direction[a];
    dy += camera->origin_dy[a] * camera->direction[a];
    spread += fabs(camera->origin_dx[a]) + fabs(camera->origin_dy[a]);
    norm += camera->direction[a] * camera->direction[a];
  }
  norm = sqrt(norm);
  /* Parallel rays begin in a plane across them, or nothing is known. */
  const int oblique = fabs(dx) + fabs(dy) > 1e-9 * norm * spread;
  for (size_t i = 0; i < found; i++) {
    const xac_macrocell *cell = &r->macrocells[i];
    double middle[3], half[3], center[3], radius = 0.0, distance = 0.0, along = 0.0;
    for (int a = 0; a < 3; a++) {
      const int thick = r->volume.whole[a] > 1;
      middle[a] = cell->first[a] + (thick ? 0.5 * cell->cells[a] : 0.0);
      half[a] = 0.5 * cell->cells[a];
    }
    xac_apply(m, middle, center);
    for (int a = 0; a < 3; a++) {
      const double reach =
          fabs(m[4 * a]) * half[0] + fabs(m[4 * a + 1]) * half[1] + fabs(m[4 * a + 2]) * half[2];
      const double d = center[a] - camera->origin[a];
      radius += reach * reach;
      distance += d * d;
      along += d * camera->direction[a] / norm;
    }
    radius = sqrt(radius) + margin;
    distance = spread > 0.0 ? along : sqrt(distance);
    ends[i][0] = oblique ? -1e30f : (float)(distance - radius);
    ends[i][1] = oblique ? 1e30f : (float)(distance + radius);
  }
}

static int prepare(together_draw *d, int v, const xac_layer *layer, const xac_camera *camera,
                   const xac_image *image, beamcast_error *error) {
  xac_renderer *r = layer->renderer;
  xac_frame *f = &d->frames[v];
  size_t found = 0, tiles = (size_t)d->columns * (size_t)d->rows;
  xac_choose_kernel(r, f, layer->stats);
  xac_choose_on_cpu(r, f, layer->stats);
  int code = xac_frame_macrocells(r, f, camera, &found, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  free(d->ends[v]);
  free(d->starts[v]);
  d->ends[v] = malloc((found + 1) * sizeof *d->ends[v]);
  d->starts[v] = calloc(tiles + 1, sizeof *d->starts[v]);
  if (d->ends[v] == NULL || d->starts[v] == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for %zu tiles", tiles);
  }
  code = xac_bin_macrocells(r, found, SIDE, d->columns, tiles, d->starts[v], error);
  find_ends(r, camera, found, 2.0f * f->step, d->ends[v]);
  xac_together_volume *volume = &d->shared.volumes[v];
  volume->ends = (const float(*)[2])d->ends[v];
  volume->job = xac_cpu_job_for(r, f, image);
  layer->stats->visible = found;
  layer->stats->bricks = r->ranges.count;
  layer->stats->backend = XAC_CPU;
  return code;
}

/* A ray's common step is the shortest of the layers'; each takes whole ones, at most its own. */
static int build_frames(together_draw *d, const xac_layer *layers, int count,
                        const xac_camera *camera, const xac_image *image, beamcast_error *error) {
  double step = INFINITY;
  for (int v = 0; v < count; v++) {
    step = fmin(step, layers[v].quality.step);
  }
  d->shared.count = count;
  d->shared.step = (float)step;
  for (int v = 0; v < count; v++) {
    const xac_renderer *r = layers[v].renderer;
    if (!r->has_volume || r->entries == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "drawing needs a volume and a transfer function first");
    }
    if (r->device) {
      return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                           "volumes that a device draws can't be drawn together");
    }
    xac_quality quality = layers[v].quality;
    const double times = fmin(fmax(floor(quality.step / step + 1e-6), 1.0), 1e6);
    quality.step = times * step;
    d->shared.volumes[v].stride = (int)times;
    int code = xac_frame_build(layers[v].renderer, camera, &quality, &d->frames[v], error);
    if (code != BEAMCAST_OK) {
      return code;
    }
    d->frames[v].under = image->under;
    (void)snprintf(layers[v].stats->notice, sizeof layers[v].stats->notice, "%s", r->notice);
  }
  return BEAMCAST_OK;
}

/* Workers' memory: blocks are read as whole rows, also where none was filled. */
static int make_scratch(together_draw *d, int threads, beamcast_error *error) {
  const size_t bytes = (size_t)d->shared.count * XAC_TOGETHER_SCRATCH;
  d->scratch = calloc((size_t)threads, sizeof *d->scratch);
  d->samples = calloc((size_t)threads * XAC_TOGETHER_MOST, sizeof *d->samples);
  int fine = d->scratch != NULL && d->samples != NULL;
  for (int i = 0; fine && i < threads; i++) {
    d->scratch[i] = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    fine = d->scratch[i] != NULL;
  }
  return fine ? BEAMCAST_OK
              : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to draw %d volumes together",
                              d->shared.count);
}

static void free_draw(together_draw *d, int threads) {
  for (int i = 0; d->scratch && i < threads; i++) {
    free(d->scratch[i]);
  }
  for (int v = 0; v < d->shared.count; v++) {
    free(d->starts[v]);
    free(d->ends[v]);
  }
  free(d->scratch);
  free(d->samples);
  free(d);
}

/* Draws; 1 where a user's kernel had to be stopped, and the picture is to be drawn again. */
static int draw_once(together_draw *d, const xac_layer *layers, const xac_camera *camera,
                     const xac_image *image, int *again, beamcast_error *error) {
  xac_renderer *first = layers[0].renderer;
  const int threads = xac_pool_threads(first->pool), count = d->shared.count;
  int code = BEAMCAST_OK;
  for (int v = 0; v < count && code == BEAMCAST_OK; v++) {
    atomic_store(&d->stopped[v], 0);
    code = prepare(d, v, &layers[v], camera, image, error);
  }
  *again = 0;
  if (code != BEAMCAST_OK) {
    return code;
  }
  memset(d->samples, 0, (size_t)threads * XAC_TOGETHER_MOST * sizeof *d->samples);
  xac_pool_run(first->pool, (size_t)d->columns * (size_t)d->rows, draw_tile, d);
  for (int v = 0; v < count; v++) {
    const int stopped = atomic_load(&d->stopped[v]);
    if (stopped) {
      xac_user_stop_because(layers[v].renderer, stopped);
      *again = 1;
    }
    layers[v].stats->samples = 0;
    for (int i = 0; i < threads; i++) {
      layers[v].stats->samples += d->samples[(size_t)i * XAC_TOGETHER_MOST + (size_t)v];
    }
  }
  return BEAMCAST_OK;
}

/* Each volume's part of the time is that of its samples. */
static void share_time(const xac_layer *layers, int count, double ms) {
  double all = 0.0;
  for (int v = 0; v < count; v++) {
    all += (double)layers[v].stats->samples;
  }
  for (int v = 0; v < count; v++) {
    layers[v].stats->milliseconds =
        all > 0.0 ? ms * (double)layers[v].stats->samples / all : ms / count;
  }
}

int xac_render_together(const xac_layer *layers, int count, const xac_camera *camera,
                        const xac_image *image, beamcast_error *error) {
  if (count < 1 || count > XAC_TOGETHER_MOST) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "%d volumes can't be drawn together; 1 to %d can", count,
                         XAC_TOGETHER_MOST);
  }
  const double begin = xac_now_ms();
  together_draw *d = calloc(1, sizeof *d);
  xac_renderer *renderers[XAC_TOGETHER_MOST];
  if (d == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to draw %d volumes", count);
  }
  int user = 0;
  for (int v = 0; v < count; v++) {
    renderers[v] = layers[v].renderer;
    user |= renderers[v]->shading.kernel & XAC_USER;
    memset(layers[v].stats, 0, sizeof *layers[v].stats);
  }
  d->renderers = renderers;
  d->draw = renderers[0]->together;
  const int threads = xac_pool_threads(renderers[0]->pool);
  int code = build_frames(d, layers, count, camera, image, error);
  float *before = NULL; /* where a user's kernel may have to be stopped half-way */
  if (code == BEAMCAST_OK) {
    d->columns = (camera->width + SIDE - 1) / SIDE;
    d->rows = (camera->height + SIDE - 1) / SIDE;
    code = make_scratch(d, threads, error);
  }
  const size_t bytes =
      code == BEAMCAST_OK ? (size_t)camera->width * (size_t)camera->height * 4 * sizeof(float) : 0;
  if (code == BEAMCAST_OK && image->under && user) {
    before = malloc(bytes);
    if (before == NULL) {
      code = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to keep the picture so far");
    } else {
      memcpy(before, image->rgba, bytes);
    }
  }
  for (int again = 1; again && code == BEAMCAST_OK;) {
    code = draw_once(d, layers, camera, image, &again, error);
    if (again && before) {
      memcpy(image->rgba, before, bytes);
    }
  }
  share_time(layers, count, xac_now_ms() - begin);
  free(before);
  free_draw(d, threads);
  return code;
}
