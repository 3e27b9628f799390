/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Volumes for tests: how they are cut into bricks, and what every voxel holds. A voxel's bytes
 * follow from the scene's seed, the run, the step and the place, so that any process can tell
 * whether an array is right, and voxels of two steps or runs are never alike.
 */
#ifndef BEAMCAST_TESTS_SCENE_H
#define BEAMCAST_TESTS_SCENE_H

#include "beamcast.h"
#include "layout.h"
#include "random.h"

enum { SCENE_ARRAYS = 4, SCENE_BRICKS = 96 };

typedef struct scene_array {
  char name[24];
  int type, components;
  int fill; /* 0, 1, 2 or 42 */
} scene_array;

typedef struct scene_brick {
  int producer, array;
  bool strided; /* axes in any order, padded, some backwards */
  bool copy;
  uint64_t seed; /* of the strides */
  bc_box box;
} scene_brick;

typedef struct test_scene {
  uint64_t seed;
  int producers;
  uint64_t volume[3];
  double spacing[3], origin[3];
  int arrays, bricks;
  scene_array array[SCENE_ARRAYS];
  scene_brick brick[SCENE_BRICKS];
} test_scene;

/* Anything that is allowed: sizes, types, overlaps that agree, gaps, producers without a brick. */
test_scene scene_draw(random_state *random, int producers);
/* One array "volume", a slab along z for each producer, no gaps. */
test_scene scene_plain(uint64_t seed, int producers, const uint64_t volume[3], int type);

/* A brick's voxels in memory of their own. */
typedef struct scene_data {
  unsigned char *arena;
  size_t size;
  unsigned char *first; /* the voxel at box.start */
  int64_t stride[3];
} scene_data;

/* Makes the voxels of a brick; the caller frees data->arena. */
void scene_fill(const test_scene *s, uint64_t run, uint64_t step, int brick, scene_data *data);
/* The brick as put takes it. */
beamcast_brick scene_brick_of(const test_scene *s, int brick, const scene_data *data);

/* Compares a contiguous array over box with what it should hold. Returns true if all is right, else
 * the first difference in text. */
bool scene_holds(const test_scene *s, uint64_t run, uint64_t step, int array, const bc_box *box,
                 const void *data, char *text, size_t size);

#endif
