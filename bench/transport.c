/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Measures one thing once and prints one line of JSON; the script `transport` runs it many times:
 *
 *   push WIRE BYTES PRODUCERS RECEIVERS STEPS [registered] [overlap]
 *                                               bricks from put to final memory; the arrays are
 *                                               registered; steps in a row, with their begins, that
 *                                               overlap
 *   frames WIRE STEPS                           512 x 512 uint16 steps a second
 *   memcpy BYTES STEPS                          one core copies the same bytes
 *   tcp BYTES CONNECTIONS STEPS                 the same bytes over plain TCP sockets
 *
 * Servers and producers are processes of their own, on this host ($BEAMCAST_HOST says under which
 * address). Rates are bytes per second, steady state: the first steps, which touch fresh memory, do
 * not count.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "beamcast.h"
#include "measure.h"
#include "receiver.h"

static bool registered, overlap;

enum { WARM_STEPS = 4, PROCESSES_MAX = 16, STEPS_MAX = 4096 };

/* What the processes share: begun with mmap before any fork. */
typedef struct board {
  pthread_barrier_t all;
  char contact[64];
  unsigned char address[PROCESSES_MAX][BC_ADDRESS_BYTES];
  double begin[PROCESSES_MAX][STEPS_MAX], end[PROCESSES_MAX][STEPS_MAX];
  long grown_kb[PROCESSES_MAX]; /* of a server's resident memory */
  char wire[32];
  int failed;
} board;

static void die(const char *what, const char *why) {
  (void)fprintf(stderr, "bench_transport: %s: %s\n", what, why);
  exit(1);
}

static long resident_kb(void) {
  FILE *file = fopen("/proc/self/status", "re");
  char line[256];
  long kb = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "VmRSS: %ld", &kb) == 1) {
      break;
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  return kb;
}

static board *make_board(int processes) {
  board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_barrierattr_t attributes;
  if (b == MAP_FAILED) {
    die("memory", strerror(errno));
  }
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&b->all, &attributes, (unsigned)processes);
  (void)snprintf(b->contact, sizeof b->contact, "/tmp/beamcast-bench-%ld.json", (long)getpid());
  return b;
}

static void quiet(void *context, const char *line) {
  (void)context;
  (void)line;
}

static void serve(board *b, int rank, int ranks) {
  beamcast_error error = {0};
  bc_receiver_options options = {
      .rank = rank, .ranks = ranks, .ranks_on_host = ranks, .contact = b->contact, .log = quiet};
  bc_receiver *r = bc_receiver_open(&options, &error);
  if (r == NULL) {
    die("server", error.message);
  }
  bc_receiver_address(r, b->address[rank]);
  pthread_barrier_wait(&b->all);
  if (bc_receiver_join(r, b->address[0], &error) != BEAMCAST_OK) {
    die("server", error.message);
  }
  long before = resident_kb();
  pthread_barrier_wait(&b->all); /* the server is there */
  pthread_barrier_wait(&b->all); /* the producers are done */
  b->grown_kb[rank] = resident_kb() - before;
  pthread_barrier_wait(&b->all);
  bc_receiver_close(r);
  exit(0);
}

/* A volume of `bytes` as float32 in planes of 512 x 512 (fewer rows for small ones). */
static void shape_of(uint64_t bytes, uint64_t shape[3]) {
  uint64_t voxels = bytes / 4;
  shape[0] = 512;
  shape[1] = voxels / 512 < 512 ? voxels / 512 : 512;
  shape[2] = voxels / shape[0] / shape[1];
}

static void produce(board *b, int rank, int ranks, const char *wire, const uint64_t volume[3],
                    int type, int steps) {
  beamcast_error error = {0};
  beamcast_connect_options options = {.rank = rank,
                                      .ranks = ranks,
                                      .run_id = 7,
                                      .wire = wire,
                                      .time_limit = 120,
                                      .overlap = overlap};
  uint64_t from = volume[2] * (uint64_t)rank / (uint64_t)ranks;
  uint64_t to = volume[2] * (uint64_t)(rank + 1) / (uint64_t)ranks;
  uint64_t bytes = volume[0] * volume[1] * (to - from) * beamcast_type_size(type);
  char *data = malloc(bytes);
  if (data == NULL) {
    die("memory", strerror(errno));
  }
  memset(data, 1 + rank, bytes);
  pthread_barrier_wait(&b->all);
  pthread_barrier_wait(&b->all);
  beamcast_stream *stream = beamcast_connect(b->contact, &options, &error);
  beamcast_brick brick = {.data = data,
                          .type = type,
                          .volume = {volume[0], volume[1], volume[2]},
                          .start = {0, 0, from},
                          .shape = {volume[0], volume[1], to - from}};
  if (stream != NULL && registered &&
      beamcast_register(stream, data, bytes, &error) != BEAMCAST_OK) {
    die("register", error.message);
  }
  for (int i = 0; stream != NULL && i < WARM_STEPS + steps; i++) {
    int code = beamcast_begin_step(stream, (uint64_t)i, i, &error);
    double begin = measure_now();
    if (code == BEAMCAST_OK) {
      code = beamcast_put(stream, &brick, &error);
    }
    if (code == BEAMCAST_OK) {
      code = beamcast_end_step(stream, &error);
    }
    if (code != BEAMCAST_OK) {
      die("step", error.message);
    }
    if (i >= WARM_STEPS) {
      b->begin[rank][i - WARM_STEPS] = begin;
      b->end[rank][i - WARM_STEPS] = measure_now();
    }
  }
  if (stream == NULL) {
    die("connect", error.message);
  }
  beamcast_stream_info info;
  beamcast_stream_describe(stream, &info);
  if (rank == 0) {
    (void)snprintf(b->wire, sizeof b->wire, "%s", info.wire);
  }
  pthread_barrier_wait(&b->all);
  pthread_barrier_wait(&b->all);
  beamcast_close(stream);
  exit(0);
}

/* Starts servers and producers; ends this process where one of them fails. */
static void run_all(board *b, int producers, int receivers, const char *wire,
                    const uint64_t volume[3], int type, int steps) {
  pid_t pids[2 * PROCESSES_MAX];
  int count = 0;
  for (int i = 0; i < receivers + producers; i++) {
    pid_t pid = fork();
    if (pid == 0 && i < receivers) {
      serve(b, i, receivers);
    } else if (pid == 0) {
      produce(b, i - receivers, producers, wire, volume, type, steps);
    }
    if (pid < 0) {
      die("fork", strerror(errno));
    }
    pids[count++] = pid;
  }
  for (int left = count; left > 0; left--) {
    int status = 0;
    (void)wait(&status);
    if (status != 0) {
      for (int k = 0; k < count; k++) {
        (void)kill(pids[k], SIGKILL);
      }
      exit(1);
    }
  }
}

static void push(const char *wire, uint64_t bytes, int producers, int receivers, int steps) {
  uint64_t volume[3];
  board *b = make_board(producers + receivers);
  shape_of(bytes, volume);
  run_all(b, producers, receivers, wire, volume, BEAMCAST_FLOAT32, steps);
  double seconds[STEPS_MAX];
  for (int i = 0; i < steps; i++) {
    double first = b->begin[0][i], last = b->end[0][i];
    for (int p = 1; p < producers; p++) {
      first = b->begin[p][i] < first ? b->begin[p][i] : first;
      last = b->end[p][i] > last ? b->end[p][i] : last;
    }
    seconds[i] = last - first;
  }
  long grown = 0;
  for (int i = 0; i < receivers; i++) {
    grown += b->grown_kb[i];
  }
  uint64_t total = volume[0] * volume[1] * volume[2] * 4;
  double a_step =
      overlap ? (b->end[0][steps - 1] - b->begin[0][0]) / steps : measure_median(seconds, steps);
  (void)printf("{\"rate\": %.6g, \"bytes\": %llu, \"wire\": \"%s\", \"server_grown\": %lld}\n",
               (double)total / a_step, (unsigned long long)total, b->wire, (long long)grown * 1024);
}

static void frames(const char *wire, int steps) {
  const uint64_t volume[3] = {512, 512, 1};
  board *b = make_board(2);
  run_all(b, 1, 1, wire, volume, BEAMCAST_UINT16, steps);
  double seconds = b->end[0][steps - 1] - b->begin[0][0];
  (void)printf("{\"steps_per_second\": %.6g, \"rate\": %.6g, \"wire\": \"%s\"}\n",
               (double)steps / seconds, (double)steps / seconds * 512 * 512 * 2, b->wire);
}

static void copy(uint64_t bytes, int steps) {
  char *from = malloc(bytes), *to = malloc(bytes);
  double seconds[STEPS_MAX];
  if (from == NULL || to == NULL) {
    die("memory", strerror(errno));
  }
  memset(from, 1, bytes);
  memset(to, 2, bytes);
  for (int i = 0; i < steps; i++) {
    double begin = measure_now();
    memcpy(to, from, bytes);
    __asm__ volatile("" ::"r"(to) : "memory"); /* the copy counts as used */
    seconds[i] = measure_now() - begin;
  }
  (void)printf("{\"rate\": %.6g}\n", (double)bytes / measure_median(seconds, steps));
  free(from);
  free(to);
}

typedef struct plain {
  int fd;
  char *data;
  uint64_t bytes;
  bool sends;
} plain;

static void *plain_move(void *argument) {
  plain *p = argument;
  for (uint64_t done = 0; done < p->bytes;) {
    ssize_t some = p->sends ? send(p->fd, p->data + done, p->bytes - done, 0)
                            : recv(p->fd, p->data + done, p->bytes - done, 0);
    if (some <= 0) {
      die("plain TCP", strerror(errno));
    }
    done += (uint64_t)some;
  }
  return NULL;
}

static void plain_side(plain *sides, int connections, bool sends, int steps, double *seconds) {
  pthread_t threads[32];
  for (int i = 0; i < WARM_STEPS + steps; i++) {
    char byte = 0;
    double begin = measure_now();
    for (int c = 1; c < connections; c++) {
      (void)pthread_create(&threads[c], NULL, plain_move, &sides[c]);
    }
    (void)plain_move(&sides[0]);
    for (int c = 1; c < connections; c++) {
      (void)pthread_join(threads[c], NULL);
    }
    /* the receiver confirms, so that the time ends when all has arrived */
    if (sends ? recv(sides[0].fd, &byte, 1, MSG_WAITALL) != 1
              : send(sides[0].fd, &byte, 1, 0) != 1) {
      die("plain TCP", strerror(errno));
    }
    if (sends && i >= WARM_STEPS) {
      seconds[i - WARM_STEPS] = measure_now() - begin;
    }
  }
}

static void plain_tcp(uint64_t bytes, int connections, int steps) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, (struct sockaddr *)&at, &size) != 0) {
    die("plain TCP", strerror(errno));
  }
  pid_t pid = fork();
  plain sides[32];
  double seconds[STEPS_MAX];
  for (int c = 0; c < connections; c++) {
    sides[c].sends = pid != 0;
    sides[c].bytes = bytes / (uint64_t)connections;
    sides[c].data = malloc(sides[c].bytes);
    if (sides[c].data == NULL) {
      die("memory", strerror(errno));
    }
    memset(sides[c].data, 3, sides[c].bytes);
    if (pid == 0) {
      sides[c].fd = accept(listener, NULL, NULL);
    } else {
      sides[c].fd = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(sides[c].fd, (struct sockaddr *)&at, size) != 0) {
        die("plain TCP", strerror(errno));
      }
    }
  }
  plain_side(sides, connections, pid != 0, steps, seconds);
  if (pid == 0) {
    exit(0);
  }
  (void)waitpid(pid, NULL, 0);
  (void)printf("{\"rate\": %.6g}\n", (double)bytes / measure_median(seconds, steps));
}

static int number(const char *text, int limit) {
  long value = strtol(text, NULL, 10);
  if (value < 1 || value > limit) {
    die(text, "is out of range");
  }
  return (int)value;
}

int main(int argc, char **argv) {
  overlap = strcmp(argv[argc - 1], "overlap") == 0;
  argc -= overlap ? 1 : 0;
  registered = strcmp(argv[argc - 1], "registered") == 0;
  argc -= registered ? 1 : 0;
  if (argc == 7 && strcmp(argv[1], "push") == 0) {
    push(argv[2], strtoull(argv[3], NULL, 10), number(argv[4], 8), number(argv[5], 8),
         number(argv[6], STEPS_MAX));
  } else if (argc == 4 && strcmp(argv[1], "frames") == 0) {
    frames(argv[2], number(argv[3], STEPS_MAX));
  } else if (argc == 4 && strcmp(argv[1], "memcpy") == 0) {
    copy(strtoull(argv[2], NULL, 10), number(argv[3], STEPS_MAX));
  } else if (argc == 5 && strcmp(argv[1], "tcp") == 0) {
    plain_tcp(strtoull(argv[2], NULL, 10), number(argv[3], 32), number(argv[4], STEPS_MAX));
  } else {
    (void)fprintf(stderr, "usage: see the top of bench/transport.c\n");
    return 2;
  }
  return 0;
}
