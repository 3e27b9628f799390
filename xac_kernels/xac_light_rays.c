/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What arrives at the nodes of the coarse grid: light from one side or from a point, openness from
 * all directions.
 *
 * Both are ray sums over extinction. For parallel rays a step's offset is the same for all nodes of
 * the grid, so the sum is a sum of shifted grids, and vectorises along x without gathers.
 */
#include <math.h>
#include <stdlib.h>

#include "xac_light.h"

enum { DIRECTIONS = 64 }; /* of ambient occlusion */
enum { OPAQUE = 10 };     /* optical depth behind which nothing is seen */

typedef struct shift {
  int64_t offset[8]; /* in the padded grid, elements */
  float weight[8];
  int dy, dz, x0, x1; /* of the grid's rows and columns that it reaches: nodes x0..x1-1 */
} shift;

typedef struct lighting_job {
  const xac_renderer *r;
  const xac_nodes *nodes;
  float *arrived;
  double cell[9]; /* world to coarse index, linear, rows */
  double length;  /* between samples, world */
  int steps;
  shift *shifts; /* [directions][steps] */
  int directions;
  double point[3]; /* light's place in the coarse grid */
  double cell_world[3][3];
} lighting_job;

static void make_shift(const xac_coarse *c, const double *offset, float length, shift *s) {
  int64_t row, plane;
  xac_extinction_strides(c, &row, &plane);
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

XAC_CLONES static void add_shift(const float *grid, const shift *s, int count, float *sum) {
  const float *g0 = grid + s->offset[0], *g2 = grid + s->offset[2];
  const float *g4 = grid + s->offset[4], *g6 = grid + s->offset[6];
  const float *w = s->weight;
  for (int x = 0; x < count; x++) {
    sum[x] += w[0] * g0[x] + w[1] * g0[x + 1] + w[2] * g2[x] + w[3] * g2[x + 1] + w[4] * g4[x] +
              w[5] * g4[x + 1] + w[6] * g6[x] + w[7] * g6[x + 1];
  }
}

/* A polynomial of depth / 16, to the sixteenth. */
XAC_CLONES static void add_transmittance(const float *depth, int count, float *sum) {
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

/* clang 14 gives clones no name that another file can link with. */
void xac_add_transmittance(const float *depth, int count, float *sum) {
  add_transmittance(depth, count, sum);
}

/* Sums up optical depth along one direction for nodes x0..x1-1 of row (y, z). */
static void row_depth(const xac_coarse *c, const shift *shifts, int steps, int x0, int x1, int y,
                      int z, float *depth) {
  int64_t row, plane;
  xac_extinction_strides(c, &row, &plane);
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
  xac_extinction_strides(c, &row, &plane);
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

typedef struct light_span {
  int x0, x1, y, z; /* nodes [x0, x1) of a row, where light is to be worked out */
  float *out;       /* of the row's node 0 */
} light_span;

/* The row number `item`, lit all along; 0 where nothing of it is to be worked out. */
static int begin_row(const lighting_job *job, size_t item, light_span *s) {
  const xac_coarse *c = &job->r->coarse;
  int rows = job->nodes->hi[1] - job->nodes->lo[1];
  s->y = job->nodes->lo[1] + (int)item % rows;
  s->z = job->nodes->lo[2] + (int)item / rows;
  s->x0 = job->nodes->lo[0];
  s->x1 = job->nodes->hi[0];
  s->out = job->arrived + ((int64_t)s->z * c->dims[1] + s->y) * c->dims[0];
  for (int x = s->x0; x < s->x1; x++) {
    s->out[x] = 1.0f;
  }
  return row_span(c, s->y, s->z, &s->x0, &s->x1);
}

static void light_row(void *argument, size_t item, int worker) {
  (void)worker;
  const lighting_job *job = argument;
  light_span s;
  if (!begin_row(job, item, &s)) {
    return;
  }
  const int count = s.x1 - s.x0;
  float depth[XAC_LIGHT_RESOLUTION_MAX], sum[XAC_LIGHT_RESOLUTION_MAX];
  memset(sum, 0, (size_t)count * sizeof *sum);
  for (int d = 0; d < job->directions; d++) {
    row_depth(&job->r->coarse, job->shifts + (size_t)d * (size_t)job->steps, job->steps, s.x0, s.x1,
              s.y, s.z, depth);
    add_transmittance(depth, count, sum);
  }
  for (int i = 0; i < count; i++) {
    s.out[s.x0 + i] = sum[i] / (float)job->directions;
  }
}

static float extinction_at(const xac_coarse *c, const double *p) {
  int64_t row, plane;
  xac_extinction_strides(c, &row, &plane);
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
  light_span s;
  if (!begin_row(job, item, &s)) {
    return;
  }
  for (int x = s.x0; x < s.x1; x++) {
    double from[3] = {x, s.y, s.z}, d[3], world[3] = {0, 0, 0};
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
      depth += job->length * (double)extinction_at(&job->r->coarse, p);
    }
    s.out[x] = (float)exp(-depth);
  }
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

static void run_rows(lighting_job *job, void (*task)(void *, size_t, int)) {
  const xac_nodes *n = job->nodes;
  xac_pool_run(job->r->pool, (size_t)(n->hi[1] - n->lo[1]) * (size_t)(n->hi[2] - n->lo[2]), task,
               job);
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
  run_rows(job, light_row);
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
  double most = xac_light_diagonal(r); /* beyond it nothing is */
  radius = radius > 0.0 ? fmin(radius, most) : 0.1 * most;
  double steps = ceil(radius / job->length);
  job->steps = steps < 2.0 ? 2 : steps > 256.0 ? 256 : (int)steps;
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
  run_rows(job, light_row);
  free(job->shifts);
  return BEAMCAST_OK;
}

int xac_light_rays(const xac_renderer *r, const xac_nodes *nodes, int kernel, float *arrived,
                   beamcast_error *error) {
  const xac_coarse *c = &r->coarse;
  lighting_job job = {.r = r, .nodes = nodes, .arrived = arrived, .length = xac_light_cell(r)};
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      job.cell[3 * i + j] = r->from_world[4 * i + j] / c->factor;
      job.cell_world[i][j] = r->volume.index_to_world[4 * i + j] * c->factor;
    }
  }
  if (kernel == XAC_OCCLUSION) {
    return run_occlusion(&job, error);
  }
  double steps = ceil(2.0 * xac_light_diagonal(r) / job.length);
  job.steps = steps > 4096.0 ? 4096 : (int)steps;
  if (r->shading.light != XAC_LIGHT_POINT) {
    return run_directional(&job, error);
  }
  double index[3];
  xac_apply(r->from_world, r->shading.vector, index);
  for (int a = 0; a < 3; a++) {
    job.point[a] = (index[a] - 0.5 * (c->factor - 1)) / c->factor;
  }
  run_rows(&job, point_light_row);
  return BEAMCAST_OK;
}
