/* SPDX-License-Identifier: BSD-3-Clause
 * What a caller may give: everything else is an error that names the field, and the step goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "beamcast.h"
#include "server_here.h"

static server_here here;
static beamcast_stream *stream;
static uint64_t step;
static unsigned char voxels[4096];

static beamcast_brick good(void) {
  return (beamcast_brick){
      .data = voxels, .type = BEAMCAST_UINT8, .volume = {8, 8, 8}, .shape = {8, 8, 8}};
}

static void expect_refused(const beamcast_brick *brick, const char *field) {
  beamcast_error error = {0};
  assert_int_equal(beamcast_put(stream, brick, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(error.code, BEAMCAST_ERR_ARGUMENT);
  if (strstr(error.message, field) == NULL) {
    fail_msg("the sentence does not name %s: %s", field, error.message);
  }
  assert_int_equal(beamcast_put(stream, brick, NULL), BEAMCAST_ERR_ARGUMENT);
}

/* The wrong ones before must not have hurt: a good one passes, and the step becomes complete. */
static void expect_good_step(void) {
  beamcast_error error = {0};
  beamcast_brick brick = good();
  bc_stream_status status;
  bc_receiver_status(here.receiver, "volume", &status);
  assert_int_equal(beamcast_put(stream, &brick, &error), BEAMCAST_OK);
  assert_int_equal(beamcast_end_step(stream, &error), BEAMCAST_OK);
  assert_true(server_here_has(&here, "volume", status.steps_received + 1));
}

static int begin(void **state) {
  (void)state;
  stream = beamcast_connect(here.contact, &(beamcast_connect_options){.run_id = 5}, NULL);
  return stream != NULL && beamcast_begin_step(stream, ++step, 0, NULL) == BEAMCAST_OK ? 0 : -1;
}

static int end(void **state) {
  (void)state;
  beamcast_close(stream);
  stream = NULL;
  return 0;
}

static void wrong_names_and_types_are_named(void **state) {
  (void)state;
  char name[200];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  beamcast_brick b = good();
  b.name = "";
  expect_refused(&b, "name");
  b.name = name;
  expect_refused(&b, "name");
  const int types[] = {0, 10, -1, 1 << 20};
  for (int i = 0; i < 4; i++) {
    b = good();
    b.type = types[i];
    expect_refused(&b, "type");
  }
  const int components[] = {-1, 5, 1000};
  for (int i = 0; i < 3; i++) {
    b = good();
    b.components = components[i];
    expect_refused(&b, "components");
  }
  b = good();
  b.data = NULL;
  expect_refused(&b, "data");
  b = good();
  b.unit = name;
  expect_refused(&b, "unit");
  b = good();
  b.length_unit = name;
  expect_refused(&b, "unit");
  expect_good_step();
}

static void wrong_boxes_are_named(void **state) {
  (void)state;
  const uint64_t starts[] = {1, 9, UINT64_MAX, UINT64_MAX - 7};
  for (int axis = 0; axis < 3; axis++) {
    for (int i = 0; i < 4; i++) {
      beamcast_brick b = good();
      b.start[axis] = starts[i];
      expect_refused(&b, "start");
      b = good();
      b.shape[axis] = starts[i] == 1 ? 9 : starts[i];
      expect_refused(&b, "shape");
    }
    beamcast_brick b = good();
    b.volume[axis] = 0;
    expect_refused(&b, "volume");
    b.volume[axis] = UINT64_C(1) << 60;
    expect_refused(&b, "volume");
  }
  expect_good_step();
}

static void wrong_geometry_is_named(void **state) {
  (void)state;
  const double wrong[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    beamcast_brick b = good();
    b.spacing[i] = wrong[i];
    expect_refused(&b, "spacing");
    b = good();
    b.spacing[0] = b.spacing[1] = b.spacing[2] = 1;
    b.spacing[i] = -1;
    expect_refused(&b, "spacing");
    b.spacing[i] = 0;
    expect_refused(&b, "spacing");
    b = good();
    b.origin[i] = wrong[i];
    expect_refused(&b, "origin");
    b = good();
    b.direction[3 * i] = wrong[i];
    expect_refused(&b, "direction");
  }
  expect_good_step();
}

static void empty_bricks_are_allowed(void **state) {
  (void)state;
  for (int axis = 0; axis < 3; axis++) {
    beamcast_brick b = good();
    b.data = NULL;
    b.shape[axis] = 0;
    b.start[axis] = 8;
    assert_int_equal(beamcast_put(stream, &b, NULL), BEAMCAST_OK);
  }
  expect_good_step();
}

static void annotations_are_json_and_bounded(void **state) {
  (void)state;
  beamcast_error error = {0};
  static char value[130 * 1024];
  assert_int_equal(beamcast_annotate(stream, "energy", "17.5", &error), BEAMCAST_OK);
  assert_int_equal(beamcast_annotate(stream, "sample", "\"bone\"", &error), BEAMCAST_OK);
  assert_int_equal(beamcast_annotate(stream, "list", "[1, 2, 3]", &error), BEAMCAST_OK);
  const char *const wrong[] = {"", "bone", "{", "1 2", "\"\xff\""};
  for (int i = 0; i < 5; i++) {
    assert_int_equal(beamcast_annotate(stream, "key", wrong[i], &error), BEAMCAST_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "key"));
  }
  assert_int_equal(beamcast_annotate(stream, "", "1", &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_annotate(stream, NULL, "1", &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_annotate(NULL, "key", "1", &error), BEAMCAST_ERR_ARGUMENT);
  memset(value, 'x', sizeof value - 1);
  value[0] = value[sizeof value - 2] = '"';
  assert_int_equal(beamcast_annotate(stream, "long", value, &error), BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "131072"));
  expect_good_step();
  uint64_t serial = bc_receiver_pick(here.receiver, "volume", 0, BC_PICK_NEWEST);
  bc_frame *frame = bc_receiver_take(here.receiver, serial);
  bc_frame_info info;
  assert_non_null(frame);
  bc_frame_describe(frame, &info);
  assert_string_equal(info.header, "{\"energy\":17.5,\"sample\":\"bone\",\"list\":[1,2,3]}");
  bc_frame_release(frame);
}

static void calls_out_of_order_are_errors(void **state) {
  (void)state;
  beamcast_error error = {0};
  beamcast_brick b = good();
  expect_good_step();
  assert_int_equal(beamcast_put(stream, &b, &error), BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "begin_step"));
  assert_int_equal(beamcast_end_step(stream, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_begin_step(stream, ++step, NAN, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_begin_step(NULL, 1, 0, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_put(NULL, &b, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_put(stream, NULL, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_end_step(NULL, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_request(stream, NULL, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_begin_step(stream, ++step, 0, &error), BEAMCAST_OK);
  expect_good_step();
  beamcast_close(NULL);
}

static void arrays_may_be_registered_at_any_time(void **state) {
  (void)state;
  beamcast_error error = {0};
  assert_int_equal(beamcast_register(NULL, voxels, sizeof voxels, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_register(stream, NULL, 8, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_register(stream, voxels, 0, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_register(stream, voxels, UINT64_MAX, &error), BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "register"));
  assert_int_equal(beamcast_unregister(stream, voxels, &error), BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "no array"));
  assert_int_equal(beamcast_register(stream, voxels, sizeof voxels, &error), BEAMCAST_OK);
  assert_int_equal(beamcast_register(stream, voxels, sizeof voxels, &error), BEAMCAST_OK);
  assert_int_equal(beamcast_register(stream, voxels + 8, 8, &error), BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "4096 bytes"));
  expect_good_step();
  assert_int_equal(beamcast_unregister(stream, voxels, &error), BEAMCAST_OK);
  assert_int_equal(beamcast_unregister(stream, voxels, &error), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(beamcast_register(stream, voxels, 8, &error), BEAMCAST_OK); /* until close */
  beamcast_stream *none =
      beamcast_connect(NULL, &(beamcast_connect_options){.backend = "none"}, &error);
  assert_int_equal(beamcast_register(none, voxels, 8, &error), BEAMCAST_OK);
  assert_int_equal(beamcast_unregister(none, voxels, &error), BEAMCAST_OK);
  beamcast_close(none);
}

static void expect_no_connection(const beamcast_connect_options *options, const char *field) {
  beamcast_error error = {0};
  assert_null(beamcast_connect(here.contact, options, &error));
  assert_int_equal(error.code, BEAMCAST_ERR_ARGUMENT);
  if (strstr(error.message, field) == NULL) {
    fail_msg("the sentence does not name %s: %s", field, error.message);
  }
}

static void wrong_options_are_named(void **state) {
  (void)state;
  char name[200];
  beamcast_error error = {0};
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  expect_no_connection(&(beamcast_connect_options){.name = ""}, "name");
  expect_no_connection(&(beamcast_connect_options){.name = name}, "name");
  expect_no_connection(&(beamcast_connect_options){.rank = 1, .run_id = 1}, "producer 1 of 1");
  expect_no_connection(&(beamcast_connect_options){.rank = -1, .run_id = 1}, "producer -1");
  expect_no_connection(&(beamcast_connect_options){.ranks = -1, .run_id = 1}, "of -1");
  expect_no_connection(&(beamcast_connect_options){.ranks = 1 << 30, .run_id = 1}, "at most");
  expect_no_connection(&(beamcast_connect_options){.time_limit = -1}, "time_limit");
  expect_no_connection(&(beamcast_connect_options){.time_limit = NAN}, "time_limit");
  expect_no_connection(&(beamcast_connect_options){.connections = 33}, "connections");
  expect_no_connection(&(beamcast_connect_options){.token = "secret"}, "token");
  assert_null(beamcast_connect(NULL, NULL, &error));
  assert_int_equal(error.code, BEAMCAST_ERR_ARGUMENT);
  assert_null(beamcast_connect("", NULL, NULL));
  const beamcast_connect_options soon = {.time_limit = 0.1};
  assert_null(beamcast_connect("/nonexistent/contact.json", &soon, &error));
  assert_int_equal(error.code, BEAMCAST_ERR_CONNECTION);
  assert_non_null(strstr(error.message, "/nonexistent/contact.json"));
}

static void an_unknown_wire_is_named_when_it_is_needed(void **state) {
  (void)state;
  beamcast_error error = {0};
  beamcast_brick b = good();
  const beamcast_connect_options options = {.name = "other", .wire = "pigeon"};
  beamcast_stream *other = beamcast_connect(here.contact, &options, &error);
  int code = error.code;
  if (other != NULL) {
    assert_int_equal(beamcast_begin_step(other, 1, 0, &error), BEAMCAST_OK);
    code = beamcast_put(other, &b, &error);
  }
  assert_int_equal(code, BEAMCAST_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "pigeon"));
  beamcast_close(other);
}

static void what_can_not_be_retrieved_is_named(void **state) {
  (void)state;
  beamcast_error error = {0};
  beamcast_volume_data out;
  const uint64_t nine[3] = {9, 1, 1}, one[3] = {1, 1, 1}, zero[3] = {0, 1, 1};
  assert_int_equal(
      beamcast_stream_retrieve(here.contact, "nothing", NULL, NULL, NULL, 5, &out, &error),
      BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(error.message, "nothing"));
  assert_int_equal(
      beamcast_stream_retrieve(here.contact, NULL, "missing", NULL, NULL, 5, &out, &error),
      BEAMCAST_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "missing"));
  const uint64_t *const boxes[][2] = {{nine, one}, {one, nine}, {one, zero}, {nine, NULL}};
  for (int i = 0; i < 4; i++) {
    assert_int_equal(beamcast_stream_retrieve(here.contact, NULL, NULL, boxes[i][0], boxes[i][1], 5,
                                              &out, &error),
                     BEAMCAST_ERR_ARGUMENT);
    assert_null(out.data);
  }
  assert_int_equal(beamcast_stream_retrieve(here.contact, NULL, NULL, NULL, NULL, 5, NULL, &error),
                   BEAMCAST_ERR_ARGUMENT);
  beamcast_volume_free(NULL);
  beamcast_volume_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(wrong_names_and_types_are_named, begin, end),
      cmocka_unit_test_setup_teardown(wrong_boxes_are_named, begin, end),
      cmocka_unit_test_setup_teardown(wrong_geometry_is_named, begin, end),
      cmocka_unit_test_setup_teardown(empty_bricks_are_allowed, begin, end),
      cmocka_unit_test_setup_teardown(annotations_are_json_and_bounded, begin, end),
      cmocka_unit_test_setup_teardown(calls_out_of_order_are_errors, begin, end),
      cmocka_unit_test_setup_teardown(arrays_may_be_registered_at_any_time, begin, end),
      cmocka_unit_test(wrong_options_are_named),
      cmocka_unit_test(an_unknown_wire_is_named_when_it_is_needed),
      cmocka_unit_test(what_can_not_be_retrieved_is_named),
  };
  here = server_here_open();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  server_here_close(&here);
  return failed;
}
