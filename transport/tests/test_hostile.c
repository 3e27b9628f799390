/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whoever comes to a server's port: strangers, tokens with lesser rights, peers that lie or talk
 * nonsense, and many that say nothing. They are turned away, told once in the log, and take no
 * memory; the others do not notice.
 *   test_hostile [WIRE]
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
#include "socket.h"

static const uint64_t tiny[3] = {8, 8, 8};

/* A server with a producer on the stream "good" that goes on while others do what they like. */
typedef struct scenery {
  server s;
  child good[1];
  test_scene scene;
  uint64_t step;
  answer before;
} scenery;

static void go_on(scenery *c) {
  c->step++;
  assert_int_equal(producers_step(c->good, 1, &c->scene, c->step), BEAMCAST_OK);
  server_wait_received(&c->s, "good", c->step);
  server_check_newest(&c->s, "good", &c->scene, c->step);
}

static scenery set_up(int ranks) {
  scenery c = {.s = server_start(ranks, 64 << 20),
               .scene = scene_plain(41, 1, tiny, BEAMCAST_UINT16)};
  producers_connect(c.good, 1, &c.s, "good", 7);
  go_on(&c);
  go_on(&c);
  c.before = ask(&c.s.rank[0], &(order){.kind = R_USAGE});
  return c;
}

static void tear_down(scenery *c) {
  go_on(c);
  answer after = ask(&c->s.rank[0], &(order){.kind = R_USAGE});
  /* each slot's memory is a file, and mapped */
  int most = c->before.files - c->before.mappings;
  for (int i = 0; i < 20000 && after.files - after.mappings > most; i++) {
    nap(0.005);
    after = ask(&c->s.rank[0], &(order){.kind = R_USAGE});
  }
  assert_in_range(after.files - after.mappings, 0, most);
  if (!harness_slow() && after.resident > c->before.resident + (8 << 20)) {
    fail_test("the server grew by %llu bytes",
              (unsigned long long)(after.resident - c->before.resident));
  }
  producer_exit(&c->good[0]);
  server_stop(&c->s);
}

/* So many lines of the log have the text, and no more. */
static void expect_logged(server *s, const char *text, uint64_t count) {
  server_wait_logged(s, text, count);
  assert_int_equal(server_logged(s, text), count);
}

/* --- tokens and rights ---------------------------------------------------------------------------
 */

static void a_wrong_token_is_refused_and_logged_once(void **state) {
  (void)state;
  scenery c = set_up(1);
  bc_contact contact = forger_contact(&c.s);
  char text[BC_TOKEN_TEXT];
  child stranger = producer_start();
  order connect = {.kind = P_CONNECT, .stream = "good", .ranks = 1, .run = 9, .limit = 60};
  memcpy(connect.contact, c.s.contact, sizeof connect.contact);
  for (int rights = BC_RIGHTS_FULL; rights <= BC_RIGHTS_PUSH; rights++) {
    bc_token wrong = contact.token;
    wrong.bytes[31] ^= 1;
    wrong.rights = rights;
    bc_token_text(&wrong, text);
    memcpy(connect.text, text, sizeof text);
    answer a = ask(&stranger, &connect);
    assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
    if (strstr(a.text, "wrong token") == NULL) {
      fail_test("a wrong token: %s", a.text);
    }
    expect_logged(&c.s, "wrong token", (uint64_t)rights);
    go_on(&c);
  }
  producer_exit(&stranger);
  tear_down(&c);
}

static void lesser_rights_allow_what_they_say_and_no_more(void **state) {
  (void)state;
  scenery c = set_up(2);
  bc_contact contact = forger_contact(&c.s);
  char text[BC_TOKEN_TEXT], path[160];
  bc_token push, view;
  assert_int_equal(bc_token_derive(&contact.token, BC_RIGHTS_PUSH, &push, NULL), BEAMCAST_OK);
  assert_int_equal(bc_token_derive(&contact.token, BC_RIGHTS_VIEW, &view, NULL), BEAMCAST_OK);
  child producer[1] = {producer_start()};
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 9, .limit = 60};
  memcpy(connect.contact, c.s.contact, sizeof connect.contact);
  bc_token_text(&view, text);
  memcpy(connect.text, text, sizeof text);
  answer a = ask(&producer[0], &connect);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "viewing"));
  bc_token_text(&push, text);
  memcpy(connect.text, text, sizeof text);
  assert_int_equal(ask(&producer[0], &connect).code, BEAMCAST_OK);
  assert_int_equal(producers_step(producer, 1, &c.scene, 1), BEAMCAST_OK);
  server_wait_received(&c.s, "volume", 1);
  (void)snprintf(path, sizeof path, "%s.lesser", c.s.contact);
  beamcast_volume_data got;
  beamcast_error error = {0};
  contact.token = push;
  assert_int_equal(bc_contact_write(path, &contact, NULL), BEAMCAST_OK);
  assert_int_equal(beamcast_stream_retrieve(path, "volume", NULL, NULL, NULL, 60, &got, &error),
                   BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(error.message, "pushing"));
  contact.token = view;
  assert_int_equal(bc_contact_write(path, &contact, NULL), BEAMCAST_OK);
  assert_int_equal(beamcast_stream_retrieve(path, "volume", NULL, NULL, NULL, 60, &got, &error),
                   BEAMCAST_OK);
  beamcast_volume_free(&got);
  (void)unlink(path);
  const int allowed[6] = {0, 1, 1, 0, 0, 0};
  for (int role = BC_ROLE_PRODUCER; role <= BC_ROLE_FETCHER; role++) {
    int code, fd = forger_shake(&contact, &push, role, &code);
    assert_int_equal(code, allowed[role] ? BEAMCAST_OK : BEAMCAST_ERR_REFUSED);
    bc_close_fd(&fd);
  }
  producer_exit(&producer[0]);
  tear_down(&c);
}

static void another_version_is_refused_and_logged_once(void **state) {
  (void)state;
  scenery c = set_up(1);
  bc_contact contact = forger_contact(&c.s);
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES], nonce[BC_NONCE_BYTES] = {0};
  int fd = forger_dial(&contact);
  assert_int_equal(bc_receive_all(fd, hello, sizeof hello, bc_deadline(60), NULL), BEAMCAST_OK);
  bc_claim_make(hello, BC_ROLE_PRODUCER, 0, &contact.token, nonce, claim);
  claim[8] = 77;
  assert_int_equal(bc_send_all(fd, claim, sizeof claim, bc_deadline(60), NULL), BEAMCAST_OK);
  forger_expect_closed(fd);
  bc_close_fd(&fd);
  expect_logged(&c.s, "the client 77", 1);
  tear_down(&c);
}

/* --- before the handshake ------------------------------------------------------------------------
 */

static void random_bytes_are_refused(void **state) {
  (void)state;
  scenery c = set_up(1);
  bc_contact contact = forger_contact(&c.s);
  for (uint64_t i = 1; i <= 40; i++) {
    unsigned char bytes[2000];
    int fd = forger_dial(&contact);
    size_t size = (size_t)draw(&harness_random, BC_CLAIM_BYTES, sizeof bytes);
    for (size_t k = 0; k < size; k++) {
      bytes[k] = (unsigned char)draw64(&harness_random);
    }
    (void)bc_send_all(fd, bytes, size, bc_deadline(60), NULL);
    forger_expect_closed(fd);
    bc_close_fd(&fd);
    expect_logged(&c.s, "no Beamcast client", i);
  }
  tear_down(&c);
}

static void a_slow_handshake_holds_nobody_up(void **state) {
  (void)state;
  scenery c = set_up(1);
  bc_contact contact = forger_contact(&c.s);
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES], nonce[BC_NONCE_BYTES] = {0};
  unsigned char answered[BC_ANSWER_BYTES];
  int fd = forger_dial(&contact);
  assert_int_equal(bc_receive_all(fd, hello, sizeof hello, bc_deadline(60), NULL), BEAMCAST_OK);
  bc_claim_make(hello, BC_ROLE_VIEWER, 0, &contact.token, nonce, claim);
  for (size_t i = 0; i < sizeof claim; i += 11) {
    assert_int_equal(bc_send_all(fd, claim + i, 11, bc_deadline(60), NULL), BEAMCAST_OK);
    go_on(&c);
  }
  assert_int_equal(bc_receive_all(fd, answered, sizeof answered, bc_deadline(60), NULL),
                   BEAMCAST_OK);
  assert_int_equal(answered[8], BEAMCAST_OK);
  bc_close_fd(&fd);
  tear_down(&c);
}

static void hundreds_that_say_nothing_take_no_memory(void **state) {
  (void)state;
  enum { MANY = 300 };
  static int fds[MANY];
  scenery c = set_up(1);
  bc_contact contact = forger_contact(&c.s);
  for (int i = 0; i < MANY; i++) {
    fds[i] = forger_dial(&contact);
  }
  go_on(&c);
  answer during = ask(&c.s.rank[0], &(order){.kind = R_USAGE});
  assert_in_range(during.files, c.before.files, c.before.files + 260);
  assert_true(harness_slow() || during.resident < c.before.resident + (2 << 20));
  /* one that knows what to say still comes in, as soon as the others' time is over */
  child producer[1] = {producer_start()};
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 9, .limit = 90};
  memcpy(connect.contact, c.s.contact, sizeof connect.contact);
  assert_int_equal(ask(&producer[0], &connect).code, BEAMCAST_OK);
  assert_int_equal(producers_step(producer, 1, &c.scene, 1), BEAMCAST_OK);
  for (int i = 0; i < MANY; i++) {
    forger_expect_closed(fds[i]);
    bc_close_fd(&fds[i]);
  }
  expect_logged(&c.s, "more are turned away", 1);
  producer_exit(&producer[0]);
  tear_down(&c);
}

/* --- lies ----------------------------------------------------------------------------------------
 */

static void lies_about_sizes_and_places_are_refused(void **state) {
  (void)state;
  scenery c = set_up(1);
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
  go_on(&c);
  tear_down(&c);
}

static void headers_and_accounts_that_lie_end_the_step(void **state) {
  (void)state;
  scenery c = set_up(1);
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
    go_on(&c);
  }
  assert_int_equal(server_status(&c.s, "forged").steps_aborted, count - 1);
  /* more bytes than were sent: the step is given up when the connection ends */
  forger f = forger_open(&contact, 300);
  forger_end(&f, 1, 2, 0, UINT64_MAX);
  go_on(&c);
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
  tear_down(&c);
}

/* A step that its producer ends while the server still makes room for an array of it is over once:
 * it does not come back to life when there is room, and takes no slot from those who come next. */
static void a_step_ended_before_it_had_memory_is_over_for_good(void **state) {
  (void)state;
  enum { ROUNDS = 8 };
  scenery c = set_up(1);
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
    go_on(&c);
  }
  f = forger_open(&contact, 500);
  bc_stream_status status = server_status(&c.s, "forged");
  assert_int_equal(status.steps_received + status.steps_aborted + status.steps_dropped, ROUNDS);
  forger_end(&f, 1, 2, 0, 0);
  server_wait_settled(&c.s, "forged", ROUNDS + 1);
  forger_close(&f);
  tear_down(&c);
}

static void what_is_no_message_closes_the_connection(void **state) {
  (void)state;
  scenery c = set_up(1);
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
  go_on(&c);
  tear_down(&c);
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
    scenery c = set_up(ranks);
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
        go_on(&c);
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
    tear_down(&c);
  }
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      TEST(a_wrong_token_is_refused_and_logged_once),
      TEST(lesser_rights_allow_what_they_say_and_no_more),
      TEST(another_version_is_refused_and_logged_once),
      TEST(random_bytes_are_refused),
      TEST(a_slow_handshake_holds_nobody_up),
      TEST(hundreds_that_say_nothing_take_no_memory),
      TEST(lies_about_sizes_and_places_are_refused),
      TEST(headers_and_accounts_that_lie_end_the_step),
      TEST(a_step_ended_before_it_had_memory_is_over_for_good),
      TEST(what_is_no_message_closes_the_connection),
      TEST(messages_in_any_order_do_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
