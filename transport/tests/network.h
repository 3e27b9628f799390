/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two hosts on one machine: network namespaces, joined by a link that delays, loses, reorders and
 * doubles packets, or is cut. The link is a process between two TUN devices, for the kernel's netem
 * is not everywhere. Near is where the caller stays, far where network_go_far takes others.
 */
#ifndef BEAMCAST_TESTS_NETWORK_H
#define BEAMCAST_TESTS_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#define NETWORK_NEAR "198.18.0.1" /* from the block for such tests (RFC 2544) */
#define NETWORK_FAR "198.18.0.2"

typedef struct network_state {
  double delay;                   /* seconds, each way */
  double loss, reorder, doubling; /* of all packets; reordered ones are not delayed */
  double rate;                    /* bytes per second, each way; 0: as fast as it goes */
  bool cut;
} network_state;

/* Moves this process into a namespace of its own and makes the other one. Call it once, before
 * other processes are started and while there is one thread. False, and what is missing, where this
 * process has no right to. */
bool network_begin(uint64_t seed, char *missing, unsigned size);
/* Returns when it holds for every packet that comes. */
void network_set(const network_state *state);
/* Moves the calling process to the far side, or back. */
void network_go_far(void);
void network_go_near(void);

#endif
