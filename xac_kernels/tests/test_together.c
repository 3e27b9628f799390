/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several volumes in one picture, which reach into one another.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"

enum { N = 33, SIDE = 70 };

static const double up[3] = {0, 1, 0};

static float voxel = 0.5f;

/* A cube of N points, its first at z = at; voxels are all `voxel`, which is 0.5 or more than 1. */
static xac_renderer *cube(double at, const float *colors, int first_z, int planes, int kernel) {
  static float memory[2][N * N * N];
  float *values = memory[voxel > 1.0f];
  beamcast_error e = {0, ""};
  for (size_t i = 0; i < (size_t)N * N * N; i++) {
    values[i] = voxel;
  }
  xac_renderer *r = xac_create(XAC_CPU, 2, &e);
  const xac_volume v = {.type = BEAMCAST_FLOAT32,
                        .data = values,
                        .dims = {N, N, planes},
                        .start = {0, 0, first_z},
                        .whole = {N, N, N},
                        .index_to_world = {1, 0, 0, -16, 0, 1, 0, -16, 0, 0, 1, at}};
  const xac_transfer t = {colors, 2, {0, 1}, 1.0};
  xac_shading s;
  xac_shading_default(&s);
  s.kernel = kernel;
  assert_int_equal(xac_set_volume(r, &v, &e), 0);
  assert_int_equal(xac_set_transfer(r, &t, &e), 0);
  assert_int_equal(xac_set_shading(r, &s, &e), 0);
  return r;
}

static xac_layer layer(xac_renderer *r, double step, xac_stats *stats) {
  xac_layer made;
  made.renderer = r;
  made.stats = stats;
  xac_quality_default(&made.quality, step);
  return made;
}

/* Red and blue, of opacities over one voxel. */
static void two_colors(float red, float blue, float colors[2][8]) {
  const float both[2][8] = {{1, 0, 0, red, 1, 0, 0, red}, {0, 0, 1, blue, 0, 0, 1, blue}};
  memcpy(colors, both, sizeof both);
}

/* What comes out of a stretch of emission and absorption, laid under what there is. */
static void lay(double *pixel, double red, double blue, double length) {
  const double through = 1.0 - pixel[3], a = 1.0 - exp(-(red + blue) * length);
  pixel[0] += through * a * red / (red + blue);
  pixel[2] += through * a * blue / (red + blue);
  pixel[3] += through * a;
}

static void look(int parallel, xac_camera *camera) {
  const double eye[3] = {0, 0, -200}, focus[3] = {0, 0, 0};
  assert_int_equal(
      xac_camera_look_at(camera, SIDE, SIDE, eye, focus, up, parallel ? 0.0 : 12.0, 20.0, NULL), 0);
}

/* Absorption and emission of both, worked out by hand, for volumes `shift` apart in depth. */
static void check_against_formula(double shift, float red, float blue, double step_of_blue,
                                  int parallel) {
  float colors[2][8];
  two_colors(red, blue, colors);
  xac_stats stats[2];
  xac_layer layers[2] = {layer(cube(0.0, colors[0], 0, N, XAC_PLAIN), 0.5, &stats[0]),
                         layer(cube(shift, colors[1], 0, N, XAC_PLAIN), step_of_blue, &stats[1])};
  xac_camera camera;
  look(parallel, &camera);
  float *rgba = malloc(sizeof(float) * SIDE * SIDE * 4),
        *depth = malloc(sizeof(float) * SIDE * SIDE);
  const xac_image image = {.rgba = rgba, .depth = depth};
  beamcast_error e = {0, ""};
  assert_int_equal(xac_render_together(layers, 2, &camera, &image, &e), 0);
  const double r = -log(1.0 - red), b = -log(1.0 - blue), length = N - 1;
  double expected[4] = {0, 0, 0, 0};
  if (shift > 0.0) {
    lay(expected, r, 0.0, shift);
  }
  if (shift < length) {
    lay(expected, r, b, length - shift);
  }
  if (shift > 0.0) {
    lay(expected, 0.0, b, shift);
  }
  const float *middle = rgba + 4 * (SIDE / 2 * SIDE + SIDE / 2);
  print_message("%g apart: red %.4f of %.4f, blue %.4f of %.4f\n", shift, (double)middle[0],
                expected[0], (double)middle[2], expected[2]);
  for (int i = 0; i < 4; i++) {
    assert_true(fabs((double)middle[i] - expected[i]) < 0.01);
  }
  assert_true(stats[0].samples > 0 && stats[1].samples > 0 && stats[1].milliseconds > 0.0);
  double halfway = 0.0, seen[4] = {0, 0, 0, 0};
  while (seen[3] < 0.5) { /* where half of the light is gone */
    lay(seen, halfway < length ? r : 0.0, halfway < shift ? 0.0 : b, 0.01);
    halfway += 0.01;
  }
  const double from = (double)depth[SIDE / 2 * SIDE + SIDE / 2] - 200.0;
  assert_true(fabs(from - halfway) < 2.0);
  for (int v = 0; v < 2; v++) {
    xac_destroy(layers[v].renderer);
  }
  free(rgba);
  free(depth);
}

static void two_volumes_in_one_place_are_as_by_formula(void **state) {
  (void)state;
  check_against_formula(0.0, 0.02f, 0.05f, 0.5, 1);
  check_against_formula(0.0, 0.3f, 0.1f, 0.5, 0); /* hidden in a few voxels */
  check_against_formula(0.0, 0.05f, 0.05f, 1.0, 0);
  check_against_formula(0.0, 0.1f, 0.02f, 0.8, 0);
}

static void two_volumes_that_share_a_part_are_as_by_formula(void **state) {
  (void)state;
  check_against_formula(16.0, 0.02f, 0.05f, 0.5, 0);
  check_against_formula(7.3, 0.03f, 0.06f, 0.5, 1);
}

/* Red lies a voxel and a half behind blue's surface; nothing of it may be seen. */
static void a_surface_hides_what_is_a_voxel_behind(void **state) {
  (void)state;
  float colors[2][8], rgba[SIDE * SIDE * 4];
  two_colors(0.999f, 0.999f, colors);
  xac_stats stats[2];
  for (int turned = 0; turned < 2; turned++) {
    xac_renderer *red = cube(1.5, colors[0], 0, N, XAC_LOCAL),
                 *blue = cube(0.0, colors[1], 0, N, XAC_LOCAL);
    xac_layer layers[2] = {layer(turned ? blue : red, 0.5, &stats[0]),
                           layer(turned ? red : blue, 0.5, &stats[1])};
    xac_camera camera;
    look(0, &camera);
    const xac_image image = {.rgba = rgba};
    beamcast_error e = {0, ""};
    assert_int_equal(xac_render_together(layers, 2, &camera, &image, &e), 0);
    const float *middle = rgba + 4 * (SIDE / 2 * SIDE + SIDE / 2);
    assert_true(middle[2] > 0.5f && middle[0] < 0.01f);
    xac_destroy(red);
    xac_destroy(blue);
  }
}

/* Two volumes in one place, cut in two in depth: the parts' pictures, the nearer one first. */
static void a_cut_through_both_does_not_show(void **state) {
  (void)state;
  float colors[2][8];
  two_colors(0.03f, 0.06f, colors);
  float *whole = calloc(SIDE * SIDE * 4, sizeof *whole);
  float *parts = calloc(SIDE * SIDE * 4, sizeof *parts);
  static const int first[3] = {0, 0, 17}, planes[3] = {N, 18, N - 17};
  for (int part = 0; part < 3; part++) {
    xac_stats stats[2];
    xac_layer layers[2] = {
        layer(cube(0.0, colors[0], first[part], planes[part], XAC_LOCAL), 0.7, &stats[0]),
        layer(cube(0.3, colors[1], first[part], planes[part], XAC_LOCAL), 0.5, &stats[1])};
    xac_camera camera;
    look(0, &camera);
    beamcast_error e = {0, ""};
    const xac_image image = {.rgba = part ? parts : whole, .under = part > 0};
    assert_int_equal(xac_render_together(layers, 2, &camera, &image, &e), 0);
    for (int v = 0; v < 2; v++) {
      xac_destroy(layers[v].renderer);
    }
  }
  double greatest, differing = scene_differing(whole, parts, SIDE * SIDE, &greatest);
  print_message("%.4f %% differ, at most %.5f\n", 100.0 * differing, greatest);
  assert_true(whole[4 * (SIDE / 2 * SIDE + SIDE / 2) + 3] > 0.9f);
  assert_true(greatest < 2.0 / 255.0);
  free(whole);
  free(parts);
}

static void a_kernel_that_does_not_end_is_stopped_for_all(void **state) {
  (void)state;
  float colors[2][8], rgba[SIDE * SIDE * 4];
  two_colors(0.02f, 0.05f, colors);
  beamcast_error e = {0, ""};
  xac_stats stats[2];
  voxel = 3000.0f; /* for which this kernel's loop does not end */
  xac_layer layers[2] = {layer(cube(0.0, colors[0], 0, N, XAC_PLAIN), 0.5, &stats[0]),
                         layer(cube(0.0, colors[1], 0, N, XAC_PLAIN), 0.5, &stats[1])};
  voxel = 0.5f;
  assert_int_equal(xac_user_load(layers[1].renderer, XAC_TEST_KERNELS "/runaway.c", &e), 0);
  xac_shading s;
  xac_shading_default(&s);
  s.kernel = xac_user_kernel_bits(layers[1].renderer);
  assert_int_equal(xac_set_shading(layers[1].renderer, &s, &e), 0);
  xac_camera camera;
  look(0, &camera);
  for (size_t i = 0; i < SIDE * SIDE * 4; i++) {
    rgba[i] = 0.0f; /* nothing before them */
  }
  const xac_image image = {.rgba = rgba, .under = 1};
  assert_int_equal(xac_render_together(layers, 2, &camera, &image, &e), 0);
  assert_true(strlen(xac_user_stopped(layers[1].renderer)) > 20 && stats[1].notice[0] != 0);
  const float *middle = rgba + 4 * (SIDE / 2 * SIDE + SIDE / 2);
  assert_true(fabsf(middle[0] - 0.254f) < 0.01f && middle[2] > 0.3f && middle[1] == 0.0f);
  for (int v = 0; v < 2; v++) {
    xac_destroy(layers[v].renderer);
  }
}

static void too_many_or_none_are_refused(void **state) {
  (void)state;
  beamcast_error e = {0, ""};
  xac_camera camera;
  look(0, &camera);
  float rgba[4];
  const xac_image image = {.rgba = rgba};
  xac_layer layers[17];
  assert_int_equal(xac_render_together(layers, 17, &camera, &image, &e), BEAMCAST_ERR_UNSUPPORTED);
  assert_true(strstr(e.message, "17") != NULL);
  assert_int_equal(xac_render_together(layers, 0, &camera, &image, &e), BEAMCAST_ERR_UNSUPPORTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_volumes_in_one_place_are_as_by_formula),
      cmocka_unit_test(two_volumes_that_share_a_part_are_as_by_formula),
      cmocka_unit_test(a_surface_hides_what_is_a_voxel_behind),
      cmocka_unit_test(a_cut_through_both_does_not_show),
      cmocka_unit_test(a_kernel_that_does_not_end_is_stopped_for_all),
      cmocka_unit_test(too_many_or_none_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
