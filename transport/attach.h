/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What wires share that write into a rank's memory themselves: asking for the memory behind an
 * array of a step, and the account of what was written, told to the rank afterwards.
 */
#ifndef BEAMCAST_ATTACH_H
#define BEAMCAST_ATTACH_H

#include <pthread.h>

#include "socket.h"
#include "wire.h"

typedef struct bc_attachment {
  uint32_t slot, array;
  uint64_t serial;             /* the step that it is for; 0: all until the epoch changes */
  uint64_t size;               /* bytes */
  unsigned char *data;         /* shared memory: where it is mapped; else NULL */
  uint64_t address;            /* over RDMA: remote address, ... */
  uint32_t key[BC_QUEUES_MAX]; /* ... and the key for each queue pair */
} bc_attachment;

/* Asks over the lane's socket; fills what the rank says of the memory. fd_out: its descriptor, the
 * caller's to close; NULL: over RDMA. BEAMCAST_DROPPED if the step is not there any more. */
int bc_attach(int fd, uint64_t serial, uint32_t array, bc_attachment *out, int *fd_out,
              int64_t deadline, beamcast_error *error);

/* Turns a FAIL or REFUSE of the server into an error; anything else is ERR_PROTOCOL. */
int bc_refusal(const bc_message *message, beamcast_error *error);

/* What a link has attached, and what it wrote there and has not told yet. */
typedef struct bc_span_list {
  bc_span *spans;
  size_t count, capacity;
  uint64_t bytes; /* of the voxels of all */
} bc_span_list;

typedef struct bc_attached {
  bc_attachment *items;
  size_t count;
  pthread_mutex_t telling; /* lanes tell over one socket */
  bc_span_list wrote[BC_LANES_MAX];
} bc_attached;

/* It was zero. */
void bc_attached_init(bc_attached *attached);

/* NULL: to be asked for. */
const bc_attachment *bc_attached_find(const bc_attached *attached, uint64_t serial, uint32_t slot,
                                      uint32_t array);
/* As find, for a piece whose memory must have the size that the layout gives it. */
const bc_attachment *bc_attached_for(const bc_attached *attached, const bc_piece *piece,
                                     beamcast_error *error);
/* Takes over the mapping, also after a failure; an earlier one of the same slot and array goes. */
int bc_attached_add(bc_attached *attached, const bc_attachment *item, beamcast_error *error);
/* Where the first voxel of a box lies that is a part of the piece's. */
const unsigned char *bc_piece_at(const bc_piece *piece, const bc_box *box);
/* Notes a piece. Lanes may do so at the same time. */
int bc_attached_wrote(bc_attached *attached, int lane, const bc_piece *piece,
                      beamcast_error *error);
/* Sends a WROTE over fd for each piece of all lanes, and forgets them. */
int bc_attached_tell(bc_attached *attached, int fd, int64_t deadline, beamcast_error *error);
/* The same for a lane's first `count` pieces, so that the rank knows of them while others are being
 * written. Lanes may do so at the same time. */
int bc_attached_tell_first(bc_attached *attached, int lane, size_t count, int fd, int64_t deadline,
                           beamcast_error *error);
/* Unmaps and forgets all attachments. */
void bc_attached_forget(bc_attached *attached);
void bc_attached_free(bc_attached *attached);

#endif
