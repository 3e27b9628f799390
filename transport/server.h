/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside the receiver; for the files of this folder only. Who does what:
 *   receiver.c  life cycle and the control thread's loop
 *   views.c     the public calls that look at streams
 *   door.c      accepting, the handshake, connections of messages, relaying
 *   root.c      rank 0: what becomes of steps; it alone decides
 *   slots.c     rank 0: its books of streams, steps and slots
 *   producers.c rank 0: producers and viewers, what they and the ranks say
 *   calls.c     rank 0: calls, for whoever answers them
 *   rank.c      every rank: slots and sealing; it does what the root says
 *   frame.c     every rank: complete steps that are shown
 *   landing.c   every rank: telling what has landed of a step that is not complete
 *   data.c      connections that carry voxels, on threads of their own
 * Root and ranks talk in messages; rank 0's own go through a queue in the process. Handlers run on
 * the control thread with `lock` held. Data threads take `lock` for moments, never while bytes
 * move.
 */
#ifndef BEAMCAST_SERVER_H
#define BEAMCAST_SERVER_H

#include <pthread.h>

#include "contact.h"
#include "handshake.h"
#include "memory.h"
#include "receiver.h"
#include "socket.h"
#include "wire.h"

enum {
  BC_STREAMS_MAX = 64,
  BC_HANDSHAKES_MAX = 256,
  BC_BOXES_MAX = 8192, /* bricks of an array on a rank that do not join into one */
  BC_DATA_THREADS_MAX = 4,
  BC_STEPS_MAX = 1024
};

typedef struct bc_conn bc_conn;
typedef struct bc_data_conn bc_data_conn;
typedef struct bc_producer bc_producer;
typedef struct bc_stream_state bc_stream_state;
typedef struct bc_step bc_step;
typedef struct bc_call bc_call;

/* --- a connection of messages, on the control thread -------------------------------------------
 */

typedef enum bc_conn_state { BC_CONN_CLAIM, BC_CONN_OPEN, BC_CONN_DEAD } bc_conn_state;

struct bc_conn {
  bc_conn *next;
  int fd;
  bool local; /* over the Unix socket */
  bc_conn_state state;
  int role, rights;
  int64_t deadline; /* of the handshake */
  unsigned char hello[BC_HELLO_BYTES];
  unsigned char head[BC_CLAIM_BYTES]; /* claim, then heads of messages */
  size_t head_got;
  bc_frame_head frame;
  unsigned char *body;
  size_t body_got;
  bc_writer out;
  size_t out_sent;
  bool out_watched; /* epoll tells when more can be sent */
  bool close_when_sent;
  uint32_t peer; /* BC_ROLE_PEER: its rank, once it said so */
  bool peer_known;
  bc_producer *producer; /* BC_ROLE_PRODUCER, after JOIN */
  uint64_t look_serial;  /* BC_ROLE_VIEWER: the step it holds, 0 for none */
  bc_call *call;         /* BC_ROLE_VIEWER: the one that it waits for; NULL for none */
};

/* --- rank ----------------------------------------------------------------------------------------
 */

typedef struct bc_slot_array {
  bc_memory *memory; /* NULL if this rank has no voxels of it */
  bc_box *boxes;     /* what was written, joined where possible */
  size_t count, capacity;
  bool too_many; /* boxes: coverage is not known, the step can't be sealed */
} bc_slot_array;

typedef struct bc_landed {
  uint64_t session, bytes, expected;
  uint32_t wires; /* bits of bc_wire_kind */
} bc_landed;

typedef struct bc_slot {
  uint32_t stream, index;
  uint64_t serial; /* 0: nothing in it */
  bool aborted;    /* given up while its memory was being allocated */
  bool open;       /* takes voxels */
  bool replanned;  /* the volume or a type has changed since the step was opened */
  bool sealing;    /* the root waits for SEALED */
  int busy;        /* data threads inside a read into it right now */
  bc_plan plan;
  bc_box own, box; /* this rank's part; box with ghost planes */
  bc_slot_array array[BC_ARRAYS_MAX];
  bc_landed *landed;
  size_t landed_count, landed_capacity;
  unsigned char *seal; /* the SEAL message, until it can be answered */
  size_t seal_size;
  bc_frame *frame; /* once sealed */
} bc_slot;

typedef struct bc_session {
  uint64_t id; /* 0: unused */
  uint32_t stream, producer;
  int conns;                      /* data connections bound to it */
  bool expelled;                  /* the root wants it gone */
  uint64_t serials[BC_SLOTS_MAX]; /* expelled: steps that it may still be writing into */
  uint32_t serial_count;
  bool dirty; /* a connection was cut while the peer lived: it may still write shared memory */
} bc_session;

struct bc_frame {
  bc_receiver *receiver; /* NULL once that is closed */
  bc_frame *next;        /* in receiver->frames */
  int references;        /* takers, and the slot */
  uint64_t taken;        /* picks taken and not yet reported as released */
  int takers;
  bc_frame_info info;
  char *header;
  char length_unit[BC_UNIT_MAX];
  bc_array_spec spec[BC_ARRAYS_MAX];
  bc_memory *memory[BC_ARRAYS_MAX];
};

/* --- root ----------------------------------------------------------------------------------------
 */

struct bc_producer {
  bc_producer *next;
  bc_stream_state *stream;
  bc_conn *conn; /* NULL once gone */
  uint64_t session;
  uint32_t rank;
  uint64_t run_id;
  uint64_t plan_version; /* of the LAYOUT it was sent last */
  int64_t heard;
  uint32_t acks; /* of ranks that still owe SESSION or EXPELLED */
  bool welcome;  /* WELCOME was sent */
  bool gone;     /* its connection has ended; expelled as soon as its last bytes are settled */
  bool expelled; /* EXPEL was sent; freed when all ranks have answered */
  bc_declare *declare; /* waits for the step to be opened; NULL for none */
  uint64_t awaits;     /* serial of the step whose completion it waits for; 0: none */
};

typedef enum bc_step_state {
  BC_STEP_WAITING, /* policy all: no slot yet */
  BC_STEP_OPENING, /* ranks prepare the slot */
  BC_STEP_OPEN,
  BC_STEP_SEALING,
  BC_STEP_COMPLETE,
  BC_STEP_ABORTING, /* given up; writers have not all stopped */
  BC_STEP_DROPPED   /* no slot; remembered until all producers have asked */
} bc_step_state;

enum { BC_FLAG_ASKED = 1, BC_FLAG_GRANTED = 2, BC_FLAG_ENDED = 4 };

typedef struct bc_request {
  uint64_t number;
  char *json;
} bc_request;

struct bc_step {
  bc_step *next; /* in order of serial */
  uint64_t serial, step, run_id;
  double time;
  bc_step_state state;
  int slot; /* -1: none */
  bc_plan plan;
  uint64_t settled; /* bits of arrays that a producer has declared or put: with one, the volume is
                       settled */
  /* plans before these had another volume, or another type of the array, in this step */
  uint64_t volume_version, array_version[BC_ARRAYS_MAX];
  uint32_t opens;     /* OPENED answers owed */
  uint32_t seals;     /* SEALED answers owed */
  bool failed;        /* one of them was bad */
  bc_verdict verdict; /* the first bad one */
  uint32_t producers;
  unsigned char *flags; /* per producer rank: BC_FLAG_... */
  uint64_t *sessions;   /* per producer rank: who was granted */
  uint32_t asked, ended;
  uint64_t arrays;    /* bits of arrays that have a brick */
  bc_writer *account; /* per server rank: (session, bytes) as the producers' ENDs say */
  uint32_t *accounts;
  char *header; /* JSON */
  uint32_t header_rank;
  int64_t deadline; /* WAITING, SEALING: when it is given up */
  int64_t began;
  uint64_t bytes;
  uint32_t wires;
  bool shown;       /* picked at least once */
  uint64_t *leases; /* per server rank: picks that were not released */
  uint32_t viewers; /* viewers that fetch from it */
  char reason[160];
  bc_request requests[BC_REQUESTS_MAX]; /* that go with it */
  uint32_t request_count;
};

struct bc_stream_state {
  bc_stream_state *next;
  uint32_t id;
  char name[BC_NAME_MAX];
  bc_stream_settings settings;
  bool known;
  uint64_t run_id;
  uint32_t producers;     /* M of this run */
  bc_producer **producer; /* by rank; NULL where none is connected */
  uint64_t retired[64];
  uint32_t retired_count;
  bc_plan plan;
  bc_step *steps;
  bc_step *slot[BC_SLOTS_MAX];
  bool slot_has_memory[BC_SLOTS_MAX];
  uint64_t slot_bytes[BC_SLOTS_MAX];
  uint32_t fit;     /* slots that memory was found for, once one more was refused; 0: not known */
  bool slot_wanted; /* a step was dropped although a slot is only being written */
  int views;
  uint64_t newest; /* serial of the newest complete step */
  uint64_t last_step;
  bool any_step;
  bc_request requests[BC_REQUESTS_MAX];
  uint32_t requests_waiting;
  uint64_t request_number;
  bc_stream_status status;
};

/* --- the receiver --------------------------------------------------------------------------------
 */

typedef struct bc_queued {
  struct bc_queued *next;
  uint32_t type;
  size_t size;
  unsigned char body[];
} bc_queued;

typedef struct bc_data_thread {
  pthread_t thread;
  bc_receiver *receiver;
  int epoll, wake; /* wake: eventfd */
  bc_data_conn *conns;
  bool started;
} bc_data_thread;

struct bc_receiver {
  pthread_mutex_t lock;
  pthread_cond_t idle; /* a slot's busy went to 0 */
  pthread_t control;
  bool control_started, stop;
  bc_receiver_options options;
  int rank, ranks;
  bc_token token;
  bc_place place;   /* this rank's */
  bc_place *places; /* all ranks', after join */
  int listener, unix_listener, epoll, wake;
  int waiting_handshakes;
  bool crowded; /* that too many wait has been logged */
  bc_conn *conns;
  bc_conn *root;   /* the connection to rank 0, where we are not it */
  bc_conn **peers; /* rank 0: by rank */
  int peers_here;
  char rank_gone[64]; /* rank 0: the sentence, once a rank is gone; then no step becomes complete */
  pthread_cond_t joined;
  char contact[4096];
  bc_queued *to_root, **to_root_end; /* rank 0's own messages, both ways */
  bc_queued *to_rank, **to_rank_end;
  bc_data_thread data[BC_DATA_THREADS_MAX];
  int data_threads, next_thread;
  int relays, jobs;       /* threads that run on their own: passing on, allocating */
  bc_verbs_server *verbs; /* NULL without a device */
  int references;         /* the caller's, and one for each frame */
  uint64_t activity;
  int64_t last_tick;
  /* rank */
  bc_slot **slots; /* all streams' */
  size_t slot_count;
  bc_session *sessions;
  size_t session_count;
  bc_frame *frames;
  uint64_t slot_memory;
  /* root */
  bc_stream_state *streams;
  bc_producer *producers;
  uint64_t next_serial, next_session, next_version, next_epoch;
  uint32_t next_stream;
  bc_call *calls;
  uint64_t next_call;
  uint32_t call_count;
  int calls_fd; /* eventfd, readable while a call waits; -1: nobody answers */
};

/* receiver.c */
void bc_log(bc_receiver *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bc_wake(bc_receiver *r);
/* Takes the messages in writer to rank `rank` (from the root), or to the root (from a rank). They
 * are delivered in order; the writer is emptied. */
void bc_to_rank(bc_receiver *r, int rank, bc_writer *writer);
void bc_to_root(bc_receiver *r, bc_writer *writer);

/* door.c */
void bc_door_accept(bc_receiver *r, int listener, bool local);
/* Reads what there is; calls the handlers. May leave the connection DEAD. */
void bc_conn_read(bc_receiver *r, bc_conn *conn);
void bc_conn_flush(bc_receiver *r, bc_conn *conn);
void bc_conn_send(bc_receiver *r, bc_conn *conn, bc_writer *writer);
void bc_conn_kill(bc_receiver *r, bc_conn *conn);
/* Frees dead connections, ends handshakes that take too long. */
void bc_door_sweep(bc_receiver *r, int64_t now);
/* Dials rank 0 as a peer; the connection is then the control thread's. */
int bc_door_dial_root(bc_receiver *r, beamcast_error *error);

/* slots.c: streams, steps, slots */
bc_step *bc_step_new(bc_receiver *r, bc_stream_state *s, uint64_t number, double time);
void bc_step_remove(bc_receiver *r, bc_stream_state *s, bc_step *step);
int bc_slots_allowed(const bc_receiver *r, const bc_stream_state *s);
/* A slot for a new step, -1 if none can be had now; what was in it is forgotten. */
int bc_slot_pick(bc_receiver *r, bc_stream_state *s);
/* The ranks give the slot's memory back. */
void bc_slot_forget(bc_receiver *r, bc_stream_state *s, int slot);
bc_step *bc_step_find(bc_stream_state *s, uint64_t serial);
/* Neither complete nor given up. */
bool bc_step_active(const bc_step *step);

/* root.c: what becomes of steps */
void bc_step_begin(bc_receiver *r, bc_producer *p, uint64_t number, double time, double limit);
void bc_step_end(bc_receiver *r, bc_producer *p, bc_reader *reader);
void bc_step_abort(bc_receiver *r, bc_stream_state *s, bc_step *step, const char *reason);
/* A rank of the server is gone: gives up all steps. */
void bc_steps_rank_gone(bc_receiver *r);
/* A producer is gone, or its last bytes can't land any more: frees slots that waited for that. */
void bc_steps_settle(bc_receiver *r, bc_stream_state *s);
void bc_step_opened(bc_receiver *r, const bc_verdict *verdict);
void bc_step_sealed(bc_receiver *r, const bc_verdict *verdict, uint32_t wires);
void bc_steps_tick(bc_receiver *r, int64_t now);
bool bc_producer_alive(bc_receiver *r, uint64_t session);

/* Has all ranks prepare the step's slot for its plan; the step is OPENING until then. */
void bc_step_open_on_ranks(bc_receiver *r, bc_stream_state *s, bc_step *step);

/* root_declare.c: what a producer is told, and what it declares */
void bc_tell_layout(bc_receiver *r, bc_producer *p, const bc_plan *plan);
void bc_tell_grant(bc_receiver *r, bc_producer *p, const bc_step *step, bool accepted);
void bc_tell_verdict(bc_receiver *r, bc_producer *p, bc_message_type type, uint64_t serial,
                     int code, const char *sentence);
void bc_step_declare(bc_receiver *r, bc_producer *p, const bc_declare *declare);

/* producers.c: who is connected to the root, and what they and the ranks say */
void bc_producer_lost(bc_receiver *r, bc_producer *p, int code, const char *reason);
void bc_producers_settle(bc_receiver *r);
/* Answers those who wait for a step that has been completed or given up. */
void bc_producers_awaited(bc_receiver *r);
void bc_root_message(bc_receiver *r, bc_conn *conn, uint32_t type, const unsigned char *body,
                     size_t size);
/* A message from a rank of the server. */
void bc_root_answer(bc_receiver *r, uint32_t rank, uint32_t type, const unsigned char *body,
                    size_t size);
void bc_root_conn_gone(bc_receiver *r, bc_conn *conn);
void bc_root_tick(bc_receiver *r, int64_t now);
void bc_root_close(bc_receiver *r);
/* calls.c; false: it makes no sense there */
bool bc_calls_message(bc_receiver *r, bc_conn *conn, uint32_t type, bc_reader *reader);
void bc_calls_conn_gone(bc_receiver *r, bc_conn *conn);
/* Sends more of an answer once the connection has taken what came before. */
void bc_calls_flush(bc_receiver *r, bc_conn *conn);
void bc_calls_close(bc_receiver *r);
/* slots.c again */
bc_stream_state *bc_root_stream(bc_receiver *r, const char *name, bool make);
bc_step *bc_root_step(bc_receiver *r, uint64_t serial, bc_stream_state **stream);
void bc_root_released(bc_receiver *r, uint32_t rank, uint64_t serial, uint64_t count);
uint64_t bc_root_pick(bc_receiver *r, bc_stream_state *stream, bc_step *step);
/* The complete step of the producers' number, the newest of several runs; NULL if there is none. */
bc_step *bc_step_kept(bc_stream_state *stream, uint64_t number);
/* Why there is no such step; any: the newest was asked for. stream may be NULL. */
void bc_say_no_step(bc_stream_state *stream, const char *name, bool any, uint64_t number,
                    char sentence[BC_SENTENCE_MAX]);
/* Slots may have become free: serves steps that wait. */
void bc_root_slots_changed(bc_receiver *r, bc_stream_state *stream);

/* rank.c */
void bc_rank_message(bc_receiver *r, uint32_t type, const unsigned char *body, size_t size);
void bc_rank_close(bc_receiver *r);
bc_slot *bc_rank_slot(bc_receiver *r, uint64_t serial);
bc_session *bc_rank_session(bc_receiver *r, uint64_t id);
/* Voxels of span have landed (data threads, lock held). */
void bc_rank_landed(bc_receiver *r, bc_slot *slot, uint64_t session, const bc_span *span,
                    uint32_t wire);
/* A data connection of the session has ended (lock held). clean: the peer closed it. */
void bc_rank_conn_ended(bc_receiver *r, uint64_t session, bool clean);

void bc_rank_answer(bc_receiver *r, bc_message_type type, uint64_t about, int code, uint64_t number,
                    const char *sentence);
/* rank_slot.c, lock held: OPEN_STEP */
void bc_slot_open(bc_receiver *r, bc_reader *reader);
/* Forgets the step in it; waits for reads that are under way, with the lock released. */
void bc_slot_clear(bc_receiver *r, bc_slot *slot);
void bc_slot_release_memory(bc_receiver *r, bc_slot *slot);
/* Nobody writes into the slot over RDMA any more. Producers that have not ended the step lose their
 * connection by it. */
void bc_slot_revoke(bc_receiver *r, const bc_slot *slot);

/* frame.c, lock held */
/* Drops one reference; true if the receiver's last one went with it. */
bool bc_frame_drop(bc_receiver *r, bc_frame *frame);
/* reader: the rest of SEAL, from the step's number on. NULL if memory ran out. */
bc_frame *bc_frame_make(bc_receiver *r, bc_slot *slot, bc_reader *reader, uint64_t arrays);

/* data.c */
int bc_data_start(bc_receiver *r, beamcast_error *error);
void bc_data_stop(bc_receiver *r);
/* Takes over fd, after its handshake. */
void bc_data_adopt(bc_receiver *r, int fd, bool local, int role);
/* Ends all connections of a session (lock held). */
void bc_data_expel(bc_receiver *r, uint64_t session);

#endif
