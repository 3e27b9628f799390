/* SPDX-License-Identifier: BSD-3-Clause
 * Messages to bytes and back; see protocol.h. */
#include "protocol.h"

#include <math.h>
#include <string.h>

size_t bc_message_begin(bc_writer *writer, bc_message_type type) {
  size_t begin = writer->size;
  bc_put_u32(writer, (uint32_t)type);
  bc_put_u32(writer, 0);
  bc_put_u64(writer, 0);
  return begin;
}

void bc_message_end(bc_writer *writer, size_t begin) {
  if (writer->bad) {
    return;
  }
  uint64_t size = writer->size - begin - BC_FRAME_BYTES;
  for (int i = 0; i < 8; i++) {
    writer->data[begin + 8 + (size_t)i] = (unsigned char)(size >> (8 * i));
  }
}

void bc_message_empty(bc_writer *writer, bc_message_type type) {
  bc_message_end(writer, bc_message_begin(writer, type));
}

bool bc_frame_head_read(const unsigned char bytes[BC_FRAME_BYTES], bc_frame_head *head) {
  bc_reader reader = bc_reader_of(bytes, BC_FRAME_BYTES);
  head->type = bc_get_u32(&reader);
  uint32_t zero = bc_get_u32(&reader);
  head->size = bc_get_u64(&reader);
  return zero == 0 && head->type >= BC_JOIN && head->type <= BC_PART && head->size <= BC_BODY_MAX;
}

static bool same_bits(const double *a, const double *b, int count) {
  for (int i = 0; i < count; i++) {
    uint64_t x, y;
    memcpy(&x, &a[i], sizeof x);
    memcpy(&y, &b[i], sizeof y);
    if (x != y) {
      return false;
    }
  }
  return true;
}

bool bc_grid_equal(const bc_grid *a, const bc_grid *b) {
  return memcmp(a->volume, b->volume, sizeof a->volume) == 0 &&
         same_bits(a->spacing, b->spacing, 3) && same_bits(a->origin, b->origin, 3) &&
         same_bits(a->direction, b->direction, 9) && strcmp(a->length_unit, b->length_unit) == 0;
}

bool bc_array_spec_equal(const bc_array_spec *a, const bc_array_spec *b) {
  return strcmp(a->name, b->name) == 0 && strcmp(a->unit, b->unit) == 0 && a->type == b->type &&
         a->components == b->components && same_bits(&a->fill, &b->fill, 1);
}

uint64_t bc_plan_voxel_bytes(const bc_plan *plan, uint32_t array) {
  return beamcast_type_size((int)plan->array[array].type) * plan->array[array].components;
}

void bc_put_box(bc_writer *writer, const bc_box *box) {
  for (int i = 0; i < 3; i++) {
    bc_put_u64(writer, box->start[i]);
  }
  for (int i = 0; i < 3; i++) {
    bc_put_u64(writer, box->shape[i]);
  }
}

void bc_get_box(bc_reader *reader, bc_box *box) {
  for (int i = 0; i < 3; i++) {
    box->start[i] = bc_get_u64(reader);
  }
  for (int i = 0; i < 3; i++) {
    box->shape[i] = bc_get_u64(reader);
    if (box->start[i] > INT64_MAX || box->shape[i] > INT64_MAX - box->start[i]) {
      reader->bad = true;
    }
  }
  if (bc_volume_bytes(box->shape, 32) == 0 && !bc_box_is_empty(box)) {
    reader->bad = true;
  }
}

void bc_put_grid(bc_writer *writer, const bc_grid *grid) {
  for (int i = 0; i < 3; i++) {
    bc_put_u64(writer, grid->volume[i]);
  }
  for (int i = 0; i < 3; i++) {
    bc_put_f64(writer, grid->spacing[i]);
  }
  for (int i = 0; i < 3; i++) {
    bc_put_f64(writer, grid->origin[i]);
  }
  for (int i = 0; i < 9; i++) {
    bc_put_f64(writer, grid->direction[i]);
  }
  bc_put_text(writer, grid->length_unit);
}

static double get_finite(bc_reader *reader) {
  double value = bc_get_f64(reader);
  if (!isfinite(value)) {
    reader->bad = true;
    value = 0;
  }
  return value;
}

bool bc_get_grid(bc_reader *reader, bc_grid *grid) {
  memset(grid, 0, sizeof *grid);
  for (int i = 0; i < 3; i++) {
    grid->volume[i] = bc_get_u64(reader);
  }
  for (int i = 0; i < 3; i++) {
    grid->spacing[i] = get_finite(reader);
  }
  for (int i = 0; i < 3; i++) {
    grid->origin[i] = get_finite(reader);
  }
  for (int i = 0; i < 9; i++) {
    grid->direction[i] = get_finite(reader);
  }
  bc_get_text(reader, grid->length_unit, sizeof grid->length_unit);
  /* 32 bytes is the largest voxel: whatever follows, products of the shape fit into 63 bits */
  return !reader->bad && bc_volume_bytes(grid->volume, 32) > 0;
}

void bc_put_array_spec(bc_writer *writer, const bc_array_spec *spec) {
  bc_put_text(writer, spec->name);
  bc_put_text(writer, spec->unit);
  bc_put_u32(writer, spec->type);
  bc_put_u32(writer, spec->components);
  bc_put_f64(writer, spec->fill);
}

bool bc_get_array_spec(bc_reader *reader, bc_array_spec *spec) {
  memset(spec, 0, sizeof *spec);
  bc_get_text(reader, spec->name, sizeof spec->name);
  bc_get_text(reader, spec->unit, sizeof spec->unit);
  spec->type = bc_get_u32(reader);
  spec->components = bc_get_u32(reader);
  spec->fill = bc_get_f64(reader);
  return !reader->bad && spec->name[0] != '\0' && spec->type < 256 &&
         beamcast_type_size((int)spec->type) > 0 && spec->components >= 1 && spec->components <= 4;
}

void bc_put_plan(bc_writer *writer, const bc_plan *plan) {
  bc_put_u64(writer, plan->version);
  bc_put_u64(writer, plan->epoch);
  bc_put_u32(writer, plan->split);
  bc_put_u32(writer, plan->ghosts);
  bc_put_u32(writer, plan->arrays);
  if (plan->arrays == 0) {
    return;
  }
  bc_put_grid(writer, &plan->grid);
  for (uint32_t i = 0; i < plan->arrays; i++) {
    bc_put_array_spec(writer, &plan->array[i]);
  }
}

bool bc_get_plan(bc_reader *reader, bc_plan *plan) {
  memset(plan, 0, sizeof *plan);
  plan->version = bc_get_u64(reader);
  plan->epoch = bc_get_u64(reader);
  plan->split = bc_get_u32(reader);
  plan->ghosts = bc_get_u32(reader);
  plan->arrays = bc_get_u32(reader);
  if (reader->bad || plan->arrays > BC_ARRAYS_MAX || plan->split > BC_BLOCKS || plan->ghosts > 8) {
    return false;
  }
  if (plan->arrays > 0 && !bc_get_grid(reader, &plan->grid)) {
    return false;
  }
  for (uint32_t i = 0; i < plan->arrays; i++) {
    if (!bc_get_array_spec(reader, &plan->array[i])) {
      return false;
    }
  }
  return !reader->bad;
}

void bc_put_join(bc_writer *writer, const bc_join *join) {
  size_t begin = bc_message_begin(writer, BC_JOIN);
  bc_put_text(writer, join->stream);
  bc_put_u64(writer, join->run_id);
  bc_put_u32(writer, join->rank);
  bc_put_u32(writer, join->ranks);
  bc_message_end(writer, begin);
}

bool bc_get_join(bc_reader *reader, bc_join *join) {
  memset(join, 0, sizeof *join);
  bc_get_text(reader, join->stream, sizeof join->stream);
  join->run_id = bc_get_u64(reader);
  join->rank = bc_get_u32(reader);
  join->ranks = bc_get_u32(reader);
  return !reader->bad && join->stream[0] != '\0' && join->ranks >= 1 &&
         join->ranks <= BC_RANKS_MAX && join->rank < join->ranks;
}

void bc_put_place(bc_writer *writer, const bc_place *place) {
  bc_put_text(writer, place->host);
  bc_put_u32(writer, place->port);
  bc_put_text(writer, place->unix_name);
  bc_put_text(writer, place->host_id);
  bc_put_u32(writer, place->verbs);
}

bool bc_get_place(bc_reader *reader, bc_place *place) {
  memset(place, 0, sizeof *place);
  bc_get_text(reader, place->host, sizeof place->host);
  place->port = bc_get_u32(reader);
  bc_get_text(reader, place->unix_name, sizeof place->unix_name);
  bc_get_text(reader, place->host_id, sizeof place->host_id);
  place->verbs = bc_get_u32(reader);
  return !reader->bad && place->port < 65536;
}

void bc_put_declare(bc_writer *writer, const bc_declare *declare) {
  size_t begin = bc_message_begin(writer, BC_DECLARE);
  bc_put_u64(writer, declare->serial);
  bc_put_grid(writer, &declare->grid);
  bc_put_array_spec(writer, &declare->array);
  bc_message_end(writer, begin);
}

bool bc_get_declare(bc_reader *reader, bc_declare *declare) {
  declare->serial = bc_get_u64(reader);
  return bc_get_grid(reader, &declare->grid) && bc_get_array_spec(reader, &declare->array);
}

void bc_put_span(bc_writer *writer, bc_message_type type, const bc_span *span) {
  size_t begin = bc_message_begin(writer, type);
  bc_put_u64(writer, span->serial);
  bc_put_u32(writer, span->array);
  bc_put_u32(writer, 0);
  bc_put_box(writer, &span->box);
  bc_put_u64(writer, span->bytes);
  bc_message_end(writer, begin);
}

bool bc_get_span(bc_reader *reader, bc_span *span) {
  memset(span, 0, sizeof *span);
  span->serial = bc_get_u64(reader);
  span->array = bc_get_u32(reader);
  (void)bc_get_u32(reader);
  bc_get_box(reader, &span->box);
  span->bytes = bc_get_u64(reader);
  return !reader->bad && span->array < BC_ARRAYS_MAX;
}

void bc_put_verdict(bc_writer *writer, bc_message_type type, uint64_t about, uint32_t code,
                    uint64_t number, const char *sentence) {
  size_t begin = bc_message_begin(writer, type);
  bc_put_u64(writer, about);
  bc_put_u32(writer, code);
  bc_put_u64(writer, number);
  bc_put_text(writer, sentence);
  bc_message_end(writer, begin);
}

bool bc_get_verdict(bc_reader *reader, bc_verdict *verdict) {
  memset(verdict, 0, sizeof *verdict);
  verdict->about = bc_get_u64(reader);
  verdict->code = bc_get_u32(reader);
  verdict->number = bc_get_u64(reader);
  bc_get_text(reader, verdict->sentence, sizeof verdict->sentence);
  return !reader->bad;
}

void bc_put_number(bc_writer *writer, bc_message_type type, uint64_t number) {
  size_t begin = bc_message_begin(writer, type);
  bc_put_u64(writer, number);
  bc_message_end(writer, begin);
}

void bc_put_pair(bc_writer *writer, bc_message_type type, uint64_t first, uint64_t second) {
  size_t begin = bc_message_begin(writer, type);
  bc_put_u64(writer, first);
  bc_put_u64(writer, second);
  bc_message_end(writer, begin);
}
