/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What producers put is what the ranks of a server hold and what retrieve brings back, voxel by
 * voxel: random volumes, types, bricks, splits, ghost planes, numbers of producers and ranks.
 *   test_roundtrip WIRE [ROUNDS]      the wire of all connections; how many volumes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "harness.h"

static int rounds;

/* The steps of one run, from begin to what the ranks hold in the end. */
static void push_scene(server *s, child *producers, int count, const char *stream,
                       const test_scene *scene, uint64_t run, uint64_t step, uint64_t received) {
  char probe[64];
  (void)snprintf(probe, sizeof probe, "\"probe\":%llu", (unsigned long long)step);
  assert_int_equal(producers_begin(producers, count, step), BEAMCAST_OK);
  for (int i = 0; i < count; i++) {
    order note = {.kind = P_ANNOTATE, .stream = "probe"};
    (void)snprintf(note.text, sizeof note.text, "%llu", (unsigned long long)step);
    assert_int_equal(ask(&producers[i], &note).code, BEAMCAST_OK);
  }
  assert_int_equal(producers_put(producers, count, scene), BEAMCAST_OK);
  assert_int_equal(producers_end(producers, count), BEAMCAST_OK);
  server_wait_received(s, stream, received);
  uint64_t found = 0, serial = server_take(s, stream, 0, BC_PICK_NEWEST, &found);
  assert_int_not_equal(serial, 0);
  assert_int_equal(found, step);
  order o = {.kind = R_CHECK, .serial = serial, .settings = s->settings, .scene = *scene};
  memcpy(o.text, probe, sizeof probe);
  for (int i = 0; i < s->ranks; i++) {
    answer a = ask(&s->rank[i], &o);
    if (a.code != BEAMCAST_OK) {
      fail_test("rank %d of %d, %d producers, volume %llu x %llu x %llu: %s", i, s->ranks, count,
                (unsigned long long)scene->volume[0], (unsigned long long)scene->volume[1],
                (unsigned long long)scene->volume[2], a.text);
    }
  }
  check_retrieved(s, stream, scene, run, step);
  server_release(s, serial);
}

static void one_run(server *s, int number, bool relay) {
  char stream[32];
  random_state *random = &harness_random;
  int count = (int)draw(random, 1, 4), connections = (int)draw(random, 0, 4);
  child producers[4];
  uint64_t run = draw64(random) | 1, steps = draw(random, 1, 3);
  bc_stream_settings settings = {.slots = (int)draw(random, 1, 4),
                                 .split = (int)draw(random, 0, 1),
                                 .ghosts = (int)draw(random, 0, 2)};
  bool overlap = draw(random, 0, 1) == 0;
  test_scene scene = scene_draw(random, count);
  (void)snprintf(stream, sizeof stream, "volume %d", number % 3);
  server_configure(s, stream, &settings);
  uint64_t received = server_status(s, stream).steps_received;
  for (int i = 0; i < count; i++) {
    producers[i] = producer_start();
    order o = {.kind = P_CONNECT,
               .rank = i,
               .ranks = count,
               .run = run,
               .limit = 60,
               .connections = connections,
               .overlap = overlap,
               .relay = relay};
    (void)snprintf(o.stream, sizeof o.stream, "%s", stream);
    (void)snprintf(o.contact, sizeof o.contact, "%s", s->contact);
    answer a = ask(&producers[i], &o);
    if (a.code != BEAMCAST_OK) {
      fail_test("connect: %s", a.text);
    }
  }
  for (uint64_t step = 0; step < steps; step++) {
    if (step > 0 && draw(random, 0, 2) == 0) {
      scene = scene_draw(random, count); /* another size, other arrays */
    }
    push_scene(s, producers, count, stream, &scene, run, 10 + step, ++received);
  }
  answer described = ask(&producers[0], &(order){.kind = P_DESCRIBE});
  if (strcmp(described.text, "none") != 0 && !relay) {
    assert_string_equal(described.text, harness_wire);
  }
  for (int i = 0; i < count; i++) {
    producer_exit(&producers[i]);
  }
  assert_int_equal(server_status(s, stream).steps_dropped, 0);
  assert_int_equal(server_status(s, stream).steps_aborted, 0);
}

static void random_runs(int ranks, bool relay) {
  int share = rounds / (relay ? 8 : 4);
  server s = server_start(ranks, 0);
  for (int i = 0; i < (share > 0 ? share : 1); i++) {
    one_run(&s, i, relay);
  }
  server_stop(&s);
}

static void random_volumes_into_1_rank(void **state) {
  (void)state;
  random_runs(1, false);
}

static void random_volumes_into_2_ranks(void **state) {
  (void)state;
  random_runs(2, false);
}

static void random_volumes_into_3_ranks(void **state) {
  (void)state;
  random_runs(3, false);
}

static void random_volumes_into_4_ranks(void **state) {
  (void)state;
  random_runs(4, false);
}

static void random_volumes_relayed_by_the_root(void **state) {
  (void)state;
  if (strcmp(harness_wire, "tcp") != 0) {
    skip();
  }
  random_runs(3, true);
}

int main(int argc, char **argv) {
  (void)setenv("BEAMCAST_PIECE", "500", 0); /* what is told as landed: rows */
  harness_begin(argc, argv);
  rounds = argc > 2 ? atoi(argv[2]) : harness_slow() ? 16 : 80;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(random_volumes_into_1_rank, harness_clean),
      cmocka_unit_test_teardown(random_volumes_into_2_ranks, harness_clean),
      cmocka_unit_test_teardown(random_volumes_into_3_ranks, harness_clean),
      cmocka_unit_test_teardown(random_volumes_into_4_ranks, harness_clean),
      cmocka_unit_test_teardown(random_volumes_relayed_by_the_root, harness_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
