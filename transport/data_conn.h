/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection that carries voxels, shared by data.c (messages and voxels), data_threads.c, and
 * data_attach.c (memory that peers write or read themselves). It belongs to one data thread.
 */
#ifndef BEAMCAST_DATA_CONN_H
#define BEAMCAST_DATA_CONN_H

#include "server.h"

typedef enum reading { READ_HEAD, READ_BODY, READ_VOXELS } reading;

struct bc_data_conn {
  bc_data_conn *next;
  bool doomed; /* the root wants it gone (lock); apart from what the thread reads without it */
  bc_data_thread *thread;
  int fd, role;
  bool local;
  bool dead, clean; /* clean: the peer closed it */
  bool close_when_sent;
  uint64_t session; /* 0: not bound */
  uint32_t producer;
  uint64_t verbs; /* cookie of its queue pair, 0 for none */
  reading state;
  unsigned char head[BC_FRAME_BYTES];
  bc_frame_head frame;
  unsigned char *body;
  size_t got;
  /* voxels coming in */
  bc_span span;
  bc_slot *slot;
  bc_memory *memory; /* where they go, retained; NULL: nowhere */
  uint64_t base;     /* of the box in memory */
  bc_runs runs;
  uint64_t moved;
  uint64_t told, piece; /* rows that were told as landed; so many together */
  /* messages and voxels going out: messages first */
  bc_writer out;
  size_t out_sent;
  bc_memory *from; /* retained while voxels go out */
  uint64_t from_base, from_moved, from_bytes;
  bc_runs from_runs;
};

/* Tells the peer and the log why, and closes the connection once that is sent. */
void bc_data_fail(bc_receiver *r, bc_data_conn *c, int code, const char *sentence);
/* data.c: reads and writes what can be moved now; may leave it `dead`. */
void bc_data_serve(bc_receiver *r, bc_data_conn *c);
/* data_attach.c: ATTACH and VERBS_OPEN */
void bc_data_attach(bc_receiver *r, bc_data_conn *c, bc_reader *reader);
void bc_data_verbs_open(bc_receiver *r, bc_data_conn *c);

#endif
