/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Processes that are killed or stopped at any moment: the others live on, nothing is mixed, nothing
 * leaks. The moments are random; nothing is expected to happen within a time.
 *   test_faults WIRE [ROUNDS]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "harness.h"

static int rounds;

static const uint64_t middling[3] = {64, 64, 40};

static void random_nap(uint64_t microseconds) {
  nap((double)draw(&harness_random, 0, microseconds) * 1e-6);
}

/* --- killed --------------------------------------------------------------------------------------
 */

static void a_server_outlives_producers_killed_at_any_moment(void **state) {
  (void)state;
  server s = server_start(2, 0);
  answer before[2];
  uint64_t received = 0, newest = 0, run = 0;
  test_scene scene = scene_plain(31, 2, middling, BEAMCAST_FLOAT32);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 2, .ghosts = 1});
  for (int round = 0; round < rounds; round++) {
    child producers[2];
    run += draw(&harness_random, 0, 1); /* the same run again, or another one */
    run += run == 0;
    producers_connect(producers, 2, &s, "volume", run);
    order go = {.kind = P_RUN, .step = 1 + 1000 * (uint64_t)round, .scene = scene};
    go.last = go.step + 900;
    for (int i = 0; i < 2; i++) {
      tell(&producers[i], &go);
    }
    if (round % 2 == 0) { /* now and then at the very beginning */
      server_wait_received(&s, "volume", received + 1);
    }
    random_nap(20000);
    int first = (int)draw(&harness_random, 0, 1);
    child_kill(&producers[first]);
    random_nap(3000);
    child_kill(&producers[1 - first]);
    server_wait_producers(&s, "volume", 0);
    server_wait_logged(&s, " is put out: ", round == 0 ? 2 : 0);
    received = server_status(&s, "volume").steps_received;
    uint64_t serial = server_take(&s, "volume", 0, BC_PICK_NEWEST, &newest);
    if (received > 0) {
      assert_int_not_equal(serial, 0);
      server_check(&s, serial, &scene);
      server_release(&s, serial);
    }
    if (round == 2) {
      nap(0.2);
      for (int i = 0; i < 2; i++) {
        before[i] = usage_of(&s.rank[i], R_USAGE);
      }
    }
  }
  for (int i = 0; i < 2; i++) {
    wait_for_usage(&s.rank[i], R_USAGE, &before[i]);
    assert_true(usage_of(&s.rank[i], R_USAGE).mappings <= 2);
  }
  child last[2];
  producers_connect(last, 2, &s, "volume", 99999);
  assert_int_equal(producers_step(last, 2, &scene, 5), BEAMCAST_OK);
  server_wait_received(&s, "volume", received + 1);
  server_check_newest(&s, "volume", &scene, 5);
  for (int i = 0; i < 2; i++) {
    producer_exit(&last[i]);
  }
  server_stop(&s);
}

static void producers_outlive_servers_killed_at_any_moment(void **state) {
  (void)state;
  enum { LIMIT = 40 };
  child producers[2] = {producer_start(), producer_start()};
  test_scene scene = scene_plain(32, 2, middling, BEAMCAST_FLOAT32);
  answer before[2] = {{0}};
  for (int round = 0; round < rounds; round++) {
    server s = server_start(1 + round % 2, 0);
    order connect = {.kind = P_CONNECT,
                     .stream = "volume",
                     .ranks = 2,
                     .run = 7,
                     .limit = LIMIT,
                     .overlap = round % 3 == 0};
    memcpy(connect.contact, s.contact, sizeof connect.contact);
    for (int i = 0; i < 2; i++) {
      connect.rank = i;
      answer a = ask(&producers[i], &connect);
      assert_int_equal(a.code, BEAMCAST_OK);
    }
    for (int i = 0; i < 2; i++) {
      tell(&producers[i], &(order){.kind = P_RUN, .step = 1, .last = 1000000, .scene = scene});
    }
    random_nap(20000);
    server_kill(&s);
    for (int i = 0; i < 2; i++) {
      answer a = hear(&producers[i]);
      if (a.code != BEAMCAST_ERR_CONNECTION && a.code != BEAMCAST_ERR_REFUSED) {
        fail_test("the server was killed; its producer says: %d, %s", a.code, a.text);
      }
      assert_true(a.slowest < LIMIT + 30); /* the process itself may have to wait for a core */
      a = ask(&producers[i], &(order){.kind = P_BEGIN, .step = 2000000});
      assert_int_not_equal(a.code, BEAMCAST_OK);
      assert_int_equal(ask(&producers[i], &(order){.kind = P_CLOSE}).code, BEAMCAST_OK);
      if (round == 2) {
        before[i] = usage_of(&producers[i], P_USAGE);
      }
    }
  }
  for (int i = 0; i < 2; i++) {
    wait_for_usage(&producers[i], P_USAGE, &before[i]);
    assert_int_equal(usage_of(&producers[i], P_USAGE).mappings, 0);
    producer_exit(&producers[i]);
  }
}

static void a_killed_rank_ends_in_errors_and_not_in_a_hang(void **state) {
  (void)state;
  server s = server_start(3, 0);
  child producers[2], late = producer_start();
  test_scene scene = scene_plain(33, 2, middling, BEAMCAST_UINT8);
  producers_connect(producers, 2, &s, "volume", 7);
  assert_int_equal(producers_step(producers, 2, &scene, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  assert_int_equal(producers_begin(producers, 2, 2), BEAMCAST_OK);
  child_kill(&s.rank[1]);
  (void)producers_put(producers, 2, &scene);
  assert_int_not_equal(producers_end(producers, 2), BEAMCAST_OK);
  assert_int_not_equal(producers_step(producers, 2, &scene, 3), BEAMCAST_OK);
  assert_int_equal(server_status(&s, "volume").steps_received, 1);
  server_wait_logged(&s, "rank 1 of the server is gone:", 1);
  answer a = producer_connect(&late, &s, "volume", 0, 1, 8);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "rank 1 of the server is gone"));
  for (int i = 0; i < 2; i++) {
    producer_exit(&producers[i]);
  }
  producer_exit(&late);
  child_kill(&s.rank[2]);
  child_kill(&s.rank[0]);
}

/* --- stopped -------------------------------------------------------------------------------------
 */

/* Waits until the process has stopped itself or was stopped. */
static void wait_stopped(const child *c) {
  int status = 0;
  if (waitpid(c->pid, &status, WUNTRACED) != c->pid || !WIFSTOPPED(status)) {
    fail_test("a process should have stopped: status %d", status);
  }
}

static void stop(const child *c) {
  if (c->pid > 0 && kill(c->pid, SIGSTOP) == 0) {
    wait_stopped(c);
  }
}

static void resume(const child *c) {
  if (c->pid > 0) {
    (void)kill(c->pid, SIGCONT);
  }
}

/* A producer stands still in the middle of a put, another run wants its slot and gets memory that
 * the old one can't reach. The old one goes on and writes what it still had to write. */
static void no_byte_of_a_stopped_run_lands_in_the_next_one(void **state) {
  (void)state;
  bool shm = strcmp(harness_wire, "shm") == 0;
  for (int slots = 1; slots <= 2; slots++) {
    server s = server_start(2, 0);
    test_scene scene = scene_plain(34, 1, middling, BEAMCAST_FLOAT32);
    server_configure(&s, "volume", &(bc_stream_settings){.slots = slots, .ghosts = 1});
    uint64_t received = 0;
    for (uint64_t round = 0; round < (shm ? 3 : 6); round++) {
      child old[1], new[1];
      producers_connect(old, 1, &s, "volume", 10 + 2 * round);
      assert_int_equal(producers_step(old, 1, &scene, 1), BEAMCAST_OK);
      server_wait_received(&s, "volume", ++received);
      int code = BEAMCAST_DROPPED;
      for (uint64_t step = 2; step < 10000 && code == BEAMCAST_DROPPED; step++) {
        code = producer_begin(&old[0], step, 0);
        nap(code == BEAMCAST_DROPPED ? 0.005 : 0);
      }
      assert_int_equal(code, BEAMCAST_OK);
      order put = {.kind = P_PUT, .scene = scene, .trap = shm};
      tell(&old[0], &put);
      if (shm) {
        wait_stopped(&old[0]); /* half of the brick is copied */
      } else {
        random_nap(15000);
        stop(&old[0]);
      }
      producers_connect(new, 1, &s, "volume", 11 + 2 * round);
      for (uint64_t step = 1; step <= 3; step++) {
        code = BEAMCAST_DROPPED;
        for (uint64_t i = 0; i < 20000 && code == BEAMCAST_DROPPED; i++) {
          code = producer_begin(&new[0], 100000 * step + i, 0);
          nap(code == BEAMCAST_DROPPED ? 0.005 : 0);
        }
        assert_int_equal(code, BEAMCAST_OK);
        assert_int_equal(producer_put(&new[0], &scene), BEAMCAST_OK);
        assert_int_equal(producer_end(&new[0]), BEAMCAST_OK);
        server_wait_received(&s, "volume", ++received);
      }
      server_wait_logged(&s, "rank 0 of 1 is put out: another run has taken over", 1 + round);
      uint64_t serial = server_take(&s, "volume", 0, BC_PICK_NEWEST, NULL);
      server_check(&s, serial, &scene);
      resume(&old[0]);
      (void)hear(&old[0]); /* it has copied the rest */
      assert_int_not_equal(producer_end(&old[0]), BEAMCAST_OK);
      server_check(&s, serial, &scene);
      server_release(&s, serial);
      producer_exit(&old[0]);
      producer_exit(&new[0]);
    }
    server_stop(&s);
  }
}

static void a_stopped_producer_gives_way_when_its_slot_is_wanted(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producers[2], old;
  bool shm = strcmp(harness_wire, "shm") == 0;
  test_scene scene = scene_plain(35, 2, middling, BEAMCAST_UINT16);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 1, .ghosts = 1});
  producers_connect(producers, 2, &s, "volume", 7);
  assert_int_equal(producers_begin(producers, 2, 1), BEAMCAST_OK);
  assert_int_equal(producer_put(&producers[0], &scene), BEAMCAST_OK);
  order put = {.kind = P_PUT, .scene = scene, .trap = shm};
  tell(&producers[1], &put);
  if (shm) {
    wait_stopped(&producers[1]);
  } else {
    stop(&producers[1]);
  }
  assert_int_equal(producer_end(&producers[0]), BEAMCAST_OK);
  old = producers[1];
  /* waits for the one slot, until the other one is given up and this step with it */
  assert_int_equal(producer_begin(&producers[0], 2, 0), BEAMCAST_DROPPED);
  server_wait_logged(&s, "rank 1 of 2 is put out: a producer was silent for too long", 1);
  server_wait_logged(&s, "stream volume, step 1 was given up: a producer was silent", 1);
  producers[1] = producer_start();
  assert_int_equal(producer_connect(&producers[1], &s, "volume", 1, 2, 7).code, BEAMCAST_OK);
  assert_int_equal(producers_begin(producers, 2, 3), BEAMCAST_OK);
  assert_int_equal(producers_put(producers, 2, &scene), BEAMCAST_OK);
  resume(&old); /* while the step is being written */
  (void)hear(&old);
  assert_int_not_equal(producer_end(&old), BEAMCAST_OK);
  assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  server_check_newest(&s, "volume", &scene, 3);
  assert_int_equal(server_status(&s, "volume").steps_aborted, 2);
  producer_exit(&old);
  producer_exit(&producers[0]);
  producer_exit(&producers[1]);
  server_stop(&s);
}

/* A rank that stands still for longer than the limit: the producers hear of it in time, what was
 * complete stays, and when the rank goes on the next producer is served. */
static void a_stopped_server_ends_in_errors_within_the_limit(void **state) {
  (void)state;
  server s = server_start(2, 0);
  test_scene scene = scene_plain(38, 2, middling, BEAMCAST_UINT16);
  uint64_t run = 0;
  for (int which = 0; which < 2; which++) {
    child producers[2] = {producer_start(), producer_start()}, next[2];
    uint64_t step;
    ++run;
    (void)producers_connect_in_time(producers, 2, &s, "volume", 2, &scene, &run, &step);
    uint64_t received = server_status(&s, "volume").steps_received;
    stop(&s.rank[which]);
    assert_int_not_equal(producers_step(producers, 2, &scene, step + 1), BEAMCAST_OK);
    resume(&s.rank[which]);
    uint64_t serial = server_take(&s, "volume", 0, BC_PICK_NEWEST, NULL);
    server_check(&s, serial, &scene);
    server_release(&s, serial);
    producers_connect(next, 2, &s, "volume", ++run);
    uint64_t later = 0;
    for (int code = BEAMCAST_DROPPED; code == BEAMCAST_DROPPED && later < 20000; later++) {
      code = producers_step(next, 2, &scene, later);
      nap(code == BEAMCAST_DROPPED ? 0.005 : 0);
    }
    server_wait_received(&s, "volume", received + 1);
    server_check_newest(&s, "volume", &scene, later - 1);
    server_wait_logged(&s, "of 2 is put out: ", 2 + 2 * (uint64_t)which);
    for (int i = 0; i < 2; i++) {
      producer_exit(&next[i]);
      producer_exit(&producers[i]);
    }
  }
  server_stop(&s);
}

/* Its children have its connections, too, until they start another program. */
static void a_server_that_forks_ends_its_connections(void **state) {
  (void)state;
  server s = server_start(2, 0);
  const uint64_t volume[3] = {16, 16, 16};
  test_scene scene = scene_plain(39, 1, volume, BEAMCAST_UINT8);
  child producer = producer_start();
  for (uint64_t run = 1; run <= 5; run++) {
    assert_int_equal(producer_connect(&producer, &s, "volume", 0, 1, run).code, BEAMCAST_OK);
    assert_int_equal(producers_step(&producer, 1, &scene, 1), BEAMCAST_OK);
    server_wait_received(&s, "volume", run);
    for (int i = 0; i < 2; i++) {
      (void)ask(&s.rank[i], &(order){.kind = R_FORK});
    }
    assert_int_equal(ask(&producer, &(order){.kind = P_CLOSE}).code, BEAMCAST_OK);
    server_wait_producers(&s, "volume", 0);
    server_check_newest(&s, "volume", &scene, 1);
  }
  producer_exit(&producer);
  server_stop(&s);
}

/* --- what it takes -------------------------------------------------------------------------------
 */

static void a_server_takes_its_slots_and_little_more(void **state) {
  (void)state;
  const uint64_t volume[3] = {256, 256, harness_slow() ? 8 : 128}; /* 32 MiB of float32 */
  server s = server_start(1, 0);
  child producer[1];
  test_scene scene = scene_plain(36, 1, volume, BEAMCAST_FLOAT32);
  producers_connect(producer, 1, &s, "volume", 7);
  uint64_t before = usage_of(&s.rank[0], R_USAGE).resident;
  for (uint64_t i = 1; i <= 8; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i), BEAMCAST_OK);
    server_wait_received(&s, "volume", i);
    if (i == 1) {
      assert_int_not_equal(server_take(&s, "volume", 0, BC_PICK_NEWEST, NULL), 0); /* held */
    }
  }
  uint64_t slots = 3 * volume[0] * volume[1] * volume[2] * 4;
  uint64_t grown = usage_of(&s.rank[0], R_USAGE).resident - before;
  if (!harness_slow() && grown > slots + slots / 20) {
    fail_test("the server grew by %llu bytes, its slots are %llu", (unsigned long long)grown,
              (unsigned long long)slots);
  }
  assert_int_equal(usage_of(&s.rank[0], R_USAGE).mappings, 3);
  assert_int_equal(server_status(&s, "volume").memory, slots);
  producer_exit(&producer[0]);
  server_stop(&s);
}

static void hundreds_of_connections_leave_nothing_behind(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer = producer_start();
  const uint64_t volume[3] = {16, 16, 16};
  test_scene scene = scene_plain(37, 1, volume, BEAMCAST_UINT8);
  answer before[2] = {{0}}, own = {0};
  int count = rounds >= 50 ? 4 * rounds : harness_slow() ? 30 : 200;
  for (int i = 1; i <= count; i++) {
    answer a = producer_connect(&producer, &s, "volume", 0, 1, 7 + (uint64_t)i / 50);
    assert_int_equal(a.code, BEAMCAST_OK);
    assert_int_equal(producers_step(&producer, 1, &scene, (uint64_t)i), BEAMCAST_OK);
    assert_int_equal(ask(&producer, &(order){.kind = P_CLOSE}).code, BEAMCAST_OK);
    server_wait_settled(&s, "volume", (uint64_t)i);
    check_retrieved(&s, "volume", &scene, 7 + (uint64_t)i / 50, (uint64_t)i);
    if (i == 20) {
      nap(0.2);
      before[0] = usage_of(&s.rank[0], R_USAGE);
      before[1] = usage_of(&s.rank[1], R_USAGE);
      own = usage_of(&producer, P_USAGE);
    }
  }
  for (int i = 0; i < 2; i++) {
    wait_for_usage(&s.rank[i], R_USAGE, &before[i]);
    answer a = usage_of(&s.rank[i], R_USAGE);
    assert_true(a.mappings <= 3);
    assert_true(harness_slow() || a.resident < before[i].resident + (1 << 20));
  }
  wait_for_usage(&producer, P_USAGE, &own);
  assert_int_equal(usage_of(&producer, P_USAGE).mappings, 0);
  producer_exit(&producer);
  server_stop(&s);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  rounds = argc > 2 ? atoi(argv[2]) : harness_slow() ? 6 : 30;
  rounds = rounds < 4 ? 4 : rounds;
  const struct CMUnitTest tests[] = {
      TEST(a_server_outlives_producers_killed_at_any_moment),
      TEST(producers_outlive_servers_killed_at_any_moment),
      TEST(a_killed_rank_ends_in_errors_and_not_in_a_hang),
      TEST(no_byte_of_a_stopped_run_lands_in_the_next_one),
      TEST(a_stopped_producer_gives_way_when_its_slot_is_wanted),
      TEST(a_stopped_server_ends_in_errors_within_the_limit),
      TEST(a_server_that_forks_ends_its_connections),
      TEST(a_server_takes_its_slots_and_little_more),
      TEST(hundreds_of_connections_leave_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
