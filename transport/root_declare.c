/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What producers are told of a step, and what they declare in it: arrays, and with them the volume.
 * Handlers run on the control thread with the receiver's lock held; see server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* --- telling producers ---------------------------------------------------------------------------
 */

void bc_tell_layout(bc_receiver *r, bc_producer *p, const bc_plan *plan) {
  bc_writer writer = {0};
  size_t begin = bc_message_begin(&writer, BC_LAYOUT);
  bc_put_plan(&writer, plan);
  bc_put_u32(&writer, (uint32_t)r->ranks);
  for (int rank = 0; rank < r->ranks; rank++) {
    bc_box own, box;
    bc_layout(plan->grid.volume, (int)plan->split, rank, r->ranks, (int)plan->ghosts, &own, &box);
    bc_put_box(&writer, &box);
  }
  bc_message_end(&writer, begin);
  bc_conn_send(r, p->conn, &writer);
  bc_writer_free(&writer);
  p->plan_version = plan->version;
}

void bc_tell_grant(bc_receiver *r, bc_producer *p, const bc_step *step, bool accepted) {
  bc_writer writer = {0};
  size_t begin = bc_message_begin(&writer, BC_GRANT);
  bc_put_u64(&writer, step->serial);
  bc_put_u64(&writer, step->step);
  bc_put_u32(&writer, accepted);
  bc_put_u32(&writer, step->slot >= 0 ? (uint32_t)step->slot : 0);
  bc_put_u64(&writer, step->plan.version);
  bc_put_u64(&writer, step->plan.epoch);
  bc_put_text(&writer, step->reason);
  bc_put_u32(&writer, step->request_count);
  for (uint32_t i = 0; i < step->request_count; i++) {
    bc_put_u64(&writer, step->requests[i].number);
    bc_put_text(&writer, step->requests[i].json);
  }
  bc_message_end(&writer, begin);
  bc_conn_send(r, p->conn, &writer);
  bc_writer_free(&writer);
}

void bc_tell_verdict(bc_receiver *r, bc_producer *p, bc_message_type type, uint64_t serial,
                     int code, const char *sentence) {
  bc_writer writer = {0};
  bc_put_verdict(&writer, type, serial, (uint32_t)code, 0, sentence);
  bc_conn_send(r, p->conn, &writer);
  bc_writer_free(&writer);
}

/* --- declarations --------------------------------------------------------------------------------
 */

/* What a declaration changes: nothing, what goes with the step's notes, an array more, the type of
 * one, or the volume. */
typedef enum change { NOTHING, NOTES, MORE, RETYPED, RESIZED, IMPOSSIBLE } change;

/* settled: bits of arrays that stay as they are in this step. *array: the one that was declared. */
static change apply(bc_plan *plan, const bc_declare *declare, uint64_t settled, uint32_t *array,
                    char sentence[BC_SENTENCE_MAX]) {
  const uint64_t *want = declare->grid.volume, *have = plan->grid.volume;
  bool other = plan->arrays == 0 || memcmp(want, have, sizeof plan->grid.volume) != 0;
  *array = 0;
  if (other && settled != 0) {
    (void)snprintf(sentence, BC_SENTENCE_MAX,
                   "the volume of this step is %llu x %llu x %llu, the brick is of one of %llu x "
                   "%llu x %llu: arrays of one stream share one grid, use another stream",
                   (unsigned long long)have[0], (unsigned long long)have[1],
                   (unsigned long long)have[2], (unsigned long long)want[0],
                   (unsigned long long)want[1], (unsigned long long)want[2]);
    return IMPOSSIBLE;
  }
  if (other) {
    plan->grid = declare->grid;
    plan->array[0] = declare->array;
    plan->arrays = 1;
    return RESIZED;
  }
  change what = bc_grid_equal(&plan->grid, &declare->grid) ? NOTHING : NOTES;
  uint32_t i = 0;
  while (i < plan->arrays && strcmp(plan->array[i].name, declare->array.name) != 0) {
    i++;
  }
  if (i == BC_ARRAYS_MAX) {
    (void)snprintf(sentence, BC_SENTENCE_MAX, "a stream has at most %d arrays", BC_ARRAYS_MAX);
    return IMPOSSIBLE;
  }
  *array = i;
  plan->grid = declare->grid;
  if (i == plan->arrays) {
    plan->array[plan->arrays++] = declare->array;
    return MORE;
  }
  if (bc_array_spec_equal(&plan->array[i], &declare->array)) {
    return what;
  }
  bool retyped = plan->array[i].type != declare->array.type ||
                 plan->array[i].components != declare->array.components;
  if (retyped && (settled >> i & 1) != 0) {
    (void)snprintf(sentence, BC_SENTENCE_MAX,
                   "the array %.100s has another type or number of components in this step",
                   declare->array.name);
    return IMPOSSIBLE;
  }
  plan->array[i] = declare->array;
  return retyped ? RETYPED : NOTES;
}

/* Whether a step of this plan is within what the server was started for. */
static bool is_announced(const bc_receiver *r, const bc_plan *plan,
                         char sentence[BC_SENTENCE_MAX]) {
  const uint64_t *n = plan->grid.volume, limit = r->options.step_limit;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < plan->arrays; i++) {
    uint64_t more = bc_volume_bytes(n, bc_plan_voxel_bytes(plan, i));
    bytes = more < UINT64_MAX - bytes ? bytes + more : UINT64_MAX;
  }
  (void)snprintf(sentence, BC_SENTENCE_MAX,
                 "a step of %llu x %llu x %llu voxels takes %.1f MiB here, the server was started "
                 "for %.1f: start one for more (--size, --type), or send fewer voxels or a smaller "
                 "type",
                 (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2],
                 (double)bytes / (1 << 20), (double)limit / (1 << 20));
  return limit == 0 || bytes <= limit;
}

void bc_step_declare(bc_receiver *r, bc_producer *p, const bc_declare *declare) {
  bc_stream_state *s = p->stream;
  bc_step *step = bc_step_find(s, declare->serial);
  char sentence[BC_SENTENCE_MAX] = "the step was given up or has ended";
  bool granted = step != NULL && step->run_id == p->run_id &&
                 (step->flags[p->rank] & (BC_FLAG_GRANTED | BC_FLAG_ENDED)) == BC_FLAG_GRANTED;
  if (!granted || (step->state != BC_STEP_OPEN && step->state != BC_STEP_OPENING)) {
    bc_tell_verdict(r, p, BC_REFUSE, declare->serial, BEAMCAST_DROPPED, sentence);
    return;
  }
  if (step->state == BC_STEP_OPENING) {
    p->declare = malloc(sizeof *p->declare);
    if (p->declare != NULL) {
      *p->declare = *declare;
    }
    return;
  }
  bc_plan plan = step->plan;
  uint32_t array;
  change what = apply(&plan, declare, step->settled, &array, sentence);
  if (what == IMPOSSIBLE) {
    bc_tell_verdict(r, p, BC_REFUSE, declare->serial, BEAMCAST_ERR_ARGUMENT, sentence);
    return;
  }
  if (!is_announced(r, &plan, sentence)) {
    bc_tell_verdict(r, p, BC_REFUSE, declare->serial, BEAMCAST_ERR_REFUSED, sentence);
    return;
  }
  step->settled |= UINT64_C(1) << array;
  if (what != NOTHING) {
    plan.version = r->next_version++;
    if (what == RESIZED) {
      step->volume_version = plan.version;
    }
    if (what == RETYPED) {
      step->array_version[array] = plan.version;
    }
    if (what == RESIZED || what == RETYPED) {
      plan.epoch = r->next_epoch++;
      s->fit = 0;
    }
    step->plan = s->plan = plan;
  }
  if (what == MORE || what == RETYPED || what == RESIZED) {
    p->declare = malloc(sizeof *p->declare);
    if (p->declare != NULL) {
      *p->declare = *declare;
    }
    bc_step_open_on_ranks(r, s, step);
    return;
  }
  bc_tell_layout(r, p, &step->plan);
}
