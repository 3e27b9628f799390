/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who is connected to the root: producers that join, go silent, leave or are put out, and viewers
 * that fetch. What they say goes to root.c. Handlers run on the control thread with the receiver's
 * lock held; see server.h.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

enum { SILENT_SECONDS = 60, SILENT_WANTED_SECONDS = 5 };

bool bc_producer_alive(bc_receiver *r, uint64_t session) {
  for (bc_producer *p = r->producers; p != NULL; p = p->next) {
    if (p->session == session) {
      return true;
    }
  }
  return false;
}

static void say(bc_receiver *r, bc_conn *conn, bc_message_type type, uint64_t about, int code,
                const char *sentence) {
  bc_writer writer = {0};
  bc_put_verdict(&writer, type, about, (uint32_t)code, 0, sentence);
  bc_conn_send(r, conn, &writer);
  bc_writer_free(&writer);
}

/* --- leaving -------------------------------------------------------------------------------------
 */

static bool unfinished(const bc_step *step, const bc_producer *p) {
  return step->run_id == p->run_id && p->rank < step->producers &&
         step->sessions[p->rank] == p->session &&
         (step->flags[p->rank] & (BC_FLAG_GRANTED | BC_FLAG_ENDED)) == BC_FLAG_GRANTED;
}

/* Whether bytes of a step that it has ended may still be on their way. */
static bool still_landing(const bc_producer *p) {
  for (const bc_step *step = p->stream->steps; step != NULL; step = step->next) {
    if (step->state == BC_STEP_SEALING && step->run_id == p->run_id &&
        step->sessions[p->rank] == p->session) {
      return true;
    }
  }
  return false;
}

static void expel(bc_receiver *r, bc_producer *p) {
  bc_writer writer = {0};
  p->expelled = true;
  p->acks += (uint32_t)r->ranks;
  for (int rank = 0; rank < r->ranks; rank++) {
    uint32_t count = 0;
    for (const bc_step *step = p->stream->steps; step != NULL; step = step->next) {
      count += unfinished(step, p);
    }
    size_t begin = bc_message_begin(&writer, BC_EXPEL);
    bc_put_u64(&writer, p->session);
    bc_put_u32(&writer, count);
    for (const bc_step *step = p->stream->steps; step != NULL; step = step->next) {
      if (unfinished(step, p)) {
        bc_put_u64(&writer, step->serial);
      }
    }
    bc_message_end(&writer, begin);
    bc_to_rank(r, rank, &writer);
  }
  bc_writer_free(&writer);
}

void bc_producers_settle(bc_receiver *r) {
  for (bc_producer *p = r->producers; p != NULL; p = p->next) {
    if (p->gone && !p->expelled && !still_landing(p)) {
      expel(r, p);
    }
  }
}

void bc_producers_awaited(bc_receiver *r) {
  for (bc_producer *p = r->producers; p != NULL; p = p->next) {
    const bc_step *step = p->awaits != 0 ? bc_step_find(p->stream, p->awaits) : NULL;
    const bool complete = step == NULL || step->state == BC_STEP_COMPLETE; /* or is gone again */
    if (p->awaits != 0 && p->conn != NULL && (complete || step->state >= BC_STEP_ABORTING)) {
      say(r, p->conn, BC_AWAITED, p->awaits, complete ? BEAMCAST_OK : BEAMCAST_DROPPED,
          complete ? "" : step->reason);
      p->awaits = 0;
    }
  }
}

void bc_producer_lost(bc_receiver *r, bc_producer *p, int code, const char *reason) {
  if (p->gone) {
    return;
  }
  bc_stream_state *s = p->stream;
  p->gone = true;
  if (code != BEAMCAST_OK) { /* one that says BYE leaves in order */
    bc_log(r, "stream %s: rank %u of %u is put out: %s", s->name, p->rank, s->producers, reason);
  }
  if (p->conn != NULL) {
    say(r, p->conn, BC_GONE, p->session, code, reason);
    p->conn->producer = NULL;
    p->conn->close_when_sent = true;
    p->conn = NULL;
  }
  if (p->run_id == s->run_id && s->producer[p->rank] == p) {
    s->producer[p->rank] = NULL;
  }
  free(p->declare);
  p->declare = NULL;
  bool again;
  do { /* from the start each time: giving one up may change the list */
    again = false;
    for (bc_step *step = s->steps; step != NULL; step = step->next) {
      bool waits = step->state == BC_STEP_WAITING || step->state == BC_STEP_OPENING ||
                   step->state == BC_STEP_OPEN;
      if (waits && step->run_id == p->run_id && p->rank < step->producers &&
          (step->flags[p->rank] & BC_FLAG_ENDED) == 0) {
        bc_step_abort(r, s, step, reason);
        again = true;
        break;
      }
    }
  } while (again);
  bc_producers_settle(r);
}

static void producer_acked(bc_receiver *r, uint64_t session, bool expelled, bool replaced) {
  bc_producer *p = r->producers;
  while (p != NULL && p->session != session) {
    p = p->next;
  }
  if (p == NULL || p->acks == 0) {
    return;
  }
  bc_stream_state *s = p->stream;
  p->acks--;
  if (replaced) { /* what others have attached may be gone: they attach again */
    s->plan.epoch = r->next_epoch++;
    s->plan.version = r->next_version++;
  }
  if (!expelled && p->acks == 0 && !p->gone && !p->welcome) {
    bc_writer writer = {0};
    size_t begin = bc_message_begin(&writer, BC_WELCOME);
    bc_put_u64(&writer, p->session);
    bc_put_u32(&writer, (uint32_t)r->ranks);
    for (int rank = 0; rank < r->ranks; rank++) {
      bc_put_place(&writer, &r->places[rank]);
    }
    bc_message_end(&writer, begin);
    bc_conn_send(r, p->conn, &writer);
    bc_writer_free(&writer);
    p->welcome = true;
  }
  if (p->expelled && p->acks == 0) {
    for (bc_producer **at = &r->producers; *at != NULL; at = &(*at)->next) {
      if (*at == p) {
        *at = p->next;
        break;
      }
    }
    free(p);
    bc_steps_settle(r, s);
  }
}

/* --- joining -------------------------------------------------------------------------------------
 */

static bool retired(const bc_stream_state *s, uint64_t run_id) {
  for (uint32_t i = 0; i < s->retired_count && i < 64; i++) {
    if (s->retired[i] == run_id) {
      return true;
    }
  }
  return false;
}

/* Puts the old run out and makes room for the new one. */
static bool new_run(bc_receiver *r, bc_stream_state *s, const bc_join *join) {
  bc_producer **table = calloc(join->ranks, sizeof(*table));
  if (table == NULL) {
    return false;
  }
  for (uint32_t i = 0; i < s->producers; i++) {
    if (s->producer[i] != NULL) {
      bc_producer_lost(r, s->producer[i], BEAMCAST_ERR_REFUSED,
                       "another run has taken over the stream");
    }
  }
  bool again;
  do { /* steps that nobody had begun who is still there */
    again = false;
    for (bc_step *step = s->steps; step != NULL; step = step->next) {
      if (step->state == BC_STEP_WAITING || step->state == BC_STEP_OPENING ||
          step->state == BC_STEP_OPEN) {
        bc_step_abort(r, s, step, "another run has taken over the stream");
        again = true;
        break;
      }
    }
  } while (again);
  if (s->known) {
    s->retired[s->retired_count++ % 64] = s->run_id;
  }
  free(s->producer);
  s->producer = table;
  s->producers = join->ranks;
  s->run_id = join->run_id;
  s->any_step = false;
  s->known = true;
  s->plan.arrays = 0; /* the new run declares its own */
  s->plan.version = r->next_version++;
  return true;
}

static void refuse_join(bc_receiver *r, bc_conn *conn, const char *sentence) {
  bc_log(r, "a producer was refused: %s", sentence);
  say(r, conn, BC_GONE, 0, BEAMCAST_ERR_REFUSED, sentence);
  conn->close_when_sent = true;
}

static void on_join(bc_receiver *r, bc_conn *conn, bc_reader *reader) {
  bc_join join;
  if (!bc_get_join(reader, &join) || conn->producer != NULL) {
    refuse_join(r, conn, "its first message made no sense");
    return;
  }
  if (r->rank_gone[0] != '\0') {
    refuse_join(r, conn, r->rank_gone);
    return;
  }
  bc_stream_state *s = bc_root_stream(r, join.stream, true);
  if (s == NULL) {
    refuse_join(r, conn, "this server has as many streams as it can have (64)");
    return;
  }
  if (retired(s, join.run_id)) {
    refuse_join(r, conn, "a later run has taken over the stream");
    return;
  }
  if (s->known && s->run_id == join.run_id && s->producers != join.ranks) {
    refuse_join(r, conn, "other producers of this run gave another number of producers");
    return;
  }
  if ((!s->known || s->run_id != join.run_id) && !new_run(r, s, &join)) {
    refuse_join(r, conn, "the server is out of memory");
    return;
  }
  if (s->producer[join.rank] != NULL) {
    bc_producer_lost(r, s->producer[join.rank], BEAMCAST_ERR_REFUSED,
                     "another producer came with the same rank");
  }
  bc_producer *p = calloc(1, sizeof *p);
  if (p == NULL) {
    refuse_join(r, conn, "the server is out of memory");
    return;
  }
  /* random, so that a data connection can't guess another producer's */
  (void)bc_random((unsigned char *)&p->session, sizeof p->session, NULL);
  p->session |= 1;
  p->stream = s;
  p->conn = conn;
  p->rank = join.rank;
  p->run_id = join.run_id;
  p->heard = bc_now();
  p->next = r->producers;
  r->producers = p;
  s->producer[join.rank] = p;
  conn->producer = p;
  p->acks = (uint32_t)r->ranks;
  bc_writer writer = {0};
  for (int rank = 0; rank < r->ranks; rank++) {
    size_t begin = bc_message_begin(&writer, BC_SESSION);
    bc_put_u64(&writer, p->session);
    bc_put_u32(&writer, s->id);
    bc_put_u32(&writer, p->rank);
    bc_message_end(&writer, begin);
    bc_to_rank(r, rank, &writer);
  }
  bc_writer_free(&writer);
}

/* --- viewers -------------------------------------------------------------------------------------
 */

static void unlook(bc_receiver *r, bc_conn *conn) {
  bc_stream_state *s = NULL;
  bc_step *step = conn->look_serial ? bc_root_step(r, conn->look_serial, &s) : NULL;
  conn->look_serial = 0;
  if (step != NULL && step->viewers > 0) {
    step->viewers--;
    bc_root_slots_changed(r, s);
  }
}

static void put_found(bc_receiver *r, bc_writer *writer, const bc_step *step) {
  size_t begin = bc_message_begin(writer, BC_FOUND);
  const bc_plan *plan = &step->plan;
  bc_put_u64(writer, step->serial);
  bc_put_u64(writer, step->step);
  bc_put_f64(writer, step->time);
  bc_put_u64(writer, step->arrays);
  bc_put_plan(writer, plan);
  bc_put_u32(writer, (uint32_t)r->ranks);
  for (int rank = 0; rank < r->ranks; rank++) {
    bc_box own, box;
    bc_layout(plan->grid.volume, (int)plan->split, rank, r->ranks, (int)plan->ghosts, &own, &box);
    bc_put_place(writer, &r->places[rank]);
    bc_put_box(writer, &own);
    bc_put_box(writer, &box);
  }
  bc_put_text(writer, step->header ? step->header : "{}");
  bc_message_end(writer, begin);
}

static void on_look(bc_receiver *r, bc_conn *conn, bc_reader *reader) {
  char name[BC_NAME_MAX], sentence[BC_SENTENCE_MAX];
  bc_get_text(reader, name, sizeof name);
  bool any = reader->at == reader->size;
  uint64_t number = any ? 0 : bc_get_u64(reader);
  unlook(r, conn);
  bc_stream_state *s = reader->bad ? NULL : bc_root_stream(r, name, false);
  bc_step *step = s == NULL ? NULL : any ? bc_step_find(s, s->newest) : bc_step_kept(s, number);
  if (step == NULL) {
    bc_say_no_step(s, name, any, number, sentence);
    say(r, conn, BC_REFUSE, 0, BEAMCAST_ERR_REFUSED, sentence);
    return;
  }
  step->viewers++;
  conn->look_serial = step->serial;
  bc_writer writer = {0};
  put_found(r, &writer, step);
  bc_conn_send(r, conn, &writer);
  bc_writer_free(&writer);
}

/* --- messages ------------------------------------------------------------------------------------
 */

static void nonsense(bc_receiver *r, bc_conn *conn, uint32_t type) {
  bc_log(r, "a connection was closed: message %u has no place there or makes no sense", type);
  bc_conn_kill(r, conn);
}

static void on_producer(bc_receiver *r, bc_conn *conn, uint32_t type, bc_reader *reader) {
  bc_producer *p = conn->producer;
  if (p == NULL && conn->close_when_sent) {
    return;
  }
  if (type == BC_JOIN) {
    on_join(r, conn, reader);
    return;
  }
  if (p == NULL) {
    nonsense(r, conn, type);
    return;
  }
  bc_declare declare;
  p->heard = bc_now();
  switch (type) {
  case BC_BEGIN: {
    uint64_t number = bc_get_u64(reader);
    double time = bc_get_f64(reader), limit = bc_get_f64(reader);
    if (reader->bad || !(limit >= 0 && limit <= 1e6)) {
      nonsense(r, conn, type);
      return;
    }
    bc_step_begin(r, p, number, time, limit);
    break;
  }
  case BC_DECLARE:
    if (p->declare != NULL || !bc_get_declare(reader, &declare)) {
      nonsense(r, conn, type);
      return;
    }
    bc_step_declare(r, p, &declare);
    break;
  case BC_END:
    bc_step_end(r, p, reader);
    break;
  case BC_AWAIT:
    p->awaits = bc_get_u64(reader);
    if (p->awaits == 0) {
      nonsense(r, conn, type);
    }
    bc_producers_awaited(r);
    break;
  case BC_PULSE:
    break;
  case BC_BYE:
    bc_producer_lost(r, p, BEAMCAST_OK, "a producer left before it had ended the step");
    break;
  default:
    nonsense(r, conn, type);
  }
}

void bc_root_message(bc_receiver *r, bc_conn *conn, uint32_t type, const unsigned char *body,
                     size_t size) {
  bc_reader reader = bc_reader_of(body, size);
  if (conn->role == BC_ROLE_PRODUCER) {
    on_producer(r, conn, type, &reader);
  } else if (conn->role == BC_ROLE_VIEWER && type == BC_LOOK) {
    on_look(r, conn, &reader);
  } else if (conn->role == BC_ROLE_VIEWER && (type == BC_CALL || type == BC_PART)) {
    if (!bc_calls_message(r, conn, type, &reader)) {
      nonsense(r, conn, type);
    }
  } else if (conn->role != BC_ROLE_VIEWER || type != BC_PULSE) {
    nonsense(r, conn, type);
  }
}

void bc_root_answer(bc_receiver *r, uint32_t rank, uint32_t type, const unsigned char *body,
                    size_t size) {
  bc_reader reader = bc_reader_of(body, size);
  bc_verdict verdict;
  uint64_t first, second;
  switch (type) {
  case BC_SESSION:
    producer_acked(r, bc_get_u64(&reader), false, false);
    break;
  case BC_EXPELLED:
    first = bc_get_u64(&reader);
    second = bc_get_u64(&reader);
    producer_acked(r, first, true, second != 0);
    break;
  case BC_OPENED:
    if (bc_get_verdict(&reader, &verdict)) {
      bc_step_opened(r, &verdict);
    }
    break;
  case BC_SEALED:
    if (bc_get_verdict(&reader, &verdict)) {
      bc_step_sealed(r, &verdict, bc_get_u32(&reader));
    }
    break;
  case BC_RELEASE:
    first = bc_get_u64(&reader);
    second = bc_get_u64(&reader);
    bc_root_released(r, rank, first, second);
    break;
  case BC_LOST:
    if (bc_get_verdict(&reader, &verdict)) {
      for (bc_producer *p = r->producers; p != NULL; p = p->next) {
        if (p->session == verdict.about && !p->gone) {
          bc_producer_lost(r, p, BEAMCAST_ERR_CONNECTION, "a connection for data broke");
          break;
        }
      }
    }
    break;
  case BC_BYE:
    (void)snprintf(r->rank_gone, sizeof r->rank_gone, "the server is closing");
    bc_steps_rank_gone(r);
    break;
  default:
    bc_log(r, "rank %u sent message %u, which is unknown", rank, type);
  }
}

void bc_root_conn_gone(bc_receiver *r, bc_conn *conn) {
  if (conn->peer_known && r->peers[conn->peer] == conn) {
    r->peers[conn->peer] = NULL;
    if (!r->stop && r->rank_gone[0] == '\0') {
      (void)snprintf(r->rank_gone, sizeof r->rank_gone, "rank %u of the server is gone",
                     conn->peer);
      bc_log(r, "%s: nothing can be shown any more, start the server again", r->rank_gone);
      bc_steps_rank_gone(r);
    }
  }
  unlook(r, conn);
  bc_calls_conn_gone(r, conn);
  bc_producer *p = conn->producer;
  conn->producer = NULL;
  if (p != NULL) {
    p->conn = NULL;
    bc_producer_lost(r, p, BEAMCAST_ERR_CONNECTION, "the connection to a producer broke");
  }
}

void bc_root_tick(bc_receiver *r, int64_t now) {
  for (bc_producer *p = r->producers; p != NULL; p = p->next) {
    int64_t limit = p->stream->slot_wanted ? SILENT_WANTED_SECONDS : SILENT_SECONDS;
    if (!p->gone && now - p->heard > limit * 1000000000) {
      bc_producer_lost(r, p, BEAMCAST_ERR_TIMEOUT, "a producer was silent for too long");
      break; /* the list may have changed; the next tick goes on */
    }
  }
  bc_steps_tick(r, now);
  bc_producers_settle(r);
}
