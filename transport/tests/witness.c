/* SPDX-License-Identifier: BSD-3-Clause
 * See witness.h. What must not be told at all ends the process. */
#include "witness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAYS_MAX = 512 };

typedef struct told_box {
  bc_box box; /* in the array */
  uint64_t sum;
} told_box;

typedef struct heard {
  beamcast_landing landing; /* data NULL: unused */
  told_box *told;
  size_t count, capacity;
} heard;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static heard all[ARRAYS_MAX];

static void die(const char *what) {
  (void)fprintf(stderr, "witness: %s\n", what);
  abort();
}

static heard *find(const void *data) {
  for (int i = 0; i < ARRAYS_MAX; i++) {
    if (all[i].landing.data == data) {
      return &all[i];
    }
  }
  return NULL;
}

/* Of the voxels of a box. Elsewhere in the memory others may write meanwhile, and where bricks
 * overlap also here, the same bytes. */
__attribute__((no_sanitize("thread"))) static uint64_t sum_of(const beamcast_landing *l,
                                                              const bc_box *box) {
  uint64_t sum = 1, row = box->shape[0] * l->voxel_bytes;
  for (uint64_t z = 0; z < box->shape[2]; z++) {
    for (uint64_t y = 0; y < box->shape[1]; y++) {
      const unsigned char *at =
          (const unsigned char *)l->data +
          (((box->start[2] + z) * l->shape[1] + box->start[1] + y) * l->shape[0] + box->start[0]) *
              l->voxel_bytes;
      for (uint64_t i = 0; i < row; i++) {
        sum = (sum ^ at[i]) * 0x100000001b3;
      }
    }
  }
  return sum;
}

static void forget_heard(heard *h) {
  h->landing.release(h->landing.owner);
  free(h->told);
  memset(h, 0, sizeof *h);
}

static void begin(const beamcast_landing *landing) {
  pthread_mutex_lock(&lock);
  heard *h = find(landing->data);
  if (h != NULL && h->landing.serial != landing->serial) {
    die("another step begins in memory that was not forgotten");
  }
  if (h == NULL) {
    h = find(NULL);
    if (h == NULL) {
      die("too much memory");
    }
    landing->retain(landing->owner);
  }
  h->landing = *landing;
  pthread_mutex_unlock(&lock);
}

static void landed(const void *data, const uint64_t start[3], const uint64_t shape[3]) {
  pthread_mutex_lock(&lock);
  heard *h = find(data);
  told_box told = {.box = {{start[0], start[1], start[2]}, {shape[0], shape[1], shape[2]}}};
  if (h == NULL) {
    die("voxels have landed where none were to come");
    return;
  }
  const bc_box whole = {.shape = {h->landing.shape[0], h->landing.shape[1], h->landing.shape[2]}};
  if (bc_box_is_empty(&told.box) || !bc_box_contains(&whole, &told.box)) {
    die("voxels have landed outside of the array");
  }
  if (h->count == h->capacity) {
    h->capacity = h->capacity > 0 ? 2 * h->capacity : 16;
    h->told = realloc(h->told, h->capacity * sizeof *h->told);
    if (h->told == NULL) {
      die("out of memory");
      return;
    }
  }
  told.sum = sum_of(&h->landing, &told.box);
  h->told[h->count++] = told;
  pthread_mutex_unlock(&lock);
}

static void forget(const void *data) {
  pthread_mutex_lock(&lock);
  heard *h = data != NULL ? find(data) : NULL;
  if (h != NULL) {
    forget_heard(h);
  }
  pthread_mutex_unlock(&lock);
}

const beamcast_landing_calls witness_calls = {begin, landed, forget};

static void add_gap(void *context, const bc_box *gap) {
  *(uint64_t *)context += bc_box_count(gap);
}

/* Voxels of the box that are in none of the boxes. */
static uint64_t uncovered(const bc_box *box, const bc_box *boxes, size_t count) {
  uint64_t voxels = 0;
  if (!bc_gaps(box, boxes, count, add_gap, &voxels)) {
    die("out of memory");
  }
  return voxels;
}

bool witness_agrees(const bc_array *array, uint64_t serial, const bc_box *memory,
                    const test_scene *scene, int index, char *text, size_t size) {
  bool good = true;
  pthread_mutex_lock(&lock);
  heard *h = find(array->data);
  if (h == NULL || h->landing.serial != serial) {
    (void)snprintf(text, size, "nothing was told of step %llu", (unsigned long long)serial);
    pthread_mutex_unlock(&lock);
    return false;
  }
  bc_box *boxes = calloc(h->count + SCENE_BRICKS, sizeof *boxes);
  size_t told = 0, both;
  for (size_t i = 0; i < h->count && good; i++) {
    if (sum_of(&h->landing, &h->told[i].box) != h->told[i].sum) {
      (void)snprintf(text, size, "voxels have changed after they were told as landed");
      good = false;
    }
    bc_box box = h->told[i].box;
    for (int axis = 0; axis < 3; axis++) {
      box.start[axis] += memory->start[axis];
    }
    good = good && bc_boxes_add(boxes, &told, h->count, &box);
  }
  both = told;
  for (int i = 0; i < scene->bricks; i++) {
    if (scene->brick[i].array == index && !bc_box_is_empty(&scene->brick[i].box)) {
      boxes[both++] = scene->brick[i].box;
    }
  }
  uint64_t left = uncovered(memory, boxes, both);
  if (good && (uncovered(memory, boxes, told) != left ||
               uncovered(memory, boxes + told, both - told) != left)) {
    (void)snprintf(text, size, "what was told as landed is not what was put");
    good = false;
  }
  free(boxes);
  pthread_mutex_unlock(&lock);
  return good;
}

uint64_t witness_bytes(uint64_t *arrays) {
  const heard *last = NULL;
  *arrays = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < ARRAYS_MAX; i++) {
    if (all[i].landing.data != NULL) {
      ++*arrays;
      last = last == NULL || all[i].landing.serial > last->landing.serial ? &all[i] : last;
    }
  }
  uint64_t bytes = 0;
  for (size_t i = 0; last != NULL && i < last->count; i++) {
    bytes += bc_box_count(&last->told[i].box) * last->landing.voxel_bytes;
  }
  pthread_mutex_unlock(&lock);
  return bytes;
}
