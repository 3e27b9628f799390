/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server of one rank, and peers with its token that send whatever comes. The server lives on from
 * input to input. An input: messages of a byte that says who sends it, a byte for its type, two for
 * the size of its body, and the body; where the first says so, the body begins with the serial of
 * the step that is open, or with the session.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "handshake.h"
#include "receiver.h"
#include "socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { ROLES = 4, SERIAL = 64, SESSION = 128 };

static bc_receiver *receiver;
static bc_contact contact;

static void quiet(void *context, const char *line) {
  (void)context;
  (void)line;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  char path[64];
  unsigned char address[BC_ADDRESS_BYTES];
  (void)argc;
  (void)argv;
  (void)snprintf(path, sizeof path, "/tmp/beamcast-fuzz-%ld.json", (long)getpid());
  const bc_receiver_options options = {
      .host = "127.0.0.1", .contact = path, .memory_limit = 16 << 20, .log = quiet};
  receiver = bc_receiver_open(&options, NULL);
  if (receiver == NULL) {
    abort();
  }
  bc_receiver_address(receiver, address);
  if (bc_receiver_join(receiver, address, NULL) != BEAMCAST_OK ||
      bc_contact_read(path, NULL, &contact, NULL) != BEAMCAST_OK) {
    abort();
  }
  if (bc_receiver_serve_calls(receiver, NULL) < 0) {
    abort();
  }
  (void)unlink(path);
  return 0;
}

static int dial(int role) {
  int fd = bc_connect_tcp(contact.host, contact.port, bc_deadline(9), NULL);
  if (fd < 0 || bc_handshake(fd, role, 0, &contact.token, bc_deadline(9), NULL) != BEAMCAST_OK) {
    abort(); /* the server does not serve any more */
  }
  return fd;
}

static uint64_t ask(int fd, bc_writer *writer, uint32_t type) {
  bc_message message;
  uint64_t number = 0;
  if (bc_send_writer(fd, writer, bc_deadline(9), NULL) != BEAMCAST_OK ||
      bc_receive_message(fd, &message, NULL, bc_deadline(9), NULL) != BEAMCAST_OK) {
    abort();
  }
  if (message.type == type) {
    bc_reader reader = bc_reader_of(message.body, message.size);
    number = bc_get_u64(&reader);
  }
  bc_message_free(&message);
  bc_writer_free(writer);
  return number;
}

/* Joins, begins a step and declares an array, as a good producer does. */
static void begin(int fd, uint64_t *session, uint64_t *serial) {
  static uint64_t run;
  bc_writer writer = {0};
  const bc_join join = {.stream = "volume", .run_id = ++run, .ranks = 1};
  bc_declare declare = {.grid = {.volume = {8, 8, 8}, .spacing = {1, 1, 1}},
                        .array = {.name = "volume", .type = BEAMCAST_UINT16, .components = 1}};
  bc_put_join(&writer, &join);
  *session = ask(fd, &writer, BC_WELCOME);
  size_t at = bc_message_begin(&writer, BC_BEGIN);
  bc_put_u64(&writer, 1);
  bc_put_f64(&writer, 0);
  bc_put_f64(&writer, 1);
  bc_message_end(&writer, at);
  *serial = ask(fd, &writer, BC_GRANT);
  declare.serial = *serial;
  bc_put_declare(&writer, &declare);
  (void)ask(fd, &writer, BC_LAYOUT);
}

static void drain(int fd) {
  struct pollfd item = {.fd = fd, .events = POLLIN};
  char scratch[4096];
  while (poll(&item, 1, 0) > 0 && read(fd, scratch, sizeof scratch) > 0) {
  }
}

/* Each call is answered with what came. */
static void answer_calls(void) {
  bc_call_info call;
  while (bc_receiver_next_call(receiver, &call)) {
    (void)bc_receiver_reply(receiver, call.id, BEAMCAST_OK, "", call.json, call.data, call.size,
                            NULL);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int roles[ROLES] = {BC_ROLE_PRODUCER, BC_ROLE_WRITER, BC_ROLE_VIEWER,
                                   BC_ROLE_FETCHER};
  int fd[ROLES] = {-1, -1, -1, -1};
  uint64_t session = 0, serial = 0;
  bc_reader reader = bc_reader_of(data, size);
  fd[0] = dial(roles[0]);
  begin(fd[0], &session, &serial);
  for (int count = 0; count < 64 && reader.at < reader.size; count++) {
    uint8_t who = bc_get_u8(&reader), type = bc_get_u8(&reader), low = bc_get_u8(&reader);
    size_t length = low | (size_t)bc_get_u8(&reader) << 8;
    length = length < reader.size - reader.at ? length : reader.size - reader.at;
    const unsigned char *body = bc_get_bytes(&reader, length);
    int i = who % ROLES;
    bc_writer writer = {0};
    if (reader.bad) {
      break;
    }
    if (fd[i] < 0) {
      fd[i] = dial(roles[i]);
      if (i == 1) {
        bc_put_number(&writer, BC_BIND, session);
      }
    }
    size_t at = bc_message_begin(&writer, (bc_message_type)type);
    if ((who & (SERIAL | SESSION)) != 0) {
      bc_put_u64(&writer, who & SERIAL ? serial : session);
    }
    bc_put_bytes(&writer, body, length);
    if (type != BC_WRITE) { /* after the head of a WRITE come voxels, outside the message */
      bc_message_end(&writer, at);
    } else {
      uint64_t head = writer.size - at - BC_FRAME_BYTES;
      head = head < 80 ? head : 80;
      for (int k = 0; k < 8; k++) {
        writer.data[at + 8 + (size_t)k] = (unsigned char)(head >> (8 * k));
      }
    }
    (void)bc_send_writer(fd[i], &writer, bc_deadline(1), NULL);
    bc_writer_free(&writer);
    drain(fd[i]);
    answer_calls();
  }
  for (int i = 0; i < ROLES; i++) {
    bc_close_fd(&fd[i]);
  }
  bc_stream_status status;
  bc_receiver_status(receiver, "volume", &status);
  uint64_t pick = bc_receiver_pick(receiver, "volume", 0, BC_PICK_NEWEST);
  bc_frame *frame = pick ? bc_receiver_take(receiver, pick) : NULL;
  if (frame != NULL) {
    bc_frame_release(frame);
  }
  return 0;
}
