/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of the verbs wire stand on: a server whose ranks are threads of this process,
 * producers beside it, and voxels that both can work out. What goes wrong ends the process with a
 * line and status 1.
 */
#ifndef BEAMCAST_VERBS_RIG_H
#define BEAMCAST_VERBS_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "../random.h"
#include "receiver.h"
#include "sender.h"

enum { RANKS_MAX = 4, PRODUCERS_MAX = 4, ARRAYS_MAX = 2 };

extern const char *wire;      /* of the producers */
extern const char *program;   /* this one, for spawn */
extern const char *host;      /* of the servers; NULL: $BEAMCAST_HOST */
extern uint64_t memory_limit; /* bytes of slots in a rank */

void die(const char *what, const beamcast_error *error) __attribute__((noreturn));
void must(int code, const char *what, const beamcast_error *error);
double seconds(void);
unsigned char *pages_at(void *address, uint64_t bytes); /* fresh ones; NULL: anywhere */
/* This program again, in a mode of its own. */
pid_t spawn(const char *mode, const char *contact);

typedef struct server {
  int ranks;
  bc_receiver *rank[RANKS_MAX];
  unsigned char addresses[RANKS_MAX * BC_ADDRESS_BYTES];
  char contact[256];
  uint64_t seen;
} server;

void server_start(server *s, int ranks, const bc_stream_settings *settings);
void server_stop(server *s);
/* Waits for the next complete step and takes its frames. */
void server_take(server *s, bc_frame *frames[RANKS_MAX], double limit);

/* A volume, and what its voxels are in each step. */
typedef struct sample {
  uint64_t volume[3];
  int arrays;
  int type[ARRAYS_MAX], components[ARRAYS_MAX];
} sample;

sample cube(uint64_t side); /* one array of float32 */
/* Takes the next step, which must be this one, voxel by voxel. */
void check_step(server *s, const sample *sc, uint64_t step);

/* A brick in memory of its own, laid out in one of several ways. */
typedef struct brick {
  bc_box box;
  int array;
  unsigned char *memory, *data;
  uint64_t bytes;
  int64_t stride[3];
} brick;

void fill(const sample *sc, uint64_t step, brick *b);
brick whole(const sample *sc, unsigned char *memory); /* contiguous */

bc_sender *connect_as(const char *contact, uint32_t rank, uint32_t ranks, uint64_t run,
                      double limit);
int put(bc_sender *s, const sample *sc, const brick *b, beamcast_error *error);

typedef struct producer {
  const char *contact;
  sample sc;
  uint32_t rank, ranks;
  uint64_t run, steps;
  uint64_t seed;
} producer;

/* A thread: pushes random bricks that make up the sample, step by step. */
void *produce(void *producer);

/* The tests, by file. */
void test_voxels(void), test_again(void), test_abandon(void);                     /* voxels.c */
void test_registered(void);                                                       /* registered.c */
void test_killed(void), test_gone(void), test_unplugged(void);                    /* ends.c */
void child_pushes(const char *contact), child_serves(const char *path);           /* ends.c */
void test_limit(void), test_device(void), test_devices(void), test_network(void); /* choice.c */
void child_limited(const char *contact), child_serves_limited(const char *path);  /* choice.c */
/* registered: the array is. */
double push_rate(const char *contact, uint64_t mebibytes, int steps, bool registered); /* rate.c */
void rate(uint64_t mebibytes, int steps, bool registered), serve(void);                /* rate.c */

#endif
