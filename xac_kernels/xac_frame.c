/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From camera, volume and settings to what the kernels are given: the frame, and the macrocells
 * that show something in the order in which the eye meets them.
 */
#include <math.h>
#include <stdlib.h>

#include "xac_internal.h"

static void to_float3(const double *in, float *out) {
  for (int a = 0; a < 3; a++) {
    out[a] = (float)in[a];
  }
}

static int all_finite(const double *v, int count) {
  for (int i = 0; i < count; i++) {
    if (!isfinite(v[i])) {
      return 0;
    }
  }
  return 1;
}

static int check_camera(const xac_camera *c, beamcast_error *error) {
  if (c->width < 1 || c->height < 1 || c->width > 32768 || c->height > 32768) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a picture of %d x %d pixels can't be drawn; sides go from 1 to 32768",
                         c->width, c->height);
  }
  if (!all_finite(c->origin, 3) || !all_finite(c->origin_dx, 3) || !all_finite(c->origin_dy, 3) ||
      !all_finite(c->direction, 3) || !all_finite(c->direction_dx, 3) ||
      !all_finite(c->direction_dy, 3)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the camera has a number that isn't finite");
  }
  return BEAMCAST_OK;
}

static int check_quality(const xac_quality *q, beamcast_error *error) {
  if (!(q->step > 0.0) || !isfinite(q->step)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the step between samples must be more than 0, not %g", q->step);
  }
  if (q->planes < 0 || q->planes > XAC_PLANES_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%d clipping planes; 0 to %d can be used",
                         q->planes, XAC_PLANES_MAX);
  }
  for (int i = 0; i < q->planes; i++) {
    if (!all_finite(q->plane[i], 4)) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "clipping plane %d has a number that isn't finite", i);
    }
  }
  for (int i = 0; q->crop && i < 6; i++) {
    if (isnan(q->crop_box[i])) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "the crop box has an end that isn't a number");
    }
  }
  return BEAMCAST_OK;
}

static void set_camera(const xac_renderer *r, const xac_camera *c, xac_frame *f) {
  double v[3];
  f->width = c->width;
  f->height = c->height;
  xac_apply(r->from_world, c->origin, v);
  to_float3(v, f->origin);
  xac_apply_linear(r->from_world, c->origin_dx, v);
  to_float3(v, f->origin_dx);
  xac_apply_linear(r->from_world, c->origin_dy, v);
  to_float3(v, f->origin_dy);
  xac_apply_linear(r->from_world, c->direction, v);
  to_float3(v, f->direction);
  xac_apply_linear(r->from_world, c->direction_dx, v);
  to_float3(v, f->direction_dx);
  xac_apply_linear(r->from_world, c->direction_dy, v);
  to_float3(v, f->direction_dy);
  to_float3(c->direction, f->world);
  to_float3(c->direction_dx, f->world_dx);
  to_float3(c->direction_dy, f->world_dy);
}

static void set_space(const xac_renderer *r, const xac_quality *q, xac_frame *f) {
  const double *m = r->volume.index_to_world;
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      f->to_world[3 * i + j] = (float)m[4 * i + j];
      /* A gradient goes to world space with the transpose of the way back. */
      f->gradient[3 * i + j] = (float)r->from_world[4 * j + i];
    }
    f->world_origin[i] = (float)m[4 * i + 3];
    double whole = (double)r->volume.whole[i];
    double lo = whole > 1.0 ? 0.0 : -0.5, hi = whole > 1.0 ? whole - 1.0 : 0.5;
    if (q->crop) {
      lo = fmax(lo, q->crop_box[2 * i]);
      hi = fmin(hi, q->crop_box[2 * i + 1]);
    }
    f->box_lo[i] = (float)lo;
    f->box_hi[i] = (float)fmax(hi, lo);
    if (!(hi > lo)) {
      f->box_lo[i] = f->box_hi[i] = -1e9f; /* nothing is left: no ray meets this */
    }
  }
  f->planes = q->planes;
  for (int p = 0; p < q->planes; p++) {
    const double *n = q->plane[p];
    double d = n[3];
    for (int j = 0; j < 3; j++) {
      f->plane[p][j] = (float)(n[0] * m[j] + n[1] * m[4 + j] + n[2] * m[8 + j]);
      d += n[j] * m[4 * j + 3];
    }
    f->plane[p][3] = (float)d;
  }
}

static void set_values(const xac_renderer *r, xac_frame *f) {
  xac_table_mapping(r, &f->table_scale, &f->table_bias);
  double lo = r->value_range[0], hi = r->value_range[1];
  f->value_lo = (float)lo;
  f->value_hi = (float)hi;
  f->has_gaps = r->ranges.gaps;
  double least = r->ranges.any ? fmin(lo, r->ranges.range[0]) : lo;
  double most = r->ranges.any ? fmax(hi, r->ranges.range[1]) : hi;
  double span = fmax(most - least, 1e-6 * (fabs(least) + 1e-20));
  f->lowest = (float)(least - span);
  f->gap = (float)(least - 1e6 * span);
  /* A thousandth of the value range per voxel is no surface. */
  double voxel = 0.0;
  for (int j = 0; j < 3; j++) {
    const double *m = r->volume.index_to_world + j;
    voxel = fmax(voxel, sqrt(m[0] * m[0] + m[4] * m[4] + m[8] * m[8]));
  }
  double floor_ = 1e-3 * fmax(hi - lo, 1e-20) / voxel;
  f->gradient_floor = (float)fmax(floor_ * floor_, 1e-30);
}

static void set_light(const xac_renderer *r, xac_frame *f) {
  const xac_shading *s = &r->shading;
  f->kernel = s->kernel;
  f->ambient = s->ambient;
  f->diffuse = s->diffuse;
  f->specular = s->specular;
  f->power = s->specular_power;
  f->shine_from = s->specular > 0.0f ? powf(0.001f, 1.0f / s->specular_power) : 2.0f;
  f->anisotropy = s->anisotropy;
  f->occlusion_strength = s->occlusion_strength;
  f->light_kind = (int)s->light;
  to_float3(s->vector, f->light);
  if (s->light != XAC_LIGHT_POINT) {
    double norm = sqrt(s->vector[0] * s->vector[0] + s->vector[1] * s->vector[1] +
                       s->vector[2] * s->vector[2]);
    for (int a = 0; a < 3; a++) {
      f->light[a] = norm > 0.0 ? (float)(s->vector[a] / norm) : (a == 2 ? 1.0f : 0.0f);
    }
  }
  const xac_coarse *c = &r->coarse;
  if (c->factor > 0) {
    f->coarse_scale = 1.0f / (float)c->factor;
    f->coarse_offset = -0.5f * (float)(c->factor - 1) / (float)c->factor;
    for (int a = 0; a < 3; a++) {
      f->coarse_dims[a] = c->dims[a];
    }
  }
}

int xac_frame_build(xac_renderer *r, const xac_camera *camera, const xac_quality *quality,
                    xac_frame *f, beamcast_error *error) {
  int code = check_camera(camera, error);
  if (code == BEAMCAST_OK) {
    code = check_quality(quality, error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  memset(f, 0, sizeof *f);
  set_camera(r, camera, f);
  set_space(r, quality, f);
  set_values(r, f);
  set_light(r, f);
  f->nearest = r->volume.nearest;
  f->step = (float)quality->step;
  f->unit_steps = (float)(quality->step / r->unit_distance);
  f->jitter = quality->jitter;
  f->terminate = quality->terminate > 0.0f ? quality->terminate : 0.001f;
  return BEAMCAST_OK;
}

/* --- macrocells ------------------------------------------------------------------------------ */

/* Fills in the box around what shows something; 0 when nothing does. */
static int make_macrocell(const xac_renderer *r, const int64_t *at, size_t number,
                          xac_macrocell *m) {
  memcpy(m->visible, r->visible.bits + 2 * number, sizeof m->visible);
  if ((m->visible[0] | m->visible[1]) == 0) {
    return 0;
  }
  int lo[3] = {4, 4, 4}, hi[3] = {-1, -1, -1};
  for (int i = 0; i < XAC_SUBCELLS; i++) {
    if (m->visible[i >> 5] >> (i & 31) & 1) {
      int s[3] = {i & 3, i >> 2 & 3, i >> 4};
      for (int a = 0; a < 3; a++) {
        lo[a] = s[a] < lo[a] ? s[a] : lo[a];
        hi[a] = s[a] > hi[a] ? s[a] : hi[a];
      }
    }
  }
  const xac_volume *v = &r->volume;
  for (int a = 0; a < 3; a++) {
    int64_t first = at[a] * XAC_CELLS;
    int64_t cells = v->dims[a] - 1 - first;
    cells = cells > XAC_CELLS ? XAC_CELLS : cells < 1 ? 1 : cells;
    m->first[a] = (int)(v->start[a] + first);
    m->cells[a] = (int)cells;
    int end = 4 * (hi[a] + 1) < (int)cells ? 4 * (hi[a] + 1) : (int)cells;
    m->lo[a] = (float)(m->first[a] + 4 * lo[a]);
    m->hi[a] = (float)(m->first[a] + end);
    if (v->whole[a] == 1) {
      m->lo[a] = -0.5f;
      m->hi[a] = 0.5f;
    }
  }
  return 1;
}

/* From index space to pixels: (x, y, 1) * s or (x, y, s) = inverse * (p - origin). */
typedef struct projection {
  double inverse[9], origin[3];
  int parallel, valid, width, height;
} projection;

static projection make_projection(const xac_renderer *r, const xac_camera *c) {
  projection p = {.width = c->width, .height = c->height};
  const double zero[3] = {0};
  double columns[3][3];
  p.parallel = memcmp(c->direction_dx, zero, sizeof zero) == 0 &&
               memcmp(c->direction_dy, zero, sizeof zero) == 0;
  xac_apply(r->from_world, c->origin, p.origin);
  xac_apply_linear(r->from_world, p.parallel ? c->origin_dx : c->direction_dx, columns[0]);
  xac_apply_linear(r->from_world, p.parallel ? c->origin_dy : c->direction_dy, columns[1]);
  xac_apply_linear(r->from_world, c->direction, columns[2]);
  double m[9];
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      m[3 * i + j] = columns[j][i];
    }
  }
  p.valid = xac_invert3(m, p.inverse);
  return p;
}

/* Where the box may be seen; 0 when nowhere. */
static int project(const projection *p, const float *lo, const float *hi, xac_rectangle *rect) {
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  int behind = 0;
  for (int corner = 0; corner < 8; corner++) {
    double d[3], q[3];
    for (int a = 0; a < 3; a++) {
      d[a] = (corner >> a & 1 ? hi[a] : lo[a]) - p->origin[a];
    }
    for (int i = 0; i < 3; i++) {
      q[i] = p->inverse[3 * i] * d[0] + p->inverse[3 * i + 1] * d[1] + p->inverse[3 * i + 2] * d[2];
    }
    double x = q[0], y = q[1];
    if (!p->parallel) {
      if (q[2] < 1e-9) {
        behind++;
        continue;
      }
      x /= q[2];
      y /= q[2];
    }
    x0 = fmin(x0, x);
    x1 = fmax(x1, x);
    y0 = fmin(y0, y);
    y1 = fmax(y1, y);
  }
  if (behind == 8) {
    return 0;
  }
  *rect = (xac_rectangle){0, 0, p->width, p->height};
  if (behind == 0 && p->valid) {
    x0 = floor(x0);
    y0 = floor(y0);
    x1 = ceil(x1) + 1.0;
    y1 = ceil(y1) + 1.0;
    rect->x0 = x0 > 0.0 ? (x0 < p->width ? (int)x0 : p->width) : 0;
    rect->y0 = y0 > 0.0 ? (y0 < p->height ? (int)y0 : p->height) : 0;
    rect->x1 = x1 < p->width ? (x1 > 0.0 ? (int)x1 : 0) : p->width;
    rect->y1 = y1 < p->height ? (y1 > 0.0 ? (int)y1 : 0) : p->height;
  }
  return rect->x0 < rect->x1 && rect->y0 < rect->y1;
}

/* Orders 0..count-1 by distance from the eye's place along one axis (in macrocells). A ray leaves
 * the eye in every axis, so what lies nearer in each axis can't be hidden by what lies farther. */
static void order_axis(int64_t count, double eye, int64_t *order) {
  int64_t below = eye < 0.0 ? -1 : eye >= (double)count ? count - 1 : (int64_t)eye;
  int64_t above = below + 1;
  for (int64_t i = 0; i < count; i++) {
    /* By the macrocells' middles, so that the one with the eye in it comes first. */
    int take_below =
        below >= 0 && (above >= count || eye - 0.5 - (double)below <= (double)above + 0.5 - eye);
    order[i] = take_below ? below-- : above++;
  }
}

/* Cropped or clipped away, by more than rounding. */
static int outside(const xac_frame *f, const xac_macrocell *m) {
  const float near_ = 0.01f; /* of a voxel */
  for (int a = 0; a < 3; a++) {
    if (m->hi[a] < f->box_lo[a] - near_ || m->lo[a] > f->box_hi[a] + near_) {
      return 1;
    }
  }
  for (int i = 0; i < f->planes; i++) {
    const float *p = f->plane[i];
    float highest = p[3];
    for (int a = 0; a < 3; a++) {
      highest += p[a] > 0.0f ? p[a] * (m->hi[a] + near_) : p[a] * (m->lo[a] - near_);
    }
    if (highest < 0.0f) {
      return 1;
    }
  }
  return 0;
}

/* A sample on the whole volume's face, which rounding puts beyond it, has no other macrocell. */
static void open_faces(const xac_volume *v, xac_macrocell *m) {
  for (int a = 0; a < 3; a++) {
    m->lo[a] = m->lo[a] <= 0.0f ? -1e9f : m->lo[a];
    m->hi[a] = m->hi[a] >= (float)(v->whole[a] - 1) ? 1e9f : m->hi[a];
  }
}

static int reserve(xac_renderer *r, size_t count, beamcast_error *error) {
  if (count <= r->macrocell_capacity) {
    return BEAMCAST_OK;
  }
  xac_macrocell *cells = realloc(r->macrocells, count * sizeof *cells);
  if (cells) {
    r->macrocells = cells;
  }
  xac_rectangle *rectangles = realloc(r->rectangles, count * sizeof *rectangles);
  if (rectangles) {
    r->rectangles = rectangles;
  }
  if (cells == NULL || rectangles == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to list %zu macrocells", count);
  }
  r->macrocell_capacity = count;
  return BEAMCAST_OK;
}

int xac_frame_macrocells(xac_renderer *r, const xac_frame *frame, const xac_camera *camera,
                         size_t *count, beamcast_error *error) {
  *count = 0;
  const int64_t *grid = r->ranges.grid;
  int code = xac_visible_build(r, error);
  if (code == BEAMCAST_OK) {
    code = reserve(r, r->ranges.count, error);
  }
  int64_t *order = malloc((size_t)(grid[0] + grid[1] + grid[2] + 1) * sizeof *order);
  if (code != BEAMCAST_OK || order == NULL) {
    free(order);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to sort %zu macrocells",
                         r->ranges.count);
  }
  projection p = make_projection(r, camera);
  double direction[3];
  xac_apply_linear(r->from_world, camera->direction, direction);
  int64_t *axis[3] = {order, order + grid[0], order + grid[0] + grid[1]};
  for (int a = 0; a < 3; a++) {
    double eye = (p.origin[a] - (double)r->volume.start[a]) / XAC_CELLS;
    if (p.parallel) {
      eye = direction[a] > 0.0 ? -1.0 : (double)grid[a];
    }
    order_axis(grid[a], eye, axis[a]);
  }
  size_t found = 0;
  for (int64_t k = 0; k < grid[2]; k++) {
    for (int64_t j = 0; j < grid[1]; j++) {
      for (int64_t i = 0; i < grid[0]; i++) {
        int64_t at[3] = {axis[0][i], axis[1][j], axis[2][k]};
        size_t number = (size_t)((at[2] * grid[1] + at[1]) * grid[0] + at[0]);
        xac_macrocell *m = &r->macrocells[found];
        if (make_macrocell(r, at, number, m) && !outside(frame, m) &&
            project(&p, m->lo, m->hi, &r->rectangles[found])) {
          open_faces(&r->volume, m);
          found++;
        }
      }
    }
  }
  free(order);
  *count = found;
  return BEAMCAST_OK;
}

/* --- making cameras -------------------------------------------------------------------------- */

static double normalise(double *v) {
  double norm = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  for (int a = 0; a < 3; a++) {
    v[a] = norm > 0.0 ? v[a] / norm : 0.0;
  }
  return norm;
}

static void cross(const double *a, const double *b, double *out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

int xac_camera_look_at(xac_camera *c, int width, int height, const double eye[3],
                       const double focus[3], const double up[3], double angle, double scale,
                       beamcast_error *error) {
  double forward[3], right[3], above[3];
  for (int a = 0; a < 3; a++) {
    forward[a] = focus[a] - eye[a];
  }
  double distance = normalise(forward);
  cross(forward, up, right);
  double side = normalise(right);
  cross(right, forward, above);
  if (!(distance > 0.0) || !(side > 0.0) || !(angle >= 0.0 && angle < 180.0) ||
      (angle == 0.0 && !(scale > 0.0))) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "no such camera: the eye must not lie at the focus, up not along the "
                         "view, the angle in 0..180, a parallel camera's scale above 0");
  }
  /* Half the picture's height, at distance 1 or as it is. */
  double half = angle > 0.0 ? tan(angle * 0.5 * 3.14159265358979323846 / 180.0) : scale;
  double pixel = 2.0 * half / height;
  double x0 = -0.5 * pixel * (width - 1), y0 = -0.5 * pixel * (height - 1);
  memset(c, 0, sizeof *c);
  c->width = width;
  c->height = height;
  for (int a = 0; a < 3; a++) {
    double corner = x0 * right[a] + y0 * above[a];
    c->origin[a] = eye[a] + (angle > 0.0 ? 0.0 : corner);
    c->direction[a] = forward[a] + (angle > 0.0 ? corner : 0.0);
    double *dx = angle > 0.0 ? c->direction_dx : c->origin_dx;
    double *dy = angle > 0.0 ? c->direction_dy : c->origin_dy;
    dx[a] = pixel * right[a];
    dy[a] = pixel * above[a];
  }
  return check_camera(c, error);
}

void xac_quality_default(xac_quality *q, double step) {
  memset(q, 0, sizeof *q);
  q->step = step;
  q->terminate = 0.001f;
}
