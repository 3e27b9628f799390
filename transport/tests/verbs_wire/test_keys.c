/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a key opens: over RDMA a producer gets a key to its slot's memory, for its own queue pairs,
 * until the step ends. Peers of our own making try what the library would not. Where a device has
 * no memory windows (docs/security.md), or with BEAMCAST_RDMA_WINDOWS=0, the tests of them are
 * skipped. test_keys verbs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "forger.h"
#include "harness.h"
#include "wire_verbs.h"

enum { PAIRS = 2, BYTES = 8 * 8 * 8 * 2 };

/* A peer with queue pairs, and what it was told of its step's memory. */
typedef struct intruder {
  forger f;
  bc_verbs_queue *pairs[PAIRS];
  bc_attachment at;
  unsigned char *bytes; /* registered on the first pair alone: each has its domain */
  struct ibv_mr *region[PAIRS];
} intruder;

/* Where a connection's queue pairs are to be dialled. */
static bc_verbs_at ask_where(int fd) {
  bc_writer writer = {0};
  bc_verbs_at at;
  bc_message_empty(&writer, BC_VERBS_OPEN);
  forger_send(fd, &writer);
  bc_message message = forger_receive(fd, BC_VERBS_AT);
  bc_reader reader = bc_reader_of(message.body, message.size);
  assert_true(bc_get_verbs_at(&reader, &at));
  bc_message_free(&message);
  return at;
}

static bc_verbs_queue *dial(const bc_verbs_at *at, uint32_t number, int fd, beamcast_error *error) {
  bc_verbs_queue *pair = NULL;
  for (uint32_t k = 0; k < at->count && pair == NULL; k++) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *to = NULL;
    char port[16];
    (void)snprintf(port, sizeof port, "%u", at->port);
    assert_int_equal(getaddrinfo(at->address[k], port, &hints, &to), 0);
    pair = bc_verbs_dial(at, number, to->ai_addr, NULL, fd, bc_deadline(60), error);
    freeaddrinfo(to);
  }
  return pair;
}

static void dial_pairs(intruder *in, int fd) {
  const bc_verbs_at at = ask_where(fd);
  for (uint32_t i = 0; i < PAIRS; i++) {
    beamcast_error error = {.message = "no address"};
    in->pairs[i] = dial(&at, i, fd, &error);
    if (in->pairs[i] == NULL) {
      fail_test("no queue pair: %s", error.message);
    }
    in->region[i] = ibv_reg_mr(bc_verbs_queue_domain(in->pairs[i]), in->bytes, BYTES, 0);
    assert_non_null(in->region[i]);
  }
}

static int attach(intruder *in, beamcast_error *error) {
  return bc_attach(in->f.data, in->f.serial, 0, &in->at, NULL, bc_deadline(60), error);
}

static intruder intrude(const bc_contact *contact, const char *stream, int value) {
  intruder in = {.f = forger_open_stream(contact, stream, 1), .bytes = malloc(BYTES)};
  beamcast_error error = {0};
  assert_non_null(in.bytes);
  memset(in.bytes, value, BYTES);
  dial_pairs(&in, in.f.data);
  if (attach(&in, &error) != BEAMCAST_OK) {
    fail_test("attach: %s", error.message);
  }
  assert_int_equal(in.at.size, BYTES);
  return in;
}

static void leave(intruder *in) {
  for (int i = 0; i < PAIRS; i++) {
    (void)ibv_dereg_mr(in->region[i]);
    bc_verbs_queue_close(in->pairs[i]);
  }
  free(in->bytes);
  forger_close(&in->f);
}

/* Writes the whole of what a key opens, over one pair; the code of its completion. */
static int write_with(intruder *in, int pair, uint64_t address, uint32_t key) {
  bc_verbs_queue *queue = in->pairs[pair];
  struct ibv_sge sge = {
      .addr = (uintptr_t)in->bytes, .length = BYTES, .lkey = in->region[pair]->lkey};
  beamcast_error error = {0};
  int code = bc_verbs_queue_post(queue, &sge, 1, address, key, true, bc_deadline(60), &error);
  code = code == BEAMCAST_OK ? bc_verbs_queue_fence(queue, bc_deadline(60), &error) : code;
  return code == BEAMCAST_OK ? bc_verbs_queue_drain(queue, bc_deadline(60), &error) : code;
}

static const bc_box all = {.shape = {8, 8, 8}};

static void end_step(intruder *in) {
  bc_writer writer = {0};
  bc_span span = {.serial = in->f.serial, .box = all, .bytes = BYTES};
  bc_put_span(&writer, BC_WROTE, &span);
  bc_put_number(&writer, BC_SYNC, 1);
  forger_send(in->f.data, &writer);
  bc_message message = forger_receive(in->f.data, BC_SYNCED);
  bc_message_free(&message);
  forger_end(&in->f, 1, 2, 0, BYTES);
}

static uint16_t newest_voxel(server *s) {
  beamcast_error error = {0};
  beamcast_volume_data got;
  const uint64_t start[3] = {0, 0, 0}, shape[3] = {1, 1, 1};
  if (beamcast_stream_retrieve(s->contact, "forged", NULL, start, shape, 60, &got, &error) !=
      BEAMCAST_OK) {
    fail_test("retrieve: %s", error.message);
  }
  uint16_t value;
  memcpy(&value, got.data, sizeof value);
  beamcast_volume_free(&got);
  return value;
}

static server start(bc_contact *contact) {
  server s = server_start(1, 0);
  server_configure(&s, "forged", &(bc_stream_settings){.slots = 2});
  *contact = forger_contact(&s);
  return s;
}

/* Whether this device's keys are for one queue pair. */
static void need_windows(const intruder *in) {
  if (in->at.serial == 0) {
    skip();
  }
}

static void a_key_opens_the_memory_of_its_step(void **state) {
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  intruder in = intrude(&contact, "forged", 0x11);
  assert_int_equal(write_with(&in, 0, in.at.address, in.at.key[0]), BEAMCAST_OK);
  end_step(&in);
  server_wait_received(&s, "forged", 1);
  assert_int_equal(newest_voxel(&s), 0x1111);
  leave(&in);
  server_stop(&s);
}

static void a_key_is_void_when_its_step_has_ended(void **state) {
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  intruder in = intrude(&contact, "forged", 0x11);
  need_windows(&in);
  assert_int_equal(write_with(&in, 0, in.at.address, in.at.key[0]), BEAMCAST_OK);
  end_step(&in);
  server_wait_received(&s, "forged", 1);
  memset(in.bytes, 0x22, BYTES);
  assert_int_equal(write_with(&in, 0, in.at.address, in.at.key[0]), BEAMCAST_ERR_CONNECTION);
  assert_int_equal(write_with(&in, 1, in.at.address, in.at.key[1]), BEAMCAST_ERR_CONNECTION);
  assert_int_equal(newest_voxel(&s), 0x1111);
  /* nor does it get another */
  assert_int_equal(attach(&in, NULL), BEAMCAST_DROPPED);
  leave(&in);
  server_stop(&s);
}

static void a_key_opens_nothing_to_another_queue_pair(void **state) {
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  intruder in = intrude(&contact, "forged", 0x11);
  need_windows(&in);
  assert_int_not_equal(in.at.key[0], in.at.key[1]);
  assert_int_equal(write_with(&in, 1, in.at.address, in.at.key[0]), BEAMCAST_ERR_CONNECTION);
  assert_int_equal(write_with(&in, 0, in.at.address, in.at.key[0]), BEAMCAST_OK);
  leave(&in);
  server_stop(&s);
}

/* The address and the key of one stream's slot, in the hands of another's producer. */
static void a_key_opens_nothing_to_another_producer(void **state) {
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  intruder owner = intrude(&contact, "forged", 0x11), thief = intrude(&contact, "another", 0x22);
  need_windows(&owner);
  assert_int_equal(write_with(&thief, 0, owner.at.address, owner.at.key[0]),
                   BEAMCAST_ERR_CONNECTION);
  assert_int_equal(write_with(&owner, 0, owner.at.address, owner.at.key[0]), BEAMCAST_OK);
  assert_int_equal(write_with(&thief, 1, owner.at.address, owner.at.key[1]),
                   BEAMCAST_ERR_CONNECTION);
  end_step(&owner);
  server_wait_received(&s, "forged", 1);
  assert_int_equal(newest_voxel(&s), 0x1111);
  leave(&owner);
  leave(&thief);
  server_stop(&s);
}

/* A guess: the key of the registration itself is near those of its windows. */
static void no_key_nearby_opens_anything(void **state) {
  static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  for (int i = 0; i < 6; i++) {
    intruder in = intrude(&contact, names[i], 0x11);
    need_windows(&in);
    uint32_t guess = in.at.key[0] + (i < 3 ? (uint32_t)(i + 1) : (uint32_t)(2 - i) * 256);
    assert_int_equal(write_with(&in, 0, in.at.address, guess), BEAMCAST_ERR_CONNECTION);
    leave(&in);
  }
  server_stop(&s);
}

/* A serial that was guessed: another stream's step, or one to come. */
static void a_pusher_gets_no_key_of_another_stream(void **state) {
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  intruder owner = intrude(&contact, "forged", 0x11), thief = intrude(&contact, "another", 0x22);
  const uint64_t own = thief.f.serial;
  for (thief.f.serial = 1; thief.f.serial <= own + 4; thief.f.serial++) {
    assert_int_equal(attach(&thief, NULL), thief.f.serial == own ? BEAMCAST_OK : BEAMCAST_DROPPED);
  }
  leave(&owner);
  leave(&thief);
  server_stop(&s);
}

static void expect_rejected(const bc_verbs_at *at, uint32_t number, int fd) {
  beamcast_error error = {0};
  assert_null(dial(at, number, fd, &error));
  assert_non_null(strstr(error.message, "rejects"));
}

/* The ticket says whose queue pair it is to be; a connection has eight, and asks once. */
static void a_wrong_ticket_gets_no_queue_pair(void **state) {
  enum { OTHERS = 2 };
  bc_verbs_queue *pairs[BC_QUEUES_MAX];
  bc_contact contact;
  (void)state;
  server s = start(&contact);
  forger f[OTHERS] = {forger_open_stream(&contact, "forged", 1),
                      forger_open_stream(&contact, "another", 1)};
  const bc_verbs_at at[OTHERS] = {ask_where(f[0].data), ask_where(f[1].data)};
  bc_verbs_at wrong = at[0];
  wrong.ticket[BC_VERBS_TICKET_BYTES - 1] ^= 1;
  expect_rejected(&wrong, 0, f[0].data);
  wrong = at[0];
  wrong.cookie = at[1].cookie;
  expect_rejected(&wrong, 0, f[0].data);
  wrong.cookie = UINT64_MAX;
  expect_rejected(&wrong, 0, f[0].data);
  expect_rejected(&at[0], BC_QUEUES_MAX, f[0].data);
  for (uint32_t i = 0; i < BC_QUEUES_MAX; i++) {
    pairs[i] = dial(&at[0], i, f[0].data, NULL);
    assert_non_null(pairs[i]);
  }
  expect_rejected(&at[0], 0, f[0].data);
  bc_writer writer = {0};
  bc_message_empty(&writer, BC_VERBS_OPEN);
  forger_send(f[0].data, &writer);
  bc_message message = forger_receive(f[0].data, BC_REFUSE);
  bc_message_free(&message);
  forger_close(&f[0]);
  expect_rejected(&at[0], 0, f[1].data); /* the connection has ended, or is full until then */
  for (uint32_t i = 0; i < BC_QUEUES_MAX; i++) {
    bc_verbs_queue_close(pairs[i]);
  }
  forger_close(&f[1]);
  server_stop(&s);
}

/* A view token gives no queue pair, and so no way to write. */
static void a_viewer_gets_no_queue_pair(void **state) {
  bc_contact contact;
  bc_writer writer = {0};
  (void)state;
  server s = start(&contact);
  int fd = forger_shaken(&contact, BC_ROLE_FETCHER);
  bc_message_empty(&writer, BC_VERBS_OPEN);
  forger_send(fd, &writer);
  forger_expect_closed(fd);
  bc_close_fd(&fd);
  server_stop(&s);
}

/* Each in a process of its own: the servers that a test forks could not use the devices that this
 * process has opened before. */
static int run_alone(const struct CMUnitTest *test) {
  const struct CMUnitTest tests[] = {*test};
  (void)fflush(NULL);
  pid_t alone = fork();
  if (alone == 0) {
    exit(cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1);
  }
  int status = -1;
  (void)waitpid(alone, &status, 0);
  return status == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_key_opens_the_memory_of_its_step, harness_clean),
      cmocka_unit_test_teardown(a_key_is_void_when_its_step_has_ended, harness_clean),
      cmocka_unit_test_teardown(a_key_opens_nothing_to_another_queue_pair, harness_clean),
      cmocka_unit_test_teardown(a_key_opens_nothing_to_another_producer, harness_clean),
      cmocka_unit_test_teardown(no_key_nearby_opens_anything, harness_clean),
      cmocka_unit_test_teardown(a_pusher_gets_no_key_of_another_stream, harness_clean),
      cmocka_unit_test_teardown(a_wrong_ticket_gets_no_queue_pair, harness_clean),
      cmocka_unit_test_teardown(a_viewer_gets_no_queue_pair, harness_clean),
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
    failed += run_alone(&tests[i]);
  }
  return failed > 0;
}
