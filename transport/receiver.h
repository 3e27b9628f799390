/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The receiving side: one receiver per server process, N of them make a server. Threads of its own
 * take what producers send; the server's main thread looks at it through views and frames.
 * Relies on sockets and libsodium only: no VTK, no MPI. The caller gathers the ranks' addresses.
 *
 * Life: open (listens), exchange addresses, join (rank 0 writes the contact file), use, close.
 * All functions may be called from any thread unless they say otherwise; none blocks on the network
 * except join.
 */
#ifndef BEAMCAST_RECEIVER_H
#define BEAMCAST_RECEIVER_H

#include "beamcast_landing.h"
#include "beamcast_types.h"
#include "layout.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bc_receiver bc_receiver;

typedef struct bc_receiver_options {
  int rank, ranks;       /* this process among the server's; ranks 0 means 1 */
  int ranks_on_host;     /* processes of this server on this host, to share its memory; 0 means 1 */
  const char *host;      /* name or address under which producers reach this process; NULL: found
                            ($BEAMCAST_HOST, else the host's name where it resolves to an
                            interface of ours, else 127.0.0.1) */
  int port;              /* 0: any free one */
  const char *contact;   /* rank 0: where to write the contact file; NULL: per-user run folder */
  uint64_t memory_limit; /* bytes of slots in this process; 0: $BEAMCAST_MEMORY_LIMIT, else 80 %
                            of the memory available when it is asked for, over ranks_on_host */
  uint64_t step_limit;   /* rank 0: bytes of one whole step that were announced, more is refused; 0:
                            $BEAMCAST_STEP_LIMIT, else no limit of its own */
  void (*log)(void *context,
              const char *line); /* one line without newline; any thread; NULL: stderr */
  void *log_context;
  const beamcast_landing_calls *landing; /* told of voxels while they land, with a lock of the
                                            receiver's held; NULL: nobody is */
} bc_receiver_options;

enum { BC_ADDRESS_BYTES = 512 };

/* Opens the listening socket and starts the threads. NULL on failure. */
bc_receiver *bc_receiver_open(const bc_receiver_options *options, beamcast_error *error);

/* Writes this process's address (BC_ADDRESS_BYTES bytes, opaque; rank 0's holds the token: keep it
 * inside the server). */
void bc_receiver_address(const bc_receiver *receiver, unsigned char address[BC_ADDRESS_BYTES]);

/* Collective over the server's ranks: connects them to rank 0. addresses: ranks x BC_ADDRESS_BYTES
 * bytes in order of rank. On rank 0 returns after all others have come (at most 60 s) and the
 * contact file is written. */
int bc_receiver_join(bc_receiver *receiver, const unsigned char *addresses, beamcast_error *error);

/* Path of the contact file (rank 0 after join; "" elsewhere). Valid until close. */
const char *bc_receiver_contact(const bc_receiver *receiver);

/* Ends all connections, removes the contact file, joins the threads. Frames that are still held
 * keep their memory; releasing them later is allowed. NULL is allowed. */
void bc_receiver_close(bc_receiver *receiver);

/* --- settings and state of a stream (rank 0) ---------------------------------------------------
 */

typedef enum bc_policy { BC_LATEST = 0, BC_ALL = 1 } bc_policy;

typedef struct bc_stream_settings {
  int policy;          /* bc_policy */
  int slots;           /* steps that memory is kept for; at least 1; 0 means 3 */
  int keep;            /* complete steps kept for going back in time; 0: none */
  uint64_t keep_bytes; /* at most this many bytes per rank for kept steps; 0: no bound of its own */
  int split;           /* bc_split: how the volume is cut over the ranks */
  int ghosts;          /* ghost planes beyond the shared one; 0 to 8 */
} bc_stream_settings;

/* Sets how a stream (known or not yet) is received; takes effect with the next step. Rank 0 only.
 */
int bc_receiver_configure(bc_receiver *receiver, const char *stream,
                          const bc_stream_settings *settings, beamcast_error *error);

typedef struct bc_stream_status {
  int known;              /* 1: a producer has announced this stream */
  int producers;          /* connected now */
  int producers_expected; /* M of the current run */
  uint64_t run_id;
  uint64_t steps_received; /* complete */
  uint64_t steps_dropped;
  uint64_t steps_aborted;  /* begun and given up: a producer died, stalled or left */
  uint64_t bytes_received; /* all ranks, voxels of complete steps */
  uint64_t memory;         /* bytes of slots, all ranks */
  double rate;             /* bytes per second of the last complete step, begin to complete */
  uint64_t newest_step;    /* the newest complete step */
  uint64_t newest_serial;  /* its serial; 0: none yet */
  uint64_t arriving;       /* serial of the step whose voxels are arriving; 0: none */
  char wire[32];           /* wires in use, "shm", "tcp", "verbs", joined by "+" */
  char last_drop[160];     /* why the last step was dropped; "" if none was */
} bc_stream_status;

/* Rank 0 only; elsewhere and for an unknown stream all zeros. */
void bc_receiver_status(bc_receiver *receiver, const char *stream, bc_stream_status *status);

/* Names of the streams seen so far, joined by newlines, into text. Rank 0 only. */
void bc_receiver_streams(bc_receiver *receiver, char *text, size_t size);

/* Counts what producers and retrieving clients have done since the start (messages handled), so
 * that an idle server can be told from a used one. */
uint64_t bc_receiver_activity(bc_receiver *receiver);

/* Sends a request (a JSON object, at most 64 KiB) to all producers of a stream; they get it with
 * their next step. Rank 0 only. */
int bc_receiver_request(bc_receiver *receiver, const char *stream, const char *json,
                        beamcast_error *error);

/* --- frames: one complete step on this rank ----------------------------------------------------
 */

typedef struct bc_frame bc_frame;

typedef struct bc_array {
  const char *name;
  const char *unit; /* "" if unknown */
  int type;         /* beamcast_type */
  int components;
  void *data; /* [z][y][x][component] over `memory`; shared memory, do not write */
} bc_array;

typedef struct bc_frame_info {
  uint64_t serial; /* of the complete step, unique in this server; grows */
  uint64_t step;   /* the producer's number */
  double time;
  uint64_t run_id;
  uint64_t volume[3]; /* voxels of the whole volume */
  double spacing[3], origin[3], direction[9];
  const char *length_unit; /* "" if unknown */
  const char *header;      /* JSON object, "{}" if empty */
  bc_box own;              /* this rank's points, sharing one plane with each neighbour */
  bc_box memory;           /* own plus ghost planes: what the arrays hold; may be empty */
  int arrays;
} bc_frame_info;

void bc_frame_describe(const bc_frame *frame, bc_frame_info *info);
void bc_frame_array(const bc_frame *frame, int index, bc_array *array);
void bc_frame_retain(bc_frame *frame);
/* The slot is given to new data only after the last release on every rank. */
void bc_frame_release(bc_frame *frame);

/* --- showing the same step on all ranks --------------------------------------------------------
 */

typedef enum bc_pick_which {
  BC_PICK_NEXT = 0, /* policy latest: the newest complete step; policy all: the next one in order */
  BC_PICK_NEWEST = 1
} bc_pick_which;

/* Rank 0: picks a complete step of the stream that is newer than serial `after` and pins it on all
 * ranks. Returns its serial, 0 if there is none. For each pick, every rank must call
 * bc_receiver_take exactly once with that serial (rank 0 too). */
uint64_t bc_receiver_pick(bc_receiver *receiver, const char *stream, uint64_t after,
                          bc_pick_which which);

/* Rank 0: as pick, for the kept step of this serial; 0 if it is kept no more. */
uint64_t bc_receiver_pick_kept(bc_receiver *receiver, const char *stream, uint64_t serial);

/* Rank 0: serials of the complete steps that are kept (settings.keep > 0), in the order in which
 * they began, those of earlier runs first; returns how many there are, writes at most `size`, the
 * oldest ones. */
int bc_receiver_kept(bc_receiver *receiver, const char *stream, uint64_t *serials, int size);

/* Every rank: the frame of a picked serial, retained once for the caller (bc_frame_release it);
 * NULL if this rank does not know it. A rank that has no use for a pick takes and releases it. */
bc_frame *bc_receiver_take(bc_receiver *receiver, uint64_t serial);

/* While a view of a stream is open, policy `all` makes producers wait for it. Rank 0 only. */
void bc_receiver_view_open(bc_receiver *receiver, const char *stream);
void bc_receiver_view_close(bc_receiver *receiver, const char *stream);

#ifdef __cplusplus
}
#endif

#endif
