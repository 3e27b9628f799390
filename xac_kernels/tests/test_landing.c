/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A device copies the next step while it lands: the picture is that of host memory, and what was
 * copied early is not copied again. Run on a device, and, built as test_xac_landing_source, with
 * the cuda back end's sources compiled for the host; there a device's memory can be short, too.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "scene.h"
#ifdef HOST_DEVICE
#include "host_cuda/host_device.h"
#endif

enum { SLOTS = 3, SIDE = 48, NX = 18, NY = 14, NZ = 22, POINTS = NX * NY * NZ };

/* A stream's memory, as a receiver has it: ghost planes around the brick. */
typedef struct slot {
  beamcast_landing landing;
  float *values;
  atomic_int held, released; /* by those who read it */
} slot;

typedef struct stream {
  slot slots[SLOTS];
  uint64_t serial;
} stream;

static const beamcast_landing_calls *tells;
static unsigned seed = 7;

static unsigned draw(unsigned below) {
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) % below;
}

static void retain(void *owner) {
  atomic_fetch_add(&((slot *)owner)->held, 1);
}

/* The thread that copies stays in the middle of it until then. */
static atomic_int held_up;
static pthread_t main_thread;

static void release(void *owner) {
  slot *s = owner;
  while (atomic_load(&held_up) && !pthread_equal(pthread_self(), main_thread)) {
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  atomic_fetch_add(&s->released, 1);
  assert_true(atomic_fetch_sub(&s->held, 1) > 0);
}

static stream *stream_new(uint32_t number) {
  stream *s = calloc(1, sizeof *s);
  for (int i = 0; i < SLOTS; i++) {
    slot *one = &s->slots[i];
    one->values = malloc(POINTS * sizeof(float));
    for (int k = 0; k < POINTS; k++) {
      one->values[k] = 0.2f;
    }
    one->landing = (beamcast_landing){.source = s,
                                      .stream = number,
                                      .data = one->values,
                                      .shape = {NX, NY, NZ},
                                      .voxel_bytes = sizeof(float),
                                      .owner = one,
                                      .retain = retain,
                                      .release = release};
  }
  return s;
}

static void stream_free(stream *s) {
  for (int i = 0; i < SLOTS; i++) {
    tells->forget(s->slots[i].values);
  }
  for (int i = 0; i < SLOTS; i++) {
    for (int t = 0; t < 1000 && atomic_load(&s->slots[i].held) > 0; t++) {
      (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(atomic_load(&s->slots[i].held), 0);
    free(s->slots[i].values);
  }
  free(s);
}

static float value(uint64_t serial, int i) {
  const float v =
      0.5f + 0.5f * sinf(0.37f * (float)(i % NX) + 0.11f * (float)(i / NX) + 1.7f * (float)serial);
  return (i + (int)serial) % 301 == 0 ? NAN : v;
}

/* A step begins in a slot. */
static slot *begin(stream *s, int index) {
  slot *one = &s->slots[index];
  tells->forget(one->values);
  one->landing.serial = ++s->serial;
  tells->begin(&one->landing);
  atomic_store(&one->released, 0);
  return one;
}

static void write_box(slot *s, const uint64_t lo[3], const uint64_t n[3]) {
  for (uint64_t z = lo[2]; z < lo[2] + n[2]; z++) {
    for (uint64_t y = lo[1]; y < lo[1] + n[1]; y++) {
      for (uint64_t x = lo[0]; x < lo[0] + n[0]; x++) {
        const int i = (int)((z * NY + y) * NX + x);
        s->values[i] = value(s->landing.serial, i);
      }
    }
  }
}

/* Planes z0 to z1 - 1 land. */
static void land(slot *s, uint64_t z0, uint64_t z1) {
  const uint64_t lo[3] = {0, 0, z0}, n[3] = {NX, NY, z1 - z0};
  write_box(s, lo, n);
  tells->landed(s->values, lo, n);
}

/* Waits until so many boxes have been copied. */
static void wait_copied(slot *s, int boxes) {
  for (int t = 0; t < 3000 && atomic_load(&s->released) < boxes; t++) {
    (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  assert_int_equal(atomic_load(&s->released), boxes);
}

/* The brick in a slot: without ghost planes in all directions, or with all rows and planes of the
 * memory but the last one in z, which is a border. */
static xac_volume brick_of(const slot *s, int inner) {
  xac_volume v = {.type = BEAMCAST_FLOAT32,
                  .data = s->values + (inner ? (NY + 1) * NX + 1 : 0),
                  .dims = {NX, NY, NZ - 1},
                  .stride = {1, NX, NX * NY},
                  .whole = {NX, NY, NZ},
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  if (inner) {
    for (int a = 0; a < 3; a++) {
      v.dims[a] = v.whole[a] - 2;
      v.start[a] = 1;
    }
    const float *first = v.data;
    const int64_t step[3] = {1, NX, NX * NY};
    for (int face = 0; face < 6; face++) {
      const int a = face / 2;
      v.border[face] = first + (face % 2 ? v.dims[a] : -1) * step[a];
      v.border_stride[face][0] = step[a == 0];
      v.border_stride[face][1] = step[a == 2 ? 1 : 2];
    }
  } else {
    v.border[5] = s->values + NX * NY * (NZ - 1);
  }
  return v;
}

static uint64_t bytes_of(const xac_volume *v) {
  return (uint64_t)(v->dims[0] * v->dims[1] * v->dims[2]) * sizeof(float);
}

static xac_renderer *renderer_new(void) {
  static const float rgba[] = {0.9f, 0.1f, 0.1f, 0.0f, 0.2f, 0.8f,
                               0.3f, 0.1f, 0.2f, 0.3f, 0.9f, 0.4f};
  const xac_transfer transfer = {.rgba = rgba, .entries = 3, .range = {0, 1}, .unit_distance = 1.0};
  xac_shading shading;
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(XAC_CUDA, 1, &error);
  assert_non_null(r);
  xac_shading_default(&shading);
  shading.kernel = XAC_LOCAL;
  assert_int_equal(xac_set_transfer(r, &transfer, &error), 0);
  assert_int_equal(xac_set_shading(r, &shading, &error), 0);
  return r;
}

static float *picture(xac_renderer *r, xac_stats *stats) {
  xac_camera camera;
  xac_quality quality;
  beamcast_error error = {0, ""};
  const double eye[3] = {50, 40, 60}, focus[3] = {9, 7, 11}, up[3] = {0, 1, 0};
  float *rgba = calloc(SIDE * SIDE, 4 * sizeof *rgba);
  xac_camera_look_at(&camera, SIDE, SIDE, eye, focus, up, 25, 0, NULL);
  xac_quality_default(&quality, 0.5);
  xac_image image = {.rgba = rgba};
  assert_int_equal(xac_render(r, &camera, &quality, &image, stats, &error), 0);
  return rgba;
}

/* Gives the renderer the step, and holds its picture against one of a renderer that knows of no
 * landing: the slot's values where they are no slot. Returns the bytes that were copied early. */
static uint64_t show(xac_renderer *r, slot *s, int inner) {
  slot copy = {.values = malloc(POINTS * sizeof(float))};
  const xac_volume v = brick_of(s, inner);
  xac_stats stats, plain;
  memcpy(copy.values, s->values, POINTS * sizeof(float));
  assert_int_equal(xac_set_volume(r, &v, NULL), 0);
  float *shown = picture(r, &stats);
  const xac_volume w = brick_of(&copy, inner);
  xac_renderer *other = renderer_new();
  assert_int_equal(xac_set_volume(other, &w, NULL), 0);
  float *expected = picture(other, &plain);
  assert_string_equal(stats.notice, plain.notice);
  assert_int_equal(stats.backend, XAC_CUDA);
  assert_int_equal(plain.copied_early, 0);
  assert_int_equal(plain.copied_late, bytes_of(&v));
  assert_int_equal(stats.copied_early + stats.copied_late, bytes_of(&v));
  double seen = 0.0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    seen += (double)shown[4 * i + 3];
  }
  assert_true(seen > 0.02 * SIDE * SIDE);
  assert_memory_equal(shown, expected, sizeof(float) * 4 * SIDE * SIDE);
  xac_destroy(other);
  free(copy.values);
  free(shown);
  free(expected);
  return stats.copied_early;
}

/* A first step, which nobody could know of. */
static void show_first(xac_renderer *r, stream *s, int inner) {
  slot *first = begin(s, 0);
  land(first, 0, NZ);
  assert_int_equal(show(r, first, inner), 0);
}

static void a_step_that_has_landed_is_on_the_device_already(void **state) {
  (void)state;
  for (int inner = 0; inner < 2; inner++) {
    stream *s = stream_new(1);
    xac_renderer *r = renderer_new();
    show_first(r, s, inner);
    for (int step = 1; step < 5; step++) {
      slot *next = begin(s, step % SLOTS);
      const xac_volume v = brick_of(next, inner);
      for (uint64_t z = 0; z < NZ; z += 2) {
        land(next, z, z + 2);
      }
      wait_copied(next, NZ / 2);
#ifdef HOST_DEVICE
      const uint64_t before = host_device_copied();
#endif
      assert_int_equal(xac_set_volume(r, &v, NULL), 0);
      xac_stats stats;
      free(picture(r, &stats));
      assert_int_equal(stats.copied_early, bytes_of(&v));
      assert_int_equal(stats.copied_late, 0);
#ifdef HOST_DEVICE /* the borders alone */
      assert_true(host_device_copied() - before < bytes_of(&v));
#endif
    }
    xac_destroy(r);
    stream_free(s);
  }
}

static void what_has_not_landed_is_copied_when_the_step_is_shown(void **state) {
  (void)state;
  stream *s = stream_new(1);
  xac_renderer *r = renderer_new();
  show_first(r, s, 0);
  slot *next = begin(s, 1);
  land(next, 0, 5);
  land(next, 9, 12);
  wait_copied(next, 2);
  const uint64_t rest[2][2] = {{5, 9}, {12, NZ}};
  for (int i = 0; i < 2; i++) { /* a gap that is filled, of which nothing is told */
    write_box(next, (uint64_t[3]){0, 0, rest[i][0]},
              (uint64_t[3]){NX, NY, rest[i][1] - rest[i][0]});
  }
  assert_int_equal(show(r, next, 0), (uint64_t)8 * NX * NY * sizeof(float));
  xac_destroy(r);
  stream_free(s);
}

/* A little later, so that show is waiting by then. */
static void *let_go(void *argument) {
  (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  atomic_store(&held_up, 0);
  return argument;
}

static void what_was_taken_back_is_not_shown(void **state) {
  (void)state;
  stream *s = stream_new(1);
  xac_renderer *r = renderer_new();
  show_first(r, s, 0);
  slot *next = begin(s, 1); /* given up half-way */
  land(next, 0, 10);
  wait_copied(next, 1);
  tells->forget(next->values);
  next = begin(s, 1); /* another one in its memory: nothing of it is told before it is whole */
  write_box(next, (uint64_t[3]){0}, (uint64_t[3]){NX, NY, NZ});
  assert_int_equal(show(r, next, 0), 0);
  xac_renderer *late = renderer_new(); /* the same, heard of when it is to be shown only */
  assert_int_equal(show(late, next, 0), 0);
  next = begin(s, 2);
  atomic_store(&held_up, 1);
  land(next, 0, 10);
  while (atomic_load(&next->held) < 2 + 1) { /* here, and in both threads that copy */
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  tells->forget(next->values);
  next = begin(s, 2);
  write_box(next, (uint64_t[3]){0}, (uint64_t[3]){NX, NY, NZ});
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, let_go, NULL), 0);
  assert_int_equal(show(late, next, 0), 0);
  (void)pthread_join(thread, NULL);
  xac_destroy(late);
  next = begin(s, 2); /* this one is told, and then it is another one that is shown */
  land(next, 0, NZ);
  wait_copied(next, 1);
  next = begin(s, 0);
  write_box(next, (uint64_t[3]){0}, (uint64_t[3]){NX, NY, NZ});
  assert_int_equal(show(r, next, 0), 0);
  xac_destroy(r);
  stream_free(s);
}

/* Of which the steps that follow one another have other shapes. */
static void another_shape_begins_with_the_whole_step(void **state) {
  (void)state;
  stream *s = stream_new(1);
  xac_renderer *r = renderer_new();
  show_first(r, s, 0);
  s->slots[1].landing.shape[2] = NZ / 2;
  slot *next = begin(s, 1);
  land(next, 0, NZ / 2);
  xac_volume v = brick_of(next, 0);
  v.dims[2] = v.whole[2] = NZ / 2;
  v.border[5] = NULL;
  xac_stats stats;
  assert_int_equal(xac_set_volume(r, &v, NULL), 0);
  free(picture(r, &stats));
  assert_int_equal(stats.copied_early, 0);
  assert_int_equal(stats.copied_late, bytes_of(&v));
  assert_int_equal(atomic_load(&next->released), 0);
  s->slots[2].landing.shape[2] = NZ / 2; /* and again as before */
  next = begin(s, 2);
  land(next, 0, NZ / 2);
  wait_copied(next, 1);
  xac_destroy(r);
  stream_free(s);
}

static void each_stream_is_followed_by_those_who_show_it(void **state) {
  (void)state;
  stream *a = stream_new(1), *b = stream_new(2);
  b->slots[0].landing.source = b->slots[1].landing.source = a; /* of one receiver */
  xac_renderer *ra = renderer_new(), *rb = renderer_new();
  show_first(ra, a, 0);
  show_first(rb, b, 1);
  a->serial = b->serial = 7;
  slot *next_a = begin(a, 1), *next_b = begin(b, 1);
  for (uint64_t z = 0; z < NZ; z += NZ / 2) {
    land(next_b, z, z + NZ / 2);
    land(next_a, z, z + NZ / 2);
  }
  wait_copied(next_a, 2);
  wait_copied(next_b, 2);
  const xac_volume va = brick_of(next_a, 0), vb = brick_of(next_b, 1);
  assert_int_equal(show(ra, next_a, 0), bytes_of(&va));
  assert_int_equal(show(rb, next_b, 1), bytes_of(&vb));
  /* nobody follows the second array of what is shown */
  a->slots[2].landing.array = 1;
  slot *other = begin(a, 2);
  land(other, 0, NZ);
  slot *last = begin(a, 0);
  land(last, 0, NZ);
  wait_copied(last, 1);
  assert_int_equal(atomic_load(&other->released), 0);
  xac_destroy(ra);
  xac_destroy(rb);
  stream_free(a);
  stream_free(b);
}

static void who_tells_the_same_for_ever_is_not_listened_to(void **state) {
  (void)state;
  stream *s = stream_new(1);
  xac_renderer *r = renderer_new();
  show_first(r, s, 0);
  slot *next = begin(s, 1);
  for (int i = 0; i < 50; i++) {
    tells->landed(next->values, (uint64_t[3]){0}, (uint64_t[3]){NX, NY, NZ}); /* it did not */
  }
  land(next, 0, NZ);
  assert_int_equal(show(r, next, 0), 0);
  xac_destroy(r);
  stream_free(s);
}

/* Boxes of any size in any order, overlapping with other values, told before the voxels are
 * written and again after, steps that are given up, and any of it shown at any time. */
static void whatever_lands_the_picture_is_that_of_host_memory(void **state) {
  (void)state;
  const uint64_t side[3] = {NX, NY, NZ};
  stream *s = stream_new(1);
  xac_renderer *r = renderer_new();
  show_first(r, s, 1);
  uint64_t early = 0;
  for (int round = 0; round < 60; round++) {
    slot *next = begin(s, (round + 1) % SLOTS);
    const uint64_t own = next->landing.serial;
    const unsigned boxes = 1 + draw(9);
    for (unsigned i = 0; i < boxes; i++) {
      uint64_t lo[3], n[3];
      for (int a = 0; a < 3; a++) {
        lo[a] = draw((unsigned)side[a]);
        n[a] = 1 + draw((unsigned)(side[a] - lo[a]));
      }
      if (draw(4) == 0) {
        tells->landed(next->values, lo, n); /* a lie, made good below */
      }
      next->landing.serial = own + 1000 * draw(3);
      write_box(next, lo, n);
      next->landing.serial = own;
      tells->landed(next->values, lo, n);
    }
    if (draw(5) == 0) {
      tells->forget(next->values);
    } else {
      early += show(r, next, 1);
    }
  }
  assert_true(early > 0);
  xac_destroy(r);
  stream_free(s);
}

#ifdef HOST_DEVICE
static void a_device_without_room_for_two_copies_has_one(void **state) {
  (void)state;
  stream *s = stream_new(1);
  xac_renderer *r = renderer_new();
  show_first(r, s, 0);
  slot *next = begin(s, 1);
  xac_volume v = brick_of(next, 0);
  host_device_resize(host_device_used() + bytes_of(&v) + 4000); /* some has to stay free */
  land(next, 0, NZ);
  xac_stats stats;
  assert_int_equal(xac_set_volume(r, &v, NULL), 0);
  free(picture(r, &stats));
  assert_int_equal(stats.backend, XAC_CUDA);
  assert_int_equal(stats.copied_early, 0);
  host_device_resize((size_t)1 << 30);
  assert_int_equal(show(r, next, 0), 0);
  /* With room, there is a second one; when memory is short, it is the first to go. */
  next = begin(s, 2);
  land(next, 0, NZ);
  wait_copied(next, 1);
  xac_renderer *other = renderer_new();
  v = brick_of(&s->slots[1], 0);
  host_device_resize(host_device_used() + 4000);
  assert_int_equal(xac_set_volume(other, &v, NULL), 0);
  host_device_resize((size_t)1 << 30);
  free(picture(other, &stats));
  assert_int_equal(stats.backend, XAC_CUDA);
  assert_int_equal(show(r, next, 0), 0);
  xac_destroy(other);
  xac_destroy(r);
  stream_free(s);
}
#endif

static int nothing_is_left(void **state) {
  (void)state;
#ifdef HOST_DEVICE
  assert_int_equal(host_device_used(), 0);
#endif
  return 0;
}

int main(void) {
  beamcast_error error = {0, ""};
  xac_renderer *r = xac_create(XAC_CUDA, 1, &error);
  if (r == NULL) {
    (void)printf("skipped: no CUDA device: %s\n", error.message);
    return 77;
  }
  xac_destroy(r);
  tells = xac_landing();
  main_thread = pthread_self();
#define LANDING_TEST(NAME) cmocka_unit_test_teardown(NAME, nothing_is_left)
  const struct CMUnitTest tests[] = {
      LANDING_TEST(a_step_that_has_landed_is_on_the_device_already),
      LANDING_TEST(what_has_not_landed_is_copied_when_the_step_is_shown),
      LANDING_TEST(what_was_taken_back_is_not_shown),
      LANDING_TEST(another_shape_begins_with_the_whole_step),
      LANDING_TEST(each_stream_is_followed_by_those_who_show_it),
      LANDING_TEST(who_tells_the_same_for_ever_is_not_listened_to),
      LANDING_TEST(whatever_lands_the_picture_is_that_of_host_memory),
#ifdef HOST_DEVICE
      LANDING_TEST(a_device_without_room_for_two_copies_has_one),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
