/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A producer for the tests of the server and the source: pushes volumes whose every voxel can be
 * told from its place and its step. Prints "step N OK|DROPPED|<error>" for each step.
 *
 *   push_pattern CONTACT [name=volume] [shape=X,Y,Z] [type=float32] [producers=1]
 *                [first=0] [steps=1] [every=MS] [run=ID] [linger=MS]
 *
 * Voxel (x, y, z) of array "volume" in step s is (x + 7 y + 13 z + 31 s) mod 100, that of array
 * "step" (float32) is s. The volume is cut into slabs along y, one a producer.
 */
#include "beamcast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PRODUCERS_MAX = 16 };

typedef struct options {
  const char *contact, *name;
  uint64_t shape[3];
  int type, producers;
  uint64_t first, steps, run;
  long every, linger;
} options;

static void nap(long milliseconds) {
  const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* A whole number from 0 to 99 as binary16: exact. */
static uint16_t half(unsigned value) {
  unsigned exponent = 0;
  if (value == 0) {
    return 0;
  }
  while (value >> (exponent + 1)) {
    exponent++;
  }
  return (uint16_t)((exponent + 15) << 10 | ((value << (10 - exponent)) & 0x3ffu));
}

static void set_voxel(void *data, int type, uint64_t index, unsigned value) {
  switch (type) {
  case BEAMCAST_UINT8:
    ((uint8_t *)data)[index] = (uint8_t)value;
    break;
  case BEAMCAST_INT8:
    ((int8_t *)data)[index] = (int8_t)value;
    break;
  case BEAMCAST_UINT16:
    ((uint16_t *)data)[index] = (uint16_t)value;
    break;
  case BEAMCAST_INT16:
    ((int16_t *)data)[index] = (int16_t)value;
    break;
  case BEAMCAST_UINT32:
    ((uint32_t *)data)[index] = value;
    break;
  case BEAMCAST_INT32:
    ((int32_t *)data)[index] = (int32_t)value;
    break;
  case BEAMCAST_FLOAT16:
    ((uint16_t *)data)[index] = half(value);
    break;
  case BEAMCAST_FLOAT32:
    ((float *)data)[index] = (float)value;
    break;
  default:
    ((double *)data)[index] = (double)value;
  }
}

static int parse(int argc, char **argv, options *o) {
  *o = (options){.name = "volume",
                 .shape = {40, 30, 50},
                 .type = BEAMCAST_FLOAT32,
                 .producers = 1,
                 .steps = 1,
                 .run = 0};
  if (argc < 2) {
    return 0;
  }
  o->contact = argv[1];
  for (int i = 2; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) {
      return 0;
    }
    *value++ = '\0';
    if (strcmp(argv[i], "name") == 0) {
      o->name = value;
    } else if (strcmp(argv[i], "shape") == 0) {
      if (sscanf(value, "%lu,%lu,%lu", &o->shape[0], &o->shape[1], &o->shape[2]) != 3) {
        return 0;
      }
    } else if (strcmp(argv[i], "type") == 0) {
      o->type = beamcast_type_from_name(value);
    } else if (strcmp(argv[i], "producers") == 0) {
      o->producers = atoi(value);
    } else if (strcmp(argv[i], "first") == 0) {
      o->first = strtoull(value, NULL, 10);
    } else if (strcmp(argv[i], "steps") == 0) {
      o->steps = strtoull(value, NULL, 10);
    } else if (strcmp(argv[i], "every") == 0) {
      o->every = atol(value);
    } else if (strcmp(argv[i], "run") == 0) {
      o->run = strtoull(value, NULL, 10);
    } else if (strcmp(argv[i], "linger") == 0) {
      o->linger = atol(value);
    } else {
      return 0;
    }
  }
  return o->type != 0 && o->producers >= 1 && o->producers <= PRODUCERS_MAX;
}

int main(int argc, char **argv) {
  options o;
  if (!parse(argc, argv, &o)) {
    fputs("usage: see the head of push_pattern.c\n", stderr);
    return 2;
  }
  beamcast_error error = {0};
  beamcast_stream *streams[PRODUCERS_MAX];
  void *volumes[PRODUCERS_MAX];
  float *numbers[PRODUCERS_MAX];
  uint64_t start[PRODUCERS_MAX], rows[PRODUCERS_MAX];
  if (o.run == 0 && o.producers > 1) {
    o.run = (uint64_t)time(NULL) << 24 | (uint64_t)getpid();
  }
  for (int p = 0; p < o.producers; p++) {
    const beamcast_connect_options connect = {
        .name = o.name, .rank = p, .ranks = o.producers, .run_id = o.run, .time_limit = 30};
    start[p] = o.shape[1] * (uint64_t)p / (uint64_t)o.producers;
    rows[p] = o.shape[1] * (uint64_t)(p + 1) / (uint64_t)o.producers - start[p];
    const uint64_t voxels = o.shape[0] * rows[p] * o.shape[2];
    streams[p] = beamcast_connect(o.contact, &connect, &error);
    volumes[p] = malloc(voxels * beamcast_type_size(o.type) + 1);
    numbers[p] = malloc(voxels * sizeof *numbers[p] + 1);
    if (streams[p] == NULL || volumes[p] == NULL || numbers[p] == NULL) {
      fprintf(stderr, "connect: %s\n", error.message);
      return 1;
    }
  }
  for (uint64_t step = o.first; step < o.first + o.steps; step++) {
    int code = BEAMCAST_OK;
    for (int p = 0; p < o.producers; p++) {
      uint64_t index = 0;
      for (uint64_t z = 0; z < o.shape[2]; z++) {
        for (uint64_t y = start[p]; y < start[p] + rows[p]; y++) {
          for (uint64_t x = 0; x < o.shape[0]; x++, index++) {
            set_voxel(volumes[p], o.type, index,
                      (unsigned)((x + 7 * y + 13 * z + 31 * step) % 100));
            numbers[p][index] = (float)step;
          }
        }
      }
      const int begun = beamcast_begin_step(streams[p], step, (double)step * 0.5, &error);
      code = begun != BEAMCAST_OK ? begun : code;
    }
    for (int p = 0; p < o.producers; p++) {
      beamcast_brick brick = {.name = "volume",
                              .data = volumes[p],
                              .type = o.type,
                              .volume = {o.shape[0], o.shape[1], o.shape[2]},
                              .start = {0, start[p], 0},
                              .shape = {o.shape[0], rows[p], o.shape[2]},
                              .spacing = {1.0, 2.0, 3.0},
                              .origin = {10.0, 20.0, 30.0},
                              .unit = "1/cm",
                              .length_unit = "mm"};
      int put = beamcast_put(streams[p], &brick, &error);
      brick.name = "step";
      brick.data = numbers[p];
      brick.type = BEAMCAST_FLOAT32;
      brick.unit = NULL;
      put = put == BEAMCAST_OK ? beamcast_put(streams[p], &brick, &error) : put;
      if (put == BEAMCAST_OK) {
        put = beamcast_annotate(streams[p], "sample", "\"walnut\"", &error);
      }
      code = code == BEAMCAST_OK ? put : code;
    }
    for (int p = 0; p < o.producers; p++) {
      const int ended = beamcast_end_step(streams[p], &error);
      code = code == BEAMCAST_OK ? ended : code;
    }
    printf("step %lu %s\n", step,
           code == BEAMCAST_OK        ? "OK"
           : code == BEAMCAST_DROPPED ? "DROPPED"
                                      : error.message);
    fflush(stdout);
    if (code != BEAMCAST_OK && code != BEAMCAST_DROPPED) {
      return 1;
    }
    nap(o.every);
  }
  nap(o.linger);
  for (int p = 0; p < o.producers; p++) {
    beamcast_close(streams[p]);
    free(volumes[p]);
    free(numbers[p]);
  }
  return 0;
}
