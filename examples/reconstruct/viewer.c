/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A viewer that comes and goes, and what it asks: see show.h.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "show.h"

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Another number for another contact file; 0 when there is none. An address is always there, and so
 * is "-", where $BEAMCAST_BACKEND says where steps go. */
static uint64_t stamp_of(const char *contact) {
  struct stat status;
  if (strncmp(contact, "beamcast://", 11) == 0 || strcmp(contact, "-") == 0) {
    return 1;
  }
  return stat(contact, &status) != 0
             ? 0
             : (uint64_t)status.st_ino * 1000003u + (uint64_t)status.st_mtim.tv_sec * 1000000000u +
                   (uint64_t)status.st_mtim.tv_nsec;
}

int viewer_may_be_there(viewer *v) {
  int worth = 0;
  if (v->contact == NULL) {
    return 0;
  }
  if (v->options.rank == 0) {
    const uint64_t stamp = stamp_of(v->contact);
    worth = stamp != 0 && (stamp != v->stamp || seconds() >= v->again);
    v->stamp = stamp;
  }
  MPI_Bcast(&worth, 1, MPI_INT, 0, v->together);
  v->cost = seconds();
  return worth;
}

/* Whether ParaView's scripts run in this process: leaving would end them, too. */
static int has_scripts(const viewer *v) {
  const char *backend = getenv("BEAMCAST_BACKEND");
  return v->stream != NULL && backend != NULL &&
         (strcmp(backend, "catalyst") == 0 || strcmp(backend, "both") == 0);
}

void viewer_settle(viewer *v, const beamcast_error *error) {
  int broken = error->code != BEAMCAST_OK && error->code != BEAMCAST_DROPPED;
  if (v->contact == NULL) {
    return;
  }
  MPI_Allreduce(MPI_IN_PLACE, &broken, 1, MPI_INT, MPI_MAX, v->together);
  v->steps_shown += v->taken;
  v->steps_dropped += !v->taken;
  if (broken) {
    const char *why = error->code != BEAMCAST_OK ? error->message : "another rank has lost it";
    if (v->options.rank == 0 && strcmp(v->said, why) != 0) {
      fprintf(stderr, "reconstruct: goes on%s: %s\n",
              has_scripts(v) ? "; viewer or scripts had not all of this step"
                             : " without the viewer",
              why);
      snprintf(v->said, sizeof v->said, "%s", why);
    }
  }
  v->lost = broken && has_scripts(v);
  if (broken && !v->lost) {
    beamcast_close(v->stream);
    v->stream = NULL;
    v->again = seconds() + 20 * (seconds() - v->cost);
  }
}

static void note_region(wish *w, const json_t *region) {
  uint64_t wanted[6];
  for (int i = 0; i < 6; i++) {
    const json_t *number = json_array_get(region, (size_t)i);
    const uint64_t limit = w->size[i / 2];
    wanted[i] = json_is_null(region) ? (i % 2 ? limit : 0) : (uint64_t)json_integer_value(number);
    if ((!json_is_null(region) && !json_is_integer(number)) || wanted[i] > limit ||
        (i % 2 && wanted[i] <= wanted[i - 1])) {
      return;
    }
  }
  w->again = w->again || memcmp(w->region, wanted, sizeof wanted) != 0;
  memcpy(w->region, wanted, sizeof wanted);
}

void wish_note(wish *w, const char *json) {
  json_t *request = json_loads(json, 0, NULL);
  const json_t *centre = json_object_get(request, "centre");
  const json_t *region = json_object_get(request, "region");
  const double axis = json_number_value(centre);
  w->stop = w->stop || json_is_true(json_object_get(request, "stop"));
  if (json_is_number(centre) && fabs(axis) < 1e6) {
    w->again = w->again || axis != w->axis;
    w->axis = axis;
  }
  if (region != NULL) {
    note_region(w, region);
  }
  json_decref(request);
}
