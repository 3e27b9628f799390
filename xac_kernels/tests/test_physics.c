/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What light does, against what is known in closed form.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scene.h"

static float even(int x, int y, int z) {
  (void)x;
  (void)y;
  (void)z;
  return 0.5f;
}

static const int one[3] = {1, 1, 1};

static float *draw(scene *s) {
  return scene_draw(s, one, 0, 0);
}

/* A parallel camera along z, one pixel per unit. */
static void look_along_z(scene *s, int side) {
  double c[3], eye[3];
  const double up[3] = {0, 1, 0};
  for (int a = 0; a < 3; a++) {
    c[a] = eye[a] = 0.5 * (s->n[a] - 1) * s->spacing[a];
  }
  eye[2] += 1000.0;
  xac_camera_look_at(&s->camera, side, side, eye, c, up, 0.0, 0.5 * side, NULL);
}

static void a_slab_lets_through_exp_of_minus_sigma_l(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 40, 40, 61, even);
  s.spacing[2] = 0.7;
  const float opacity = 0.03f;
  const float colors[] = {1, 1, 1, opacity, 1, 1, 1, opacity};
  s.transfer.rgba = colors;
  s.transfer.unit_distance = 1.5;
  look_along_z(&s, 20);
  double sigma = -log(1.0 - (double)opacity) / 1.5, length = 60 * 0.7;
  static const double steps[] = {0.1, 0.37, 1.0, 2.9, 7.0};
  for (int i = 0; i < 5; i++) {
    s.quality.step = steps[i];
    float *image = draw(&s);
    double through = 1.0 - (double)image[4 * (10 * 20 + 10) + 3];
    assert_true(fabs(through / exp(-sigma * length) - 1.0) < 0.005);
    /* Emission of an even medium: what is not let through. */
    assert_true(fabs((double)image[4 * 210] - (1.0 - exp(-sigma * length))) < 0.002);
    free(image);
  }
  scene_free(&s);
}

static float ball(int x, int y, int z) {
  float dx = (float)x - 32.0f, dy = (float)y - 32.0f, dz = (float)z - 32.0f;
  return 0.5f + 0.05f * (20.0f - sqrtf(dx * dx + dy * dy + dz * dz));
}

/* Light from three directions gives the normal: lambert is n . l on the lit side. */
static void normals_of_a_sphere_are_within_a_degree(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 65, 65, 65, ball);
  float colors[64 * 4];
  for (int i = 0; i < 64; i++) {
    colors[4 * i] = colors[4 * i + 1] = colors[4 * i + 2] = 1.0f;
    colors[4 * i + 3] = i >= 32 ? 1.0f : 0.0f;
  }
  s.transfer.rgba = colors;
  s.transfer.entries = 64;
  s.quality.step = 0.05;
  look_along_z(&s, 65);
  s.shading = (xac_shading){.kernel = XAC_LOCAL,
                            .light = XAC_LIGHT_DIRECTIONAL,
                            .diffuse = 1.0f,
                            .specular_power = 1,
                            .light_resolution = 8};
  float *lit[3];
  for (int a = 0; a < 3; a++) {
    memset(s.shading.vector, 0, sizeof s.shading.vector);
    s.shading.vector[a] = 1.0;
    lit[a] = draw(&s);
  }
  int tested = 0;
  for (int y = 0; y < 65; y++) {
    for (int x = 0; x < 65; x++) {
      double dx = fabs(x - 32.0), dy = fabs(y - 32.0), r2 = dx * dx + dy * dy;
      if (r2 > 18.0 * 18.0) {
        continue;
      }
      size_t at = 4 * ((size_t)y * 65 + (size_t)x);
      double n[3] = {(double)lit[0][at], (double)lit[1][at], (double)lit[2][at]};
      double dz = sqrt(20.0 * 20.0 - r2);
      double norm = sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
      double cosine = (n[0] * dx + n[1] * dy + n[2] * dz) / (norm * 20.0);
      double degrees = acos(cosine < 1.0 ? cosine : 1.0) * 180.0 / 3.14159265;
      assert_true(degrees < 1.0);
      tested++;
    }
  }
  assert_true(tested > 900);
  for (int a = 0; a < 3; a++) {
    free(lit[a]);
  }
  scene_free(&s);
}

static float lower_half(int x, int y, int z) {
  (void)x;
  (void)y;
  return z < 40 ? 1.0f : 0.0f;
}

/* A renderer with finished light, for what xac_light_at says. */
static xac_renderer *light_up(const scene *s) {
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(scene_policy(), 2, &error);
  xac_volume v = {.type = BEAMCAST_FLOAT32, .data = s->values};
  for (int a = 0; a < 3; a++) {
    v.dims[a] = v.whole[a] = s->n[a];
    v.index_to_world[5 * a] = s->spacing[a];
  }
  int64_t *cells;
  size_t count;
  assert_int_equal(xac_set_volume(r, &v, &error), 0);
  assert_int_equal(xac_set_transfer(r, &s->transfer, &error), 0);
  assert_int_equal(xac_set_shading(r, &s->shading, &error), 0);
  assert_true(xac_light_needed(r));
  assert_int_equal(xac_light_contribute(r, &cells, &count, &error), 0);
  assert_int_equal(xac_light_finish(r, &error), 0);
  assert_false(xac_light_needed(r));
  return r;
}

static const float opaque_above_half[] = {1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1};

static void occlusion_above_a_plane_is_one_half(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 96, 96, 80, lower_half);
  s.transfer.rgba = opaque_above_half;
  s.transfer.entries = 4;
  s.shading.kernel = XAC_OCCLUSION;
  s.shading.occlusion_radius = 30.0;
  s.shading.light_resolution = 96;
  xac_renderer *r = light_up(&s);
  const double above[3] = {48, 48, 40}, high[3] = {48, 48, 75};
  float open;
  xac_light_at(r, above, NULL, &open);
  print_message("openness above a plane: %.4f\n", (double)open);
  assert_true(fabs((double)open - 0.5) < 0.5 * 0.03);
  xac_light_at(r, high, NULL, &open);
  assert_true(open > 0.99f);
  xac_destroy(r);
  scene_free(&s);
}

static float roof(int x, int y, int z) {
  (void)y;
  return (z >= 40 && z <= 43 && x < 30) || z < 4 ? 1.0f : 0.0f;
}

static void a_shadow_ends_within_a_voxel_of_where_it_should(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 64, 64, 64, roof);
  s.transfer.rgba = opaque_above_half;
  s.transfer.entries = 4;
  s.shading.kernel = XAC_SCATTER;
  s.shading.light = XAC_LIGHT_DIRECTIONAL;
  s.shading.light_resolution = 64;
  const double light[3] = {0.3, 0.1, 1.0};
  memcpy(s.shading.vector, light, sizeof light);
  xac_renderer *r = light_up(&s);
  /* The roof's points end at x = 29, its matter half a voxel further. Its lower rim casts the
   * outer end of the shadow, its upper rim (points up to z = 43) the inner one. */
  double z = 4.0, lower = 29.5 - 0.3 * (39.5 - z), upper = 29.5 - 0.3 * (43.5 - z);
  double outermost = lower > upper ? lower : upper, edge = -1.0;
  for (double x = 10.0; x < 30.0; x += 0.05) {
    const double p[3] = {x, 32, z};
    float lit;
    xac_light_at(r, p, &lit, NULL);
    if (lit > 0.5f) {
      edge = x;
      break;
    }
  }
  print_message("shadow ends at %.2f, geometry says %.2f\n", edge, outermost);
  assert_true(fabs(edge - outermost) < 1.0);
  /* A point light far away is a directional one. */
  xac_destroy(r);
  s.shading.light = XAC_LIGHT_POINT;
  for (int a = 0; a < 3; a++) {
    s.shading.vector[a] = (a == 2 ? 4.0 : 32.0) + 1e5 * light[a];
  }
  r = light_up(&s);
  for (double x = 10.0; x < 30.0; x += 0.05) {
    const double p[3] = {x, 32, z};
    float lit;
    xac_light_at(r, p, &lit, NULL);
    if (lit > 0.5f) {
      assert_true(fabs(edge - x) < 0.5);
      break;
    }
  }
  xac_destroy(r);
  scene_free(&s);
}

static float steep_ball(int x, int y, int z) {
  float dx = (float)x - 48.0f, dy = (float)y - 48.0f, dz = (float)z - 48.0f;
  return 0.5f + 0.3f * (40.3f - sqrtf(dx * dx + dy * dy + dz * dz));
}

/* Of an opaque ball's middle, lit from the eye's side: how bright it is in the mean, and how far
 * the darkest pixel is below that. */
static void brightness_of_a_ball(int kernel, double *mean, double *below) {
  scene s;
  scene_make(&s, 97, 97, 97, steep_ball);
  s.transfer.rgba = opaque_above_half;
  s.transfer.entries = 4;
  s.quality.step = 0.25;
  look_along_z(&s, 97);
  s.shading.kernel = kernel;
  s.shading.light = XAC_LIGHT_DIRECTIONAL;
  s.shading.vector[0] = s.shading.vector[1] = 0.0;
  s.shading.vector[2] = 1.0;
  s.shading.ambient = 0.0f;
  s.shading.light_resolution = 33; /* three voxels a cell */
  float *image = draw(&s);
  double sum = 0.0, least = 1.0;
  int count = 0;
  for (int y = 28; y <= 68; y++) {
    for (int x = 28; x <= 68; x++) {
      if ((x - 48) * (x - 48) + (y - 48) * (y - 48) <= 400) {
        double v = (double)image[4 * (y * 97 + x)];
        sum += v;
        least = v < least ? v : least;
        count++;
      }
    }
  }
  *mean = sum / count;
  *below = *mean - least;
  print_message("kernel %d: a ball's middle is %.3f bright, the darkest pixel %.3f less\n", kernel,
                *mean, *below);
  free(image);
  scene_free(&s);
}

/* The surface lies anywhere between the coarse grid's nodes, which must not show. */
static void a_lit_surface_is_bright_and_has_no_rings(void **state) {
  (void)state;
  double mean, below;
  brightness_of_a_ball(XAC_SCATTER, &mean, &below);
  assert_true(mean > 0.99 && below < 0.02);
  brightness_of_a_ball(XAC_OCCLUSION, &mean, &below);
  assert_true(mean > 0.9 && below < 0.15);
}

static float waves(int x, int y, int z) {
  return 0.5f + 0.2f * (sinf(0.2f * (float)x) + cosf(0.17f * (float)y) * sinf(0.15f * (float)z));
}

static void the_step_length_is_not_seen(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 64, 64, 64, waves);
  const float colors[] = {1, 0.2f, 0, 0.0f, 0, 0.3f, 1, 0.06f};
  s.transfer.rgba = colors;
  scene_look(&s, 96, 0.4, 0.3, 1.0, 1.0);
  static const int kernels[] = {XAC_PLAIN, XAC_LOCAL | XAC_OCCLUSION, XAC_SCATTER};
  for (int k = 0; k < 3; k++) {
    s.shading.kernel = kernels[k];
    s.quality.step = 0.25;
    float *fine = draw(&s);
    s.quality.step = 1.0;
    float *coarse = draw(&s);
    double greatest, differing = scene_differing(fine, coarse, 96 * 96, &greatest);
    assert_true(differing < 0.01);
    assert_true(greatest < 0.02);
    free(fine);
    free(coarse);
  }
  scene_free(&s);
}

static void opaque_things_end_rays_and_give_their_depth(void **state) {
  (void)state;
  scene s;
  scene_make(&s, 40, 40, 40, lower_half);
  s.transfer.rgba = opaque_above_half;
  s.transfer.entries = 4;
  s.quality.step = 0.5;
  look_along_z(&s, 20);
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(scene_policy(), 1, &error);
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = s.values,
                  .dims = {40, 40, 40},
                  .whole = {40, 40, 40},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  assert_int_equal(xac_set_volume(r, &v, &error), 0);
  assert_int_equal(xac_set_transfer(r, &s.transfer, &error), 0);
  float rgba[20 * 20 * 4], depth[20 * 20], limit[20 * 20];
  xac_image image = {.rgba = rgba, .depth = depth};
  assert_int_equal(xac_render(r, &s.camera, &s.quality, &image, NULL, &error), 0);
  /* The eye is 1000 above the middle at 19.5; matter fills the volume to its face at 39. */
  assert_true(fabsf(depth[210] - (1000.0f - 19.5f)) < 0.6f);
  for (int i = 0; i < 400; i++) {
    limit[i] = i < 200 ? 900.0f : 1e9f;
  }
  image.depth_limit = limit;
  assert_int_equal(xac_render(r, &s.camera, &s.quality, &image, NULL, &error), 0);
  assert_true(rgba[4 * 10 + 3] == 0.0f && isinf(depth[10]));
  assert_true(rgba[4 * 310 + 3] > 0.99f);
  xac_destroy(r);
  scene_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_slab_lets_through_exp_of_minus_sigma_l),
      cmocka_unit_test(normals_of_a_sphere_are_within_a_degree),
      cmocka_unit_test(occlusion_above_a_plane_is_one_half),
      cmocka_unit_test(a_shadow_ends_within_a_voxel_of_where_it_should),
      cmocka_unit_test(a_lit_surface_is_bright_and_has_no_rings),
      cmocka_unit_test(the_step_length_is_not_seen),
      cmocka_unit_test(opaque_things_end_rays_and_give_their_depth),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
