/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transfer functions: the table that kernels look colours up in, corrected for the step length.
 */
#include <math.h>
#include <stdlib.h>

#include "xac_internal.h"

/* A window of no width becomes a step at its place. */
static double window_width(const xac_renderer *r) {
  double width = r->value_range[1] - r->value_range[0];
  double least = 1e-6 * (fabs(r->value_range[0]) + 1e-20);
  return width > least ? width : least;
}

void xac_table_mapping(const xac_renderer *r, float *scale, float *bias) {
  double s = (XAC_TABLE - 1) / window_width(r);
  *scale = (float)s;
  *bias = (float)(0.5 - r->value_range[0] * s);
}

void xac_entry_at(const xac_renderer *r, double entry, float *rgba) {
  double at = entry / (XAC_TABLE - 1) * (r->entry_count - 1);
  int i = (int)at;
  i = i > r->entry_count - 2 ? r->entry_count - 2 : i;
  double part = at - i;
  for (int c = 0; c < 4; c++) {
    double a = r->entries[4 * i + c], b = r->entries[4 * i + 4 + c];
    rgba[c] = (float)(a + part * (b - a));
  }
}

void xac_table_build(xac_renderer *r, float unit_steps) {
  if (r->table_steps == unit_steps) {
    return;
  }
  for (int i = 0; i < XAC_TABLE; i++) {
    float rgba[4];
    xac_entry_at(r, i, rgba);
    if (unit_steps < 0.0f) {
      memcpy(r->table + 4 * i, rgba, sizeof rgba);
      continue;
    }
    /* Opacity for one step from opacity for the unit distance. */
    float opacity = 1.0f - powf(1.0f - rgba[3], unit_steps);
    float *t = r->table + 4 * i;
    t[0] = rgba[0] * opacity;
    t[1] = rgba[1] * opacity;
    t[2] = rgba[2] * opacity;
    t[3] = opacity;
  }
  r->table_steps = unit_steps;
  r->table_version++;
}

static int sane(const xac_transfer *t, beamcast_error *error) {
  if (t->rgba == NULL || t->entries < 2 || t->entries > 65536) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a transfer function needs 2 to 65536 entries, not %d", t->entries);
  }
  if (!isfinite(t->range[0]) || !isfinite(t->range[1]) || t->range[0] > t->range[1]) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the transfer function's range %g to %g is not a range", t->range[0],
                         t->range[1]);
  }
  if (!(t->unit_distance > 0.0) || !isfinite(t->unit_distance)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the unit distance of opacities must be more than 0, not %g",
                         t->unit_distance);
  }
  return BEAMCAST_OK;
}

static float unit_interval(float a) {
  return a >= 0.0f ? (a <= 1.0f ? a : 1.0f) : 0.0f;
}

int xac_set_transfer(xac_renderer *r, const xac_transfer *t, beamcast_error *error) {
  int code = sane(t, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  size_t count = (size_t)t->entries * 4;
  float *entries = malloc(count * sizeof *entries);
  if (entries == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a table of %d colours",
                         t->entries);
  }
  int same = r->entries != NULL && r->entry_count == t->entries &&
             memcmp(r->value_range, t->range, sizeof t->range) == 0 &&
             r->unit_distance == t->unit_distance;
  for (size_t i = 0; i < count; i++) {
    entries[i] = unit_interval(t->rgba[i]);
    same = same && entries[i] == r->entries[i];
  }
  if (same) {
    free(entries);
    return BEAMCAST_OK;
  }
  free(r->entries);
  r->entries = entries;
  r->entry_count = t->entries;
  r->value_range[0] = t->range[0];
  r->value_range[1] = t->range[1];
  r->unit_distance = t->unit_distance;
  r->table_steps = 0.0f;
  r->colors_version++;
  r->coarse.fresh = 0;
  r->shown_before[0] = 0;
  for (int i = 0; i < XAC_TABLE; i++) {
    float rgba[4];
    xac_entry_at(r, i, rgba);
    r->shown_before[i + 1] = r->shown_before[i] + (rgba[3] > 1e-6f);
  }
  return BEAMCAST_OK;
}
