/* SPDX-License-Identifier: BSD-3-Clause
 * Messages made by hand; see forger.h. */
#include "forger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handshake.h"
#include "socket.h"

bc_contact forger_contact(const server *s) {
  bc_contact contact;
  assert_int_equal(bc_contact_read(s->contact, NULL, &contact, NULL), BEAMCAST_OK);
  return contact;
}

int forger_dial(const bc_contact *contact) {
  beamcast_error error = {0};
  int fd = bc_connect_tcp(contact->host, contact->port, bc_deadline(60), &error);
  if (fd < 0) {
    fail_test("connect: %s", error.message);
  }
  return fd;
}

/* A connection past its handshake; the message's code goes to *code, and -1 comes if it failed. */
int forger_shake(const bc_contact *contact, const bc_token *token, int role, int *code) {
  int fd = forger_dial(contact);
  *code = bc_handshake(fd, role, 0, token, bc_deadline(60), NULL);
  if (*code != BEAMCAST_OK) {
    bc_close_fd(&fd);
  }
  return fd;
}

int forger_shaken(const bc_contact *contact, int role) {
  int code, fd = forger_shake(contact, &contact->token, role, &code);
  assert_int_equal(code, BEAMCAST_OK);
  return fd;
}

/* Reads on until the server closes the connection. */
void forger_expect_closed(int fd) {
  char scratch[4096];
  for (int i = 0; i < 100000; i++) {
    if (bc_wait(fd, POLLIN, bc_deadline(60), NULL) != BEAMCAST_OK) {
      fail_test("the server did not close a connection");
    }
    ssize_t done = read(fd, scratch, sizeof scratch);
    if (done == 0 || (done < 0 && errno != EAGAIN && errno != EINTR)) {
      return;
    }
  }
  fail_test("the server talks without end");
}

void forger_send(int fd, bc_writer *writer) {
  (void)bc_send_writer(fd, writer, bc_deadline(60), NULL);
  bc_writer_free(writer);
}

bc_message forger_receive(int fd, uint32_t type) {
  bc_message message;
  for (int i = 0; i < 100; i++) {
    beamcast_error error = {0};
    if (bc_receive_message(fd, &message, NULL, bc_deadline(60), &error) != BEAMCAST_OK) {
      fail_test("message %u did not come: %s", type, error.message);
    }
    if (message.type == type) {
      return message;
    }
    bc_message_free(&message);
  }
  fail_test("message %u did not come", type);
}

bc_grid forger_grid(void) {
  bc_grid grid = {
      .volume = {8, 8, 8}, .spacing = {1, 1, 1}, .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  return grid;
}

forger forger_open(const bc_contact *contact, uint64_t run) {
  return forger_open_stream(contact, "forged", run);
}

forger forger_open_stream(const bc_contact *contact, const char *stream, uint64_t run) {
  forger f = {.control = forger_shaken(contact, BC_ROLE_PRODUCER)};
  bc_writer writer = {0};
  bc_join join = {.run_id = run, .ranks = 1};
  (void)snprintf(join.stream, sizeof join.stream, "%s", stream);
  bc_put_join(&writer, &join);
  forger_send(f.control, &writer);
  bc_message message = forger_receive(f.control, BC_WELCOME);
  bc_reader reader = bc_reader_of(message.body, message.size);
  f.session = bc_get_u64(&reader);
  bc_message_free(&message);
  size_t begin = bc_message_begin(&writer, BC_BEGIN);
  bc_put_u64(&writer, 1);
  bc_put_f64(&writer, 0);
  bc_put_f64(&writer, 10);
  bc_message_end(&writer, begin);
  forger_send(f.control, &writer);
  message = forger_receive(f.control, BC_GRANT);
  reader = bc_reader_of(message.body, message.size);
  f.serial = bc_get_u64(&reader);
  bc_message_free(&message);
  bc_declare declare = {.serial = f.serial, .grid = forger_grid()};
  declare.array = (bc_array_spec){.name = "volume", .type = BEAMCAST_UINT16, .components = 1};
  bc_put_declare(&writer, &declare);
  forger_send(f.control, &writer);
  message = forger_receive(f.control, BC_LAYOUT);
  bc_message_free(&message);
  f.data = forger_shaken(contact, BC_ROLE_WRITER);
  bc_put_number(&writer, BC_BIND, f.session);
  forger_send(f.data, &writer);
  message = forger_receive(f.data, BC_BOUND);
  bc_message_free(&message);
  return f;
}

void forger_close(forger *f) {
  bc_close_fd(&f->data);
  bc_close_fd(&f->control);
}

void forger_span(const forger *f, uint32_t array, const bc_box *box, uint64_t bytes) {
  bc_writer writer = {0};
  bc_span span = {.serial = f->serial, .array = array, .box = *box, .bytes = bytes};
  bc_put_span(&writer, BC_WRITE, &span);
  forger_send(f->data, &writer);
}

void forger_end(const forger *f, uint64_t arrays, size_t header, uint32_t account_rank,
                uint64_t bytes) {
  bc_writer writer = {0};
  char *text = malloc(header + 1);
  assert_non_null(text);
  memset(text, ' ', header);
  text[header] = '\0';
  memcpy(text, "{}", header < 2 ? header : 2);
  size_t begin = bc_message_begin(&writer, BC_END);
  bc_put_u64(&writer, f->serial);
  bc_put_u32(&writer, 0);
  bc_put_u64(&writer, UINT64_MAX); /* the version */
  bc_put_u64(&writer, arrays);
  bc_put_text(&writer, text);
  bc_put_u32(&writer, 1);
  bc_put_u32(&writer, account_rank);
  bc_put_u64(&writer, bytes);
  bc_message_end(&writer, begin);
  forger_send(f->control, &writer);
  free(text);
}
