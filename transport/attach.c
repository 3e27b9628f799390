/* SPDX-License-Identifier: BSD-3-Clause
 * Attaching to a rank's memory; see attach.h. */
#include "attach.h"

#include <stdlib.h>

int bc_refusal(const bc_message *message, beamcast_error *error) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  bc_verdict verdict;
  if ((message->type != BC_REFUSE && message->type != BC_FAIL) ||
      !bc_get_verdict(&reader, &verdict) || verdict.code == BEAMCAST_OK ||
      verdict.code > BEAMCAST_DROPPED) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's answer makes no sense");
  }
  return beamcast_fail(error, (int)verdict.code, "%s", verdict.sentence);
}

int bc_attach(int fd, uint64_t serial, uint32_t array, bc_attachment *out, int *fd_out,
              int64_t deadline, beamcast_error *error) {
  bc_span span = {.serial = serial, .array = array};
  bc_writer writer = {0};
  bc_message message;
  bc_put_span(&writer, BC_ATTACH, &span);
  int code = bc_send_writer(fd, &writer, deadline, error);
  bc_writer_free(&writer);
  if (code == BEAMCAST_OK) {
    code = bc_receive_message(fd, &message, fd_out, deadline, error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  bc_reader reader = bc_reader_of(message.body, message.size);
  if (message.type == BC_BUFFER) {
    (void)bc_get_u64(&reader);
    (void)bc_get_u32(&reader);
    out->key = bc_get_u32(&reader);
    out->address = bc_get_u64(&reader);
    out->size = bc_get_u64(&reader);
    if (reader.bad || out->size == 0 || (fd_out != NULL && *fd_out < 0)) {
      code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server passed no memory");
    }
  } else {
    code = bc_refusal(&message, error);
  }
  bc_message_free(&message);
  if (code != BEAMCAST_OK && fd_out != NULL) {
    bc_close_fd(fd_out);
  }
  return code;
}

int bc_spans_add(bc_spans *spans, const bc_piece *piece, uint64_t bytes, beamcast_error *error) {
  if (spans->count == spans->capacity) {
    size_t capacity = spans->capacity ? 2 * spans->capacity : 16;
    bc_span *more = realloc(spans->spans, capacity * sizeof *more);
    if (more == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    }
    spans->spans = more;
    spans->capacity = capacity;
  }
  spans->spans[spans->count++] =
      (bc_span){.serial = piece->serial, .array = piece->array, .box = piece->box, .bytes = bytes};
  return BEAMCAST_OK;
}

int bc_spans_send(bc_spans *spans, int fd, int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  for (size_t i = 0; i < spans->count; i++) {
    bc_put_span(&writer, BC_WROTE, &spans->spans[i]);
  }
  spans->count = 0;
  int code = bc_send_writer(fd, &writer, deadline, error);
  bc_writer_free(&writer);
  return code;
}

void bc_spans_free(bc_spans *spans) {
  free(spans->spans);
  memset(spans, 0, sizeof *spans);
}
