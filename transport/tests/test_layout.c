/* SPDX-License-Identifier: BSD-3-Clause
 * How a volume is cut over ranks, and what bricks leave open, against counting voxel by voxel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "layout.h"
#include "random.h"

static random_state numbers;

/* Each cell (x, y, z) lies between voxels x and x + 1, and so on; one voxel thick counts as one. */
static uint64_t cells(uint64_t points) {
  return points > 1 ? points - 1 : 1;
}

static void check_layout(const uint64_t volume[3], int split, int ranks, int ghosts) {
  enum { MOST = 24 * 24 * 24 };
  static unsigned char owned[MOST];
  uint64_t number = cells(volume[0]) * cells(volume[1]) * cells(volume[2]);
  bc_box whole = {.shape = {volume[0], volume[1], volume[2]}};
  assert_true(number <= MOST);
  memset(owned, 0, number);
  for (int rank = 0; rank < ranks; rank++) {
    bc_box own, memory;
    bc_layout(volume, split, rank, ranks, ghosts, &own, &memory);
    assert_true(bc_box_contains(&whole, &memory));
    assert_true(bc_box_contains(&memory, &own));
    if (bc_box_is_empty(&own)) {
      assert_true(bc_box_is_empty(&memory));
      continue;
    }
    for (int axis = 0; axis < 3; axis++) {
      uint64_t end = own.start[axis] + own.shape[axis], g = (uint64_t)ghosts;
      uint64_t low = own.start[axis] < g ? 0 : own.start[axis] - g;
      uint64_t high = end + g > volume[axis] ? volume[axis] : end + g;
      assert_int_equal(memory.start[axis], low);
      assert_int_equal(memory.start[axis] + memory.shape[axis], high);
    }
    for (uint64_t z = 0; z < cells(own.shape[2]); z++) {
      for (uint64_t y = 0; y < cells(own.shape[1]); y++) {
        for (uint64_t x = 0; x < cells(own.shape[0]); x++) {
          uint64_t at =
              ((own.start[2] + z) * cells(volume[1]) + own.start[1] + y) * cells(volume[0]) +
              own.start[0] + x;
          owned[at]++;
        }
      }
    }
  }
  for (uint64_t i = 0; i < number; i++) {
    assert_int_equal(owned[i], 1);
  }
}

static void every_cell_has_one_rank(void **state) {
  (void)state;
  for (int round = 0; round < 2000; round++) {
    uint64_t volume[3];
    for (int axis = 0; axis < 3; axis++) {
      volume[axis] = draw(&numbers, 1, draw(&numbers, 0, 1) ? 3 : 24);
    }
    check_layout(volume, (int)draw(&numbers, 0, 1), (int)draw(&numbers, 1, 40),
                 (int)draw(&numbers, 0, 8));
  }
}

static void neighbours_share_one_plane(void **state) {
  (void)state;
  const uint64_t volume[3] = {5, 6, 10};
  bc_box first, second, memory;
  bc_layout(volume, BC_SLABS, 0, 2, 1, &first, &memory);
  assert_int_equal(memory.start[2] + memory.shape[2], first.start[2] + first.shape[2] + 1);
  bc_layout(volume, BC_SLABS, 1, 2, 1, &second, &memory);
  assert_int_equal(first.start[2] + first.shape[2] - 1, second.start[2]);
  assert_int_equal(memory.start[2] + 1, second.start[2]);
  assert_int_equal(second.start[2] + second.shape[2], 10);
}

static void ranks_beyond_the_cells_are_empty(void **state) {
  (void)state;
  const uint64_t volume[3] = {4, 4, 3}, plane[3] = {1, 1, 1};
  for (int split = BC_SLABS; split <= BC_BLOCKS; split++) {
    int filled = 0, filled_plane = 0;
    for (int rank = 0; rank < 100; rank++) {
      bc_box own, memory;
      bc_layout(volume, split, rank, 100, 0, &own, &memory);
      filled += !bc_box_is_empty(&own);
      bc_layout(plane, split, rank, 100, 0, &own, &memory);
      filled_plane += !bc_box_is_empty(&own);
    }
    assert_int_equal(filled, split == BC_SLABS ? 2 : 18);
    assert_int_equal(filled_plane, 1);
  }
}

static void one_plane_is_cut_along_y_and_one_row_along_x(void **state) {
  (void)state;
  const uint64_t plane[3] = {8, 9, 1}, row[3] = {9, 1, 1};
  bc_box own, memory;
  bc_layout(plane, BC_SLABS, 1, 4, 0, &own, &memory);
  assert_int_equal(own.start[1], 2);
  assert_int_equal(own.shape[1], 3);
  assert_int_equal(own.shape[0], 8);
  bc_layout(row, BC_SLABS, 3, 4, 0, &own, &memory);
  assert_int_equal(own.start[0], 6);
  assert_int_equal(own.shape[0], 3);
}

/* --- boxes ---------------------------------------------------------------------------------------
 */

static bc_box random_box(const bc_box *whole) {
  bc_box box;
  for (int axis = 0; axis < 3; axis++) {
    box.start[axis] = whole->start[axis] + draw(&numbers, 0, whole->shape[axis] - 1);
    uint64_t most = whole->start[axis] + whole->shape[axis] - box.start[axis];
    box.shape[axis] = draw(&numbers, 1, draw(&numbers, 0, 1) && most > 3 ? 3 : most);
  }
  return box;
}

static bool inside(const bc_box *box, uint64_t x, uint64_t y, uint64_t z) {
  const uint64_t at[3] = {x, y, z};
  for (int axis = 0; axis < 3; axis++) {
    if (at[axis] < box->start[axis] || at[axis] >= box->start[axis] + box->shape[axis]) {
      return false;
    }
  }
  return true;
}

enum { SIDE = 14, VOXELS = SIDE * SIDE * SIDE };

static void mark(unsigned char *map, const bc_box *box) {
  for (uint64_t z = 0; z < box->shape[2]; z++) {
    for (uint64_t y = 0; y < box->shape[1]; y++) {
      for (uint64_t x = 0; x < box->shape[0]; x++) {
        map[((box->start[2] + z) * SIDE + box->start[1] + y) * SIDE + box->start[0] + x]++;
      }
    }
  }
}

static void mark_gap(void *context, const bc_box *gap) {
  assert_false(bc_box_is_empty(gap));
  mark(context, gap);
}

static void gaps_are_what_no_box_covers(void **state) {
  (void)state;
  for (int round = 0; round < 500; round++) {
    bc_box whole = random_box(&(bc_box){.shape = {SIDE, SIDE, SIDE}}), boxes[20];
    unsigned char covered[VOXELS] = {0}, gaps[VOXELS] = {0};
    size_t count = draw(&numbers, 0, 20);
    for (size_t i = 0; i < count; i++) { /* some reach beyond the whole */
      boxes[i] = random_box(&(bc_box){.shape = {SIDE, SIDE, SIDE}});
      mark(covered, &boxes[i]);
    }
    assert_true(bc_gaps(&whole, boxes, count, mark_gap, gaps));
    for (uint64_t i = 0; i < VOXELS; i++) {
      bool open = inside(&whole, i % SIDE, i / SIDE % SIDE, i / SIDE / SIDE) && covered[i] == 0;
      assert_int_equal(gaps[i], open ? 1 : 0);
    }
  }
}

static void an_empty_whole_has_no_gap(void **state) {
  (void)state;
  bc_box whole = {.shape = {3, 0, 3}};
  unsigned char gaps[VOXELS] = {0};
  assert_true(bc_gaps(&whole, NULL, 0, mark_gap, gaps));
  for (int i = 0; i < VOXELS; i++) {
    assert_int_equal(gaps[i], 0);
  }
}

static void adding_boxes_loses_none_and_joins_rows_to_one(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    bc_box list[64];
    unsigned char wanted[VOXELS] = {0}, got[VOXELS] = {0};
    size_t count = 0;
    for (int i = 0; i < 40; i++) {
      bc_box box = random_box(&(bc_box){.shape = {SIDE, SIDE, SIDE}});
      mark(wanted, &box);
      assert_true(bc_boxes_add(list, &count, 64, &box));
    }
    for (size_t i = 0; i < count; i++) {
      mark(got, &list[i]);
    }
    for (int i = 0; i < VOXELS; i++) {
      assert_int_equal(wanted[i] > 0, got[i] > 0);
    }
  }
  bc_box list[2];
  size_t count = 0;
  for (uint64_t row = 0; row < SIDE * SIDE; row++) {
    bc_box box = {.start = {0, row % SIDE, row / SIDE}, .shape = {SIDE, 1, 1}};
    /* while a plane is not full, it and the slab before it stay two boxes */
    assert_true(bc_boxes_add(list, &count, 2, &box));
  }
  assert_int_equal(count, 1);
  assert_int_equal(bc_box_count(&list[0]), VOXELS);
}

static void what_lanes_add_by_turns_joins(void **state) {
  (void)state;
  enum { LANES = 5, EACH = 40 };
  bc_box list[LANES];
  size_t count = 0;
  for (uint64_t i = 0; i < EACH; i++) {
    for (uint64_t lane = 0; lane < LANES; lane++) {
      bc_box box = {.start = {0, 0, lane * EACH + i}, .shape = {3, 4, 1}};
      assert_true(bc_boxes_add(list, &count, LANES, &box));
    }
  }
  bc_box whole = {.shape = {3, 4, (uint64_t)LANES * EACH}};
  unsigned char gaps[VOXELS] = {0};
  assert_true(bc_gaps(&whole, list, count, mark_gap, gaps));
  for (int i = 0; i < VOXELS; i++) {
    assert_int_equal(gaps[i], 0);
  }
}

/* In pieces of any size, in parts of pieces, all of it once and in the order of memory. */
static void the_rows_of_a_box_are_boxes_in_order(void **state) {
  (void)state;
  for (int round = 0; round < 500; round++) {
    bc_box box = random_box(&(bc_box){.shape = {SIDE, SIDE, SIDE}}), part;
    unsigned char map[VOXELS] = {0};
    const uint64_t rows = box.shape[1] * box.shape[2], bytes = draw(&numbers, 1, 600);
    const uint64_t each = bc_box_piece(&box, 2, bytes);
    uint64_t row = 0, before = 0;
    assert_true(each >= 1 && (each <= box.shape[1] || each % box.shape[1] == 0));
    assert_true(each == 1 || each * box.shape[0] * 2 <= bytes);
    assert_true((each + box.shape[1]) * box.shape[0] * 2 > bytes);
    while (row < rows) {
      const uint64_t end = rows - row < each ? rows : row + each;
      while (bc_box_rows(&box, &row, end, &part)) {
        assert_true(bc_box_contains(&box, &part) && part.shape[0] == box.shape[0]);
        assert_int_equal(bc_box_count(&part), (row - before) * box.shape[0]);
        assert_int_equal(
            (part.start[2] - box.start[2]) * box.shape[1] + part.start[1] - box.start[1], before);
        before = row;
        mark(map, &part);
      }
      assert_int_equal(row, end);
    }
    for (uint64_t i = 0; i < VOXELS; i++) {
      assert_int_equal(map[i], inside(&box, i % SIDE, i / SIDE % SIDE, i / SIDE / SIDE));
    }
  }
}

static void a_full_list_takes_no_more(void **state) {
  (void)state;
  bc_box list[1];
  size_t count = 0;
  assert_true(bc_boxes_add(list, &count, 1, &(bc_box){.shape = {2, 2, 2}}));
  assert_true(bc_boxes_add(list, &count, 1, &(bc_box){.shape = {2, 2, 2}}));
  assert_true(bc_boxes_add(list, &count, 1, &(bc_box){.start = {9, 9, 9}}));
  assert_false(bc_boxes_add(list, &count, 1, &(bc_box){.start = {5, 0, 0}, .shape = {2, 2, 2}}));
  assert_int_equal(count, 1);
}

static void intersections_agree_with_counting(void **state) {
  (void)state;
  const bc_box all = {.shape = {SIDE, SIDE, SIDE}};
  for (int round = 0; round < 500; round++) {
    bc_box a = random_box(&all), b = random_box(&all), common;
    unsigned char map[VOXELS] = {0};
    uint64_t both = 0, inner = 0;
    mark(map, &a);
    mark(map, &b);
    bool meet = bc_box_intersect(&a, &b, &common);
    for (uint64_t i = 0; i < VOXELS; i++) {
      both += map[i] == 2;
      inner += inside(&b, i % SIDE, i / SIDE % SIDE, i / SIDE / SIDE) && map[i] == 2;
    }
    assert_int_equal(meet, both > 0);
    assert_int_equal(bc_box_count(&common), both);
    assert_int_equal(bc_box_contains(&a, &b), inner == bc_box_count(&b));
  }
}

static void sizes_that_do_not_fit_are_zero(void **state) {
  (void)state;
  assert_int_equal(bc_volume_bytes((uint64_t[3]){3, 4, 5}, 2), 120);
  assert_int_equal(bc_volume_bytes((uint64_t[3]){UINT64_C(1) << 32, UINT64_C(1) << 31, 1}, 1), 0);
  assert_int_equal(bc_volume_bytes((uint64_t[3]){UINT64_MAX, 2, 1}, 1), 0);
  assert_int_equal(bc_volume_bytes((uint64_t[3]){UINT64_C(1) << 31, UINT64_C(1) << 31, 1}, 1),
                   UINT64_C(1) << 62);
}

int main(void) {
  numbers = random_from_environment();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_cell_has_one_rank),
      cmocka_unit_test(neighbours_share_one_plane),
      cmocka_unit_test(ranks_beyond_the_cells_are_empty),
      cmocka_unit_test(one_plane_is_cut_along_y_and_one_row_along_x),
      cmocka_unit_test(gaps_are_what_no_box_covers),
      cmocka_unit_test(an_empty_whole_has_no_gap),
      cmocka_unit_test(adding_boxes_loses_none_and_joins_rows_to_one),
      cmocka_unit_test(what_lanes_add_by_turns_joins),
      cmocka_unit_test(the_rows_of_a_box_are_boxes_in_order),
      cmocka_unit_test(a_full_list_takes_no_more),
      cmocka_unit_test(intersections_agree_with_counting),
      cmocka_unit_test(sizes_that_do_not_fit_are_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
