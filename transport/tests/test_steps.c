/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which steps a server takes, drops, keeps and shows, and who waits for whom. Everything is
 * counted, nothing timed: the test decides the order of events.
 *   test_steps WIRE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static const uint64_t small[3] = {9, 8, 7};

static test_scene plain(uint64_t seed, int producers) {
  return scene_plain(seed, producers, small, BEAMCAST_UINT16);
}

/* --- policy latest -------------------------------------------------------------------------------
 */

static void a_viewer_that_holds_every_slot_never_holds_a_producer(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producers[2];
  test_scene scene = plain(1, 2);
  uint64_t held[3], step = 0, serial = 0;
  producers_connect(producers, 2, &s, "volume", 7);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(producers_step(producers, 2, &scene, (uint64_t)i), BEAMCAST_OK);
    server_wait_received(&s, "volume", (uint64_t)i + 1);
    held[i] = serial = server_take(&s, "volume", serial, BC_PICK_NEXT, &step);
    assert_int_equal(step, i);
  }
  for (uint64_t i = 3; i < 23; i++) {
    assert_int_equal(producers_begin(producers, 2, i), BEAMCAST_DROPPED);
    assert_int_equal(producers_put(producers, 2, &scene), BEAMCAST_DROPPED);
    assert_int_equal(producers_end(producers, 2), BEAMCAST_DROPPED);
  }
  bc_stream_status status = server_status(&s, "volume");
  assert_int_equal(status.steps_received, 3);
  assert_int_equal(status.steps_dropped, 20);
  assert_non_null(strstr(status.last_drop, "start --slots"));
  for (int i = 0; i < 2; i++) {
    beamcast_stream_info info = producer_info(&producers[i]);
    assert_int_equal(info.steps_sent, 3);
    assert_int_equal(info.steps_dropped, 20);
  }
  for (int i = 0; i < 3; i++) {
    server_check(&s, held[i], &scene); /* untouched all the while */
  }
  server_release(&s, held[0]);
  step = producers_step_when_free(producers, 2, &scene, 23);
  server_wait_received(&s, "volume", 4);
  server_check_newest(&s, "volume", &scene, step);
  server_check(&s, held[1], &scene);
  server_check(&s, held[2], &scene);
  server_stop(&s); /* with two steps still held */
  for (int i = 0; i < 2; i++) {
    producer_exit(&producers[i]);
  }
}

static void one_rank_alone_that_holds_a_step_keeps_its_slot_everywhere(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer[1];
  test_scene scene = plain(2, 1);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 2});
  producers_connect(producer, 1, &s, "volume", 7);
  uint64_t first = 0;
  for (uint64_t i = 0; i < 2; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i + 1);
    first = i == 0 ? server_take(&s, "volume", 0, BC_PICK_NEXT, NULL) : first;
  }
  answer a = ask(&s.rank[0], &(order){.kind = R_RELEASE, .serial = first});
  assert_int_equal(a.code, BEAMCAST_OK);
  assert_int_equal(producer_begin(&producer[0], 2, 0), BEAMCAST_DROPPED);
  order check = {.kind = R_CHECK, .serial = first, .settings = s.settings, .scene = scene};
  assert_int_equal(ask(&s.rank[1], &check).code, BEAMCAST_OK);
  a = ask(&s.rank[1], &(order){.kind = R_RELEASE, .serial = first});
  assert_int_equal(a.code, BEAMCAST_OK);
  (void)producers_step_when_free(producer, 1, &scene, 3);
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void the_newest_step_stays_until_a_newer_one_is_complete(void **state) {
  (void)state;
  server s = server_start(2, 0);
  for (int slots = 1; slots <= 4; slots++) {
    child producer[1];
    char stream[16];
    test_scene scene = plain((uint64_t)slots, 1);
    (void)snprintf(stream, sizeof stream, "slots %d", slots);
    server_configure(&s, stream, &(bc_stream_settings){.slots = slots, .ghosts = 1});
    producers_connect(producer, 1, &s, stream, 7);
    for (uint64_t i = 0; i < 8; i++) {
      assert_int_equal(producer_begin(&producer[0], i, 0), BEAMCAST_OK);
      assert_int_equal(producer_put(&producer[0], &scene), BEAMCAST_OK);
      if (i > 0 && slots > 1) { /* while the next one is arriving; a second viewer too */
        server_check_newest(&s, stream, &scene, i - 1);
        server_check_newest(&s, stream, &scene, i - 1);
      } else {
        assert_int_equal(server_take(&s, stream, 0, BC_PICK_NEWEST, NULL), 0);
      }
      assert_int_equal(producer_end(&producer[0]), BEAMCAST_OK);
      server_wait_received(&s, stream, i + 1);
      server_check_newest(&s, stream, &scene, i);
    }
    bc_stream_status status = server_status(&s, stream);
    assert_int_equal(status.steps_dropped, 0);
    assert_true(status.memory <=
                (uint64_t)slots * (9 * 8 * (7 + 3) * 2)); /* a shared, two ghosts */
    producer_exit(&producer[0]);
  }
  server_stop(&s);
}

static void with_one_slot_what_is_shown_is_written_over(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer[1];
  test_scene scene = plain(3, 1);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 1, .ghosts = 1});
  producers_connect(producer, 1, &s, "volume", 7);
  for (uint64_t i = 0; i < 5; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i + 1);
    uint64_t step = 0, serial = server_take(&s, "volume", 0, BC_PICK_NEWEST, &step);
    assert_int_equal(step, i);
    server_check(&s, serial, &scene); /* and never released */
  }
  assert_int_equal(server_status(&s, "volume").steps_dropped, 0);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* --- policy all ----------------------------------------------------------------------------------
 */

static void policy_all_loses_no_step_and_keeps_their_order(void **state) {
  (void)state;
  enum { STEPS = 40 };
  server s = server_start(2, 0);
  child producers[2];
  test_scene scene = plain(4, 2);
  uint64_t serial = 0, step = 0;
  for (int slots = 2; slots <= 4; slots++) {
    char stream[16];
    (void)snprintf(stream, sizeof stream, "all %d", slots);
    server_configure(&s, stream,
                     &(bc_stream_settings){.policy = BC_ALL, .slots = slots, .ghosts = 1});
    server_view(&s, stream, true);
    producers_connect(producers, 2, &s, stream, 7);
    order run = {.kind = P_RUN, .step = 1, .last = STEPS, .scene = scene};
    tell(&producers[0], &run);
    tell(&producers[1], &run);
    serial = 0;
    for (uint64_t i = 1; i <= STEPS; i++) {
      server_wait_received(&s, stream, i);
      serial = server_take(&s, stream, serial, BC_PICK_NEXT, &step);
      assert_int_not_equal(serial, 0);
      assert_int_equal(step, i);
      server_check(&s, serial, &scene);
      server_release(&s, serial);
    }
    for (int i = 0; i < 2; i++) {
      answer a = hear(&producers[i]);
      assert_int_equal(a.code, BEAMCAST_OK);
      assert_int_equal(a.number, STEPS);
      assert_int_equal(a.dropped, 0);
      producer_exit(&producers[i]);
    }
    server_view(&s, stream, false);
  }
  server_stop(&s);
}

/* Connects with a time limit; again, where this machine was too slow for a short one. */
static void connect_with_limit(child *producer, const server *s, double limit) {
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 7, .limit = limit};
  memcpy(connect.contact, s->contact, sizeof connect.contact);
  for (int i = 0; i < 200; i++) {
    answer a = ask(producer, &connect);
    if (a.code == BEAMCAST_OK) {
      return;
    }
    (void)ask(producer, &(order){.kind = P_CLOSE});
  }
  fail_test("no connection within %g s", limit);
}

static void policy_all_waits_no_longer_than_the_limit(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producer = producer_start();
  test_scene scene = plain(5, 1);
  server_configure(&s, "volume", &(bc_stream_settings){.policy = BC_ALL, .slots = 2});
  server_view(&s, "volume", true);
  connect_with_limit(&producer, &s, 60);
  for (uint64_t i = 0; i < 2; i++) {
    assert_int_equal(producers_step(&producer, 1, &scene, i), BEAMCAST_OK);
  }
  server_wait_received(&s, "volume", 2);
  (void)ask(&producer, &(order){.kind = P_CLOSE});
  connect_with_limit(&producer, &s, 1); /* of this the server's answer takes the last fifth */
  int code = producer_begin(&producer, 2, 0);
  assert_true(code == BEAMCAST_DROPPED || code == BEAMCAST_ERR_TIMEOUT);
  server_wait_settled(&s, "volume", 3);
  assert_int_equal(server_status(&s, "volume").steps_dropped, 1);
  (void)ask(&producer, &(order){.kind = P_CLOSE});
  uint64_t step = 9, serial = server_take(&s, "volume", 0, BC_PICK_NEXT, &step);
  assert_int_equal(step, 0); /* nothing before the drop was lost */
  server_check(&s, serial, &scene);
  server_release(&s, serial);
  connect_with_limit(&producer, &s, 60);
  assert_int_equal(producers_step(&producer, 1, &scene, 3), BEAMCAST_OK);
  server_view(&s, "volume", false); /* nobody looks any more: nobody is waited for */
  for (uint64_t i = 4; i < 10; i++) {
    assert_int_equal(producers_step(&producer, 1, &scene, i), BEAMCAST_OK);
  }
  server_wait_received(&s, "volume", 9);
  server_check_newest(&s, "volume", &scene, 9);
  producer_exit(&producer);
  server_stop(&s);
}

static void what_is_awaited_is_there(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer[2];
  test_scene scene = plain(6, 1);
  producers_connect(producer, 1, &s, "volume", 7);
  order await = {.kind = P_AWAIT};
  assert_int_equal(ask(&producer[0], &await).code, BEAMCAST_ERR_ARGUMENT);
  for (uint64_t i = 0; i < 100; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    assert_int_equal(ask(&producer[0], &await).code, BEAMCAST_OK);
    uint64_t step = 0, serial = server_take(&s, "volume", 0, BC_PICK_NEWEST, &step);
    assert_int_equal(step, i);
    server_release(&s, serial);
    if (i % 10 == 0) { /* again, though it is complete */
      assert_int_equal(ask(&producer[0], &await).code, BEAMCAST_OK);
    }
  }
  producer_exit(&producer[0]);
  test_scene shared = plain(6, 2);
  producers_connect(producer, 2, &s, "given up", 8);
  assert_int_equal(producer_begin(&producer[0], 0, 0), BEAMCAST_OK);
  assert_int_equal(producer_begin(&producer[1], 0, 0), BEAMCAST_OK);
  assert_int_equal(producer_put(&producer[0], &shared), BEAMCAST_OK);
  assert_int_equal(producer_end(&producer[0]), BEAMCAST_OK);
  child_kill(&producer[1]);
  assert_int_equal(ask(&producer[0], &await).code, BEAMCAST_DROPPED);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* --- keep ----------------------------------------------------------------------------------------
 */

static void kept_steps_can_be_gone_back_to(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer[1];
  test_scene scene = plain(6, 1);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 2, .keep = 5, .ghosts = 1});
  producers_connect(producer, 1, &s, "volume", 7);
  for (uint64_t i = 0; i < 20; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i + 1);
  }
  assert_int_equal(server_status(&s, "volume").steps_dropped, 0);
  order o = {.kind = R_KEPT, .stream = "volume"};
  answer kept = ask(&s.rank[0], &o);
  assert_in_range(kept.number, 5, 7);
  for (uint64_t i = 0; i < kept.number; i++) {
    order back = {.kind = R_PICK_KEPT, .stream = "volume", .serial = kept.kept[i]};
    uint64_t serial = ask(&s.rank[0], &back).serial, step = 0, run = 0;
    assert_int_equal(serial, kept.kept[i]);
    server_take_serial(&s, serial, &step, &run);
    assert_int_equal(step, 20 - kept.number + i);
    server_check(&s, serial, &scene);
    server_release(&s, serial);
  }
  order gone = {.kind = R_PICK_KEPT, .stream = "volume", .serial = kept.kept[0] - 1};
  assert_int_equal(ask(&s.rank[0], &gone).serial, 0);
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void a_held_step_pushes_no_kept_one_out(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer[1];
  test_scene scene = plain(6, 1);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 3, .keep = 5});
  producers_connect(producer, 1, &s, "volume", 7);
  uint64_t held = 0, step = 0;
  for (uint64_t i = 0; i < 20; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i + 1);
    if (i == 2) {
      held = server_take(&s, "volume", 0, BC_PICK_NEXT, &step);
      assert_int_equal(step, 2);
    }
  }
  order o = {.kind = R_KEPT, .stream = "volume"};
  answer kept = ask(&s.rank[0], &o);
  assert_in_range(kept.number, 6, 8);
  assert_int_equal(kept.kept[0], held);
  for (uint64_t i = 1; i <= 5; i++) {
    order back = {.kind = R_PICK_KEPT, .stream = "volume", .serial = kept.kept[kept.number - i]};
    uint64_t serial = ask(&s.rank[0], &back).serial, run = 0;
    server_take_serial(&s, serial, &step, &run);
    assert_int_equal(step, 20 - i);
    server_release(&s, serial);
  }
  server_check(&s, held, &scene);
  server_release(&s, held);
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void kept_steps_stay_within_their_bytes(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producer[1];
  test_scene scene = plain(6, 1);
  const uint64_t bytes = 9 * 8 * 7 * 2;
  server_configure(&s, "volume",
                   &(bc_stream_settings){.slots = 2, .keep = 10, .keep_bytes = 3 * bytes + 1});
  producers_connect(producer, 1, &s, "volume", 7);
  for (uint64_t i = 0; i < 20; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i + 1);
  }
  order o = {.kind = R_KEPT, .stream = "volume"};
  assert_in_range(ask(&s.rank[0], &o).number, 3, 5);
  assert_true(server_status(&s, "volume").memory <= 5 * bytes);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* --- whose step ----------------------------------------------------------------------------------
 */

static void step_numbers_must_grow(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producer[1];
  test_scene scene = plain(7, 1);
  producers_connect(producer, 1, &s, "volume", 7);
  assert_int_equal(producers_step(producer, 1, &scene, 5), BEAMCAST_OK);
  order again = {.kind = P_BEGIN, .step = 5};
  answer a = ask(&producer[0], &again);
  assert_int_equal(a.code, BEAMCAST_DROPPED);
  assert_non_null(strstr(a.text, "grow"));
  assert_int_equal(producer_begin(&producer[0], 4, 0), BEAMCAST_DROPPED);
  assert_int_equal(producer_end(&producer[0]), BEAMCAST_DROPPED);
  server_wait_received(&s, "volume", 1);
  server_check_newest(&s, "volume", &scene, 5);
  assert_int_equal(producers_step(producer, 1, &scene, UINT64_MAX), BEAMCAST_OK);
  server_wait_received(&s, "volume", 2);
  server_check_newest(&s, "volume", &scene, UINT64_MAX);
  producer_exit(&producer[0]);
  server_stop(&s);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      TEST(a_viewer_that_holds_every_slot_never_holds_a_producer),
      TEST(one_rank_alone_that_holds_a_step_keeps_its_slot_everywhere),
      TEST(the_newest_step_stays_until_a_newer_one_is_complete),
      TEST(with_one_slot_what_is_shown_is_written_over),
      TEST(policy_all_loses_no_step_and_keeps_their_order),
      TEST(policy_all_waits_no_longer_than_the_limit),
      TEST(what_is_awaited_is_there),
      TEST(kept_steps_can_be_gone_back_to),
      TEST(a_held_step_pushes_no_kept_one_out),
      TEST(kept_steps_stay_within_their_bytes),
      TEST(step_numbers_must_grow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
