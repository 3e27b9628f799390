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

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forger.h"

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

enum { RANKS = 2, LANES = 4, CONTROL = 1, ALL = CONTROL + RANKS * LANES };

/* A door in front of the server's. Control goes through at once; connections for voxels hear
 * nothing before all of them are there. */
typedef struct held_door {
  bc_contact contact;
  int listener, count, dialled;
  int fd[ALL][2]; /* of the producer, and of the server once it is dialled */
} held_door;

static void admit(held_door *door) {
  assert_true(door->count < ALL);
  door->fd[door->count++][0] = bc_accept(door->listener);
  while (door->dialled < door->count && (door->dialled < CONTROL || door->count == ALL)) {
    door->fd[door->dialled++][1] = forger_dial(&door->contact);
  }
}

/* Passes bytes on until the producer has an answer for us. */
static answer held_ask(held_door *door, child *producer, const order *o) {
  tell(producer, o);
  for (;;) {
    struct pollfd items[2 + 2 * ALL] = {{.fd = producer->fd, .events = POLLIN},
                                        {.fd = door->listener, .events = POLLIN}};
    for (int i = 0; i < 2 * door->dialled; i++) {
      items[2 + i] = (struct pollfd){.fd = door->fd[i / 2][i % 2], .events = POLLIN};
    }
    assert_true(poll(items, 2 + 2 * (nfds_t)door->dialled, 60000) > 0);
    if (items[0].revents != 0) {
      return hear(producer);
    }
    for (int i = 0; i < 2 * door->dialled; i++) {
      unsigned char bytes[4096];
      ssize_t size = items[2 + i].revents ? read(items[2 + i].fd, bytes, sizeof bytes) : 0;
      if (size > 0) {
        assert_int_equal(
            bc_send_all(door->fd[i / 2][1 - i % 2], bytes, (size_t)size, bc_deadline(60), NULL),
            BEAMCAST_OK);
      }
    }
    if (items[1].revents != 0) {
      admit(door);
    }
  }
}

static void a_rank_is_not_waited_for_before_the_next_is_dialled(void **state) {
  (void)state;
  if (strcmp(harness_wire, "tcp") != 0) {
    skip(); /* one connection a rank */
  }
  const uint64_t volume[3] = {8, 8, 8};
  test_scene scene = scene_plain(53, 1, volume, BEAMCAST_UINT8);
  server s = server_start(RANKS, 0);
  child producer = producer_start();
  held_door door = {.contact = forger_contact(&s)};
  int port = 0;
  door.listener = bc_listen_tcp("127.0.0.1", 0, &port, NULL);
  order connect = {.kind = P_CONNECT,
                   .stream = "volume",
                   .ranks = 1,
                   .run = 7,
                   .limit = 60,
                   .connections = LANES,
                   .relay = true};
  bc_token_text(&door.contact.token, connect.text);
  (void)snprintf(connect.contact, sizeof connect.contact, "beamcast://127.0.0.1:%d", port);
  const order orders[] = {connect,
                          {.kind = P_BEGIN, .step = 1},
                          {.kind = P_PUT, .scene = scene},
                          {.kind = P_END},
                          {.kind = P_CLOSE}};
  for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
    answer a = held_ask(&door, &producer, &orders[i]);
    if (a.code != BEAMCAST_OK) {
      fail_test("order %zu: %s", i, a.text);
    }
  }
  assert_int_equal(door.count, ALL);
  server_wait_received(&s, "volume", 1);
  server_check_newest(&s, "volume", &scene, 1);
  for (int i = 0; i < 2 * door.dialled; i++) {
    bc_close_fd(&door.fd[i / 2][i % 2]);
  }
  bc_close_fd(&door.listener);
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
