/* SPDX-License-Identifier: BSD-3-Clause
 * Slot memory, runs of bytes, copies with strides and fills, against one voxel at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "random.h"

static random_state numbers;

enum { ARENA = 1 << 18 };

/* An array that lies somehow in an arena: any order of axes, padded, any direction. */
typedef struct strided {
  unsigned char *arena, *first;
  int64_t stride[3];
} strided;

static strided random_strided(const uint64_t shape[3], uint64_t voxel) {
  strided s = {.arena = malloc(ARENA)};
  assert_non_null(s.arena);
  int order[3] = {0, 1, 2};
  for (int i = 2; i > 0; i--) {
    int k = (int)draw(&numbers, 0, (uint64_t)i), swap = order[i];
    order[i] = order[k];
    order[k] = swap;
  }
  uint64_t step = voxel + (draw(&numbers, 0, 1) ? 0 : draw(&numbers, 0, 5));
  int64_t low = 0, high = 0;
  for (int i = 0; i < 3; i++) {
    int axis = order[i];
    bool back = draw(&numbers, 0, 3) == 0;
    s.stride[axis] = back ? -(int64_t)step : (int64_t)step;
    int64_t reach = (int64_t)(shape[axis] - 1) * s.stride[axis];
    low += back ? reach : 0;
    high += back ? 0 : reach;
    step = step * shape[axis] + (draw(&numbers, 0, 1) ? 0 : draw(&numbers, 0, 9));
  }
  assert_true(high - low + (int64_t)voxel <= ARENA);
  s.first = s.arena - low;
  for (int i = 0; i < ARENA; i++) {
    s.arena[i] = (unsigned char)draw64(&numbers);
  }
  return s;
}

static unsigned char *voxel_at(const strided *s, uint64_t x, uint64_t y, uint64_t z) {
  return s->first + (int64_t)x * s->stride[0] + (int64_t)y * s->stride[1] +
         (int64_t)z * s->stride[2];
}

static void a_copy_moves_each_voxel_and_nothing_else(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    uint64_t shape[3], voxel = draw(&numbers, 1, 32);
    for (int axis = 0; axis < 3; axis++) {
      shape[axis] = draw(&numbers, 1, draw(&numbers, 0, 1) ? 2 : 12);
    }
    strided from = random_strided(shape, voxel), to = random_strided(shape, voxel);
    unsigned char *expected = malloc(ARENA);
    assert_non_null(expected);
    memcpy(expected, to.arena, ARENA);
    for (uint64_t z = 0; z < shape[2]; z++) {
      for (uint64_t y = 0; y < shape[1]; y++) {
        for (uint64_t x = 0; x < shape[0]; x++) {
          memcpy(expected + (voxel_at(&to, x, y, z) - to.arena), voxel_at(&from, x, y, z), voxel);
        }
      }
    }
    bc_copy_box(to.first, to.stride, from.first, from.stride, shape, voxel);
    assert_memory_equal(to.arena, expected, ARENA);
    free(expected);
    free(from.arena);
    free(to.arena);
  }
}

/* Over the size from which bytes go past the caches, at odd places. */
static void a_large_copy_is_as_exact(void **state) {
  (void)state;
  const uint64_t shape[3] = {4999, 3, 600};
  const size_t row = 5101, bytes = row * shape[1] * shape[2] + 100;
  const int64_t from_stride[3] = {1, (int64_t)row, (int64_t)(row * shape[1])};
  unsigned char *from = malloc(bytes), *to = calloc(bytes, 1), *expected = calloc(bytes, 1);
  assert_true(from != NULL && to != NULL && expected != NULL);
  for (size_t i = 0; i < bytes; i++) {
    from[i] = (unsigned char)draw64(&numbers);
  }
  for (size_t shift = 0; shift < 70; shift += 23) {
    int64_t to_stride[3];
    bc_strides_of(shape, 1, to_stride);
    for (uint64_t i = 0; i < shape[1] * shape[2]; i++) {
      memcpy(expected + shift + i * shape[0], from + 3 + i * row, shape[0]);
    }
    bc_copy_box(to + shift, to_stride, from + 3, from_stride, shape, 1);
    assert_memory_equal(to, expected, bytes);
  }
  free(from);
  free(to);
  free(expected);
}

static void runs_cover_a_box_in_order(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    uint64_t shape[3], voxel = draw(&numbers, 1, 8);
    bc_box array = {.start = {7, 8, 9}}, box;
    for (int axis = 0; axis < 3; axis++) {
      array.shape[axis] = draw(&numbers, 1, 9);
      uint64_t skip = draw(&numbers, 0, 1) ? 0 : draw(&numbers, 0, array.shape[axis] - 1);
      box.start[axis] = array.start[axis] + skip;
      box.shape[axis] = draw(&numbers, 0, 1) ? array.shape[axis] - skip
                                             : draw(&numbers, 1, array.shape[axis] - skip);
      shape[axis] = box.shape[axis];
    }
    int64_t stride[3], last = -1;
    bc_strides_of(array.shape, voxel, stride);
    bc_runs runs = bc_runs_of(shape, stride, voxel);
    uint64_t base = bc_offset_of(&array, &box, voxel), total = 0;
    unsigned char map[9 * 9 * 9 * 8] = {0};
    for (uint64_t i = 0; i < bc_runs_number(&runs); i++) {
      int64_t at = bc_runs_at(&runs, i);
      assert_true(at > last);
      last = at + (int64_t)runs.bytes - 1;
      memset(map + base + (uint64_t)at, 1, runs.bytes);
      total += runs.bytes;
    }
    assert_int_equal(total, bc_volume_bytes(shape, voxel));
    for (uint64_t z = 0; z < shape[2]; z++) {
      for (uint64_t y = 0; y < shape[1]; y++) {
        for (uint64_t x = 0; x < shape[0]; x++) {
          bc_box one = {.start = {box.start[0] + x, box.start[1] + y, box.start[2] + z}};
          assert_int_equal(map[bc_offset_of(&array, &one, voxel)], 1);
        }
      }
    }
  }
}

static void a_whole_array_is_one_run(void **state) {
  (void)state;
  const uint64_t shape[3] = {4, 5, 6};
  int64_t stride[3];
  bc_strides_of(shape, 2, stride);
  bc_runs runs = bc_runs_of(shape, stride, 2);
  assert_int_equal(bc_runs_number(&runs), 1);
  assert_int_equal(runs.bytes, 240);
}

/* --- filling -------------------------------------------------------------------------------------
 */

static void fill_one(int type, double value, void *out) {
  bc_box one = {.shape = {1, 1, 1}};
  bc_fill_box(out, &one, &one, type, 1, value);
}

static void fills_are_converted_to_the_type(void **state) {
  (void)state;
  struct {
    double value;
    uint8_t u8;
    int8_t i8;
    uint16_t u16;
    int16_t i16;
    uint32_t u32;
    int32_t i32;
  } rows[] = {
      {0, 0, 0, 0, 0, 0, 0},
      {7, 7, 7, 7, 7, 7, 7},
      {-1, 0, -1, 0, -1, 0, -1},
      {300, 255, 127, 300, 300, 300, 300},
      {1e12, 255, 127, 65535, 32767, UINT32_MAX, INT32_MAX},
      {-1e12, 0, -128, 0, -32768, 0, INT32_MIN},
      {NAN, 0, 0, 0, 0, 0, 0},
      {INFINITY, 255, 127, 65535, 32767, UINT32_MAX, INT32_MAX},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint8_t u8;
    int8_t i8;
    uint16_t u16;
    int16_t i16;
    uint32_t u32;
    int32_t i32;
    float f32;
    double f64;
    fill_one(BEAMCAST_UINT8, rows[i].value, &u8);
    fill_one(BEAMCAST_INT8, rows[i].value, &i8);
    fill_one(BEAMCAST_UINT16, rows[i].value, &u16);
    fill_one(BEAMCAST_INT16, rows[i].value, &i16);
    fill_one(BEAMCAST_UINT32, rows[i].value, &u32);
    fill_one(BEAMCAST_INT32, rows[i].value, &i32);
    fill_one(BEAMCAST_FLOAT32, rows[i].value, &f32);
    fill_one(BEAMCAST_FLOAT64, rows[i].value, &f64);
    assert_int_equal(u8, rows[i].u8);
    assert_int_equal(i8, rows[i].i8);
    assert_int_equal(u16, rows[i].u16);
    assert_int_equal(i16, rows[i].i16);
    assert_int_equal(u32, rows[i].u32);
    assert_int_equal(i32, rows[i].i32);
    float narrow = (float)rows[i].value;
    assert_memory_equal(&f32, &narrow, sizeof f32);
    assert_memory_equal(&f64, &rows[i].value, sizeof f64);
  }
}

/* What an IEEE binary16 with these bits is worth. */
static double half_value(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double size = exponent == 31  ? (fraction ? NAN : INFINITY)
                : exponent == 0 ? ldexp(fraction, -24)
                                : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

static void every_half_fills_exactly_and_values_between_round_to_even(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    uint16_t got;
    double value = half_value((uint16_t)bits);
    fill_one(BEAMCAST_FLOAT16, value, &got);
    if (isnan(value)) {
      assert_true(isnan(half_value(got)));
      continue;
    }
    assert_int_equal(got, bits);
    uint16_t next = (uint16_t)(bits + 1);
    if ((bits & 0x7fff) >= 0x7bff) {
      continue; /* the next one is infinite */
    }
    double middle = (value + half_value(next)) / 2;
    fill_one(BEAMCAST_FLOAT16, middle, &got);
    assert_int_equal(got, bits & 1 ? next : bits);
    fill_one(BEAMCAST_FLOAT16, nextafter(middle, value), &got);
    assert_int_equal(got, bits);
    fill_one(BEAMCAST_FLOAT16, nextafter(middle, half_value(next)), &got);
    assert_int_equal(got, next);
  }
  uint16_t got;
  fill_one(BEAMCAST_FLOAT16, 65519.99, &got);
  assert_int_equal(got, 0x7bff);
  fill_one(BEAMCAST_FLOAT16, -65520.0, &got);
  assert_int_equal(got, 0xfc00);
}

static void a_fill_stays_in_its_box(void **state) {
  (void)state;
  for (int round = 0; round < 200; round++) {
    bc_box array = {.start = {3, 0, 5}}, box;
    int type = (int)draw(&numbers, 1, 9), components = (int)draw(&numbers, 1, 4);
    for (int axis = 0; axis < 3; axis++) {
      array.shape[axis] = draw(&numbers, 1, 8);
      uint64_t skip = draw(&numbers, 0, array.shape[axis] - 1);
      box.start[axis] = array.start[axis] + skip;
      box.shape[axis] = draw(&numbers, 1, array.shape[axis] - skip);
    }
    size_t size = beamcast_type_size(type);
    uint64_t voxel = size * (uint64_t)components, bytes = bc_box_count(&array) * voxel;
    unsigned char *data = malloc(bytes), one[8];
    assert_non_null(data);
    memset(data, 0xa5, bytes);
    fill_one(type, 42, one);
    bc_fill_box(data, &array, &box, type, components, 42);
    for (uint64_t i = 0; i < bytes / size; i++) {
      uint64_t v = i / (uint64_t)components;
      bc_box here = {.start = {array.start[0] + v % array.shape[0],
                               array.start[1] + v / array.shape[0] % array.shape[1],
                               array.start[2] + v / array.shape[0] / array.shape[1]},
                     .shape = {1, 1, 1}};
      unsigned char old[8];
      memset(old, 0xa5, sizeof old);
      assert_memory_equal(data + i * size, bc_box_contains(&box, &here) ? one : old, size);
    }
    free(data);
  }
}

/* --- slots' memory -------------------------------------------------------------------------------
 */

static void slot_memory_is_zero_and_can_neither_shrink_nor_grow(void **state) {
  (void)state;
  beamcast_error error = {0};
  bc_memory *memory = bc_memory_new(10000, &error);
  assert_non_null(memory);
  for (int i = 0; i < 10000; i++) {
    assert_int_equal(memory->data[i], 0);
  }
  assert_int_equal(ftruncate(memory->fd, 0), -1);
  assert_int_equal(errno, EPERM);
  assert_int_equal(ftruncate(memory->fd, 1 << 20), -1);
  bc_memory_retain(memory);
  bc_memory_release(memory);
  memory->data[9999] = 1;
  bc_memory_release(memory);
  bc_memory_release(NULL);
}

static void slot_memory_that_was_passed_for_reading_cannot_be_opened_for_writing(void **state) {
  (void)state;
  bc_memory *memory = bc_memory_new(4096, NULL);
  struct stat found;
  assert_non_null(memory);
  assert_int_equal(fstat(memory->fd, &found), 0);
  assert_int_equal(found.st_mode & 0777, 0400);
  bc_memory_release(memory);
}

static void too_much_memory_is_an_error_with_a_sentence(void **state) {
  (void)state;
  beamcast_error error = {0};
  /* should it be tried all the same, it must not take this machine's memory */
  const struct rlimit most = {1 << 30, 1 << 30};
  (void)signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &most), 0);
  assert_null(bc_memory_new(UINT64_C(1) << 50, &error));
  assert_int_equal(error.code, BEAMCAST_ERR_MEMORY);
  assert_non_null(strstr(error.message, "GiB"));
  assert_true(bc_memory_available() > 0);
}

int main(void) {
  numbers = random_from_environment();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_copy_moves_each_voxel_and_nothing_else),
      cmocka_unit_test(a_large_copy_is_as_exact),
      cmocka_unit_test(runs_cover_a_box_in_order),
      cmocka_unit_test(a_whole_array_is_one_run),
      cmocka_unit_test(fills_are_converted_to_the_type),
      cmocka_unit_test(every_half_fills_exactly_and_values_between_round_to_even),
      cmocka_unit_test(a_fill_stays_in_its_box),
      cmocka_unit_test(slot_memory_is_zero_and_can_neither_shrink_nor_grow),
      cmocka_unit_test(slot_memory_that_was_passed_for_reading_cannot_be_opened_for_writing),
      cmocka_unit_test(too_much_memory_is_an_error_with_a_sentence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
