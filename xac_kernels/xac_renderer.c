/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The renderer's life, what it is given, and who draws.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "xac_cuda.h"
#include "xac_internal.h"

double xac_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void choose_instructions(xac_renderer *r, const char **name) {
#if defined(XAC_HAVE_AVX2)
  const char *wanted = getenv("XAC_ISA");
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      !(wanted && strcmp(wanted, "portable") == 0)) {
    *name = "AVX2";
    r->tile = xac_cpu_tile_avx2;
    r->together = xac_cpu_together_avx2;
    return;
  }
#endif
  *name = "portable";
  r->tile = xac_cpu_tile_portable;
  r->together = xac_cpu_together_portable;
}

static int make_scratch(xac_renderer *r) {
  int threads = xac_pool_threads(r->pool);
  r->scratch = calloc((size_t)threads, sizeof *r->scratch);
  for (int i = 0; r->scratch && i < threads; i++) {
    size_t bytes = ((size_t)XAC_CPU_SCRATCH + 63) & ~(size_t)63;
    r->scratch[i] = aligned_alloc(64, bytes);
    if (r->scratch[i] == NULL) {
      return 0;
    }
    memset(r->scratch[i], 0, bytes); /* blocks are read as whole rows, also where none was filled */
  }
  return r->scratch != NULL;
}

xac_renderer *xac_create(xac_policy policy, int threads, beamcast_error *error) {
  xac_renderer *r = calloc(1, sizeof *r);
  if (r == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a renderer");
    return NULL;
  }
  r->policy = policy;
  r->pool = xac_pool_create(threads);
  r->table = aligned_alloc(64, XAC_TABLE * 4 * sizeof(float));
  r->shown_before = calloc(XAC_TABLE + 1, sizeof *r->shown_before);
  if (!r->pool || !r->table || !r->shown_before || !make_scratch(r)) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a renderer");
    xac_destroy(r);
    return NULL;
  }
  const char *isa = NULL;
  choose_instructions(r, &isa);
  snprintf(r->description, sizeof r->description, "cpu, %s, %d thread%s", isa,
           xac_pool_threads(r->pool), xac_pool_threads(r->pool) == 1 ? "" : "s");
  if (policy != XAC_CPU) {
    beamcast_error why = {BEAMCAST_ERR_UNSUPPORTED, "this build has no cuda back end; build where "
                                                    "nvcc is found, or use cpu"};
    r->device = xac_cuda ? xac_cuda->open(r->description, sizeof r->description, &why) : NULL;
    if (r->device == NULL && policy == XAC_CUDA) {
      if (error) {
        *error = why;
      }
      xac_destroy(r);
      return NULL;
    }
  }
  xac_shading_default(&r->shading);
  return r;
}

void xac_destroy(xac_renderer *r) {
  if (r == NULL) {
    return;
  }
  for (int i = 0; r->scratch && i < xac_pool_threads(r->pool); i++) {
    free(r->scratch[i]);
  }
  free(r->scratch);
  xac_pool_destroy(r->pool);
  xac_ranges_free(&r->ranges);
  xac_user_free(r->user);
  xac_user_free(r->user_before);
  if (r->device) { /* after what is loaded on it */
    xac_cuda->close(r->device);
  }
  free(r->entries);
  free(r->table);
  free(r->shown_before);
  free(r->visible.bits);
  free(r->macrocells);
  free(r->rectangles);
  free(r->lists);
  free(r->coarse.sums);
  free(r->coarse.extinction);
  free(r->coarse.light);
  free(r->coarse.open);
  free(r);
}

const char *xac_describe(const xac_renderer *r) {
  return r->description;
}

/* --- what it is given ------------------------------------------------------------------------ */

static void fill_strides(xac_volume *v) {
  if (v->stride[0] == 0 && v->stride[1] == 0 && v->stride[2] == 0) {
    v->stride[0] = 1;
    v->stride[1] = v->dims[0] - (v->last[0] != NULL);
    v->stride[2] = v->stride[1] * (v->dims[1] - (v->last[1] != NULL));
  }
  for (int axis = 0; axis < 3; axis++) {
    if (v->last_stride[axis][0] == 0 && v->last_stride[axis][1] == 0) {
      v->last_stride[axis][0] = 1;
      v->last_stride[axis][1] = axis == 0 ? v->dims[1] - (v->last[1] != NULL) : v->dims[0];
    }
  }
  for (int face = 0; face < 6; face++) {
    if (v->border_stride[face][0] == 0 && v->border_stride[face][1] == 0) {
      v->border_stride[face][0] = 1;
      v->border_stride[face][1] = v->dims[face < 2 ? 1 : 0];
    }
  }
}

int xac_set_volume(xac_renderer *r, const xac_volume *volume, beamcast_error *error) {
  xac_volume v = *volume;
  double inverse[12];
  if (beamcast_type_size(v.type) == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "voxels of type %d are not known", v.type);
  }
  int empty = v.dims[0] == 0 || v.dims[1] == 0 || v.dims[2] == 0;
  for (int a = 0; a < 3; a++) {
    if (v.whole[a] < 1 || v.whole[a] > 1 << 24 || v.dims[a] < 0 ||
        (!empty && (v.start[a] < 0 || v.start[a] > v.whole[a] - v.dims[a]))) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "the brick's %lld points from %lld on axis %d don't lie in the whole "
                           "volume's %lld (1 to 16777216)",
                           (long long)v.dims[a], (long long)v.start[a], a, (long long)v.whole[a]);
    }
  }
  if (!empty && v.data == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the brick has points but no data");
  }
  for (int a = 0; a < 3; a++) {
    empty |= v.dims[a] == 1 && v.whole[a] > 1; /* a plane of points without a cell of its own */
  }
  if (!xac_invert(v.index_to_world, inverse)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the volume's index_to_world can't be inverted: no axis may be 0 long");
  }
  fill_strides(&v);
  if (empty) {
    v.dims[0] = v.dims[1] = v.dims[2] = 0;
  }
  if (r->device) { /* while the values' ranges and the light are worked out */
    xac_cuda->upload(r->device, &v, r->volume_version + 1);
  }
  int code = xac_ranges_build(&r->ranges, &v, r->pool, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  r->volume = v;
  r->has_volume = 1;
  r->volume_version++;
  r->coarse.fresh = 0;
  memcpy(r->from_world, inverse, sizeof inverse);
  int cut = 0;
  for (int a = 0; a < 3 && !empty; a++) {
    cut |= v.start[a] > 0 && v.border[2 * a] == NULL;
    cut |= v.start[a] + v.dims[a] < v.whole[a] && v.border[2 * a + 1] == NULL;
  }
  int wide = v.type == BEAMCAST_UINT32 || v.type == BEAMCAST_INT32 || v.type == BEAMCAST_FLOAT64;
  snprintf(r->notice, sizeof r->notice, "%s%s%s",
           wide ? "values are drawn with the 24 bits of a float" : "", wide && cut ? "; " : "",
           cut ? "no border planes: gradients are one-sided where the volume is cut" : "");
  return BEAMCAST_OK;
}

int xac_value_range(const xac_renderer *r, double range[2]) {
  range[0] = r->ranges.any ? (double)r->ranges.range[0] : 0.0;
  range[1] = r->ranges.any ? (double)r->ranges.range[1] : 0.0;
  return r->ranges.any;
}

void xac_shading_default(xac_shading *s) {
  *s = (xac_shading){.kernel = XAC_PLAIN,
                     .light = XAC_LIGHT_CAMERA,
                     .vector = {-0.4, -0.6, 0.7},
                     .ambient = 0.25f,
                     .diffuse = 0.75f,
                     .specular = 0.25f,
                     .specular_power = 20.0f,
                     .occlusion_strength = 1.0f,
                     .light_resolution = 128};
}

static float between(float a, float lo, float hi, float otherwise) {
  return a >= lo ? (a <= hi ? a : hi) : (a < lo ? lo : otherwise);
}

static int known_kernel(int kernel) {
  switch (kernel) {
  case XAC_PLAIN:
  case XAC_LOCAL:
  case XAC_SCATTER:
  case XAC_OCCLUSION:
  case XAC_LOCAL | XAC_OCCLUSION:
  case XAC_SCATTER | XAC_OCCLUSION:
    return 1;
  default:
    return (kernel & XAC_USER) && !(kernel & (XAC_LOCAL | ~15));
  }
}

int xac_set_shading(xac_renderer *r, const xac_shading *shading, beamcast_error *error) {
  xac_shading s = *shading, d;
  xac_shading_default(&d);
  if (!known_kernel(s.kernel)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "kernel bits %d are no valid combination",
                         s.kernel);
  }
  if ((s.kernel & XAC_USER) && r->user == NULL && r->stopped[0] == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "no user's kernel is loaded");
  }
  if ((s.kernel & XAC_USER) && r->user) {
    s.kernel = xac_user_kernel_bits(r);
  }
  if (s.light < XAC_LIGHT_CAMERA || s.light > XAC_LIGHT_POINT || !isfinite(s.vector[0]) ||
      !isfinite(s.vector[1]) || !isfinite(s.vector[2])) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the light's kind is unknown or its vector not finite");
  }
  s.ambient = between(s.ambient, 0.0f, 1.0f, d.ambient);
  s.diffuse = between(s.diffuse, 0.0f, 1.0f, d.diffuse);
  s.specular = between(s.specular, 0.0f, 1.0f, d.specular);
  s.specular_power = between(s.specular_power, 1.0f, 1000.0f, d.specular_power);
  s.anisotropy = between(s.anisotropy, -0.9f, 0.9f, d.anisotropy);
  s.occlusion_strength = between(s.occlusion_strength, 0.0f, 1.0f, d.occlusion_strength);
  s.occlusion_radius =
      isfinite(s.occlusion_radius) && s.occlusion_radius > 0.0 ? s.occlusion_radius : 0.0;
  s.light_resolution = s.light_resolution < 8                          ? 8
                       : s.light_resolution > XAC_LIGHT_RESOLUTION_MAX ? XAC_LIGHT_RESOLUTION_MAX
                                                                       : s.light_resolution;
  const xac_shading *o = &r->shading;
  int new_light = memcmp(s.vector, o->vector, sizeof s.vector) != 0 || s.light != o->light ||
                  s.occlusion_radius != o->occlusion_radius ||
                  s.light_resolution != o->light_resolution ||
                  (s.kernel & ~o->kernel & (XAC_SCATTER | XAC_OCCLUSION));
  if (new_light) {
    r->coarse.fresh = 0;
  }
  r->shading = s;
  return BEAMCAST_OK;
}

/* --- drawing --------------------------------------------------------------------------------- */

/* What is drawn where not all is there that the kernel needs: a user's kernel that was stopped, or
 * light. */
void xac_choose_kernel(const xac_renderer *r, xac_frame *f, xac_stats *stats) {
  f->kernel = r->shading.kernel;
  if (f->kernel & XAC_USER) {
    if (r->stopped[0]) {
      (void)snprintf(stats->notice, sizeof stats->notice, "%s", r->stopped);
    }
    if (r->user == NULL) {
      f->kernel = XAC_LOCAL;
      return;
    }
    xac_user_values(r->user, f->parameter);
  }
  if ((f->kernel & (XAC_SCATTER | XAC_OCCLUSION)) && !r->coarse.fresh) {
    f->kernel &= f->kernel & XAC_USER ? XAC_USER : XAC_LOCAL;
    snprintf(stats->notice, sizeof stats->notice,
             "no light volume yet: drawn without shadows and occlusion");
  }
}

/* On the device where it can; 0 where the cpu has to draw, and why in the notice. */
static int draw_on_device(xac_renderer *r, const xac_frame *frame, const xac_image *image,
                          xac_stats *stats, int *stopped) {
  beamcast_error why = {0, ""};
  const char *not_there = NULL;
  if (r->device == NULL) {
    return 0;
  }
  if ((frame->kernel & XAC_USER) && xac_user_module(r->user, &not_there) == NULL) {
    (void)snprintf(stats->notice, sizeof stats->notice, "the CPU draws this kernel: %.220s",
                   not_there);
    return 0;
  }
  if (xac_cuda->draw(r->device, r, frame, image, stats, stopped, &why) == BEAMCAST_OK) {
    return 1;
  }
  (void)snprintf(stats->notice, sizeof stats->notice, "the CPU draws: %.230s", why.message);
  return 0;
}

void xac_choose_on_cpu(xac_renderer *r, xac_frame *f, xac_stats *stats) {
  if ((f->kernel & XAC_USER) && xac_user_packet_function(r->user) == NULL) {
    size_t used = strlen(stats->notice);
    (void)snprintf(stats->notice + used, sizeof stats->notice - used,
                   "; with local light: no C compiler made the kernel for it");
    f->kernel = XAC_LOCAL;
  }
  xac_table_build(r, f->kernel & XAC_USER ? -1.0f : f->unit_steps);
}

static int draw(xac_renderer *r, xac_frame *frame, const xac_camera *camera, const xac_image *image,
                xac_stats *stats, int *stopped, beamcast_error *error) {
  *stopped = 0;
  xac_table_build(r, frame->kernel & XAC_USER ? -1.0f : frame->unit_steps);
  if (draw_on_device(r, frame, image, stats, stopped)) {
    return BEAMCAST_OK;
  }
  xac_choose_on_cpu(r, frame, stats);
  return xac_draw_cpu(r, frame, camera, image, stats, stopped, error);
}

int xac_render(xac_renderer *r, const xac_camera *camera, const xac_quality *quality,
               const xac_image *image, xac_stats *stats, beamcast_error *error) {
  xac_stats local;
  stats = stats ? stats : &local;
  memset(stats, 0, sizeof *stats);
  double begin = xac_now_ms();
  if (!r->has_volume || r->entries == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "drawing needs a volume and a transfer function first");
  }
  xac_frame frame;
  int code = xac_frame_build(r, camera, quality, &frame, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  frame.under = image->under;
  float *before = NULL; /* where a user's kernel may have to be stopped half-way */
  const size_t bytes = (size_t)frame.width * (size_t)frame.height * 4 * sizeof(float);
  if (frame.under && (r->shading.kernel & XAC_USER)) {
    before = malloc(bytes);
    if (before == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to keep the picture so far");
    }
    memcpy(before, image->rgba, bytes);
  }
  snprintf(stats->notice, sizeof stats->notice, "%s", r->notice);
  for (int stopped = 1; stopped && code == BEAMCAST_OK;) { /* once, twice, or thrice */
    xac_choose_kernel(r, &frame, stats);
    code = draw(r, &frame, camera, image, stats, &stopped, error);
    if (stopped) {
      xac_user_stop_because(r, stopped);
      if (before) {
        memcpy(image->rgba, before, bytes);
      }
    }
  }
  free(before);
  stats->milliseconds = xac_now_ms() - begin;
  return code;
}

void xac_over(float *front, const float *back, size_t count) {
  for (size_t i = 0; i < 4 * count; i += 4) {
    float through = 1.0f - front[i + 3];
    for (size_t c = 0; c < 4; c++) {
      front[i + c] += through * back[i + c];
    }
  }
}
