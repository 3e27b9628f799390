/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The coarse global grid of light: every rank adds the extinction of its own points, the caller
 * sums over ranks, every rank then works out the light and the openness where its brick is.
 */
#include <math.h>
#include <stdlib.h>

#define XAC_LANES 8
#include "xac_block.h"
#include "xac_light.h"

enum { FIXED_BITS = 20 };        /* of a sum of extinction, in parts of a unit distance */
static const double MOST = 12.0; /* extinction of opacity 1, per unit distance */

int xac_light_needed(const xac_renderer *r) {
  return (r->shading.kernel & (XAC_SCATTER | XAC_OCCLUSION)) && !r->coarse.fresh && r->has_volume &&
         r->entries != NULL;
}

void xac_light_invalidate(xac_renderer *r) {
  r->coarse.fresh = 0;
}

static int coarse_shape(xac_renderer *r, beamcast_error *error) {
  xac_coarse *c = &r->coarse;
  int64_t longest = 1;
  for (int a = 0; a < 3; a++) {
    longest = r->volume.whole[a] > longest ? r->volume.whole[a] : longest;
  }
  int64_t resolution = r->shading.light_resolution;
  int factor = (int)((longest + resolution - 1) / resolution);
  int dims[3];
  size_t count = 1, padded = 1;
  for (int a = 0; a < 3; a++) {
    dims[a] = (int)((r->volume.whole[a] + factor - 1) / factor);
    count *= (size_t)dims[a];
    padded *= (size_t)dims[a] + 2;
  }
  if (c->sums && c->factor == factor && memcmp(c->dims, dims, sizeof dims) == 0) {
    return BEAMCAST_OK;
  }
  free(c->sums);
  free(c->extinction);
  free(c->light);
  free(c->open);
  memset(c, 0, sizeof *c);
  c->sums = malloc(count * sizeof *c->sums);
  c->extinction = calloc(padded, sizeof *c->extinction);
  c->light = malloc((count + 32) * sizeof *c->light);
  c->open = malloc((count + 32) * sizeof *c->open);
  if (!c->sums || !c->extinction || !c->light || !c->open) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "no memory for a light volume of %d x %d x %d cells; ask for less "
                         "light resolution than %d",
                         dims[0], dims[1], dims[2], r->shading.light_resolution);
  }
  c->factor = factor;
  memcpy(c->dims, dims, sizeof dims);
  c->count = count;
  return BEAMCAST_OK;
}

/* --- contributing ---------------------------------------------------------------------------- */

typedef struct contribution {
  const xac_renderer *r;
  xac_frame frame;
  int64_t extinction[XAC_TABLE]; /* fixed point, per unit distance */
  int64_t end[3];                /* own points, core indices: 0..end-1 */
  int64_t first_slice;
} contribution;

static void add_points(const contribution *job, int64_t y, int64_t z, int64_t *row) {
  const xac_volume *v = &job->r->volume;
  const xac_frame *f = &job->frame;
  float values[512];
  for (int64_t x = 0; x < job->end[0]; x += 512) {
    int count = job->end[0] - x < 512 ? (int)(job->end[0] - x) : 512;
    xac_read_points(v, x, y, z, count, values);
    for (int i = 0; i < count; i++) {
      float value = values[i];
      if (!(fabsf(value) < 1e30f)) {
        continue;
      }
      float entry = value * f->table_scale + f->table_bias;
      entry = entry > 0.0f ? (entry < XAC_TABLE - 1 ? entry : XAC_TABLE - 1) : 0.0f;
      row[(v->start[0] + x + i) / job->r->coarse.factor] += job->extinction[(int)entry];
    }
  }
}

static void contribute_slice(void *argument, size_t item, int worker) {
  (void)worker;
  const contribution *job = argument;
  const xac_volume *v = &job->r->volume;
  const xac_coarse *c = &job->r->coarse;
  int64_t slice = job->first_slice + (int64_t)item;
  int64_t z0 = slice * c->factor - v->start[2], z1 = z0 + c->factor;
  z0 = z0 < 0 ? 0 : z0;
  z1 = z1 > job->end[2] ? job->end[2] : z1;
  for (int64_t z = z0; z < z1; z++) {
    for (int64_t y = 0; y < job->end[1]; y++) {
      int64_t row = (slice * c->dims[1] + (v->start[1] + y) / c->factor) * c->dims[0];
      add_points(job, y, z, c->sums + row);
    }
  }
}

int xac_light_contribute(xac_renderer *r, int64_t **cells, size_t *count, beamcast_error *error) {
  if (!r->has_volume || r->entries == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "light needs a volume and a transfer function first");
  }
  int code = coarse_shape(r, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  xac_coarse *c = &r->coarse;
  memset(c->sums, 0, c->count * sizeof *c->sums);
  const xac_volume *v = &r->volume;
  contribution *job = calloc(1, sizeof *job);
  if (job == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to sum up light");
  }
  job->r = r;
  xac_table_mapping(r, &job->frame.table_scale, &job->frame.table_bias);
  for (int i = 0; i < XAC_TABLE; i++) {
    float rgba[4];
    xac_entry_at(r, i, rgba);
    double extinction = rgba[3] < 1.0f ? fmin(-log1p(-(double)rgba[3]), MOST) : MOST;
    job->extinction[i] = llround(extinction * (1 << FIXED_BITS));
  }
  int empty = 0;
  for (int a = 0; a < 3; a++) {
    /* The plane shared with the next rank is the next rank's. */
    job->end[a] = v->start[a] + v->dims[a] == v->whole[a] ? v->dims[a] : v->dims[a] - 1;
    empty |= job->end[a] < 1;
  }
  if (!empty) {
    job->first_slice = v->start[2] / c->factor;
    int64_t last = (v->start[2] + job->end[2] - 1) / c->factor;
    xac_pool_run(r->pool, (size_t)(last - job->first_slice + 1), contribute_slice, job);
  }
  free(job);
  *cells = c->sums;
  *count = c->count;
  return BEAMCAST_OK;
}

/* From sums to extinction per world length, with nothing around it. */
static void spread_extinction(const xac_renderer *r) {
  const xac_coarse *c = &r->coarse;
  int64_t row, plane;
  xac_extinction_strides(c, &row, &plane);
  const int64_t *whole = r->volume.whole;
  for (int64_t z = 0; z < c->dims[2]; z++) {
    for (int64_t y = 0; y < c->dims[1]; y++) {
      for (int64_t x = 0; x < c->dims[0]; x++) {
        int64_t at[3] = {x, y, z}, points = 1;
        for (int a = 0; a < 3; a++) {
          int64_t left = whole[a] - at[a] * c->factor;
          points *= left < c->factor ? left : c->factor;
        }
        double sum = (double)c->sums[(z * c->dims[1] + y) * c->dims[0] + x];
        c->extinction[(z + 1) * plane + (y + 1) * row + x + 1] =
            (float)(sum / ((double)points * (1 << FIXED_BITS) * r->unit_distance));
      }
    }
  }
}

/* Nodes that the brick's samples read, around its points, and so many more; 0: none. */
static int own_nodes(const xac_renderer *r, int more, xac_nodes *nodes) {
  const xac_volume *v = &r->volume;
  const xac_coarse *c = &r->coarse;
  for (int a = 0; a < 3; a++) {
    if (v->dims[a] < 1) {
      return 0;
    }
    int64_t lo = v->start[a] / c->factor - 1 - more;
    int64_t hi = (v->start[a] + v->dims[a] - 1) / c->factor + 2 + more;
    nodes->lo[a] = lo < 0 ? 0 : (int)lo;
    nodes->hi[a] = hi > c->dims[a] ? c->dims[a] : (int)hi;
  }
  return 1;
}

double xac_light_cell(const xac_renderer *r) {
  const double *m = r->volume.index_to_world;
  double least = INFINITY;
  for (int a = 0; a < 3; a++) {
    least = fmin(least, sqrt(m[a] * m[a] + m[4 + a] * m[4 + a] + m[8 + a] * m[8 + a]));
  }
  return least * r->coarse.factor;
}

double xac_light_diagonal(const xac_renderer *r) {
  double corner[3], world[3];
  for (int a = 0; a < 3; a++) {
    corner[a] = (double)r->volume.whole[a];
  }
  xac_apply_linear(r->volume.index_to_world, corner, world);
  return sqrt(world[0] * world[0] + world[1] * world[1] + world[2] * world[2]);
}

static int light_own_nodes(xac_renderer *r, beamcast_error *error) {
  xac_coarse *c = &r->coarse;
  xac_nodes own, around;
  if (!own_nodes(r, 0, &own) || !own_nodes(r, XAC_LIGHT_REACH, &around)) {
    return BEAMCAST_OK;
  }
  float *arrived = malloc(2 * c->count * sizeof *arrived);
  if (arrived == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "no memory to work light out on %d x %d x %d cells; ask for less "
                         "light resolution than %d",
                         c->dims[0], c->dims[1], c->dims[2], r->shading.light_resolution);
  }
  static const int kernels[] = {XAC_SCATTER, XAC_OCCLUSION};
  float *results[] = {c->light, c->open};
  int code = BEAMCAST_OK;
  for (int i = 0; i < 2 && code == BEAMCAST_OK; i++) {
    if (r->shading.kernel & kernels[i]) {
      code = xac_light_rays(r, &around, kernels[i], arrived, error);
      if (code == BEAMCAST_OK) {
        xac_light_inward(r, &own, arrived, arrived + c->count, results[i]);
      }
    }
  }
  free(arrived);
  return code;
}

int xac_light_finish(xac_renderer *r, beamcast_error *error) {
  xac_coarse *c = &r->coarse;
  if (c->sums == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "xac_light_contribute comes before xac_light_finish");
  }
  spread_extinction(r);
  for (size_t i = 0; i < c->count + 32; i++) {
    c->light[i] = c->open[i] = 1.0f;
  }
  int code = light_own_nodes(r, error);
  c->fresh = code == BEAMCAST_OK;
  r->light_version++;
  return code;
}

void xac_light_at(const xac_renderer *r, const double world[3], float *light, float *openness) {
  const xac_coarse *c = &r->coarse;
  float found[2] = {1.0f, 1.0f};
  if (c->fresh) {
    double p[3];
    xac_apply(r->from_world, world, p);
    int64_t at[3][2];
    double part[3];
    for (int a = 0; a < 3; a++) {
      double q = (p[a] - 0.5 * (c->factor - 1)) / c->factor;
      q = fmin(fmax(q, 0.0), c->dims[a] - 1);
      at[a][0] = (int64_t)q;
      at[a][1] = at[a][0] + 1 < c->dims[a] ? at[a][0] + 1 : at[a][0];
      part[a] = q - (double)at[a][0];
    }
    double sum[2] = {0, 0};
    for (int i = 0; i < 8; i++) {
      double w = 1.0;
      for (int a = 0; a < 3; a++) {
        w *= i >> a & 1 ? part[a] : 1.0 - part[a];
      }
      int64_t node = (at[2][i >> 2] * c->dims[1] + at[1][i >> 1 & 1]) * c->dims[0] + at[0][i & 1];
      sum[0] += w * (double)c->light[node];
      sum[1] += w * (double)c->open[node];
    }
    found[0] = (float)sum[0];
    found[1] = (float)sum[1];
  }
  if (light) {
    *light = found[0];
  }
  if (openness) {
    *openness = found[1];
  }
}
