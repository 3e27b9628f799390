/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A rank's slots: what the root opens for a step, its memory, and how it is taken back. Runs with
 * the receiver's lock held, but for the allocation; see server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "landing.h"

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

void bc_slot_revoke(bc_receiver *r, const bc_slot *slot) {
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    if (slot->array[i].memory != NULL) {
      bc_verbs_server_revoke(r->verbs, 0, slot->array[i].memory);
    }
  }
}

void bc_slot_clear(bc_receiver *r, bc_slot *slot) {
  bc_landing_forget(r, slot);
  bc_slot_revoke(r, slot);
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

void bc_slot_release_memory(bc_receiver *r, bc_slot *slot) {
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
      bc_landing_forget_array(r, slot, i);
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
  bc_rank_answer(r, BC_OPENED, serial, code, bytes, sentence);
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
  bool ours = slot->serial == job->serial, wanted = ours && code == BEAMCAST_OK;
  for (int i = 0; i < BC_ARRAYS_MAX; i++) {
    if (wanted && job->memory[i] != NULL) {
      slot->array[i].memory = job->memory[i];
    } else {
      r->slot_memory -= job->bytes[i];
      bc_memory_release(job->memory[i]);
    }
  }
  slot->open = ours ? wanted && !slot->aborted : slot->open;
  if (ours && slot->open) {
    bc_landing_begin(r, slot);
  }
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
static void replan(const bc_receiver *r, bc_slot *slot, const bc_plan *plan) {
  for (uint32_t i = 0; i < slot->plan.arrays; i++) {
    if (slot->plan.array[i].type != plan->array[i].type ||
        slot->plan.array[i].components != plan->array[i].components) {
      bc_landing_forget_array(r, slot, i);
      slot->array[i].count = 0;
      slot->array[i].too_many = false;
      slot->replanned = true;
    }
  }
}

void bc_slot_open(bc_receiver *r, bc_reader *reader) {
  bc_plan plan;
  beamcast_error error = {0};
  uint64_t serial = bc_get_u64(reader);
  uint32_t stream = bc_get_u32(reader), index = bc_get_u32(reader);
  if (!bc_get_plan(reader, &plan) || index >= BC_SLOTS_MAX) {
    bc_rank_answer(r, BC_OPENED, serial, BEAMCAST_ERR_PROTOCOL, 0,
                   "the root's message makes no sense");
    return;
  }
  bc_slot *slot = slot_at(r, stream, index);
  if (slot == NULL) {
    bc_rank_answer(r, BC_OPENED, serial, BEAMCAST_ERR_MEMORY, 0, "out of memory");
    return;
  }
  if (slot->serial == serial && same_boxes(&slot->plan, &plan)) {
    replan(r, slot, &plan);
  } else {
    bool replanned = slot->serial == serial && slot->plan.arrays > 0;
    bc_slot_clear(r, slot);
    slot->serial = serial;
    slot->replanned = replanned;
  }
  slot->plan = plan;
  bc_layout(plan.grid.volume, (int)plan.split, r->rank, r->ranks, (int)plan.ghosts, &slot->own,
            &slot->box);
  uint64_t lacks[BC_ARRAYS_MAX], more = slot_lacks(r, slot, lacks);
  if (more == 0) {
    slot->open = true;
    bc_landing_begin(r, slot);
    slot_opened(r, slot, serial, BEAMCAST_OK, "");
    return;
  }
  int code = start_allocation(r, slot, lacks, more, &error);
  if (code != BEAMCAST_OK) {
    bc_slot_clear(r, slot);
    bc_slot_release_memory(r, slot);
    slot_opened(r, slot, serial, code, error.message);
  }
}
