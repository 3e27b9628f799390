/* SPDX-License-Identifier: BSD-3-Clause
 * Threads that share numbered jobs; see copiers.h. */
#include "copiers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct bc_copiers {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  pthread_t *threads;
  int wanted, started;
  bool stop;
  size_t next, count, finished;
  void (*job)(void *context, size_t index);
  void *context;
};

bc_copiers *bc_copiers_new(int threads) {
  bc_copiers *c = calloc(1, sizeof *c);
  if (c == NULL) {
    return NULL;
  }
  c->wanted = threads;
  c->threads = calloc((size_t)threads + 1, sizeof(*c->threads));
  if (c->threads == NULL) {
    free(c);
    return NULL;
  }
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->work, NULL);
  pthread_cond_init(&c->done, NULL);
  return c;
}

/* Lock held; does jobs until none is left. */
static void work(bc_copiers *c) {
  while (c->next < c->count) {
    size_t index = c->next++;
    pthread_mutex_unlock(&c->lock);
    c->job(c->context, index);
    pthread_mutex_lock(&c->lock);
    if (++c->finished == c->count) {
      pthread_cond_broadcast(&c->done);
    }
  }
}

static void *run(void *argument) {
  bc_copiers *c = argument;
  pthread_mutex_lock(&c->lock);
  while (!c->stop) {
    work(c);
    if (!c->stop) {
      pthread_cond_wait(&c->work, &c->lock);
    }
  }
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

void bc_copiers_run(bc_copiers *c, size_t count, void (*job)(void *context, size_t index),
                    void *context) {
  pthread_mutex_lock(&c->lock);
  c->job = job;
  c->context = context;
  c->next = c->finished = 0;
  c->count = count;
  while (count > 1 && c->started < c->wanted &&
         pthread_create(&c->threads[c->started], NULL, run, c) == 0) {
    c->started++;
  }
  pthread_cond_broadcast(&c->work);
  work(c);
  while (c->finished < c->count) {
    pthread_cond_wait(&c->done, &c->lock);
  }
  c->count = 0;
  pthread_mutex_unlock(&c->lock);
}

void bc_copiers_free(bc_copiers *c) {
  if (c == NULL) {
    return;
  }
  pthread_mutex_lock(&c->lock);
  c->stop = true;
  pthread_cond_broadcast(&c->work);
  pthread_mutex_unlock(&c->lock);
  for (int i = 0; i < c->started; i++) {
    (void)pthread_join(c->threads[i], NULL);
  }
  pthread_mutex_destroy(&c->lock);
  pthread_cond_destroy(&c->work);
  pthread_cond_destroy(&c->done);
  free(c->threads);
  free(c);
}
