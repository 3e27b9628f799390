/* SPDX-License-Identifier: BSD-3-Clause
 * Decoders of messages: what they let through is within the limits, and comes back the same when it
 * is written and read again. The first byte chooses the decoder. */
#include <stdlib.h>
#include <string.h>

#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition) {
  if (!condition) {
    abort();
  }
}

/* Decodes what the writer holds (a message if framed) once more; it must be the same. */
#define AGAIN(TYPE, FRAMED, PUT, GET)                                                              \
  do {                                                                                             \
    TYPE again;                                                                                    \
    memset(&again, 0, sizeof again);                                                               \
    PUT;                                                                                           \
    reader = bc_reader_of(writer.data + (FRAMED), writer.size - (FRAMED));                         \
    must(GET);                                                                                     \
    must(reader.at == reader.size);                                                                \
    must(memcmp(&value, &again, sizeof again) == 0);                                               \
  } while (0)

static void join(bc_reader reader) {
  bc_join value;
  bc_writer writer = {0};
  memset(&value, 0, sizeof value);
  if (bc_get_join(&reader, &value)) {
    must(value.rank < value.ranks && value.ranks <= BC_RANKS_MAX);
    AGAIN(bc_join, BC_FRAME_BYTES, bc_put_join(&writer, &value), bc_get_join(&reader, &again));
  }
  bc_writer_free(&writer);
}

static void declare(bc_reader reader) {
  bc_declare value;
  bc_writer writer = {0};
  memset(&value, 0, sizeof value);
  if (bc_get_declare(&reader, &value)) {
    must(bc_volume_bytes(value.grid.volume, 32) > 0);
    must(beamcast_type_size((int)value.array.type) > 0);
    must(value.array.components >= 1 && value.array.components <= 4);
    AGAIN(bc_declare, BC_FRAME_BYTES, bc_put_declare(&writer, &value),
          bc_get_declare(&reader, &again));
  }
  bc_writer_free(&writer);
}

static void span(bc_reader reader) {
  bc_span value;
  bc_writer writer = {0};
  memset(&value, 0, sizeof value);
  if (bc_get_span(&reader, &value)) {
    must(value.array < BC_ARRAYS_MAX);
    must(bc_box_is_empty(&value.box) || bc_volume_bytes(value.box.shape, 32) > 0);
    AGAIN(bc_span, BC_FRAME_BYTES, bc_put_span(&writer, BC_WRITE, &value),
          bc_get_span(&reader, &again));
  }
  bc_writer_free(&writer);
}

static void verdict(bc_reader reader) {
  bc_verdict value;
  bc_writer writer = {0};
  memset(&value, 0, sizeof value);
  if (bc_get_verdict(&reader, &value)) {
    AGAIN(bc_verdict, BC_FRAME_BYTES,
          bc_put_verdict(&writer, BC_REFUSE, value.about, value.code, value.number, value.sentence),
          bc_get_verdict(&reader, &again));
  }
  bc_writer_free(&writer);
}

static void plan(bc_reader reader) {
  bc_plan value;
  bc_writer writer = {0};
  memset(&value, 0, sizeof value);
  if (bc_get_plan(&reader, &value)) {
    bc_box own, memory;
    must(value.arrays <= BC_ARRAYS_MAX);
    for (int rank = 0; rank < 5 && value.arrays > 0; rank++) {
      bc_layout(value.grid.volume, (int)value.split, rank, 5, (int)value.ghosts, &own, &memory);
      must(bc_box_contains(&memory, &own));
    }
    AGAIN(bc_plan, 0, bc_put_plan(&writer, &value), bc_get_plan(&reader, &again));
  }
  bc_writer_free(&writer);
}

static void place(bc_reader reader) {
  bc_place value;
  bc_writer writer = {0};
  memset(&value, 0, sizeof value);
  if (bc_get_place(&reader, &value)) {
    must(value.port < 65536);
    AGAIN(bc_place, 0, bc_put_place(&writer, &value), bc_get_place(&reader, &again));
  }
  bc_writer_free(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const decoders[])(bc_reader) = {join, declare, span, verdict, plan, place};
  bc_frame_head head;
  if (size >= BC_FRAME_BYTES && bc_frame_head_read(data, &head)) {
    must(head.size <= BC_BODY_MAX);
  }
  if (size > 0) {
    decoders[data[0] % (sizeof decoders / sizeof decoders[0])](bc_reader_of(data + 1, size - 1));
  }
  return 0;
}
