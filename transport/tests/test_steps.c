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

static const uint64_t small[3] = {9, 8, 7}, large[3] = {11, 13, 10};

static test_scene plain(uint64_t seed, int producers) {
  return scene_plain(seed, producers, small, BEAMCAST_UINT16);
}

/* Pushes a step as soon as one is taken: what a viewer has released is free a little later. Returns
 * its number, at least `step`. */
static uint64_t step_when_free(child *producers, int count, const test_scene *scene,
                               uint64_t step) {
  for (int i = 0; i < 20000; i++, step++) {
    int code = producers_begin(producers, count, step);
    if (code == BEAMCAST_OK) {
      assert_int_equal(producers_put(producers, count, scene), BEAMCAST_OK);
      assert_int_equal(producers_end(producers, count), BEAMCAST_OK);
      return step;
    }
    assert_int_equal(code, BEAMCAST_DROPPED);
    nap(0.005);
  }
  fail_test("no slot became free");
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
  assert_non_null(strstr(status.last_drop, "viewer"));
  for (int i = 0; i < 2; i++) {
    beamcast_stream_info info = producer_info(&producers[i]);
    assert_int_equal(info.steps_sent, 3);
    assert_int_equal(info.steps_dropped, 20);
  }
  for (int i = 0; i < 3; i++) {
    server_check(&s, held[i], &scene); /* untouched all the while */
  }
  server_release(&s, held[0]);
  step = step_when_free(producers, 2, &scene, 23);
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
  (void)step_when_free(producer, 1, &scene, 3);
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
    assert_true(kept.times[i] == (double)(20 - kept.number + i));
  }
  const double asked[] = {19.5, 19, 17.25, 15, -3};
  const uint64_t found[] = {19, 19, 17, 15, 20 - kept.number};
  for (int i = 0; i < 5; i++) {
    order back = {.kind = R_PICK_TIME, .stream = "volume", .time = asked[i]};
    uint64_t serial = ask(&s.rank[0], &back).serial, step = 0, run = 0;
    assert_int_not_equal(serial, 0);
    server_take_serial(&s, serial, &step, &run);
    assert_int_equal(step, found[i]);
    server_check(&s, serial, &scene);
    server_release(&s, serial);
  }
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
  assert_true(kept.times[0] == 2.0);
  for (uint64_t i = 1; i <= 5; i++) {
    assert_true(kept.times[kept.number - i] == (double)(20 - i));
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

/* --- sizes ---------------------------------------------------------------------------------------
 */

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
    step = step_when_free(producer, 1, &good, step + 1);
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
  (void)producer_end(&producer[0]);
  step = step_when_free(producer, 1, &good, step + 1);
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
    step = step_when_free(producer, 1, &good, step + 1);
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

/* --- several streams, requests -------------------------------------------------------------------
 */

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
      TEST(a_new_run_puts_the_old_one_out_for_good),
      TEST(two_runs_at_once_are_never_mixed),
      TEST(a_step_that_a_producer_did_not_end_is_never_shown),
      TEST(a_step_that_a_producer_has_passed_over_gives_its_slot_back),
      TEST(producers_that_leave_come_again),
      TEST(the_volume_may_change_its_size_while_an_old_step_is_held),
      TEST(producers_that_disagree_are_told_and_the_next_step_is_good),
      TEST(a_producer_cannot_change_the_volume_within_a_step),
      TEST(arrays_may_all_change_their_types_with_a_step),
      TEST(what_does_not_fit_is_refused_and_the_last_good_step_stays),
      TEST(more_than_was_announced_is_refused),
      TEST(a_refused_size_leaves_what_is_shown),
      TEST(streams_are_independent),
      TEST(requests_reach_all_producers_with_the_same_step),
      TEST(two_servers_on_one_host_do_not_meet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
