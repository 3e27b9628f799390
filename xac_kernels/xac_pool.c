/* SPDX-License-Identifier: BSD-3-Clause */
#include "xac_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { THREADS_MAX = 512 };

typedef struct worker {
  struct xac_pool *pool;
  pthread_t thread;
  int number;
} worker;

struct xac_pool {
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  uint64_t round; /* grows by one with each run */
  int busy;       /* workers that have not finished this round */
  int stop;
  int threads;
  atomic_size_t next;
  size_t items;
  void (*work)(void *, size_t, int);
  void *argument;
  worker workers[];
};

static void take_items(xac_pool *pool, int number) {
  size_t item;
  while ((item = atomic_fetch_add(&pool->next, 1)) < pool->items) {
    pool->work(pool->argument, item, number);
  }
}

static void *worker_main(void *argument) {
  worker *self = argument;
  xac_pool *pool = self->pool;
  uint64_t seen = 0;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (!pool->stop && pool->round == seen) {
      pthread_cond_wait(&pool->wake, &pool->lock);
    }
    if (pool->stop) {
      break;
    }
    seen = pool->round;
    pthread_mutex_unlock(&pool->lock);
    take_items(pool, self->number);
    pthread_mutex_lock(&pool->lock);
    if (--pool->busy == 0) {
      pthread_cond_signal(&pool->done);
    }
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

xac_pool *xac_pool_create(int threads) {
  if (threads <= 0) {
    cpu_set_t set;
    threads = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  }
  threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
  xac_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof(worker));
  if (pool == NULL) {
    return NULL;
  }
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->threads = 1;
  for (int i = 1; i < threads; i++) {
    pool->workers[i].pool = pool;
    pool->workers[i].number = i;
    if (pthread_create(&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]) != 0) {
      break;
    }
    pool->threads++;
  }
  return pool;
}

void xac_pool_destroy(xac_pool *pool) {
  if (pool == NULL) {
    return;
  }
  pthread_mutex_lock(&pool->lock);
  pool->stop = 1;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 1; i < pool->threads; i++) {
    pthread_join(pool->workers[i].thread, NULL);
  }
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

int xac_pool_threads(const xac_pool *pool) {
  return pool->threads;
}

void xac_pool_run(xac_pool *pool, size_t items, void (*work)(void *, size_t, int), void *argument) {
  pthread_mutex_lock(&pool->lock);
  pool->work = work;
  pool->argument = argument;
  pool->items = items;
  atomic_store(&pool->next, 0);
  pool->busy = pool->threads - 1;
  pool->round++;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  take_items(pool, 0);
  pthread_mutex_lock(&pool->lock);
  while (pool->busy > 0) {
    pthread_cond_wait(&pool->done, &pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
}
