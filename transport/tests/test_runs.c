/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Producers that come, go and come again, runs that put each other out, streams and servers beside
 * each other. test_runs WIRE
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

static test_scene plain(uint64_t seed, int producers) {
  return scene_plain(seed, producers, small, BEAMCAST_UINT16);
}

static void a_new_run_puts_the_old_one_out_for_good(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child old[1], new[2], back = producer_start();
  test_scene scene = plain(8, 1), scene2 = plain(8, 2);
  producers_connect(old, 1, &s, "volume", 100);
  assert_int_equal(producers_step(old, 1, &scene, 50), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  assert_int_equal(producer_begin(&old[0], 51, 0), BEAMCAST_OK);
  assert_int_equal(producer_put(&old[0], &scene), BEAMCAST_OK);
  producers_connect(new, 2, &s, "volume", 200);
  server_check_newest(&s, "volume", &scene, 50); /* what was complete is still shown */
  assert_int_not_equal(producer_end(&old[0]), BEAMCAST_OK);
  order begin = {.kind = P_BEGIN, .step = 52};
  answer a = ask(&old[0], &begin);
  assert_int_not_equal(a.code, BEAMCAST_OK);
  assert_int_not_equal(a.code, BEAMCAST_DROPPED);
  assert_int_equal(producers_step(new, 2, &scene2, 1), BEAMCAST_OK); /* counts from 1 again */
  server_wait_received(&s, "volume", 2);
  server_check_newest(&s, "volume", &scene2, 1);
  assert_int_equal(server_status(&s, "volume").run_id, 200);
  a = producer_connect(&back, &s, "volume", 0, 1, 100);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "later run"));
  assert_int_equal(producers_step(new, 2, &scene2, 2), BEAMCAST_OK);
  server_wait_received(&s, "volume", 3);
  server_check_newest(&s, "volume", &scene2, 2);
  producer_exit(&old[0]);
  producer_exit(&back);
  producer_exit(&new[0]);
  producer_exit(&new[1]);
  server_stop(&s);
}

/* Two programs that were both told to use one stream: each takes over from the other now and then,
 * while both push as fast as they can. */
static void two_runs_at_once_are_never_mixed(void **state) {
  (void)state;
  enum { TURNS = 8 };
  server s = server_start(2, 0);
  uint64_t after = 0, step = 0, seen = 0;
  test_scene scene = scene_plain(9, 2, large, BEAMCAST_FLOAT32);
  child run[2][2] = {{{0}}};
  for (int turn = 0; turn < (harness_slow() ? TURNS / 2 : TURNS); turn++) {
    child *mine = run[turn % 2];
    for (int i = 0; i < 2; i++) {
      child_kill(&mine[i]); /* its orders may not all have been answered */
    }
    producers_connect(mine, 2, &s, "volume", 1000 + (uint64_t)turn);
    for (int i = 0; i < 2; i++) {
      tell(&mine[i], &(order){.kind = P_RUN, .step = 1, .last = 100000, .scene = scene});
    }
    uint64_t enough = seen + 4;
    for (int look = 0; look < 100000 && seen < enough; look++) {
      uint64_t serial = server_take(&s, "volume", after, BC_PICK_NEXT, &step);
      if (serial != 0) {
        server_check(&s, serial, &scene); /* all voxels of one run and one step, or it fails */
        server_release(&s, serial);
        after = serial;
        seen++;
      } else {
        nap(0.001);
      }
    }
    assert_int_equal(seen, enough);
  }
  assert_int_equal(server_status(&s, "volume").run_id,
                   1000 + (uint64_t)(harness_slow() ? TURNS / 2 : TURNS) - 1);
  (void)harness_clean(NULL);
}

static void a_step_that_a_producer_did_not_end_is_never_shown(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producers[3];
  test_scene scene = plain(10, 3);
  producers_connect(producers, 3, &s, "volume", 7);
  assert_int_equal(producers_step(producers, 3, &scene, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  /* all begin and put, two end; the third leaves */
  assert_int_equal(producers_begin(producers, 3, 2), BEAMCAST_OK);
  assert_int_equal(producers_put(producers, 3, &scene), BEAMCAST_OK);
  assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
  server_check_newest(&s, "volume", &scene, 1);
  assert_int_equal(server_status(&s, "volume").steps_aborted, 0);
  producer_exit(&producers[2]);
  server_wait_settled(&s, "volume", 2);
  assert_int_equal(server_status(&s, "volume").steps_aborted, 1);
  server_check_newest(&s, "volume", &scene, 1);
  /* it comes again; the other two were never stopped */
  producers[2] = producer_start();
  assert_int_equal(producer_connect(&producers[2], &s, "volume", 2, 3, 7).code, BEAMCAST_OK);
  assert_int_equal(producers_step(producers, 3, &scene, 3), BEAMCAST_OK);
  server_wait_received(&s, "volume", 2);
  server_check_newest(&s, "volume", &scene, 3);
  /* it goes on to the next step without ending this one */
  assert_int_equal(producers_begin(producers, 3, 4), BEAMCAST_OK);
  assert_int_equal(producers_put(producers, 3, &scene), BEAMCAST_OK);
  assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
  assert_int_equal(producers_step(producers, 3, &scene, 5), BEAMCAST_OK);
  server_wait_received(&s, "volume", 3);
  server_check_newest(&s, "volume", &scene, 5);
  assert_int_equal(server_status(&s, "volume").steps_aborted, 2);
  for (int i = 0; i < 3; i++) {
    producer_exit(&producers[i]);
  }
  server_stop(&s);
}

static void a_step_that_a_producer_has_passed_over_gives_its_slot_back(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producers[2];
  test_scene scene = plain(10, 2);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 1, .ghosts = 1});
  producers_connect(producers, 2, &s, "volume", 7);
  for (uint64_t step = 1; step < 9; step += 2) { /* one makes every step, the other each second */
    assert_int_equal(producers_step(producers, 1, &scene, step), BEAMCAST_OK);
    tell(&producers[0], &(order){.kind = P_BEGIN, .step = step + 1}); /* waits for the slot */
    assert_int_equal(producer_begin(&producers[1], step + 1, 0), BEAMCAST_OK);
    assert_int_equal(hear(&producers[0]).code, BEAMCAST_OK);
    assert_int_equal(producers_put(producers, 2, &scene), BEAMCAST_OK);
    assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
    server_wait_settled(&s, "volume", step + 1);
    server_check_newest(&s, "volume", &scene, step + 1);
  }
  for (int i = 0; i < 2; i++) {
    producer_exit(&producers[i]);
  }
  server_stop(&s);
}

static void producers_that_leave_come_again(void **state) {
  (void)state;
  server s = server_to_come(2);
  child producer = producer_start(), second = producer_start();
  test_scene scene = plain(11, 1);
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 7, .limit = 90};
  memcpy(connect.contact, s.contact, sizeof connect.contact);
  tell(&producer, &connect); /* before the server is there */
  nap(0.1);
  server_begin(&s, 0);
  assert_int_equal(hear(&producer).code, BEAMCAST_OK);
  for (uint64_t i = 1; i < 6; i++) {
    assert_int_equal(producers_step(&producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i);
    (void)ask(&producer, &(order){.kind = P_CLOSE});
    server_wait_producers(&s, "volume", 0);
    server_check_newest(&s, "volume", &scene, i);
    assert_int_equal(ask(&producer, &connect).code, BEAMCAST_OK);
  }
  /* another one with the same rank takes its place, and it hears why */
  assert_int_equal(ask(&second, &connect).code, BEAMCAST_OK);
  order begin = {.kind = P_BEGIN, .step = 7};
  answer a = ask(&producer, &begin);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "same rank"));
  assert_int_equal(producers_step(&second, 1, &scene, 8), BEAMCAST_OK);
  server_wait_received(&s, "volume", 6);
  server_check_newest(&s, "volume", &scene, 8);
  connect.ranks = 2;
  assert_int_equal(ask(&producer, &(order){.kind = P_CLOSE}).code, BEAMCAST_OK);
  a = ask(&producer, &connect);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "number of producers"));
  producer_exit(&producer);
  producer_exit(&second);
  server_stop(&s);
}

static void streams_are_independent(void **state) {
  (void)state;
  enum { STREAMS = 4 };
  server s = server_start(2, 0);
  child producer[STREAMS];
  test_scene scene[STREAMS];
  char name[STREAMS][16];
  for (int i = 0; i < STREAMS; i++) {
    (void)snprintf(name[i], sizeof name[i], "stream %d", i);
    scene[i] = scene_draw(&harness_random, 1);
    producer[i] = producer_start();
    assert_int_equal(producer_connect(&producer[i], &s, name[i], 0, 1, 7).code, BEAMCAST_OK);
    tell(&producer[i], &(order){.kind = P_RUN, .step = 1, .last = 20, .scene = scene[i]});
  }
  for (int i = 0; i < STREAMS; i++) {
    answer a = hear(&producer[i]);
    assert_int_equal(a.code, BEAMCAST_OK);
    assert_int_equal(a.number, 20);
    server_wait_received(&s, name[i], 20);
    server_check_newest(&s, name[i], &scene[i], 20);
    check_retrieved(&s, name[i], &scene[i], 7, 20);
    producer_exit(&producer[i]);
  }
  server_stop(&s);
}

static int request(server *s, const char *json) {
  order o = {.kind = R_REQUEST, .stream = "volume"};
  (void)snprintf(o.text, sizeof o.text, "%s", json);
  return ask(&s->rank[0], &o).code;
}

static void requests_reach_all_producers_with_the_same_step(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producers[3];
  test_scene scene = plain(18, 3);
  producers_connect(producers, 3, &s, "volume", 7);
  assert_int_equal(request(&s, "{\"stop\": 1}"), BEAMCAST_OK);
  assert_int_equal(request(&s, "{\"stop\": 2}"), BEAMCAST_OK);
  assert_int_equal(producer_begin(&producers[0], 1, 0), BEAMCAST_OK);
  assert_int_equal(request(&s, "{\"stop\": 3}"), BEAMCAST_OK); /* when one has begun already */
  assert_int_equal(producer_begin(&producers[1], 1, 0), BEAMCAST_OK);
  assert_int_equal(producer_begin(&producers[2], 1, 0), BEAMCAST_OK);
  order next = {.kind = P_REQUEST};
  for (uint64_t step = 1; step <= 3; step++) {
    for (int i = 0; i < 3; i++) {
      for (uint64_t n = step == 1 ? 1 : 3; n <= (step == 1 ? 2 : step == 2 ? 3 : 0); n++) {
        char expected[32];
        answer a = ask(&producers[i], &next);
        (void)snprintf(expected, sizeof expected, "{\"stop\": %llu}", (unsigned long long)n);
        assert_int_equal(a.number, n);
        assert_string_equal(a.text, expected);
      }
      assert_int_equal(ask(&producers[i], &next).number, 0);
    }
    assert_int_equal(producers_put(producers, 3, &scene), BEAMCAST_OK);
    assert_int_equal(producers_end(producers, 3), BEAMCAST_OK);
    server_wait_received(&s, "volume", step);
    assert_int_equal(producers_begin(producers, 3, step + 1), BEAMCAST_OK);
  }
  for (int i = 0; i < 8; i++) {
    assert_int_equal(request(&s, "{}"), BEAMCAST_OK);
  }
  assert_int_equal(request(&s, "{}"), BEAMCAST_ERR_REFUSED);
  for (int i = 0; i < 3; i++) {
    producer_exit(&producers[i]);
  }
  server_stop(&s);
}

static void two_servers_on_one_host_do_not_meet(void **state) {
  (void)state;
  server s[2] = {server_start(2, 0), server_start(2, 0)};
  child producer[2][1];
  test_scene scene[2] = {plain(19, 1), plain(20, 1)};
  for (int i = 0; i < 2; i++) {
    producers_connect(producer[i], 1, &s[i], "volume", 7);
  }
  for (uint64_t step = 1; step < 5; step++) {
    for (int i = 0; i < 2; i++) {
      assert_int_equal(producers_step(producer[i], 1, &scene[i], step), BEAMCAST_OK);
      server_wait_received(&s[i], "volume", step);
      server_check_newest(&s[i], "volume", &scene[i], step);
      check_retrieved(&s[i], "volume", &scene[i], 7, step);
    }
  }
  for (int i = 0; i < 2; i++) {
    producer_exit(&producer[i][0]);
    server_stop(&s[i]);
    assert_int_not_equal(access(s[i].contact, F_OK), 0); /* it took its contact file with it */
  }
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_new_run_puts_the_old_one_out_for_good, harness_clean),
      cmocka_unit_test_teardown(two_runs_at_once_are_never_mixed, harness_clean),
      cmocka_unit_test_teardown(a_step_that_a_producer_did_not_end_is_never_shown, harness_clean),
      cmocka_unit_test_teardown(a_step_that_a_producer_has_passed_over_gives_its_slot_back,
                                harness_clean),
      cmocka_unit_test_teardown(producers_that_leave_come_again, harness_clean),
      cmocka_unit_test_teardown(streams_are_independent, harness_clean),
      cmocka_unit_test_teardown(requests_reach_all_producers_with_the_same_step, harness_clean),
      cmocka_unit_test_teardown(two_servers_on_one_host_do_not_meet, harness_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
