/* SPDX-License-Identifier: BSD-3-Clause
 * Attaching to a rank's memory; see attach.h. */
#include "attach.h"

#include <stdlib.h>
#include <sys/mman.h>

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
  int code = bc_exchange(fd, &writer, &message, fd_out, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  bc_reader reader = bc_reader_of(message.body, message.size);
  if (message.type == BC_BUFFER) {
    (void)bc_get_u64(&reader);
    (void)bc_get_u32(&reader);
    out->serial = bc_get_u32(&reader) != 0 ? 0 : serial;
    out->address = bc_get_u64(&reader);
    out->size = bc_get_u64(&reader);
    for (int i = 0; i < BC_QUEUES_MAX && fd_out == NULL; i++) {
      out->key[i] = bc_get_u32(&reader);
    }
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

/* --- a link's attachments ------------------------------------------------------------------------
 */

void bc_attached_init(bc_attached *attached) {
  pthread_mutex_init(&attached->telling, NULL);
}

const bc_attachment *bc_attached_find(const bc_attached *attached, uint64_t serial, uint32_t slot,
                                      uint32_t array) {
  for (size_t i = 0; i < attached->count; i++) {
    const bc_attachment *item = &attached->items[i];
    if (item->slot == slot && item->array == array &&
        (item->serial == 0 || item->serial == serial)) {
      return item;
    }
  }
  return NULL;
}

const bc_attachment *bc_attached_for(const bc_attached *attached, const bc_piece *piece,
                                     beamcast_error *error) {
  const bc_attachment *item = bc_attached_find(attached, piece->serial, piece->slot, piece->array);
  if (item == NULL || item->size != bc_volume_bytes(piece->memory.shape, piece->voxel_bytes)) {
    beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's memory has another size");
    return NULL;
  }
  return item;
}

const unsigned char *bc_piece_at(const bc_piece *piece, const bc_box *box) {
  const unsigned char *at = piece->data;
  for (int axis = 0; axis < 3; axis++) {
    at += (int64_t)(box->start[axis] - piece->box.start[axis]) * piece->stride[axis];
  }
  return at;
}

static void unmap(const bc_attachment *item) {
  if (item->data != NULL) {
    (void)munmap(item->data, item->size);
  }
}

int bc_attached_add(bc_attached *attached, const bc_attachment *item, beamcast_error *error) {
  for (size_t i = 0; i < attached->count; i++) {
    if (attached->items[i].slot == item->slot && attached->items[i].array == item->array) {
      unmap(&attached->items[i]);
      attached->items[i] = *item;
      return BEAMCAST_OK;
    }
  }
  bc_attachment *items = realloc(attached->items, (attached->count + 1) * sizeof *items);
  if (items == NULL) {
    unmap(item);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  attached->items = items;
  attached->items[attached->count++] = *item;
  return BEAMCAST_OK;
}

int bc_attached_wrote(bc_attached *attached, int lane, const bc_piece *piece,
                      beamcast_error *error) {
  bc_span_list *list = &attached->wrote[lane];
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 16;
    bc_span *more = realloc(list->spans, capacity * sizeof *more);
    if (more == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    }
    list->spans = more;
    list->capacity = capacity;
  }
  bc_span span = {.serial = piece->serial,
                  .array = piece->array,
                  .box = piece->box,
                  .bytes = bc_volume_bytes(piece->box.shape, piece->voxel_bytes)};
  list->spans[list->count++] = span;
  list->bytes += span.bytes;
  return BEAMCAST_OK;
}

int bc_attached_tell_first(bc_attached *attached, int lane, size_t count, int fd, int64_t deadline,
                           beamcast_error *error) {
  bc_span_list *list = &attached->wrote[lane];
  bc_writer writer = {0};
  for (size_t i = 0; i < count; i++) {
    bc_put_span(&writer, BC_WROTE, &list->spans[i]);
    list->bytes -= list->spans[i].bytes;
  }
  list->count -= count;
  memmove(list->spans, list->spans + count, list->count * sizeof *list->spans);
  pthread_mutex_lock(&attached->telling);
  int code = bc_send_writer(fd, &writer, deadline, error);
  pthread_mutex_unlock(&attached->telling);
  bc_writer_free(&writer);
  return code;
}

int bc_attached_tell(bc_attached *attached, int fd, int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  for (int lane = 0; lane < BC_LANES_MAX; lane++) {
    bc_span_list *list = &attached->wrote[lane];
    for (size_t i = 0; i < list->count; i++) {
      bc_put_span(&writer, BC_WROTE, &list->spans[i]);
    }
    list->count = 0;
    list->bytes = 0;
  }
  int code = bc_send_writer(fd, &writer, deadline, error);
  bc_writer_free(&writer);
  return code;
}

void bc_attached_forget(bc_attached *attached) {
  for (size_t i = 0; i < attached->count; i++) {
    unmap(&attached->items[i]);
  }
  attached->count = 0;
}

void bc_attached_free(bc_attached *attached) {
  bc_attached_forget(attached);
  for (int lane = 0; lane < BC_LANES_MAX; lane++) {
    free(attached->wrote[lane].spans);
  }
  free(attached->items);
  pthread_mutex_destroy(&attached->telling);
  memset(attached, 0, sizeof *attached);
}
