/* SPDX-License-Identifier: BSD-3-Clause
 * Fields and messages: what is written is read back, what is cut off or altered is never read
 * beyond its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"
#include "random.h"

static random_state numbers;

static void random_text(char *text, size_t size, size_t least) {
  size_t length = (size_t)draw(&numbers, least, size - 1);
  for (size_t i = 0; i < length; i++) {
    text[i] = (char)draw(&numbers, 1, 127);
  }
  memset(text + length, 0, size - length);
}

static double random_double(void) {
  return ldexp((double)(int64_t)draw64(&numbers), (int)draw(&numbers, 0, 100) - 80);
}

static bc_grid random_grid(void) {
  bc_grid grid = {0};
  for (int i = 0; i < 3; i++) {
    grid.volume[i] = draw(&numbers, 1, 1 << 19);
    grid.spacing[i] = random_double();
    grid.origin[i] = random_double();
  }
  for (int i = 0; i < 9; i++) {
    grid.direction[i] = random_double();
  }
  random_text(grid.length_unit, sizeof grid.length_unit, 0);
  return grid;
}

static bc_array_spec random_spec(void) {
  bc_array_spec spec = {.type = (uint32_t)draw(&numbers, 1, 9),
                        .components = (uint32_t)draw(&numbers, 1, 4),
                        .fill = draw(&numbers, 0, 3) ? random_double() : INFINITY};
  random_text(spec.name, sizeof spec.name, 1);
  random_text(spec.unit, sizeof spec.unit, 0);
  return spec;
}

static bc_box random_box(void) {
  bc_box box;
  for (int i = 0; i < 3; i++) {
    box.start[i] = draw(&numbers, 0, draw(&numbers, 0, 1) ? 9 : INT64_MAX / 2);
    box.shape[i] = draw(&numbers, 0, 1 << 19);
  }
  return box;
}

/* --- fields --------------------------------------------------------------------------------------
 */

static void fields_are_little_endian_and_come_back(void **state) {
  (void)state;
  bc_writer writer = {0};
  bc_put_u8(&writer, 0xab);
  bc_put_u32(&writer, 0x01020304);
  bc_put_u64(&writer, UINT64_C(0x1112131415161718));
  bc_put_f64(&writer, -2.0);
  bc_put_text(&writer, "hut");
  const unsigned char expected[] = {0xab, 4,    3,    2, 1, 0x18, 0x17, 0x16, 0x15, 0x14,
                                    0x13, 0x12, 0x11, 0, 0, 0,    0,    0,    0,    0,
                                    0xc0, 3,    0,    0, 0, 'h',  'u',  't'};
  assert_int_equal(writer.size, sizeof expected);
  assert_memory_equal(writer.data, expected, sizeof expected);
  bc_reader reader = bc_reader_of(writer.data, writer.size);
  char text[4];
  assert_int_equal(bc_get_u8(&reader), 0xab);
  assert_int_equal(bc_get_u32(&reader), 0x01020304);
  assert_int_equal(bc_get_u64(&reader), UINT64_C(0x1112131415161718));
  assert_true(bc_get_f64(&reader) == -2.0);
  bc_get_text(&reader, text, sizeof text);
  assert_string_equal(text, "hut");
  assert_false(reader.bad);
  assert_int_equal(reader.at, writer.size);
  bc_writer_free(&writer);
}

static void a_reader_past_its_end_is_bad_and_yields_zeros(void **state) {
  (void)state;
  const unsigned char bytes[] = {1, 2, 3};
  bc_reader reader = bc_reader_of(bytes, sizeof bytes);
  char text[8] = "before";
  assert_int_equal(bc_get_u32(&reader), 0);
  assert_true(reader.bad);
  assert_int_equal(bc_get_u8(&reader), 0);
  assert_null(bc_get_bytes(&reader, 1));
  bc_get_text(&reader, text, sizeof text);
  assert_string_equal(text, "");
  reader = bc_reader_of(bytes, sizeof bytes);
  assert_null(bc_get_bytes(&reader, SIZE_MAX));
  assert_true(reader.bad);
}

static void a_text_too_long_or_with_a_zero_is_bad(void **state) {
  (void)state;
  bc_writer writer = {0};
  char text[4];
  bc_put_text(&writer, "long");
  bc_reader reader = bc_reader_of(writer.data, writer.size);
  bc_get_text(&reader, text, sizeof text);
  assert_true(reader.bad);
  const unsigned char zero[] = {3, 0, 0, 0, 'a', 0, 'b'};
  reader = bc_reader_of(zero, sizeof zero);
  bc_get_text(&reader, text, sizeof text);
  assert_true(reader.bad);
  const unsigned char lie[] = {0xff, 0xff, 0xff, 0xff, 'a'};
  reader = bc_reader_of(lie, sizeof lie);
  bc_get_text(&reader, text, sizeof text);
  assert_true(reader.bad);
  bc_writer_free(&writer);
}

/* --- messages ------------------------------------------------------------------------------------
 */

typedef union any {
  bc_join join;
  bc_declare declare;
  bc_span span;
  bc_verdict verdict;
  bc_plan plan;
  bc_place place;
} any;

/* One kind of message: draws one, and its encoder and decoder. */
typedef struct kind {
  const char *name;
  void (*fill)(any *value);
  void (*put)(bc_writer *writer, const any *value);
  bool (*get)(bc_reader *reader, any *value);
  bool framed;
} kind;

static void fill_join(any *value) {
  random_text(value->join.stream, sizeof value->join.stream, 1);
  value->join.run_id = draw64(&numbers);
  value->join.ranks = (uint32_t)draw(&numbers, 1, BC_RANKS_MAX);
  value->join.rank = (uint32_t)draw(&numbers, 0, value->join.ranks - 1);
}

static void put_join(bc_writer *writer, const any *value) {
  bc_put_join(writer, &value->join);
}

static bool get_join(bc_reader *reader, any *value) {
  return bc_get_join(reader, &value->join);
}

static void fill_declare(any *value) {
  value->declare.serial = draw64(&numbers);
  value->declare.grid = random_grid();
  value->declare.array = random_spec();
}

static void put_declare(bc_writer *writer, const any *value) {
  bc_put_declare(writer, &value->declare);
}

static bool get_declare(bc_reader *reader, any *value) {
  return bc_get_declare(reader, &value->declare);
}

static void fill_span(any *value) {
  value->span.serial = draw64(&numbers);
  value->span.array = (uint32_t)draw(&numbers, 0, BC_ARRAYS_MAX - 1);
  value->span.box = random_box();
  value->span.bytes = draw64(&numbers);
}

static void put_span(bc_writer *writer, const any *value) {
  bc_put_span(writer, BC_WRITE, &value->span);
}

static bool get_span(bc_reader *reader, any *value) {
  return bc_get_span(reader, &value->span);
}

static void fill_verdict(any *value) {
  value->verdict.about = draw64(&numbers);
  value->verdict.code = (uint32_t)draw64(&numbers);
  value->verdict.number = draw64(&numbers);
  random_text(value->verdict.sentence, sizeof value->verdict.sentence, 0);
}

static void put_verdict(bc_writer *writer, const any *value) {
  const bc_verdict *v = &value->verdict;
  bc_put_verdict(writer, BC_REFUSE, v->about, v->code, v->number, v->sentence);
}

static bool get_verdict(bc_reader *reader, any *value) {
  return bc_get_verdict(reader, &value->verdict);
}

static void fill_plan(any *value) {
  value->plan.version = draw64(&numbers);
  value->plan.epoch = draw64(&numbers);
  value->plan.split = (uint32_t)draw(&numbers, 0, 1);
  value->plan.ghosts = (uint32_t)draw(&numbers, 0, 8);
  value->plan.arrays = (uint32_t)draw(&numbers, 0, 3);
  if (value->plan.arrays > 0) {
    value->plan.grid = random_grid();
  }
  for (uint32_t i = 0; i < value->plan.arrays; i++) {
    value->plan.array[i] = random_spec();
  }
}

static void put_plan(bc_writer *writer, const any *value) {
  bc_put_plan(writer, &value->plan);
}

static bool get_plan(bc_reader *reader, any *value) {
  return bc_get_plan(reader, &value->plan);
}

static void fill_place(any *value) {
  random_text(value->place.host, sizeof value->place.host, 0);
  value->place.port = (uint32_t)draw(&numbers, 0, 65535);
  random_text(value->place.unix_name, sizeof value->place.unix_name, 0);
  random_text(value->place.host_id, sizeof value->place.host_id, 0);
  value->place.verbs = (uint32_t)draw(&numbers, 0, 1);
}

static void put_place(bc_writer *writer, const any *value) {
  bc_put_place(writer, &value->place);
}

static bool get_place(bc_reader *reader, any *value) {
  return bc_get_place(reader, &value->place);
}

static const kind kinds[] = {{"JOIN", fill_join, put_join, get_join, true},
                             {"DECLARE", fill_declare, put_declare, get_declare, true},
                             {"WRITE", fill_span, put_span, get_span, true},
                             {"REFUSE", fill_verdict, put_verdict, get_verdict, true},
                             {"plan", fill_plan, put_plan, get_plan, false},
                             {"place", fill_place, put_place, get_place, false}};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* A copy of exactly these bytes, so that the address sanitizer sees a byte too many. */
static unsigned char *exact_copy(const unsigned char *bytes, size_t size) {
  unsigned char *copy = malloc(size > 0 ? size : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, size);
  return copy;
}

static void messages_come_back_as_they_were(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    const kind *k = &kinds[round % KINDS];
    any sent, got;
    memset(&sent, 0, sizeof sent);
    memset(&got, 0, sizeof got);
    k->fill(&sent);
    bc_writer writer = {0};
    k->put(&writer, &sent);
    size_t skip = k->framed ? BC_FRAME_BYTES : 0;
    if (k->framed) {
      bc_frame_head head;
      assert_true(bc_frame_head_read(writer.data, &head));
      assert_int_equal(head.size, writer.size - BC_FRAME_BYTES);
    }
    bc_reader reader = bc_reader_of(writer.data + skip, writer.size - skip);
    assert_true(k->get(&reader, &got));
    assert_int_equal(reader.at, writer.size - skip);
    assert_memory_equal(&sent, &got, sizeof sent);
    bc_writer_free(&writer);
  }
}

static void a_message_cut_off_anywhere_is_none(void **state) {
  (void)state;
  for (size_t i = 0; i < KINDS; i++) {
    any sent, got;
    memset(&sent, 0, sizeof sent);
    do {
      kinds[i].fill(&sent);
    } while (kinds[i].fill == fill_plan && sent.plan.arrays == 0);
    bc_writer writer = {0};
    kinds[i].put(&writer, &sent);
    size_t skip = kinds[i].framed ? BC_FRAME_BYTES : 0;
    for (size_t size = 0; size < writer.size - skip; size++) {
      unsigned char *copy = exact_copy(writer.data + skip, size);
      bc_reader reader = bc_reader_of(copy, size);
      assert_false(kinds[i].get(&reader, &got));
      free(copy);
    }
    bc_writer_free(&writer);
  }
}

/* What a decoder lets through is within the limits that the rest relies on. */
static void check_limits(const kind *k, const any *got) {
  if (k->get == get_join) {
    assert_true(got->join.rank < got->join.ranks && got->join.ranks <= BC_RANKS_MAX);
    assert_true(memchr(got->join.stream, 0, sizeof got->join.stream) != NULL);
  } else if (k->get == get_declare) {
    assert_true(bc_volume_bytes(got->declare.grid.volume, 32) > 0);
    assert_true(beamcast_type_size((int)got->declare.array.type) > 0);
    assert_true(got->declare.array.components >= 1 && got->declare.array.components <= 4);
  } else if (k->get == get_span) {
    const bc_box *box = &got->span.box;
    assert_true(got->span.array < BC_ARRAYS_MAX);
    for (int i = 0; i < 3; i++) {
      assert_true(box->start[i] <= INT64_MAX && box->shape[i] <= INT64_MAX - box->start[i]);
    }
    assert_true(bc_box_is_empty(box) || bc_volume_bytes(box->shape, 32) > 0);
  } else if (k->get == get_plan) {
    assert_true(got->plan.arrays <= BC_ARRAYS_MAX && got->plan.ghosts <= 8);
    assert_true(got->plan.arrays == 0 || bc_volume_bytes(got->plan.grid.volume, 32) > 0);
  }
}

static void altered_messages_stay_within_the_limits(void **state) {
  (void)state;
  for (int round = 0; round < 20000; round++) {
    const kind *k = &kinds[round % KINDS];
    any sent, got;
    memset(&sent, 0, sizeof sent);
    k->fill(&sent);
    bc_writer writer = {0};
    k->put(&writer, &sent);
    size_t skip = k->framed ? BC_FRAME_BYTES : 0, size = writer.size - skip;
    unsigned char *copy = exact_copy(writer.data + skip, size);
    for (uint64_t n = draw(&numbers, 1, 4); n > 0; n--) {
      static const unsigned char extremes[] = {0, 1, 0x7f, 0x80, 0xff};
      copy[draw(&numbers, 0, size - 1)] =
          draw(&numbers, 0, 1) ? extremes[draw(&numbers, 0, 4)] : (unsigned char)draw64(&numbers);
    }
    bc_reader reader = bc_reader_of(copy, size);
    if (k->get(&reader, &got)) {
      check_limits(k, &got);
    }
    free(copy);
    bc_writer_free(&writer);
  }
}

static void boxes_and_volumes_that_do_not_fit_are_bad(void **state) {
  (void)state;
  bc_writer writer = {0};
  bc_box box = {.start = {INT64_MAX, 0, 0}, .shape = {1, 1, 1}}, got;
  bc_put_box(&writer, &box);
  bc_reader reader = bc_reader_of(writer.data, writer.size);
  bc_get_box(&reader, &got);
  assert_true(reader.bad);
  bc_grid grid = random_grid();
  const uint64_t wrong[][3] = {{0, 1, 1}, {UINT64_C(1) << 58, 1, 1}, {1 << 20, 1 << 20, 1 << 20}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    writer.size = 0;
    memcpy(grid.volume, wrong[i], sizeof grid.volume);
    bc_put_grid(&writer, &grid);
    reader = bc_reader_of(writer.data, writer.size);
    assert_false(bc_get_grid(&reader, &grid));
  }
  writer.size = 0;
  grid = random_grid();
  grid.spacing[1] = NAN;
  bc_put_grid(&writer, &grid);
  reader = bc_reader_of(writer.data, writer.size);
  assert_false(bc_get_grid(&reader, &grid));
  bc_writer_free(&writer);
}

static void a_frame_of_another_kind_or_too_large_is_refused(void **state) {
  (void)state;
  bc_frame_head head;
  bc_writer writer = {0};
  bc_put_number(&writer, BC_BIND, 7);
  assert_true(bc_frame_head_read(writer.data, &head));
  writer.data[4] = 1;
  assert_false(bc_frame_head_read(writer.data, &head));
  writer.data[4] = 0;
  writer.data[0] = 0;
  assert_false(bc_frame_head_read(writer.data, &head));
  writer.data[0] = BC_PART + 1;
  assert_false(bc_frame_head_read(writer.data, &head));
  writer.data[0] = BC_BIND;
  memcpy(writer.data + 8, (unsigned char[]){1, 0, 16, 0, 0, 0, 0, 0}, 8);
  assert_false(bc_frame_head_read(writer.data, &head)); /* 1 MiB and one byte */
  memcpy(writer.data + 8, (unsigned char[]){0, 0, 16, 0, 0, 0, 0, 0}, 8);
  assert_true(bc_frame_head_read(writer.data, &head));
  bc_writer_free(&writer);
}

int main(void) {
  numbers = random_from_environment();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_little_endian_and_come_back),
      cmocka_unit_test(a_reader_past_its_end_is_bad_and_yields_zeros),
      cmocka_unit_test(a_text_too_long_or_with_a_zero_is_bad),
      cmocka_unit_test(messages_come_back_as_they_were),
      cmocka_unit_test(a_message_cut_off_anywhere_is_none),
      cmocka_unit_test(altered_messages_stay_within_the_limits),
      cmocka_unit_test(boxes_and_volumes_that_do_not_fit_are_bad),
      cmocka_unit_test(a_frame_of_another_kind_or_too_large_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
