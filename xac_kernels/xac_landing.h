/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memories of this process in which steps land, as they were told (beamcast_landing.h), for
 * back ends that copy a brick. One lock for all of it, and for what waits for news of it.
 */
#ifndef XAC_LANDING_H
#define XAC_LANDING_H

#include "xac_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A box of points of a memory's array, or of a brick. */
typedef struct xac_box {
  int64_t lo[3], n[3];
} xac_box;

typedef struct xac_memory {
  beamcast_landing landing;
  xac_box *told; /* in the order in which they were told; overlapping where bricks do */
  size_t count, capacity;
  uint64_t points; /* of all boxes together */
  int spoilt;      /* more was told than there can be, or than could be noted: none of it counts */
} xac_memory;

void xac_landing_lock(void);
void xac_landing_unlock(void);
void xac_landing_wait(void); /* for anything new; lock held */
void xac_landing_wake(void); /* those who wait */

/* Lock held; valid while it is. The memory that has this address, NULL if none. */
const xac_memory *xac_landing_at(const void *address);
/* The one with the oldest of the steps of the same array that are later than this one, have begun
 * to land, and have its shape; NULL if there is none. */
const xac_memory *xac_landing_after(const beamcast_landing *shown);

#ifdef __cplusplus
}
#endif

#endif
