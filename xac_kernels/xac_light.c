/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The coarse global grid of light: every rank adds the extinction of its own points, the caller
 * sums over ranks, every rank then works out the light and the openness where its brick is.
 *
 * Both are ray sums over extinction. For parallel rays a step's offset is the same for all nodes of
 * the grid, so the sum is a sum of shifted grids, and vectorises along x without gathers.
 */
#include <math.h>
#include <stdlib.h>

#define XAC_LANES 8
#include "xac_block.h"
#include "xac_internal.h"

/* Compiled for newer processors too, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) &&                  \
    !defined(__SANITIZE_THREAD__) && !defined(XAC_NO_CLONES)
#define CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define CLONES
#endif

enum { FIXED_BITS = 20 };        /* of a sum of extinction, in parts of a unit distance */
enum { DIRECTIONS = 64 };        /* of ambient occlusion */
enum { OPAQUE = 10 };            /* optical depth behind which nothing is seen */
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

/* --- light and openness ---------------------------------------------------------------------- */

typedef struct shift {
  int64_t offset[8]; /* in the padded grid, elements */
  float weight[8];
  int dy, dz, x0, x1; /* of the grid's rows and columns that it reaches: nodes x0..x1-1 */
} shift;

typedef struct lighting_job {
  const xac_renderer *r;
  int lo[3], hi[3]; /* nodes to work out: lo..hi-1 */
  double cell[9];   /* world to coarse index, linear, rows */
  double length;    /* between samples, world */
  int steps;
  shift *shifts; /* [directions][steps] */
  int directions;
  double point[3]; /* light's place in the coarse grid */
  double cell_world[3][3];
} lighting_job;

static void padded_strides(const xac_coarse *c, int64_t *row, int64_t *plane) {
  *row = c->dims[0] + 2;
  *plane = *row * (c->dims[1] + 2);
}

static void make_shift(const xac_coarse *c, const double *offset, float length, shift *s) {
  int64_t row, plane;
  padded_strides(c, &row, &plane);
  double part[3];
  int whole[3];
  for (int a = 0; a < 3; a++) {
    double at = floor(offset[a]);
    whole[a] = (int)at;
    part[a] = offset[a] - at;
  }
  for (int i = 0; i < 8; i++) {
    double w = length;
    for (int a = 0; a < 3; a++) {
      w *= i >> a & 1 ? part[a] : 1.0 - part[a];
    }
    s->weight[i] = (float)w;
    s->offset[i] =
        (whole[0] + (i & 1)) + (whole[1] + (i >> 1 & 1)) * row + (whole[2] + (i >> 2)) * plane;
  }
  s->dy = whole[1];
  s->dz = whole[2];
  /* Node x reads padded columns x + 1 + whole and one more; those exist for -1 <= x + whole. */
  s->x0 = -1 - whole[0];
  s->x1 = c->dims[0] - whole[0];
}

CLONES static void add_shift(const float *grid, const shift *s, int count, float *sum) {
  const float *g0 = grid + s->offset[0], *g2 = grid + s->offset[2];
  const float *g4 = grid + s->offset[4], *g6 = grid + s->offset[6];
  const float *w = s->weight;
  for (int x = 0; x < count; x++) {
    sum[x] += w[0] * g0[x] + w[1] * g0[x + 1] + w[2] * g2[x] + w[3] * g2[x + 1] + w[4] * g4[x] +
              w[5] * g4[x + 1] + w[6] * g6[x] + w[7] * g6[x + 1];
  }
}

/* e to the -depth, depth 0..OPAQUE, to 1e-5: a polynomial of depth / 16, to the sixteenth. */
CLONES static void add_transmittance(const float *depth, int count, float *sum) {
  for (int x = 0; x < count; x++) {
    float d = depth[x] < (float)(2 * OPAQUE) ? depth[x] * -0.0625f : -0.125f * OPAQUE;
    float e =
        1.0f +
        d * (1.0f + d * (0.5f + d * (0.16666667f + d * (0.041666667f +
                                                        d * (0.0083333333f + d * 0.0013888889f)))));
    e *= e;
    e *= e;
    e *= e;
    e *= e;
    sum[x] += e;
  }
}

/* Sums up optical depth along one direction for nodes x0..x1-1 of row (y, z). */
static void row_depth(const xac_coarse *c, const shift *shifts, int steps, int x0, int x1, int y,
                      int z, float *depth) {
  int64_t row, plane;
  padded_strides(c, &row, &plane);
  const float *grid = c->extinction + (z + 1) * plane + (y + 1) * row + 1;
  memset(depth, 0, (size_t)(x1 - x0) * sizeof *depth);
  for (int i = 0; i < steps; i++) {
    const shift *s = &shifts[i];
    int a = s->x0 > x0 ? s->x0 : x0, b = s->x1 < x1 ? s->x1 : x1;
    if (y + s->dy < -1 || y + s->dy >= c->dims[1] || z + s->dz < -1 || z + s->dz >= c->dims[2] ||
        a >= b) {
      break; /* a straight line that left the grid does not come back */
    }
    add_shift(grid + a, s, b - a, depth + (a - x0));
  }
}

/* Narrows x0..x1 to nodes of the row beside which something shows; 0 when there is none. Looks at
 * the whole row, so that what is worked out does not depend on the cut. */
static int row_span(const xac_coarse *c, int y, int z, int *x0, int *x1) {
  int64_t row, plane;
  padded_strides(c, &row, &plane);
  int first = c->dims[0], last = -1;
  for (int dz = -2; dz <= 2; dz++) {
    for (int dy = -2; dy <= 2; dy++) {
      if (y + dy < 0 || y + dy >= c->dims[1] || z + dz < 0 || z + dz >= c->dims[2]) {
        continue;
      }
      const float *line = c->extinction + (z + dz + 1) * plane + (y + dy + 1) * row + 1;
      int a = 0, b = c->dims[0];
      while (a < first + 2 && a < b && line[a] == 0.0f) {
        a++;
      }
      while (b > last - 1 && b > a && line[b - 1] == 0.0f) {
        b--;
      }
      if (a < b) {
        first = a - 2 < first ? a - 2 : first;
        last = b + 1 > last ? b + 1 : last;
      }
    }
  }
  *x0 = first > *x0 ? first : *x0;
  *x1 = last + 1 < *x1 ? last + 1 : *x1;
  return *x0 < *x1;
}

static void light_row(void *argument, size_t item, int worker) {
  (void)worker;
  const lighting_job *job = argument;
  const xac_coarse *c = &job->r->coarse;
  int rows = job->hi[1] - job->lo[1];
  int y = job->lo[1] + (int)item % rows, z = job->lo[2] + (int)item / rows;
  int x0 = job->lo[0], x1 = job->hi[0];
  float *out =
      (job->directions > 1 ? c->open : c->light) + ((int64_t)z * c->dims[1] + y) * c->dims[0];
  for (int x = x0; x < x1; x++) {
    out[x] = 1.0f;
  }
  if (!row_span(c, y, z, &x0, &x1)) {
    return;
  }
  float depth[XAC_LIGHT_RESOLUTION_MAX], sum[XAC_LIGHT_RESOLUTION_MAX];
  memset(sum, 0, (size_t)(x1 - x0) * sizeof *sum);
  for (int d = 0; d < job->directions; d++) {
    row_depth(c, job->shifts + (size_t)d * (size_t)job->steps, job->steps, x0, x1, y, z, depth);
    add_transmittance(depth, x1 - x0, sum);
  }
  for (int x = x0; x < x1; x++) {
    out[x] = sum[x - x0] / (float)job->directions;
  }
}

static float extinction_at(const xac_coarse *c, const double *p) {
  int64_t row, plane;
  padded_strides(c, &row, &plane);
  double part[3];
  int64_t at[3];
  for (int a = 0; a < 3; a++) {
    if (!(p[a] > -1.0 && p[a] < c->dims[a])) {
      return 0.0f;
    }
    double whole = floor(p[a]);
    at[a] = (int64_t)whole + 1;
    part[a] = p[a] - whole;
  }
  const float *g = c->extinction + at[2] * plane + at[1] * row + at[0];
  double sum = 0.0;
  for (int i = 0; i < 8; i++) {
    double w = (i & 1 ? part[0] : 1.0 - part[0]) * (i & 2 ? part[1] : 1.0 - part[1]) *
               (i & 4 ? part[2] : 1.0 - part[2]);
    sum += w * (double)g[(i & 1) + (i >> 1 & 1) * row + (i >> 2) * plane];
  }
  return (float)sum;
}

/* Light from a point: every node has its own direction. */
static void point_light_row(void *argument, size_t item, int worker) {
  (void)worker;
  const lighting_job *job = argument;
  const xac_coarse *c = &job->r->coarse;
  int rows = job->hi[1] - job->lo[1];
  int y = job->lo[1] + (int)item % rows, z = job->lo[2] + (int)item / rows;
  int x0 = job->lo[0], x1 = job->hi[0];
  float *out = c->light + ((int64_t)z * c->dims[1] + y) * c->dims[0];
  for (int x = x0; x < x1; x++) {
    out[x] = 1.0f;
  }
  if (!row_span(c, y, z, &x0, &x1)) {
    return;
  }
  for (int x = x0; x < x1; x++) {
    double from[3] = {x, y, z}, d[3], world[3] = {0, 0, 0};
    for (int a = 0; a < 3; a++) {
      d[a] = job->point[a] - from[a];
    }
    for (int a = 0; a < 3; a++) {
      for (int i = 0; i < 3; i++) {
        world[i] += job->cell_world[i][a] * d[a];
      }
    }
    double distance = sqrt(world[0] * world[0] + world[1] * world[1] + world[2] * world[2]);
    double steps = floor(distance / job->length);
    double depth = 0.0;
    for (double k = 1.0; k <= steps && k <= job->steps && depth < OPAQUE; k += 1.0) {
      double part = k * job->length / distance;
      double p[3] = {from[0] + part * d[0], from[1] + part * d[1], from[2] + part * d[2]};
      depth += job->length * (double)extinction_at(c, p);
    }
    out[x] = (float)exp(-depth);
  }
}

/* From sums to extinction per world length, with nothing around it. */
static void spread_extinction(const xac_renderer *r) {
  const xac_coarse *c = &r->coarse;
  int64_t row, plane;
  padded_strides(c, &row, &plane);
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

/* Nodes that the brick's samples read: around its points. */
static int own_nodes(const xac_renderer *r, lighting_job *job) {
  const xac_volume *v = &r->volume;
  const xac_coarse *c = &r->coarse;
  for (int a = 0; a < 3; a++) {
    if (v->dims[a] < 1) {
      return 0;
    }
    int64_t lo = v->start[a] / c->factor - 1;
    int64_t hi = (v->start[a] + v->dims[a] - 1) / c->factor + 2;
    job->lo[a] = lo < 0 ? 0 : (int)lo;
    job->hi[a] = hi > c->dims[a] ? c->dims[a] : (int)hi;
  }
  return 1;
}

/* A direction's row of shifts: samples one, two, ... lengths away, so that a surface does not
 * shade itself. */
static void make_shifts(lighting_job *job, const double *direction, shift *shifts) {
  for (int k = 0; k < job->steps; k++) {
    double offset[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 3; j++) {
        offset[i] += job->cell[3 * i + j] * direction[j] * (k + 1) * job->length;
      }
    }
    make_shift(&job->r->coarse, offset, (float)job->length, &shifts[k]);
  }
}

static double smallest_cell(const lighting_job *job) {
  double least = INFINITY;
  for (int a = 0; a < 3; a++) {
    double s = 0.0;
    for (int i = 0; i < 3; i++) {
      s += job->cell_world[i][a] * job->cell_world[i][a];
    }
    least = fmin(least, sqrt(s));
  }
  return least;
}

static double diagonal(const xac_renderer *r) {
  double corner[3], world[3];
  for (int a = 0; a < 3; a++) {
    corner[a] = (double)r->volume.whole[a];
  }
  xac_apply_linear(r->volume.index_to_world, corner, world);
  return sqrt(world[0] * world[0] + world[1] * world[1] + world[2] * world[2]);
}

static int run_directional(lighting_job *job, beamcast_error *error) {
  const xac_renderer *r = job->r;
  double direction[3], norm = 0.0;
  for (int a = 0; a < 3; a++) {
    norm += r->shading.vector[a] * r->shading.vector[a];
  }
  for (int a = 0; a < 3; a++) {
    direction[a] = norm > 0.0 ? r->shading.vector[a] / sqrt(norm) : a == 2;
  }
  job->directions = 1;
  job->shifts = malloc((size_t)job->steps * sizeof *job->shifts);
  if (job->shifts == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to work out shadows");
  }
  make_shifts(job, direction, job->shifts);
  xac_pool_run(r->pool, (size_t)(job->hi[1] - job->lo[1]) * (size_t)(job->hi[2] - job->lo[2]),
               light_row, job);
  free(job->shifts);
  return BEAMCAST_OK;
}

/* Directions spread evenly over the sphere: a Fibonacci lattice on one half, turned off the axes,
 * and its opposites, so that every plane has as many on either side. */
static void sphere_direction(int number, double *d) {
  int i = number / 2;
  double z = 1.0 - (2.0 * i + 1.0) / DIRECTIONS;
  double angle = 2.399963229728653 * i + 0.7;
  double s = sqrt(1.0 - z * z);
  double p[3] = {s * cos(angle), s * sin(angle), z};
  /* A turn by fixed angles, so that no axis is special. */
  const double turn = 0.65, b = 0.41;
  double q[3] = {p[0], cos(turn) * p[1] - sin(turn) * p[2], sin(turn) * p[1] + cos(turn) * p[2]};
  d[0] = cos(b) * q[0] + sin(b) * q[2];
  d[1] = q[1];
  d[2] = -sin(b) * q[0] + cos(b) * q[2];
  for (int a = 0; a < 3 && number % 2; a++) {
    d[a] = -d[a];
  }
}

static int run_occlusion(lighting_job *job, beamcast_error *error) {
  const xac_renderer *r = job->r;
  double radius = r->shading.occlusion_radius;
  radius = radius > 0.0 ? radius : 0.1 * diagonal(r);
  double steps = ceil(radius / job->length);
  job->steps = steps < 2.0 ? 2 : steps > 256.0 ? 256 : (int)steps;
  double cell = job->length;
  job->length = radius / job->steps;
  job->directions = DIRECTIONS;
  job->shifts = malloc((size_t)job->steps * DIRECTIONS * sizeof *job->shifts);
  if (job->shifts == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to work out occlusion");
  }
  for (int d = 0; d < DIRECTIONS; d++) {
    double direction[3];
    sphere_direction(d, direction);
    make_shifts(job, direction, job->shifts + (size_t)d * (size_t)job->steps);
  }
  xac_pool_run(r->pool, (size_t)(job->hi[1] - job->lo[1]) * (size_t)(job->hi[2] - job->lo[2]),
               light_row, job);
  free(job->shifts);
  job->length = cell;
  return BEAMCAST_OK;
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
  lighting_job job = {.r = r};
  int code = BEAMCAST_OK;
  if (own_nodes(r, &job)) {
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 3; j++) {
        job.cell[3 * i + j] = r->from_world[4 * i + j] / c->factor;
        job.cell_world[i][j] = r->volume.index_to_world[4 * i + j] * c->factor;
      }
    }
    job.length = smallest_cell(&job);
    double steps = ceil(2.0 * diagonal(r) / job.length);
    int across = steps > 4096.0 ? 4096 : (int)steps;
    if (r->shading.kernel & XAC_OCCLUSION) {
      code = run_occlusion(&job, error);
    }
    job.steps = across;
    if (code == BEAMCAST_OK && (r->shading.kernel & XAC_SCATTER)) {
      if (r->shading.light == XAC_LIGHT_POINT) {
        double index[3];
        xac_apply(r->from_world, r->shading.vector, index);
        for (int a = 0; a < 3; a++) {
          job.point[a] = (index[a] - 0.5 * (c->factor - 1)) / c->factor;
        }
        xac_pool_run(r->pool, (size_t)(job.hi[1] - job.lo[1]) * (size_t)(job.hi[2] - job.lo[2]),
                     point_light_row, &job);
      } else {
        code = run_directional(&job, error);
      }
    }
  }
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
