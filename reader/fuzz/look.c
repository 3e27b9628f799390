/* SPDX-License-Identifier: BSD-3-Clause */
#include "look.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { MEMORY = 1 << 16, VOLUMES = 6 };

static void broken(const char *promise) {
  fprintf(stderr, "broken promise: %s\n", promise);
  abort();
}

#define PROMISE(kept) ((kept) ? (void)0 : broken(#kept))

static void check_error(int code, const beamcast_error *error) {
  PROMISE(code == BEAMCAST_OK || (error->code != 0 && error->message[0] != 0));
}

static void check_volume(const beamcast_hdf5_volume *v) {
  PROMISE(v->path != NULL && v->name != NULL && v->unit != NULL && v->filters != NULL);
  PROMISE(v->dimensions >= 2 && v->dimensions <= BEAMCAST_HDF5_MAX_DIMENSIONS);
  PROMISE(v->components >= 1 && v->times >= 1 && v->channels >= 1);
  for (int axis = 0; axis < 3; axis++) {
    PROMISE(v->size[axis] >= 1 && v->axis_name[axis] != NULL);
    PROMISE(isfinite(v->origin[axis]) && isfinite(v->spacing[axis]) && v->spacing[axis] > 0);
  }
}

static void read_volume(beamcast_hdf5_file *file, size_t index, uint8_t *memory) {
  beamcast_hdf5_wish wish = {.volume = index, .memory_limit = MEMORY, .ranks = 2};
  beamcast_hdf5_plan plan;
  beamcast_error error = {0};
  int code = beamcast_hdf5_plan_read(file, &wish, &plan, &error);
  check_error(code, &error);
  for (int rank = 0; code == BEAMCAST_OK && rank < 2; rank++) {
    int64_t extent[6];
    beamcast_hdf5_plan_piece(&plan, rank, 1, extent);
    const beamcast_hdf5_read_options options = {.threads = 1};
    if (plan.bytes <= MEMORY && extent[1] >= extent[0]) {
      code = beamcast_hdf5_read(file, &plan, extent, &options, memory, MEMORY, NULL, &error);
      check_error(code, &error);
    }
  }
}

void look_at(const char *path, const beamcast_hdf5_open_options *options) {
  static uint8_t memory[MEMORY];
  beamcast_hdf5_file *file = NULL;
  beamcast_error error = {0};
  int changed = 0;
  const int code = beamcast_hdf5_open(path, options, &file, &error);
  check_error(code, &error);
  if (code != BEAMCAST_OK) {
    return;
  }
  size_t count, missing, found;
  const beamcast_hdf5_volume *list = beamcast_hdf5_list(file, &count);
  PROMISE(count >= 1);
  for (size_t i = 0; i < count; i++) {
    check_volume(&list[i]);
    PROMISE(i == 0 || list[i].score <= list[i - 1].score);
  }
  const char *const *sentences = beamcast_hdf5_missing(file, &missing);
  for (size_t i = 0; i < missing; i++) {
    PROMISE(strlen(sentences[i]) > 10);
  }
  char *text = beamcast_hdf5_describe(file, 1);
  json_t *json = json_loads(text, 0, NULL);
  PROMISE(json != NULL);
  json_decref(json);
  free(text);
  free(beamcast_hdf5_describe(file, 0));
  for (size_t i = 0; i < count && i < VOLUMES; i++) {
    PROMISE(beamcast_hdf5_find(file, list[i].path, &found, &error) == BEAMCAST_OK && found == i);
    read_volume(file, i, memory);
  }
  check_error(beamcast_hdf5_find(file, "/entry/data/x", &found, &error), &error);
  check_error(beamcast_hdf5_refresh(file, &changed, &error), &error);
  beamcast_hdf5_close(file);
}
