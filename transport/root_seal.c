/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The end of a step: what its producers have sent, by their own accounts, and whether all of it has
 * arrived at the ranks. Handlers run on the control thread with the receiver's lock held; see
 * server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

enum { SEAL_SECONDS = 120 };

bool bc_step_active(const bc_step *step) {
  return step->state == BC_STEP_WAITING || step->state == BC_STEP_OPENING ||
         step->state == BC_STEP_OPEN || step->state == BC_STEP_SEALING;
}

static void seal(bc_receiver *r, bc_step *step) {
  bc_writer writer = {0};
  step->state = BC_STEP_SEALING;
  step->seals = (uint32_t)r->ranks;
  step->failed = false;
  step->deadline = bc_deadline(SEAL_SECONDS);
  for (int rank = 0; rank < r->ranks; rank++) {
    size_t begin = bc_message_begin(&writer, BC_SEAL);
    bc_put_u64(&writer, step->serial);
    bc_put_u64(&writer, step->arrays);
    bc_put_u32(&writer, step->accounts[rank]);
    bc_put_bytes(&writer, step->account[rank].data, step->account[rank].size);
    bc_put_u64(&writer, step->step);
    bc_put_f64(&writer, step->time);
    bc_put_u64(&writer, step->run_id);
    bc_put_text(&writer, step->header ? step->header : "{}");
    bc_put_plan(&writer, &step->plan);
    bc_message_end(&writer, begin);
    bc_to_rank(r, rank, &writer);
  }
  bc_writer_free(&writer);
}

/* The rest of an END whose producer has done all it wanted. Returns what is wrong with it, or NULL.
 */
static const char *take_account(bc_receiver *r, bc_producer *p, bc_step *step, bc_reader *reader,
                                uint64_t version) {
  uint64_t arrays = bc_get_u64(reader), any = 0;
  uint32_t length = bc_get_u32(reader);
  const unsigned char *header = length <= BC_HEADER_MAX ? bc_get_bytes(reader, length) : NULL;
  uint32_t count = bc_get_u32(reader);
  for (uint32_t i = 0; i < count && !reader->bad; i++) {
    uint32_t rank = bc_get_u32(reader);
    uint64_t bytes = bc_get_u64(reader);
    if (rank >= (uint32_t)r->ranks) {
      return "a producer's account of its bytes names a rank that does not exist";
    }
    bc_put_u64(&step->account[rank], p->session);
    bc_put_u64(&step->account[rank], bytes);
    step->accounts[rank]++;
    any |= bytes;
  }
  bool beyond = step->plan.arrays < 64 && arrays >> step->plan.arrays != 0;
  if (reader->bad || header == NULL || beyond) {
    return "a producer's message made no sense";
  }
  if (any != 0 && version < step->volume_version) {
    return "the producers do not agree on the size of the volume";
  }
  for (uint32_t i = 0; i < step->plan.arrays; i++) {
    if ((arrays >> i & 1) != 0 && version < step->array_version[i]) {
      return "the producers do not agree on the type of an array";
    }
  }
  step->settled |= arrays;
  step->arrays |= arrays;
  bool better = length > 2 && (step->header == NULL || p->rank < step->header_rank);
  char *copy = better ? strndup((const char *)header, length) : NULL;
  if (copy != NULL) {
    free(step->header);
    step->header = copy;
    step->header_rank = p->rank;
  }
  return NULL;
}

void bc_step_end(bc_receiver *r, bc_producer *p, bc_reader *reader) {
  bc_stream_state *s = p->stream;
  uint64_t serial = bc_get_u64(reader);
  uint32_t abandoned = bc_get_u32(reader);
  uint64_t version = bc_get_u64(reader);
  bc_step *step = bc_step_find(s, serial);
  if (step == NULL || step->run_id != p->run_id || p->rank >= step->producers ||
      (step->flags[p->rank] & (BC_FLAG_GRANTED | BC_FLAG_ENDED)) != BC_FLAG_GRANTED) {
    return;
  }
  step->flags[p->rank] |= BC_FLAG_ENDED;
  step->ended++;
  const char *wrong = abandoned ? "a producer gave it up" : NULL;
  if (bc_step_active(step) && wrong == NULL) {
    wrong = take_account(r, p, step, reader, version);
  }
  if (wrong == NULL && step->opens > 0 && step->ended == step->producers) {
    wrong = "a producer ended it before its arrays had memory"; /* ours wait for the layout */
  }
  if (!bc_step_active(step)) {
    bc_steps_settle(r, s);
  } else if (wrong != NULL) {
    bc_step_abort(r, s, step, wrong);
  } else if (step->ended == step->producers && step->arrays == 0) {
    bc_step_remove(r, s, step); /* nobody put anything */
    bc_producers_awaited(r);
    bc_root_slots_changed(r, s);
  } else if (step->ended == step->producers) {
    seal(r, step);
  }
}

static void name_wires(uint32_t wires, char text[32]) {
  (void)snprintf(text, 32, "%s%s%s", wires & BC_WIRE_VERBS ? "+verbs" : "",
                 wires & BC_WIRE_SHM ? "+shm" : "", wires & BC_WIRE_TCP ? "+tcp" : "");
  memmove(text, text + (text[0] == '+'), strlen(text) + (text[0] != '+'));
}

void bc_step_sealed(bc_receiver *r, const bc_verdict *verdict, uint32_t wires) {
  bc_stream_state *s = NULL;
  bc_step *step = bc_root_step(r, verdict->about, &s);
  if (step == NULL || step->state != BC_STEP_SEALING || step->seals == 0) {
    return;
  }
  step->seals--;
  step->bytes += verdict->number;
  step->wires |= wires;
  if (verdict->code != BEAMCAST_OK && !step->failed) {
    step->failed = true;
    step->verdict = *verdict;
  }
  if (step->seals > 0) {
    return;
  }
  if (step->failed) {
    bc_step_abort(r, s, step, step->verdict.sentence);
    return;
  }
  double seconds = (double)(bc_now() - step->began) * 1e-9;
  step->state = BC_STEP_COMPLETE;
  s->newest = step->serial > s->newest ? step->serial : s->newest;
  s->status.newest_step = step->serial == s->newest ? step->step : s->status.newest_step;
  s->status.steps_received++;
  s->status.bytes_received += step->bytes;
  s->status.rate = seconds > 0 ? (double)step->bytes / seconds : 0;
  name_wires(step->wires, s->status.wire);
  bc_producers_awaited(r);
  bc_producers_settle(r);
  bc_root_slots_changed(r, s);
}
