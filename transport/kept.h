/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A producer's arrays that stay where they are from step to step, as it says (beamcast_register),
 * and what wires have registered of them: once in each domain (a device, to this process), when
 * that is first needed, until the array is taken back or the domain's last link leaves. Any
 * threads.
 */
#ifndef BEAMCAST_KEPT_H
#define BEAMCAST_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "beamcast_types.h"

typedef struct bc_kept bc_kept;

/* How a wire registers memory in a domain. make: NULL where it can't be. */
typedef struct bc_kept_ways {
  void *(*make)(void *domain, const void *data, uint64_t bytes, bool on_device);
  void (*drop)(void *region);
} bc_kept_ways;

bc_kept *bc_kept_new(void);
void bc_kept_free(bc_kept *kept); /* no domain has links; NULL is allowed */
/* The same array twice is one. */
int bc_kept_add(bc_kept *kept, const void *data, uint64_t bytes, beamcast_error *error);
/* Nothing reads from it any more. */
int bc_kept_remove(bc_kept *kept, const void *data, beamcast_error *error);

/* A link of the domain comes and goes. When the last one goes, what was registered is dropped. */
void bc_kept_join(bc_kept *kept, void *domain, const bc_kept_ways *ways);
void bc_kept_leave(bc_kept *kept, void *domain);
/* What covers the memory in a domain that was joined. NULL where no kept array does, or where that
 * array can't be registered: this is found out once. */
void *bc_kept_region(bc_kept *kept, void *domain, const void *data, uint64_t bytes, bool on_device);

#endif
