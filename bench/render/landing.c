/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_landing WIRE MIB STEPS [PIXELS]: a producer pushes steps of float32, a server of one rank
 * draws each on a CUDA device as soon as it is whole. How long that takes from the end of the step
 * to its picture, with the device's copy begun while the step lands, and begun when it is whole.
 * One line of JSON for each; exit status 77 without a device.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "beamcast.h"
#include "measure.h"
#include "receiver.h"
#include "xac.h"

enum { STEPS_MAX = 1000, FIRST = 4 /* steps that touch fresh memory do not count */ };

typedef struct board {
  pthread_barrier_t turn;
  char contact[64];
  double ended; /* when end_step returned */
} board;

static int die(const char *what, const char *why) {
  (void)fprintf(stderr, "bench_landing: %s: %s\n", what, why);
  exit(1);
}

static void produce(board *b, const char *wire, const uint64_t shape[3], int steps) {
  const size_t count = (size_t)(shape[0] * shape[1] * shape[2]);
  float *data = malloc(count * sizeof *data);
  beamcast_error error = {0, ""};
  const beamcast_connect_options options = {.wire = wire, .time_limit = 120};
  if (data == NULL) {
    die("memory", "there is not enough");
  }
  for (size_t i = 0; i < count; i++) {
    data[i] = (float)(i % 1009) / 1009.0f;
  }
  pthread_barrier_wait(&b->turn);
  beamcast_stream *stream = beamcast_connect(b->contact, &options, &error);
  beamcast_brick brick = {.data = data, .type = BEAMCAST_FLOAT32};
  memcpy(brick.volume, shape, sizeof brick.volume);
  memcpy(brick.shape, shape, sizeof brick.shape);
  for (int i = 0; i < steps; i++) {
    if (stream == NULL || beamcast_begin_step(stream, (uint64_t)i, i, &error) != BEAMCAST_OK ||
        beamcast_put(stream, &brick, &error) != BEAMCAST_OK ||
        beamcast_end_step(stream, &error) != BEAMCAST_OK) {
      die("step", error.message);
    }
    b->ended = measure_now();
    pthread_barrier_wait(&b->turn); /* it has ended */
    pthread_barrier_wait(&b->turn); /* it is drawn */
  }
  beamcast_close(stream);
  exit(0);
}

/* Draws the newest step; gives its frame back through *frame. */
static void draw(bc_receiver *receiver, uint64_t *serial, bc_frame **frame, xac_renderer *r,
                 int pixels, float *rgba, xac_stats *stats) {
  bc_frame_info info;
  bc_array array;
  xac_camera camera;
  xac_quality quality;
  beamcast_error error = {0, ""};
  uint64_t next = 0;
  while (next == 0) {
    next = bc_receiver_pick(receiver, "volume", *serial, BC_PICK_NEWEST);
  }
  bc_frame *taken = bc_receiver_take(receiver, next);
  bc_frame_describe(taken, &info);
  bc_frame_array(taken, 0, &array);
  xac_volume v = {.type = array.type,
                  .data = array.data,
                  .index_to_world = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}};
  double eye[3], focus[3];
  const double up[3] = {0, 1, 0};
  for (int a = 0; a < 3; a++) {
    v.dims[a] = v.whole[a] = (int64_t)info.volume[a];
    focus[a] = 0.5 * (double)info.volume[a];
    eye[a] = (a == 2 ? 3.0 : 1.5) * (double)info.volume[a];
  }
  xac_quality_default(&quality, 1.0);
  const xac_image image = {.rgba = rgba};
  if (xac_set_volume(r, &v, &error) != BEAMCAST_OK ||
      xac_camera_look_at(&camera, pixels, pixels, eye, focus, up, 40, 0, &error) != BEAMCAST_OK ||
      xac_render(r, &camera, &quality, &image, stats, &error) != BEAMCAST_OK) {
    die("drawing", error.message);
  }
  if (*frame != NULL) {
    bc_frame_release(*frame);
  }
  *frame = taken;
  *serial = next;
}

static void measure(const char *wire, uint64_t mib, int steps, int pixels, bool early) {
  static const float rgba[] = {0.9f, 0.3f, 0.2f, 0.0f, 0.3f, 0.4f, 0.9f, 0.02f};
  const xac_transfer transfer = {.rgba = rgba, .entries = 2, .range = {0, 1}, .unit_distance = 1};
  const uint64_t shape[3] = {512, 512, mib};
  double seconds[STEPS_MAX];
  beamcast_error error = {0, ""};
  pthread_barrierattr_t shared;
  board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (b == MAP_FAILED) {
    die("memory", "there is not enough");
  }
  pthread_barrierattr_init(&shared);
  pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&b->turn, &shared, 2);
  (void)snprintf(b->contact, sizeof b->contact, "/tmp/beamcast-landing-%ld.json", (long)getpid());
  pid_t producer = fork(); /* before any thread, and before the device is opened */
  if (producer == 0) {
    produce(b, wire, shape, FIRST + steps);
  }
  xac_renderer *r = xac_create(XAC_CUDA, 0, &error);
  const bc_receiver_options options = {
      .ranks = 1, .contact = b->contact, .landing = early ? xac_landing() : NULL};
  bc_receiver *receiver = bc_receiver_open(&options, &error);
  unsigned char address[BC_ADDRESS_BYTES];
  float *picture = malloc((size_t)pixels * (size_t)pixels * 4 * sizeof *picture);
  if (r == NULL || receiver == NULL || picture == NULL ||
      xac_set_transfer(r, &transfer, &error) != BEAMCAST_OK) {
    die("server", error.message);
  }
  bc_receiver_address(receiver, address);
  if (bc_receiver_join(receiver, address, &error) != BEAMCAST_OK) {
    die("server", error.message);
  }
  uint64_t serial = 0;
  bc_frame *frame = NULL;
  xac_stats stats = {0};
  pthread_barrier_wait(&b->turn);
  for (int i = 0; i < FIRST + steps; i++) {
    pthread_barrier_wait(&b->turn);
    draw(receiver, &serial, &frame, r, pixels, picture, &stats);
    if (i >= FIRST) {
      seconds[i - FIRST] = measure_now() - b->ended;
    }
    pthread_barrier_wait(&b->turn);
  }
  const double copied = (double)(stats.copied_early + stats.copied_late);
  (void)printf("{\"wire\": \"%s\", \"mib\": %llu, \"copied_early\": %.3f, \"to_picture_ms\": %.2f, "
               "\"drawn_by\": \"%s\"}\n",
               wire, (unsigned long long)mib,
               copied > 0 ? (double)stats.copied_early / copied : 0.0,
               1e3 * measure_median(seconds, steps), xac_describe(r));
  (void)fflush(stdout);
  (void)waitpid(producer, NULL, 0);
  bc_receiver_close(receiver);
  xac_destroy(r);
  bc_frame_release(frame);
  free(picture);
}

int main(int argc, char **argv) {
  const uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
  const int steps = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
  const int pixels = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 1024;
  if (mib < 2 || steps < 1 || steps > STEPS_MAX || pixels < 1) {
    (void)fprintf(stderr, "usage: bench_landing WIRE MIB STEPS [PIXELS]\n");
    return 2;
  }
  for (int early = 0; early < 2; early++) { /* each in a process that has opened no device before */
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
      beamcast_error error = {0, ""};
      pid_t look = fork();
      if (look == 0) {
        exit(xac_create(XAC_CUDA, 1, &error) != NULL ? 0 : 77);
      }
      (void)waitpid(look, &status, 0);
      if (WEXITSTATUS(status) != 0) {
        (void)printf("no CUDA device\n");
        exit(77);
      }
      measure(argv[1], mib, steps, pixels, early);
      exit(0);
    }
    (void)waitpid(pid, &status, 0);
    if (status != 0) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
  }
  return 0;
}
