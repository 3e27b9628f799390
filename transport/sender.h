/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The producer's side of the protocol: one sender per producer rank and stream. Used by one thread
 * at a time; a thread of its own says now and then that the producer lives, others may help to
 * copy. Every call ends within the time limit. After ERR_CONNECTION or ERR_PROTOCOL only close is
 * left.
 */
#ifndef BEAMCAST_SENDER_H
#define BEAMCAST_SENDER_H

#include "protocol.h"

typedef struct bc_sender bc_sender;

typedef struct bc_sender_options {
  const char *stream;
  uint64_t run_id;
  uint32_t rank, ranks;
  double limit;     /* seconds for every call */
  const char *wire; /* forced wire's name, or NULL */
  int connections;  /* tcp connections to each rank; 0: chosen */
  bool overlap;     /* end does not wait until the bytes have landed */
} bc_sender_options;

typedef struct bc_sender_stats {
  uint64_t steps, dropped, bytes;
  int ranks;
  const char *wire;
} bc_sender_stats;

bc_sender *bc_sender_open(const char *contact, const char *token, const bc_sender_options *options,
                          beamcast_error *error);
/* BEAMCAST_OK, or BEAMCAST_DROPPED with the server's reason. */
int bc_sender_begin(bc_sender *s, uint64_t step, double time, beamcast_error *error);
/* Sends a box of an array; data: the voxel at box->start, in host memory or a CUDA device's (then
 * the work that makes it is done, and it may change again on return); stride in bytes. */
int bc_sender_put(bc_sender *s, const bc_array_spec *spec, const bc_grid *grid, const bc_box *box,
                  const void *data, const int64_t stride[3], beamcast_error *error);
/* The array stays where it is until it is taken back: a wire that has to register it does so once.
 */
int bc_sender_register(bc_sender *s, const void *data, uint64_t bytes, beamcast_error *error);
/* On return it may go away; what was put of it has left. */
int bc_sender_unregister(bc_sender *s, const void *data, beamcast_error *error);
/* Returns when all arrays that were put may change again. */
int bc_sender_flush(bc_sender *s, beamcast_error *error);
/* header: JSON object of the step, at most BC_HEADER_MAX bytes. */
int bc_sender_end(bc_sender *s, const char *header, beamcast_error *error);
/* Waits until the step ended last is complete: from then on whoever looks finds it, or a newer one.
 * With several producers all must have ended it. BEAMCAST_DROPPED if it was given up. */
int bc_sender_await(bc_sender *s, beamcast_error *error);
/* The next request that came with this step: its JSON (the sender's, until the next call), or NULL.
 */
const char *bc_sender_request(bc_sender *s, uint64_t *number);
void bc_sender_describe(const bc_sender *s, bc_sender_stats *stats);
void bc_sender_close(bc_sender *s);

#endif
