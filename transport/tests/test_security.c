/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What docs/security.md claims, and what it says is not protected. Wrong tokens, lesser rights and
 * liars are test_hostile's and test_liars'; what an RDMA key opens is test_keys'.
 *   test_security [WIRE]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "forger.h"
#include "handshake.h"

static const uint64_t tiny[3] = {8, 8, 8};

static bc_place place_of(server *s) {
  answer a = ask(&s->rank[0], &(order){.kind = R_ADDRESS});
  bc_reader reader = bc_reader_of(a.address, sizeof a.address);
  bc_place place;
  (void)bc_get_bytes(&reader, BC_TOKEN_BYTES);
  assert_true(bc_get_place(&reader, &place));
  return place;
}

/* A connection in a role over the server's Unix socket. */
static int shaken_locally(server *s, const bc_contact *contact, int role) {
  bc_place place = place_of(s);
  int fd = bc_connect_unix(place.unix_name, bc_deadline(60), NULL);
  assert_int_equal(bc_handshake(fd, role, 0, &contact->token, bc_deadline(60), NULL), BEAMCAST_OK);
  return fd;
}

/* --- the token -----------------------------------------------------------------------------------
 */

typedef struct recording {
  unsigned char bytes[1 << 16];
  size_t size;
  unsigned char claim[BC_CLAIM_BYTES]; /* the client's first message */
  size_t claimed;
} recording;

/* Passes bytes on between two sockets, and notes them, until the producer has an answer for us. */
static void listen_in(child *producer, int client, int server_side, recording *note) {
  struct pollfd items[3] = {{.fd = client, .events = POLLIN},
                            {.fd = server_side, .events = POLLIN},
                            {.fd = producer->fd, .events = POLLIN}};
  while (items[2].revents == 0) {
    assert_true(poll(items, 3, 60000) > 0);
    for (int side = 0; side < 2; side++) {
      unsigned char bytes[4096];
      ssize_t size = items[side].revents ? read(items[side].fd, bytes, sizeof bytes) : 0;
      for (ssize_t i = 0; i < size && side == 0 && note->claimed < BC_CLAIM_BYTES; i++) {
        note->claim[note->claimed++] = bytes[i];
      }
      if (size > 0 && note->size + (size_t)size <= sizeof note->bytes) {
        memcpy(note->bytes + note->size, bytes, (size_t)size);
        note->size += (size_t)size;
        assert_int_equal(
            bc_send_all(items[1 - side].fd, bytes, (size_t)size, bc_deadline(60), NULL),
            BEAMCAST_OK);
      }
    }
  }
}

static void a_listener_learns_no_token_and_can_repeat_nothing(void **state) {
  (void)state;
  static recording note;
  server s = server_start(1, 0);
  child producer = producer_start();
  bc_contact contact = forger_contact(&s);
  int port = 0, listener = bc_listen_tcp("127.0.0.1", 0, &port, NULL);
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 7, .limit = 60};
  bc_token_text(&contact.token, connect.text);
  (void)snprintf(connect.contact, sizeof connect.contact, "beamcast://127.0.0.1:%d", port);
  tell(&producer, &connect);
  assert_int_equal(bc_wait(listener, POLLIN, bc_deadline(60), NULL), BEAMCAST_OK);
  int client = bc_accept(listener), to = forger_dial(&contact);
  listen_in(&producer, client, to, &note);
  assert_int_equal(hear(&producer).code, BEAMCAST_OK);
  assert_true(note.size > BC_HELLO_BYTES + BC_CLAIM_BYTES);
  assert_null(memmem(note.bytes, note.size, contact.token.bytes, BC_TOKEN_BYTES));
  assert_null(memmem(note.bytes, note.size, connect.text, 16)); /* nor as text, nor half of it */
  assert_null(memmem(note.bytes, note.size, contact.token.bytes, 8));
  /* what the client said then proves nothing to another greeting */
  unsigned char hello[BC_HELLO_BYTES];
  int again = forger_dial(&contact);
  assert_int_equal(bc_receive_all(again, hello, sizeof hello, bc_deadline(60), NULL), BEAMCAST_OK);
  assert_int_equal(bc_send_all(again, note.claim, sizeof note.claim, bc_deadline(60), NULL),
                   BEAMCAST_OK);
  forger_expect_closed(again);
  server_wait_logged(&s, "wrong token", 1);
  assert_int_equal(server_logged(&s, "wrong token"), 1);
  bc_close_fd(&again);
  bc_close_fd(&client);
  bc_close_fd(&to);
  bc_close_fd(&listener);
  child_kill(&producer);
  server_stop(&s);
}

/* --- who may push --------------------------------------------------------------------------------
 */

static void a_pusher_reaches_no_other_stream(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child good[1];
  test_scene scene = scene_plain(91, 1, tiny, BEAMCAST_UINT16);
  bc_contact contact = forger_contact(&s);
  unsigned char voxels[1024];
  memset(voxels, 0xee, sizeof voxels);
  producers_connect(good, 1, &s, "good", 7);
  assert_int_equal(producer_begin(&good[0], 1, 0), BEAMCAST_OK);
  assert_int_equal(producer_put(&good[0], &scene), BEAMCAST_OK);
  forger f = forger_open(&contact, 9);
  int local = shaken_locally(&s, &contact, BC_ROLE_WRITER);
  bc_writer writer = {0};
  bc_put_number(&writer, BC_BIND, f.session);
  forger_send(local, &writer);
  bc_message message = forger_receive(local, BC_BOUND);
  bc_message_free(&message);
  uint64_t own = f.serial; /* of the step that was begun after the good one's */
  for (uint64_t serial = 1; serial <= own + 4; serial++) {
    bc_attachment at;
    int fd = -1;
    int code = bc_attach(local, serial, 0, &at, &fd, bc_deadline(60), NULL);
    assert_int_equal(code, serial == own ? BEAMCAST_OK : BEAMCAST_DROPPED);
    bc_close_fd(&fd);
  }
  f.serial = own - 1;
  forger_span(&f, 0, &(bc_box){.shape = {8, 8, 8}}, sizeof voxels);
  (void)bc_send_all(f.data, voxels, sizeof voxels, bc_deadline(60), NULL);
  forger_expect_closed(f.data);
  assert_int_equal(producer_end(&good[0]), BEAMCAST_OK);
  server_wait_received(&s, "good", 1);
  server_check_newest(&s, "good", &scene, 1);
  bc_close_fd(&local);
  forger_close(&f);
  producer_exit(&good[0]);
  server_stop(&s);
}

/* A whole step's voxels, all bytes of this value, over tcp. */
static void send_forged(const forger *f, int value) {
  unsigned char voxels[1024];
  memset(voxels, value, sizeof voxels);
  forger_span(f, 0, &(bc_box){.shape = {8, 8, 8}}, sizeof voxels);
  (void)bc_send_all(f->data, voxels, sizeof voxels, bc_deadline(60), NULL);
}

/* A complete step. */
static void push_forged(server *s, const forger *f, int value) {
  uint64_t received = server_status(s, "forged").steps_received;
  send_forged(f, value);
  forger_end(f, 1, 2, 0, 1024);
  server_wait_received(s, "forged", received + 1);
}

static void expect_forged(const server *s, int value) {
  beamcast_volume_data got;
  assert_int_equal(beamcast_stream_retrieve(s->contact, "forged", NULL, NULL, NULL, 60, &got, NULL),
                   BEAMCAST_OK);
  for (int i = 0; i < 1024; i++) {
    assert_int_equal(((unsigned char *)got.data)[i], value);
  }
  beamcast_volume_free(&got);
}

/* Not protected: what a pusher has attached it can write as long as it is connected, also while it
 * is shown; a later run has other memory. */
static void what_a_pusher_has_attached_stays_writable_for_it(void **state) {
  (void)state;
  server s = server_start(1, 0);
  bc_contact contact = forger_contact(&s);
  forger f = forger_open(&contact, 9);
  int local = shaken_locally(&s, &contact, BC_ROLE_WRITER), fd = -1;
  bc_writer writer = {0};
  bc_attachment at;
  bc_put_number(&writer, BC_BIND, f.session);
  forger_send(local, &writer);
  bc_message message = forger_receive(local, BC_BOUND);
  bc_message_free(&message);
  assert_int_equal(bc_attach(local, f.serial, 0, &at, &fd, bc_deadline(60), NULL), BEAMCAST_OK);
  unsigned char *slot = mmap(NULL, at.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true(slot != MAP_FAILED);
  bc_close_fd(&fd);
  memset(slot, 1, at.size);
  bc_span span = {.serial = f.serial, .box = {.shape = {8, 8, 8}}, .bytes = at.size};
  bc_put_span(&writer, BC_WROTE, &span);
  forger_send(local, &writer);
  forger_end(&f, 1, 2, 0, at.size);
  server_wait_received(&s, "forged", 1);
  for (int round = 1; round <= 2; round++) {
    memset(slot, round, at.size); /* in the second round it is shown already */
    expect_forged(&s, round);
  }
  forger later = forger_open(&contact, 10);
  push_forged(&s, &later, 7);
  memset(slot, 3, at.size); /* of the run that was put out: this is shown no more */
  expect_forged(&s, 7);
  forger_close(&later);
  bc_close_fd(&local);
  forger_close(&f);
  (void)munmap(slot, at.size);
  server_stop(&s);
}

static void over_tcp_nothing_is_written_after_the_end_of_a_step(void **state) {
  (void)state;
  server s = server_start(1, 0);
  bc_contact contact = forger_contact(&s);
  forger f = forger_open(&contact, 9);
  push_forged(&s, &f, 7);
  send_forged(&f, 8);
  bc_writer writer = {0};
  bc_put_number(&writer, BC_SYNC, 1);
  forger_send(f.data, &writer);
  bc_message message = forger_receive(f.data, BC_SYNCED); /* they have been read, to no place */
  bc_message_free(&message);
  expect_forged(&s, 7);
  forger_close(&f);
  server_stop(&s);
}

/* --- who may view --------------------------------------------------------------------------------
 */

static uint64_t look_at(int fd, const char *stream) {
  bc_writer writer = {0};
  size_t begin = bc_message_begin(&writer, BC_LOOK);
  bc_put_text(&writer, stream);
  bc_message_end(&writer, begin);
  forger_send(fd, &writer);
  bc_message message = forger_receive(fd, BC_FOUND);
  bc_reader reader = bc_reader_of(message.body, message.size);
  uint64_t serial = bc_get_u64(&reader);
  bc_message_free(&message);
  return serial;
}

static void a_viewer_cannot_write(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producer[1];
  test_scene scene = scene_plain(92, 1, tiny, BEAMCAST_UINT16);
  producers_connect(producer, 1, &s, "good", 7);
  assert_int_equal(producers_step(producer, 1, &scene, 1), BEAMCAST_OK);
  server_wait_received(&s, "good", 1);
  bc_contact contact = forger_contact(&s), lesser = contact;
  assert_int_equal(bc_token_derive(&contact.token, BC_RIGHTS_VIEW, &lesser.token, NULL),
                   BEAMCAST_OK);
  int control = forger_shaken(&lesser, BC_ROLE_VIEWER), fd = -1, status = 0;
  int local = shaken_locally(&s, &lesser, BC_ROLE_FETCHER);
  bc_attachment at;
  uint64_t serial = look_at(control, "good");
  assert_int_equal(bc_attach(local, serial, 0, &at, &fd, bc_deadline(60), NULL), BEAMCAST_OK);
  assert_true(mmap(NULL, at.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  assert_int_not_equal(ftruncate(fd, 0), 0);
  pid_t other = fork(); /* nor by opening it anew, but as root */
  if (other == 0) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool dropped = geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
    _exit(!dropped || open(path, O_RDWR | O_CLOEXEC) >= 0);
  }
  assert_int_equal(waitpid(other, &status, 0), other);
  assert_int_equal(status, 0);
  bc_close_fd(&fd);
  bc_close_fd(&local);
  bc_close_fd(&control);
  server_check_newest(&s, "good", &scene, 1);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* Viewers that hold steps and never let go take slots: steps are dropped, the producer never waits,
 * and when their connections end the slots come back. */
static void viewers_that_hold_on_cost_steps_and_no_time(void **state) {
  (void)state;
  server s = server_start(1, 0);
  child producer[1];
  int viewers[3];
  test_scene scene = scene_plain(93, 1, tiny, BEAMCAST_UINT16);
  bc_contact contact = forger_contact(&s);
  producers_connect(producer, 1, &s, "good", 7);
  for (uint64_t i = 0; i < 3; i++) {
    assert_int_equal(producers_step(producer, 1, &scene, i + 1), BEAMCAST_OK);
    server_wait_received(&s, "good", i + 1);
    viewers[i] = forger_shaken(&contact, BC_ROLE_VIEWER);
    (void)look_at(viewers[i], "good");
  }
  assert_int_equal(producer_begin(&producer[0], 4, 0), BEAMCAST_DROPPED);
  for (int i = 0; i < 3; i++) {
    bc_close_fd(&viewers[i]);
  }
  int code = BEAMCAST_DROPPED;
  for (uint64_t step = 5; step < 20000 && code == BEAMCAST_DROPPED; step++) {
    code = producers_step(producer, 1, &scene, step);
    nap(code == BEAMCAST_DROPPED ? 0.005 : 0);
  }
  assert_int_equal(code, BEAMCAST_OK);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* --- what a peer can make us allocate ------------------------------------------------------------
 */

static void streams_are_limited(void **state) {
  (void)state;
  enum { MANY = 70, LIMIT = 64 };
  server s = server_start(1, 0);
  bc_contact contact = forger_contact(&s);
  for (int i = 0; i < MANY; i++) {
    int fd = forger_shaken(&contact, BC_ROLE_PRODUCER);
    bc_writer writer = {0};
    bc_join join = {.run_id = 1, .ranks = 1};
    (void)snprintf(join.stream, sizeof join.stream, "stream %d", i);
    bc_put_join(&writer, &join);
    forger_send(fd, &writer);
    bc_message message = forger_receive(fd, i < LIMIT ? BC_WELCOME : BC_GONE);
    bc_message_free(&message);
    bc_close_fd(&fd);
  }
  server_wait_logged(&s, "as many streams as", MANY - LIMIT);
  assert_int_equal(server_logged(&s, "as many streams as"), MANY - LIMIT);
  server_stop(&s);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      TEST(a_listener_learns_no_token_and_can_repeat_nothing),
      TEST(a_pusher_reaches_no_other_stream),
      TEST(a_viewer_cannot_write),
      TEST(viewers_that_hold_on_cost_steps_and_no_time),
      TEST(streams_are_limited),
  };
  const struct CMUnitTest of_their_own_wire[] = {
      TEST(what_a_pusher_has_attached_stays_writable_for_it),
      TEST(over_tcp_nothing_is_written_after_the_end_of_a_step),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (strcmp(harness_wire, "verbs") != 0) {
    failed += cmocka_run_group_tests(of_their_own_wire, NULL, NULL);
  }
  return failed;
}
