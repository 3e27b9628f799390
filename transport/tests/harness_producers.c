/* SPDX-License-Identifier: BSD-3-Clause
 * The test's side: what producers are told, and what comes back of it; see harness.h. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

answer producer_connect(child *c, const server *s, const char *stream, int rank, int ranks,
                        uint64_t run) {
  order o = {.kind = P_CONNECT, .rank = rank, .ranks = ranks, .run = run, .limit = 60};
  (void)snprintf(o.stream, sizeof o.stream, "%s", stream);
  (void)snprintf(o.contact, sizeof o.contact, "%s", s->contact);
  return ask(c, &o);
}

void producers_connect(child *producers, int count, const server *s, const char *stream,
                       uint64_t run) {
  for (int i = 0; i < count; i++) {
    producers[i] = producer_start();
    answer a = producer_connect(&producers[i], s, stream, i, count, run);
    if (a.code != BEAMCAST_OK) {
      fail_test("connect: %d, %s", a.code, a.text);
    }
  }
}

/* The first that went wrong; 0 if none did. */
static int connect_all(child *producers, int count, const server *s, const char *stream,
                       uint64_t run, double limit) {
  int code = BEAMCAST_OK;
  for (int i = 0; i < count && code == BEAMCAST_OK; i++) {
    order o = {.kind = P_CONNECT, .rank = i, .ranks = count, .run = run, .limit = limit};
    (void)snprintf(o.stream, sizeof o.stream, "%s", stream);
    (void)snprintf(o.contact, sizeof o.contact, "%s", s->contact);
    code = ask(&producers[i], &o).code;
  }
  return code;
}

double producers_connect_in_time(child *producers, int count, server *s, const char *stream,
                                 double limit, const test_scene *scene, uint64_t *run,
                                 uint64_t *step) {
  enum { TRIES = 8 };
  for (int i = 0; i < TRIES; i++) {
    int code = connect_all(producers, count, s, stream, *run, limit);
    uint64_t received = server_status(s, stream).steps_received;
    *step = 0;
    while (code == BEAMCAST_OK || code == BEAMCAST_DROPPED) {
      code = producers_step(producers, count, scene, ++*step);
      if (code == BEAMCAST_OK) {
        server_wait_received(s, stream, received + 1);
        return limit;
      }
      nap(0.01);
    }
    for (int k = 0; k < count; k++) {
      (void)ask(&producers[k], &(order){.kind = P_CLOSE});
    }
    limit *= 2;
    ++*run;
  }
  fail_test("no step is through within %g s", limit);
}

int producer_begin(child *c, uint64_t step, double time) {
  return ask(c, &(order){.kind = P_BEGIN, .step = step, .time = time}).code;
}

int producer_put(child *c, const test_scene *scene) {
  return ask(c, &(order){.kind = P_PUT, .scene = *scene}).code;
}

int producer_end(child *c) {
  return ask(c, &(order){.kind = P_END}).code;
}

beamcast_stream_info producer_info(child *c) {
  return ask(c, &(order){.kind = P_DESCRIBE}).info;
}

static int together(child *producers, int count, const order *o) {
  int worst = BEAMCAST_OK;
  for (int i = 0; i < count; i++) {
    tell(&producers[i], o);
  }
  for (int i = 0; i < count; i++) {
    answer a = hear(&producers[i]);
    if (a.code != BEAMCAST_OK && getenv("BEAMCAST_TEST_VERBOSE") != NULL) {
      (void)fprintf(stderr, "producer %d: %d, %s\n", i, a.code, a.text);
    }
    worst = a.code > worst ? a.code : worst;
  }
  return worst;
}

int producers_begin(child *producers, int count, uint64_t step) {
  return together(producers, count, &(order){.kind = P_BEGIN, .step = step, .time = (double)step});
}

int producers_put(child *producers, int count, const test_scene *scene) {
  order o = {.kind = P_PUT, .scene = *scene};
  return together(producers, count, &o);
}

int producers_end(child *producers, int count) {
  return together(producers, count, &(order){.kind = P_END});
}

int producers_step(child *producers, int count, const test_scene *scene, uint64_t step) {
  int code = producers_begin(producers, count, step);
  if (code == BEAMCAST_OK) {
    code = producers_put(producers, count, scene);
  }
  return code == BEAMCAST_OK ? producers_end(producers, count) : code;
}

uint64_t producers_step_when_free(child *producers, int count, const test_scene *scene,
                                  uint64_t step) {
  for (int i = 0; i < 20000; i++, step++) {
    int code = producers_begin(producers, count, step);
    if (code == BEAMCAST_OK) {
      assert_int_equal(producers_put(producers, count, scene), BEAMCAST_OK);
      assert_int_equal(producers_end(producers, count), BEAMCAST_OK);
      return step;
    }
    assert_int_equal(code, BEAMCAST_DROPPED);
    nap(0.005);
  }
  fail_test("no slot became free");
}

/* --- data back -----------------------------------------------------------------------------------
 */

void check_retrieved(const server *s, const char *stream, const test_scene *scene, uint64_t run,
                     uint64_t step) {
  for (int i = 0; i < scene->arrays; i++) {
    for (int round = 0; round < 3; round++) {
      beamcast_error error = {0};
      beamcast_volume_data got;
      char text[300];
      bc_box box = {.shape = {scene->volume[0], scene->volume[1], scene->volume[2]}};
      for (int axis = 0; axis < 3 && round > 0; axis++) {
        box.start[axis] = draw(&harness_random, 0, scene->volume[axis] - 1);
        box.shape[axis] = draw(&harness_random, 1, scene->volume[axis] - box.start[axis]);
      }
      int code = beamcast_stream_retrieve(s->contact, stream, scene->array[i].name,
                                          round ? box.start : NULL, round ? box.shape : NULL, 60,
                                          &got, &error);
      if (code != BEAMCAST_OK) {
        fail_test("retrieve: %d, %s", code, error.message);
      }
      if (got.step != step || got.type != scene->array[i].type ||
          got.components != scene->array[i].components ||
          memcmp(got.shape, box.shape, sizeof box.shape) != 0 ||
          memcmp(got.start, box.start, sizeof box.start) != 0 ||
          memcmp(got.volume, scene->volume, sizeof got.volume) != 0 ||
          memcmp(got.spacing, scene->spacing, sizeof got.spacing) != 0 ||
          memcmp(got.origin, scene->origin, sizeof got.origin) != 0) {
        fail_test("retrieve: what came is described otherwise (step %llu, expected %llu)",
                  (unsigned long long)got.step, (unsigned long long)step);
      }
      bool right = scene_holds(scene, run, step, i, &box, got.data, text, sizeof text);
      beamcast_volume_free(&got);
      if (!right) {
        fail_test("retrieve: %s", text);
      }
    }
  }
}
