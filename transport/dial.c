/* SPDX-License-Identifier: BSD-3-Clause
 * Reaching the ranks of a server; see dial.h. */
#include "dial.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "handshake.h"

enum { DIRECT_SECONDS = 3, TRIES = 3, PAUSE_LEAST = 5000000, PAUSE_MOST = 160000000 /* ns */ };

static int dial_once(bc_dialer *d, const char *contact, const char *token, bc_role role,
                     int64_t deadline, beamcast_error *error) {
  if (bc_contact_read(contact, token, &d->contact, error) != BEAMCAST_OK) {
    return -1;
  }
  if (!bc_rights_allow(d->contact.token.rights, role)) {
    beamcast_fail(error, BEAMCAST_ERR_REFUSED, "this contact does not allow it: it is for %s only",
                  d->contact.token.rights == BC_RIGHTS_PUSH ? "pushing" : "viewing");
    return -1;
  }
  int fd = bc_connect_tcp(d->contact.host, d->contact.port, deadline, error);
  if (fd >= 0 && bc_handshake(fd, role, 0, &d->contact.token, deadline, error) != BEAMCAST_OK) {
    bc_close_fd(&fd);
  }
  return fd;
}

static bool is_looped(int fd) {
  struct sockaddr_storage peer = {0};
  socklen_t size = sizeof peer;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&peer;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&peer;
  return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
         ((peer.ss_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) ||
          (peer.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)));
}

int bc_dial_root(bc_dialer *d, const char *contact, const char *token, bc_role role,
                 int64_t deadline, beamcast_error *error) {
  memset(d, 0, sizeof *d);
  bc_host_id(d->host_id, sizeof d->host_id);
  const char *relay = getenv("BEAMCAST_RELAY");
  d->relay = relay != NULL && strcmp(relay, "1") == 0;
  struct timespec pause = {.tv_nsec = 20000000};
  for (;;) {
    beamcast_error why = {0};
    int fd = dial_once(d, contact, token, role, deadline, &why);
    if (fd >= 0) {
      d->looped = is_looped(fd);
      return fd;
    }
    if (why.code != BEAMCAST_ERR_CONNECTION || bc_now() + pause.tv_nsec >= deadline) {
      if (error != NULL) {
        *error = why;
      }
      return -1;
    }
    (void)nanosleep(&pause, NULL);
    pause.tv_nsec = pause.tv_nsec < 250000000 ? 2 * pause.tv_nsec : pause.tv_nsec;
  }
}

void bc_dial_found_root(bc_dialer *d, const bc_place *root) {
  if (getenv("BEAMCAST_RELAY") == NULL && d->looped && !bc_dial_is_local(d, root)) {
    d->relay = true;
  }
}

bool bc_dial_is_local(const bc_dialer *d, const bc_place *place) {
  return place->unix_name[0] != '\0' && strcmp(place->host_id, d->host_id) == 0;
}

/* Where a rank listens: a Unix socket, or, where that is NULL, a host's port. */
typedef struct door {
  const char *unix_name, *host;
  int port;
  uint32_t rank;
} door;

/* The rank gives a handshake a few seconds, which a link that loses packets may take, and turns a
 * crowd away: then it is tried again, later and later. What can't be connected is given up soon. */
static int dial(const bc_dialer *d, const door *at, bc_role role, int64_t deadline,
                beamcast_error *error) {
  beamcast_error why = {.code = BEAMCAST_ERR_CONNECTION};
  int fd = -1, unreached = 0;
  int64_t pause = PAUSE_LEAST;
  while (fd < 0 && why.code == BEAMCAST_ERR_CONNECTION && unreached < TRIES &&
         bc_now() < deadline) {
    fd = at->unix_name != NULL ? bc_connect_unix(at->unix_name, deadline, &why)
                               : bc_connect_tcp(at->host, at->port, deadline, &why);
    if (fd < 0) {
      unreached++;
    } else if (bc_handshake(fd, role, at->rank, &d->contact.token, deadline, &why) != BEAMCAST_OK) {
      const struct timespec wait = {.tv_nsec = pause + bc_now() % pause}; /* not all at once */
      bc_close_fd(&fd);
      (void)nanosleep(&wait, NULL);
      pause = pause < PAUSE_MOST ? 2 * pause : pause;
    }
  }
  if (fd < 0) {
    bool late = why.message[0] == '\0';
    beamcast_fail(error, late ? BEAMCAST_ERR_TIMEOUT : why.code, "%s",
                  late ? "the time limit was over" : why.message);
  }
  return fd;
}

int bc_dial_rank(bc_dialer *d, const bc_place *place, uint32_t rank, bc_role role, bool local,
                 bool *relayed, int64_t deadline, beamcast_error *error) {
  *relayed = false;
  door at = {.unix_name = local ? place->unix_name : NULL,
             .host = place->host,
             .port = (int)place->port,
             .rank = rank};
  if (local) {
    return dial(d, &at, role, deadline, error);
  }
  if (rank != 0 && !d->relay) {
    int64_t soon = bc_deadline(DIRECT_SECONDS);
    int fd = dial(d, &at, role, soon < deadline ? soon : deadline, error);
    if (fd >= 0) {
      return fd;
    }
    d->relay = true; /* what can't be reached once is not tried for every connection */
  }
  *relayed = rank != 0;
  at.host = d->contact.host;
  at.port = d->contact.port;
  return dial(d, &at, role, deadline, error);
}
