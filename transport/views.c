/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The public calls that look at streams: settings, state, requests, and picking the step that all
 * ranks show. They run on the caller's thread and take the receiver's lock. */
#include <stdlib.h>
#include <string.h>

#include "server.h"

int bc_receiver_configure(bc_receiver *r, const char *stream, const bc_stream_settings *settings,
                          beamcast_error *error) {
  if (settings->slots < 0 || settings->keep < 0 || settings->slots > BC_SLOTS_MAX / 2 ||
      settings->keep > BC_SLOTS_MAX / 2 - 2 || settings->ghosts < 0 || settings->ghosts > 8) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "slots may be 1 to %d, kept steps 0 to %d, ghost planes 0 to 8",
                         BC_SLOTS_MAX / 2, BC_SLOTS_MAX / 2 - 2);
  }
  pthread_mutex_lock(&r->lock);
  bc_stream_state *state = r->rank == 0 ? bc_root_stream(r, stream, true) : NULL;
  if (state != NULL) {
    state->settings = *settings;
    state->settings.slots = settings->slots > 0 ? settings->slots : 3;
    bc_root_slots_changed(r, state);
  }
  pthread_mutex_unlock(&r->lock);
  bc_wake(r);
  return state ? BEAMCAST_OK
               : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                               "no stream can be added here: at most %d, on rank 0, names of 1 to "
                               "%d bytes",
                               BC_STREAMS_MAX, BC_NAME_MAX - 1);
}

void bc_receiver_status(bc_receiver *r, const char *stream, bc_stream_status *status) {
  memset(status, 0, sizeof *status);
  pthread_mutex_lock(&r->lock);
  bc_stream_state *state = r->rank == 0 ? bc_root_stream(r, stream, false) : NULL;
  if (state != NULL) {
    *status = state->status;
    status->known = state->known;
    status->run_id = state->run_id;
    status->producers_expected = (int)state->producers;
    status->newest_serial = state->newest;
    for (const bc_step *step = state->steps; step != NULL; step = step->next) {
      const bool open = step->state == BC_STEP_OPEN || step->state == BC_STEP_SEALING;
      status->arriving = open ? step->serial : status->arriving;
    }
    for (uint32_t i = 0; i < state->producers; i++) {
      status->producers += state->producer[i] != NULL;
    }
    for (int i = 0; i < BC_SLOTS_MAX; i++) {
      status->memory += state->slot_bytes[i];
    }
  }
  pthread_mutex_unlock(&r->lock);
}

void bc_receiver_streams(bc_receiver *r, char *text, size_t size) {
  size_t at = 0;
  if (size == 0) {
    return;
  }
  text[0] = '\0';
  pthread_mutex_lock(&r->lock);
  for (bc_stream_state *s = r->streams; s != NULL; s = s->next) {
    int more = s->known ? snprintf(text + at, size - at, "%s%s", at ? "\n" : "", s->name) : 0;
    at += more > 0 && (size_t)more < size - at ? (size_t)more : 0;
  }
  text[at] = '\0';
  pthread_mutex_unlock(&r->lock);
}

uint64_t bc_receiver_activity(bc_receiver *r) {
  pthread_mutex_lock(&r->lock);
  uint64_t activity = r->activity;
  pthread_mutex_unlock(&r->lock);
  return activity;
}

int bc_receiver_request(bc_receiver *r, const char *stream, const char *json,
                        beamcast_error *error) {
  size_t size = strlen(json);
  if (size > BC_REQUEST_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "a request may have %d bytes, this has %zu",
                         BC_REQUEST_MAX, size);
  }
  pthread_mutex_lock(&r->lock);
  bc_stream_state *s = r->rank == 0 ? bc_root_stream(r, stream, false) : NULL;
  int code = BEAMCAST_OK;
  char *copy = strdup(json);
  if (s == NULL || copy == NULL) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "there is no stream called %.100s", stream);
  } else if (s->requests_waiting == BC_REQUESTS_MAX) {
    code = beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "%d requests wait already for the producers' next step", BC_REQUESTS_MAX);
  } else {
    s->requests[s->requests_waiting++] = (bc_request){++s->request_number, copy};
    copy = NULL;
  }
  pthread_mutex_unlock(&r->lock);
  free(copy);
  return code;
}

/* --- steps by their number -----------------------------------------------------------------------
 */

bc_step *bc_step_kept(bc_stream_state *s, uint64_t number) {
  bc_step *found = NULL;
  for (bc_step *step = s->steps; step != NULL; step = step->next) {
    found = step->state == BC_STEP_COMPLETE && step->step == number ? step : found;
  }
  return found;
}

void bc_say_no_step(bc_stream_state *s, const char *name, bool any, uint64_t number,
                    char sentence[BC_SENTENCE_MAX]) {
  char there[256] = "";
  for (bc_step *step = s ? s->steps : NULL; step != NULL; step = step->next) {
    size_t at = strlen(there);
    /* of several runs with the same number one counts */
    if (bc_step_kept(s, step->step) == step && at < sizeof there - 24) {
      (void)snprintf(there + at, sizeof there - at, "%s%llu", at > 0 ? ", " : "",
                     (unsigned long long)step->step);
    }
  }
  if (any || there[0] == '\0') {
    (void)snprintf(sentence, BC_SENTENCE_MAX, "stream %s has no complete step yet", name);
  } else {
    (void)snprintf(sentence, BC_SENTENCE_MAX,
                   "stream %s has step %llu no more, or not yet; it has %s (the server keeps as "
                   "many steps as it was told to)",
                   name, (unsigned long long)number, there);
  }
}

/* --- picking -------------------------------------------------------------------------------------
 */

/* The step that `which` means, newer than serial `after`; NULL if there is none. */
static bc_step *choose(bc_stream_state *s, uint64_t after, bc_pick_which which) {
  bc_step *best = NULL;
  bool in_order = which == BC_PICK_NEXT && s->settings.policy == BC_ALL;
  for (bc_step *step = s->steps; step != NULL; step = step->next) {
    if (step->state == BC_STEP_COMPLETE && step->serial > after) {
      best = step;
      if (in_order) {
        break;
      }
    }
  }
  return best;
}

uint64_t bc_receiver_pick(bc_receiver *r, const char *stream, uint64_t after, bc_pick_which which) {
  pthread_mutex_lock(&r->lock);
  bc_stream_state *s = r->rank == 0 ? bc_root_stream(r, stream, false) : NULL;
  bc_step *step = s ? choose(s, after, which) : NULL;
  uint64_t serial = step ? bc_root_pick(r, s, step) : 0;
  pthread_mutex_unlock(&r->lock);
  return serial;
}

uint64_t bc_receiver_pick_kept(bc_receiver *r, const char *stream, uint64_t serial) {
  pthread_mutex_lock(&r->lock);
  bc_stream_state *s = r->rank == 0 ? bc_root_stream(r, stream, false) : NULL;
  bc_step *step = s ? bc_step_find(s, serial) : NULL;
  bool there = step != NULL && step->state == BC_STEP_COMPLETE;
  uint64_t picked = there ? bc_root_pick(r, s, step) : 0;
  pthread_mutex_unlock(&r->lock);
  return picked;
}

int bc_receiver_kept(bc_receiver *r, const char *stream, uint64_t *serials, int size) {
  int count = 0;
  pthread_mutex_lock(&r->lock);
  bc_stream_state *s = r->rank == 0 ? bc_root_stream(r, stream, false) : NULL;
  for (bc_step *step = s ? s->steps : NULL; step != NULL; step = step->next) {
    if (step->state == BC_STEP_COMPLETE && s->settings.keep > 0) {
      if (count < size) {
        serials[count] = step->serial;
      }
      count++;
    }
  }
  pthread_mutex_unlock(&r->lock);
  return count;
}

void bc_receiver_view_open(bc_receiver *r, const char *stream) {
  pthread_mutex_lock(&r->lock);
  bc_stream_state *s = r->rank == 0 ? bc_root_stream(r, stream, true) : NULL;
  if (s != NULL) {
    s->views++;
  }
  pthread_mutex_unlock(&r->lock);
}

void bc_receiver_view_close(bc_receiver *r, const char *stream) {
  pthread_mutex_lock(&r->lock);
  bc_stream_state *s = r->rank == 0 ? bc_root_stream(r, stream, false) : NULL;
  if (s != NULL && s->views > 0) {
    s->views--;
    bc_root_slots_changed(r, s);
  }
  pthread_mutex_unlock(&r->lock);
  bc_wake(r);
}
