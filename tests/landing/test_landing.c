/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a producer's put to a device's copy: real producers, a real receiver, and the cuda back
 * end's sources compiled for the host. The copy of a step fills before the step is ended, and the
 * picture is that of host memory, whatever becomes of steps and producers. test_landing WIRE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "host_cuda/host_device.h"
#include "xac.h"

enum { SIDE = 32, STREAMS = 2 };

static const uint64_t large[3] = {64, 48, 64}, other[3] = {40, 56, 50};

/* A stream's step on the screen. */
typedef struct shown {
  const char *name;
  xac_renderer *renderer;
  bc_frame *frame;
  uint64_t serial;
  xac_stats stats;
} shown;

static bc_receiver *receiver;
static server at; /* the receiver, for producers */
static shown screens[STREAMS];

/* Has to come before the receiver's threads. */
static void start(child *producers, int count) {
  for (int i = 0; i < count; i++) {
    producers[i] = producer_start();
  }
}

static void connect_all(child *producers, int count, const char *stream, uint64_t run) {
  for (int i = 0; i < count; i++) {
    answer a = producer_connect(&producers[i], &at, stream, i, count, run);
    if (a.code != BEAMCAST_OK) {
      fail_test("connect: %d, %s", a.code, a.text);
    }
  }
}

static xac_renderer *renderer_new(void) {
  static const float rgba[] = {0.9f, 0.1f, 0.1f, 0.0f, 0.2f, 0.3f, 0.9f, 0.05f};
  const xac_transfer transfer = {.rgba = rgba, .entries = 2, .range = {0, 1}, .unit_distance = 1};
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(XAC_CUDA, 1, &error);
  assert_non_null(r);
  assert_int_equal(xac_set_transfer(r, &transfer, &error), 0);
  return r;
}

static float *picture(xac_renderer *r, const xac_volume *v, xac_stats *stats) {
  xac_camera camera;
  xac_quality quality;
  const double eye[3] = {150, 120, 160}, focus[3] = {30, 24, 30}, up[3] = {0, 1, 0};
  float *rgba = calloc(SIDE * SIDE, 4 * sizeof *rgba);
  xac_image image = {.rgba = rgba};
  xac_camera_look_at(&camera, SIDE, SIDE, eye, focus, up, 25, 0, NULL);
  xac_quality_default(&quality, 1.0);
  assert_int_equal(xac_set_volume(r, v, NULL), 0);
  assert_int_equal(xac_render(r, &camera, &quality, &image, stats, NULL), 0);
  return rgba;
}

/* Shows the newest step, which must be this one; returns the part of it that was on the device
 * before it was whole. The picture must be that of the same voxels in memory that is no slot. */
static double show(shown *on, uint64_t step) {
  bc_frame_info info = {0};
  bc_array array;
  uint64_t serial = 0;
  for (int i = 0; i < 3000 && serial == 0; i++) {
    serial = bc_receiver_pick(receiver, on->name, on->serial, BC_PICK_NEWEST);
    nap(serial == 0 ? 0.01 : 0);
  }
  bc_frame *frame = bc_receiver_take(receiver, serial);
  assert_non_null(frame);
  bc_frame_describe(frame, &info);
  bc_frame_array(frame, 0, &array);
  assert_int_equal(info.step, step);
  xac_volume v = {.type = array.type,
                  .data = array.data,
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  for (int a = 0; a < 3; a++) {
    v.dims[a] = v.whole[a] = (int64_t)info.volume[a];
  }
  const size_t bytes = bc_box_count(&info.memory) * beamcast_type_size(array.type);
  float *here = picture(on->renderer, &v, &on->stats);
  void *copy = malloc(bytes + 1);
  memcpy(copy, array.data, bytes);
  v.data = copy;
  xac_stats stats;
  xac_renderer *plain = renderer_new();
  float *expected = picture(plain, &v, &stats);
  assert_int_equal(stats.copied_late, bytes);
  assert_string_equal(on->stats.notice, "");
  assert_int_equal(on->stats.copied_early + on->stats.copied_late, bytes);
  double seen = 0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    seen += (double)here[4 * i + 3];
  }
  assert_true(seen > 0.05 * SIDE * SIDE);
  assert_memory_equal(here, expected, sizeof(float) * 4 * SIDE * SIDE);
  xac_destroy(plain);
  free(copy);
  free(here);
  free(expected);
  if (on->frame != NULL) {
    bc_frame_release(on->frame);
  }
  on->frame = frame;
  on->serial = serial;
  return (double)on->stats.copied_early / (double)bytes;
}

/* All of a step but its end; returns when three quarters of it are on the device, a few pieces of
 * what was put before counted in. */
static void put_and_wait(child *producers, int count, const test_scene *scene, uint64_t step) {
  const uint64_t before = host_device_copied();
  const uint64_t bytes = scene->volume[0] * scene->volume[1] * scene->volume[2] *
                         beamcast_type_size(scene->array[0].type);
  assert_int_equal(producers_begin(producers, count, step), BEAMCAST_OK);
  assert_int_equal(producers_put(producers, count, scene), BEAMCAST_OK);
  for (int i = 0; i < 6000 && host_device_copied() - before < 3 * bytes / 4; i++) {
    nap(0.01);
  }
  assert_true(host_device_copied() - before >= 3 * bytes / 4);
}

static void a_step_is_copied_while_it_lands(child *producers) {
  const test_scene scene = scene_plain(71, 2, large, BEAMCAST_FLOAT32); /* some of it not finite */
  shown *on = &screens[0];
  assert_int_equal(producers_step(producers, 2, &scene, 1), BEAMCAST_OK);
  assert_true(show(on, 1) == 0);
  for (uint64_t step = 2; step <= 5; step++) {
    put_and_wait(producers, 2, &scene, step);
    assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
    assert_true(show(on, step) >= 0.4);
  }
  print_message("copied while it landed: %.0f %%\n",
                100.0 * (double)on->stats.copied_early /
                    (double)(on->stats.copied_early + on->stats.copied_late));
}

/* Of one producer the next step is begun instead of ending this one. */
static void a_step_that_is_given_up_leaves_nothing(child *producers) {
  const test_scene scene = scene_plain(72, 2, large, BEAMCAST_FLOAT32);
  put_and_wait(producers, 2, &scene, 6);
  put_and_wait(producers, 2, &scene, 7);
  assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
  assert_true(show(&screens[0], 7) >= 0.4);
}

static void another_shape_begins_with_the_whole_step(child *producers) {
  const test_scene scene = scene_plain(73, 2, other, BEAMCAST_UINT16);
  assert_int_equal(producers_step(producers, 2, &scene, 8), BEAMCAST_OK);
  assert_true(show(&screens[0], 8) == 0);
  put_and_wait(producers, 2, &scene, 9);
  assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
  assert_true(show(&screens[0], 9) >= 0.4);
}

static void two_streams_do_not_mix(child *producers, child *second) {
  const test_scene scene = scene_plain(74, 2, other, BEAMCAST_UINT16);
  const test_scene small = scene_plain(75, 1, large, BEAMCAST_UINT8);
  connect_all(second, 1, screens[1].name, 3);
  assert_int_equal(producers_step(second, 1, &small, 1), BEAMCAST_OK);
  assert_true(show(&screens[1], 1) == 0);
  put_and_wait(producers, 2, &scene, 10);
  put_and_wait(second, 1, &small, 2);
  assert_int_equal(producers_end(second, 1), BEAMCAST_OK);
  assert_int_equal(producers_end(producers, 2), BEAMCAST_OK);
  assert_true(show(&screens[0], 10) >= 0.4);
  assert_true(show(&screens[1], 2) >= 0.4);
}

static void a_producer_that_is_killed_takes_its_step_with_it(child *producers, child *after) {
  const test_scene scene = scene_plain(76, 2, other, BEAMCAST_UINT16);
  put_and_wait(producers, 2, &scene, 11);
  child_kill(&producers[0]);
  child_kill(&producers[1]);
  connect_all(after, 2, screens[0].name, 8);
  uint64_t step = 12;
  int code = BEAMCAST_DROPPED; /* until the slot of the dead is free */
  for (; code == BEAMCAST_DROPPED; step++) {
    code = producers_step(after, 2, &scene, step);
    nap(code == BEAMCAST_OK ? 0 : 0.05);
  }
  assert_int_equal(code, BEAMCAST_OK);
  (void)show(&screens[0], step - 1);
  put_and_wait(after, 2, &scene, step);
  assert_int_equal(producers_end(after, 2), BEAMCAST_OK);
  assert_true(show(&screens[0], step) >= 0.4);
}

/* One receiver for all: processes are started before its threads. */
static void a_device_has_of_a_step_what_has_landed(void **state) {
  (void)state;
  child producers[2], after[2], second[1];
  beamcast_error error = {0, ""};
  start(producers, 2);
  start(after, 2);
  start(second, 1);
  (void)snprintf(at.contact, sizeof at.contact, "/tmp/beamcast-test-landing-%d.json",
                 (int)getpid());
  const bc_receiver_options options = {
      .ranks = 1, .contact = at.contact, .memory_limit = 64 << 20, .landing = xac_landing()};
  receiver = bc_receiver_open(&options, &error);
  assert_non_null(receiver);
  unsigned char address[BC_ADDRESS_BYTES];
  bc_receiver_address(receiver, address);
  assert_int_equal(bc_receiver_join(receiver, address, &error), BEAMCAST_OK);
  for (int i = 0; i < STREAMS; i++) {
    screens[i] = (shown){.name = i ? "second" : "volume", .renderer = renderer_new()};
  }
  connect_all(producers, 2, screens[0].name, 7);
  a_step_is_copied_while_it_lands(producers);
  a_step_that_is_given_up_leaves_nothing(producers);
  another_shape_begins_with_the_whole_step(producers);
  two_streams_do_not_mix(producers, second);
  a_producer_that_is_killed_takes_its_step_with_it(producers, after);
  bc_receiver_close(receiver);
  for (int i = 0; i < STREAMS; i++) {
    xac_destroy(screens[i].renderer);
    bc_frame_release(screens[i].frame);
  }
  assert_int_equal(host_device_used(), 0);
}

int main(int argc, char **argv) {
  (void)setenv("BEAMCAST_PIECE", "30000", 1);
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_device_has_of_a_step_what_has_landed, harness_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
