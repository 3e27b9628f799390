/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a producer or viewer reaches the ranks of a server: over the Unix socket on one host,
 * directly over TCP, or through the root's port when only that can be reached (a tunnel).
 */
#ifndef BEAMCAST_DIAL_H
#define BEAMCAST_DIAL_H

#include <stdatomic.h>

#include "contact.h"
#include "socket.h"

typedef struct bc_dialer {
  bc_contact contact; /* of the root, as it was reached */
  char host_id[96];   /* of this process */
  bool looped;        /* the root was reached over the loopback interface */
  atomic_bool relay;  /* go through the root: direct ways were tried in vain, or $BEAMCAST_RELAY */
} bc_dialer;

/* Reads the contact and connects to the root in a role; tries again until the deadline while the
 * server is not there. Returns the socket, or -1. */
int bc_dial_root(bc_dialer *dialer, const char *contact, const char *token, bc_role role,
                 int64_t deadline, beamcast_error *error);

/* What the root says of where it is. On another host though it was reached over the loopback
 * interface: then a tunnel leads there, and to the other ranks through the root alone. Where
 * $BEAMCAST_RELAY is set that counts instead. */
void bc_dial_found_root(bc_dialer *dialer, const bc_place *root);

/* Connects to a rank. local: over its Unix socket. relayed tells which way it went. From any
 * thread, several at once. */
int bc_dial_rank(bc_dialer *dialer, const bc_place *place, uint32_t rank, bc_role role, bool local,
                 bool *relayed, int64_t deadline, beamcast_error *error);

bool bc_dial_is_local(const bc_dialer *dialer, const bc_place *place);

#endif
