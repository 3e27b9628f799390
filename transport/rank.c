/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every rank of the server does with its part of a step: prepares the slot, counts what lands,
 * fills what nobody wrote, and makes a frame of it when the root says that all is there. It decides
 * nothing. Handlers run with the receiver's lock held; see server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "landing.h"

bc_slot *bc_rank_slot(bc_receiver *r, uint64_t serial) {
  for (size_t i = 0; serial != 0 && i < r->slot_count; i++) {
    if (r->slots[i]->serial == serial) {
      return r->slots[i];
    }
  }
  return NULL;
}

bc_session *bc_rank_session(bc_receiver *r, uint64_t id) {
  for (size_t i = 0; id != 0 && i < r->session_count; i++) {
    if (r->sessions[i].id == id) {
      return &r->sessions[i];
    }
  }
  return NULL;
}

void bc_rank_answer(bc_receiver *r, bc_message_type type, uint64_t about, int code, uint64_t number,
                    const char *sentence) {
  bc_writer writer = {0};
  bc_put_verdict(&writer, type, about, (uint32_t)code, number, sentence);
  bc_to_root(r, &writer);
  bc_writer_free(&writer);
}

/* --- sealing -------------------------------------------------------------------------------------
 */

static bc_landed *landed_of(bc_slot *slot, uint64_t session) {
  for (size_t i = 0; i < slot->landed_count; i++) {
    if (slot->landed[i].session == session) {
      return &slot->landed[i];
    }
  }
  if (slot->landed_count == slot->landed_capacity) {
    size_t capacity = slot->landed_capacity ? 2 * slot->landed_capacity : 8;
    bc_landed *landed = realloc(slot->landed, capacity * sizeof *landed);
    if (landed == NULL) {
      return NULL;
    }
    slot->landed = landed;
    slot->landed_capacity = capacity;
  }
  bc_landed *mine = &slot->landed[slot->landed_count++];
  *mine = (bc_landed){.session = session};
  return mine;
}

typedef struct filling {
  const bc_slot *slot;
  uint32_t array;
} filling;

static void fill_gap(void *context, const bc_box *gap) {
  const filling *f = context;
  const bc_array_spec *spec = &f->slot->plan.array[f->array];
  bc_fill_box(f->slot->array[f->array].memory->data, &f->slot->box, gap, (int)spec->type,
              (int)spec->components, spec->fill);
}

/* Filling may take long: the lock is released meanwhile, `busy` keeps the slot as it is. */
static bool fill_gaps(bc_receiver *r, bc_slot *slot, uint64_t arrays) {
  bool good = true;
  slot->busy++;
  pthread_mutex_unlock(&r->lock);
  for (uint32_t i = 0; i < slot->plan.arrays && good; i++) {
    filling f = {slot, i};
    if ((arrays >> i & 1) != 0 && slot->array[i].memory != NULL) {
      good = bc_gaps(&slot->box, slot->array[i].boxes, slot->array[i].count, fill_gap, &f);
    }
  }
  pthread_mutex_lock(&r->lock);
  if (--slot->busy == 0) {
    pthread_cond_broadcast(&r->idle);
  }
  return good;
}

/* Answers SEAL if it can be answered now: everything is there, or never will be. */
static void try_seal(bc_receiver *r, bc_slot *slot) {
  if (!slot->sealing || slot->busy > 0) {
    return;
  }
  bc_reader reader = bc_reader_of(slot->seal, slot->seal_size);
  uint64_t serial = bc_get_u64(&reader), arrays = bc_get_u64(&reader);
  uint32_t count = bc_get_u32(&reader);
  uint64_t total = 0;
  uint32_t wires = 0;
  char sentence[BC_SENTENCE_MAX] = "";
  for (uint32_t i = 0; i < count && sentence[0] == '\0'; i++) {
    uint64_t session = bc_get_u64(&reader), expected = bc_get_u64(&reader);
    bc_landed *landed = landed_of(slot, session);
    bc_session *known = bc_rank_session(r, session);
    if (landed == NULL || landed->bytes > expected) {
      (void)snprintf(sentence, sizeof sentence, "more bytes landed than the producer sent");
    } else if (landed->bytes < expected) {
      if (known != NULL && known->conns > 0) {
        return; /* still under way */
      }
      (void)snprintf(sentence, sizeof sentence,
                     "the connection of a producer broke before all its bytes had landed");
    } else {
      total += landed->bytes;
      wires |= landed->wires;
    }
  }
  for (uint32_t i = 0; i < slot->plan.arrays; i++) {
    if (slot->array[i].too_many) {
      (void)snprintf(sentence, sizeof sentence,
                     "more than %d bricks of one array in a step that do not join: put larger ones",
                     BC_BOXES_MAX);
    }
  }
  slot->sealing = false;
  slot->open = false;
  bc_slot_revoke(r, slot);
  if (sentence[0] == '\0') {
    bool filled = fill_gaps(r, slot, arrays);
    if (slot->serial != serial) {
      return; /* given up while it was filled */
    }
    slot->frame = filled && !reader.bad ? bc_frame_make(r, slot, &reader, arrays) : NULL;
    if (slot->frame == NULL) {
      (void)snprintf(sentence, sizeof sentence, "rank %d ran out of memory", r->rank);
    }
  }
  bc_writer writer = {0};
  size_t begin = bc_message_begin(&writer, BC_SEALED);
  bc_put_u64(&writer, serial);
  bc_put_u32(&writer, sentence[0] ? BEAMCAST_ERR_CONNECTION : BEAMCAST_OK);
  bc_put_u64(&writer, total);
  bc_put_text(&writer, sentence);
  bc_put_u32(&writer, wires);
  bc_message_end(&writer, begin);
  bc_to_root(r, &writer);
  bc_writer_free(&writer);
}

void bc_rank_landed(bc_receiver *r, bc_slot *slot, uint64_t session, const bc_span *span,
                    uint32_t wire) {
  bc_slot_array *array = &slot->array[span->array];
  bc_landed *landed = landed_of(slot, session);
  if (landed == NULL) {
    array->too_many = true;
    return;
  }
  landed->bytes += span->bytes;
  landed->wires |= wire;
  if (array->count == array->capacity && array->capacity < BC_BOXES_MAX) {
    size_t capacity = array->capacity ? 2 * array->capacity : 16;
    bc_box *boxes = realloc(array->boxes, capacity * sizeof *boxes);
    if (boxes != NULL) {
      array->boxes = boxes;
      array->capacity = capacity;
    }
  }
  if (!bc_boxes_add(array->boxes, &array->count, array->capacity, &span->box)) {
    array->too_many = true;
  }
  try_seal(r, slot);
}

static void seal(bc_receiver *r, const unsigned char *body, size_t size) {
  bc_reader reader = bc_reader_of(body, size);
  uint64_t serial = bc_get_u64(&reader);
  bc_slot *slot = bc_rank_slot(r, serial);
  if (slot == NULL) {
    bc_rank_answer(r, BC_SEALED, serial, BEAMCAST_ERR_PROTOCOL, 0, "the step is not here");
    return;
  }
  free(slot->seal);
  slot->seal = malloc(size);
  if (slot->seal == NULL) {
    bc_rank_answer(r, BC_SEALED, serial, BEAMCAST_ERR_MEMORY, 0, "out of memory");
    return;
  }
  memcpy(slot->seal, body, size);
  slot->seal_size = size;
  slot->sealing = true;
  try_seal(r, slot);
}

/* --- sessions: producers, as this rank knows them ------------------------------------------------
 */

static void session_add(bc_receiver *r, bc_reader *reader) {
  bc_session session = {.id = bc_get_u64(reader)};
  session.stream = bc_get_u32(reader);
  session.producer = bc_get_u32(reader);
  bc_session *place = NULL;
  for (size_t i = 0; i < r->session_count; i++) {
    if (r->sessions[i].id == 0) {
      place = &r->sessions[i];
    }
  }
  if (place == NULL) {
    bc_session *sessions = realloc(r->sessions, (r->session_count + 1) * sizeof *sessions);
    if (sessions == NULL) {
      return; /* never acknowledged: the producer runs into its time limit */
    }
    r->sessions = sessions;
    place = &sessions[r->session_count++];
  }
  *place = session;
  bc_writer writer = {0};
  bc_put_number(&writer, BC_SESSION, session.id);
  bc_to_root(r, &writer);
  bc_writer_free(&writer);
}

static void session_end(bc_receiver *r, bc_session *session) {
  const bc_session ended = *session; /* the list may move while slot_clear waits */
  bc_writer writer = {0};
  uint64_t replaced = 0;
  /* a live peer may still write into what it has mapped: let it have that, and take other memory */
  for (uint32_t i = 0; ended.dirty && i < ended.serial_count; i++) {
    bc_slot *slot = bc_rank_slot(r, ended.serials[i]);
    if (slot != NULL && slot->frame == NULL) {
      bc_slot_clear(r, slot);
      bc_slot_release_memory(r, slot);
      replaced = 1;
    }
  }
  bc_put_pair(&writer, BC_EXPELLED, ended.id, replaced);
  session = bc_rank_session(r, ended.id);
  if (session != NULL) {
    session->id = 0;
  }
  bc_to_root(r, &writer);
  bc_writer_free(&writer);
}

static void expel(bc_receiver *r, bc_reader *reader) {
  bc_session *session = bc_rank_session(r, bc_get_u64(reader));
  uint32_t count = bc_get_u32(reader);
  if (session == NULL) {
    return;
  }
  for (uint32_t i = 0; i < count && session->serial_count < BC_SLOTS_MAX; i++) {
    session->serials[session->serial_count++] = bc_get_u64(reader);
  }
  session->expelled = true;
  if (session->conns == 0) {
    session_end(r, session);
  } else {
    bc_data_expel(r, session->id);
  }
}

void bc_rank_conn_ended(bc_receiver *r, uint64_t id, bool clean) {
  bc_session *session = bc_rank_session(r, id);
  if (session == NULL) {
    return;
  }
  uint32_t stream = session->stream;
  session->dirty = session->dirty || !clean;
  if (--session->conns > 0) {
    return;
  }
  for (size_t i = 0; i < r->slot_count; i++) {
    if (r->slots[i]->stream == stream) {
      try_seal(r, r->slots[i]);
    }
  }
  session = bc_rank_session(r, id);
  if (session != NULL && session->expelled) {
    session_end(r, session);
  } else if (session != NULL) {
    bc_rank_answer(r, BC_LOST, id, BEAMCAST_ERR_CONNECTION, 0, "its data connections have ended");
  }
}

/* --- the root's messages -------------------------------------------------------------------------
 */

static void forget(bc_receiver *r, bc_reader *reader) {
  uint32_t stream = bc_get_u32(reader), index = bc_get_u32(reader);
  for (size_t i = 0; i < r->slot_count; i++) {
    if (r->slots[i]->stream == stream && r->slots[i]->index == index) {
      bc_slot_clear(r, r->slots[i]);
      bc_slot_release_memory(r, r->slots[i]);
    }
  }
}

void bc_rank_message(bc_receiver *r, uint32_t type, const unsigned char *body, size_t size) {
  bc_reader reader = bc_reader_of(body, size);
  bc_slot *slot;
  switch (type) {
  case BC_SESSION:
    session_add(r, &reader);
    break;
  case BC_OPEN_STEP:
    bc_slot_open(r, &reader);
    break;
  case BC_SEAL:
    seal(r, body, size);
    break;
  case BC_ABORT:
    slot = bc_rank_slot(r, bc_get_u64(&reader));
    if (slot != NULL) {
      bc_landing_forget(r, slot);
      slot->open = slot->sealing = false;
      slot->aborted = true;
    }
    break;
  case BC_EXPEL:
    expel(r, &reader);
    break;
  case BC_FORGET:
    forget(r, &reader);
    break;
  default:
    bc_log(r, "rank %d: the root sent message %u, which is unknown", r->rank, type);
  }
}

void bc_rank_close(bc_receiver *r) {
  for (size_t i = 0; i < r->slot_count; i++) {
    bc_slot *slot = r->slots[i];
    bc_slot_clear(r, slot);
    bc_slot_release_memory(r, slot);
    for (int k = 0; k < BC_ARRAYS_MAX; k++) {
      free(slot->array[k].boxes);
    }
    free(slot->landed);
    free(slot);
  }
  free(r->slots);
  free(r->sessions);
  r->slots = NULL;
  r->sessions = NULL;
  r->slot_count = r->session_count = 0;
}
