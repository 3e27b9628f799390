/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that is the same for many pieces, shared by a few threads for the time of one call.
 */
#ifndef BEAMCAST_READER_THREADS_H
#define BEAMCAST_READER_THREADS_H

#include "beamcast_types.h"

#include <stdint.h>

/* Does task number task; thread counts from 0. Anything but 0 stops all, with error filled. */
typedef int (*thread_task)(void *context, uint64_t task, int thread, beamcast_error *error);

typedef struct thread_job {
  thread_task task;
  void *context;
  uint64_t tasks;
  int threads;                                 /* including the caller's */
  int (*progress)(void *context, double done); /* in the caller's thread, may be NULL */
  void *progress_context;
  int apart; /* 1: each thread begins with tasks that follow each other, far from the others' */
} thread_job;

/* Runs all tasks, in order of their numbers as far as threads (and apart) allow. The first error
 * wins. */
int threads_run(const thread_job *job, beamcast_error *error);

/* Cores that this process may use. */
int threads_cores(void);

#endif
