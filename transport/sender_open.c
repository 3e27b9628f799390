/* SPDX-License-Identifier: BSD-3-Clause
 * A producer's beginning and end, and what it says of itself; see sender.h. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "device.h"
#include "sender_state.h"

enum { COPIERS_MAX = 4 };

static int take_welcome(bc_sender *s, const bc_message *message, beamcast_error *error) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  s->session = bc_get_u64(&reader);
  s->server_ranks = bc_get_u32(&reader);
  if (reader.bad || s->server_ranks == 0 || s->server_ranks > BC_SERVER_RANKS_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's welcome makes no sense");
  }
  s->links = calloc(s->server_ranks, sizeof(*s->links));
  s->boxes = calloc(s->server_ranks, sizeof(*s->boxes));
  if (s->links == NULL || s->boxes == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    s->links[rank].rank = rank;
    s->links[rank].kept = s->kept;
    if (!bc_get_place(&reader, &s->links[rank].place)) {
      return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's welcome makes no sense");
    }
  }
  bc_dial_found_root(&s->dialer, &s->links[0].place);
  return BEAMCAST_OK;
}

static int join(bc_sender *s, int64_t deadline, beamcast_error *error) {
  bc_join body = {.run_id = s->options.run_id, .rank = s->options.rank, .ranks = s->options.ranks};
  bc_writer writer = {0};
  bc_message message;
  memcpy(body.stream, s->stream, sizeof body.stream);
  bc_put_join(&writer, &body);
  int code = bc_sender_send(s, &writer, deadline, error);
  bc_writer_free(&writer);
  if (code == BEAMCAST_OK) {
    code = bc_receive_message(s->control, &message, NULL, deadline, error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (message.type == BC_WELCOME) {
    code = take_welcome(s, &message, error);
  } else {
    (void)bc_sender_take_aside(s, &message);
    code = bc_sender_fail_dead(s, error);
  }
  bc_message_free(&message);
  return code;
}

static int copiers_wanted(void) {
  const char *text = getenv("BEAMCAST_THREADS");
  long wanted = text ? strtol(text, NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN) / 2;
  return wanted < 1 ? 1 : wanted > COPIERS_MAX ? COPIERS_MAX : (int)wanted;
}

bc_sender *bc_sender_open(const char *contact, const char *token, const bc_sender_options *options,
                          beamcast_error *error) {
  bc_sender *s = calloc(1, sizeof *s);
  if (s == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  s->options = *options;
  (void)snprintf(s->stream, sizeof s->stream, "%s", options->stream);
  (void)snprintf(s->wire, sizeof s->wire, "%s", options->wire ? options->wire : "");
  s->options.wire = s->wire[0] != '\0' ? s->wire : NULL;
  s->options.stream = s->stream;
  pthread_mutex_init(&s->sending, NULL);
  bc_cond_init(&s->pulse_stop);
  s->copier_count = copiers_wanted();
  s->copiers = bc_copiers_new(COPIERS_MAX);
  s->kept = bc_kept_new();
  int64_t deadline = bc_deadline(options->limit);
  int code = s->copiers && s->kept ? BEAMCAST_OK
                                   : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  s->control = -1;
  if (code == BEAMCAST_OK) {
    s->control = bc_dial_root(&s->dialer, contact, token, BC_ROLE_PRODUCER, deadline, error);
    code = s->control < 0 ? BEAMCAST_ERR_CONNECTION : join(s, deadline, error);
  }
  if (code == BEAMCAST_OK && pthread_create(&s->pulse, NULL, bc_sender_pulse, s) != 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no thread could be started");
  }
  s->pulse_started = code == BEAMCAST_OK;
  if (code != BEAMCAST_OK) {
    bc_sender_close(s);
    return NULL;
  }
  return s;
}

void bc_sender_describe(const bc_sender *s, bc_sender_stats *stats) {
  *stats = s->stats;
  stats->ranks = (int)s->server_ranks;
  stats->wire = "none";
  int slowest = -1;
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    const bc_link *link = &s->links[rank];
    if (link->wire != NULL) {
      int speed = link->relayed ? 3 : link->wire->kind == BC_WIRE_TCP ? 2 : 1;
      if (speed > slowest) {
        slowest = speed;
        stats->wire = link->relayed ? "tcp (relayed)" : link->wire->name;
      }
    }
  }
}

void bc_sender_close(bc_sender *s) {
  if (s == NULL) {
    return;
  }
  int64_t deadline = bc_deadline(s->options.limit);
  if (!s->dead && s->control >= 0 && s->links != NULL) {
    if (s->state == STEP_OPEN || s->state == STEP_BROKEN) {
      bc_sender_abandon(s, s->serial);
    }
    (void)bc_sender_settle(s, deadline, NULL);
  }
  pthread_mutex_lock(&s->sending);
  s->stop = true;
  pthread_cond_broadcast(&s->pulse_stop);
  pthread_mutex_unlock(&s->sending);
  if (s->pulse_started) {
    (void)pthread_join(s->pulse, NULL);
  }
  if (!s->dead && s->control >= 0) {
    bc_writer writer = {0};
    bc_message_empty(&writer, BC_BYE);
    if (bc_send_writer(s->control, &writer, bc_deadline(1), NULL) == BEAMCAST_OK) {
      /* until the root has heard it: a connection for voxels that ends before that looks broken */
      (void)bc_wait(s->control, POLLIN, bc_deadline(1), NULL);
    }
    bc_writer_free(&writer);
  }
  for (uint32_t rank = 0; s->links != NULL && rank < s->server_ranks; rank++) {
    bc_link_close(&s->links[rank]);
  }
  bc_close_fd(&s->control);
  bc_copiers_free(s->copiers);
  bc_kept_free(s->kept);
  bc_device_close(s->device);
  bc_message_free(&s->grant);
  pthread_mutex_destroy(&s->sending);
  pthread_cond_destroy(&s->pulse_stop);
  free(s->request);
  free(s->links);
  free(s->boxes);
  free(s);
}
