/* SPDX-License-Identifier: BSD-3-Clause
 * Connections to ranks; see links.h. */
#include "links.h"

#include <stdlib.h>

#include "attach.h"
#include "copiers.h"

enum { CONNECTIONS_BETWEEN_HOSTS = 4 };

const bc_wire *bc_wire_named(const char *name) {
  const bc_wire *all[] = {bc_wire_verbs(), &bc_wire_shm, &bc_wire_tcp};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (all[i] != NULL && strcmp(all[i]->name, name) == 0) {
      return all[i];
    }
  }
  return NULL;
}

static int bind_lane(int fd, uint64_t session, int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  bc_message message;
  bc_put_number(&writer, BC_BIND, session);
  int code = bc_exchange(fd, &writer, &message, NULL, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  code = message.type == BC_BOUND ? BEAMCAST_OK : bc_refusal(&message, error);
  bc_message_free(&message);
  return code;
}

typedef struct opening {
  bc_link *link;
  bc_dialer *dialer;
  uint64_t session;
  int64_t deadline;
  struct {
    bool relayed;
    int code;
    beamcast_error error;
  } lane[BC_LANES_MAX];
} opening;

static void open_lane(void *context, size_t i) {
  opening *o = context;
  bc_link *link = o->link;
  beamcast_error *error = &o->lane[i].error;
  link->fd[i] =
      bc_dial_rank(o->dialer, &link->place, link->rank, BC_ROLE_WRITER,
                   link->wire->kind == BC_WIRE_SHM, &o->lane[i].relayed, o->deadline, error);
  o->lane[i].code = link->fd[i] < 0 ? BEAMCAST_ERR_CONNECTION
                                    : bind_lane(link->fd[i], o->session, o->deadline, error);
}

/* All at once: each takes some round trips, and the way may be long. */
static int open_lanes(bc_link *link, bc_dialer *dialer, uint64_t session, int64_t deadline,
                      beamcast_error *error) {
  opening o = {.link = link, .dialer = dialer, .session = session, .deadline = deadline};
  bc_copiers *threads = bc_copiers_new(link->sockets - 1);
  if (threads == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  bc_copiers_run(threads, (size_t)link->sockets, open_lane, &o);
  bc_copiers_free(threads);
  for (int i = 0; i < link->sockets; i++) {
    if (o.lane[i].code != BEAMCAST_OK) {
      if (error != NULL) {
        *error = o.lane[i].error;
      }
      return o.lane[i].code;
    }
    link->relayed = link->relayed || o.lane[i].relayed;
  }
  return BEAMCAST_OK;
}

/* After a failure the link is to be closed. */
static int open_over(bc_link *link, const bc_wire *wire, bc_dialer *dialer,
                     const bc_link_options *o, int64_t deadline, beamcast_error *error) {
  bool shm = wire->kind == BC_WIRE_SHM, tcp = wire->kind == BC_WIRE_TCP;
  link->wire = wire;
  link->sockets = 1;
  link->relayed = false;
  if (tcp) {
    link->sockets = o->connections > 0                       ? o->connections
                    : bc_dial_is_local(dialer, &link->place) ? 1
                                                             : CONNECTIONS_BETWEEN_HOSTS;
  }
  link->lanes = shm ? o->copiers : link->sockets;
  for (int i = 0; i < BC_LANES_MAX; i++) {
    link->fd[i] = -1;
    link->synced[i] = true;
  }
  int code = open_lanes(link, dialer, o->session, deadline, error);
  if (code == BEAMCAST_OK && wire->open != NULL) {
    code = wire->open(link, deadline, error);
  }
  return code;
}

static int open_named(bc_link *link, bc_dialer *dialer, const bc_link_options *o, int64_t deadline,
                      beamcast_error *error) {
  const bc_wire *wire = bc_wire_named(o->wire);
  if (wire == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "there is no wire called %.20s in this build: use verbs, shm or tcp",
                         o->wire);
  }
  if (!wire->possible(&link->place, dialer->host_id)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "rank %u of the server can't be reached over %s: %s", link->rank,
                         wire->name,
                         wire->kind == BC_WIRE_SHM ? "it runs on another host"
                                                   : "an RDMA device is missing on a side");
  }
  int code = open_over(link, wire, dialer, o, deadline, error);
  if (code != BEAMCAST_OK) {
    bc_link_close(link);
  }
  return code;
}

int bc_link_open(bc_link *link, bc_dialer *dialer, const bc_link_options *o, int64_t deadline,
                 beamcast_error *error) {
  const bc_wire *order[] = {&bc_wire_shm, bc_wire_verbs(), &bc_wire_tcp};
  enum { COUNT = sizeof order / sizeof order[0] };
  bc_link failed[COUNT];
  int code = BEAMCAST_ERR_CONNECTION, failures = 0;
  if (o->wire != NULL) {
    return open_named(link, dialer, o, deadline, error);
  }
  for (size_t i = 0; i < COUNT && code != BEAMCAST_OK; i++) {
    if (order[i] == NULL || !order[i]->possible(&link->place, dialer->host_id)) {
      continue;
    }
    code = open_over(link, order[i], dialer, o, deadline, error);
    if (code != BEAMCAST_OK) {
      failed[failures++] = *link;
      link->wire = NULL;
    }
  }
  /* not before: when the last connection of a session ends, the rank gives it up */
  while (failures > 0) {
    bc_link_close(&failed[--failures]);
  }
  return code;
}

int bc_link_fall_back(bc_link *link, bc_dialer *dialer, const bc_link_options *o, int64_t deadline,
                      beamcast_error *error) {
  bc_link fresh = {.place = link->place, .rank = link->rank, .bytes = link->bytes};
  int code = open_over(&fresh, &bc_wire_tcp, dialer, o, deadline, error);
  /* what was written over the old wire counts: the rank hears of it before that connection ends */
  if (code == BEAMCAST_OK && link->wire->flush != NULL) {
    code = link->wire->flush(link, deadline, error);
  }
  if (code == BEAMCAST_OK) {
    code = bc_link_sync(link, deadline, error);
  }
  if (code == BEAMCAST_OK) {
    code = bc_link_synced(link, deadline, error);
  }
  if (code != BEAMCAST_OK) {
    bc_link_close(&fresh);
    return code;
  }
  bc_link_close(link);
  *link = fresh;
  return BEAMCAST_OK;
}

int bc_link_sync(bc_link *link, int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  int code = BEAMCAST_OK;
  for (int i = 0; i < link->sockets && code == BEAMCAST_OK; i++) {
    if (!link->synced[i]) {
      bc_put_number(&writer, BC_SYNC, 0);
      code = bc_send_writer(link->fd[i], &writer, deadline, error);
    }
  }
  bc_writer_free(&writer);
  return code;
}

int bc_link_synced(bc_link *link, int64_t deadline, beamcast_error *error) {
  int code = BEAMCAST_OK;
  for (int i = 0; i < link->sockets && code == BEAMCAST_OK; i++) {
    bc_message message;
    if (link->synced[i]) {
      continue;
    }
    code = bc_receive_message(link->fd[i], &message, NULL, deadline, error);
    if (code == BEAMCAST_OK) {
      code = message.type == BC_SYNCED ? BEAMCAST_OK : bc_refusal(&message, error);
      bc_message_free(&message);
      link->synced[i] = true;
    }
  }
  return code;
}

void bc_link_close(bc_link *link) {
  if (link->wire != NULL && link->wire->close != NULL) {
    link->wire->close(link);
  }
  for (int i = 0; link->wire != NULL && i < link->sockets; i++) {
    bc_close_fd(&link->fd[i]);
  }
  link->wire = NULL;
}
