/* SPDX-License-Identifier: BSD-3-Clause
 * The client's side of calls; see calls.h. */
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "calls.h"
#include "dial.h"

enum { NUMBER = 1, GROW = 4 << 20 };

static int send_call(int fd, const char *json, const unsigned char *data, uint64_t size,
                     int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  size_t begin = bc_message_begin(&writer, BC_CALL);
  bc_put_u64(&writer, NUMBER);
  bc_put_u64(&writer, size);
  bc_put_text(&writer, json);
  bc_message_end(&writer, begin);
  int code = bc_send_writer(fd, &writer, deadline, error);
  for (uint64_t done = 0; done < size && code == BEAMCAST_OK;) {
    size_t part = size - done < BC_CALL_PART_MAX ? (size_t)(size - done) : BC_CALL_PART_MAX;
    begin = bc_message_begin(&writer, BC_PART);
    bc_put_u64(&writer, NUMBER);
    bc_put_bytes(&writer, data + done, part);
    bc_message_end(&writer, begin);
    done += part;
    code = bc_send_writer(fd, &writer, deadline, error);
  }
  bc_writer_free(&writer);
  return code;
}

static int nonsense(beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's answer makes no sense");
}

/* Reads REPLY; reply->size becomes the bytes that follow. */
static int take_reply(const bc_message *message, bc_reply *reply, beamcast_error *error) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  char sentence[BC_SENTENCE_MAX];
  if (message->type != BC_REPLY) {
    return bc_refusal(message, error);
  }
  uint64_t number = bc_get_u64(&reader);
  uint32_t code = bc_get_u32(&reader);
  bc_get_text(&reader, sentence, sizeof sentence);
  reply->size = bc_get_u64(&reader);
  uint32_t length = bc_get_u32(&reader);
  const unsigned char *json = bc_get_bytes(&reader, length);
  if (reader.bad || number != NUMBER || length > BC_CALL_JSON_MAX ||
      reply->size > BC_REPLY_DATA_MAX || code > 64) {
    return nonsense(error);
  }
  if (code != BEAMCAST_OK) {
    return beamcast_fail(error, (int)code, "%s", sentence);
  }
  reply->json = malloc((size_t)length + 1);
  if (reply->json == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  memcpy(reply->json, length > 0 ? json : (const unsigned char *)"", length);
  reply->json[length] = '\0';
  return BEAMCAST_OK;
}

/* Memory grows with what comes: a server that lies about its size costs nothing. */
static int take_part(const bc_message *message, bc_reply *reply, uint64_t *done, uint64_t *room,
                     beamcast_error *error) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  uint64_t number = bc_get_u64(&reader);
  size_t size = message->size - reader.at;
  if (message->type != BC_PART || reader.bad || number != NUMBER || size == 0 ||
      size > reply->size - *done) {
    return nonsense(error);
  }
  if (*done + size > *room) {
    uint64_t more = 2 * *room + GROW;
    more = more < reply->size ? more : reply->size;
    unsigned char *data = realloc(reply->data, more);
    if (data == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    }
    reply->data = data;
    *room = more;
  }
  memcpy(reply->data + *done, bc_get_bytes(&reader, size), size);
  *done += size;
  return BEAMCAST_OK;
}

static int receive_reply(int fd, bc_reply *reply, int64_t deadline, beamcast_error *error) {
  bc_message message;
  uint64_t done = 0, room = 0;
  int code = bc_receive_message(fd, &message, NULL, deadline, error);
  if (code == BEAMCAST_OK) {
    code = take_reply(&message, reply, error);
    bc_message_free(&message);
  }
  while (code == BEAMCAST_OK && done < reply->size) {
    code = bc_receive_message(fd, &message, NULL, deadline, error);
    if (code == BEAMCAST_OK) {
      code = take_part(&message, reply, &done, &room, error);
      bc_message_free(&message);
    }
  }
  return code;
}

int bc_call_server(const char *contact, const char *token, const char *json, const void *data,
                   uint64_t size, double limit, bc_reply *reply, beamcast_error *error) {
  bc_dialer dialer;
  int64_t deadline = bc_deadline(limit);
  memset(reply, 0, sizeof *reply);
  if (strlen(json) > BC_CALL_JSON_MAX || size > BC_CALL_DATA_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a call has at most 128 KiB of JSON and 256 MiB of data");
  }
  beamcast_error failure = {0};
  int fd = bc_dial_root(&dialer, contact, token, BC_ROLE_VIEWER, deadline, &failure);
  int code = failure.code != BEAMCAST_OK ? failure.code : BEAMCAST_ERR_CONNECTION;
  if (fd >= 0) {
    code = send_call(fd, json, data, size, deadline, &failure);
    code = code == BEAMCAST_OK ? receive_reply(fd, reply, deadline, &failure) : code;
    bc_close_fd(&fd);
  }
  if (code != BEAMCAST_OK) {
    bc_reply_free(reply);
    return beamcast_fail(error, code, "%s", failure.message);
  }
  return BEAMCAST_OK;
}

void bc_reply_free(bc_reply *reply) {
  free(reply->json);
  free(reply->data);
  memset(reply, 0, sizeof *reply);
}
