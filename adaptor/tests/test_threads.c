/* SPDX-License-Identifier: BSD-3-Clause
 * One stream a thread: streams of one process do not disturb each other, nor those who retrieve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>

#include "beamcast.h"
#include "server_here.h"

enum { THREADS = 4, STEPS = 30, SIDE = 24 };

static server_here here;

typedef struct job {
  int number;
  const char *wire;
  int failed; /* 0, or the line where it went wrong */
  char message[BEAMCAST_MESSAGE_MAX];
} job;

#define MUST(CONDITION)                                                                            \
  do {                                                                                             \
    if (!(CONDITION) && j->failed == 0) {                                                          \
      j->failed = __LINE__;                                                                        \
      (void)snprintf(j->message, sizeof j->message, "%s", error.message);                          \
    }                                                                                              \
  } while (0)

static void *push_and_look(void *argument) {
  job *j = argument;
  char name[32];
  unsigned short voxels[SIDE * SIDE * SIDE];
  beamcast_error error = {0};
  (void)snprintf(name, sizeof name, "stream %d", j->number);
  const beamcast_connect_options options = {.name = name, .wire = j->wire, .connections = 2};
  beamcast_stream *stream = beamcast_connect(here.contact, &options, &error);
  MUST(stream != NULL);
  for (uint64_t step = 1; step <= STEPS && j->failed == 0; step++) {
    for (int i = 0; i < SIDE * SIDE * SIDE; i++) {
      voxels[i] = (unsigned short)(i * 3 + j->number * 1000 + (int)step);
    }
    const beamcast_brick brick = {.data = voxels,
                                  .type = BEAMCAST_UINT16,
                                  .volume = {SIDE, SIDE, SIDE},
                                  .shape = {SIDE, SIDE, SIDE}};
    beamcast_volume_data got;
    MUST(beamcast_begin_step(stream, step, 0, &error) == BEAMCAST_OK);
    MUST(beamcast_put(stream, &brick, &error) == BEAMCAST_OK);
    MUST(beamcast_end_step(stream, &error) == BEAMCAST_OK);
    MUST(server_here_has(&here, name, step));
    MUST(beamcast_stream_retrieve(here.contact, name, NULL, NULL, NULL, 60, &got, &error) ==
         BEAMCAST_OK);
    if (j->failed == 0) {
      MUST(got.step == step && memcmp(got.data, voxels, sizeof voxels) == 0);
      beamcast_volume_free(&got);
    }
  }
  beamcast_close(stream);
  return NULL;
}

static void streams_of_several_threads_are_independent(void **state) {
  (void)state;
  static const char *const wires[] = {"tcp", "shm"};
  pthread_t threads[THREADS];
  job jobs[THREADS];
  for (int i = 0; i < THREADS; i++) {
    jobs[i] = (job){.number = i, .wire = wires[i % 2]};
    assert_int_equal(pthread_create(&threads[i], NULL, push_and_look, &jobs[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    if (jobs[i].failed != 0) {
      fail_msg("thread %d, line %d: %s", i, jobs[i].failed, jobs[i].message);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(streams_of_several_threads_are_independent),
  };
  here = server_here_open();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  server_here_close(&here);
  return failed;
}
