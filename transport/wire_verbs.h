/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside the verbs wire, for the files wire_verbs*.c only. Who does what:
 *   wire_verbs.c         the producer's table: dialling, attaching, the account of what was written
 *   wire_verbs_queue.c   one queue pair of a producer: one-sided writes and their completions
 *   wire_verbs_pieces.c  pieces as writes: rows, registration of the producer's memory
 *   wire_verbs_server.c  the listener, the slots' registrations, dropping a producer's queue pairs
 *   wire_verbs_windows.c the server's end of a queue pair, and what is open to it
 *   wire_verbs_common.c  devices and addresses, and the bytes that both sides exchange
 *
 * The lane's TCP socket is the side band. The producer sends VERBS_OPEN (no body) and gets VERBS_AT
 * (or REFUSE):
 *    0  16 bytes  ticket, random, for this lane alone
 *   16  u64       cookie, names the lane
 *   24  u32       port of the rdma_cm listener (port space TCP)
 *   28  u32       n, number of addresses, 1 to 16
 *   32  n texts   u32 length and numeric IPv4 or IPv6 address
 * It dials one of the addresses with rdma_connect, once for each queue pair it wants (at most 8),
 * and this private data, 32 bytes:
 *    0  4 bytes "BCV1", u32 number of the queue pair from 0, u64 cookie, 16 bytes ticket
 * The server accepts with private data of 16 bytes, or rejects:
 *    0  4 bytes "BCV1", u32 key and u64 address of 8 bytes that may be read (the fence)
 * ATTACH on the lane is then answered by BUFFER with the remote address of the array and a key for
 * each queue pair: of a memory window that is open to that one until the step ends, where the
 * server's device has such. The producer writes voxels there, ends with a read of the fence on
 * every queue pair that it has written with, waits for that read, and only then sends WROTE on the
 * lane. Numbers are little-endian.
 *
 * Why the read: the completion of a write says that the server's adapter has the bytes; they may
 * still be on their way over the server's bus when WROTE arrives through another adapter. A read
 * that follows on the same queue pair is executed after the writes, and the adapter's access to
 * host memory for it does not overtake the adapter's posted writes (PCIe ordering; slots are
 * registered without relaxed ordering). Once its answer is here, the voxels are visible to the
 * server's processors.
 */
#ifndef BEAMCAST_WIRE_VERBS_H
#define BEAMCAST_WIRE_VERBS_H

#include <rdma/rdma_cma.h>

#include "wire.h"

enum {
  BC_VERBS_ADDRESSES = 16,
  BC_VERBS_TICKET_BYTES = 16,
  BC_VERBS_HELLO_BYTES = 32,
  BC_VERBS_ANSWER_BYTES = 16
};

/* --- wire_verbs_common.c -------------------------------------------------------------------------
 */

/* What a producer needs to dial a rank. */
typedef struct bc_verbs_at {
  unsigned char ticket[BC_VERBS_TICKET_BYTES];
  uint64_t cookie;
  uint32_t port;
  uint32_t count;
  char address[BC_VERBS_ADDRESSES][48];
} bc_verbs_at;

void bc_put_verbs_at(bc_writer *writer, const bc_verbs_at *at);
bool bc_get_verbs_at(bc_reader *reader, bc_verbs_at *at);

void bc_verbs_hello_write(const bc_verbs_at *at, uint32_t number,
                          unsigned char bytes[BC_VERBS_HELLO_BYTES]);
/* Fills ticket and cookie; false if it is none. rdma_cm may deliver more bytes than were sent. */
bool bc_verbs_hello_read(const void *bytes, size_t size, bc_verbs_at *at, uint32_t *number);

/* The server's memory that a producer reads to be sure that its writes have landed. */
typedef struct bc_verbs_fence {
  uint32_t key;
  uint64_t address;
} bc_verbs_fence;

void bc_verbs_answer_write(const bc_verbs_fence *fence, unsigned char bytes[BC_VERBS_ANSWER_BYTES]);
bool bc_verbs_answer_read(const void *bytes, size_t size, bc_verbs_fence *fence);

/* Whether this process may use an RDMA device (the one that BEAMCAST_RDMA_DEVICE names). Prints
 * nothing, unlike librdmacm where none is. */
bool bc_verbs_present(void);
/* Whether the device is the one that BEAMCAST_RDMA_DEVICE names, or none is named. */
bool bc_verbs_wanted(const struct ibv_context *device);

/* An address of this host on an RDMA device whose port is up. */
typedef struct bc_verbs_interface {
  struct sockaddr_storage address; /* its port is 0 */
  struct rdma_cm_id *id; /* bound to it, with a channel of its own; NULL once taken over */
} bc_verbs_interface;

/* Finds those of wanted devices; returns how many. Give them back with bc_verbs_release. */
int bc_verbs_interfaces(bc_verbs_interface found[BC_VERBS_ADDRESSES]);
void bc_verbs_release(bc_verbs_interface *found, int count);

/* The sentence for memory that could not be registered. reason: the errno. what: "the server's
 * slot". Returns ERR_MEMORY. */
int bc_verbs_no_registration(beamcast_error *error, int reason, uint64_t bytes, const char *what);

/* A number from the environment, `otherwise` where it is not set or out of bounds. */
uint64_t bc_verbs_setting(const char *name, uint64_t low, uint64_t high, uint64_t otherwise);

/* --- wire_verbs_queue.c --------------------------------------------------------------------------
 */

typedef struct bc_verbs_queue bc_verbs_queue;

/* Dials `to` (from `from`, or NULL: as the routes are) and makes a connected queue pair, the
 * link's `number`th from 0. lane: the socket whose end means that the server is gone. NULL on
 * failure. */
bc_verbs_queue *bc_verbs_dial(const bc_verbs_at *at, uint32_t number, struct sockaddr *to,
                              struct sockaddr *from, int lane, int64_t deadline,
                              beamcast_error *error);
/* Posts the read of the fence behind what was written. */
int bc_verbs_queue_fence(bc_verbs_queue *queue, int64_t deadline, beamcast_error *error);
/* Without waiting: the number up to which writes and fences have completed. */
int bc_verbs_queue_look(bc_verbs_queue *queue, uint64_t *completed, beamcast_error *error);
/* Waits until everything has landed, and meanwhile unregisters what has been read. */
int bc_verbs_queue_drain(bc_verbs_queue *queue, int64_t deadline, beamcast_error *error);
/* Unregisters the rest of the arrays: after drain. */
void bc_verbs_queue_let_go(bc_verbs_queue *queue);
/* Frees it; NULL is allowed. On return the device reads no array any more, and what was under way
 * does not land later, unless the server does not answer for half a second. */
void bc_verbs_queue_close(bc_verbs_queue *queue);

/* For wire_verbs_pieces.c. Writes are numbered from 1 in order of posting. All of these are called
 * by one thread at a time; after a failure only close is left. */
typedef struct bc_verbs_limits {
  uint32_t sges;    /* pieces of local memory that one write gathers */
  uint64_t message; /* bytes of one write */
  uint32_t inlined; /* bytes that may go with the request itself (IBV_SEND_INLINE) */
} bc_verbs_limits;
const bc_verbs_limits *bc_verbs_queue_limits(const bc_verbs_queue *queue);
struct ibv_pd *bc_verbs_queue_domain(const bc_verbs_queue *queue);
/* Adds a write to the batch. flags: IBV_SEND_SIGNALED: its completion will be waited for;
 * IBV_SEND_INLINE: the processor reads the memory, before the batch is handed over. */
int bc_verbs_queue_post(bc_verbs_queue *queue, const struct ibv_sge *sge, uint32_t sges,
                        uint64_t address, uint32_t key, unsigned flags, int64_t deadline,
                        beamcast_error *error);
/* The number of the last write that was added. */
uint64_t bc_verbs_queue_last(const bc_verbs_queue *queue);
/* Waits until write `number`, one with a signal, has completed, and with it all before it. */
int bc_verbs_queue_await(bc_verbs_queue *queue, uint64_t number, int64_t deadline,
                         beamcast_error *error);

/* --- wire_verbs_pieces.c -------------------------------------------------------------------------
 */

/* Memory that the writes of a queue come from: the windows of arrays that are registered now. */
typedef struct bc_verbs_memory bc_verbs_memory;

bc_verbs_memory *bc_verbs_memory_new(beamcast_error *error);
/* Whether this process may lock the least that arrays are registered by; if not, the sentence names
 * the limit. */
int bc_verbs_memory_try(struct ibv_pd *domain, beamcast_error *error);
/* Unregisters what only writes up to this one have read from. */
void bc_verbs_memory_retire(bc_verbs_memory *memory, uint64_t completed);
/* The last write from what was registered first; 0: nothing is registered. */
uint64_t bc_verbs_memory_oldest(const bc_verbs_memory *memory);
void bc_verbs_memory_free(bc_verbs_memory *memory); /* NULL is allowed */
/* The queue's, freed with it. */
bc_verbs_memory *bc_verbs_queue_memory(bc_verbs_queue *queue);

/* Whether the piece's rows are long enough, ascend in memory and lie close enough for the device to
 * fetch them where they lie; else the processor copies them. */
bool bc_verbs_rows_suit(const bc_piece *piece);
/* Whether the device may read the piece, which lies in a CUDA device's memory. */
bool bc_verbs_device_try(struct ibv_pd *domain, const bc_piece *piece);

/* How arrays that stay where they are get registered, in a protection domain. */
extern const bc_kept_ways bc_verbs_keeps;
/* Starts to write a piece into the array at (address, key). kept: NULL: no array stays. */
int bc_verbs_write(bc_verbs_queue *queue, bc_kept *kept, const bc_piece *piece, uint64_t address,
                   uint32_t key, int64_t deadline, beamcast_error *error);

/* --- wire_verbs_windows.c ------------------------------------------------------------------------
 */

typedef struct bc_verbs_window bc_verbs_window;

/* The server's end of a queue pair; one thread at a time. */
typedef struct bc_verbs_pair {
  struct rdma_cm_id *id;
  struct ibv_cq *cq; /* of binding windows: the writes themselves are one-sided */
  uint32_t number;   /* the producer's */
  bc_verbs_window *windows;
} bc_verbs_pair;

/* Whether the device has windows that are for one queue pair (BEAMCAST_RDMA_WINDOWS=0: does
 * without). */
bool bc_verbs_has_windows(struct ibv_context *context);
bool bc_verbs_pair_make(bc_verbs_pair *pair, struct rdma_cm_id *id, struct ibv_pd *pd,
                        uint32_t number);
/* All but the id, which stays the caller's. On return nothing lands any more. */
void bc_verbs_pair_unmake(bc_verbs_pair *pair);
/* Disconnects, unmakes, and destroys the id. */
void bc_verbs_pair_end(bc_verbs_pair *pair);
/* Opens the memory, registered as region, for writing over the connected pair; waits a moment. */
int bc_verbs_open_window(bc_verbs_pair *pair, bc_memory *memory, struct ibv_mr *region,
                         uint32_t *key, beamcast_error *error);
/* Closes the windows of the memory, or all (NULL): on return they let nothing pass. */
void bc_verbs_close_windows(bc_verbs_pair *pair, const bc_memory *memory);

#endif
