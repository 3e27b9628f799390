/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A producer's connections to the ranks of a server: made when first needed, over the best wire
 * that works. See wire.h for what a link is.
 */
#ifndef BEAMCAST_LINKS_H
#define BEAMCAST_LINKS_H

#include "dial.h"
#include "wire.h"

typedef struct bc_link_options {
  const char *wire; /* forced wire's name, or NULL */
  int connections;  /* tcp; 0: chosen */
  int copiers;      /* threads that copy at the same time, at least 1 */
  uint64_t session;
} bc_link_options;

/* The wire called name; NULL if there is none or this build lacks it. */
const bc_wire *bc_wire_named(const char *name);

/* Connects a link whose place and rank are set. */
int bc_link_open(bc_link *link, bc_dialer *dialer, const bc_link_options *options, int64_t deadline,
                 beamcast_error *error);
/* Connects an open link over tcp instead, where its wire can't have the memory it needs. The old
 * connection ends after the new one is bound; what was written over it stays written. After a
 * failure the link is as it was. */
int bc_link_fall_back(bc_link *link, bc_dialer *dialer, const bc_link_options *options,
                      int64_t deadline, beamcast_error *error);
/* SYNC on every lane that carried voxels; wait for it with bc_link_synced. */
int bc_link_sync(bc_link *link, int64_t deadline, beamcast_error *error);
int bc_link_synced(bc_link *link, int64_t deadline, beamcast_error *error);
void bc_link_close(bc_link *link);

#endif
