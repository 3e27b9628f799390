/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Draws a raw volume along a camera path, and prints one JSON object a kernel.
 *
 *   bench_render FILE NX NY NZ TYPE [key=value ...]
 *   spacing=X,Y,Z  pixels=1024  step=1  frames=5  kernels=0,1,5  backend=cpu  threads=0
 *   table=FILE (float32 rgba entries)  range=LO,HI  unit=1  out=PREFIX (rgb of the first frame)
 *   compare=cpu (draws each frame on the cpu, too, and prints how many pixels differ)
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "xac.h"

typedef struct options {
  double spacing[3], step, range[2], unit;
  int pixels, frames, threads, compare;
  xac_policy backend;
  const char *table, *out;
  int kernels[16], kernel_count;
} options;

static int die(const char *what) {
  fprintf(stderr, "bench_render: %s\n", what);
  return 1;
}

static void *read_file(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    return NULL;
  }
  long size = ftell(file);
  rewind(file);
  char *data = size > 0 ? malloc((size_t)size) : NULL;
  size_t got = data ? fread(data, 1, (size_t)size, file) : 0;
  (void)fclose(file);
  *bytes = got;
  return data;
}

static const char *value_of(const char *argument, const char *key) {
  size_t n = strlen(key);
  return strncmp(argument, key, n) == 0 && argument[n] == '=' ? argument + n + 1 : NULL;
}

static void read_option(const char *a, options *o) {
  const char *v;
  if ((v = value_of(a, "spacing"))) {
    (void)sscanf(v, "%lf,%lf,%lf", &o->spacing[0], &o->spacing[1], &o->spacing[2]);
  } else if ((v = value_of(a, "range"))) {
    (void)sscanf(v, "%lf,%lf", &o->range[0], &o->range[1]);
  } else if ((v = value_of(a, "pixels"))) {
    o->pixels = atoi(v);
  } else if ((v = value_of(a, "frames"))) {
    o->frames = atoi(v);
  } else if ((v = value_of(a, "threads"))) {
    o->threads = atoi(v);
  } else if ((v = value_of(a, "step"))) {
    o->step = atof(v);
  } else if ((v = value_of(a, "unit"))) {
    o->unit = atof(v);
  } else if ((v = value_of(a, "table"))) {
    o->table = v;
  } else if ((v = value_of(a, "out"))) {
    o->out = v;
  } else if ((v = value_of(a, "compare"))) {
    o->compare = strcmp(v, "cpu") == 0;
  } else if ((v = value_of(a, "backend"))) {
    o->backend = strcmp(v, "cuda") == 0 ? XAC_CUDA : strcmp(v, "auto") == 0 ? XAC_AUTO : XAC_CPU;
  } else if ((v = value_of(a, "kernels"))) {
    o->kernel_count = 0;
    while (*v && o->kernel_count < 16) {
      o->kernels[o->kernel_count++] = (int)strtol(v, (char **)(uintptr_t)&v, 10);
      v += *v == ',';
    }
  }
}

/* What one core reads from memory, GB/s: the limit of anything that touches each voxel once. */
static double read_bandwidth(const char *data, size_t bytes) {
  struct timespec a, b;
  double best = 0.0;
  for (int pass = 0; pass < 3; pass++) {
    uint64_t sum[4] = {0};
    clock_gettime(CLOCK_MONOTONIC, &a);
    const uint64_t *p = (const uint64_t *)(const void *)data;
    for (size_t i = 0; i + 4 <= bytes / 8; i += 4) {
      for (int k = 0; k < 4; k++) {
        sum[k] += p[i + (size_t)k];
      }
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    __asm__ volatile("" : : "r"(sum[0] + sum[1] + sum[2] + sum[3])); /* the sums are wanted */
    double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
    best = fmax(best, (double)bytes / s * 1e-9);
  }
  return best;
}

static void look(const int64_t *n, const options *o, int frame, xac_camera *camera) {
  double focus[3], eye[3], size = 0.0;
  const double up[3] = {0, 0, 1};
  for (int a = 0; a < 3; a++) {
    double length = (double)(n[a] - 1) * o->spacing[a];
    focus[a] = 0.5 * length;
    size = fmax(size, length);
  }
  double angle = -1.1 + 0.5 * frame; /* a path around the volume */
  eye[0] = focus[0] + 2.2 * size * cos(angle);
  eye[1] = focus[1] + 2.2 * size * sin(angle);
  eye[2] = focus[2] + 0.5 * size;
  xac_camera_look_at(camera, o->pixels, o->pixels, eye, focus, up, 30.0, 0.0, NULL);
}

static int smaller_first(const void *a, const void *b) {
  double d = *(const double *)a - *(const double *)b;
  return (d > 0) - (d < 0);
}

static void write_rgb(const options *o, int kernel, const float *rgba) {
  char path[1024];
  (void)snprintf(path, sizeof path, "%s%d.rgb", o->out, kernel);
  FILE *file = fopen(path, "wb");
  for (int i = 0; file && i < o->pixels * o->pixels; i++) {
    for (int c = 0; c < 3; c++) {
      float v = rgba[4 * (size_t)i + (size_t)c];
      (void)fputc((int)(fminf(fmaxf(v, 0.0f), 1.0f) * 255.0f + 0.5f), file);
    }
  }
  if (file) {
    (void)fclose(file);
  }
}

static int run(xac_renderer *r, xac_renderer *reference, const int64_t *n, const options *o,
               int kernel, beamcast_error *error) {
  xac_shading s;
  xac_shading_default(&s);
  s.kernel = kernel;
  xac_renderer *both[2] = {r, reference};
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < 2 && both[i]; i++) {
    int64_t *cells;
    size_t count;
    if (xac_set_shading(both[i], &s, error) != BEAMCAST_OK ||
        (xac_light_needed(both[i]) && (xac_light_contribute(both[i], &cells, &count, error) ||
                                       xac_light_finish(both[i], error)))) {
      return die(error->message);
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &b);
  double light = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
  size_t pixels = (size_t)o->pixels * (size_t)o->pixels;
  float *rgba = malloc(pixels * 16), *other = malloc(pixels * 16);
  double *ms = calloc((size_t)o->frames, sizeof *ms), samples = 0.0, total = 0.0;
  size_t differing = 0;
  for (int frame = -1; frame < o->frames && rgba && other && ms; frame++) { /* -1 warms up */
    xac_camera camera;
    xac_quality q;
    xac_image image = {.rgba = rgba}, image2 = {.rgba = other};
    xac_stats stats;
    look(n, o, frame < 0 ? 0 : frame, &camera);
    xac_quality_default(&q, o->step);
    if (xac_render(r, &camera, &q, &image, &stats, error) != BEAMCAST_OK) {
      return die(error->message);
    }
    if (frame < 0) {
      if (o->out) {
        write_rgb(o, kernel, rgba);
      }
      continue;
    }
    ms[frame] = stats.milliseconds;
    total += stats.milliseconds;
    samples += (double)stats.samples;
    if (reference && xac_render(reference, &camera, &q, &image2, NULL, error) == BEAMCAST_OK) {
      for (size_t i = 0; i < 4 * pixels; i++) {
        differing += fabsf(rgba[i] - other[i]) > 2.0f / 255.0f;
      }
    }
  }
  if (ms) {
    qsort(ms, (size_t)o->frames, sizeof *ms, smaller_first);
    printf("{\"kernel\": %d, \"median_ms\": %.1f, \"best_ms\": %.1f, \"million_samples_a_frame\": "
           "%.1f, "
           "\"million_samples_a_second\": %.1f, \"light_ms\": %.1f",
           kernel, ms[o->frames / 2], ms[0], samples / o->frames * 1e-6, samples / total * 1e-3,
           light);
    if (reference) {
      printf(", \"differing_from_cpu\": %.6f",
             (double)differing / (4.0 * (double)pixels * o->frames));
    }
    printf(", \"what\": \"%s\"}\n", xac_describe(r));
  }
  free(rgba);
  free(other);
  free(ms);
  return 0;
}

int main(int count, char **arguments) {
  static const float plain[] = {0.9f, 0.3f,   0.2f, 0.002f, 0.4f, 0.8f,
                                0.3f, 0.004f, 0.3f, 0.4f,   0.9f, 0.006f};
  options o = {.spacing = {1, 1, 1},
               .step = 1,
               .range = {0, 1},
               .unit = 1,
               .pixels = 1024,
               .frames = 5,
               .backend = XAC_CPU,
               .kernels = {0, 1, 5},
               .kernel_count = 3};
  if (count < 6) {
    return die("usage: bench_render FILE NX NY NZ TYPE [key=value ...]") + 1;
  }
  for (int i = 6; i < count; i++) {
    read_option(arguments[i], &o);
  }
  xac_volume v = {.type = beamcast_type_from_name(arguments[5])};
  size_t bytes = 0, table_bytes = 0, needed = beamcast_type_size(v.type);
  for (int a = 0; a < 3; a++) {
    v.dims[a] = v.whole[a] = atoll(arguments[2 + a]);
    v.index_to_world[5 * a] = o.spacing[a];
    needed *= (size_t)v.dims[a];
  }
  void *data = read_file(arguments[1], &bytes);
  if (data == NULL || bytes < needed || needed == 0 || o.frames < 1 || o.pixels < 1) {
    return die("the file can't be read, is too short, or an option is absurd");
  }
  v.data = data;
  float *table = o.table ? read_file(o.table, &table_bytes) : NULL;
  xac_transfer t = {
      table ? table : plain, table ? (int)(table_bytes / 16) : 3, {o.range[0], o.range[1]}, o.unit};
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(o.backend, o.threads, &error);
  xac_renderer *reference = o.compare ? xac_create(XAC_CPU, o.threads, &error) : NULL;
  xac_renderer *both[2] = {r, reference};
  if (r == NULL) {
    return die(error.message);
  }
  printf("{\"read_gigabytes_a_second_one_core\": %.2f}\n", read_bandwidth(data, needed));
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < 2 && both[i]; i++) {
    if (xac_set_volume(both[i], &v, &error) || xac_set_transfer(both[i], &t, &error)) {
      return die(error.message);
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("{\"set_volume_ms\": %.1f}\n",
         (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6);
  int failed = 0;
  for (int k = 0; k < o.kernel_count && !failed; k++) {
    failed = run(r, reference, v.dims, &o, o.kernels[k], &error);
  }
  xac_destroy(r);
  xac_destroy(reference);
  free(table);
  free(data);
  return failed;
}
