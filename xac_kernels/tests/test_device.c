/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A device that can't draw: the CPU does, and it is said why. The device here stands for one whose
 * memory is too small; that of xac_cuda.cu is not linked.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"
#include "xac_cuda.h"

static int asked;

xac_device *xac_device_open(char *description, size_t size, beamcast_error *error) {
  (void)error;
  (void)snprintf(description, size, "cuda, a small one");
  return (xac_device *)&asked;
}

void xac_device_close(xac_device *device) {
  (void)device;
}

int xac_device_draw(xac_device *device, xac_renderer *renderer, const xac_frame *frame,
                    const xac_image *image, xac_stats *stats, beamcast_error *error) {
  (void)device;
  (void)renderer;
  (void)frame;
  (void)stats;
  asked++;
  image->rgba[0] = 7.0f; /* half done */
  return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                       "the brick needs 9.00 GiB of the GPU's memory, 0.50 of 8.00 GiB are free");
}

static float ramp(int x, int y, int z) {
  return (float)(x + y + z) / 60.0f;
}

static float *draw(const scene *s, xac_policy policy, xac_stats *stats) {
  const size_t pixels = (size_t)s->camera.width * (size_t)s->camera.height;
  float *rgba = calloc(pixels, 4 * sizeof *rgba);
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(policy, 1, &error);
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = s->values,
                  .dims = {20, 20, 20},
                  .whole = {20, 20, 20},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  xac_image image = {.rgba = rgba};
  assert_non_null(r);
  assert_int_equal(xac_set_volume(r, &v, &error), 0);
  assert_int_equal(xac_set_transfer(r, &s->transfer, &error), 0);
  assert_int_equal(xac_render(r, &s->camera, &s->quality, &image, stats, &error), 0);
  xac_destroy(r);
  return rgba;
}

static void where_the_device_is_too_small_the_cpu_draws_and_says_so(void **state) {
  (void)state;
  scene s;
  xac_stats stats;
  scene_make(&s, 20, 20, 20, ramp);
  float *cpu = draw(&s, XAC_CPU, &stats);
  assert_int_equal(asked, 0);
  assert_string_equal(stats.notice, "");
  static const xac_policy policies[] = {XAC_AUTO, XAC_CUDA};
  for (int i = 0; i < 2; i++) {
    float *device = draw(&s, policies[i], &stats);
    assert_int_equal(asked, i + 1);
    assert_int_equal(stats.backend, XAC_CPU);
    assert_string_equal(stats.notice, "the CPU draws: the brick needs 9.00 GiB of the GPU's "
                                      "memory, 0.50 of 8.00 GiB are free");
    assert_memory_equal(cpu, device, 64 * 64 * 4 * sizeof *cpu);
    free(device);
  }
  free(cpu);
  scene_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(where_the_device_is_too_small_the_cpu_draws_and_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
