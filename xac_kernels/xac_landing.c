/* SPDX-License-Identifier: BSD-3-Clause
 * What is told of steps that land; see xac_landing.h. */
#include "xac_landing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "xac_cuda.h"

enum { TOLD_MAX = 16384, TOGETHER = 64 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static xac_memory *memories;
static size_t memory_count, memory_capacity;

void xac_landing_lock(void) {
  pthread_mutex_lock(&lock);
}

void xac_landing_unlock(void) {
  pthread_mutex_unlock(&lock);
}

void xac_landing_wait(void) {
  pthread_cond_wait(&news, &lock);
}

void xac_landing_wake(void) {
  pthread_cond_broadcast(&news);
}

static uint64_t points_of(const beamcast_landing *landing) {
  return landing->shape[0] * landing->shape[1] * landing->shape[2];
}

const xac_memory *xac_landing_at(const void *address) {
  for (size_t i = 0; i < memory_count; i++) {
    const beamcast_landing *l = &memories[i].landing;
    const char *begin = l->data, *at = address;
    if (at >= begin && at < begin + points_of(l) * l->voxel_bytes) {
      return &memories[i];
    }
  }
  return NULL;
}

const xac_memory *xac_landing_after(const beamcast_landing *shown) {
  const xac_memory *next = NULL;
  for (size_t i = 0; i < memory_count; i++) {
    const beamcast_landing *l = &memories[i].landing;
    if (l->source == shown->source && l->stream == shown->stream && l->array == shown->array &&
        l->serial > shown->serial && memories[i].count > 0 && !memories[i].spoilt &&
        l->voxel_bytes == shown->voxel_bytes &&
        memcmp(l->shape, shown->shape, sizeof l->shape) == 0 &&
        (next == NULL || l->serial < next->landing.serial)) {
      next = &memories[i];
    }
  }
  return next;
}

static xac_memory *find(const void *data) {
  for (size_t i = 0; i < memory_count; i++) {
    if (memories[i].landing.data == data) {
      return &memories[i];
    }
  }
  return NULL;
}

static void drop(xac_memory *memory) {
  memory->landing.release(memory->landing.owner);
  free(memory->told);
  *memory = memories[--memory_count];
}

/* What can't be noted is not copied early, and that is all. */
static void begin(const beamcast_landing *landing) {
  pthread_mutex_lock(&lock);
  xac_memory *memory = find(landing->data);
  if (memory != NULL && memory->landing.serial != landing->serial) {
    drop(memory);
    memory = NULL;
  }
  if (memory == NULL && memory_count == memory_capacity) {
    size_t capacity = memory_capacity ? 2 * memory_capacity : 16;
    xac_memory *more = realloc(memories, capacity * sizeof *more);
    if (more != NULL) {
      memories = more;
      memory_capacity = capacity;
    }
  }
  if (memory == NULL && memory_count < memory_capacity) {
    memories[memory_count++] = (xac_memory){.landing = *landing};
    landing->retain(landing->owner);
  }
  pthread_mutex_unlock(&lock);
}

static void note(xac_memory *memory, const xac_box *box) {
  if (memory->count == memory->capacity && memory->capacity < TOLD_MAX) {
    size_t capacity = memory->capacity ? 2 * memory->capacity : 32;
    xac_box *more = realloc(memory->told, capacity * sizeof *more);
    if (more != NULL) {
      memory->told = more;
      memory->capacity = capacity;
    }
  }
  memory->points += (uint64_t)(box->n[0] * box->n[1] * box->n[2]);
  /* a peer that tells the same again and again must not keep a device busy */
  memory->spoilt =
      memory->count == memory->capacity || memory->points > 2 * points_of(&memory->landing);
  if (!memory->spoilt) {
    memory->told[memory->count++] = *box;
  }
}

/* A large box in parts: who copies one keeps others waiting. */
static void landed(const void *data, const uint64_t start[3], const uint64_t shape[3]) {
  pthread_mutex_lock(&lock);
  xac_memory *memory = find(data);
  if (memory != NULL) {
    const uint64_t plane = shape[0] * shape[1] * memory->landing.voxel_bytes;
    const uint64_t planes = plane < TOGETHER ? TOGETHER / plane : 1;
    for (uint64_t z = 0; z < shape[2] && !memory->spoilt; z += planes) {
      const uint64_t left = shape[2] - z;
      const xac_box box = {
          {(int64_t)start[0], (int64_t)start[1], (int64_t)(start[2] + z)},
          {(int64_t)shape[0], (int64_t)shape[1], (int64_t)(left < planes ? left : planes)}};
      note(memory, &box);
    }
    pthread_cond_broadcast(&news);
  }
  pthread_mutex_unlock(&lock);
}

static void forget(const void *data) {
  pthread_mutex_lock(&lock);
  xac_memory *memory = find(data);
  if (memory != NULL) {
    drop(memory);
    pthread_cond_broadcast(&news);
  }
  pthread_mutex_unlock(&lock);
}

const beamcast_landing_calls *xac_landing(void) {
  static const beamcast_landing_calls calls = {begin, landed, forget};
  return xac_cuda != NULL ? &calls : NULL;
}
