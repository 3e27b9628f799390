/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bad and odd input gives a sentence or a picture, never a crash.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"

static const int one[3] = {1, 1, 1};

static int all_finite(const float *image, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(image[i])) {
      return 0;
    }
  }
  return 1;
}

static float with_gaps(int x, int y, int z) {
  if (x > 20 && y > 20) {
    return NAN;
  }
  if (z == 7 && x < 4) {
    return x & 1 ? INFINITY : -INFINITY;
  }
  if (z == 9 && x == 30) {
    return 3e38f;
  }
  return 0.5f;
}

static void what_is_not_finite_is_not_drawn(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 40, 40, 20, with_gaps);
  const float colors[] = {1, 1, 1, 0.5f, 1, 1, 1, 0.5f};
  s.transfer.rgba = colors;
  const double eye[3] = {19.5, 19.5, 1000}, focus[3] = {19.5, 19.5, 0}, up[3] = {0, 1, 0};
  xac_camera_look_at(&s.camera, 40, 40, eye, focus, up, 0, 20, NULL);
  static const int kernels[] = {0, 1, 2, 4, 5, 6};
  for (int k = 0; k < 6; k++) {
    s.shading.kernel = kernels[k];
    float *image = scene_draw(&s, one, 0, 0);
    assert_true(all_finite(image, 1600 * 4));
    assert_true(image[4 * (30 * 40 + 30) + 3] == 0.0f); /* in the gap */
    assert_true(image[4 * (10 * 40 + 10) + 3] > 0.9f);
    free(image);
  }
  scene_free(&s);
}

static float nothing(int x, int y, int z) {
  (void)x;
  (void)y;
  (void)z;
  return NAN;
}

static float constant(int x, int y, int z) {
  (void)x;
  (void)y;
  (void)z;
  return 7.0f;
}

static void constant_and_hollow_volumes_are_drawn(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++) {
    scene s;
    scene_make(&s, 20, 20, 20, k ? nothing : constant);
    const float colors[] = {1, 1, 1, 0.5f, 1, 1, 1, 0.5f};
    s.transfer.rgba = colors;
    s.transfer.range[0] = s.transfer.range[1] = 7.0; /* a window of no width */
    s.shading.kernel = XAC_LOCAL | XAC_OCCLUSION;
    float *image = scene_draw(&s, one, 1, 0);
    assert_true(all_finite(image, 64 * 64 * 4));
    assert_true(k ? image[4 * (32 * 64 + 32) + 3] == 0.0f : image[4 * (32 * 64 + 32) + 3] > 0.9f);
    free(image);
    scene_free(&s);
  }
}

static void one_voxel_thick_volumes_are_drawn_one_cell_thick(void **state) {
  (void)state;
  static const int shapes[][3] = {{1, 18, 19}, {17, 1, 19}, {17, 18, 1}, {1, 1, 5},
                                  {4, 1, 1},   {1, 2, 1},   {1, 1, 1}};
  for (size_t i = 0; i < 3 * (sizeof shapes / sizeof *shapes); i++) {
    const int *n = shapes[i / 3], axis = (int)(i % 3);
    if (n[axis] != 1) {
      continue;
    }
    scene s;
    scene_make(&s, n[0], n[1], n[2], constant);
    const float colors[] = {1, 1, 1, 0.5f, 1, 1, 1, 0.5f};
    s.transfer.rgba = colors;
    s.transfer.range[1] = 10.0;
    const double up[3] = {0.1, 1, 0.2};
    double focus[3], eye[3];
    for (int a = 0; a < 3; a++) {
      focus[a] = 0.5 * (n[a] - 1);
      eye[a] = focus[a] + (a == axis ? 9.0 : 0.0);
    }
    xac_camera_look_at(&s.camera, 32, 32, eye, focus, up, 0.0, 0.4, NULL);
    for (int kernel = 0; kernel < 7; kernel++) {
      if (kernel == 3) {
        continue;
      }
      s.shading.kernel = kernel;
      float *image = scene_draw(&s, one, 0, 0);
      assert_true(all_finite(image, 32 * 32 * 4));
      assert_true(fabsf(image[4 * (16 * 32 + 16) + 3] - 0.5f) < 0.05f);
      free(image);
    }
    scene_free(&s);
  }
}

static void a_plane_that_a_neighbour_has_too_adds_nothing(void **state) {
  (void)state;
  static const float values[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  static const float colors[] = {1, 1, 1, 0.5f, 1, 1, 1, 0.5f};
  beamcast_error e = {0, ""};
  xac_renderer *r = xac_create(scene_policy(), 1, &e);
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = values,
                  .dims = {3, 3, 1},
                  .start = {0, 0, 2}, /* its neighbour has planes 0 to 2 */
                  .whole = {3, 3, 3},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  xac_transfer t = {colors, 2, {0, 1}, 1.0};
  xac_shading shading;
  xac_shading_default(&shading);
  shading.kernel = XAC_OCCLUSION;
  assert_int_equal(xac_set_volume(r, &v, &e), 0);
  assert_int_equal(xac_set_transfer(r, &t, &e), 0);
  assert_int_equal(xac_set_shading(r, &shading, &e), 0);
  int64_t *cells, sum = 0, counted = 0, bins[4];
  size_t count;
  assert_int_equal(xac_light_contribute(r, &cells, &count, &e), 0);
  for (size_t i = 0; i < count; i++) {
    sum += cells[i];
  }
  assert_int_equal(sum, 0);
  assert_int_equal(xac_histogram(r, 0.0, 2.0, bins, 4, &e), 0);
  for (int i = 0; i < 4; i++) {
    counted += bins[i];
  }
  assert_int_equal(counted, 0);
  xac_destroy(r);
}

static xac_renderer *ready(beamcast_error *error) {
  static float values[8] = {0, 1, 0, 1, 0, 1, 0, 1};
  static const float colors[] = {1, 1, 1, 0.5f, 1, 1, 1, 0.5f};
  xac_renderer *r = xac_create(scene_policy(), 1, error);
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = values,
                  .dims = {2, 2, 2},
                  .whole = {2, 2, 2},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  xac_transfer t = {colors, 2, {0, 1}, 1.0};
  assert_int_equal(xac_set_volume(r, &v, error), 0);
  assert_int_equal(xac_set_transfer(r, &t, error), 0);
  return r;
}

static void absurd_parameters_give_a_sentence(void **state) {
  (void)state;
  beamcast_error e = {0, ""};
  xac_renderer *r = ready(&e);
  const double eye[3] = {0, 0, 10}, focus[3] = {0, 0, 0}, up[3] = {0, 1, 0};
  xac_camera camera;
  float rgba[16 * 16 * 4];
  xac_image image = {.rgba = rgba};
  xac_quality q;
  assert_int_equal(xac_camera_look_at(&camera, 16, 16, eye, eye, up, 30, 0, &e),
                   BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(xac_camera_look_at(&camera, 16, 16, eye, focus, eye, 30, 0, &e),
                   BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(xac_camera_look_at(&camera, 0, 16, eye, focus, up, 30, 0, &e),
                   BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(xac_camera_look_at(&camera, 16, 16, eye, focus, up, NAN, 0, &e),
                   BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(xac_camera_look_at(&camera, 16, 16, eye, focus, up, 30, 0, &e), 0);
  static const double steps[] = {0.0, -1.0, NAN, INFINITY};
  for (int i = 0; i < 4; i++) {
    xac_quality_default(&q, steps[i]);
    e.message[0] = 0;
    assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), BEAMCAST_ERR_ARGUMENT);
    assert_true(strlen(e.message) > 10);
  }
  xac_quality_default(&q, 1e-30);
  assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), 0); /* ends in finite time */
  xac_quality_default(&q, 1e30);
  assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), 0);
  assert_true(all_finite(rgba, 16 * 16 * 4));
  xac_quality_default(&q, 1.0);
  q.planes = 9;
  assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), BEAMCAST_ERR_ARGUMENT);
  xac_shading s;
  xac_shading_default(&s);
  s.kernel = 3;
  assert_int_equal(xac_set_shading(r, &s, &e), BEAMCAST_ERR_ARGUMENT);
  s.kernel = XAC_USER;
  assert_int_equal(xac_set_shading(r, &s, &e), BEAMCAST_ERR_ARGUMENT);
  s.kernel = XAC_LOCAL;
  s.ambient = NAN;
  s.specular_power = -1e30f;
  assert_int_equal(xac_set_shading(r, &s, &e), 0);
  xac_quality_default(&q, 1.0);
  assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), 0);
  assert_true(all_finite(rgba, 16 * 16 * 4));
  xac_destroy(r);
}

/* Draws the middle pixel; 1 when it is the same as before, to the bit. */
static int draws_as(xac_renderer *r, const float *before, float *rgba) {
  beamcast_error e = {0, ""};
  const double eye[3] = {0.5, 0.5, 10}, focus[3] = {0.5, 0.5, 0}, up[3] = {0, 1, 0};
  xac_camera camera;
  xac_quality q;
  xac_image image = {.rgba = rgba};
  xac_quality_default(&q, 0.1);
  assert_int_equal(xac_camera_look_at(&camera, 8, 8, eye, focus, up, 0.0, 1.0, &e), 0);
  assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), 0);
  return before == NULL || memcmp(before, rgba, sizeof(float) * 8 * 8 * 4) == 0;
}

static void bad_settings_leave_the_picture(void **state) {
  (void)state;
  beamcast_error e = {0, ""};
  xac_renderer *r = ready(&e);
  float before[8 * 8 * 4], after[8 * 8 * 4];
  draws_as(r, NULL, before);
  assert_true(before[4 * 36 + 3] > 0.1f);
  static const float colors[] = {1, 0, 0, 1, 1, 0, 0, 1};
  const xac_transfer bad[] = {
      {colors, 1, {0, 1}, 1.0},   {colors, 2000000000, {0, 1}, 1.0}, {colors, 2, {1, 0}, 1.0},
      {colors, 2, {NAN, 1}, 1.0}, {colors, 2, {0, INFINITY}, 1},     {colors, 2, {0, 1}, 0.0},
      {colors, 2, {0, 1}, NAN},   {colors, 2, {0, 1}, INFINITY},     {NULL, 2, {0, 1}, 1.0}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    e.message[0] = 0;
    assert_int_equal(xac_set_transfer(r, &bad[i], &e), BEAMCAST_ERR_ARGUMENT);
    assert_true(strlen(e.message) > 10);
    assert_true(draws_as(r, before, after));
  }
  for (int i = 0; i < 3; i++) {
    xac_shading s;
    xac_shading_default(&s);
    s.kernel = XAC_LOCAL;
    s.light = i == 0 ? (xac_light_kind)77 : XAC_LIGHT_POINT;
    s.vector[2] = i == 1 ? NAN : INFINITY;
    e.message[0] = 0;
    assert_int_equal(xac_set_shading(r, &s, &e), BEAMCAST_ERR_ARGUMENT);
    assert_true(strlen(e.message) > 10);
    assert_true(draws_as(r, before, after));
  }
  const double eye[3] = {0.5, 0.5, 10}, focus[3] = {0.5, 0.5, 0}, up[3] = {0, 1, 0};
  xac_camera camera;
  xac_image image = {.rgba = after};
  assert_int_equal(xac_camera_look_at(&camera, 8, 8, eye, focus, up, 0.0, 1.0, &e), 0);
  for (int i = 0; i < 3; i++) {
    xac_quality q;
    xac_quality_default(&q, 0.1);
    q.crop = i == 0;
    q.crop_box[1] = NAN;
    q.planes = i != 0;
    q.plane[0][3] = i == 1 ? NAN : INFINITY;
    e.message[0] = 0;
    assert_int_equal(xac_render(r, &camera, &q, &image, NULL, &e), BEAMCAST_ERR_ARGUMENT);
    assert_true(strlen(e.message) > 10);
    assert_memory_equal(before, after, sizeof before);
  }
  xac_destroy(r);
}

/* Light in volumes where there is nothing to work it out from, and with absurd sizes for it. */
static void light_of_absurd_sizes_is_worked_out(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 3, 40, 1, constant);
  const float colors[] = {1, 1, 1, 0.5f, 1, 1, 1, 0.5f};
  s.transfer.rgba = colors;
  s.transfer.range[1] = 10.0;
  static const int resolutions[] = {-5, 0, 8, 1 << 30};
  static const double radii[] = {NAN, -1.0, 1e-300, 1e300};
  for (int i = 0; i < 4; i++) {
    s.shading.kernel = XAC_SCATTER | XAC_OCCLUSION;
    s.shading.light_resolution = resolutions[i];
    s.shading.occlusion_radius = radii[i];
    float *image = scene_draw(&s, one, 1, 0);
    assert_true(all_finite(image, 64 * 64 * 4));
    free(image);
  }
  scene_free(&s);
}

static void bad_volumes_leave_the_old_one(void **state) {
  (void)state;
  beamcast_error e = {0, ""};
  xac_renderer *r = ready(&e);
  float values[8] = {0};
  const xac_volume good = {.type = BEAMCAST_FLOAT32,
                           .data = values,
                           .dims = {2, 2, 2},
                           .whole = {2, 2, 2},
                           .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  xac_volume v = good;
  v.type = 99;
  assert_int_equal(xac_set_volume(r, &v, &e), BEAMCAST_ERR_ARGUMENT);
  v = good;
  v.dims[2] = -3;
  assert_int_equal(xac_set_volume(r, &v, &e), BEAMCAST_ERR_ARGUMENT);
  v = good;
  v.start[1] = 1;
  assert_int_equal(xac_set_volume(r, &v, &e), BEAMCAST_ERR_ARGUMENT);
  v = good;
  v.data = NULL;
  assert_int_equal(xac_set_volume(r, &v, &e), BEAMCAST_ERR_ARGUMENT);
  v = good;
  v.index_to_world[5] = 0.0;
  assert_int_equal(xac_set_volume(r, &v, &e), BEAMCAST_ERR_ARGUMENT);
  v = good;
  v.whole[0] = (int64_t)1 << 60;
  assert_int_equal(xac_set_volume(r, &v, &e), BEAMCAST_ERR_ARGUMENT);
  double range[2];
  assert_true(xac_value_range(r, range));
  assert_true(range[1] == 1.0);
  xac_destroy(r);
}

static void every_type_reads_the_same_values(void **state) {
  (void)state;
  static const int types[] = {BEAMCAST_UINT8,   BEAMCAST_INT8,    BEAMCAST_UINT16,
                              BEAMCAST_INT16,   BEAMCAST_UINT32,  BEAMCAST_INT32,
                              BEAMCAST_FLOAT16, BEAMCAST_FLOAT32, BEAMCAST_FLOAT64};
  union {
    uint8_t u8[8];
    int8_t i8[8];
    uint16_t u16[8];
    int16_t i16[8];
    uint32_t u32[8];
    int32_t i32[8];
    float f32[8];
    double f64[8];
  } data;
  beamcast_error e = {0, ""};
  xac_renderer *r = ready(&e);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    static const uint16_t halves[8] = {0x0000, 0x3c00, 0x4000, 0x4200,
                                       0x4400, 0x4500, 0x4600, 0x4700};
    for (int i = 0; i < 8; i++) {
      switch (types[t]) {
      case BEAMCAST_UINT8:
        data.u8[i] = (uint8_t)i;
        break;
      case BEAMCAST_INT8:
        data.i8[i] = (int8_t)i;
        break;
      case BEAMCAST_UINT16:
        data.u16[i] = (uint16_t)i;
        break;
      case BEAMCAST_INT16:
        data.i16[i] = (int16_t)i;
        break;
      case BEAMCAST_UINT32:
        data.u32[i] = (uint32_t)i;
        break;
      case BEAMCAST_INT32:
        data.i32[i] = i;
        break;
      case BEAMCAST_FLOAT16:
        data.u16[i] = halves[i];
        break;
      case BEAMCAST_FLOAT32:
        data.f32[i] = (float)i;
        break;
      default:
        data.f64[i] = i;
        break;
      }
    }
    xac_volume v = {.type = types[t],
                    .data = &data,
                    .dims = {2, 2, 2},
                    .whole = {2, 2, 2},
                    .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
    double range[2];
    assert_int_equal(xac_set_volume(r, &v, &e), 0);
    assert_true(xac_value_range(r, range));
    assert_true(range[0] == 0.0 && range[1] == 7.0);
  }
  xac_destroy(r);
}

/* One renderer draws again and again; what it keeps in between must fit. */
static void what_shows_follows_colours_and_volume(void **state) {
  (void)state;
  static float values[2][20 * 20 * 20];
  for (int i = 0; i < 20 * 20 * 20; i++) {
    values[0][i] = 0.3f;
    values[1][i] = 0.7f;
  }
  static const float low[] = {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0},
                     high[] = {1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1};
  static const struct {
    int volume;
    const float *colors;
    int shows;
  } turns[] = {{0, high, 0}, {0, low, 1}, {1, low, 0}, {1, high, 1}, {0, high, 0}, {1, high, 1}};
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(scene_policy(), 2, &error);
  assert_non_null(r);
  xac_camera camera;
  xac_quality quality;
  const double eye[3] = {9.5, 9.5, 100}, focus[3] = {9.5, 9.5, 0}, up[3] = {0, 1, 0};
  assert_int_equal(xac_camera_look_at(&camera, 9, 9, eye, focus, up, 0, 5, &error), 0);
  xac_quality_default(&quality, 0.5);
  for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
    const xac_volume volume = {.type = BEAMCAST_FLOAT32,
                               .data = values[turns[i].volume],
                               .dims = {20, 20, 20},
                               .whole = {20, 20, 20},
                               .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
    const xac_transfer transfer = {turns[i].colors, 4, {0, 1}, 1.0};
    float image[9 * 9 * 4];
    xac_image out = {.rgba = image};
    if (i == 0 || turns[i].volume != turns[i - 1].volume) {
      assert_int_equal(xac_set_volume(r, &volume, &error), 0);
    }
    if (i == 0 || turns[i].colors != turns[i - 1].colors) {
      assert_int_equal(xac_set_transfer(r, &transfer, &error), 0);
    }
    assert_int_equal(xac_render(r, &camera, &quality, &out, NULL, &error), 0);
    assert_int_equal(image[4 * 40 + 3] > 0.1f, turns[i].shows);
  }
  xac_destroy(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_finite_is_not_drawn),
      cmocka_unit_test(what_shows_follows_colours_and_volume),
      cmocka_unit_test(constant_and_hollow_volumes_are_drawn),
      cmocka_unit_test(one_voxel_thick_volumes_are_drawn_one_cell_thick),
      cmocka_unit_test(a_plane_that_a_neighbour_has_too_adds_nothing),
      cmocka_unit_test(absurd_parameters_give_a_sentence),
      cmocka_unit_test(bad_settings_leave_the_picture),
      cmocka_unit_test(light_of_absurd_sizes_is_worked_out),
      cmocka_unit_test(bad_volumes_leave_the_old_one),
      cmocka_unit_test(every_type_reads_the_same_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
