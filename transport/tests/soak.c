/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server for a long time, with producers and viewers that come, go, are killed and stand still;
 * every step that is looked at is right voxel by voxel. A line a minute says what the server takes;
 * memory, threads and files must be in the end what they were after the first tenth of the time.
 *   soak WIRE SECONDS [PAUSE]      PAUSE: seconds from one run to the next, for a machine with
 * other work
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

enum { RANKS = 2, TEAM_MAX = 4 };

static double length, pause_length;

typedef struct counts {
  uint64_t teams, steps, dropped, killed, looks;
} counts;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The newest step: of this run, unless policy latest has dropped all of its steps. */
static void look(server *s, const test_scene *scene, uint64_t run, counts *count) {
  order pick = {.kind = R_PICK, .stream = "volume", .number = BC_PICK_NEWEST};
  uint64_t serial = ask(&s->rank[0], &pick).serial, step = 0, of = 0;
  if (serial == 0) {
    return;
  }
  server_take_serial(s, serial, &step, &of);
  if (of == run) {
    server_check(s, serial, scene);
    count->looks++;
  }
  server_release(s, serial);
}

/* A run of some producers, which ends in one of the ways in which runs end. */
static void one_team(server *s, uint64_t run, counts *count) {
  static const uint64_t volume[3] = {48, 40, 32};
  random_state *random = &harness_random;
  int size = (int)draw(random, 1, TEAM_MAX);
  bool kill_one = draw(random, 0, 3) == 0, stop_one = draw(random, 0, 9) == 0;
  test_scene scene = scene_plain(run, size, volume, BEAMCAST_FLOAT32);
  child team[TEAM_MAX];
  order go = {.kind = P_RUN, .step = 1, .last = draw(random, 1, 40), .scene = scene};
  uint64_t received = server_status(s, "volume").steps_received;
  producers_connect(team, size, s, "volume", run);
  for (int i = 0; i < size; i++) {
    tell(&team[i], &go);
  }
  if (stop_one) {
    (void)kill(team[0].pid, SIGSTOP);
    nap(0.05);
    (void)kill(team[0].pid, SIGCONT);
  }
  if (kill_one) {
    nap((double)draw(random, 0, 30000) * 1e-6);
    child_kill(&team[size - 1]);
    for (int i = 0; i < size - 1; i++) {
      child_kill(&team[i]);
    }
    count->killed += (uint64_t)size;
  } else {
    for (int i = 0; i < size; i++) {
      answer a = hear(&team[i]);
      if (a.code != BEAMCAST_OK) {
        fail_test("run %llu: %d, %s", (unsigned long long)run, a.code, a.text);
      }
      count->dropped += a.dropped;
    }
    look(s, &scene, run, count);
    for (int i = 0; i < size; i++) {
      producer_exit(&team[i]);
    }
  }
  server_wait_producers(s, "volume", 0);
  count->steps += server_status(s, "volume").steps_received - received;
  count->teams++;
}

static void show(const counts *count, double since, const answer usage[RANKS]) {
  (void)printf("%5.0f s: %llu runs, %llu steps, %llu dropped, %llu killed, %llu looked at;", since,
               (unsigned long long)count->teams, (unsigned long long)count->steps,
               (unsigned long long)count->dropped, (unsigned long long)count->killed,
               (unsigned long long)count->looks);
  for (int i = 0; i < RANKS; i++) {
    (void)printf(" rank %d: %.1f MiB, %d files, %d threads;", i,
                 (double)usage[i].resident / (1 << 20), usage[i].files, usage[i].threads);
  }
  (void)printf("\n");
  (void)fflush(stdout);
}

static void a_long_time_takes_no_more_than_a_short_one(void **state) {
  (void)state;
  server s = server_start(RANKS, 0);
  counts count = {0};
  answer before[RANKS] = {{0}}, usage[RANKS] = {{0}};
  double began = seconds(), shown = began;
  bool warm = false;
  server_configure(&s, "volume", &(bc_stream_settings){.slots = 3, .ghosts = 1});
  for (uint64_t run = 1; seconds() - began < length || !warm; run++) {
    one_team(&s, run, &count);
    nap(pause_length);
    if (!warm && seconds() - began > length / 10 && count.teams >= 10) {
      warm = true;
      nap(0.2);
      for (int i = 0; i < RANKS; i++) {
        before[i] = usage_of(&s.rank[i], R_USAGE);
      }
    }
    for (int i = 0; i < RANKS && seconds() - shown > 60; i++) {
      usage[i] = usage_of(&s.rank[i], R_USAGE);
    }
    if (seconds() - shown > 60) {
      shown = seconds();
      show(&count, shown - began, usage);
    }
  }
  for (int i = 0; i < RANKS; i++) {
    wait_for_usage(&s.rank[i], R_USAGE, &before[i]);
    usage[i] = usage_of(&s.rank[i], R_USAGE);
  }
  show(&count, seconds() - began, usage);
  for (int i = 0; i < RANKS; i++) {
    uint64_t most = before[i].resident + before[i].resident / 10 + (2 << 20);
    if (!harness_slow() && usage[i].resident > most) {
      fail_test("rank %d grew from %llu to %llu bytes", i, (unsigned long long)before[i].resident,
                (unsigned long long)usage[i].resident);
    }
  }
  server_stop(&s);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  length = argc > 2 ? strtod(argv[2], NULL) : 2;
  pause_length = argc > 3 ? strtod(argv[3], NULL) : 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_long_time_takes_no_more_than_a_short_one, harness_clean)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
