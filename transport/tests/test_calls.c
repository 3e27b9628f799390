/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls to whoever looks after a server: what is asked and answered comes through whole, with the
 * caller's rights; callers that leave, lie or come in numbers do no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "contact.h"
#include "handshake.h"
#include "socket.h"

static const double limit = 60;

/* --- a server whose answers are the question turned round ----------------------------------------
 */

typedef struct scenery {
  bc_receiver *receiver;
  char contact[64];
  bc_contact full;
  pthread_t thread;
  int fd, stop[2];
  bool hold; /* take calls, and answer them only when it ends */
} scenery;

static void quiet(void *context, const char *line) {
  (void)context;
  (void)line;
}

static void answer(bc_receiver *receiver, const bc_call_info *call) {
  char json[64];
  unsigned char *data = malloc(call->size + 1);
  for (uint64_t i = 0; i < call->size; i++) {
    data[i] = (unsigned char)~((const unsigned char *)call->data)[i];
  }
  (void)snprintf(json, sizeof json, "{\"rights\":%d,\"asked\":%zu}", call->rights,
                 strlen(call->json));
  bool bad = strcmp(call->json, "bad") == 0;
  assert_int_equal(bc_receiver_reply(receiver, call->id, bad ? BEAMCAST_ERR_IO : BEAMCAST_OK,
                                     bad ? "no such file" : "", json, data, call->size, NULL),
                   BEAMCAST_OK);
  free(data);
}

static void *run(void *argument) {
  scenery *s = argument;
  bc_call_info held[BC_CALLS_MAX], call;
  size_t count = 0;
  struct pollfd fds[2] = {{s->fd, POLLIN, 0}, {s->stop[0], POLLIN, 0}};
  while (poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
    while (bc_receiver_next_call(s->receiver, &call)) {
      if (s->hold && count < BC_CALLS_MAX) {
        held[count++] = call;
      } else {
        answer(s->receiver, &call);
      }
    }
  }
  while (count > 0) {
    answer(s->receiver, &held[--count]);
  }
  return NULL;
}

static scenery set_up(bool serve, bool hold) {
  scenery s = {.fd = -1, .hold = hold};
  unsigned char address[BC_ADDRESS_BYTES];
  (void)snprintf(s.contact, sizeof s.contact, "/tmp/beamcast-calls-%ld.json", (long)getpid());
  const bc_receiver_options options = {.host = "127.0.0.1", .contact = s.contact, .log = quiet};
  s.receiver = bc_receiver_open(&options, NULL);
  assert_non_null(s.receiver);
  bc_receiver_address(s.receiver, address);
  assert_int_equal(bc_receiver_join(s.receiver, address, NULL), BEAMCAST_OK);
  assert_int_equal(bc_contact_read(s.contact, NULL, &s.full, NULL), BEAMCAST_OK);
  if (serve) {
    s.fd = bc_receiver_serve_calls(s.receiver, NULL);
    assert_true(s.fd >= 0);
  }
  return s;
}

static void start(scenery *s) {
  assert_int_equal(pipe(s->stop), 0);
  assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void stop(scenery *s) {
  (void)!write(s->stop[1], "", 1);
  pthread_join(s->thread, NULL);
  (void)close(s->stop[0]);
  (void)close(s->stop[1]);
}

static int shaken(const scenery *s) {
  int fd = bc_connect_tcp(s->full.host, s->full.port, bc_deadline(limit), NULL);
  assert_true(fd >= 0);
  assert_int_equal(bc_handshake(fd, BC_ROLE_VIEWER, 0, &s->full.token, bc_deadline(limit), NULL),
                   BEAMCAST_OK);
  return fd;
}

static void put_call(bc_writer *writer, uint64_t number, uint64_t size) {
  size_t begin = bc_message_begin(writer, BC_CALL);
  bc_put_u64(writer, number);
  bc_put_u64(writer, size);
  bc_put_text(writer, "{}");
  bc_message_end(writer, begin);
}

static void put_part(bc_writer *writer, uint64_t number, size_t size) {
  size_t begin = bc_message_begin(writer, BC_PART);
  bc_put_u64(writer, number);
  for (size_t i = 0; i < size; i++) {
    bc_put_u8(writer, (uint8_t)i);
  }
  bc_message_end(writer, begin);
}

/* --- what must hold ------------------------------------------------------------------------------
 */

static void what_is_sent_comes_back_whole(void **state) {
  (void)state;
  static const uint64_t sizes[] = {
      0, 1, BC_CALL_PART_MAX - 1, BC_CALL_PART_MAX, BC_CALL_PART_MAX + 1, 5 << 20};
  scenery s = set_up(true, false);
  char *json = malloc(BC_CALL_JSON_MAX + 2);
  unsigned char *data = malloc(sizes[5]);
  memset(json, ' ', BC_CALL_JSON_MAX + 1);
  json[BC_CALL_JSON_MAX + 1] = '\0';
  for (uint64_t i = 0; i < sizes[5]; i++) {
    data[i] = (unsigned char)(i * 7 + i / 251);
  }
  start(&s);
  bc_reply reply;
  beamcast_error error = {0};
  assert_int_equal(bc_call_server(s.contact, NULL, json, NULL, 0, limit, &reply, &error),
                   BEAMCAST_ERR_ARGUMENT);
  json[BC_CALL_JSON_MAX] = '\0';
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    assert_int_equal(bc_call_server(s.contact, NULL, json, data, sizes[i], limit, &reply, &error),
                     BEAMCAST_OK);
    assert_string_equal(reply.json, "{\"rights\":1,\"asked\":131072}");
    assert_int_equal(reply.size, sizes[i]);
    for (uint64_t k = 0; k < reply.size; k++) {
      if (reply.data[k] != (unsigned char)~data[k]) {
        fail_msg("byte %llu differs", (unsigned long long)k);
      }
    }
    bc_reply_free(&reply);
  }
  assert_int_equal(bc_call_server(s.contact, NULL, "bad", NULL, 0, limit, &reply, &error),
                   BEAMCAST_ERR_IO);
  assert_string_equal(error.message, "no such file");
  stop(&s);
  bc_receiver_close(s.receiver);
  free(json);
  free(data);
}

static void nobody_answers_is_said(void **state) {
  (void)state;
  scenery s = set_up(false, false);
  bc_reply reply;
  beamcast_error error = {0};
  assert_int_equal(bc_call_server(s.contact, NULL, "{}", "abc", 3, limit, &reply, &error),
                   BEAMCAST_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "headless viewer"));
  bc_receiver_close(s.receiver);
}

static void rights_come_with_the_call(void **state) {
  (void)state;
  scenery s = set_up(true, false);
  bc_token lesser;
  char token[BC_TOKEN_TEXT], address[BC_HOST_MAX + 32];
  bc_reply reply;
  beamcast_error error = {0};
  start(&s);
  (void)snprintf(address, sizeof address, "beamcast://%s:%d", s.full.host, s.full.port);
  assert_int_equal(bc_token_derive(&s.full.token, BC_RIGHTS_VIEW, &lesser, NULL), BEAMCAST_OK);
  bc_token_text(&lesser, token);
  assert_int_equal(bc_call_server(address, token, "{}", NULL, 0, limit, &reply, &error),
                   BEAMCAST_OK);
  assert_string_equal(reply.json, "{\"rights\":3,\"asked\":2}");
  bc_reply_free(&reply);
  assert_int_equal(bc_call_server(address, token, "{}", "data", 4, limit, &reply, &error),
                   BEAMCAST_ERR_REFUSED);
  assert_int_equal(bc_token_derive(&s.full.token, BC_RIGHTS_PUSH, &lesser, NULL), BEAMCAST_OK);
  bc_token_text(&lesser, token);
  assert_int_equal(bc_call_server(address, token, "{}", NULL, 0, limit, &reply, &error),
                   BEAMCAST_ERR_REFUSED);
  stop(&s);
  bc_receiver_close(s.receiver);
}

typedef struct caller {
  const scenery *s;
  pthread_t thread;
  int code;
} caller;

static void *call_once(void *argument) {
  caller *c = argument;
  unsigned char data[1000] = {0};
  bc_reply reply;
  c->code = bc_call_server(c->s->contact, NULL, "{}", data, sizeof data, limit, &reply, NULL);
  if (c->code == BEAMCAST_OK) {
    c->code = reply.size == sizeof data ? BEAMCAST_OK : BEAMCAST_ERR_PROTOCOL;
    bc_reply_free(&reply);
  }
  return NULL;
}

static void many_at_a_time_all_get_their_answer(void **state) {
  (void)state;
  enum { CALLERS = 24 };
  scenery s = set_up(true, false);
  caller callers[CALLERS];
  start(&s);
  for (int i = 0; i < CALLERS; i++) {
    callers[i] = (caller){.s = &s};
    assert_int_equal(pthread_create(&callers[i].thread, NULL, call_once, &callers[i]), 0);
  }
  for (int i = 0; i < CALLERS; i++) {
    pthread_join(callers[i].thread, NULL);
    assert_int_equal(callers[i].code, BEAMCAST_OK);
  }
  stop(&s);
  bc_receiver_close(s.receiver);
}

/* Waits until the server has closed the connection. */
static void expect_closed(int fd) {
  bc_message message;
  beamcast_error error = {0};
  int code = bc_receive_message(fd, &message, NULL, bc_deadline(limit), &error);
  if (code == BEAMCAST_OK) {
    bc_message_free(&message);
  }
  assert_int_equal(code, BEAMCAST_ERR_CONNECTION);
}

static void what_makes_no_sense_ends_the_connection(void **state) {
  (void)state;
  scenery s = set_up(true, true);
  start(&s);
  for (int kind = 0; kind < 6; kind++) {
    bc_writer writer = {0};
    int fd = shaken(&s);
    switch (kind) {
    case 0: /* a second call before the first is answered */
      put_call(&writer, 1, 0);
      put_call(&writer, 2, 0);
      break;
    case 1: /* more than was announced */
      put_call(&writer, 1, 8);
      put_part(&writer, 1, 9);
      break;
    case 2: /* of another call */
      put_call(&writer, 1, 8);
      put_part(&writer, 2, 8);
      break;
    case 3: /* of none */
      put_part(&writer, 1, 8);
      break;
    case 4:
      put_call(&writer, 1, BC_CALL_DATA_MAX + 1);
      break;
    default: /* an empty part */
      put_call(&writer, 1, 8);
      put_part(&writer, 1, 0);
    }
    assert_int_equal(bc_send_writer(fd, &writer, bc_deadline(limit), NULL), BEAMCAST_OK);
    expect_closed(fd);
    bc_close_fd(&fd);
    bc_writer_free(&writer);
  }
  stop(&s);
  bc_receiver_close(s.receiver);
}

static void callers_that_leave_do_no_harm(void **state) {
  (void)state;
  scenery s = set_up(true, true);
  bc_call_info call;
  for (int kind = 0; kind < 2; kind++) { /* before and while it is worked on */
    bc_writer writer = {0};
    int fd = shaken(&s);
    put_call(&writer, 1, 3);
    put_part(&writer, 1, 3);
    assert_int_equal(bc_send_writer(fd, &writer, bc_deadline(limit), NULL), BEAMCAST_OK);
    struct pollfd item = {s.fd, POLLIN, 0};
    assert_int_equal(poll(&item, 1, (int)limit * 1000), 1);
    if (kind == 1) {
      assert_true(bc_receiver_next_call(s.receiver, &call));
      assert_int_equal(poll(&item, 1, 0), 0);
      assert_true(bc_receiver_is_awaited(s.receiver, call.id));
    }
    bc_close_fd(&fd);
    bc_writer_free(&writer);
    if (kind == 1) {
      for (int i = 0; i < 6000 && bc_receiver_is_awaited(s.receiver, call.id); i++) {
        (void)usleep(10000);
      }
      assert_false(bc_receiver_is_awaited(s.receiver, call.id));
      assert_memory_equal(call.data, "\0\1\2", 3);
      answer(s.receiver, &call);
    } else { /* it is forgotten, or taken just before */
      bool gone = false;
      for (int i = 0; i < 6000 && !gone; i++) {
        gone = !bc_receiver_next_call(s.receiver, &call);
        if (!gone) {
          answer(s.receiver, &call);
        }
      }
      assert_true(gone);
    }
  }
  /* one that waits when the server ends */
  bc_writer writer = {0};
  int fd = shaken(&s);
  put_call(&writer, 1, 0);
  assert_int_equal(bc_send_writer(fd, &writer, bc_deadline(limit), NULL), BEAMCAST_OK);
  struct pollfd item = {s.fd, POLLIN, 0};
  assert_int_equal(poll(&item, 1, (int)limit * 1000), 1);
  bc_receiver_close(s.receiver);
  expect_closed(fd);
  bc_close_fd(&fd);
  bc_writer_free(&writer);
}

static void too_many_are_refused(void **state) {
  (void)state;
  scenery s = set_up(true, true);
  int fds[BC_CALLS_MAX];
  start(&s);
  for (int i = 0; i < BC_CALLS_MAX; i++) {
    bc_writer writer = {0};
    fds[i] = shaken(&s);
    put_call(&writer, 1, 0);
    assert_int_equal(bc_send_writer(fds[i], &writer, bc_deadline(limit), NULL), BEAMCAST_OK);
    bc_writer_free(&writer);
  }
  bc_reply reply;
  beamcast_error error = {0};
  int code = BEAMCAST_OK;
  /* all that were sent are there soon; until then one more is taken, and waits for its time limit
   */
  for (int i = 0; i < 600 && code != BEAMCAST_ERR_REFUSED; i++) {
    code = bc_call_server(s.contact, NULL, "{}", NULL, 0, 0.1, &reply, &error);
    assert_int_not_equal(code, BEAMCAST_OK);
  }
  assert_int_equal(code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(error.message, "too many"));
  stop(&s);
  for (int i = 0; i < BC_CALLS_MAX; i++) {
    bc_close_fd(&fds[i]);
  }
  bc_receiver_close(s.receiver);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_sent_comes_back_whole),
      cmocka_unit_test(nobody_answers_is_said),
      cmocka_unit_test(rights_come_with_the_call),
      cmocka_unit_test(many_at_a_time_all_get_their_answer),
      cmocka_unit_test(what_makes_no_sense_ends_the_connection),
      cmocka_unit_test(callers_that_leave_do_no_harm),
      cmocka_unit_test(too_many_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
