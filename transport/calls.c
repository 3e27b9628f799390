/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server's side of calls. A call is in the receiver's list from its first message until its
 * answer is on the way, and outlives its connection while somebody works on it. Handlers run on the
 * control thread with the lock held; see server.h.
 */
#include "calls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server.h"

typedef enum call_state {
  CALL_COMING, /* its bytes are on their way */
  CALL_WAITING,
  CALL_TAKEN,
  CALL_ANSWERED /* the answer's bytes are being sent */
} call_state;

struct bc_call {
  bc_call *next;
  bc_conn *conn; /* NULL once gone */
  uint64_t id, number;
  int rights;
  call_state state;
  char *json;
  unsigned char *data; /* of the call, then of the answer */
  uint64_t size, done;
  const char *refusal; /* why it is refused once it has come; NULL: it is not */
};

static void call_free(bc_receiver *r, bc_call *call) {
  for (bc_call **at = &r->calls; *at != NULL; at = &(*at)->next) {
    if (*at == call) {
      *at = call->next;
      r->call_count--;
      break;
    }
  }
  if (call->conn != NULL) {
    call->conn->call = NULL;
  }
  free(call->json);
  free(call->data);
  free(call);
}

static void put_reply(bc_writer *writer, const bc_call *call, int code, const char *sentence,
                      const char *json, uint64_t size) {
  size_t begin = bc_message_begin(writer, BC_REPLY);
  bc_put_u64(writer, call->number);
  bc_put_u32(writer, (uint32_t)code);
  bc_put_text(writer, sentence);
  bc_put_u64(writer, size);
  bc_put_text(writer, json);
  bc_message_end(writer, begin);
}

static void refuse(bc_receiver *r, bc_call *call, int code, const char *sentence) {
  bc_writer writer = {0};
  put_reply(&writer, call, code, sentence, "{}", 0);
  bc_conn *conn = call->conn;
  call_free(r, call); /* first: sending may end the connection, and the call with it */
  bc_conn_send(r, conn, &writer);
  bc_writer_free(&writer);
}

/* All of it has come. */
static void complete(bc_receiver *r, bc_call *call) {
  if (r->calls_fd < 0) {
    refuse(r, call, BEAMCAST_ERR_UNSUPPORTED,
           "this server is for ParaView clients: pictures and opening files need the headless "
           "viewer, a session started without --paraview");
  } else if (call->refusal != NULL) {
    refuse(r, call, BEAMCAST_ERR_REFUSED, call->refusal);
  } else {
    uint64_t one = 1;
    call->state = CALL_WAITING;
    (void)!write(r->calls_fd, &one, sizeof one);
  }
}

static bool on_call(bc_receiver *r, bc_conn *conn, bc_reader *reader) {
  uint64_t number = bc_get_u64(reader), size = bc_get_u64(reader);
  uint32_t length = bc_get_u32(reader);
  const unsigned char *json = bc_get_bytes(reader, length);
  if (reader->bad || conn->call != NULL || length > BC_CALL_JSON_MAX || size > BC_CALL_DATA_MAX ||
      (json != NULL && memchr(json, '\0', length) != NULL)) {
    return false;
  }
  bc_call *call = calloc(1, sizeof *call);
  char *text = malloc((size_t)length + 1);
  if (call == NULL || text == NULL) {
    free(call);
    free(text);
    return false;
  }
  if (json != NULL) {
    memcpy(text, json, length);
  }
  text[length] = '\0';
  *call = (bc_call){.conn = conn,
                    .id = ++r->next_call,
                    .number = number,
                    .rights = conn->rights,
                    .json = text,
                    .size = size};
  if (size > 0 && conn->rights != BC_RIGHTS_FULL) {
    call->refusal = "a contact for viewing may send no data";
  } else if (r->call_count >= BC_CALLS_MAX) {
    call->refusal = "too many calls wait for the viewer's answers already; try again later";
  } else if (size > 0 && r->calls_fd >= 0) {
    call->data = malloc(size);
    call->refusal = call->data == NULL ? "the server is out of memory" : NULL;
  }
  bc_call **end = &r->calls;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = call;
  r->call_count++;
  conn->call = call;
  if (size == 0) {
    complete(r, call);
  }
  return true;
}

static bool on_part(bc_receiver *r, bc_conn *conn, bc_reader *reader) {
  bc_call *call = conn->call;
  uint64_t number = bc_get_u64(reader);
  size_t size = reader->size - reader->at;
  if (reader->bad || call == NULL || call->state != CALL_COMING || number != call->number ||
      size == 0 || size > call->size - call->done) {
    return false;
  }
  if (call->data != NULL) {
    memcpy(call->data + call->done, bc_get_bytes(reader, size), size);
  }
  call->done += size;
  if (call->done == call->size) {
    complete(r, call);
  }
  return true;
}

bool bc_calls_message(bc_receiver *r, bc_conn *conn, uint32_t type, bc_reader *reader) {
  return type == BC_CALL ? on_call(r, conn, reader) : type == BC_PART && on_part(r, conn, reader);
}

void bc_calls_conn_gone(bc_receiver *r, bc_conn *conn) {
  bc_call *call = conn->call;
  conn->call = NULL;
  if (call != NULL) {
    call->conn = NULL;
    if (call->state != CALL_TAKEN) {
      call_free(r, call);
    }
  }
}

void bc_calls_flush(bc_receiver *r, bc_conn *conn) {
  while (conn->call != NULL && conn->call->state == CALL_ANSWERED && conn->state == BC_CONN_OPEN &&
         conn->out.size == conn->out_sent) {
    bc_call *call = conn->call;
    uint64_t left = call->size - call->done;
    size_t part = left < BC_CALL_PART_MAX ? (size_t)left : BC_CALL_PART_MAX;
    bc_writer writer = {0};
    size_t begin = bc_message_begin(&writer, BC_PART);
    bc_put_u64(&writer, call->number);
    bc_put_bytes(&writer, call->data + call->done, part);
    bc_message_end(&writer, begin);
    call->done += part;
    if (call->done == call->size) {
      call_free(r, call);
    }
    bc_conn_send(r, conn, &writer);
    bc_writer_free(&writer);
    bc_conn_flush(r, conn);
  }
}

void bc_calls_close(bc_receiver *r) {
  while (r->calls != NULL) {
    call_free(r, r->calls);
  }
  bc_close_fd(&r->calls_fd);
}

/* --- for who answers -----------------------------------------------------------------------------
 */

int bc_receiver_serve_calls(bc_receiver *r, beamcast_error *error) {
  pthread_mutex_lock(&r->lock);
  if (r->calls_fd < 0) {
    r->calls_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
  }
  int fd = r->calls_fd;
  pthread_mutex_unlock(&r->lock);
  if (fd < 0) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no file descriptors are left");
  }
  return fd;
}

bool bc_receiver_next_call(bc_receiver *r, bc_call_info *info) {
  uint64_t one;
  pthread_mutex_lock(&r->lock);
  bc_call *call = r->calls;
  while (call != NULL && call->state != CALL_WAITING) {
    call = call->next;
  }
  if (call != NULL) {
    call->state = CALL_TAKEN;
    *info = (bc_call_info){.id = call->id,
                           .rights = call->rights,
                           .json = call->json,
                           .data = call->data,
                           .size = call->size};
  }
  bool more = false; /* readable exactly while a call waits, whatever callers did meanwhile */
  for (const bc_call *at = r->calls; at != NULL; at = at->next) {
    more = more || at->state == CALL_WAITING;
  }
  while (!more && r->calls_fd >= 0 && read(r->calls_fd, &one, sizeof one) == sizeof one) {
  }
  pthread_mutex_unlock(&r->lock);
  return call != NULL;
}

bool bc_receiver_is_awaited(bc_receiver *r, uint64_t id) {
  pthread_mutex_lock(&r->lock);
  const bc_call *call = r->calls;
  while (call != NULL && (call->id != id || call->state != CALL_TAKEN)) {
    call = call->next;
  }
  const bool awaited = call != NULL && call->conn != NULL;
  pthread_mutex_unlock(&r->lock);
  return awaited;
}

int bc_receiver_reply(bc_receiver *r, uint64_t id, int code, const char *sentence, const char *json,
                      const void *data, uint64_t size, beamcast_error *error) {
  int result = BEAMCAST_OK;
  unsigned char *copy = NULL;
  char text[BC_SENTENCE_MAX];
  (void)snprintf(text, sizeof text, "%s", sentence != NULL ? sentence : "");
  if ((json != NULL && strlen(json) > BC_CALL_JSON_MAX) || size > BC_REPLY_DATA_MAX) {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "an answer has at most 128 KiB of JSON and 1 GiB of data");
  } else if (size > 0 && (copy = malloc(size)) == NULL) {
    result = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "the server is out of memory");
  }
  if (result != BEAMCAST_OK) {
    (void)snprintf(text, sizeof text, "the answer could not be sent: it is too large");
    code = BEAMCAST_ERR_MEMORY;
    json = NULL;
    size = 0;
  } else if (copy != NULL) {
    memcpy(copy, data, size);
  }
  pthread_mutex_lock(&r->lock);
  bc_call *call = r->calls;
  while (call != NULL && (call->id != id || call->state != CALL_TAKEN)) {
    call = call->next;
  }
  if (call != NULL && call->conn == NULL) {
    call_free(r, call);
  } else if (call != NULL) {
    bc_writer writer = {0};
    put_reply(&writer, call, code, text, json != NULL ? json : "{}", size);
    bc_conn_send(r, call->conn, &writer);
    bc_writer_free(&writer);
    free(call->data);
    call->data = copy;
    copy = NULL;
    call->size = size;
    call->done = 0;
    call->state = CALL_ANSWERED;
    if (size == 0 || call->conn == NULL) {
      call_free(r, call);
    }
    bc_wake(r);
  }
  pthread_mutex_unlock(&r->lock);
  free(copy);
  return result;
}
