/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Data back: fetches a box of a step that a running server holds. See beamcast.h.
 */
#include "beamcast.h"

#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "memory.h"

static const double default_limit = 30;

static int find_wanted(const bc_fetch_info *info, const char *name, beamcast_error *error) {
  for (uint32_t i = 0; i < info->plan->arrays; i++) {
    if ((info->arrays >> i & 1) != 0 &&
        (name == NULL || strcmp(info->plan->array[i].name, name) == 0)) {
      return (int)i;
    }
  }
  char there[400] = "";
  for (uint32_t i = 0; i < info->plan->arrays; i++) {
    size_t at = strlen(there);
    if ((info->arrays >> i & 1) != 0 && at < sizeof there - 1) {
      (void)snprintf(there + at, sizeof there - at, "%s%.100s", at > 0 ? ", " : "",
                     info->plan->array[i].name);
    }
  }
  beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the step has no array called %.100s; it has %s",
                name ? name : "", there[0] != '\0' ? there : "none");
  return -1;
}

static int fetch_into(bc_fetch *fetch, const char *array, const uint64_t start[3],
                      const uint64_t shape[3], double limit, beamcast_volume_data *out,
                      beamcast_error *error) {
  bc_fetch_info info;
  bc_fetch_describe(fetch, &info);
  int index = find_wanted(&info, array, error);
  if (index < 0) {
    return BEAMCAST_ERR_ARGUMENT;
  }
  const bc_array_spec *spec = &info.plan->array[index];
  const bc_grid *grid = &info.plan->grid;
  bc_box box = {0};
  for (int axis = 0; axis < 3; axis++) {
    box.start[axis] = start ? start[axis] : 0;
    box.shape[axis] = shape ? shape[axis] : grid->volume[axis] - box.start[axis];
    if (box.shape[axis] > grid->volume[axis]) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "the box asked for is larger than the volume");
    }
  }
  uint64_t bytes = bc_volume_bytes(box.shape, bc_plan_voxel_bytes(info.plan, (uint32_t)index));
  void *data = malloc(bytes > 0 ? bytes : 1);
  if (data == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no %.2f GiB of memory for the voxels",
                         (double)bytes / (1 << 30));
  }
  const char *wire = getenv("BEAMCAST_WIRE");
  int code = bc_fetch_read(fetch, (uint32_t)index, &box, data, wire && wire[0] ? wire : NULL, limit,
                           error);
  if (code != BEAMCAST_OK) {
    free(data);
    return code;
  }
  out->data = data;
  out->type = (int)spec->type;
  out->components = (int)spec->components;
  out->step = info.step;
  out->time = info.time;
  memcpy(out->start, box.start, sizeof out->start);
  memcpy(out->shape, box.shape, sizeof out->shape);
  memcpy(out->volume, grid->volume, sizeof out->volume);
  memcpy(out->spacing, grid->spacing, sizeof out->spacing);
  memcpy(out->origin, grid->origin, sizeof out->origin);
  (void)snprintf(out->name, sizeof out->name, "%s", spec->name);
  (void)snprintf(out->unit, sizeof out->unit, "%s", spec->unit);
  (void)snprintf(out->length_unit, sizeof out->length_unit, "%s", grid->length_unit);
  out->header = strdup(info.header);
  return BEAMCAST_OK;
}

int beamcast_stream_retrieve_step(const char *contact, const char *stream, const uint64_t *step,
                                  const char *array, const uint64_t start[3],
                                  const uint64_t shape[3], double time_limit,
                                  beamcast_volume_data *out, beamcast_error *error) {
  const double limit = time_limit > 0 ? time_limit : default_limit;
  if (out == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "retrieve needs a place for its result");
  }
  memset(out, 0, sizeof *out);
  beamcast_error why = {0};
  bc_fetch *fetch = bc_fetch_open(contact, NULL, stream ? stream : "volume", step, limit, &why);
  int code = fetch ? fetch_into(fetch, array, start, shape, limit, out, &why) : why.code;
  bc_fetch_close(fetch);
  if (code != BEAMCAST_OK && error != NULL) {
    *error = why;
  }
  return code;
}

int beamcast_stream_retrieve(const char *contact, const char *stream, const char *array,
                             const uint64_t start[3], const uint64_t shape[3], double time_limit,
                             beamcast_volume_data *out, beamcast_error *error) {
  return beamcast_stream_retrieve_step(contact, stream, NULL, array, start, shape, time_limit, out,
                                       error);
}

void beamcast_volume_free(beamcast_volume_data *volume) {
  if (volume != NULL) {
    free(volume->data);
    free(volume->header);
    memset(volume, 0, sizeof *volume);
  }
}
