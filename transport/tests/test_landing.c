/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A receiver tells of voxels while the rest of the step is under way, and takes it back where the
 * step comes to nothing. That what it tells is right is looked at wherever a test checks a step
 * (witness.h).
 *   test_landing WIRE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "harness.h"

static const uint64_t volume[3] = {64, 32, 128}; /* 512 KiB of uint16 */
enum { PIECE = 16 << 10, BYTES = 512 << 10 };

static answer told(server *s, int rank) {
  return ask(&s->rank[rank], &(order){.kind = R_TOLD});
}

/* Puts the scene, and again, which changes nothing: over RDMA it is at a later put, at the latest,
 * that a producer sees what is there of an earlier one. Returns when so many bytes were told. */
static void put_until_told(server *s, child *producers, int count, const test_scene *scene,
                           uint64_t bytes) {
  for (int i = 0; i < 60; i++) {
    if (i % 20 == 0) {
      assert_int_equal(producers_put(producers, count, scene), BEAMCAST_OK);
    }
    int there = 0;
    for (int rank = 0; rank < s->ranks; rank++) {
      there += told(s, rank).number >= bytes;
    }
    if (there == s->ranks) {
      return;
    }
    nap(i < 50 ? 0.01 : 2);
  }
  fail_test("%llu bytes were told on rank 0", (unsigned long long)told(s, 0).number);
}

static void wait_taken_back(server *s) {
  for (int i = 0; i < 6000 && told(s, 0).number > 0; i++) {
    nap(0.01);
  }
  assert_int_equal(told(s, 0).number, 0);
}

static server begin(int ranks) {
  server s = server_start(ranks, 0);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 2});
  return s;
}

static void pieces_are_known_before_the_step_is_ended(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 2; ranks++) {
    server s = begin(ranks);
    child producers[2];
    test_scene scene = scene_plain(61, 2, volume, BEAMCAST_UINT16);
    producers_connect(producers, 2, &s, "volume", 7);
    for (uint64_t step = 1; step <= 3; step++) {
      assert_int_equal(producers_begin(producers, 2, step), BEAMCAST_OK);
      put_until_told(&s, producers, 2, &scene, BYTES / (uint64_t)ranks - PIECE);
      assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
      server_wait_received(&s, "volume", step);
      server_check_newest(&s, "volume", &scene, step);
    }
    producer_exit(&producers[0]);
    producer_exit(&producers[1]);
    server_stop(&s);
  }
}

static void what_was_told_of_a_step_that_comes_to_nothing_is_taken_back(void **state) {
  (void)state;
  server s = begin(1);
  child producer[1];
  test_scene scene = scene_plain(62, 1, volume, BEAMCAST_UINT16);
  producers_connect(producer, 1, &s, "volume", 7);
  /* its producer begins the next one instead */
  assert_int_equal(producers_begin(producer, 1, 1), BEAMCAST_OK);
  put_until_told(&s, producer, 1, &scene, BYTES / 2);
  assert_int_equal(producers_begin(producer, 1, 2), BEAMCAST_OK);
  wait_taken_back(&s);
  put_until_told(&s, producer, 1, &scene, BYTES / 2);
  /* its producer dies */
  child_kill(&producer[0]);
  wait_taken_back(&s);
  assert_int_equal(told(&s, 0).serial, 0); /* arrays that fill */
  producers_connect(producer, 1, &s, "volume", 8);
  assert_int_equal(producers_step(producer, 1, &scene, 3), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  server_check_newest(&s, "volume", &scene, 3);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* Another type of the same size, in the same memory: told anew. */
static void what_was_told_of_another_type_is_taken_back(void **state) {
  (void)state;
  server s = begin(1);
  child producers[2];
  test_scene first = scene_plain(63, 2, volume, BEAMCAST_UINT16), second = first;
  second.array[0].type = BEAMCAST_INT16;
  producers_connect(producers, 2, &s, "volume", 7);
  for (uint64_t step = 1; step <= 6; step++) {
    const test_scene *scene = step % 2 ? &first : &second;
    assert_int_equal(producers_step(producers, 2, scene, step), BEAMCAST_OK);
    server_wait_received(&s, "volume", step);
    server_check_newest(&s, "volume", scene, step);
  }
  producer_exit(&producers[0]);
  producer_exit(&producers[1]);
  server_stop(&s);
}

int main(int argc, char **argv) {
  char piece[16];
  (void)snprintf(piece, sizeof piece, "%d", PIECE);
  (void)setenv("BEAMCAST_PIECE", piece, 1);
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(pieces_are_known_before_the_step_is_ended, harness_clean),
      cmocka_unit_test_teardown(what_was_told_of_a_step_that_comes_to_nothing_is_taken_back,
                                harness_clean),
      cmocka_unit_test_teardown(what_was_told_of_another_type_is_taken_back, harness_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
