/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end gives the cpu's picture, with each kernel. Run on a device, and, built as
 * test_xac_cuda_source, with the cuda back end's sources compiled for the host.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"

/* A bright ball in denser and denser waves; in sixteenths, so that labels have a meaning. */
static float ball(int x, int y, int z) {
  float dx = (float)x - 21.0f, dy = (float)y - 17.0f, dz = (float)z - 19.0f;
  float inside = 12.0f - sqrtf(dx * dx + dy * dy + dz * dz);
  float wave = 0.25f + 0.25f * sinf(0.31f * (float)x + 0.17f * (float)y) * cosf(0.23f * (float)z);
  return inside > 1.0f    ? 0.9f
         : inside < -1.0f ? wave
                          : wave + 0.5f * (inside + 1.0f) * (0.9f - wave);
}

static float with_gaps(int x, int y, int z) {
  return (x + y + z) % 23 == 0 ? NAN : x == 3 && y == 5 ? INFINITY : ball(x, y, z);
}

static float labels(int x, int y, int z) {
  return floorf(ball(x, y, z) * 5.0f);
}

static float thousands(int x, int y, int z) {
  (void)x;
  (void)y;
  (void)z;
  return 5000.0f;
}

static const float colors[] = {0.9f, 0.1f, 0.1f, 0.0f, 0.2f, 0.8f, 0.3f, 0.03f,
                               0.2f, 0.3f, 0.9f, 0.1f, 0.9f, 0.9f, 0.8f, 0.7f};
static const int one[3] = {1, 1, 1};

static void make(scene *s, scene_function f) {
  scene_make(s, 40, 37, 41, f);
  s->transfer.rgba = colors;
  s->transfer.entries = 4;
  s->transfer.range[1] = 0.95;
  s->spacing[2] = 1.4;
  s->quality.step = 0.7;
  s->shading.vector[0] = 0.5;
  s->shading.vector[1] = 0.8;
  s->shading.vector[2] = 0.6;
  s->shading.light = XAC_LIGHT_DIRECTIONAL;
  scene_look(s, 64, 0.4, 0.6, 1.0, 1.0);
}

/* The scene on cuda in one brick and in two, against the cpu in one. */
static void same_picture(scene *s, const char *what) {
  static const int cut[3] = {1, 2, 1};
  const size_t pixels = (size_t)s->camera.width * (size_t)s->camera.height;
  xac_stats stats;
  s->stats = &stats;
  unsetenv("XAC_TEST_BACKEND");
  float *cpu = scene_draw(s, one, 0, 0);
  assert_int_equal(stats.backend, XAC_CPU);
  double shown = 0.0;
  for (size_t i = 0; i < pixels; i++) {
    shown += (double)cpu[4 * i + 3];
  }
  assert_true(shown > 0.05 * (double)pixels);
  setenv("XAC_TEST_BACKEND", "cuda", 1);
  for (int i = 0; i < 2; i++) {
    float *cuda = scene_draw(s, i ? cut : one, i, 1);
    double greatest, differing = scene_differing(cpu, cuda, pixels, &greatest);
    print_message("%s, %s: %.4f %% differ, at most %.5f\n", what, i ? "2 bricks" : "1 brick",
                  100.0 * differing, greatest);
    assert_string_equal(stats.notice, "");
    assert_int_equal(stats.backend, XAC_CUDA);
    /* Where the nearest voxel changes, rounding decides. */
    assert_true(differing <= (s->nearest ? 0.005 : 0.001));
    free(cuda);
  }
  free(cpu);
  s->stats = NULL;
}

static void each_built_in_kernel_gives_the_cpus_picture(void **state) {
  (void)state;
  static const int kernels[] = {XAC_PLAIN,
                                XAC_LOCAL,
                                XAC_SCATTER,
                                XAC_OCCLUSION,
                                XAC_LOCAL | XAC_OCCLUSION,
                                XAC_SCATTER | XAC_OCCLUSION};
  scene s;
  make(&s, ball);
  for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
    char what[32];
    (void)snprintf(what, sizeof what, "kernel %d", kernels[k]);
    s.shading.kernel = kernels[k];
    same_picture(&s, what);
  }
  s.shading.kernel = XAC_LOCAL;
  s.shading.light = XAC_LIGHT_POINT;
  same_picture(&s, "a point light");
  scene_free(&s);
  make(&s, with_gaps);
  s.shading.kernel = XAC_LOCAL;
  same_picture(&s, "voxels that are not finite");
  scene_free(&s);
}

static void draw_user(scene *s, const char *folder, const char *name) {
  char path[1024];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  s->user = path;
  same_picture(s, name);
  s->user = NULL;
}

static void each_users_kernel_gives_the_cpus_picture(void **state) {
  (void)state;
  scene s;
  make(&s, ball);
  draw_user(&s, XAC_TEST_KERNELS, "neighbours.c");
  s.shading.light = XAC_LIGHT_POINT;
  draw_user(&s, XAC_TEST_KERNELS, "neighbours.c");
  s.transfer.unit_distance = 0.01; /* it draws thin */
  draw_user(&s, XAC_SAMPLES, "depth_density.c");
  s.transfer.unit_distance = 1.0;
  s.shading.light = XAC_LIGHT_DIRECTIONAL;
  for (int i = 0; i < 40 * 37 * 41; i++) {
    s.values[i] *= 400.0f; /* iso_edges draws the value 300 */
  }
  s.transfer.range[1] = 400.0;
  draw_user(&s, XAC_SAMPLES, "iso_edges.c");
  scene_free(&s);
  make(&s, labels);
  s.nearest = 1;
  s.transfer.range[1] = 5.0;
  draw_user(&s, XAC_SAMPLES, "label_colors.c");
  scene_free(&s);
}

static void without_a_c_compiler_the_device_draws_users_kernels(void **state) {
  (void)state;
  scene s;
  xac_stats stats;
  make(&s, ball);
  s.stats = &stats;
  s.user = XAC_TEST_KERNELS "/neighbours.c";
  const size_t pixels = (size_t)s.camera.width * (size_t)s.camera.height;
  setenv("XAC_TEST_BACKEND", "cuda", 1);
  float *with = scene_draw(&s, one, 0, 0);
  setenv("CC", "no-compiler-here", 1);
  float *without = scene_draw(&s, one, 0, 0);
  unsetenv("CC");
  assert_int_equal(stats.backend, XAC_CUDA);
  assert_string_equal(stats.notice, "");
  assert_memory_equal(with, without, pixels * 4 * sizeof *with);
  free(with);
  free(without);
  scene_free(&s);
}

static void a_users_kernel_without_an_end_is_stopped(void **state) {
  (void)state;
  scene s;
  xac_stats stats;
  make(&s, thousands);
  s.stats = &stats;
  s.user = XAC_TEST_KERNELS "/runaway.c";
  setenv("XAC_TEST_BACKEND", "cuda", 1);
  float *picture = scene_draw(&s, one, 0, 0);
  assert_int_equal(stats.backend, XAC_CUDA);
  print_message("%s\n", stats.notice);
  assert_non_null(strstr(stats.notice, "did not end within a million rounds"));
  assert_non_null(strstr(stats.notice, "local light draws on"));
  const size_t middle = 4 * (32 * 64 + 32);
  assert_true(picture[middle + 3] > 0.9f && picture[middle] > 0.1f);
  free(picture);
  scene_free(&s);
}

int main(void) {
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(XAC_CUDA, 1, &error);
  if (r == NULL) {
    (void)printf("skipped: no CUDA device: %s\n", error.message);
    return 77;
  }
  print_message("%s\n", xac_describe(r));
  xac_destroy(r);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_built_in_kernel_gives_the_cpus_picture),
      cmocka_unit_test(each_users_kernel_gives_the_cpus_picture),
      cmocka_unit_test(without_a_c_compiler_the_device_draws_users_kernels),
      cmocka_unit_test(a_users_kernel_without_an_end_is_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
