/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels that users write: compiled, tried, reloaded; bad ones give a sentence and change nothing.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "scene.h"

static char file[] = "/tmp/xac-test-XXXXXX.c";

static void write_kernel(const char *text) {
  FILE *out = fopen(file, "w");
  assert_non_null(out);
  (void)fputs(text, out);
  (void)fclose(out);
}

static float values[16 * 16 * 16];

static xac_renderer *ready(void) {
  static const float colors[] = {1, 0, 0, 0.2f, 1, 0, 0, 0.2f};
  beamcast_error e = {0, ""};
  xac_renderer *r = xac_create(XAC_CPU, 1, &e);
  for (int i = 0; i < 16 * 16 * 16; i++) {
    values[i] = (float)(i % 16) / 15.0f; /* grows along x */
  }
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = values,
                  .dims = {16, 16, 16},
                  .whole = {16, 16, 16},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  xac_transfer t = {colors, 2, {0, 1}, 1.0};
  assert_int_equal(xac_set_volume(r, &v, &e), 0);
  assert_int_equal(xac_set_transfer(r, &t, &e), 0);
  return r;
}

static void draw(xac_renderer *r, float *image, int side, int under) {
  const double eye[3] = {7.5, 7.5, 100}, focus[3] = {7.5, 7.5, 0}, up[3] = {0, 1, 0};
  xac_camera camera;
  xac_quality q;
  xac_image out = {.rgba = image, .under = under};
  beamcast_error e = {0, ""};
  xac_camera_look_at(&camera, side, side, eye, focus, up, 0, 5, &e);
  xac_quality_default(&q, 0.5);
  assert_int_equal(xac_render(r, &camera, &q, &out, NULL, &e), 0);
}

/* The middle pixel of a picture along z. */
static void middle(xac_renderer *r, float *rgba) {
  static float image[9 * 9 * 4];
  draw(r, image, 9, 0);
  memcpy(rgba, image + 4 * 40, 4 * sizeof *rgba);
}

/* The same under a half opaque green. */
static void middle_under(xac_renderer *r, float *rgba) {
  static float image[9 * 9 * 4];
  for (int i = 0; i < 9 * 9 * 4; i++) {
    image[i] = i % 2 ? 0.5f : 0.0f;
  }
  draw(r, image, 9, 1);
  memcpy(rgba, image + 4 * 40, 4 * sizeof *rgba);
}

static void use(xac_renderer *r) {
  xac_shading s;
  beamcast_error e = {0, ""};
  xac_shading_default(&s);
  s.kernel = xac_user_kernel_bits(r);
  assert_int_equal(xac_set_shading(r, &s, &e), 0);
}

static void a_kernel_draws_with_its_parameters_and_is_reloaded(void **state) {
  (void)state;
  xac_renderer *r = ready();
  beamcast_error e = {0, ""};
  float c[4];
  write_kernel("XAC_PARAMETER(float, green, 0, 1, 0.5, \"How green\")\n"
               "XAC_KERNEL(p, color) { color->r = 0; color->g = XAC_GET(p, green); }\n");
  if (xac_user_load(r, file, &e) == BEAMCAST_ERR_UNSUPPORTED) {
    print_message("%s\n", e.message);
    skip();
  }
  assert_int_equal(xac_user_parameters(r), 1);
  assert_string_equal(xac_user_parameter(r, 0)->name, "green");
  assert_string_equal(xac_user_parameter(r, 0)->help, "How green");
  use(r);
  middle(r, c);
  double opacity = 1.0 - pow(0.8, 15.0); /* the table's, at any step */
  assert_true(fabs((double)c[3] - opacity) < 0.01);
  assert_true(c[0] == 0.0f && fabs((double)c[1] - 0.5 * opacity) < 0.01);
  assert_int_equal(xac_user_set(r, "green", 7.0, &e), 0); /* clamped */
  middle(r, c);
  assert_true(fabs((double)c[1] - opacity) < 0.01);
  assert_int_equal(xac_user_set(r, "blue", 1.0, &e), BEAMCAST_ERR_ARGUMENT);
  write_kernel("XAC_PARAMETER(float, green, 0, 1, 0.5, \"How green\")\n"
               "XAC_KERNEL(p, color) { color->r = XAC_GET(p, green); color->g = 0; }\n");
  assert_int_equal(xac_user_load(r, file, &e), 0);
  middle(r, c);
  assert_true(c[1] == 0.0f && c[0] > 0.9f); /* the value that was set stays */
  xac_destroy(r);
}

static void a_kernel_sees_value_gradient_and_neighbours(void **state) {
  (void)state;
  xac_renderer *r = ready();
  beamcast_error e = {0, ""};
  float c[4];
  write_kernel("XAC_KERNEL(p, color) {\n"
               "  color->r = p->value;\n"
               "  color->g = 7.5f * p->gradient[0];\n"
               "  color->b = xac_value_at(p, 1, 0, 0) - xac_value_at(p, -1, 0, 0) > 0.13f;\n"
               "  color->a = 1;\n}\n");
  if (xac_user_load(r, file, &e) == BEAMCAST_ERR_UNSUPPORTED) {
    skip();
  }
  use(r);
  middle(r, c);
  assert_true(fabsf(c[0] - 0.5f) < 0.01f);
  assert_true(fabsf(c[1] - 0.5f) < 0.01f);
  assert_true(c[2] > 0.99f);
  xac_destroy(r);
}

static void a_kernel_may_show_what_the_colours_hide(void **state) {
  (void)state;
  static const float hidden[] = {1, 0, 0, 0, 1, 0, 0, 0};
  xac_renderer *r = ready();
  beamcast_error e = {0, ""};
  float c[4];
  const xac_transfer t = {hidden, 2, {0, 1}, 1.0};
  assert_int_equal(xac_set_transfer(r, &t, &e), 0);
  write_kernel("XAC_KERNEL(p, color) { color->a = 1; }\n");
  if (xac_user_load(r, file, &e) == BEAMCAST_ERR_UNSUPPORTED) {
    skip();
  }
  use(r);
  middle(r, c);
  assert_true(c[3] == 0.0f);
  write_kernel("XAC_EVERYWHERE\nXAC_KERNEL(p, color) { color->a = 1; }\n");
  assert_int_equal(xac_user_load(r, file, &e), 0);
  use(r);
  middle(r, c);
  assert_true(c[3] > 0.99f);
  xac_destroy(r);
}

/* The light stands above the middle of the picture, 10 off the volume's middle. */
static void a_kernel_is_given_the_direction_towards_a_point_light(void **state) {
  (void)state;
  xac_renderer *r = ready();
  beamcast_error e = {0, ""};
  xac_shading s;
  float c[4];
  write_kernel("XAC_KERNEL(p, color) {\n"
               "  color->r = fabsf(xac_length(p->light) - 1.0f) < 0.001f;\n"
               "  color->g = p->light[2] > 0.99f;\n"
               "  color->a = fabsf(p->index[2] - 7.5f) < 1.0f;\n}\n");
  if (xac_user_load(r, file, &e) == BEAMCAST_ERR_UNSUPPORTED) {
    skip();
  }
  xac_shading_default(&s);
  s.kernel = xac_user_kernel_bits(r);
  s.light = XAC_LIGHT_POINT;
  s.vector[0] = s.vector[1] = 7.5;
  s.vector[2] = 17.5;
  assert_int_equal(xac_set_shading(r, &s, &e), 0);
  middle(r, c);
  assert_true(c[3] > 0.99f && c[0] > 0.99f && c[1] > 0.99f);
  xac_destroy(r);
}

/* After each of these the good kernel still draws. */
static void bad_kernels_give_a_sentence_and_the_last_good_one_stays(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } bad[] = {
      {"XAC_KERNEL(p, color) {\n  color->r = nonsense;\n}\n", ":2:"},
      {"int x\n", "error"},
      {"XAC_PARAMETER(float, a, 1, 0, 2, \"wrong way round\")\nXAC_KERNEL(p, c) { c->r = 0; }\n",
       ":1:"},
      {"XAC_KERNEL(p, c) { for (volatile int i = 0;; i++) { } }\n", "did not end"},
      {"XAC_KERNEL(p, c) { again: c->r += p->value; if (c->r > -1e9f) goto again; }\n",
       "did not end"},
      {"XAC_KERNEL(p, c) { int n[(int)p->value + 1]; c->r = n[0]; }\n", ":1:"},
      {"XAC_KERNEL(p, c) { volatile float *q = (float *)8; c->r = q[(int)p->value]; }\n",
       "crashed"},
      {"static float t[4]; XAC_KERNEL(p, c) { c->r = t[(int)(p->value * 9)]; }\n", "outside"},
      {"XAC_KERNEL(p, c) { c->r = 7 / (int)(4 * p->value); }\n", "divided by 0"},
  };
  xac_renderer *r = ready();
  beamcast_error e = {0, ""};
  float c[4];
  write_kernel("XAC_KERNEL(p, color) { color->r = 0; color->b = 1; }\n");
  if (xac_user_load(r, file, &e) == BEAMCAST_ERR_UNSUPPORTED) {
    skip();
  }
  use(r);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_kernel(bad[i].text);
    e.message[0] = 0;
    assert_int_not_equal(xac_user_load(r, file, &e), 0);
    print_message("%s\n", e.message);
    assert_non_null(strstr(e.message, bad[i].says));
    middle(r, c);
    assert_true(c[2] > 0.9f && c[0] == 0.0f);
  }
  assert_int_not_equal(xac_user_load(r, "/nowhere/kernel.c", &e), 0);
  xac_destroy(r);
}

/* What the kernel drew until then, under a picture, is not left there. */
static void stopped_in_a_corner(xac_renderer *r, const xac_volume *v) {
  enum { SIDE = 64 }; /* four tiles, the last of which has the corner */
  static float pictures[2][SIDE * SIDE * 4];
  beamcast_error e = {0, ""};
  for (int i = 0; i < 16 * 16 * 16; i++) {
    values[i] = i % 16 > 11 && i / 16 % 16 > 11 ? 5000.0f : 1.0f;
  }
  assert_int_equal(xac_set_volume(r, v, &e), 0);
  write_kernel("XAC_KERNEL(p, c) { c->r = 1; c->b = 0;\n"
               "  for (int i = 0; p->value > 4000; i = 0) c->g = 1;\n}\n");
  assert_int_equal(xac_user_load(r, file, &e), 0);
  use(r);
  for (int i = 0; i < 2; i++) { /* the second is without it from the start */
    for (int p = 0; p < SIDE * SIDE * 4; p++) {
      pictures[i][p] = p % 2 ? 0.5f : 0.0f;
    }
    draw(r, pictures[i], SIDE, 1);
    assert_non_null(strstr(xac_user_stopped(r), "did not end"));
  }
  assert_memory_equal(pictures[0], pictures[1], sizeof pictures[0]);
}

/* The trial's values are all below 2000; the volume has 5000. */
static void a_kernel_that_runs_away_on_real_data_is_stopped(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } bad[] = {
      {"XAC_KERNEL(p, c) { int i = 0; while (p->value < 2500 ? i < 4 : 1) i++; c->b = 0; }\n",
       "did not end"},
      {"XAC_KERNEL(p, c) { int i = 0; do i++; while (p->value > 2500 || i < 4); c->b = 0; }\n",
       "did not end"},
      {"XAC_KERNEL(p, c) {\n"
       "  if (p->value > 2500) for (int i = 0; i < 9; i = 0) { if (i) break; else continue; }\n"
       "  else c->b = 0;\n}\n",
       "did not end"},
      {"static float t[2001];\n"
       "XAC_KERNEL(p, c) { t[(int)fabsf(p->value)] = 1; c->b = 0; }\n",
       "outside"},
      {"static float t[2001];\n"
       "XAC_KERNEL(p, c) { float *q = t; c->r = q[(int)fabsf(p->value)]; c->b = 0; }\n",
       "outside"},
      {"XAC_KERNEL(p, c) { c->r = (int)p->value % (p->value > 2500 ? 0 : 7); c->b = 0; }\n",
       "divided by 0"},
  };
  xac_renderer *r = ready();
  beamcast_error e = {0, ""};
  float c[4];
  for (int i = 0; i < 16 * 16 * 16; i++) {
    values[i] = 5000.0f;
  }
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = values,
                  .dims = {16, 16, 16},
                  .whole = {16, 16, 16},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  assert_int_equal(xac_set_volume(r, &v, &e), 0);
  /* Without a kernel before it: local light takes its place. */
  write_kernel(bad[0].text);
  int code = xac_user_load(r, file, &e);
  if (code == BEAMCAST_ERR_UNSUPPORTED) {
    skip();
  }
  assert_int_equal(code, 0);
  use(r);
  assert_string_equal(xac_user_stopped(r), "");
  middle(r, c);
  assert_true(c[0] > 0.9f && c[2] < 0.1f); /* the table's red */
  assert_non_null(strstr(xac_user_stopped(r), "local light draws on"));
  middle(r, c);
  assert_true(c[0] > 0.9f);
  /* With one: that draws on. */
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_kernel("XAC_KERNEL(p, color) { color->r = 0; color->b = 1; }\n");
    assert_int_equal(xac_user_load(r, file, &e), 0);
    assert_string_equal(xac_user_stopped(r), "");
    write_kernel(bad[i].text);
    assert_int_equal(xac_user_load(r, file, &e), 0);
    use(r);
    middle_under(r, c);
    print_message("%s\n", xac_user_stopped(r));
    assert_true(c[1] > 0.49f && c[1] < 0.51f && c[2] > 0.45f && c[2] < 0.51f && c[0] == 0.0f);
    assert_non_null(strstr(xac_user_stopped(r), bad[i].says));
    use(r);
    middle(r, c);
    assert_true(c[2] > 0.9f);
  }
  stopped_in_a_corner(r, &v);
  /* One that was fine here but not on another rank. */
  write_kernel("XAC_KERNEL(p, color) { color->r = 1; color->b = 0; }\n");
  assert_int_equal(xac_user_load(r, file, &e), 0);
  middle(r, c);
  assert_true(c[0] > 0.9f);
  xac_user_stop(r);
  middle(r, c);
  assert_true(c[2] > 0.9f);
  xac_destroy(r);
}

static void the_samples_that_come_along_load(void **state) {
  (void)state;
  static const char *const samples[] = {"iso_edges.c", "label_colors.c", "depth_density.c"};
  xac_renderer *r = ready();
  for (size_t i = 0; i < 3; i++) {
    char path[1024];
    float c[4];
    beamcast_error e = {0, ""};
    (void)snprintf(path, sizeof path, "%s/%s", XAC_SAMPLES, samples[i]);
    int code = xac_user_load(r, path, &e);
    if (code == BEAMCAST_ERR_UNSUPPORTED) {
      skip();
    }
    assert_int_equal(code, 0);
    assert_true(xac_user_parameters(r) >= 2);
    use(r);
    middle(r, c);
    assert_true(isfinite(c[0]) && isfinite(c[3]));
  }
  xac_destroy(r);
}

int main(void) {
  int made = mkstemps(file, 2);
  if (made < 0) {
    return 1;
  }
  (void)close(made);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_kernel_draws_with_its_parameters_and_is_reloaded),
      cmocka_unit_test(a_kernel_sees_value_gradient_and_neighbours),
      cmocka_unit_test(a_kernel_may_show_what_the_colours_hide),
      cmocka_unit_test(a_kernel_is_given_the_direction_towards_a_point_light),
      cmocka_unit_test(bad_kernels_give_a_sentence_and_the_last_good_one_stays),
      cmocka_unit_test(a_kernel_that_runs_away_on_real_data_is_stopped),
      cmocka_unit_test(the_samples_that_come_along_load),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)unlink(file);
  return failed;
}
