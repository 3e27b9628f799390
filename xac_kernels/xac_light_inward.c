/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Light on surfaces. From node to node light falls from what shines on a surface to nothing behind
 * it, and interpolating that would draw contours where the surface lies between nodes, and dark
 * ones. So a node in matter is given what arrives around it, each neighbour weighted with what it
 * lets through: normalised convolution (Knutsson and Westin 1993). Nodes that let everything
 * through keep what they have.
 */
#include <math.h>

#include "xac_light.h"

/* What a neighbour lets through over so many cells is its weight: more makes translucent surfaces
 * brighter, and thin walls let more of what is behind them in. */
static const double CELLS = 1.5;

enum { TAPS = 2 * XAC_LIGHT_REACH + 1 };
static const float tap[TAPS] = {0.1353353f, 0.6065307f, 1.0f, 0.6065307f, 0.1353353f};

typedef struct inward {
  const xac_coarse *coarse;
  const xac_nodes *nodes;
  xac_nodes around; /* nodes and those that they look at */
  const float *arrived;
  float *through, *out;
  float length;
} inward;

static int64_t row_start(const xac_coarse *c, int y, int z) {
  return ((int64_t)z * c->dims[1] + y) * c->dims[0];
}

/* Row number item of a box of nodes. */
static void row_of(const xac_nodes *nodes, size_t item, int *y, int *z) {
  int rows = nodes->hi[1] - nodes->lo[1];
  *y = nodes->lo[1] + (int)(item % (size_t)rows);
  *z = nodes->lo[2] + (int)(item / (size_t)rows);
}

static size_t rows_of(const xac_nodes *nodes) {
  return (size_t)(nodes->hi[1] - nodes->lo[1]) * (size_t)(nodes->hi[2] - nodes->lo[2]);
}

static void through_row(void *argument, size_t item, int worker) {
  (void)worker;
  const inward *job = argument;
  const xac_coarse *c = job->coarse;
  int y, z;
  row_of(&job->around, item, &y, &z);
  int64_t row, plane;
  xac_extinction_strides(c, &row, &plane);
  int x0 = job->around.lo[0], count = job->around.hi[0] - x0;
  const float *extinction = c->extinction + (z + 1) * plane + (y + 1) * row + 1 + x0;
  float *out = job->through + row_start(c, y, z) + x0;
  float depth[XAC_LIGHT_RESOLUTION_MAX];
  for (int x = 0; x < count; x++) {
    depth[x] = extinction[x] * job->length;
    out[x] = 0.0f;
  }
  xac_add_transmittance(depth, count, out);
}

XAC_CLONES static void add_row(const float *through, const float *arrived, float weight, int count,
                               float *sum, float *weights) {
  for (int x = 0; x < count; x++) {
    float w = weight * through[x];
    weights[x] += w;
    sum[x] += w * arrived[x];
  }
}

static void inward_row(void *argument, size_t item, int worker) {
  (void)worker;
  const inward *job = argument;
  const xac_coarse *c = job->coarse;
  int y, z;
  row_of(job->nodes, item, &y, &z);
  int64_t start = row_start(c, y, z);
  int x0 = job->nodes->lo[0], x1 = job->nodes->hi[0], matter = 0;
  for (int x = x0; x < x1; x++) {
    job->out[start + x] = job->arrived[start + x];
    matter |= job->through[start + x] < 0.999f;
  }
  if (!matter) {
    return;
  }
  /* Two nodes of nothing at both ends: what lies outside the grid has no weight. */
  float sum[XAC_LIGHT_RESOLUTION_MAX + TAPS] = {0}, weights[XAC_LIGHT_RESOLUTION_MAX + TAPS] = {0};
  int from = job->around.lo[0], count = job->around.hi[0] - from;
  for (int k = -XAC_LIGHT_REACH; k <= XAC_LIGHT_REACH; k++) {
    for (int j = -XAC_LIGHT_REACH; j <= XAC_LIGHT_REACH; j++) {
      if (z + k >= 0 && z + k < c->dims[2] && y + j >= 0 && y + j < c->dims[1]) {
        int64_t at = row_start(c, y + j, z + k) + from;
        add_row(job->through + at, job->arrived + at,
                tap[k + XAC_LIGHT_REACH] * tap[j + XAC_LIGHT_REACH], count, sum + XAC_LIGHT_REACH,
                weights + XAC_LIGHT_REACH);
      }
    }
  }
  for (int x = x0; x < x1; x++) {
    float s = 0.0f, w = 0.0f;
    for (int i = 0; i < TAPS; i++) {
      s += tap[i] * sum[x - from + i];
      w += tap[i] * weights[x - from + i];
    }
    float through = job->through[start + x];
    job->out[start + x] = through * job->arrived[start + x] + (1.0f - through) * (s / w);
  }
}

void xac_light_inward(const xac_renderer *r, const xac_nodes *nodes, const float *arrived,
                      float *through, float *out) {
  const xac_coarse *c = &r->coarse;
  inward job = {c, nodes, *nodes, arrived, through, out, (float)(CELLS * xac_light_cell(r))};
  for (int a = 0; a < 3; a++) {
    int lo = nodes->lo[a] - XAC_LIGHT_REACH, hi = nodes->hi[a] + XAC_LIGHT_REACH;
    job.around.lo[a] = lo < 0 ? 0 : lo;
    job.around.hi[a] = hi > c->dims[a] ? c->dims[a] : hi;
  }
  xac_pool_run(r->pool, rows_of(&job.around), through_row, &job);
  xac_pool_run(r->pool, rows_of(nodes), inward_row, &job);
}
