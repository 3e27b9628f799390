/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Receivers and producers in processes of their own, which do what the test says, one order at a
 * time; so a test decides what happens before what, and nothing depends on speed. A process that
 * dies or is silent for too long fails the test. Call everything from one thread, which has no
 * other threads beside it.
 */
#ifndef BEAMCAST_TESTS_HARNESS_H
#define BEAMCAST_TESTS_HARNESS_H

#include <sys/types.h>

#include "beamcast.h"
#include "receiver.h"
#include "scene.h"

enum { SERVER_MAX = 4, PRODUCERS_MAX = 8 };

typedef enum order_kind {
  /* receivers */
  R_ADDRESS = 1,
  R_JOIN,
  R_CONFIGURE,
  R_STATUS,
  R_PICK,
  R_PICK_KEPT,
  R_KEPT,
  R_TAKE,
  R_CHECK,
  R_RELEASE,
  R_REQUEST,
  R_VIEW,
  R_USAGE,
  R_LOGGED,
  R_FORK,
  R_TOLD,
  R_CLOSE,
  /* producers */
  P_CONNECT,
  P_BEGIN,
  P_PUT,
  P_SPOIL,
  P_END,
  P_AWAIT,
  P_ANNOTATE,
  P_REQUEST,
  P_DESCRIBE,
  P_RUN,
  P_USAGE,
  P_CLOSE,
  P_EXIT
} order_kind;

typedef struct order {
  order_kind kind;
  uint64_t serial, step, run, last; /* run: of a producer's connection, or 0; last: P_RUN */
  double time, limit;
  int rank, ranks, number, connections, overlap, relay;
  bool choose;  /* P_CONNECT: whatever wire works best */
  bool cramped; /* P_PUT: no more memory can be mapped, but little */
  bool trap;    /* P_PUT: the process stops itself (SIGSTOP) in the middle of copying each brick */
  char stream[64], text[300], wire[16], contact[128];
  bc_stream_settings settings;
  test_scene scene;
  unsigned char address[SERVER_MAX][BC_ADDRESS_BYTES];
} order;

typedef struct answer {
  int code; /* beamcast_code */
  char text[BEAMCAST_MESSAGE_MAX];
  uint64_t serial, step, run;
  uint64_t number;    /* what R_KEPT, R_LOGGED, P_REQUEST, P_RUN count */
  uint64_t dropped;   /* P_RUN */
  double slowest;     /* P_RUN: seconds of the longest call */
  uint64_t kept[32];  /* R_KEPT */
  uint64_t resident;  /* R_USAGE: bytes */
  int threads, files; /* R_USAGE, P_USAGE */
  int mappings;       /* R_USAGE, P_USAGE: of slots */
  beamcast_stream_info info;
  bc_stream_status status;
  unsigned char address[BC_ADDRESS_BYTES];
} answer;

typedef struct child {
  pid_t pid; /* 0: none */
  int fd;
} child;

typedef struct server {
  child rank[SERVER_MAX];
  int ranks;
  char contact[128];
  bc_stream_settings settings; /* of the stream that was configured last */
} server;

/* Reads the program's arguments: the wire (default: tcp). Call it first in main. */
void harness_begin(int argc, char **argv);
extern const char *harness_wire;
extern random_state harness_random;
bool harness_slow(void); /* a sanitizer, an emulator, valgrind: do less */

/* Orders. tell sends without waiting for the answer; ask waits; both fail the test if the process
 * is gone. */
void tell(child *c, const order *o);
answer hear(child *c);
answer ask(child *c, const order *o);
/* As hear; false if the process is gone. */
bool hear_or_lost(child *c, answer *a);

/* memory_limit: bytes of slots in each rank; 0: $BEAMCAST_MEMORY_LIMIT, else 256 MiB. */
server server_start(int ranks, uint64_t memory_limit);
/* A server that is not there yet, to connect to before server_begin starts its ranks. */
server server_to_come(int ranks);
void server_begin(server *s, uint64_t memory_limit);
/* As begin; the first answer that is no good, where there is one. */
answer server_try(server *s, uint64_t memory_limit);
/* Ends it in order; fails the test if a process did not end well. */
void server_stop(server *s);
void server_kill(server *s);
void server_configure(server *s, const char *stream, const bc_stream_settings *settings);
bc_stream_status server_status(server *s, const char *stream);
/* Waits until so many steps of the stream are complete, or are complete, dropped or given up. */
void server_wait_received(server *s, const char *stream, uint64_t steps);
void server_wait_settled(server *s, const char *stream, uint64_t steps);
void server_wait_producers(server *s, const char *stream, int producers);
/* Picks and takes on all ranks; 0: there is none. Checks that all ranks have the same step. */
uint64_t server_take(server *s, const char *stream, uint64_t after, int which, uint64_t *step);
void server_take_serial(server *s, uint64_t serial, uint64_t *step, uint64_t *run);
/* Fails the test unless a taken step is voxel by voxel what the scene says. */
void server_check(server *s, uint64_t serial, const test_scene *scene);
void server_release(server *s, uint64_t serial);
/* Takes, checks and releases the newest step, which must be this one. */
void server_check_newest(server *s, const char *stream, const test_scene *scene, uint64_t step);
void server_view(server *s, const char *stream, bool open);
/* Lines logged by rank 0 that contain text. */
uint64_t server_logged(server *s, const char *text);
/* Waits until there are at least so many. */
void server_wait_logged(server *s, const char *text, uint64_t least);

/* What a process takes (kind: R_USAGE or P_USAGE). */
answer usage_of(child *c, order_kind kind);
/* Waits until a process has no more threads and files than before, its slots' aside. */
void wait_for_usage(child *c, order_kind kind, const answer *before);

child producer_start(void);
child producer_start_far(void); /* on the far side of the link; see network.h */
void producer_exit(child *c);   /* in order: fails the test if it did not end well */
void child_kill(child *c);

/* A connected producer; the rest of the options in o may be NULL. */
answer producer_connect(child *c, const server *s, const char *stream, int rank, int ranks,
                        uint64_t run);
/* `count` of them, all of one run; fails the test if one can't connect. */
void producers_connect(child *producers, int count, const server *s, const char *stream,
                       uint64_t run);
/* Connects started producers, of run *run or a later one, with a time limit (seconds) that a step
 * of the scene fits into: a test that waits for its end wants a short one, but this machine may be
 * slow. Returns the limit; *run and *step are of the step, which is complete. */
double producers_connect_in_time(child *producers, int count, server *s, const char *stream,
                                 double limit, const test_scene *scene, uint64_t *run,
                                 uint64_t *step);
int producer_begin(child *c, uint64_t step, double time);
int producer_put(child *c, const test_scene *scene); /* its bricks of the scene */
int producer_end(child *c);
beamcast_stream_info producer_info(child *c);
/* One whole step by `count` producers together; returns the worst code. */
int producers_step(child *producers, int count, const test_scene *scene, uint64_t step);
/* Begins on all at the same time; returns the worst code. */
int producers_begin(child *producers, int count, uint64_t step);
int producers_put(child *producers, int count, const test_scene *scene);
int producers_end(child *producers, int count);
/* Pushes a step as soon as one is taken: what a viewer has released is free a little later. Returns
 * its number, at least `step`. */
uint64_t producers_step_when_free(child *producers, int count, const test_scene *scene,
                                  uint64_t step);

/* What retrieve finds is voxel by voxel what the scene says. */
void check_retrieved(const server *s, const char *stream, const test_scene *scene, uint64_t run,
                     uint64_t step);

/* For cmocka: ends all processes that a test has left. */
int harness_clean(void **state);
void fail_test(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void nap(double seconds);

#endif
