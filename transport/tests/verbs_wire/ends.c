/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A producer, a server or a device that goes in mid-transfer, over the verbs wire.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

/* Steps without end. */
void child_pushes(const char *contact) {
  sample sc = cube(200);
  beamcast_error error = {0};
  bc_sender *sender = connect_as(contact, 0, 1, (uint64_t)getpid(), 60);
  unsigned char *memory = pages_at(NULL, 200 * 200 * 200 * 4);
  memset(memory, 0xcc, 200 * 200 * 200 * 4);
  brick b = whole(&sc, memory);
  for (uint64_t step = 1;; step++) {
    must(bc_sender_begin(sender, step, 0, &error), "begin", &error);
    must(put(sender, &sc, &b, &error), "put", &error);
    must(bc_sender_end(sender, "{}", &error), "end", &error);
  }
}

void test_killed(void) {
  random_state random = random_from_environment();
  server s;
  server_start(&s, 2, &(bc_stream_settings){.policy = BC_LATEST});
  for (int round = 0; round < 8; round++) {
    pid_t child = spawn("child-pushes", s.contact);
    bc_frame *frames[RANKS_MAX];
    server_take(&s, frames, 60); /* it is at work */
    for (int i = 0; i < s.ranks; i++) {
      bc_frame_release(frames[i]);
    }
    struct timespec pause = {.tv_nsec = (long)draw(&random, 0, 300000000)};
    (void)nanosleep(&pause, NULL);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    /* what it completed before it died is not waited for */
    s.seen = bc_receiver_pick(s.rank[0], "volume", 0, BC_PICK_NEWEST);
    for (int i = 0; i < s.ranks; i++) {
      bc_frame_release(bc_receiver_take(s.rank[i], s.seen));
    }
  }
  sample sc = cube(64);
  producer p = {.contact = s.contact, .sc = sc, .ranks = 1, .run = 1, .steps = 1, .seed = 5};
  pthread_t thread;
  pthread_create(&thread, NULL, produce, &p);
  check_step(&s, &sc, 1);
  pthread_join(thread, NULL);
  server_stop(&s);
}

void child_serves(const char *path) {
  server s;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  if (rename(s.contact, path) != 0) {
    die("rename", NULL);
  }
  for (;;) {
    pause();
  }
}

void test_gone(void) {
  random_state random = random_from_environment();
  sample sc = cube(200);
  uint64_t bytes = 200 * 200 * 200 * 4;
  unsigned char *memory = pages_at(NULL, bytes);
  brick b = whole(&sc, memory);
  for (int round = 0; round < 8; round++) {
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/verbs-gone-%d-%d.json", (int)getpid(), round);
    pid_t child = spawn("child-serves", path);
    bc_sender *sender = connect_as(path, 0, 1, 7, 20);
    beamcast_error error = {0};
    double begin = seconds();
    bool killed = false;
    int code = BEAMCAST_OK;
    double when = 0.001 * (double)draw(&random, 100, 1500);
    for (uint64_t step = 1; code == BEAMCAST_OK || code == BEAMCAST_DROPPED; step++) {
      if (!killed && seconds() - begin > when / 2) {
        killed = true;
        if (fork() == 0) { /* so that it happens in mid-put */
          struct timespec pause = {.tv_nsec = (long)draw(&random, 0, 300000000)};
          (void)nanosleep(&pause, NULL);
          (void)kill(child, SIGKILL);
          _exit(0);
        }
      }
      code = bc_sender_begin(sender, step, 0, &error);
      code = code == BEAMCAST_OK ? put(sender, &sc, &b, &error) : code;
      code = code == BEAMCAST_OK ? bc_sender_end(sender, "{}", &error) : code;
      if (seconds() - begin > 60) {
        die("the server's end was not noticed", NULL);
      }
    }
    (void)fprintf(stderr, "round %d: %s (%.1f s)\n", round, error.message, seconds() - begin);
    bc_sender_close(sender);
    while (wait(NULL) > 0) {
    }
    (void)unlink(path);
  }
  (void)munmap(memory, bytes);
}

/* A soft-RoCE device goes only when nobody uses it any more, so this does not wait for that; but
 * its users are told at once. */
static void *unplug(void *argument) {
  struct timespec pause = {.tv_nsec = 300000000};
  (void)argument;
  (void)nanosleep(&pause, NULL);
  if (system("rdma link delete rxe0 </dev/null >/dev/null 2>&1 &") != 0) {
    die("the device could not be deleted", NULL);
  }
  return NULL;
}

/* The device is deleted in mid-put; the server then serves tcp. */
void test_unplugged(void) {
  server s;
  sample sc = cube(256);
  beamcast_error error = {0};
  uint64_t bytes = UINT64_C(256) * 256 * 256 * 4;
  unsigned char *memory = pages_at(NULL, bytes);
  brick b = whole(&sc, memory);
  pthread_t thread;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  bc_sender *sender = connect_as(s.contact, 0, 1, 7, 30);
  double begin = seconds();
  pthread_create(&thread, NULL, unplug, NULL);
  int code = BEAMCAST_OK;
  for (uint64_t step = 1; code == BEAMCAST_OK; step++) {
    code = bc_sender_begin(sender, step, 0, &error);
    code = code == BEAMCAST_OK ? put(sender, &sc, &b, &error) : code;
    code = code == BEAMCAST_OK ? bc_sender_end(sender, "{}", &error) : code;
    if (seconds() - begin > 60) {
      die("the device's end was not noticed", NULL);
    }
  }
  (void)fprintf(stderr, "%s (%.1f s)\n", error.message, seconds() - begin);
  bc_sender_close(sender);
  pthread_join(thread, NULL);
  (void)munmap(memory, bytes);
  sample small = cube(64);
  producer p = {.contact = s.contact, .sc = small, .ranks = 1, .run = 1, .steps = 1, .seed = 5};
  wire = "tcp";
  s.seen = bc_receiver_pick(s.rank[0], "volume", 0, BC_PICK_NEWEST);
  if (s.seen != 0) {
    bc_frame_release(bc_receiver_take(s.rank[0], s.seen));
  }
  pthread_create(&thread, NULL, produce, &p);
  check_step(&s, &small, 1);
  pthread_join(thread, NULL);
  server_stop(&s);
}
