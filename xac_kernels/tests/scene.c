/* SPDX-License-Identifier: BSD-3-Clause */
#include "scene.h"

#include <math.h>
#include <stdlib.h>

xac_policy scene_policy(void) {
  const char *name = getenv("XAC_TEST_BACKEND");
  return name && strcmp(name, "cuda") == 0 ? XAC_CUDA : XAC_CPU;
}

void scene_make(scene *s, int nx, int ny, int nz, scene_function f) {
  static const float ramp[] = {0, 0, 0, 0, 1, 1, 1, 1};
  memset(s, 0, sizeof *s);
  s->n[0] = nx;
  s->n[1] = ny;
  s->n[2] = nz;
  s->values = malloc(sizeof(float) * (size_t)nx * (size_t)ny * (size_t)nz);
  for (int a = 0; a < 3; a++) {
    s->spacing[a] = 1.0;
  }
  size_t at = 0;
  for (int z = 0; z < nz; z++) {
    for (int y = 0; y < ny; y++) {
      for (int x = 0; x < nx; x++) {
        s->values[at++] = f(x, y, z);
      }
    }
  }
  s->type = BEAMCAST_FLOAT32;
  s->transfer = (xac_transfer){.rgba = ramp, .entries = 2, .range = {0, 1}, .unit_distance = 1.0};
  xac_shading_default(&s->shading);
  xac_quality_default(&s->quality, 1.0);
  scene_look(s, 64, 0.3, 0.5, 1.0, 1.0);
}

void scene_free(scene *s) {
  free(s->values);
}

void scene_look(scene *s, int side, double x, double y, double z, double zoom) {
  double focus[3], eye[3], size = 0.0;
  const double d[3] = {x, y, z}, up[3] = {0.1, 1, 0.2};
  for (int a = 0; a < 3; a++) {
    double length = (s->n[a] - 1) * s->spacing[a];
    focus[a] = 0.5 * length;
    size += length * length;
  }
  double norm = sqrt(x * x + y * y + z * z);
  for (int a = 0; a < 3; a++) {
    eye[a] = focus[a] + 2.0 * sqrt(size) * d[a] / norm;
  }
  xac_camera_look_at(&s->camera, side, side, eye, focus, up, 30.0 / zoom, 0.0, NULL);
}

/* One brick with a tight copy of its core and of each border plane, so that a read outside of
 * either is caught by the sanitizers. With border planes, a plane shared with an upper neighbour
 * lies apart from the core, too. */
typedef struct brick {
  xac_volume volume;
  void *memory[10]; /* border planes, core, last planes */
  xac_renderer *renderer;
  double distance; /* of its middle from the eye */
} brick;

static void *copy_box(const scene *s, const int lo[3], const int hi[3]) {
  size_t count = 1, size = beamcast_type_size(s->type);
  for (int a = 0; a < 3; a++) {
    count *= (size_t)(hi[a] - lo[a]);
  }
  char *memory = malloc(count * size + 1);
  size_t at = 0;
  for (int z = lo[2]; z < hi[2]; z++) {
    for (int y = lo[1]; y < hi[1]; y++) {
      for (int x = lo[0]; x < hi[0]; x++) {
        float value =
            s->values[((size_t)z * (size_t)s->n[1] + (size_t)y) * (size_t)s->n[0] + (size_t)x];
        if (s->type == BEAMCAST_UINT16) {
          ((uint16_t *)(void *)memory)[at++] = (uint16_t)value;
        } else {
          ((float *)(void *)memory)[at++] = value;
        }
      }
    }
  }
  return memory;
}

static void make_brick(const scene *s, const int lo[3], const int hi[3], int borders, brick *b) {
  memset(b, 0, sizeof *b);
  xac_volume *v = &b->volume;
  v->type = s->type;
  v->nearest = s->nearest;
  int end[3], whole_end[3] = {hi[0], hi[1], hi[2]};
  for (int a = 0; a < 3; a++) {
    end[a] = borders && hi[a] < s->n[a] ? hi[a] - 1 : hi[a];
  }
  v->data = b->memory[6] = copy_box(s, lo, end);
  for (int a = 2; a >= 0; a--) { /* in x of what is left by those in z and y */
    int from[3] = {lo[0], lo[1], lo[2]};
    from[a] = end[a];
    if (end[a] < hi[a]) {
      v->last[a] = b->memory[7 + a] = copy_box(s, from, whole_end);
    }
    whole_end[a] = end[a];
  }
  for (int a = 0; a < 3; a++) {
    v->dims[a] = hi[a] - lo[a];
    v->start[a] = lo[a];
    v->whole[a] = s->n[a];
    v->index_to_world[5 * a] = s->spacing[a];
    for (int side = 0; side < 2; side++) {
      int from[3] = {lo[0], lo[1], lo[2]}, to[3] = {hi[0], hi[1], hi[2]};
      from[a] = side ? hi[a] : lo[a] - 1;
      to[a] = from[a] + 1;
      if (borders && from[a] >= 0 && to[a] <= s->n[a]) {
        v->border[2 * a + side] = b->memory[2 * a + side] = copy_box(s, from, to);
      }
    }
  }
}

static int nearer(const void *a, const void *b) {
  double d = ((const brick *)a)->distance - ((const brick *)b)->distance;
  return (d > 0) - (d < 0);
}

/* Bricks of a regular cut are laid over one another by how many faces lie between them and the
 * eye: the sum over axes of the distance to the eye's place, in bricks. */
static double brick_distance(const scene *s, const int at[3], const int cuts[3]) {
  double sum = 0.0;
  for (int a = 0; a < 3; a++) {
    double eye = s->camera.origin[a] / s->spacing[a] / (s->n[a] - 1) * cuts[a];
    sum += eye < at[a] ? at[a] - floor(eye) : eye > at[a] + 1 ? floor(eye) - at[a] : 0.0;
  }
  return sum;
}

float *scene_draw(const scene *s, const int cuts[3], int empty, int borders) {
  int count = cuts[0] * cuts[1] * cuts[2] + (empty != 0);
  brick *bricks = calloc((size_t)count, sizeof *bricks);
  int64_t *sums = NULL;
  size_t cells = 0;
  beamcast_error error = {0, ""};
  for (int i = 0; i < count; i++) {
    int at[3] = {i % cuts[0], i / cuts[0] % cuts[1], i / (cuts[0] * cuts[1])};
    int lo[3], hi[3];
    for (int a = 0; a < 3; a++) {
      lo[a] = (s->n[a] - 1) * at[a] / cuts[a];
      hi[a] = (s->n[a] - 1) * (at[a] + 1) / cuts[a] + 1;
    }
    if (i == cuts[0] * cuts[1] * cuts[2]) {
      hi[0] = lo[0] = lo[1] = hi[1] = lo[2] = hi[2] = 0;
      make_brick(s, lo, hi, 0, &bricks[i]);
      bricks[i].distance = 1e9;
    } else {
      make_brick(s, lo, hi, borders, &bricks[i]);
      bricks[i].distance = brick_distance(s, at, cuts);
    }
    xac_renderer *r = bricks[i].renderer = xac_create(scene_policy(), 2, &error);
    xac_shading shading = s->shading;
    if (r && s->user && xac_user_load(r, s->user, &error) == BEAMCAST_OK) {
      shading.kernel = xac_user_kernel_bits(r);
    }
    if (r == NULL || xac_set_volume(r, &bricks[i].volume, &error) ||
        xac_set_transfer(r, &s->transfer, &error) || xac_set_shading(r, &shading, &error)) {
      fprintf(stderr, "%s\n", error.message);
      abort();
    }
    if (xac_light_needed(r)) {
      int64_t *mine;
      if (xac_light_contribute(r, &mine, &cells, &error)) {
        abort();
      }
      sums = sums ? sums : calloc(cells, sizeof *sums);
      for (size_t c = 0; c < cells; c++) {
        sums[c] += mine[c];
      }
    }
  }
  size_t pixels = (size_t)s->camera.width * (size_t)s->camera.height;
  float *result = calloc(pixels, 4 * sizeof *result), *one = malloc(pixels * 4 * sizeof *one);
  qsort(bricks, (size_t)count, sizeof *bricks, nearer);
  for (int i = 0; i < count; i++) {
    xac_renderer *r = bricks[i].renderer;
    if (xac_light_needed(r)) {
      int64_t *mine;
      xac_light_contribute(r, &mine, &cells, &error);
      memcpy(mine, sums, cells * sizeof *sums);
      xac_light_finish(r, &error);
    }
    xac_image image = {.rgba = s->under ? result : one, .under = s->under};
    if (xac_render(r, &s->camera, &s->quality, &image, s->stats, &error)) {
      fprintf(stderr, "%s\n", error.message);
      abort();
    }
    if (!s->under) {
      xac_over(result, one, pixels);
    }
    xac_destroy(r);
    for (int m = 0; m < 10; m++) {
      free(bricks[i].memory[m]);
    }
  }
  free(one);
  free(sums);
  free(bricks);
  return result;
}

double scene_differing(const float *a, const float *b, size_t pixels, double *greatest) {
  size_t differing = 0;
  *greatest = 0.0;
  for (size_t i = 0; i < pixels; i++) {
    double most = 0.0;
    for (size_t c = 0; c < 4; c++) {
      most = fmax(most, fabs((double)a[4 * i + c] - (double)b[4 * i + c]));
    }
    differing += !(most <= 2.0 / 255.0);
    *greatest = fmax(*greatest, most);
  }
  return (double)differing / (double)pixels;
}
