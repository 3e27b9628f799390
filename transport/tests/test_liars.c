/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Peers with a valid token that lie or talk nonsense. They lose their connection and their step;
 * the others do not notice. test_liars [WIRE]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contact.h"
#include "forger.h"
#include "handshake.h"
#include "harness.h"
#include "scenery.h"
#include "socket.h"

/* --- lies ----------------------------------------------------------------------------------------
 */

static void lies_about_sizes_and_places_are_refused(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  const bc_box inside = {.shape = {8, 8, 8}}, outside = {.start = {0, 0, 8}, .shape = {1, 1, 1}},
               beyond = {.start = {4, 4, 4}, .shape = {5, 1, 1}}, empty = {.shape = {0, 1, 1}},
               vast = {.shape = {UINT64_C(1) << 40, 1, 1}};
  const struct {
    uint32_t array;
    const bc_box *box;
    uint64_t bytes;
  } lies[] = {
      {0, &inside, 1023}, {0, &inside, 1025}, {0, &inside, 0}, {0, &inside, UINT64_MAX},
      {0, &outside, 2},   {0, &beyond, 10},   {0, &empty, 0},  {0, &vast, UINT64_C(2) << 40},
      {1, &inside, 1024}, {31, &inside, 1024}};
  for (uint64_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    forger f = forger_open(&contact, 100 + i);
    forger_span(&f, lies[i].array, lies[i].box, lies[i].bytes);
    bc_message message = forger_receive(f.data, BC_FAIL);
    bc_message_free(&message);
    forger_expect_closed(f.data);
    forger_close(&f);
    expect_logged(&c.s, "a producer was disconnected", i + 1);
  }
  assert_int_equal(server_status(&c.s, "forged").steps_received, 0);
  scenery_go_on(&c);
  scenery_tear_down(&c);
}

static void headers_and_accounts_that_lie_end_the_step(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  const struct {
    uint64_t arrays, bytes;
    size_t header;
    uint32_t rank;
  } lies[] = {{1, 0, BC_HEADER_MAX + 1, 0}, /* too long a header */
              {1, 0, 900000, 0},
              {UINT64_MAX, 0, 2, 0}, /* arrays that were not declared */
              {1, 1024, 2, 1},       /* a rank that does not exist */
              {1, 1024, 2, UINT32_MAX},
              {1, 0, BC_HEADER_MAX, 0}}; /* no lie: as long as allowed */
  uint64_t count = sizeof lies / sizeof lies[0];
  for (uint64_t i = 0; i < count; i++) {
    forger f = forger_open(&contact, 200 + i);
    forger_end(&f, lies[i].arrays, lies[i].header, lies[i].rank, lies[i].bytes);
    server_wait_settled(&c.s, "forged", i + 1);
    assert_int_equal(server_status(&c.s, "forged").steps_received, i == count - 1);
    forger_close(&f);
    scenery_go_on(&c);
  }
  assert_int_equal(server_status(&c.s, "forged").steps_aborted, count - 1);
  /* more bytes than were sent: the step is given up when the connection ends */
  forger f = forger_open(&contact, 300);
  forger_end(&f, 1, 2, 0, UINT64_MAX);
  scenery_go_on(&c);
  forger_close(&f);
  server_wait_settled(&c.s, "forged", count + 1);
  assert_int_equal(server_status(&c.s, "forged").steps_received, 1);
  /* fewer: given up at once */
  f = forger_open(&contact, 301);
  unsigned char voxels[1024] = {0};
  forger_span(&f, 0, &(bc_box){.shape = {8, 8, 8}}, sizeof voxels);
  assert_int_equal(bc_send_all(f.data, voxels, sizeof voxels, bc_deadline(60), NULL), BEAMCAST_OK);
  bc_writer writer = {0};
  bc_put_number(&writer, BC_SYNC, 0);
  forger_send(f.data, &writer);
  bc_message message = forger_receive(f.data, BC_SYNCED);
  bc_message_free(&message);
  forger_end(&f, 1, 2, 0, 1000);
  server_wait_settled(&c.s, "forged", count + 2);
  assert_int_equal(server_status(&c.s, "forged").steps_received, 1);
  forger_close(&f);
  scenery_tear_down(&c);
}

/* A step that its producer ends while the server still makes room for an array of it is over once:
 * it does not come back to life when there is room, and takes no slot from those who come next. */
static void a_step_ended_before_it_had_memory_is_over_for_good(void **state) {
  (void)state;
  enum { ROUNDS = 8 };
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  forger f;
  for (uint64_t i = 0; i < ROUNDS; i++) {
    f = forger_open(&contact, 400 + i);
    bc_writer writer = {0};
    bc_declare declare = {.serial = f.serial, .grid = forger_grid()};
    declare.array = (bc_array_spec){.name = "more", .type = BEAMCAST_FLOAT64, .components = 1};
    bc_put_declare(&writer, &declare);
    size_t begin = bc_message_begin(&writer, BC_END);
    bc_put_u64(&writer, f.serial);
    bc_put_u32(&writer, 0);
    bc_put_u64(&writer, UINT64_MAX);
    bc_put_u64(&writer, 1);
    bc_put_text(&writer, "{}");
    bc_put_u32(&writer, 0);
    bc_message_end(&writer, begin);
    forger_send(f.control, &writer);
    server_wait_settled(&c.s, "forged", i + 1);
    forger_close(&f);
    scenery_go_on(&c);
  }
  f = forger_open(&contact, 500);
  bc_stream_status status = server_status(&c.s, "forged");
  assert_int_equal(status.steps_received + status.steps_aborted + status.steps_dropped, ROUNDS);
  forger_end(&f, 1, 2, 0, 0);
  server_wait_settled(&c.s, "forged", ROUNDS + 1);
  forger_close(&f);
  scenery_tear_down(&c);
}

static void what_is_no_message_closes_the_connection(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  for (int role = BC_ROLE_PRODUCER; role <= BC_ROLE_FETCHER; role++) {
    for (int kind = 0; kind < 3; kind++) {
      unsigned char head[BC_FRAME_BYTES] = {kind == 0 ? 200 : BC_JOIN};
      head[4] = kind == 1;
      head[10] = kind == 2 ? 17 : 0; /* over 1 MiB */
      int fd = forger_shaken(&contact, role);
      assert_int_equal(bc_send_all(fd, head, sizeof head, bc_deadline(60), NULL), BEAMCAST_OK);
      forger_expect_closed(fd);
      bc_close_fd(&fd);
    }
  }
  scenery_go_on(&c);
  scenery_tear_down(&c);
}

/* --- messages in any order -----------------------------------------------------------------------
 */

static void random_body(bc_writer *writer, uint64_t serial, uint64_t session) {
  random_state *random = &harness_random;
  int fields = (int)draw(random, 0, 14);
  for (int i = 0; i < fields; i++) {
    switch (draw(random, 0, 7)) {
    case 0:
      bc_put_u64(writer, serial + draw(random, 0, 2));
      break;
    case 1:
      bc_put_u64(writer, session);
      break;
    case 2:
      bc_put_u32(writer, (uint32_t)draw(random, 0, 3));
      break;
    case 3:
      bc_put_u64(writer, draw(random, 0, 9));
      break;
    case 4:
      bc_put_text(writer, draw(random, 0, 1) ? "forged" : "volume");
      break;
    case 5:
      bc_put_f64(writer, (double)draw(random, 0, 5));
      break;
    case 6:
      bc_put_u32(writer, (uint32_t)draw64(random));
      break;
    default:
      bc_put_u64(writer, draw64(random));
    }
  }
}

/* A message as it should be, at a moment when it may not belong; or one that only looks like one.
 */
static void random_message(bc_writer *writer, uint64_t serial, uint64_t session) {
  random_state *random = &harness_random;
  static const uint32_t types[] = {BC_JOIN, BC_BEGIN, BC_DECLARE, BC_END,        BC_PULSE,
                                   BC_BYE,  BC_BIND,  BC_WRITE,   BC_WROTE,      BC_SYNC,
                                   BC_READ, BC_LOOK,  BC_ATTACH,  BC_VERBS_OPEN, BC_AWAIT};
  bc_join join = {
      .stream = "forged", .run_id = draw(random, 1, 3), .ranks = (uint32_t)draw(random, 1, 2)};
  bc_declare declare = {.serial = serial + draw(random, 0, 1), .grid = forger_grid()};
  declare.grid.volume[2] = draw(random, 1, draw(random, 0, 3) ? 9 : UINT64_C(1) << 40);
  declare.array = (bc_array_spec){.name = "volume",
                                  .type = (uint32_t)draw(random, 1, 9),
                                  .components = (uint32_t)draw(random, 1, 4)};
  declare.array.name[0] = (char)('a' + draw(random, 0, 2));
  bc_span span = {.serial = serial + draw(random, 0, 1),
                  .array = (uint32_t)draw(random, 0, 2),
                  .box = {.shape = {draw(random, 0, 8), 8, draw(random, 1, 9)}}};
  span.bytes = bc_box_count(&span.box) * draw(random, 1, 4);
  uint32_t type = draw(random, 0, 9) ? types[draw(random, 0, 14)] : (uint32_t)draw(random, 1, 63);
  size_t begin;
  join.rank = (uint32_t)draw(random, 0, join.ranks - 1);
  switch (draw(random, 0, 4) ? type : 0) {
  case BC_JOIN:
    bc_put_join(writer, &join);
    break;
  case BC_BEGIN:
    begin = bc_message_begin(writer, BC_BEGIN);
    bc_put_u64(writer, draw(random, 0, 20));
    bc_put_f64(writer, 1);
    bc_put_f64(writer, 1);
    bc_message_end(writer, begin);
    break;
  case BC_DECLARE:
    bc_put_declare(writer, &declare);
    break;
  case BC_AWAIT:
    bc_put_number(writer, BC_AWAIT, serial);
    break;
  case BC_BIND:
  case BC_SYNC:
    bc_put_number(writer, (bc_message_type)type, session);
    break;
  case BC_WRITE:
  case BC_WROTE:
  case BC_READ:
  case BC_ATTACH:
    bc_put_span(writer, (bc_message_type)type, &span);
    break;
  case BC_LOOK:
    begin = bc_message_begin(writer, BC_LOOK);
    bc_put_text(writer, "good");
    bc_message_end(writer, begin);
    break;
  case BC_PULSE:
  case BC_BYE:
  case BC_VERBS_OPEN:
    bc_message_empty(writer, (bc_message_type)type);
    break;
  default:
    begin = bc_message_begin(writer, (bc_message_type)type);
    random_body(writer, serial, session);
    bc_message_end(writer, begin);
  }
}

/* What the server has answered: serials and sessions that the next messages may name. */
static void listen_to(int fd, uint64_t *serial, uint64_t *session) {
  struct pollfd item = {.fd = fd, .events = POLLIN};
  for (int i = 0; i < 50 && poll(&item, 1, 0) > 0; i++) {
    bc_message message;
    if (bc_receive_message(fd, &message, NULL, bc_deadline(1), NULL) != BEAMCAST_OK) {
      return;
    }
    bc_reader reader = bc_reader_of(message.body, message.size);
    if (message.type == BC_GRANT || message.type == BC_FOUND) {
      *serial = bc_get_u64(&reader);
    } else if (message.type == BC_WELCOME) {
      *session = bc_get_u64(&reader);
    }
    bc_message_free(&message);
  }
}

static void messages_in_any_order_do_no_harm(void **state) {
  (void)state;
  enum { PEERS = 6 };
  for (int ranks = 1; ranks <= 2; ranks++) {
    scenery c = scenery_set_up(ranks);
    bc_contact contact = forger_contact(&c.s);
    int peers[PEERS];
    uint64_t serial = 0, session = 0;
    for (int i = 0; i < PEERS; i++) {
      peers[i] = -1;
    }
    for (int round = 0; round < (harness_slow() ? 2000 : 8000); round++) {
      int i = (int)draw(&harness_random, 0, PEERS - 1);
      if (peers[i] < 0) {
        static const int roles[PEERS] = {BC_ROLE_PRODUCER, BC_ROLE_PRODUCER, BC_ROLE_WRITER,
                                         BC_ROLE_WRITER,   BC_ROLE_VIEWER,   BC_ROLE_FETCHER};
        int code;
        peers[i] = forger_shake(&contact, &contact.token, roles[i], &code);
        continue;
      }
      bc_writer writer = {0};
      random_message(&writer, serial, session);
      if (bc_send_writer(peers[i], &writer, bc_deadline(5), NULL) != BEAMCAST_OK ||
          draw(&harness_random, 0, 60) == 0) {
        bc_close_fd(&peers[i]);
      } else {
        listen_to(peers[i], &serial, &session);
      }
      bc_writer_free(&writer);
      if (round % 500 == 0) {
        scenery_go_on(&c);
      }
    }
    for (int i = 0; i < PEERS; i++) {
      bc_close_fd(&peers[i]);
    }
    server_wait_producers(&c.s, "forged", 0);
    /* and whoever pushes to that stream next has it */
    child next[1];
    producers_connect(next, 1, &c.s, "forged", 1000);
    uint64_t received = server_status(&c.s, "forged").steps_received;
    int code = BEAMCAST_DROPPED;
    for (uint64_t step = 1; step < 20000 && code == BEAMCAST_DROPPED; step++) {
      code = producers_step(next, 1, &c.scene, step);
      nap(code == BEAMCAST_DROPPED ? 0.005 : 0);
    }
    assert_int_equal(code, BEAMCAST_OK);
    server_wait_received(&c.s, "forged", received + 1);
    uint64_t newest = server_take(&c.s, "forged", 0, BC_PICK_NEWEST, NULL);
    server_check(&c.s, newest, &c.scene);
    server_release(&c.s, newest);
    producer_exit(&next[0]);
    scenery_tear_down(&c);
  }
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      TEST(lies_about_sizes_and_places_are_refused),
      TEST(headers_and_accounts_that_lie_end_the_step),
      TEST(a_step_ended_before_it_had_memory_is_over_for_good),
      TEST(what_is_no_message_closes_the_connection),
      TEST(messages_in_any_order_do_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
