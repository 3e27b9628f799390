/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A long way to a server for connections of TCP, in the place of network.h's link where that can't
 * be had: an RDMA device is not to be moved into a namespace. A process passes bytes on, late,
 * slowly or not at all; what goes over a device goes straight. Producers reach all ranks through
 * the root's port, so that all of their sockets take this way.
 */
#ifndef BEAMCAST_TESTS_DETOUR_H
#define BEAMCAST_TESTS_DETOUR_H

#include "network.h"

/* Starts that process; returns its port on the loopback interface. Once, while there is one thread.
 */
int detour_begin(void);
/* Returns when it holds for all that comes. Loss, reordering and doubling are TCP's own matter. */
void detour_set(const network_state *state);
/* Where connections lead that are made from now on. */
void detour_lead(int port);

#endif
