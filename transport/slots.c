/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The root's books: streams, their steps, and which step is in which slot. root.c decides with
 * them. Called with the receiver's lock held; see server.h. */
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* --- streams -------------------------------------------------------------------------------------
 */

bc_stream_state *bc_root_stream(bc_receiver *r, const char *name, bool make) {
  int count = 0;
  for (bc_stream_state *s = r->streams; s != NULL; s = s->next) {
    if (strcmp(s->name, name) == 0) {
      return s;
    }
    count++;
  }
  size_t length = strlen(name);
  bc_stream_state *s = NULL;
  if (make && count < BC_STREAMS_MAX && length > 0 && length < BC_NAME_MAX) {
    s = calloc(1, sizeof *s);
  }
  if (s != NULL) {
    memcpy(s->name, name, length + 1);
    s->id = r->next_stream++;
    s->settings.slots = 3;
    s->settings.ghosts = 1;
    s->next = r->streams;
    r->streams = s;
  }
  return s;
}

bc_step *bc_step_find(bc_stream_state *s, uint64_t serial) {
  for (bc_step *step = s->steps; step != NULL; step = step->next) {
    if (step->serial == serial) {
      return step;
    }
  }
  return NULL;
}

bc_step *bc_root_step(bc_receiver *r, uint64_t serial, bc_stream_state **stream) {
  for (bc_stream_state *s = r->streams; s != NULL; s = s->next) {
    bc_step *step = bc_step_find(s, serial);
    if (step != NULL) {
      *stream = s;
      return step;
    }
  }
  return NULL;
}

/* --- steps ---------------------------------------------------------------------------------------
 */

static void step_free(bc_receiver *r, bc_step *step) {
  for (int i = 0; step->account != NULL && i < r->ranks; i++) {
    bc_writer_free(&step->account[i]);
  }
  for (uint32_t i = 0; i < step->request_count; i++) {
    free(step->requests[i].json);
  }
  free(step->account);
  free(step->accounts);
  free(step->flags);
  free(step->sessions);
  free(step->leases);
  free(step->header);
  free(step);
}

bc_step *bc_step_new(bc_receiver *r, bc_stream_state *s, uint64_t number, double time) {
  bc_step *step = calloc(1, sizeof *step);
  size_t ranks = (size_t)r->ranks;
  if (step == NULL) {
    return NULL;
  }
  step->producers = s->producers;
  step->flags = calloc(s->producers, 1);
  step->sessions = calloc(s->producers, sizeof(*step->sessions));
  step->account = calloc(ranks, sizeof(*step->account));
  step->accounts = calloc(ranks, sizeof(*step->accounts));
  step->leases = calloc(ranks, sizeof(*step->leases));
  if (step->flags == NULL || step->sessions == NULL || step->account == NULL ||
      step->accounts == NULL || step->leases == NULL) {
    step_free(r, step);
    return NULL;
  }
  step->serial = r->next_serial++;
  step->step = number;
  step->time = time;
  step->run_id = s->run_id;
  step->slot = -1;
  step->began = bc_now();
  step->request_count = s->requests_waiting;
  memcpy(step->requests, s->requests, sizeof step->requests);
  s->requests_waiting = 0;
  s->last_step = number;
  s->any_step = true;
  bc_step **at = &s->steps;
  while (*at != NULL) {
    at = &(*at)->next;
  }
  *at = step;
  return step;
}

void bc_step_remove(bc_receiver *r, bc_stream_state *s, bc_step *step) {
  for (bc_step **at = &s->steps; *at != NULL; at = &(*at)->next) {
    if (*at == step) {
      *at = step->next;
      break;
    }
  }
  if (step->slot >= 0) {
    s->slot[step->slot] = NULL;
  }
  step_free(r, step);
}

/* --- slots ---------------------------------------------------------------------------------------
 */

static bool leased(const bc_receiver *r, const bc_step *step) {
  for (int i = 0; i < r->ranks; i++) {
    if (step->leases[i] > 0) {
      return true;
    }
  }
  return step->viewers > 0;
}

/* Steps to keep: as asked for, within the bytes that they may take on a rank. */
static int steps_kept(const bc_receiver *r, const bc_stream_state *s) {
  uint64_t bytes = 0;
  for (int i = 0; i < BC_SLOTS_MAX; i++) {
    bytes = s->slot_bytes[i] > bytes ? s->slot_bytes[i] : bytes;
  }
  bytes /= (uint64_t)r->ranks;
  uint64_t room = s->settings.keep_bytes > 0 && bytes > 0 ? s->settings.keep_bytes / bytes
                                                          : (uint64_t)s->settings.keep;
  return room < (uint64_t)s->settings.keep ? (int)room : s->settings.keep;
}

int bc_slots_allowed(const bc_receiver *r, const bc_stream_state *s) {
  int slots = s->settings.slots + steps_kept(r, s);
  return s->fit > 0 && (int)s->fit < slots ? (int)s->fit : slots;
}

/* The oldest complete step whose slot may be taken; NULL if none may. The newest ones are kept,
 * also where older ones are still held. */
static bc_step *reusable(bc_receiver *r, bc_stream_state *s, int slots) {
  bool in_order = s->settings.policy == BC_ALL && s->views > 0;
  int newer = 0;
  for (bc_step *step = s->steps; step != NULL; step = step->next) {
    newer += step->state == BC_STEP_COMPLETE;
  }
  for (bc_step *step = s->steps; step != NULL; step = step->next) {
    if (step->state != BC_STEP_COMPLETE) {
      continue;
    }
    newer--;
    if (in_order && !step->shown) {
      continue;
    }
    if (s->settings.slots == 1 && slots == 1) {
      return step; /* one slot: what is shown is written over, as the user chose */
    }
    bool spare = newer >= steps_kept(r, s) && (step->serial != s->newest || slots == 1);
    if (spare && !leased(r, step)) {
      return step;
    }
  }
  return NULL;
}

/* A slot for a new step, -1 if none can be had now. */
int bc_slot_pick(bc_receiver *r, bc_stream_state *s) {
  int slots = bc_slots_allowed(r, s), fresh = -1, writing = 0;
  s->slot_wanted = false;
  for (int i = slots - 1; i >= 0; i--) {
    if (s->slot[i] == NULL) {
      fresh = fresh < 0 || s->slot_has_memory[i] || !s->slot_has_memory[fresh] ? i : fresh;
    } else {
      writing += s->slot[i]->state != BC_STEP_COMPLETE;
    }
  }
  if (fresh >= 0 && s->slot_has_memory[fresh]) {
    return fresh;
  }
  bc_step *old = reusable(r, s, slots);
  if (old != NULL) {
    int slot = old->slot;
    bc_step_remove(r, s, old);
    return slot;
  }
  s->slot_wanted = fresh < 0 && writing > 0;
  return fresh;
}

void bc_slot_forget(bc_receiver *r, bc_stream_state *s, int slot) {
  bc_writer writer = {0};
  for (int rank = 0; rank < r->ranks; rank++) {
    size_t begin = bc_message_begin(&writer, BC_FORGET);
    bc_put_u32(&writer, s->id);
    bc_put_u32(&writer, (uint32_t)slot);
    bc_message_end(&writer, begin);
    bc_to_rank(r, rank, &writer);
  }
  bc_writer_free(&writer);
  s->slot_has_memory[slot] = false;
  s->slot_bytes[slot] = 0;
}

/* --- leases --------------------------------------------------------------------------------------
 */

uint64_t bc_root_pick(bc_receiver *r, bc_stream_state *s, bc_step *step) {
  for (int rank = 0; rank < r->ranks; rank++) {
    step->leases[rank]++;
  }
  step->shown = true;
  bc_root_slots_changed(r, s);
  return step->serial;
}

void bc_root_released(bc_receiver *r, uint32_t rank, uint64_t serial, uint64_t count) {
  bc_stream_state *s = NULL;
  bc_step *step = bc_root_step(r, serial, &s);
  if (step != NULL) {
    step->leases[rank] -= count < step->leases[rank] ? count : step->leases[rank];
    bc_root_slots_changed(r, s);
  }
}

void bc_root_close(bc_receiver *r) {
  while (r->streams != NULL) {
    bc_stream_state *s = r->streams;
    r->streams = s->next;
    while (s->steps != NULL) {
      bc_step_remove(r, s, s->steps);
    }
    for (uint32_t i = 0; i < s->requests_waiting; i++) {
      free(s->requests[i].json);
    }
    free(s->producer);
    free(s);
  }
  while (r->producers != NULL) {
    bc_producer *p = r->producers;
    r->producers = p->next;
    free(p->declare);
    free(p);
  }
}
