/* SPDX-License-Identifier: BSD-3-Clause
 * The producer's side of the protocol, a step at a time; see sender.h. */
#include "sender.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "attach.h"
#include "sender_state.h"

int bc_sender_settle(bc_sender *s, int64_t deadline, beamcast_error *error) {
  int code = BEAMCAST_OK;
  for (uint32_t rank = 0; s->sync_owed && rank < s->server_ranks && code == BEAMCAST_OK; rank++) {
    if (s->links[rank].wire != NULL) {
      code = bc_link_synced(&s->links[rank], deadline, error);
    }
  }
  s->sync_owed = false;
  return code;
}

/* A wire failed in the middle: what it has sent can't be told, so the links are given up. */
static int put_failed(bc_sender *s, int code) {
  if (s->state == STEP_OPEN) {
    s->state = code == BEAMCAST_DROPPED ? STEP_DROPPED : STEP_BROKEN;
    bc_sender_abandon(s, s->serial);
  }
  if (code == BEAMCAST_ERR_CONNECTION || code == BEAMCAST_ERR_TIMEOUT ||
      code == BEAMCAST_ERR_PROTOCOL) {
    (void)bc_sender_dead(s, code == BEAMCAST_ERR_TIMEOUT ? BEAMCAST_ERR_CONNECTION : code,
                         "the connection to the server broke in an earlier call: connect again");
  }
  return code;
}

static void forget_attachments(bc_sender *s) {
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    bc_link *link = &s->links[rank];
    if (link->wire != NULL && link->wire->forget != NULL) {
      link->wire->forget(link);
    }
  }
}

/* Takes a GRANT. *ours: it is for the step that is waited for. */
static int take_grant(bc_sender *s, bc_message *message, uint64_t step, bool *ours,
                      beamcast_error *error) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  uint64_t serial = bc_get_u64(&reader), number = bc_get_u64(&reader);
  bool accepted = bc_get_u32(&reader) != 0;
  uint32_t slot = bc_get_u32(&reader);
  uint64_t version = bc_get_u64(&reader), epoch = bc_get_u64(&reader);
  char reason[BC_SENTENCE_MAX];
  bc_get_text(&reader, reason, sizeof reason);
  uint32_t requests = bc_get_u32(&reader);
  *ours = number == step;
  if (reader.bad || requests > BC_REQUESTS_MAX) {
    (void)bc_sender_dead(s, BEAMCAST_ERR_PROTOCOL, "the server's grant makes no sense");
    return bc_sender_fail_dead(s, error);
  }
  if (!*ours) {
    if (accepted) {
      bc_sender_abandon(s, serial);
    }
    return BEAMCAST_OK;
  }
  bc_message_free(&s->grant);
  s->grant = *message;
  memset(message, 0, sizeof *message);
  s->requests = reader;
  s->requests_left = requests;
  if (!accepted) {
    s->state = STEP_DROPPED;
    s->stats.dropped++;
    (void)snprintf(s->reason, sizeof s->reason, "%s", reason);
    return beamcast_fail(error, BEAMCAST_DROPPED, "step %llu was not taken: %.400s",
                         (unsigned long long)step, reason);
  }
  if (version != s->plan.version) {
    s->plan.arrays = 0; /* the server has forgotten what was declared */
  }
  if (epoch != s->epoch) {
    forget_attachments(s);
    s->epoch = epoch;
  }
  s->serial = serial;
  s->slot = slot;
  s->state = STEP_OPEN;
  s->late_drop = false;
  return BEAMCAST_OK;
}

int bc_sender_begin(bc_sender *s, uint64_t step, double time, beamcast_error *error) {
  int64_t deadline = bc_deadline(s->options.limit);
  bc_writer writer = {0};
  if (s->dead) {
    return bc_sender_fail_dead(s, error);
  }
  if (s->state == STEP_OPEN || s->state == STEP_BROKEN) {
    bc_sender_abandon(s, s->serial);
  }
  s->state = STEP_NONE;
  s->arrays = 0;
  s->requests_left = 0;
  int code = bc_sender_look_aside(s, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    s->links[rank].bytes = 0;
  }
  size_t begin = bc_message_begin(&writer, BC_BEGIN);
  bc_put_u64(&writer, step);
  bc_put_f64(&writer, time);
  bc_put_f64(&writer, 0.8 * s->options.limit); /* the server's answer must be here in time */
  bc_message_end(&writer, begin);
  code = bc_sender_send(s, &writer, deadline, error);
  bc_writer_free(&writer);
  if (code == BEAMCAST_OK) { /* not before: both answers come in one round trip */
    code = bc_sender_settle(s, deadline, error);
    if (code != BEAMCAST_OK) {
      return put_failed(s, code);
    }
  }
  bool ours = false;
  while (code == BEAMCAST_OK && !ours) {
    bc_message message;
    code = bc_sender_receive(s, &message, deadline, error);
    if (code != BEAMCAST_OK) {
      break;
    }
    if (message.type == BC_GRANT) {
      code = take_grant(s, &message, step, &ours, error);
    } else if (bc_sender_take_aside(s, &message) != BEAMCAST_OK) {
      code = bc_sender_fail_dead(s, error);
    }
    bc_message_free(&message);
  }
  return code;
}

static int find_array(const bc_plan *plan, const bc_array_spec *spec, const bc_grid *grid) {
  if (plan->arrays == 0 || !bc_grid_equal(&plan->grid, grid)) {
    return -1;
  }
  for (uint32_t i = 0; i < plan->arrays; i++) {
    if (bc_array_spec_equal(&plan->array[i], spec)) {
      return (int)i;
    }
  }
  return -1;
}

static int dropped(const bc_sender *s, beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_DROPPED, "the step was dropped: %.440s", s->reason);
}

/* Declares an array to the server and waits for the layout. */
static int declare(bc_sender *s, const bc_array_spec *spec, const bc_grid *grid, int64_t deadline,
                   beamcast_error *error) {
  bc_declare body = {.serial = s->serial, .grid = *grid, .array = *spec};
  bc_writer writer = {0};
  bc_put_declare(&writer, &body);
  int code = bc_sender_send(s, &writer, deadline, error);
  bc_writer_free(&writer);
  while (code == BEAMCAST_OK && find_array(&s->plan, spec, grid) < 0) {
    bc_message message;
    if (s->state != STEP_OPEN) {
      return dropped(s, error);
    }
    code = bc_sender_receive(s, &message, deadline, error);
    if (code != BEAMCAST_OK) {
      break;
    }
    if (message.type == BC_REFUSE) {
      code = bc_refusal(&message, error);
    } else if (bc_sender_take_aside(s, &message) != BEAMCAST_OK) {
      code = bc_sender_fail_dead(s, error);
    }
    bc_message_free(&message);
  }
  if (code == BEAMCAST_OK && s->plan.epoch != s->epoch) {
    forget_attachments(s);
    s->epoch = s->plan.epoch;
  }
  return code;
}

/* What was put in this step stays where it is: the volume and its types are settled. */
static int check_settled(const bc_sender *s, const bc_array_spec *spec, const bc_grid *grid,
                         beamcast_error *error) {
  if (s->arrays == 0 || s->plan.arrays == 0) {
    return BEAMCAST_OK;
  }
  if (memcmp(s->plan.grid.volume, grid->volume, sizeof grid->volume) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "brick %.60s: the volume of this step is %llu x %llu x %llu: arrays of "
                         "one stream share one grid, use another stream",
                         spec->name, (unsigned long long)s->plan.grid.volume[0],
                         (unsigned long long)s->plan.grid.volume[1],
                         (unsigned long long)s->plan.grid.volume[2]);
  }
  for (uint32_t i = 0; i < s->plan.arrays; i++) {
    const bc_array_spec *have = &s->plan.array[i];
    if ((s->arrays >> i & 1) != 0 && strcmp(have->name, spec->name) == 0 &&
        (have->type != spec->type || have->components != spec->components)) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "brick %.60s: the array has another type or number of components in "
                           "this step",
                           spec->name);
    }
  }
  return BEAMCAST_OK;
}

int bc_sender_put(bc_sender *s, const bc_array_spec *spec, const bc_grid *grid, const bc_box *box,
                  const void *data, const int64_t stride[3], beamcast_error *error) {
  int64_t deadline = bc_deadline(s->options.limit);
  int code = s->dead ? bc_sender_fail_dead(s, error) : bc_sender_look_aside(s, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (s->state == STEP_DROPPED) {
    return dropped(s, error);
  }
  if (s->state != STEP_OPEN) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "put belongs between begin_step and end_step");
  }
  code = check_settled(s, spec, grid, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  int array = find_array(&s->plan, spec, grid);
  if (array < 0) {
    code = declare(s, spec, grid, deadline, error);
    if (code != BEAMCAST_OK) {
      return code == BEAMCAST_ERR_ARGUMENT || code == BEAMCAST_ERR_REFUSED ? code
                                                                           : put_failed(s, code);
    }
    array = find_array(&s->plan, spec, grid);
  }
  s->arrays |= UINT64_C(1) << array;
  if (bc_box_is_empty(box)) {
    return BEAMCAST_OK;
  }
  bc_piece brick = {.serial = s->serial,
                    .slot = s->slot,
                    .array = (uint32_t)array,
                    .box = *box,
                    .voxel_bytes = bc_plan_voxel_bytes(&s->plan, (uint32_t)array),
                    .data = data};
  memcpy(brick.stride, stride, sizeof brick.stride);
  code = bc_sender_send_brick(s, &brick, deadline, error);
  return code == BEAMCAST_OK ? code : put_failed(s, code);
}

int bc_sender_flush_links(bc_sender *s, int64_t deadline, beamcast_error *error) {
  int code = BEAMCAST_OK;
  for (uint32_t rank = 0; rank < s->server_ranks && code == BEAMCAST_OK; rank++) {
    bc_link *link = &s->links[rank];
    if (link->wire != NULL && link->bytes > 0 && link->wire->flush != NULL) {
      code = link->wire->flush(link, deadline, error);
    }
  }
  return code;
}

int bc_sender_flush(bc_sender *s, beamcast_error *error) {
  int code = bc_sender_flush_links(s, bc_deadline(s->options.limit), error);
  return code == BEAMCAST_OK ? code : put_failed(s, code);
}

int bc_sender_register(bc_sender *s, const void *data, uint64_t bytes, beamcast_error *error) {
  return bc_kept_add(s->kept, data, bytes, error);
}

int bc_sender_unregister(bc_sender *s, const void *data, beamcast_error *error) {
  int code = s->state == STEP_OPEN && !s->dead ? bc_sender_flush(s, error) : BEAMCAST_OK;
  int removed = bc_kept_remove(s->kept, data, code == BEAMCAST_OK ? error : NULL);
  return code == BEAMCAST_OK ? removed : code;
}

int bc_sender_end(bc_sender *s, const char *header, beamcast_error *error) {
  int64_t deadline = bc_deadline(s->options.limit);
  if (s->dead) {
    return bc_sender_fail_dead(s, error);
  }
  if (s->state == STEP_DROPPED) {
    s->state = STEP_NONE;
    return dropped(s, error);
  }
  if (s->state != STEP_OPEN) {
    s->state = STEP_NONE;
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "end_step without begin_step");
  }
  int code = bc_sender_flush_links(s, deadline, error);
  for (uint32_t rank = 0; rank < s->server_ranks && code == BEAMCAST_OK; rank++) {
    if (s->links[rank].wire != NULL) {
      code = bc_link_sync(&s->links[rank], deadline, error);
    }
  }
  if (code == BEAMCAST_OK) {
    bc_sender_send_end(s, s->serial, false, header, deadline, error, &code);
  }
  s->sync_owed = code == BEAMCAST_OK;
  for (uint32_t rank = 0; rank < s->server_ranks && !s->options.overlap && code == BEAMCAST_OK;
       rank++) {
    if (s->links[rank].wire != NULL && !s->links[rank].wire->lands) {
      code = bc_link_synced(&s->links[rank], deadline, error);
    }
  }
  if (code != BEAMCAST_OK) {
    (void)bc_sender_look_aside(s, NULL); /* the server may have said why */
    if (s->dead && s->dead_code == BEAMCAST_ERR_REFUSED) {
      code = bc_sender_fail_dead(s, error);
    }
    return put_failed(s, code);
  }
  s->state = STEP_NONE;
  s->stats.steps++;
  return BEAMCAST_OK;
}

int bc_sender_await(bc_sender *s, beamcast_error *error) {
  int64_t deadline = bc_deadline(s->options.limit);
  if (s->dead) {
    return bc_sender_fail_dead(s, error);
  }
  if (s->state != STEP_NONE || s->serial == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "no step has been ended to wait for");
  }
  int code = bc_sender_settle(s, deadline, error);
  bc_writer writer = {0};
  bc_put_number(&writer, BC_AWAIT, s->serial);
  code = code == BEAMCAST_OK ? bc_sender_send(s, &writer, deadline, error) : code;
  bc_writer_free(&writer);
  for (bool answered = false; code == BEAMCAST_OK && !answered;) {
    bc_message message;
    code = bc_sender_receive(s, &message, deadline, error);
    if (code != BEAMCAST_OK) {
      break;
    }
    bc_reader reader = bc_reader_of(message.body, message.size);
    bc_verdict verdict;
    if (message.type != BC_AWAITED) {
      code =
          bc_sender_take_aside(s, &message) == BEAMCAST_OK ? code : bc_sender_fail_dead(s, error);
    } else if (bc_get_verdict(&reader, &verdict) && verdict.about == s->serial) {
      answered = true;
      code = s->late_drop ? dropped(s, error)
             : verdict.code == BEAMCAST_OK
                 ? BEAMCAST_OK
                 : beamcast_fail(error, BEAMCAST_DROPPED, "%.440s", verdict.sentence);
    } /* else: a late one, of a wait that ran into the time limit */
    bc_message_free(&message);
  }
  return code;
}

const char *bc_sender_request(bc_sender *s, uint64_t *number) {
  free(s->request);
  s->request = NULL;
  *number = 0;
  if (s->requests_left == 0) {
    return NULL;
  }
  s->requests_left--;
  *number = bc_get_u64(&s->requests);
  uint32_t length = bc_get_u32(&s->requests);
  const unsigned char *bytes = bc_get_bytes(&s->requests, length);
  s->request = bytes ? strndup((const char *)bytes, length) : NULL;
  return s->request;
}
