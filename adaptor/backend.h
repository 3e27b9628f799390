/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a producer's steps go: into the stream, to Catalyst in this process, to both or nowhere.
 */
#ifndef BEAMCAST_BACKEND_H
#define BEAMCAST_BACKEND_H

#include "catalyst/catalyst_backend.h"

enum { BC_TO_STREAM = 1, BC_TO_CATALYST = 2 };

/* The bits of "stream", "catalyst", "both" or "none". name: NULL means $BEAMCAST_BACKEND, and
 * "stream" without it. -1 and an error for any other name. */
int bc_backend_find(const char *name, beamcast_error *error);

/* Loads libbeamcast_catalyst: the one beside libbeamcast, else where the loader looks. It stays
 * loaded. NULL and an error without it, without its ParaView, or when it is of another version. */
const bc_catalyst_api *bc_backend_catalyst(beamcast_error *error);

#endif
