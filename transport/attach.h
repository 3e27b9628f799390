/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What wires share that write into a rank's memory themselves: asking for the memory behind an
 * array of a step, and the account of what was written, told to the rank afterwards.
 */
#ifndef BEAMCAST_ATTACH_H
#define BEAMCAST_ATTACH_H

#include "socket.h"
#include "wire.h"

typedef struct bc_attachment {
  uint64_t size;    /* bytes */
  uint64_t address; /* over RDMA: remote address and key; else 0 */
  uint32_t key;
} bc_attachment;

/* Asks over the lane's socket. fd_out (may be NULL): the memory's descriptor, the caller's to
 * close. BEAMCAST_DROPPED if the step is not there any more. */
int bc_attach(int fd, uint64_t serial, uint32_t array, bc_attachment *out, int *fd_out,
              int64_t deadline, beamcast_error *error);

/* Turns a FAIL or REFUSE of the server into an error; anything else is ERR_PROTOCOL. */
int bc_refusal(const bc_message *message, beamcast_error *error);

/* Pieces that were written and not told yet. */
typedef struct bc_spans {
  bc_span *spans;
  size_t count, capacity;
} bc_spans;

int bc_spans_add(bc_spans *spans, const bc_piece *piece, uint64_t bytes, beamcast_error *error);
/* Sends a WROTE for each and forgets them. */
int bc_spans_send(bc_spans *spans, int fd, int64_t deadline, beamcast_error *error);
void bc_spans_free(bc_spans *spans);

#endif
