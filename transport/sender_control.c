/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A producer's control connection to the root: what is sent over it, the pulse that shows that the
 * producer lives, and messages that come by themselves.
 */
#include <poll.h>

#include "sender_state.h"

enum { PULSE_SECONDS = 1 };

int bc_sender_dead(bc_sender *s, int code, const char *sentence) {
  if (!s->dead) {
    s->dead = true;
    s->dead_code = code;
    (void)snprintf(s->reason, sizeof s->reason, "%s", sentence);
  }
  return code;
}

int bc_sender_fail_dead(const bc_sender *s, beamcast_error *error) {
  return beamcast_fail(error, s->dead_code, "%s", s->reason);
}

int bc_sender_send(bc_sender *s, bc_writer *writer, int64_t deadline, beamcast_error *error) {
  beamcast_error why = {0};
  pthread_mutex_lock(&s->sending);
  int code = bc_send_writer(s->control, writer, deadline, &why);
  pthread_mutex_unlock(&s->sending);
  if (code != BEAMCAST_OK) {
    (void)bc_sender_dead(s, code, why.message); /* half a message may be out */
    return bc_sender_fail_dead(s, error);
  }
  return BEAMCAST_OK;
}

void *bc_sender_pulse(void *argument) {
  bc_sender *s = argument;
  pthread_mutex_lock(&s->sending);
  while (!s->stop) {
    (void)bc_cond_wait_until(&s->pulse_stop, &s->sending, bc_deadline(PULSE_SECONDS));
    bc_writer writer = {0};
    bc_message_empty(&writer, BC_PULSE);
    if (!s->stop) { /* a failure shows in the next call that uses the connection */
      (void)bc_send_writer(s->control, &writer, bc_deadline(PULSE_SECONDS), NULL);
    }
    bc_writer_free(&writer);
  }
  pthread_mutex_unlock(&s->sending);
  return NULL;
}

void bc_sender_send_end(bc_sender *s, uint64_t serial, bool abandoned, const char *header,
                        int64_t deadline, beamcast_error *error, int *code) {
  bc_writer writer = {0};
  uint32_t count = 0;
  size_t begin = bc_message_begin(&writer, BC_END);
  bc_put_u64(&writer, serial);
  bc_put_u32(&writer, abandoned);
  bc_put_u64(&writer, s->plan.version);
  bc_put_u64(&writer, s->arrays);
  bc_put_text(&writer, header);
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    count += s->links[rank].bytes > 0;
  }
  bc_put_u32(&writer, count);
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    if (s->links[rank].bytes > 0) {
      bc_put_u32(&writer, rank);
      bc_put_u64(&writer, s->links[rank].bytes);
    }
  }
  bc_message_end(&writer, begin);
  *code = bc_sender_send(s, &writer, deadline, error);
  bc_writer_free(&writer);
}

/* Voxels may still be under way (over RDMA): they must not land in a slot that the server has given
 * away. Waits for them; a link that does not get there is closed, and so ends the session. */
static void settle_links(bc_sender *s) {
  int64_t deadline = bc_deadline(0.5 * s->options.limit);
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    bc_link *link = &s->links[rank];
    if (link->wire != NULL && link->wire->flush != NULL &&
        link->wire->flush(link, deadline, NULL) != BEAMCAST_OK) {
      bc_link_close(link);
    }
  }
}

/* Tells the server that this step's slot is written no more, whatever became of it. */
void bc_sender_abandon(bc_sender *s, uint64_t serial) {
  int code;
  settle_links(s);
  bc_sender_send_end(s, serial, true, "{}", bc_deadline(1), NULL, &code);
}

static int take_layout(bc_sender *s, const bc_message *message) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  bc_plan plan;
  if (!bc_get_plan(&reader, &plan) || bc_get_u32(&reader) != s->server_ranks) {
    return bc_sender_dead(s, BEAMCAST_ERR_PROTOCOL, "the server's layout makes no sense");
  }
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    bc_get_box(&reader, &s->boxes[rank]);
  }
  if (reader.bad) {
    return bc_sender_dead(s, BEAMCAST_ERR_PROTOCOL, "the server's layout makes no sense");
  }
  s->plan = plan;
  return BEAMCAST_OK;
}

static int take_verdict(bc_sender *s, const bc_message *message) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  bc_verdict verdict;
  if (!bc_get_verdict(&reader, &verdict)) {
    return bc_sender_dead(s, BEAMCAST_ERR_PROTOCOL, "the server's message makes no sense");
  }
  if (message->type == BC_GONE) {
    int code = verdict.code >= BEAMCAST_ERR_ARGUMENT && verdict.code < BEAMCAST_DROPPED
                   ? (int)verdict.code
                   : BEAMCAST_ERR_CONNECTION;
    return bc_sender_dead(s, code, verdict.sentence);
  }
  if (s->state == STEP_NONE && verdict.about == s->serial) {
    s->late_drop = true;
    (void)snprintf(s->reason, sizeof s->reason, "%s", verdict.sentence);
  }
  if (s->state == STEP_OPEN && verdict.about == s->serial) {
    s->state = STEP_DROPPED;
    s->stats.dropped++;
    (void)snprintf(s->reason, sizeof s->reason, "%s", verdict.sentence);
    bc_sender_abandon(s, s->serial);
  }
  return BEAMCAST_OK;
}

/* Deals with a message that may come at any time. BEAMCAST_OK if it was one. */
int bc_sender_take_aside(bc_sender *s, const bc_message *message) {
  switch (message->type) {
  case BC_LAYOUT:
    return take_layout(s, message);
  case BC_DROPPED:
  case BC_GONE:
    return take_verdict(s, message);
  case BC_AWAITED: /* a late one */
    return BEAMCAST_OK;
  default:
    return bc_sender_dead(s, BEAMCAST_ERR_PROTOCOL, "the server sent what was not asked for");
  }
}

int bc_sender_receive(bc_sender *s, bc_message *message, int64_t deadline, beamcast_error *error) {
  int code = bc_wait(s->control, POLLIN, deadline, error);
  if (code != BEAMCAST_OK) {
    return code; /* nothing was read: the call may be made again */
  }
  beamcast_error why = {0};
  int64_t soon = bc_deadline(1); /* what has begun to come is given a second */
  code = bc_receive_message(s->control, message, NULL, deadline > soon ? deadline : soon, &why);
  if (code != BEAMCAST_OK) {
    (void)bc_sender_dead(s, code == BEAMCAST_ERR_TIMEOUT ? BEAMCAST_ERR_CONNECTION : code,
                         why.message);
    return bc_sender_fail_dead(s, error);
  }
  return BEAMCAST_OK;
}

/* Messages that have come by themselves. */
int bc_sender_look_aside(bc_sender *s, beamcast_error *error) {
  struct pollfd item = {.fd = s->control, .events = POLLIN};
  while (!s->dead && poll(&item, 1, 0) > 0) {
    bc_message message;
    int code = bc_sender_receive(s, &message, bc_deadline(s->options.limit), error);
    if (code != BEAMCAST_OK) {
      return code;
    }
    if (message.type != BC_GRANT) { /* a late one, of a step that was not waited for */
      (void)bc_sender_take_aside(s, &message);
    } else {
      bc_reader reader = bc_reader_of(message.body, message.size);
      bc_sender_abandon(s, bc_get_u64(&reader));
    }
    bc_message_free(&message);
  }
  return s->dead ? bc_sender_fail_dead(s, error) : BEAMCAST_OK;
}
