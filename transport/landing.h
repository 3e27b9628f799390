/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Voxels are known to be there in pieces, while the rest of a brick is under way: how large these
 * are, and how a rank tells of them (beamcast_landing.h) where somebody wants to know.
 */
#ifndef BEAMCAST_TRANSPORT_LANDING_H
#define BEAMCAST_TRANSPORT_LANDING_H

#include "server.h"

/* lock held, all of them; nothing where nobody wants to know */
/* The slot's arrays take voxels now. */
void bc_landing_begin(const bc_receiver *r, const bc_slot *slot);
/* The box, in the volume, has landed. */
void bc_landing_tell(const bc_receiver *r, const bc_slot *slot, uint32_t array, const bc_box *box);
/* What was told of one array is void, or of all. */
void bc_landing_forget_array(const bc_receiver *r, const bc_slot *slot, uint32_t array);
void bc_landing_forget(const bc_receiver *r, const bc_slot *slot);

#endif
