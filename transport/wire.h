/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A wire moves voxels from a producer's array into the memory of a server rank. There are three,
 * each one file: wire_tcp.c, wire_shm.c, wire_verbs.c. Each has two tables: what a producer calls,
 * and what the server does when a producer attaches. Everything else (handshake, messages,
 * accounts) is the same for all, on the lane's socket.
 *
 * Every link has at least one lane: a socket to that rank, TCP or Unix, past its handshake and
 * bound to the producer's session. Wires that do not send voxels in the lane tell the server
 * afterwards what they wrote (WROTE), and the server believes it: a holder of a push token can
 * write anything into the step that it may write.
 */
#ifndef BEAMCAST_WIRE_H
#define BEAMCAST_WIRE_H

#include "kept.h"
#include "memory.h"
#include "protocol.h"

typedef enum bc_wire_kind { BC_WIRE_TCP = 1, BC_WIRE_SHM = 2, BC_WIRE_VERBS = 4 } bc_wire_kind;

enum { BC_LANES_MAX = 32, BC_QUEUES_MAX = 8 /* queue pairs of a link over RDMA */ };

typedef struct bc_link bc_link;

/* A piece of a brick that goes to one rank. */
typedef struct bc_piece {
  uint64_t serial;
  uint32_t slot, array;
  bc_box box;    /* in the volume */
  bc_box memory; /* the rank's array: box lies in it */
  uint64_t voxel_bytes;
  const unsigned char *data; /* the producer's voxel at box.start */
  int64_t stride[3];
  bool on_device; /* data lies in a CUDA device's memory */
} bc_piece;

typedef struct bc_wire {
  const char *name;
  bc_wire_kind kind;
  bool lands; /* after flush all that was written is in the rank's memory */
  /* Whether the rank at `place` can be reached so, judging from what is known without asking. */
  bool (*possible)(const bc_place *place, const char *own_host_id);
  /* Makes the link ready; its sockets are connected and bound. */
  int (*open)(bc_link *link, int64_t deadline, beamcast_error *error);
  /* Before pieces of (serial, slot, array) are written: one thread at a time. */
  int (*prepare)(bc_link *link, uint64_t serial, uint32_t slot, uint32_t array, int64_t deadline,
                 beamcast_error *error);
  /* Whether such pieces can be written from a CUDA device's memory as they lie there, judging from
   * this one. NULL: never. */
  bool (*reads_device)(bc_link *link, const bc_piece *piece);
  /* Writes a piece over a lane. Lanes of a link are used by different threads at the same time.
   * May return before the bytes have left; then the array stays untouched until flush. */
  int (*write)(bc_link *link, int lane, const bc_piece *piece, int64_t deadline,
               beamcast_error *error);
  /* Returns when the arrays may change again and the server has been told what was written. */
  int (*flush)(bc_link *link, int64_t deadline, beamcast_error *error);
  /* The server's memory has moved: forgets what was attached. */
  void (*forget)(bc_link *link);
  void (*close)(bc_link *link);
} bc_wire;

/* A producer's connection to one rank. */
struct bc_link {
  const bc_wire *wire; /* NULL: not connected yet */
  bc_place place;
  uint32_t rank;
  bc_kept *kept; /* the producer's arrays that stay where they are; NULL: none */
  bool relayed;  /* through the root's port */
  int lanes;     /* pieces that may be written at the same time */
  int sockets;   /* lanes that have a socket of their own; at least 1 */
  int fd[BC_LANES_MAX];
  bool synced[BC_LANES_MAX]; /* false: voxels went over it and SYNCED has not come yet */
  void *state;               /* the wire's own */
  uint64_t bytes;            /* of voxels in this step */
};

extern const bc_wire bc_wire_tcp, bc_wire_shm;
/* NULL where this build has no RDMA. */
const bc_wire *bc_wire_verbs(void);

/* --- the server's side ---------------------------------------------------------------------------
 */

typedef struct bc_receiver bc_receiver;

/* Answers VERBS_OPEN and ATTACH over RDMA. All may be called with the receiver's lock held and must
 * not wait for the network. */
typedef struct bc_verbs_server bc_verbs_server;
/* NULL where no device can be used. The error is filled in where one is there or is asked for
 * (BEAMCAST_RDMA_DEVICE), so that a host without RDMA says nothing. */
bc_verbs_server *bc_verbs_server_open(beamcast_error *error);
void bc_verbs_server_close(bc_verbs_server *server);
/* Where producers dial: fills the body of VERBS_AT for a lane; cookie names the lane in the dial.
 */
int bc_verbs_server_offer(bc_verbs_server *server, uint64_t cookie, bc_writer *writer,
                          beamcast_error *error);
/* What a producer writes with. */
typedef struct bc_verbs_grant {
  uint64_t address;
  uint32_t key[BC_QUEUES_MAX]; /* for each of the lane's queue pairs, by number; 0: no such pair */
  bool lasting;                /* the keys open the memory as long as that is there */
} bc_verbs_grant;
/* Registers memory (once) with the device of the lane's queue pairs, and opens it for these: with a
 * memory window for each, until it is revoked; where the device has none, lastingly and for
 * everybody who has a queue pair here. */
int bc_verbs_server_open_memory(bc_verbs_server *server, uint64_t cookie, bc_memory *memory,
                                bc_verbs_grant *grant, beamcast_error *error);
/* Closes the memory's windows of one lane, or of all (cookie 0): on return nobody writes through
 * them. server may be NULL. */
void bc_verbs_server_revoke(bc_verbs_server *server, uint64_t cookie, const bc_memory *memory);
/* Tears the lane's queue pair down: on return no more bytes of it land. */
void bc_verbs_server_drop(bc_verbs_server *server, uint64_t cookie);

#endif
