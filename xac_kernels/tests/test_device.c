/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A device that can't draw: the CPU does, and it is said why. The device here stands for one whose
 * memory is too small, or for which NVRTC is not there; that of xac_cuda.cu is not linked.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"
#include "xac_cuda.h"
#include "xac_nvrtc.h"

static int asked;

static xac_device *small_open(char *description, size_t size, beamcast_error *error) {
  (void)error;
  (void)snprintf(description, size, "cuda, a small one");
  return (xac_device *)&asked;
}

static void small_close(xac_device *device) {
  (void)device;
}

static int small_architecture(const xac_device *device) {
  (void)device;
  return 90;
}

static int small_load(xac_device *device, const void *image, void **module, beamcast_error *error) {
  (void)error;
  assert_memory_equal(image, "code", 5);
  *module = device;
  return BEAMCAST_OK;
}

static int nvrtc_there;

int xac_nvrtc_compile(const xac_user *user, int architecture, xac_nvrtc_form form, void **image,
                      size_t *size, beamcast_error *error) {
  assert_int_equal(architecture, 90);
  assert_int_equal(form, XAC_NVRTC_BINARY);
  assert_int_equal(user->bits, XAC_USER);
  if (!nvrtc_there) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "no NVRTC here");
  }
  *image = strdup("code");
  *size = 4;
  return BEAMCAST_OK;
}

static void small_unload(void *module) {
  (void)module;
}

static void small_upload(xac_device *device, const xac_volume *volume, uint64_t version) {
  (void)device;
  (void)volume;
  (void)version;
}

static int small_draw(xac_device *device, xac_renderer *renderer, const xac_frame *frame,
                      const xac_image *image, xac_stats *stats, int *stopped,
                      beamcast_error *error) {
  (void)device;
  (void)renderer;
  (void)frame;
  (void)stats;
  (void)stopped;
  asked++;
  image->rgba[0] = 7.0f; /* half done */
  return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                       "the brick needs 9.00 GiB of the GPU's memory, 0.50 of 8.00 GiB are free");
}

static const xac_device_calls small = {small_open,   small_close,  small_architecture, small_load,
                                       small_unload, small_upload, small_draw};
const xac_device_calls *const xac_cuda = &small;

static float ramp(int x, int y, int z) {
  return (float)(x + y + z) / 60.0f;
}

/* user: a kernel file, or NULL */
static float *draw(const scene *s, xac_policy policy, const char *user, xac_stats *stats) {
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
  xac_shading shading = s->shading;
  if (user) {
    assert_int_equal(xac_user_load(r, user, &error), 0);
    shading.kernel = xac_user_kernel_bits(r);
  }
  assert_int_equal(xac_set_shading(r, &shading, &error), 0);
  assert_int_equal(xac_render(r, &s->camera, &s->quality, &image, stats, &error), 0);
  xac_destroy(r);
  return rgba;
}

static void where_the_device_is_too_small_the_cpu_draws_and_says_so(void **state) {
  (void)state;
  scene s;
  xac_stats stats;
  scene_make(&s, 20, 20, 20, ramp);
  asked = 0;
  float *cpu = draw(&s, XAC_CPU, NULL, &stats);
  assert_int_equal(asked, 0);
  assert_string_equal(stats.notice, "");
  static const xac_policy policies[] = {XAC_AUTO, XAC_CUDA};
  for (int i = 0; i < 2; i++) {
    float *device = draw(&s, policies[i], NULL, &stats);
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

static void what_the_device_has_not_of_a_users_kernel_the_cpu_draws(void **state) {
  (void)state;
  static const char kernel[] = XAC_SAMPLES "/iso_edges.c";
  scene s;
  xac_stats stats;
  scene_make(&s, 20, 20, 20, ramp);
  xac_renderer *probe = xac_create(XAC_CPU, 1, NULL);
  int compiler = xac_user_load(probe, kernel, NULL) != BEAMCAST_ERR_UNSUPPORTED;
  xac_destroy(probe);
  if (compiler) {
    float *cpu = draw(&s, XAC_CPU, kernel, &stats);
    asked = nvrtc_there = 0;
    float *device = draw(&s, XAC_AUTO, kernel, &stats);
    assert_int_equal(asked, 0);
    assert_string_equal(stats.notice, "the CPU draws this kernel: no NVRTC here");
    assert_memory_equal(cpu, device, 64 * 64 * 4 * sizeof *cpu);
    free(device);
    nvrtc_there = 1;
    device = draw(&s, XAC_AUTO, kernel, &stats);
    assert_int_equal(asked, 1);
    assert_non_null(strstr(stats.notice, "the CPU draws: the brick needs 9.00 GiB"));
    assert_memory_equal(cpu, device, 64 * 64 * 4 * sizeof *cpu);
    free(cpu);
    free(device);
  }
  /* Without a C compiler it has the built-in light. */
  s.shading.kernel = XAC_LOCAL;
  float *local = draw(&s, XAC_CPU, NULL, &stats);
  setenv("CC", "no-compiler-here", 1);
  nvrtc_there = 1;
  float *device = draw(&s, XAC_AUTO, kernel, &stats);
  unsetenv("CC");
  assert_non_null(strstr(stats.notice, "with local light: no C compiler"));
  assert_memory_equal(local, device, 64 * 64 * 4 * sizeof *local);
  free(local);
  free(device);
  scene_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(where_the_device_is_too_small_the_cpu_draws_and_says_so),
      cmocka_unit_test(what_the_device_has_not_of_a_users_kernel_the_cpu_draws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
