/* SPDX-License-Identifier: BSD-3-Clause */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Tasks that are taken in order. */
typedef struct stretch {
  uint64_t next, end;
} stretch;

typedef struct run {
  const thread_job *job;
  stretch *stretch;
  int stretches;
  atomic_uint_fast64_t done;
  atomic_int stop;
  pthread_mutex_t mutex; /* of the stretches, and of what follows */
  int code;
  beamcast_error error;
} run;

typedef struct worker {
  run *run;
  int number;
  pthread_t thread;
} worker;

static void fail(run *r, int code, const beamcast_error *error) {
  pthread_mutex_lock(&r->mutex);
  if (r->code == BEAMCAST_OK) {
    r->code = code;
    r->error = *error;
  }
  pthread_mutex_unlock(&r->mutex);
  atomic_store(&r->stop, 1);
}

/* The further half of the longest stretch that another thread has left: both go on in one piece. */
static void take_over(run *r, stretch *own) {
  stretch *longest = own;
  for (int i = 0; i < r->stretches; i++) {
    stretch *s = &r->stretch[i];
    longest = s->end - s->next > longest->end - longest->next ? s : longest;
  }
  own->next = longest->next + (longest->end - longest->next) / 2;
  own->end = longest->end;
  longest->end = own->next;
}

static int take(run *r, int number, uint64_t *task) {
  stretch *own = &r->stretch[number % r->stretches];
  if (atomic_load(&r->stop)) {
    return 0;
  }
  pthread_mutex_lock(&r->mutex);
  if (own->next == own->end && r->stretches > 1) {
    take_over(r, own);
  }
  const int found = own->next < own->end;
  *task = own->next;
  own->next += (uint64_t)found;
  pthread_mutex_unlock(&r->mutex);
  return found;
}

static void work(run *r, int number) {
  const thread_job *job = r->job;
  beamcast_error error = {0};
  uint64_t task;
  while (take(r, number, &task)) {
    int code = job->task(job->context, task, number, &error);
    const uint64_t done = atomic_fetch_add(&r->done, 1) + 1;
    if (code == BEAMCAST_OK && number == 0 && job->progress != NULL &&
        job->progress(job->progress_context, (double)done / (double)job->tasks) != 0) {
      code = beamcast_fail(&error, BEAMCAST_ERR_TIMEOUT, "The read was cancelled");
    }
    if (code != BEAMCAST_OK) {
      fail(r, code, &error);
    }
  }
}

static void *start(void *context) {
  worker *w = context;
  work(w->run, w->number);
  return NULL;
}

int threads_run(const thread_job *job, beamcast_error *error) {
  stretch common, *apart = NULL;
  run r = {.job = job, .stretch = &common, .stretches = 1};
  int threads = job->threads > 1 ? job->threads : 1;
  threads = (uint64_t)threads > job->tasks ? (int)job->tasks : threads;
  if (job->apart && threads > 1 && (apart = calloc((size_t)threads, sizeof *apart)) != NULL) {
    r.stretch = apart;
    r.stretches = threads;
  }
  for (int i = 0; i < r.stretches; i++) {
    const uint64_t n = (uint64_t)r.stretches;
    r.stretch[i].next = job->tasks / n * (uint64_t)i + job->tasks % n * (uint64_t)i / n;
    r.stretch[i].end = job->tasks / n * ((uint64_t)i + 1) + job->tasks % n * ((uint64_t)i + 1) / n;
  }
  worker *workers = threads > 1 ? calloc((size_t)threads, sizeof *workers) : NULL;
  int started = 0;
  pthread_mutex_init(&r.mutex, NULL);
  for (int i = 1; workers != NULL && i < threads; i++, started++) {
    workers[started] = (worker){.run = &r, .number = i};
    if (pthread_create(&workers[started].thread, NULL, start, &workers[started]) != 0) {
      break; /* fewer threads do the same work */
    }
  }
  work(&r, 0);
  for (int i = 0; i < started; i++) {
    pthread_join(workers[i].thread, NULL);
  }
  free(workers);
  free(apart);
  pthread_mutex_destroy(&r.mutex);
  if (r.code != BEAMCAST_OK && error != NULL) {
    *error = r.error;
  }
  return r.code;
}

int threads_cores(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return cores > 0 ? cores : 1;
}
