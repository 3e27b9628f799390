/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every rank of the server does with its part of a step: prepares the slot, counts what lands,
 * fills what nobody wrote, and makes a frame of it when the root says that all is there. It decides
 * nothing. Handlers run with the receiver's lock held; see server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

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

static bc_slot *slot_at(bc_receiver *r, uint32_t stream, uint32_t index) {
  for (size_t i = 0; i < r->slot_count; i++) {
    if (r->slots[i]->stream == stream && r->slots[i]->index == index) {
      return r->slots[i];
    }
  }
  bc_slot **slots = realloc(r->slots, (r->slot_count + 1) * sizeof(*slots));
  bc_slot *slot = calloc(1, sizeof *slot);
  if (slots != NULL) {
    r->slots = slots;
  }
  if (slots == NULL || slot == NULL) {
    free(slot);
    return NULL;
  }
  slot->stream = stream;
  slot->index = index;
  return r->slots[r->slot_count++] = slot;
}

static void answer(bc_receiver *r, bc_message_type type, uint64_t about, int code, uint64_t number,
                   const char *sentence) {
  bc_writer writer = {0};
  bc_put_verdict(&writer, type, about, (uint32_t)code, number, sentence);
  bc_to_root(r, &writer);
  bc_writer_free(&writer);
}

/* --- opening a slot ------------------------------------------------------------------------------
 */

/* Nobody writes into the slot over RDMA any more. Producers that have not ended the step lose their
 * connection by it. */
static void slot_revoke(bc_receiver *r, const bc_slot *slot) {
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    if (slot->array[i].memory != NULL) {
      bc_verbs_server_revoke(r->verbs, 0, slot->array[i].memory);
    }
  }
}

static void slot_clear(bc_receiver *r, bc_slot *slot) {
  slot_revoke(r, slot);
  slot->open = slot->sealing = slot->aborted = slot->replanned = false;
  slot->serial = 0;
  while (slot->busy > 0) {
    pthread_cond_wait(&r->idle, &r->lock);
  }
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    slot->array[i].count = 0;
    slot->array[i].too_many = false;
  }
  slot->landed_count = 0;
  free(slot->seal);
  slot->seal = NULL;
  if (slot->frame != NULL) {
    (void)bc_frame_drop(r, slot->frame);
    slot->frame = NULL;
  }
}

static void slot_release_memory(bc_receiver *r, bc_slot *slot) {
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    if (slot->array[i].memory != NULL) {
      r->slot_memory -= slot->array[i].memory->size;
      bc_memory_release(slot->array[i].memory);
      slot->array[i].memory = NULL;
    }
  }
}

static uint64_t wanted_bytes(const bc_slot *slot, const bc_plan *plan, uint32_t array) {
  return bc_volume_bytes(slot->box.shape, bc_plan_voxel_bytes(plan, array));
}

static uint64_t memory_limit(const bc_receiver *r) {
  uint64_t limit = r->options.memory_limit;
  if (limit == 0) {
    int share = r->options.ranks_on_host > 0 ? r->options.ranks_on_host : 1;
    limit = r->slot_memory + (uint64_t)(0.8 * (double)bc_memory_available()) / (uint64_t)share;
  }
  return limit;
}

/* Memory that a slot still lacks, allocated on a thread of its own: it may take long. */
typedef struct allocation {
  bc_receiver *receiver;
  bc_slot *slot;
  uint64_t serial;
  uint64_t bytes[BC_ARRAYS_MAX]; /* 0: nothing to do */
  bc_memory *memory[BC_ARRAYS_MAX];
} allocation;

/* What the slot lacks under its plan; returns the bytes of it. Memory of another size is given
 * back. */
static uint64_t slot_lacks(bc_receiver *r, bc_slot *slot, uint64_t lacks[BC_ARRAYS_MAX]) {
  uint64_t sum = 0;
  memset(lacks, 0, BC_ARRAYS_MAX * sizeof *lacks);
  for (uint32_t i = 0; i < slot->plan.arrays; i++) {
    uint64_t bytes = wanted_bytes(slot, &slot->plan, i);
    bc_memory *memory = slot->array[i].memory;
    if (memory != NULL && memory->size != bytes) {
      bc_verbs_server_revoke(r->verbs, 0, memory);
      r->slot_memory -= memory->size;
      bc_memory_release(memory);
      slot->array[i].memory = memory = NULL;
    }
    lacks[i] = memory == NULL ? bytes : 0;
    sum += lacks[i];
  }
  return sum;
}

static void slot_opened(bc_receiver *r, bc_slot *slot, uint64_t serial, int code,
                        const char *sentence) {
  uint64_t bytes = 0;
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    bytes += slot->array[i].memory ? slot->array[i].memory->size : 0;
  }
  answer(r, BC_OPENED, serial, code, bytes, sentence);
}

static void *allocate(void *argument) {
  allocation *job = argument;
  bc_receiver *r = job->receiver;
  bc_slot *slot = job->slot;
  beamcast_error error = {0};
  int code = BEAMCAST_OK;
  for (int i = 0; i < BC_ARRAYS_MAX && code == BEAMCAST_OK; i++) {
    job->memory[i] = job->bytes[i] > 0 ? bc_memory_new(job->bytes[i], &error) : NULL;
    code = job->bytes[i] > 0 && job->memory[i] == NULL ? BEAMCAST_ERR_MEMORY : BEAMCAST_OK;
  }
  pthread_mutex_lock(&r->lock);
  bool wanted = slot->serial == job->serial && code == BEAMCAST_OK;
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    if (wanted && job->memory[i] != NULL) {
      slot->array[i].memory = job->memory[i];
    } else {
      r->slot_memory -= job->bytes[i];
      bc_memory_release(job->memory[i]);
    }
  }
  slot->open = wanted && !slot->aborted;
  slot_opened(r, slot, job->serial, code, error.message);
  r->jobs--;
  pthread_cond_broadcast(&r->idle);
  pthread_mutex_unlock(&r->lock);
  free(job);
  return NULL;
}

/* Begins to allocate what the slot lacks; BEAMCAST_OK if OPENED will follow. */
static int start_allocation(bc_receiver *r, bc_slot *slot, const uint64_t lacks[BC_ARRAYS_MAX],
                            uint64_t more, beamcast_error *error) {
  uint64_t limit = memory_limit(r);
  if (more > limit || r->slot_memory > limit - more) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "rank %d of the server has %.2f GiB of slots and needs %.2f GiB more, its "
                         "limit is %.2f GiB: raise BEAMCAST_MEMORY_LIMIT at the server, use more "
                         "ranks, or fewer slots",
                         r->rank, (double)r->slot_memory / (1 << 30), (double)more / (1 << 30),
                         (double)limit / (1 << 30));
  }
  allocation *job = calloc(1, sizeof *job);
  pthread_t thread;
  if (job == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  job->receiver = r;
  job->slot = slot;
  job->serial = slot->serial;
  memcpy(job->bytes, lacks, sizeof job->bytes);
  if (pthread_create(&thread, NULL, allocate, job) != 0) {
    free(job);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no thread could be started");
  }
  (void)pthread_detach(thread);
  r->slot_memory += more;
  r->jobs++;
  return BEAMCAST_OK;
}

/* Whether arrays that the new plan has in common with the old one stay where they are. */
static bool same_boxes(const bc_plan *old, const bc_plan *new) {
  return memcmp(old->grid.volume, new->grid.volume, sizeof old->grid.volume) == 0 &&
         old->split == new->split && old->ghosts == new->ghosts && old->arrays <= new->arrays;
}

/* Takes the plan for a step that is open already: what has landed in arrays of another type is
 * void. */
static void replan(bc_slot *slot, const bc_plan *plan) {
  for (uint32_t i = 0; i < slot->plan.arrays; i++) {
    if (slot->plan.array[i].type != plan->array[i].type ||
        slot->plan.array[i].components != plan->array[i].components) {
      slot->array[i].count = 0;
      slot->array[i].too_many = false;
      slot->replanned = true;
    }
  }
}

static void open_step(bc_receiver *r, bc_reader *reader) {
  bc_plan plan;
  beamcast_error error = {0};
  uint64_t serial = bc_get_u64(reader);
  uint32_t stream = bc_get_u32(reader), index = bc_get_u32(reader);
  if (!bc_get_plan(reader, &plan) || index >= BC_SLOTS_MAX) {
    answer(r, BC_OPENED, serial, BEAMCAST_ERR_PROTOCOL, 0, "the root's message makes no sense");
    return;
  }
  bc_slot *slot = slot_at(r, stream, index);
  if (slot == NULL) {
    answer(r, BC_OPENED, serial, BEAMCAST_ERR_MEMORY, 0, "out of memory");
    return;
  }
  if (slot->serial == serial && same_boxes(&slot->plan, &plan)) {
    replan(slot, &plan);
  } else {
    bool replanned = slot->serial == serial && slot->plan.arrays > 0;
    slot_clear(r, slot);
    slot->serial = serial;
    slot->replanned = replanned;
  }
  slot->plan = plan;
  bc_layout(plan.grid.volume, (int)plan.split, r->rank, r->ranks, (int)plan.ghosts, &slot->own,
            &slot->box);
  uint64_t lacks[BC_ARRAYS_MAX], more = slot_lacks(r, slot, lacks);
  if (more == 0) {
    slot->open = true;
    slot_opened(r, slot, serial, BEAMCAST_OK, "");
    return;
  }
  int code = start_allocation(r, slot, lacks, more, &error);
  if (code != BEAMCAST_OK) {
    slot_clear(r, slot);
    slot_release_memory(r, slot);
    slot_opened(r, slot, serial, code, error.message);
  }
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
  slot_revoke(r, slot);
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
    answer(r, BC_SEALED, serial, BEAMCAST_ERR_PROTOCOL, 0, "the step is not here");
    return;
  }
  free(slot->seal);
  slot->seal = malloc(size);
  if (slot->seal == NULL) {
    answer(r, BC_SEALED, serial, BEAMCAST_ERR_MEMORY, 0, "out of memory");
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
      slot_clear(r, slot);
      slot_release_memory(r, slot);
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
    answer(r, BC_LOST, id, BEAMCAST_ERR_CONNECTION, 0, "its data connections have ended");
  }
}

/* --- the root's messages -------------------------------------------------------------------------
 */

static void forget(bc_receiver *r, bc_reader *reader) {
  uint32_t stream = bc_get_u32(reader), index = bc_get_u32(reader);
  for (size_t i = 0; i < r->slot_count; i++) {
    if (r->slots[i]->stream == stream && r->slots[i]->index == index) {
      slot_clear(r, r->slots[i]);
      slot_release_memory(r, r->slots[i]);
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
    open_step(r, &reader);
    break;
  case BC_SEAL:
    seal(r, body, size);
    break;
  case BC_ABORT:
    slot = bc_rank_slot(r, bc_get_u64(&reader));
    if (slot != NULL) {
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
    slot_clear(r, slot);
    slot_release_memory(r, slot);
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
