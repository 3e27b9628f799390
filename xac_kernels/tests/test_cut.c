/* SPDX-License-Identifier: BSD-3-Clause
 *
 * N bricks give the same picture as one, for every kernel.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"

/* Pixels a side; fewer where the device's kernels run on the host. */
#ifndef CUT_SIDE
#define CUT_SIDE 160
#endif

/* Dense, with detail down to a few voxels, and not symmetric. */
static float dense(int x, int y, int z) {
  float a = sinf(0.31f * (float)x + 0.1f * (float)y) * cosf(0.23f * (float)y - 0.3f) +
            sinf(0.27f * (float)z + 0.05f * (float)(x * y) * 0.1f);
  return 0.5f + 0.25f * a;
}

/* A solid with an overhang on a floor: hard surfaces, shadows across the cut. */
static float solid(int x, int y, int z) {
  float dx = (float)x - 30.0f, dy = (float)y - 33.0f, dz = (float)z - 28.0f;
  float ball = 14.0f - sqrtf(dx * dx + dy * dy + dz * dz);
  float slab = 6.0f - (float)y;
  float d = ball > slab ? ball : slab;
  return d > 2.0f ? 1.0f : d < -2.0f ? 0.0f : 0.5f + 0.25f * d;
}

static const float dense_colors[] = {0.9f, 0.1f,  0.1f, 0.0f, 0.2f, 0.8f,
                                     0.3f, 0.05f, 0.2f, 0.3f, 0.9f, 0.2f};
static const float solid_colors[] = {0,    0,    0,    0,    0,    0,    0,    0,
                                     0.9f, 0.8f, 0.6f, 0.7f, 0.9f, 0.8f, 0.6f, 0.9f};

static const int cuts[][3] = {{1, 1, 2}, {1, 1, 3}, {2, 2, 1}, {1, 1, 4}, {2, 2, 2}, {3, 1, 1}};

static void check_kernel(scene *s, int kernel) {
  const int one[3] = {1, 1, 1};
  size_t pixels = (size_t)s->camera.width * (size_t)s->camera.height;
  s->shading.kernel = kernel;
  float *whole = scene_draw(s, one, 0, 0);
  double shown = 0.0;
  for (size_t i = 0; i < pixels; i++) {
    shown += (double)whole[4 * i + 3];
  }
  assert_true(shown > 0.1 * (double)pixels);
  for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
    s->under = c % 2;
    float *parts = scene_draw(s, cuts[c], c % 2 == 0, 1);
    s->under = 0;
    double greatest, differing = scene_differing(whole, parts, pixels, &greatest);
    print_message("kernel %d, %d x %d x %d bricks: %.4f %% differ, at most %.5f\n", kernel,
                  cuts[c][0], cuts[c][1], cuts[c][2], 100.0 * differing, greatest);
    assert_true(differing <= 0.001);
    assert_true(greatest < 0.02);
    free(parts);
  }
  free(whole);
}

static void every_kernel(scene *s) {
  static const int kernels[] = {XAC_PLAIN,
                                XAC_LOCAL,
                                XAC_SCATTER,
                                XAC_OCCLUSION,
                                XAC_LOCAL | XAC_OCCLUSION,
                                XAC_SCATTER | XAC_OCCLUSION};
  for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
    check_kernel(s, kernels[k]);
  }
}

static void a_dense_volume_looks_the_same_for_every_cut(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 61, 58, 64, dense);
  s.spacing[2] = 1.3;
  s.transfer.rgba = dense_colors;
  s.transfer.entries = 3;
  s.shading.light_resolution = 32;
  scene_look(&s, CUT_SIDE, 0.5, 0.4, 0.9, 1.0);
  every_kernel(&s);
  scene_free(&s);
}

static void a_solid_looks_the_same_for_every_cut(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 60, 60, 60, solid);
  s.transfer.rgba = solid_colors;
  s.transfer.entries = 4;
  s.shading.light_resolution = 64;
  scene_look(&s, CUT_SIDE, -0.5, 0.6, 0.8, 1.0);
  every_kernel(&s);
  scene_free(&s);
}

static void a_cut_is_not_seen_when_zoomed_in_or_from_inside(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 60, 60, 60, dense);
  s.transfer.rgba = dense_colors;
  s.transfer.entries = 3;
  scene_look(&s, CUT_SIDE, 0.1, 0.2, 1.0, 6.0); /* some bricks are off screen */
  check_kernel(&s, XAC_LOCAL);
  const double eye[3] = {31.3, 28.2, 33.1}, focus[3] = {0, 10, 3}, up[3] = {0, 1, 0};
  xac_camera_look_at(&s.camera, CUT_SIDE, CUT_SIDE, eye, focus, up, 70, 0, NULL);
  check_kernel(&s, XAC_LOCAL);
  scene_free(&s);
}

static void crop_planes_jitter_and_nearest_do_not_show_the_cut(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 60, 60, 60, dense);
  s.transfer.rgba = dense_colors;
  s.transfer.entries = 3;
  scene_look(&s, CUT_SIDE, 0.7, 0.2, 1.0, 1.0);
  s.quality.step = 1.7;
  s.quality.jitter = 1;
  s.quality.crop = 1;
  s.quality.crop_box[1] = 50.5;
  s.quality.crop_box[3] = s.quality.crop_box[5] = 59;
  s.quality.crop_box[2] = 3.3;
  s.quality.planes = 1;
  const double plane[4] = {0.3, -0.2, -1.0, 50.0};
  memcpy(s.quality.plane[0], plane, sizeof plane);
  check_kernel(&s, XAC_PLAIN);
  check_kernel(&s, XAC_LOCAL);
  scene_free(&s);
}

static void without_border_planes_the_cut_shows(void **state) {
  (void)state; /* the other tests would not notice a cut if this one did not */
  scene s;
  scene_make(&s, 60, 60, 60, solid);
  s.transfer.rgba = solid_colors;
  s.transfer.entries = 4;
  s.shading.kernel = XAC_LOCAL;
  scene_look(&s, CUT_SIDE, -0.5, 0.6, 0.8, 1.0);
  const int one[3] = {1, 1, 1}, four[3] = {2, 2, 1};
  float *whole = scene_draw(&s, one, 0, 0), *parts = scene_draw(&s, four, 0, 0);
  double greatest;
  scene_differing(whole, parts, CUT_SIDE * CUT_SIDE, &greatest);
  print_message("without border planes: up to %.4f\n", greatest);
  assert_true(greatest > 0.005);
  free(whole);
  free(parts);
  scene_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_dense_volume_looks_the_same_for_every_cut),
      cmocka_unit_test(a_solid_looks_the_same_for_every_cut),
      cmocka_unit_test(a_cut_is_not_seen_when_zoomed_in_or_from_inside),
      cmocka_unit_test(crop_planes_jitter_and_nearest_do_not_show_the_cut),
      cmocka_unit_test(without_border_planes_the_cut_shows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
