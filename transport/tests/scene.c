/* SPDX-License-Identifier: BSD-3-Clause
 * Volumes for tests; see scene.h. */
#include "scene.h"

#include <string.h>

static void voxel_bytes(const test_scene *s, uint64_t run, uint64_t step, int array, uint64_t index,
                        unsigned char bytes[32]) {
  uint64_t hash = mix64(mix64(mix64(s->seed ^ run) + step) * 8 + (uint64_t)array);
  for (uint64_t i = 0; i < 4; i++) {
    uint64_t value = mix64(hash + 4 * index + i);
    memcpy(bytes + 8 * i, &value, 8);
  }
}

static size_t voxel_size(const scene_array *array) {
  return beamcast_type_size(array->type) * (size_t)array->components;
}

static void fill_bytes(const scene_array *array, unsigned char bytes[32]) {
  size_t size = beamcast_type_size(array->type);
  for (int i = 0; i < array->components; i++) {
    uint32_t whole = (uint32_t)array->fill;
    float single = (float)array->fill;
    double twice = array->fill;
    /* as IEEE binary16: 1 is 0x3c00, 2 is 0x4000, 42 is 0x5140 */
    uint16_t half = array->fill == 0   ? 0
                    : array->fill == 1 ? 0x3c00
                    : array->fill == 2 ? 0x4000
                                       : 0x5140;
    const void *from = array->type == BEAMCAST_FLOAT16   ? (const void *)&half
                       : array->type == BEAMCAST_FLOAT32 ? (const void *)&single
                       : array->type == BEAMCAST_FLOAT64 ? (const void *)&twice
                                                         : (const void *)&whole;
    memcpy(bytes + (size_t)i * size, from, size);
  }
}

static uint64_t index_of(const test_scene *s, uint64_t x, uint64_t y, uint64_t z) {
  return (z * s->volume[1] + y) * s->volume[0] + x;
}

/* --- drawing -------------------------------------------------------------------------------------
 */

static void add_brick(test_scene *s, random_state *random, int array, const bc_box *box) {
  if (s->bricks < SCENE_BRICKS) {
    s->brick[s->bricks++] =
        (scene_brick){.producer = (int)draw(random, 0, (uint64_t)s->producers - 1),
                      .array = array,
                      .strided = draw(random, 0, 1) == 0,
                      .copy = draw(random, 0, 7) == 0,
                      .seed = draw64(random),
                      .box = *box};
  }
}

static void widen(const test_scene *s, random_state *random, bc_box *box) {
  for (int axis = 0; axis < 3; axis++) {
    uint64_t before = draw(random, 0, box->start[axis] < 3 ? box->start[axis] : 3);
    uint64_t left = s->volume[axis] - box->start[axis] - box->shape[axis];
    uint64_t after = draw(random, 0, left < 3 ? left : 3);
    box->start[axis] -= before;
    box->shape[axis] += before + after;
  }
}

/* Cuts a box at random into at most `pieces` bricks, some widened, some left out. */
static void cut(test_scene *s, random_state *random, int array, const bc_box *box, int pieces,
                uint64_t gaps, uint64_t overlaps) {
  int axis = (int)draw(random, 0, 2);
  for (int i = 0; i < 3 && box->shape[axis] < 2; i++) {
    axis = (axis + 1) % 3;
  }
  if (pieces <= 1 || box->shape[axis] < 2) {
    bc_box brick = *box;
    if (gaps > 0 && draw(random, 1, 100) <= gaps) {
      return;
    }
    if (overlaps > 0 && draw(random, 1, 100) <= overlaps) {
      widen(s, random, &brick);
    }
    add_brick(s, random, array, &brick);
    return;
  }
  uint64_t at = draw(random, 1, box->shape[axis] - 1);
  bc_box low = *box, high = *box;
  low.shape[axis] = at;
  high.start[axis] += at;
  high.shape[axis] -= at;
  cut(s, random, array, &low, pieces / 2, gaps, overlaps);
  cut(s, random, array, &high, pieces - pieces / 2, gaps, overlaps);
}

test_scene scene_draw(random_state *random, int producers) {
  static const int fills[] = {0, 1, 2, 42};
  test_scene s = {.seed = draw64(random), .producers = producers};
  bool flat = draw(random, 0, 5) == 0;
  for (int axis = 0; axis < 3; axis++) {
    s.volume[axis] = draw(random, 1, draw(random, 0, 3) ? 22 : 3);
    s.spacing[axis] = (double)draw(random, 1, 1000) / 16;
    s.origin[axis] = (double)draw(random, 0, 1000) / 16 - 31;
  }
  s.volume[2] = flat ? 1 : s.volume[2];
  s.arrays = draw(random, 0, 2) ? 1 : (int)draw(random, 2, SCENE_ARRAYS);
  for (int i = 0; i < s.arrays; i++) {
    scene_array *array = &s.array[i];
    array->type = (int)draw(random, 1, 9);
    array->components = (int)draw(random, 1, 4);
    array->fill = fills[draw(random, 0, 3)];
    (void)snprintf(array->name, sizeof array->name, i == 0 ? "volume" : "array %d", i);
    bc_box whole = {.shape = {s.volume[0], s.volume[1], s.volume[2]}};
    uint64_t gaps = draw(random, 0, 2) ? 0 : draw(random, 1, 60);
    uint64_t overlaps = draw(random, 0, 1) ? 0 : draw(random, 1, 80);
#ifdef __SANITIZE_THREAD__
    overlaps = 0; /* two threads may write the same bytes to one place there: allowed, and a race by
                     the letter */
#endif
    int before = s.bricks;
    cut(&s, random, i, &whole, (int)draw(random, 1, 20), gaps, overlaps);
    if (s.bricks == before || draw(random, 0, 7) == 0) { /* empty ones are allowed */
      add_brick(&s, random, i, &(bc_box){.start = {s.volume[0], 0, 0}});
    }
  }
  return s;
}

test_scene scene_plain(uint64_t seed, int producers, const uint64_t volume[3], int type) {
  test_scene s = {.seed = seed,
                  .producers = producers,
                  .volume = {volume[0], volume[1], volume[2]},
                  .spacing = {1, 1, 1},
                  .arrays = 1,
                  .bricks = producers,
                  .array = {{.name = "volume", .type = type, .components = 1}}};
  for (int i = 0; i < producers; i++) {
    uint64_t from = volume[2] * (uint64_t)i / (uint64_t)producers;
    uint64_t to = volume[2] * (uint64_t)(i + 1) / (uint64_t)producers;
    s.brick[i] = (scene_brick){
        .producer = i, .box = {.start = {0, 0, from}, .shape = {volume[0], volume[1], to - from}}};
  }
  return s;
}

/* --- bricks --------------------------------------------------------------------------------------
 */

/* Strides of an array in memory somehow; returns the bytes it takes and where it begins in them. */
static size_t lay_out(const scene_brick *brick, size_t voxel, int64_t stride[3], int64_t *first) {
  random_state random = {brick->seed};
  int order[3] = {0, 1, 2};
  for (int i = 2; i > 0 && brick->strided; i--) {
    int k = (int)draw(&random, 0, (uint64_t)i), swap = order[i];
    order[i] = order[k];
    order[k] = swap;
  }
  int64_t low = 0, high = 0, step = (int64_t)voxel;
  for (int i = 0; i < 3; i++) {
    int axis = order[i];
    if (brick->strided && draw(&random, 0, 1) == 0) {
      step += (int64_t)draw(&random, 0, 9);
    }
    bool back = brick->strided && draw(&random, 0, 4) == 0;
    int64_t reach = ((int64_t)brick->box.shape[axis] - 1) * step;
    stride[axis] = back ? -step : step;
    low -= back ? reach : 0;
    high += back ? 0 : reach;
    step *= (int64_t)brick->box.shape[axis];
  }
  *first = -low;
  return (size_t)(high - low) + voxel;
}

void scene_fill(const test_scene *s, uint64_t run, uint64_t step, int index, scene_data *data) {
  const scene_brick *brick = &s->brick[index];
  const bc_box *box = &brick->box;
  size_t voxel = voxel_size(&s->array[brick->array]);
  int64_t first = 0;
  memset(data, 0, sizeof *data);
  if (bc_box_is_empty(box)) {
    return;
  }
  data->size = lay_out(brick, voxel, data->stride, &first);
  data->arena = malloc(data->size);
  if (data->arena == NULL) {
    abort();
  }
  memset(data->arena, 0xee, data->size);
  data->first = data->arena + first;
  for (uint64_t z = 0; z < box->shape[2]; z++) {
    for (uint64_t y = 0; y < box->shape[1]; y++) {
      for (uint64_t x = 0; x < box->shape[0]; x++) {
        unsigned char bytes[32];
        voxel_bytes(s, run, step, brick->array,
                    index_of(s, box->start[0] + x, box->start[1] + y, box->start[2] + z), bytes);
        memcpy(data->first + (int64_t)x * data->stride[0] + (int64_t)y * data->stride[1] +
                   (int64_t)z * data->stride[2],
               bytes, voxel);
      }
    }
  }
}

beamcast_brick scene_brick_of(const test_scene *s, int index, const scene_data *data) {
  const scene_brick *brick = &s->brick[index];
  const scene_array *array = &s->array[brick->array];
  beamcast_brick b = {.name = array->name,
                      .data = data->first,
                      .type = array->type,
                      .components = array->components,
                      .fill = array->fill,
                      .unit = "1/cm",
                      .length_unit = "um",
                      .copy = brick->copy};
  memcpy(b.volume, s->volume, sizeof b.volume);
  memcpy(b.start, brick->box.start, sizeof b.start);
  memcpy(b.shape, brick->box.shape, sizeof b.shape);
  memcpy(b.spacing, s->spacing, sizeof b.spacing);
  memcpy(b.origin, s->origin, sizeof b.origin);
  if (brick->strided) {
    memcpy(b.stride, data->stride, sizeof b.stride);
  }
  return b;
}

/* --- comparing -----------------------------------------------------------------------------------
 */

static void mark(unsigned char *covered, const bc_box *box, const bc_box *part) {
  for (uint64_t z = 0; z < part->shape[2]; z++) {
    for (uint64_t y = 0; y < part->shape[1]; y++) {
      uint64_t row =
          (part->start[2] + z - box->start[2]) * box->shape[1] + part->start[1] + y - box->start[1];
      memset(covered + row * box->shape[0] + part->start[0] - box->start[0], 1, part->shape[0]);
    }
  }
}

bool scene_holds(const test_scene *s, uint64_t run, uint64_t step, int array, const bc_box *box,
                 const void *data, char *text, size_t size) {
  uint64_t count = bc_box_count(box), wrong = 0;
  size_t voxel = voxel_size(&s->array[array]);
  unsigned char *covered = calloc(count > 0 ? count : 1, 1);
  if (covered == NULL) {
    abort();
  }
  for (int i = 0; i < s->bricks; i++) {
    bc_box part;
    if (s->brick[i].array == array && bc_box_intersect(&s->brick[i].box, box, &part)) {
      mark(covered, box, &part);
    }
  }
  for (uint64_t i = 0; i < count; i++) {
    uint64_t x = box->start[0] + i % box->shape[0],
             y = box->start[1] + i / box->shape[0] % box->shape[1],
             z = box->start[2] + i / box->shape[0] / box->shape[1];
    unsigned char expected[32];
    if (covered[i]) {
      voxel_bytes(s, run, step, array, index_of(s, x, y, z), expected);
    } else {
      fill_bytes(&s->array[array], expected);
    }
    if (memcmp((const unsigned char *)data + i * voxel, expected, voxel) != 0 && wrong++ == 0) {
      (void)snprintf(text, size, "%s: voxel (%llu, %llu, %llu) of run %llu, step %llu is wrong%s",
                     s->array[array].name, (unsigned long long)x, (unsigned long long)y,
                     (unsigned long long)z, (unsigned long long)run, (unsigned long long)step,
                     covered[i] ? "" : " (a gap)");
    }
  }
  free(covered);
  return wrong == 0;
}
