/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which wire carries the voxels: the one that is asked for or an error, else the best that works;
 * and over how many connections, made how.
 *   test_wires [WIRE]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "passage.h"

/* Where a slot can't be mapped. */
static void shared_memory_gives_way_to_tcp(void **state) {
  (void)state;
  if (harness_slow()) {
    skip(); /* a sanitizer maps memory as it likes */
  }
  const uint64_t volume[3] = {256, 256, 32}; /* 8 MiB of float32 */
  server s = server_start(2, 0);
  child producer = producer_start();
  test_scene scene = scene_plain(51, 1, volume, BEAMCAST_FLOAT32);
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .limit = 60, .choose = true};
  memcpy(connect.contact, s.contact, sizeof connect.contact);
  for (uint64_t step = 1; step <= 4; step++) {
    connect.run = step;
    assert_int_equal(ask(&producer, &connect).code, BEAMCAST_OK);
    order put = {.kind = P_PUT, .scene = scene, .cramped = step > 1};
    assert_int_equal(producer_begin(&producer, step, 0), BEAMCAST_OK);
    answer a = ask(&producer, &put);
    if (a.code != BEAMCAST_OK) {
      fail_test("put: %d, %s", a.code, a.text);
    }
    assert_string_equal(ask(&producer, &(order){.kind = P_DESCRIBE}).text,
                        step > 1 ? "tcp" : "shm");
    assert_int_equal(producer_end(&producer), BEAMCAST_OK);
    server_wait_received(&s, "volume", step);
    server_check_newest(&s, "volume", &scene, step);
    assert_int_equal(ask(&producer, &(order){.kind = P_CLOSE}).code, BEAMCAST_OK);
  }
  producer_exit(&producer);
  server_stop(&s);
}

static void a_device_that_is_not_there_is_named(void **state) {
  (void)state;
  assert_int_equal(setenv("BEAMCAST_RDMA_DEVICE", "nothere0", 1), 0);
  server s = server_start(2, 0);
  assert_int_equal(unsetenv("BEAMCAST_RDMA_DEVICE"), 0);
  for (int i = 0; i < 2; i++) {
    order logged = {.kind = R_LOGGED, .text = "no RDMA device nothere0"};
    assert_int_equal(ask(&s.rank[i], &logged).number, 1);
  }
  server_stop(&s);
}

static void a_wire_that_does_not_exist_is_an_error(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producer = producer_start();
  const uint64_t volume[3] = {8, 8, 8};
  test_scene scene = scene_plain(52, 1, volume, BEAMCAST_UINT8);
  order connect = {
      .kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 7, .limit = 60, .wire = "pigeon"};
  memcpy(connect.contact, s.contact, sizeof connect.contact);
  answer a = ask(&producer, &connect);
  if (a.code == BEAMCAST_OK) {
    assert_int_equal(producer_begin(&producer, 1, 0), BEAMCAST_OK);
    order put = {.kind = P_PUT, .scene = scene};
    a = ask(&producer, &put);
  }
  assert_true(a.code == BEAMCAST_ERR_UNSUPPORTED || a.code == BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(a.text, "pigeon"));
  producer_exit(&producer);
  server_stop(&s);
}

enum { RANKS = 2, LANES = 4, ALL = 1 + RANKS * LANES };

static void a_rank_is_not_waited_for_before_the_next_is_dialled(void **state) {
  (void)state;
  if (strcmp(harness_wire, "tcp") != 0) {
    skip(); /* one connection a rank */
  }
  const uint64_t volume[3] = {8, 8, 8};
  test_scene scene = scene_plain(53, 1, volume, BEAMCAST_UINT8);
  server s = server_start(RANKS, 0);
  child producer = producer_start();
  passage way = passage_open(&s, ALL);
  order connect = {.kind = P_CONNECT,
                   .stream = "volume",
                   .ranks = 1,
                   .run = 7,
                   .limit = 60,
                   .connections = LANES,
                   .relay = true};
  passage_contact(&way, &connect);
  const order orders[] = {connect,
                          {.kind = P_BEGIN, .step = 1},
                          {.kind = P_PUT, .scene = scene},
                          {.kind = P_END},
                          {.kind = P_CLOSE}};
  for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
    answer a = passage_ask(&way, &producer, &orders[i]);
    if (a.code != BEAMCAST_OK) {
      fail_test("order %zu: %s", i, a.text);
    }
  }
  assert_int_equal(way.count, ALL);
  server_wait_received(&s, "volume", 1);
  server_check_newest(&s, "volume", &scene, 1);
  passage_close(&way);
  producer_exit(&producer);
  server_stop(&s);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      TEST(shared_memory_gives_way_to_tcp),
      TEST(a_device_that_is_not_there_is_named),
      TEST(a_wire_that_does_not_exist_is_an_error),
      TEST(a_rank_is_not_waited_for_before_the_next_is_dialled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
