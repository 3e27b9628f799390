/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What volumes need: the sum, on nodes and GPUs of some size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "estimate.h"

#define GIBI (UINT64_C(1) << 30)
#define LIGHT (UINT64_C(129) * 129 * 129 * 28) /* on a rank, of a cube's 128 and more */

static bs_need need_of(uint64_t n, int type, int ranks, const bs_node *node) {
  const bs_volumes cube = {.size = {n, n, n}, .type = type};
  beamcast_error error = {0};
  bs_need need;
  assert_int_equal(bs_estimate(&cube, ranks, node, &need, &error), BEAMCAST_OK);
  return need;
}

static void three_steps_and_what_each_rank_takes(void **state) {
  (void)state;
  const bs_node node = {.memory = 64 * GIBI};
  bs_need need = need_of(1024, BEAMCAST_FLOAT32, 0, &node);
  assert_true(need.step == 4 * GIBI);
  assert_true(need.memory == 12 * GIBI + GIBI / 2 + LIGHT);
  assert_int_equal(need.ranks, 1);
  assert_int_equal(need.nodes, 1);
  assert_int_equal(need.gpus, 0);
  assert_non_null(strstr(need.text, "4.00 GiB"));
  assert_non_null(strstr(need.text, "12.00 GiB"));
  assert_null(strstr(need.text, "GPU"));
  bs_need more = need_of(1024, BEAMCAST_FLOAT32, 4, &node);
  assert_true(more.memory == 12 * GIBI + 4 * (GIBI / 2 + LIGHT));
  assert_true(need_of(1024, BEAMCAST_UINT8, 0, &node).step == GIBI);
}

static void slots_and_kept_steps_take_memory(void **state) {
  (void)state;
  const bs_node node = {.memory = 64 * GIBI};
  const bs_volumes many = {
      .size = {1024, 1024, 1024}, .type = BEAMCAST_FLOAT32, .slots = 2, .keep = 5};
  beamcast_error error = {0};
  bs_need need;
  assert_int_equal(bs_estimate(&many, 1, &node, &need, &error), BEAMCAST_OK);
  assert_true(need.memory == UINT64_C(7) * 4 * GIBI + GIBI / 2 + LIGHT);
  assert_non_null(strstr(need.text, "7 steps (slots, kept) 28.00 GiB"));
}

static void nodes_and_ranks_grow_with_each_other(void **state) {
  (void)state;
  const bs_node small = {.memory = 8 * GIBI}, tiny = {.memory = GIBI / 2}, unknown = {0};
  bs_need need =
      need_of(1024, BEAMCAST_FLOAT32, 0, &small); /* 12 GiB and 0.56 a rank in 7.2 each */
  assert_int_equal(need.nodes, 2);
  assert_int_equal(need.ranks, 2);
  assert_true(need.memory == 12 * GIBI + 2 * (GIBI / 2 + LIGHT));
  assert_non_null(strstr(need.text, "for each of 2 ranks"));
  assert_non_null(strstr(need.text, "13.11 GiB of memory, 2 nodes of 8.0 GiB"));
  assert_true(need.node_memory == need.memory / 2);
  const bs_node tight = {.memory = 7 * GIBI}; /* a rank fits two, but not the one of each node */
  for (int ranks = 0; ranks < 3; ranks++) {
    need = need_of(1024, BEAMCAST_FLOAT32, ranks, &tight);
    assert_int_equal(need.nodes, 3);
    assert_int_equal(need.ranks, 3);
  }
  need = need_of(1024, BEAMCAST_FLOAT32, 3, &small); /* a third is 4.6 GiB: two don't fit */
  assert_int_equal(need.nodes, 3);
  need = need_of(1024, BEAMCAST_FLOAT32, 7, &small); /* a seventh is 2.3 GiB: three fit */
  assert_int_equal(need.nodes, 3);
  assert_int_equal(need.ranks, 7);
  assert_true(need.node_memory == need.memory / 7 * 3);
  assert_true(need_of(1024, BEAMCAST_FLOAT32, 0, &tiny).nodes >
              1000); /* each takes what it brings */
  assert_int_equal(need_of(1024, BEAMCAST_FLOAT32, 0, &unknown).nodes, 1);
  assert_true(need_of(50000, BEAMCAST_FLOAT32, 0, &small).nodes > 10000);
}

static void gpus_hold_a_copy_of_the_shown_step(void **state) {
  (void)state;
  const bs_node node = {.memory = 512 * GIBI, .gpus = 4, .gpu_memory = 16 * GIBI};
  bs_need one = need_of(1024, BEAMCAST_FLOAT32, 0, &node),
          many = need_of(2048, BEAMCAST_FLOAT32, 0, &node);
  assert_int_equal(one.gpus, 1);
  assert_int_equal(many.gpus, 3); /* 32 GiB in 12.8 each */
  assert_int_equal(many.ranks, 3);
  assert_int_equal(many.nodes, 1);
  assert_int_equal(need_of(4096, BEAMCAST_FLOAT32, 0, &node).nodes, 6); /* 21 GPUs, 4 a node */
  assert_non_null(strstr(many.text, "3 GPUs"));
}

static void impossible_sizes_are_refused(void **state) {
  (void)state;
  const bs_node node = {.memory = GIBI};
  const bs_volumes wrong[] = {
      {.size = {0, 1, 1}, .type = BEAMCAST_FLOAT32},
      {.size = {UINT64_C(1) << 40, UINT64_C(1) << 40, 1}, .type = BEAMCAST_FLOAT32},
      {.size = {UINT64_MAX, 1, 1}, .type = BEAMCAST_FLOAT32},
      {.size = {1, 1, 1}, .type = 0}};
  beamcast_error error;
  bs_need need;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(bs_estimate(&wrong[i], 1, &node, &need, &error), BEAMCAST_ERR_ARGUMENT);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(three_steps_and_what_each_rank_takes),
                                     cmocka_unit_test(slots_and_kept_steps_take_memory),
                                     cmocka_unit_test(nodes_and_ranks_grow_with_each_other),
                                     cmocka_unit_test(gpus_hold_a_copy_of_the_shown_step),
                                     cmocka_unit_test(impossible_sizes_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
