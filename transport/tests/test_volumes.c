/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a step may be: its size and types change, producers disagree, it does not fit.
 *   test_volumes WIRE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static const uint64_t small[3] = {9, 8, 7}, large[3] = {11, 13, 10};

/* Two arrays on one grid, each of the producers with a slab of both. */
static test_scene two_arrays(uint64_t seed, int first, int second) {
  test_scene scene = scene_plain(seed, 2, small, first);
  scene.arrays = 2;
  scene.array[1] = scene.array[0];
  (void)snprintf(scene.array[1].name, sizeof scene.array[1].name, "second");
  scene.array[1].type = second;
  for (int i = 0; i < 2; i++) {
    scene.brick[2 + i] = scene.brick[i];
    scene.brick[2 + i].array = 1;
  }
  scene.bricks = 4;
  return scene;
}

static test_scene plain(uint64_t seed, int producers) {
  return scene_plain(seed, producers, small, BEAMCAST_UINT16);
}

static void the_volume_may_change_its_size_while_an_old_step_is_held(void **state) {
  (void)state;
  server s = server_start(3, 0);
  child producers[2];
  test_scene first = plain(12, 2), second = scene_plain(13, 2, large, BEAMCAST_FLOAT64);
  producers_connect(producers, 2, &s, "volume", 7);
  assert_int_equal(producers_step(producers, 2, &first, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  uint64_t old = server_take(&s, "volume", 0, BC_PICK_NEWEST, NULL);
  for (uint64_t i = 2; i < 10; i++) {
    const test_scene *scene = i % 2 ? &first : &second;
    assert_int_equal(producers_step(producers, 2, scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i);
    server_check_newest(&s, "volume", scene, i);
    server_check(&s, old, &first);
  }
  for (int i = 0; i < 2; i++) {
    producer_exit(&producers[i]);
  }
  server_stop(&s);
}

static void producers_that_disagree_are_told_and_the_next_step_is_good(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producers[2];
  test_scene a = plain(14, 2), b = scene_plain(14, 2, large, BEAMCAST_UINT16), c = plain(14, 2);
  c.array[0].type = BEAMCAST_FLOAT32;
  producers_connect(producers, 2, &s, "volume", 7);
  order put = {.kind = P_PUT, .scene = b};
  assert_int_equal(producers_begin(producers, 2, 1), BEAMCAST_OK);
  assert_int_equal(producer_put(&producers[0], &a), BEAMCAST_OK);
  answer told = ask(&producers[1], &put);
  assert_int_equal(told.code, BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(told.text, "volume of this step is 9 x 8 x 7"));
  (void)producers_end(producers, 2);
  assert_int_equal(producers_step(producers, 2, &a, 2), BEAMCAST_OK);
  server_wait_settled(&s, "volume", 2);
  server_check_newest(&s, "volume", &a, 2);
  /* what was declared in an earlier step is not declared again: then it shows at the end */
  for (uint64_t step = 3; step < 7; step += 2) {
    uint64_t aborted = server_status(&s, "volume").steps_aborted;
    put.scene = step == 3 ? b : c;
    assert_int_equal(producers_begin(producers, 2, step), BEAMCAST_OK);
    assert_int_equal(producer_put(&producers[0], &a), BEAMCAST_OK);
    assert_int_equal(ask(&producers[1], &put).code, BEAMCAST_OK);
    (void)producers_end(producers, 2);
    server_wait_settled(&s, "volume", step);
    bc_stream_status status = server_status(&s, "volume");
    assert_int_equal(status.steps_aborted, aborted + 1);
    assert_non_null(strstr(status.last_drop, "do not agree"));
    server_check_newest(&s, "volume", &a, step - 1);
    assert_int_equal(producers_step(producers, 2, &a, step + 1), BEAMCAST_OK);
    server_wait_settled(&s, "volume", step + 1);
    server_check_newest(&s, "volume", &a, step + 1);
  }
  for (int i = 0; i < 2; i++) {
    producer_exit(&producers[i]);
  }
  server_stop(&s);
}

static void a_producer_cannot_change_the_volume_within_a_step(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer[1];
  test_scene a = plain(14, 1), b = scene_plain(14, 1, large, BEAMCAST_UINT16), c = plain(14, 1);
  c.array[0].components = 3;
  producers_connect(producer, 1, &s, "volume", 7);
  for (uint64_t step = 1; step < 6; step++) {
    order put = {.kind = P_PUT, .scene = step % 2 ? b : c};
    assert_int_equal(producer_begin(&producer[0], step, 0), BEAMCAST_OK);
    assert_int_equal(producer_put(&producer[0], &a), BEAMCAST_OK);
    answer told = ask(&producer[0], &put);
    assert_int_equal(told.code, BEAMCAST_ERR_ARGUMENT);
    assert_non_null(strstr(told.text, step % 2 ? "9 x 8 x 7" : "components"));
    assert_int_equal(producer_end(&producer[0]), BEAMCAST_OK);
    server_wait_received(&s, "volume", step);
    server_check_newest(&s, "volume", &a, step);
  }
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void arrays_may_all_change_their_types_with_a_step(void **state) {
  (void)state;
  static const int types[][2] = {{BEAMCAST_UINT16, BEAMCAST_FLOAT32},
                                 {BEAMCAST_FLOAT32, BEAMCAST_UINT8},
                                 {BEAMCAST_INT32, BEAMCAST_UINT16},
                                 {BEAMCAST_INT32, BEAMCAST_FLOAT64}};
  server s = server_start(2, 0);
  child producers[2];
  producers_connect(producers, 2, &s, "volume", 7);
  for (uint64_t step = 1; step <= 12; step++) {
    const int *now = types[step % 4];
    test_scene scene = two_arrays(step, now[0], now[1]);
    assert_int_equal(producers_step(producers, 2, &scene, step), BEAMCAST_OK);
    server_wait_received(&s, "volume", step);
    server_check_newest(&s, "volume", &scene, step);
  }
  assert_int_equal(server_status(&s, "volume").steps_aborted, 0);
  producer_exit(&producers[0]);
  producer_exit(&producers[1]);
  server_stop(&s);
}

static void what_does_not_fit_is_refused_and_the_last_good_step_stays(void **state) {
  (void)state;
  assert_int_equal(setenv("BEAMCAST_MEMORY_LIMIT", "3M", 1), 0);
  server s = server_start(1, 0);
  assert_int_equal(unsetenv("BEAMCAST_MEMORY_LIMIT"), 0);
  child producer[1];
  const uint64_t fits[3] = {128, 128, 128}, too_large[3] = {256, 128, 128};
  test_scene good = scene_plain(15, 1, fits, BEAMCAST_UINT8),
             bad = scene_plain(16, 1, too_large, BEAMCAST_UINT8);
  producers_connect(producer, 1, &s, "volume", 7);
  assert_int_equal(producers_step(producer, 1, &good, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  /* no memory for a second slot: the first one is used again and again */
  uint64_t step = 1;
  for (uint64_t i = 2; i < 5; i++) {
    step = producers_step_when_free(producer, 1, &good, step + 1);
    server_wait_received(&s, "volume", i);
    server_check_newest(&s, "volume", &good, step);
  }
  order put = {.kind = P_PUT, .scene = bad};
  answer a = {.code = BEAMCAST_DROPPED};
  for (int i = 0; i < 20000 && a.code == BEAMCAST_DROPPED; i++) {
    (void)producer_begin(&producer[0], ++step, 0);
    a = ask(&producer[0], &put);
    nap(a.code == BEAMCAST_DROPPED ? 0.005 : 0);
  }
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "BEAMCAST_MEMORY_LIMIT"));
  server_wait_logged(&s, "BEAMCAST_MEMORY_LIMIT", 1);
  (void)producer_end(&producer[0]);
  step = producers_step_when_free(producer, 1, &good, step + 1);
  server_wait_received(&s, "volume", 5);
  server_check_newest(&s, "volume", &good, step);
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void more_than_was_announced_is_refused(void **state) {
  (void)state;
  assert_int_equal(setenv("BEAMCAST_STEP_LIMIT", "2M", 1), 0);
  server s = server_start(2, 0);
  assert_int_equal(unsetenv("BEAMCAST_STEP_LIMIT"), 0);
  child producer[1];
  const uint64_t fits[3] = {128, 128, 128}, too_large[3] = {129, 128, 128};
  test_scene good = scene_plain(15, 1, fits, BEAMCAST_UINT8),
             larger = scene_plain(16, 1, too_large, BEAMCAST_UINT8),
             wider = scene_plain(17, 1, fits, BEAMCAST_UINT16);
  producers_connect(producer, 1, &s, "volume", 7);
  assert_int_equal(producers_step(producer, 1, &good, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  uint64_t step = 1;
  const test_scene *const bad[] = {&larger, &wider};
  for (size_t i = 0; i < 2; i++) {
    order put = {.kind = P_PUT, .scene = *bad[i]};
    answer a = {.code = BEAMCAST_DROPPED};
    for (int tries = 0; tries < 20000 && a.code == BEAMCAST_DROPPED; tries++) {
      (void)producer_begin(&producer[0], ++step, 0);
      a = ask(&producer[0], &put);
      nap(a.code == BEAMCAST_DROPPED ? 0.005 : 0);
    }
    assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
    assert_non_null(strstr(a.text, "--size"));
    (void)producer_end(&producer[0]);
    step = producers_step_when_free(producer, 1, &good, step + 1);
    server_wait_received(&s, "volume", 2 + i);
    server_check_newest(&s, "volume", &good, step);
  }
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void a_refused_size_leaves_what_is_shown(void **state) {
  (void)state;
  server s = server_start(2, 4 << 20);
  child producer[1];
  const uint64_t too_large[3] = {1 << 16, 1 << 16, 1 << 10}, fits[3] = {64, 64, 64};
  test_scene good = scene_plain(17, 1, fits, BEAMCAST_FLOAT32);
  beamcast_error error = {0};
  producers_connect(producer, 1, &s, "volume", 7);
  assert_int_equal(producers_step(producer, 1, &good, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  uint64_t held = server_take(&s, "volume", 0, BC_PICK_NEWEST, NULL);
  assert_int_equal(producer_begin(&producer[0], 2, 0), BEAMCAST_OK);
  order put = {.kind = P_PUT, .scene = good};
  memcpy(put.scene.volume, too_large, sizeof too_large); /* a small brick of 4 TiB */
  answer a = ask(&producer[0], &put);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "GiB"));
  (void)producer_end(&producer[0]);
  server_check(&s, held, &good);
  server_check_newest(&s, "volume", &good, 1);
  beamcast_volume_data got;
  assert_int_equal(beamcast_stream_retrieve(s.contact, NULL, NULL, NULL, NULL, 60, &got, &error),
                   BEAMCAST_OK);
  assert_int_equal(got.step, 1);
  beamcast_volume_free(&got);
  producer_exit(&producer[0]);
  server_stop(&s);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(the_volume_may_change_its_size_while_an_old_step_is_held,
                                harness_clean),
      cmocka_unit_test_teardown(producers_that_disagree_are_told_and_the_next_step_is_good,
                                harness_clean),
      cmocka_unit_test_teardown(a_producer_cannot_change_the_volume_within_a_step, harness_clean),
      cmocka_unit_test_teardown(arrays_may_all_change_their_types_with_a_step, harness_clean),
      cmocka_unit_test_teardown(what_does_not_fit_is_refused_and_the_last_good_step_stays,
                                harness_clean),
      cmocka_unit_test_teardown(more_than_was_announced_is_refused, harness_clean),
      cmocka_unit_test_teardown(a_refused_size_leaves_what_is_shown, harness_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
