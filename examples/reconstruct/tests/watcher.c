/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A viewer without ParaView: receives the stream "volume" on a few ranks in one process, and looks
 * at steps as a viewer would.
 *   watcher CONTACT RANKS latest|all MILLISECONDS [FOLDER]
 * latest: the producer never waits; all: it waits until each step was looked at. Every look takes
 * so long. FOLDER: each step that is seen is written to FOLDER/STEP.raw, float32 [z][y][x]. Says
 * "ready" when it listens, and "step N" for each step. A line of its input is sent to the producers
 * as a request; it ends with its input.
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "receiver.h"

enum { RANKS_MAX = 4 };
static const char stream[] = "volume";

typedef struct watcher {
  bc_receiver *receiver[RANKS_MAX];
  unsigned char addresses[RANKS_MAX][BC_ADDRESS_BYTES];
  int ranks, milliseconds;
  const char *folder;
  uint64_t seen; /* serial */
} watcher;

typedef struct join_job {
  watcher *w;
  int rank;
} join_job;

static void die(const char *why) {
  fprintf(stderr, "watcher: %s\n", why);
  exit(1);
}

static void *join(void *argument) {
  const join_job *job = argument;
  beamcast_error error = {0};
  if (bc_receiver_join(job->w->receiver[job->rank], job->w->addresses[0], &error) != BEAMCAST_OK) {
    die(error.message);
  }
  return NULL;
}

static void start(watcher *w, const char *contact, int policy) {
  beamcast_error error = {0};
  pthread_t thread[RANKS_MAX];
  join_job job[RANKS_MAX];
  for (int rank = 0; rank < w->ranks; rank++) {
    const bc_receiver_options options = {.rank = rank,
                                         .ranks = w->ranks,
                                         .ranks_on_host = w->ranks,
                                         .host = "127.0.0.1",
                                         .contact = contact,
                                         .memory_limit = (uint64_t)1 << 30};
    w->receiver[rank] = bc_receiver_open(&options, &error);
    if (w->receiver[rank] == NULL) {
      die(error.message);
    }
    bc_receiver_address(w->receiver[rank], w->addresses[rank]);
  }
  const bc_stream_settings settings = {.policy = policy};
  if (bc_receiver_configure(w->receiver[0], stream, &settings, &error) != BEAMCAST_OK) {
    die(error.message);
  }
  bc_receiver_view_open(w->receiver[0], stream);
  for (int rank = 0; rank < w->ranks; rank++) {
    job[rank] = (join_job){w, rank};
    if (pthread_create(&thread[rank], NULL, join, &job[rank]) != 0) {
      die("no thread");
    }
  }
  for (int rank = 0; rank < w->ranks; rank++) {
    (void)pthread_join(thread[rank], NULL);
  }
}

/* Puts what a rank has of the step where it belongs. */
static void copy_part(const bc_frame *frame, float *whole) {
  bc_frame_info info;
  bc_array array;
  bc_frame_describe(frame, &info);
  if (bc_box_is_empty(&info.memory)) {
    return;
  }
  bc_frame_array(frame, 0, &array);
  const bc_box all = {{0, 0, 0}, {info.volume[0], info.volume[1], info.volume[2]}};
  int64_t from[3], to[3];
  bc_strides_of(info.memory.shape, sizeof *whole, from);
  bc_strides_of(info.volume, sizeof *whole, to);
  bc_copy_box((char *)whole + bc_offset_of(&all, &info.memory, sizeof *whole), to, array.data, from,
              info.memory.shape, sizeof *whole);
}

static void keep(const watcher *w, bc_frame *const *frame, const bc_frame_info *info) {
  const size_t voxels = info->volume[0] * info->volume[1] * info->volume[2];
  float *whole = calloc(voxels, sizeof *whole);
  char path[4096], ready[4096];
  snprintf(path, sizeof path, "%s/%" PRIu64 ".part", w->folder, info->step);
  snprintf(ready, sizeof ready, "%s/%" PRIu64 ".raw", w->folder, info->step);
  FILE *file = fopen(path, "wbe");
  if (whole == NULL || file == NULL) {
    die("can't keep a step");
  }
  for (int rank = 0; rank < w->ranks; rank++) {
    copy_part(frame[rank], whole);
  }
  if (fwrite(whole, sizeof *whole, voxels, file) != voxels || fclose(file) != 0 ||
      rename(path, ready) != 0) {
    die("can't write a step");
  }
  free(whole);
}

/* Looks at the next step, if there is one. */
static void look(watcher *w) {
  const uint64_t serial = bc_receiver_pick(w->receiver[0], stream, w->seen, BC_PICK_NEXT);
  bc_frame *frame[RANKS_MAX];
  bc_frame_info info;
  if (serial == 0) {
    return;
  }
  w->seen = serial;
  for (int rank = 0; rank < w->ranks; rank++) {
    frame[rank] = bc_receiver_take(w->receiver[rank], serial);
    if (frame[rank] == NULL) {
      die("a rank lacks a step");
    }
  }
  bc_frame_describe(frame[0], &info);
  if (w->folder != NULL) {
    keep(w, frame, &info);
  }
  nanosleep(&(struct timespec){.tv_sec = w->milliseconds / 1000,
                               .tv_nsec = w->milliseconds % 1000 * 1000000L},
            NULL);
  for (int rank = 0; rank < w->ranks; rank++) {
    bc_frame_release(frame[rank]);
  }
  printf("step %" PRIu64 "\n", info.step);
}

int main(int argc, char **argv) {
  static watcher w;
  static char line[4096];
  beamcast_error error = {0};
  if (argc < 5 || (w.ranks = atoi(argv[2])) < 1 || w.ranks > RANKS_MAX) {
    die("usage: watcher CONTACT RANKS latest|all MILLISECONDS [FOLDER]");
  }
  w.milliseconds = atoi(argv[4]);
  w.folder = argc > 5 ? argv[5] : NULL;
  setvbuf(stdout, NULL, _IOLBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0);
  start(&w, argv[1], strcmp(argv[3], "all") == 0 ? BC_ALL : BC_LATEST);
  puts("ready");
  for (;;) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, 2) > 0) {
      if (fgets(line, sizeof line, stdin) == NULL) {
        break;
      }
      if (bc_receiver_request(w.receiver[0], stream, line, &error) != BEAMCAST_OK) {
        die(error.message);
      }
      puts("asked");
    }
    look(&w);
  }
  for (int rank = w.ranks - 1; rank >= 0; rank--) {
    bc_receiver_close(w.receiver[rank]);
  }
}
