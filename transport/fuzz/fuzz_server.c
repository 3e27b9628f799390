/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server of one rank, and peers with its token that send whatever comes, in any order: what is no
 * message, messages as they should be at a moment when they may not belong, and lies about what was
 * sent. The server lives on from input to input; after each, a good producer's step must arrive
 * whole.
 *
 * An input: messages of a byte that says who sends it, a byte for its type, two for the size of its
 * body, and the body; where the first says so, the body begins with the serial of the step that is
 * open, or with the session. A type from 192 on is no message's but an action: then the body is its
 * four numbers.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "handshake.h"
#include "receiver.h"
#include "sender.h"
#include "socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { ROLES = 4, PEERS = 2 * ROLES, SECOND = 16, SERIAL = 64, SESSION = 128, ACTIONS = 192 };

/* What well-formed messages are made of: what the server has said, and what was sent. */
typedef struct peers {
  int fd[PEERS]; /* two of each role */
  uint64_t session, serial, version, written;
} peers;

typedef enum action {
  ACT_JOIN,
  ACT_BEGIN,
  ACT_DECLARE,
  ACT_WRITE,
  ACT_WRITE_LESS,
  ACT_SYNC,
  ACT_END,
  ACT_END_LYING,
  ACT_GIVE_UP,
  ACT_LOOK,
  ACT_READ,
  ACT_ATTACH,
  ACT_BIND,
  ACT_CLAIM, /* WROTE, though nothing was */
  ACT_VERBS,
  ACT_BYE,
  ACT_LEAVE, /* without a word */
  ACT_COUNT
} action;

static bc_receiver *receiver;
static bc_contact contact;
static char path[64];

static void quiet(void *context, const char *line) {
  (void)context;
  (void)line;
}

static void remove_contact(void) {
  (void)unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
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
  (void)atexit(remove_contact);
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

/* Reads what the server has answered. */
static void listen_to(peers *p, int fd) {
  struct pollfd item = {.fd = fd, .events = POLLIN};
  bc_message message;
  while (poll(&item, 1, 0) > 0 &&
         bc_receive_message(fd, &message, NULL, bc_deadline(9), NULL) == BEAMCAST_OK) {
    bc_reader reader = bc_reader_of(message.body, message.size);
    if (message.type == BC_GRANT) {
      p->serial = bc_get_u64(&reader);
      p->written = 0;
    } else if (message.type == BC_WELCOME) {
      p->session = bc_get_u64(&reader);
    } else if (message.type == BC_LAYOUT) {
      p->version = bc_get_u64(&reader);
    }
    bc_message_free(&message);
  }
}

/* --- actions -------------------------------------------------------------------------------------
 */

static void put_end(bc_writer *writer, const peers *p, bool given_up, uint64_t bytes) {
  size_t at = bc_message_begin(writer, BC_END);
  bc_put_u64(writer, p->serial);
  bc_put_u32(writer, given_up);
  bc_put_u64(writer, p->version);
  bc_put_u64(writer, 1);
  bc_put_text(writer, "{}");
  bc_put_u32(writer, 1);
  bc_put_u32(writer, 0);
  bc_put_u64(writer, bytes);
  bc_message_end(writer, at);
}

static bc_span span_of(const peers *p, const uint8_t n[4]) {
  bc_span span = {.serial = p->serial, .array = n[3] % 2};
  span.box.start[2] = n[0] % 4;
  span.box.shape[0] = span.box.shape[1] = 8;
  span.box.shape[2] = 1 + n[1] % 5;
  span.bytes = bc_box_count(&span.box) * (n[2] % 8 ? 2 : n[2]);
  return span;
}

static void put_voxels(bc_writer *writer, peers *p, const bc_span *span, uint64_t bytes) {
  static const unsigned char voxels[8 * 8 * 5 * 255];
  bc_put_span(writer, BC_WRITE, span);
  bc_put_bytes(writer, voxels, bytes < sizeof voxels ? (size_t)bytes : sizeof voxels);
  p->written += bytes;
}

static void put_action(bc_writer *writer, peers *p, action what, const uint8_t n[4]) {
  bc_join join = {.stream = "volume", .run_id = 1 + n[0] % 3u, .ranks = 1 + n[2] % 2u};
  bc_declare declare = {.serial = p->serial,
                        .grid = {.volume = {8, 8, 1 + n[0] % 8u}, .spacing = {1, 1, 1}},
                        .array = {.name = "a", .type = 1 + n[1] % 9u, .components = 1}};
  bc_span span = span_of(p, n);
  size_t at;
  join.rank = n[1] % join.ranks;
  declare.array.name[0] = (char)('a' + n[2] % 2);
  switch (what) {
  case ACT_JOIN:
    bc_put_join(writer, &join);
    break;
  case ACT_BEGIN:
    at = bc_message_begin(writer, BC_BEGIN);
    bc_put_u64(writer, n[0]);
    bc_put_f64(writer, n[1]);
    bc_put_f64(writer, n[2]);
    bc_message_end(writer, at);
    break;
  case ACT_DECLARE:
    bc_put_declare(writer, &declare);
    break;
  case ACT_WRITE:
  case ACT_WRITE_LESS:
    put_voxels(writer, p, &span, what == ACT_WRITE ? span.bytes : span.bytes / 2);
    break;
  case ACT_SYNC:
    bc_put_number(writer, BC_SYNC, n[0]);
    break;
  case ACT_END:
  case ACT_END_LYING:
  case ACT_GIVE_UP:
    put_end(writer, p, what == ACT_GIVE_UP, what == ACT_END ? p->written : n[0]);
    break;
  case ACT_LOOK:
    at = bc_message_begin(writer, BC_LOOK);
    bc_put_text(writer, "volume");
    bc_message_end(writer, at);
    break;
  case ACT_READ:
    bc_put_span(writer, BC_READ, &span);
    break;
  case ACT_ATTACH:
    bc_put_span(writer, BC_ATTACH, &span);
    break;
  case ACT_CLAIM:
    bc_put_span(writer, BC_WROTE, &span);
    p->written += span.bytes;
    break;
  case ACT_BIND:
    bc_put_number(writer, BC_BIND, p->session);
    break;
  case ACT_VERBS:
    bc_message_empty(writer, BC_VERBS_OPEN);
    break;
  default:
    bc_message_empty(writer, BC_BYE);
  }
}

/* A message of raw bytes. */
static void put_raw(bc_writer *writer, const peers *p, uint8_t who, uint8_t type,
                    const unsigned char *body, size_t length) {
  size_t at = bc_message_begin(writer, (bc_message_type)type);
  if ((who & (SERIAL | SESSION)) != 0) {
    bc_put_u64(writer, who & SERIAL ? p->serial : p->session);
  }
  bc_put_bytes(writer, body, length);
  if (type != BC_WRITE) { /* after the head of a WRITE come voxels, outside the message */
    bc_message_end(writer, at);
    return;
  }
  uint64_t head = writer->size - at - BC_FRAME_BYTES;
  head = head < 80 ? head : 80;
  for (int k = 0; k < 8; k++) {
    writer->data[at + 8 + (size_t)k] = (unsigned char)(head >> (8 * k));
  }
}

/* --- afterwards ----------------------------------------------------------------------------------
 */

/* The newest step, if it is of this run; to be released. */
static bc_frame *newest_of(uint64_t run) {
  bc_frame_info info = {0};
  uint64_t pick = bc_receiver_pick(receiver, "volume", 0, BC_PICK_NEWEST);
  bc_frame *frame = pick ? bc_receiver_take(receiver, pick) : NULL;
  if (frame != NULL) {
    bc_frame_describe(frame, &info);
  }
  if (frame != NULL && info.run_id != run) {
    bc_frame_release(frame);
    frame = NULL;
  }
  return frame;
}

/* Whoever comes next pushes a step, and it is shown as it was sent. */
static void check_next(void) {
  static const bc_grid grid = {.volume = {8, 8, 8}, .spacing = {1, 1, 1}};
  static const bc_array_spec spec = {.name = "next", .type = BEAMCAST_UINT8, .components = 1};
  static const bc_box box = {.shape = {8, 8, 8}};
  static const int64_t stride[3] = {1, 8, 64};
  static uint64_t run = UINT64_C(1) << 40;
  unsigned char voxels[512];
  const bc_sender_options options = {
      .stream = "volume", .run_id = ++run, .ranks = 1, .limit = 20, .wire = "tcp"};
  memset(voxels, (int)(run % 251), sizeof voxels);
  beamcast_error why = {0};
  bc_sender *next = bc_sender_open(path, NULL, &options, &why);
  int code = next ? BEAMCAST_DROPPED : BEAMCAST_ERR_CONNECTION;
  for (uint64_t step = 1; code == BEAMCAST_DROPPED && step < 20000; step++) {
    code = bc_sender_begin(next, step, 0, &why);
    (void)poll(NULL, 0, code == BEAMCAST_DROPPED);
  }
  if (code != BEAMCAST_OK ||
      bc_sender_put(next, &spec, &grid, &box, voxels, stride, &why) != BEAMCAST_OK ||
      bc_sender_end(next, "{}", &why) != BEAMCAST_OK) {
    (void)fprintf(stderr, "the next producer is not served: %s\n", why.message);
    abort();
  }
  bc_frame *frame = NULL;
  bc_array array;
  for (int64_t deadline = bc_deadline(20); (frame = newest_of(run)) == NULL;) {
    if (bc_now() > deadline) {
      (void)fprintf(stderr, "the next producer's step is not shown\n");
      abort();
    }
    (void)poll(NULL, 0, 1);
  }
  bc_sender_close(next);
  bc_frame_array(frame, 0, &array);
  if (strcmp(array.name, spec.name) != 0 || memcmp(array.data, voxels, sizeof voxels) != 0) {
    abort();
  }
  bc_frame_release(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int roles[ROLES] = {BC_ROLE_PRODUCER, BC_ROLE_WRITER, BC_ROLE_VIEWER,
                                   BC_ROLE_FETCHER};
  peers p = {.fd = {-1, -1, -1, -1, -1, -1, -1, -1}};
  bc_reader reader = bc_reader_of(data, size);
  p.fd[0] = dial(roles[0]);
  begin(p.fd[0], &p.session, &p.serial);
  for (int count = 0; count < 64 && reader.at < reader.size; count++) {
    uint8_t who = bc_get_u8(&reader), type = bc_get_u8(&reader), low = bc_get_u8(&reader);
    size_t length = low | (size_t)bc_get_u8(&reader) << 8;
    length = length < reader.size - reader.at ? length : reader.size - reader.at;
    const unsigned char *body = bc_get_bytes(&reader, length);
    int i = who % ROLES + (who & SECOND ? ROLES : 0);
    uint8_t numbers[4] = {0};
    bc_writer writer = {0};
    if (reader.bad) {
      break;
    }
    if (p.fd[i] < 0) {
      p.fd[i] = dial(roles[i % ROLES]);
      if (i % ROLES == 1) {
        bc_put_number(&writer, BC_BIND, p.session);
      }
    }
    memcpy(numbers, body, length < sizeof numbers ? length : sizeof numbers);
    if (type < ACTIONS) {
      put_raw(&writer, &p, who, type, body, length);
    } else {
      put_action(&writer, &p, (action)((type - ACTIONS) % ACT_COUNT), numbers);
    }
    (void)bc_send_writer(p.fd[i], &writer, bc_deadline(1), NULL);
    bc_writer_free(&writer);
    listen_to(&p, p.fd[i]);
    if (type >= ACTIONS && (type - ACTIONS) % ACT_COUNT == ACT_LEAVE) {
      bc_close_fd(&p.fd[i]);
    }
  }
  for (int i = 0; i < PEERS; i++) {
    bc_close_fd(&p.fd[i]);
  }
  check_next();
  return 0;
}
