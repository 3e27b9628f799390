/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The other direction: a viewer takes a box of a stream's newest complete step from a server, each
 * part from the rank that owns it. The step stays in the server's memory until the fetch is closed.
 */
#ifndef BEAMCAST_FETCH_H
#define BEAMCAST_FETCH_H

#include "protocol.h"

typedef struct bc_fetch bc_fetch;

typedef struct bc_fetch_info {
  uint64_t serial, step;
  double time;
  const bc_plan *plan;
  uint64_t arrays;    /* bits of plan->array that this step has */
  const char *header; /* JSON */
  uint32_t ranks;
} bc_fetch_info;

/* Connects and takes hold of the newest complete step, or, where step is not NULL, of that number.
 * limit: seconds for this call. */
bc_fetch *bc_fetch_open(const char *contact, const char *token, const char *stream,
                        const uint64_t *step, double limit, beamcast_error *error);
void bc_fetch_describe(const bc_fetch *fetch, bc_fetch_info *info);
/* Reads a box of an array into data, [z][y][x][component], contiguous. wire: forced name or NULL.
 */
int bc_fetch_read(bc_fetch *fetch, uint32_t array, const bc_box *box, void *data, const char *wire,
                  double limit, beamcast_error *error);
void bc_fetch_close(bc_fetch *fetch);

#endif
