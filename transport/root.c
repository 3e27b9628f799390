/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The root's decisions: which step gets which slot, and when it is given up; when it is complete
 * says root_seal.c. Handlers run on the control thread with the receiver's lock held; see server.h.
 *
 * A step: BEGIN makes it. With a slot it is OPENING until all ranks have prepared the slot, then
 * OPEN; when all producers have ended it, SEALING until all ranks have all bytes; then COMPLETE.
 * Given up, it is ABORTING until every producer that was granted it has said END or is gone for
 * good; only then is its slot free.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

static bc_producer *producer_of(bc_stream_state *s, const bc_step *step, uint32_t rank) {
  bool current = step->run_id == s->run_id && rank < s->producers;
  return current ? s->producer[rank] : NULL;
}

static void grant(bc_receiver *r, bc_producer *p, bc_step *step) {
  step->flags[p->rank] |= BC_FLAG_GRANTED;
  step->sessions[p->rank] = p->session;
  if (step->plan.arrays > 0 && p->plan_version != step->plan.version) {
    bc_tell_layout(r, p, &step->plan);
  }
  bc_tell_grant(r, p, step, true);
}

/* --- giving up -----------------------------------------------------------------------------------
 */

static void note_drop(bc_stream_state *s, const bc_step *step) {
  (void)snprintf(s->status.last_drop, sizeof s->status.last_drop, "%s", step->reason);
}

static void step_drop(bc_receiver *r, bc_stream_state *s, bc_step *step, const char *reason) {
  step->state = BC_STEP_DROPPED;
  (void)snprintf(step->reason, sizeof step->reason, "%.150s", reason);
  s->status.steps_dropped++;
  note_drop(s, step);
  for (uint32_t rank = 0; rank < step->producers; rank++) {
    bc_producer *p = producer_of(s, step, rank);
    if (p != NULL && (step->flags[rank] & BC_FLAG_ASKED) != 0) {
      bc_tell_grant(r, p, step, false);
    }
  }
  if (step->asked == step->producers) {
    bc_step_remove(r, s, step);
  }
}

/* Whether a producer may still write into the step's slot. */
static bool has_writers(bc_receiver *r, const bc_step *step) {
  for (uint32_t rank = 0; rank < step->producers; rank++) {
    bool granted = (step->flags[rank] & BC_FLAG_GRANTED) != 0;
    bool ended = (step->flags[rank] & BC_FLAG_ENDED) != 0;
    if (granted && !ended && bc_producer_alive(r, step->sessions[rank])) {
      return true;
    }
  }
  return false;
}

void bc_steps_settle(bc_receiver *r, bc_stream_state *s) {
  bool freed = false;
  for (bc_step *step = s->steps, *next; step != NULL; step = next) {
    next = step->next;
    if (step->state == BC_STEP_ABORTING && step->opens == 0 && !has_writers(r, step)) {
      bc_step_remove(r, s, step);
      freed = true;
    }
  }
  if (freed) {
    bc_root_slots_changed(r, s);
  }
}

void bc_step_abort(bc_receiver *r, bc_stream_state *s, bc_step *step, const char *reason) {
  if (!bc_step_active(step)) {
    return;
  }
  bc_writer writer = {0};
  step->state = BC_STEP_ABORTING;
  s->status.steps_aborted++;
  (void)snprintf(step->reason, sizeof step->reason, "%.150s", reason);
  note_drop(s, step);
  bc_log(r, "stream %s, step %llu was given up: %s", s->name, (unsigned long long)step->step,
         reason);
  for (int rank = 0; rank < r->ranks && step->slot >= 0; rank++) {
    bc_put_number(&writer, BC_ABORT, step->serial);
    bc_to_rank(r, rank, &writer);
  }
  bc_writer_free(&writer);
  for (uint32_t rank = 0; rank < step->producers; rank++) {
    bc_producer *p = producer_of(s, step, rank);
    unsigned char flags = step->flags[rank];
    if (p == NULL || (flags & BC_FLAG_ASKED) == 0) {
      continue;
    }
    if ((flags & BC_FLAG_GRANTED) == 0) {
      bc_tell_grant(r, p, step, false);
    } else {
      bc_tell_verdict(r, p, BC_DROPPED, step->serial, BEAMCAST_DROPPED, step->reason);
    }
    if (p->declare != NULL && p->declare->serial == step->serial) {
      free(p->declare);
      p->declare = NULL;
    }
  }
  bc_producers_awaited(r);
  bc_steps_settle(r, s);
}

void bc_steps_rank_gone(bc_receiver *r) {
  for (bc_stream_state *s = r->streams; s != NULL; s = s->next) {
    bool again;
    do { /* from the start each time: giving one up may change the list */
      again = false;
      for (bc_step *step = s->steps; step != NULL; step = step->next) {
        if (bc_step_active(step)) {
          bc_step_abort(r, s, step, r->rank_gone);
          again = true;
          break;
        }
      }
    } while (again);
  }
}

/* --- opening -------------------------------------------------------------------------------------
 */

static void step_is_open(bc_receiver *r, bc_stream_state *s, bc_step *step) {
  step->state = BC_STEP_OPEN;
  for (uint32_t rank = 0; rank < step->producers; rank++) {
    bc_producer *p = producer_of(s, step, rank);
    if (p != NULL && (step->flags[rank] & (BC_FLAG_ASKED | BC_FLAG_GRANTED)) == BC_FLAG_ASKED) {
      grant(r, p, step);
    }
  }
  for (uint32_t rank = 0; rank < step->producers; rank++) {
    bc_producer *p = producer_of(s, step, rank);
    if (p != NULL && p->declare != NULL && step->state == BC_STEP_OPEN) {
      bc_declare *declare = p->declare;
      p->declare = NULL;
      bc_step_declare(r, p, declare);
      free(declare);
    }
  }
}

void bc_step_open_on_ranks(bc_receiver *r, bc_stream_state *s, bc_step *step) {
  bc_writer writer = {0};
  step->state = BC_STEP_OPENING;
  step->failed = false;
  step->opens = (uint32_t)r->ranks;
  s->slot_has_memory[step->slot] = true;
  s->slot_bytes[step->slot] = 0;
  for (int rank = 0; rank < r->ranks; rank++) {
    size_t begin = bc_message_begin(&writer, BC_OPEN_STEP);
    bc_put_u64(&writer, step->serial);
    bc_put_u32(&writer, s->id);
    bc_put_u32(&writer, (uint32_t)step->slot);
    bc_put_plan(&writer, &step->plan);
    bc_message_end(&writer, begin);
    bc_to_rank(r, rank, &writer);
  }
  bc_writer_free(&writer);
}

static const char *why_no_slot(const bc_stream_state *s) {
  return s->slot_wanted ? "earlier steps are still arriving in all slots"
                        : "what is shown holds every slot: the viewer is slower than the producer, "
                          "or wants more (start --slots N, Slots of Beamcast Stream)";
}

/* A step without a slot waits for the other producers of steps that are arriving; for the viewer it
 * waits only where the policy says so. */
static bool may_wait(const bc_stream_state *s) {
  return s->settings.policy == BC_ALL || s->slot_wanted;
}

/* Finds a slot and opens the step in it; false if there is no slot now. */
static bool step_open(bc_receiver *r, bc_stream_state *s, bc_step *step) {
  int slot = bc_slot_pick(r, s);
  if (slot < 0) {
    return false;
  }
  step->slot = slot;
  s->slot[slot] = step;
  s->plan.split = (uint32_t)s->settings.split;
  s->plan.ghosts = (uint32_t)s->settings.ghosts;
  step->plan = s->plan;
  if (step->plan.arrays > 0) {
    bc_step_open_on_ranks(r, s, step);
  } else {
    step_is_open(r, s, step);
  }
  return true;
}

/* Memory for this slot was refused: the step is tried with the slots that there are, or given up.
 */
static void open_failed(bc_receiver *r, bc_stream_state *s, bc_step *step) {
  bool asked_by_declare = false;
  uint32_t others = 0;
  bc_slot_forget(r, s, step->slot);
  for (int i = 0; i < BC_SLOTS_MAX; i++) {
    others += s->slot_has_memory[i];
  }
  for (uint32_t rank = 0; rank < step->producers; rank++) {
    bc_producer *p = producer_of(s, step, rank);
    if (p != NULL && p->declare != NULL) {
      asked_by_declare = true;
      bc_tell_verdict(r, p, BC_REFUSE, step->serial, BEAMCAST_ERR_REFUSED, step->verdict.sentence);
      free(p->declare);
      p->declare = NULL;
    }
  }
  if (asked_by_declare || others == 0 || step->verdict.code != BEAMCAST_ERR_MEMORY) {
    if (asked_by_declare) {
      s->plan.arrays = 0; /* what was declared can't be had; the next step declares anew */
      s->plan.version = r->next_version++;
    }
    bc_step_abort(r, s, step, step->verdict.sentence);
    return;
  }
  s->fit = others;
  s->slot[step->slot] = NULL;
  step->slot = -1;
  if (!step_open(r, s, step)) {
    char reason[160];
    (void)snprintf(reason, sizeof reason,
                   "memory is there for %u of %d slots, and what is shown holds them: raise "
                   "BEAMCAST_MEMORY_LIMIT, or use 1 slot (--slots)",
                   s->fit, s->settings.slots);
    step_drop(r, s, step, reason);
  }
}

void bc_step_opened(bc_receiver *r, const bc_verdict *verdict) {
  bc_stream_state *s = NULL;
  bc_step *step = bc_root_step(r, verdict->about, &s);
  if (step == NULL || step->opens == 0) {
    return;
  }
  step->opens--;
  s->slot_bytes[step->slot] += verdict->number;
  if (verdict->code != BEAMCAST_OK && !step->failed) {
    step->failed = true;
    step->verdict = *verdict;
  }
  if (step->opens > 0) {
    return;
  }
  if (step->state == BC_STEP_ABORTING) {
    bc_steps_settle(r, s);
  } else if (step->failed) {
    open_failed(r, s, step);
  } else {
    step_is_open(r, s, step);
  }
}

void bc_root_slots_changed(bc_receiver *r, bc_stream_state *s) {
  for (;;) { /* from the start each time: opening or dropping may remove others from the list */
    bc_step *waiting = s->steps;
    while (waiting != NULL && waiting->state != BC_STEP_WAITING) {
      waiting = waiting->next;
    }
    if (waiting == NULL) {
      break;
    }
    if (!step_open(r, s, waiting)) {
      if (may_wait(s)) {
        break;
      }
      step_drop(r, s, waiting, why_no_slot(s));
    }
  }
  for (int i = bc_slots_allowed(r, s); i < BC_SLOTS_MAX; i++) {
    if (s->slot[i] == NULL && s->slot_has_memory[i]) {
      bc_slot_forget(r, s, i);
    }
  }
}

/* --- what producers ask --------------------------------------------------------------------------
 */

static void refuse_old_step(bc_receiver *r, bc_producer *p, uint64_t number) {
  bc_step old = {.step = number, .slot = -1};
  (void)snprintf(old.reason, sizeof old.reason,
                 "step %llu was complete or given up before: numbers must grow",
                 (unsigned long long)number);
  bc_tell_grant(r, p, &old, false);
}

/* A producer has one step at a time, and numbers grow: what it has asked for and not ended, and
 * earlier steps of others that it never asked for, can't become complete any more. */
static void give_up_others(bc_receiver *r, bc_producer *p, uint64_t number) {
  bc_stream_state *s = p->stream;
  bool again;
  do { /* from the start each time: giving one up may change the list */
    again = false;
    for (bc_step *step = s->steps; step != NULL; step = step->next) {
      unsigned char *flags = step->run_id == p->run_id ? &step->flags[p->rank] : NULL;
      if (flags != NULL && bc_step_active(step) && (*flags & BC_FLAG_ENDED) == 0 &&
          ((*flags & BC_FLAG_ASKED) != 0 || step->step < number)) {
        *flags |= BC_FLAG_ENDED;
        bc_step_abort(r, s, step, "a producer began another step before it had ended this one");
        again = true;
        break;
      }
    }
  } while (again);
}

void bc_step_begin(bc_receiver *r, bc_producer *p, uint64_t number, double time, double limit) {
  bc_stream_state *s = p->stream;
  give_up_others(r, p, number);
  bc_step *step = NULL;
  int count = 0;
  for (bc_step *at = s->steps; at != NULL; at = at->next) {
    step = at->run_id == s->run_id && at->step == number ? at : step;
    count++;
  }
  if (step == NULL && (s->any_step && number <= s->last_step)) {
    refuse_old_step(r, p, number);
    return;
  }
  bool fresh = step == NULL;
  if (fresh) {
    if (count >= BC_STEPS_MAX) { /* remembered drops that some producer never asked for */
      for (bc_step *at = s->steps; at != NULL; at = at->next) {
        if (at->state == BC_STEP_DROPPED) {
          bc_step_remove(r, s, at);
          break;
        }
      }
    }
    step = bc_step_new(r, s, number, time);
    if (step == NULL) {
      refuse_old_step(r, p, number);
      return;
    }
  }
  if ((step->flags[p->rank] & BC_FLAG_ASKED) != 0) {
    refuse_old_step(r, p, number);
    return;
  }
  step->flags[p->rank] |= BC_FLAG_ASKED;
  step->asked++;
  if (fresh && r->rank_gone[0] != '\0') {
    step_drop(r, s, step, r->rank_gone);
  } else if (fresh && !step_open(r, s, step)) {
    if (may_wait(s)) {
      step->state = BC_STEP_WAITING;
      step->deadline = bc_deadline(limit);
    } else {
      step_drop(r, s, step, why_no_slot(s));
    }
  } else if (!fresh && step->state == BC_STEP_OPEN) {
    grant(r, p, step);
  } else if (!fresh && (step->state == BC_STEP_DROPPED || step->state == BC_STEP_ABORTING)) {
    bc_tell_grant(r, p, step, false);
    if (step->state == BC_STEP_DROPPED && step->asked == step->producers) {
      bc_step_remove(r, s, step);
    }
  }
}

/* --- time ----------------------------------------------------------------------------------------
 */

void bc_steps_tick(bc_receiver *r, int64_t now) {
  for (bc_stream_state *s = r->streams; s != NULL; s = s->next) {
    for (bc_step *step = s->steps, *next; step != NULL; step = next) {
      next = step->next;
      if (step->state == BC_STEP_WAITING && now > step->deadline) {
        step_drop(r, s, step,
                  s->slot_wanted ? why_no_slot(s)
                                 : "the viewer did not take the steps before it within "
                                   "the time limit");
        break; /* the list may have changed */
      }
      if (step->state == BC_STEP_SEALING && now > step->deadline) {
        bc_step_abort(r, s, step, "its last bytes did not arrive");
        break;
      }
    }
  }
}
