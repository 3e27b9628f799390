/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Producers and viewers behind a link that delays, loses, reorders and doubles packets or is cut,
 * at any moment. Whole steps arrive, or the producer is told within its limit; the last whole step
 * stays; the next producer is served; the log says what happened.
 *   test_network tcp|verbs [ROUNDS]
 * Over verbs voxels go straight, and all that is said beside them takes that way (detour.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detour.h"
#include "forger.h"
#include "harness.h"
#include "passage.h"

static int rounds, detour; /* the latter: its port; 0: there is a link between namespaces */
static char far_contact[64];

static const uint64_t middling[3] = {32, 32, 24};
static const network_state good = {.cut = false};

static void set_link(const network_state *state) {
  if (detour != 0) {
    detour_set(state);
  } else {
    network_set(state);
  }
}

static child start_far(void) {
  return detour != 0 ? producer_start() : producer_start_far();
}

/* A server of two ranks, as it is seen from here, and in *far as from the other side. */
static server start_server(server *far) {
  server s = server_start(2, 0);
  *far = s;
  if (detour != 0) {
    bc_contact contact = forger_contact(&s);
    set_link(&good);
    detour_lead(contact.port);
    contact.port = detour;
    (void)snprintf(far_contact, sizeof far_contact, "/tmp/beamcast-far-%d.json", (int)getpid());
    assert_int_equal(bc_contact_write(far_contact, &contact, NULL), BEAMCAST_OK);
    (void)snprintf(far->contact, sizeof far->contact, "%s", far_contact);
  }
  return s;
}

static void connect_far(child *producers, int count, const server *far, uint64_t run,
                        double limit) {
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = count, .run = run};
  connect.limit = limit;
  memcpy(connect.contact, far->contact, sizeof connect.contact);
  for (int i = 0; i < count; i++) {
    producers[i] = start_far();
    connect.rank = i;
    answer a = ask(&producers[i], &connect);
    for (int again = 0; again < 100 && a.code != BEAMCAST_OK; again++) { /* a short limit */
      (void)ask(&producers[i], &(order){.kind = P_CLOSE});
      a = ask(&producers[i], &connect);
    }
    if (a.code != BEAMCAST_OK) {
      fail_test("connect: %d, %s", a.code, a.text);
    }
  }
}

/* Steps until one is complete; returns its number. A short limit may be over before that. */
static uint64_t push_one(server *s, child *producers, int count, const test_scene *scene,
                         uint64_t step) {
  uint64_t received = server_status(s, "volume").steps_received;
  for (int i = 0; i < 100; i++, step++) {
    if (producers_step(producers, count, scene, step) == BEAMCAST_OK) {
      server_wait_received(s, "volume", received + 1);
      return step;
    }
    nap(0.01);
  }
  fail_test("no step was taken");
}

static void exit_all(child *producers, int count) {
  for (int i = 0; i < count; i++) {
    producer_exit(&producers[i]);
  }
}

/* Afterwards a producer of a later run is served, near and far. */
static void check_aftermath(server *s, const server *far, uint64_t run, const test_scene *scene) {
  child next[2];
  set_link(&good);
  connect_far(next, scene->producers, far, run, 60);
  uint64_t step = push_one(s, next, scene->producers, scene, 1);
  server_check_newest(s, "volume", scene, step);
  exit_all(next, scene->producers);
  server_wait_producers(s, "volume", 0);
}

/* --- packets -------------------------------------------------------------------------------------
 */

static void steps_arrive_whole_over_a_bad_link(void **state) {
  (void)state;
  static const network_state links[] = {
      {.delay = 0.05},
      {.delay = 0.01, .rate = 4e5},
      {.loss = 0.01},
      {.loss = 0.1},
      {.delay = 0.005, .reorder = 0.25},
      {.delay = 0.002, .doubling = 0.1},
      {.delay = 0.01, .loss = 0.02, .reorder = 0.1, .doubling = 0.02, .rate = 4e6}};
  const uint64_t steps = rounds > 1 ? 6 : 2;
  const size_t count = detour != 0 ? 2 : sizeof links / sizeof links[0];
  server far, s = start_server(&far);
  uint64_t run = 0, received = 0;
  for (int round = 0; round < rounds; round++) {
    for (size_t i = 0; i < count; i++) {
      child producers[2];
      test_scene scene = scene_plain(61 + i, 2, middling, BEAMCAST_UINT16);
      set_link(&links[i]);
      connect_far(producers, 2, &far, ++run, 90);
      for (int k = 0; k < 2; k++) {
        tell(&producers[k], &(order){.kind = P_RUN, .step = 1, .last = steps, .scene = scene});
      }
      for (int k = 0; k < 2; k++) {
        answer a = hear(&producers[k]);
        if (a.code != BEAMCAST_OK || a.number != steps) {
          fail_test("link %d: %d, %s, after %llu steps", (int)i, a.code, a.text,
                    (unsigned long long)a.number);
        }
      }
      received += steps;
      server_wait_received(&s, "volume", received);
      server_check_newest(&s, "volume", &scene, steps);
      exit_all(producers, 2);
    }
  }
  set_link(&good);
  assert_int_equal(server_status(&s, "volume").steps_aborted, 0);
  server_stop(&s);
}

static void eight_producers_over_a_bad_link(void **state) {
  (void)state;
  enum { EIGHT = 8 };
  server far, s = start_server(&far);
  child producers[EIGHT];
  test_scene scene = scene_plain(71, EIGHT, middling, BEAMCAST_FLOAT32);
  set_link(&(network_state){.delay = 0.005, .loss = 0.02, .reorder = 0.05});
  connect_far(producers, EIGHT, &far, 1, 90);
  uint64_t step = push_one(&s, producers, EIGHT, &scene, 1);
  server_check_newest(&s, "volume", &scene, step);
  /* one is lost in mid-step: the others hear of it and go on, the step is not shown */
  assert_int_equal(producers_begin(producers, EIGHT, step + 1), BEAMCAST_OK);
  child_kill(&producers[5]);
  for (int i = 0; i < EIGHT; i++) {
    if (i != 5) {
      (void)producer_put(&producers[i], &scene);
      (void)producer_end(&producers[i]);
    }
  }
  server_wait_producers(&s, "volume", EIGHT - 1);
  server_wait_settled(&s, "volume", step + 1);
  server_check_newest(&s, "volume", &scene, step);
  server_wait_logged(&s, "stream volume: rank 5 of 8 is put out", 1);
  producers[5] = start_far();
  assert_int_equal(producer_connect(&producers[5], &far, "volume", 5, EIGHT, 1).code, BEAMCAST_OK);
  step = push_one(&s, producers, EIGHT, &scene, step + 2);
  server_check_newest(&s, "volume", &scene, step);
  exit_all(producers, EIGHT);
  set_link(&good);
  server_stop(&s);
}

/* --- a cut ---------------------------------------------------------------------------------------
 */

/* The call after a cut ends in an error within its limit, not much later. */
static void expect_given_up(const answer *a, order_kind kind) {
  if (a->code != BEAMCAST_ERR_TIMEOUT && a->code != BEAMCAST_ERR_CONNECTION) {
    fail_test("the link was cut, order %d says: %d, %s", (int)kind, a->code, a->text);
  }
  assert_true(strlen(a->text) > 10);
}

static void a_cut_link_ends_in_an_error_in_every_phase(void **state) {
  (void)state;
  static const order_kind phases[] = {P_CONNECT, P_BEGIN, P_PUT, P_END};
  server far, s = start_server(&far);
  test_scene scene = scene_plain(72, 1, middling, BEAMCAST_UINT16);
  uint64_t run = 0;
  answer before[2];
  for (size_t phase = 0; phase < sizeof phases / sizeof phases[0]; phase++) {
    child producer[1] = {start_far()};
    uint64_t step;
    ++run;
    double limit = producers_connect_in_time(producer, 1, &far, "volume", 1.5, &scene, &run, &step);
    order o = {.kind = phases[phase],
               .stream = "volume",
               .ranks = 1,
               .run = run,
               .limit = limit,
               .step = step + 1,
               .scene = scene};
    memcpy(o.contact, far.contact, sizeof o.contact);
    int code = BEAMCAST_OK;
    if (phases[phase] == P_CONNECT) {
      (void)ask(&producer[0], &(order){.kind = P_CLOSE});
    }
    if (phases[phase] == P_PUT || phases[phase] == P_END) {
      code = producer_begin(&producer[0], step + 1, 0);
    }
    if (phases[phase] == P_END && code == BEAMCAST_OK) {
      code = producer_put(&producer[0], &scene);
    }
    assert_true(code == BEAMCAST_OK || code == BEAMCAST_ERR_TIMEOUT);
    set_link(&(network_state){.cut = true});
    answer a = ask(&producer[0], &o);
    if (phases[phase] == P_PUT && a.code == BEAMCAST_OK) { /* the kernel has taken the bytes */
      a = ask(&producer[0], &(order){.kind = P_END});
    }
    if (detour != 0 &&
        a.code == BEAMCAST_OK) { /* the voxels are there; that is not said to anybody */
      a = ask(&producer[0], &(order){.kind = P_BEGIN, .step = step + 2});
    }
    if (code == BEAMCAST_OK) {
      expect_given_up(&a, phases[phase]);
    }
    server_check_newest(&s, "volume", &scene, step);
    check_aftermath(&s, &far, ++run, &scene);
    producer_exit(&producer[0]);
    for (int i = 0; i < 2; i++) { /* what a cut has left behind goes */
      before[i] = phase == 0 ? usage_of(&s.rank[i], R_USAGE) : before[i];
      wait_for_usage(&s.rank[i], R_USAGE, &before[i]);
    }
  }
  server_wait_logged(&s, "another run has taken over the stream", 1);
  server_stop(&s);
}

static void a_link_that_is_mended_in_time_loses_nothing(void **state) {
  (void)state;
  const uint64_t steps = 30;
  server far, s = start_server(&far);
  child producers[2];
  test_scene scene = scene_plain(73, 2, middling, BEAMCAST_UINT16);
  set_link(&(network_state){.delay = 0.005});
  connect_far(producers, 2, &far, 1, 90);
  for (int k = 0; k < 2; k++) {
    tell(&producers[k], &(order){.kind = P_RUN, .step = 1, .last = steps, .scene = scene});
  }
  for (uint64_t cut = 1; cut <= 3; cut++) {
    server_wait_received(&s, "volume", cut);
    set_link(&(network_state){.cut = true});
    nap(0.4);
    set_link(&(network_state){.delay = 0.005});
  }
  for (int k = 0; k < 2; k++) {
    answer a = hear(&producers[k]);
    assert_int_equal(a.code, BEAMCAST_OK);
    assert_int_equal(a.number, steps);
  }
  server_wait_received(&s, "volume", steps);
  server_check_newest(&s, "volume", &scene, steps);
  exit_all(producers, 2);
  set_link(&good);
  server_stop(&s);
}

/* Nothing tells the server that a host is gone, but its silence; the slot it holds is wanted. */
static void a_producer_behind_a_cut_link_gives_way_when_its_slot_is_wanted(void **state) {
  (void)state;
  server far, s = start_server(&far);
  child producers[2];
  test_scene scene = scene_plain(74, 2, middling, BEAMCAST_UINT16);
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 1, .ghosts = 1});
  producers[0] = producer_start();
  assert_int_equal(producer_connect(&producers[0], &s, "volume", 0, 2, 1).code, BEAMCAST_OK);
  producers[1] = start_far();
  assert_int_equal(producer_connect(&producers[1], &far, "volume", 1, 2, 1).code, BEAMCAST_OK);
  uint64_t step = push_one(&s, producers, 2, &scene, 1);
  assert_int_equal(producers_begin(producers, 2, step + 1), BEAMCAST_OK);
  assert_int_equal(producers_put(producers, 2, &scene), BEAMCAST_OK);
  assert_int_equal(producer_end(&producers[0]), BEAMCAST_OK);
  set_link(&(network_state){.cut = true});
  /* waits for the one slot, until the other one is given up and this step with it */
  assert_int_equal(producer_begin(&producers[0], step + 2, 0), BEAMCAST_DROPPED);
  server_wait_logged(&s, "rank 1 of 2 is put out: a producer was silent for too long", 1);
  set_link(&good);
  answer a = ask(&producers[1], &(order){.kind = P_BEGIN, .step = step + 2});
  assert_true(a.code != BEAMCAST_OK && a.code != BEAMCAST_DROPPED);
  producer_exit(&producers[1]);
  producers[1] = start_far();
  assert_int_equal(producer_connect(&producers[1], &far, "volume", 1, 2, 1).code, BEAMCAST_OK);
  step = push_one(&s, producers, 2, &scene, step + 3);
  server_check_newest(&s, "volume", &scene, step);
  exit_all(producers, 2);
  server_stop(&s);
}

/* --- viewers -------------------------------------------------------------------------------------
 */

static void a_slow_viewer_gets_a_whole_step_and_holds_no_producer(void **state) {
  (void)state;
  const uint64_t steps = 200;
  server far, s = start_server(&far);
  child producer[1];
  test_scene scene = scene_plain(75, 1, middling, BEAMCAST_FLOAT32); /* 96 KiB */
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 3, .ghosts = 1});
  producers_connect(producer, 1, &s, "volume", 7);
  assert_int_equal(producers_step(producer, 1, &scene, 1), BEAMCAST_OK);
  server_wait_received(&s, "volume", 1);
  set_link(&(network_state){.delay = 0.02, .rate = 1e5}); /* a second for each copy */
  tell(&producer[0], &(order){.kind = P_RUN, .step = 2, .last = steps, .scene = scene});
  beamcast_error error = {0};
  beamcast_volume_data got;
  if (detour == 0) {
    network_go_far();
  }
  int code = beamcast_stream_retrieve(far.contact, "volume", NULL, NULL, NULL, 90, &got, &error);
  if (detour == 0) {
    network_go_near();
  }
  set_link(&good);
  if (code != BEAMCAST_OK) {
    fail_test("retrieve: %d, %s", code, error.message);
  }
  char text[300];
  const bc_box box = {.shape = {middling[0], middling[1], middling[2]}};
  if (!scene_holds(&scene, 7, got.step, 0, &box, got.data, text, sizeof text)) {
    fail_test("retrieve: %s", text);
  }
  beamcast_volume_free(&got);
  answer a = hear(&producer[0]);
  assert_int_equal(a.code, BEAMCAST_OK);
  assert_int_equal(a.number + a.dropped, steps - 1);
  assert_int_equal(a.dropped, 0); /* two slots are left for it */
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* The ranks could be reached directly here, which behind a tunnel mostly fails, after seconds. */
static void behind_a_tunnel_all_goes_through_it(void **state) {
  (void)state;
  server s = server_start(2, 0);
  child producer = producer_start_far();
  test_scene scene = scene_plain(76, 1, middling, BEAMCAST_UINT16);
  network_go_far();
  passage way = passage_open(&s, 0);
  network_go_near();
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 7, .limit = 60};
  passage_contact(&way, &connect);
  const order orders[] = {connect,
                          {.kind = P_BEGIN, .step = 1},
                          {.kind = P_PUT, .scene = scene},
                          {.kind = P_END},
                          {.kind = P_DESCRIBE}};
  answer a = {0};
  for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
    a = passage_ask(&way, &producer, &orders[i]);
    if (a.code != BEAMCAST_OK) {
      fail_test("order %zu: %s", i, a.text);
    }
  }
  assert_string_equal(a.text, "tcp (relayed)");
  server_wait_received(&s, "volume", 1);
  server_check_newest(&s, "volume", &scene, 1);
  passage_close(&way);
  producer_exit(&producer);
  server_stop(&s);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  char missing[200];
  harness_begin(argc, argv);
  rounds = argc > 2 ? atoi(argv[2]) : 1;
  const bool straight = strcmp(harness_wire, "verbs") == 0;
  if (straight) {
    detour = detour_begin();
    (void)setenv("BEAMCAST_RELAY", "1", 1);
  } else if (network_begin(draw64(&harness_random), missing, sizeof missing)) {
    (void)setenv("BEAMCAST_HOST", NETWORK_NEAR, 1);
    (void)setenv("BEAMCAST_WIRE", "tcp", 1);
  } else {
    (void)printf("skipped: %s is missing\n", missing);
    return 77;
  }
  const struct CMUnitTest tests[] = {
      TEST(steps_arrive_whole_over_a_bad_link),
      TEST(eight_producers_over_a_bad_link),
      TEST(a_cut_link_ends_in_an_error_in_every_phase),
      TEST(a_link_that_is_mended_in_time_loses_nothing),
      TEST(a_producer_behind_a_cut_link_gives_way_when_its_slot_is_wanted),
      TEST(a_slow_viewer_gets_a_whole_step_and_holds_no_producer),
  };
  const struct CMUnitTest tunnel[] = {TEST(behind_a_tunnel_all_goes_through_it)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  failed += straight ? 0 : cmocka_run_group_tests(tunnel, NULL, NULL);
  (void)unlink(far_contact);
  return failed;
}
