/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A few threads that do numbered jobs together with the caller, so that several connections or
 * memory channels are busy at once.
 */
#ifndef BEAMCAST_COPIERS_H
#define BEAMCAST_COPIERS_H

#include <stddef.h>

typedef struct bc_copiers bc_copiers;

/* threads: beside the caller; 0 is allowed. NULL if out of memory. Threads start when first needed.
 */
bc_copiers *bc_copiers_new(int threads);
/* Calls job(context, i) once for each i < count, on the caller and the threads; returns when all
 * are done. One caller at a time. */
void bc_copiers_run(bc_copiers *copiers, size_t count, void (*job)(void *context, size_t index),
                    void *context);
void bc_copiers_free(bc_copiers *copiers);

#endif
