/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The verbs wire on a real device; any wire can be named, to compare.
 *
 *   verbs WIRE voxels           random splits, types and strides, voxel by voxel
 *   verbs WIRE again            memory freed and had again at the same address
 *   verbs WIRE abandon          a step given up in mid-put does not land in the next one
 *   verbs WIRE killed           a producer killed in mid-put, then the next one
 *   verbs WIRE gone             the server is killed in mid-put
 *   verbs WIRE limit            too little lockable memory, on either side
 *   verbs WIRE device           BEAMCAST_RDMA_DEVICE
 *   verbs WIRE unplugged        the device rxe0 is deleted in mid-put
 *   verbs WIRE rate MIB STEPS   bytes per second of steps of MIB mebibytes
 *   verbs WIRE serve            a server for push from another host ($BEAMCAST_HOST)
 *   verbs WIRE push CONTACT MIB STEPS
 *
 * The server's ranks and most producers are threads of this process. Exits 0, or 1 with a line.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../random.h"
#include "receiver.h"
#include "sender.h"
#include "sender_state.h"

enum { RANKS_MAX = 4, PRODUCERS_MAX = 4, ARRAYS_MAX = 2 };

static const char *wire;
static const char *program;
static const char *host = "127.0.0.1";
static uint64_t memory_limit = UINT64_C(1200) << 20;

static void die(const char *what, const beamcast_error *error) {
  (void)fprintf(stderr, "verbs: %s: %s\n", what, error ? error->message : "");
  exit(1);
}

static void quiet(void *context, const char *line) {
  (void)context;
  if (getenv("BEAMCAST_TEST_VERBOSE")) {
    (void)fprintf(stderr, "server: %s\n", line);
  }
}

/* --- a server of some ranks ----------------------------------------------------------------------
 */

typedef struct server {
  int ranks;
  bc_receiver *rank[RANKS_MAX];
  unsigned char addresses[RANKS_MAX * BC_ADDRESS_BYTES];
  char contact[256];
  uint64_t seen;
} server;

typedef struct joiner {
  server *s;
  int rank;
} joiner;

static void *join_rank(void *argument) {
  joiner *j = argument;
  beamcast_error error = {0};
  if (bc_receiver_join(j->s->rank[j->rank], j->s->addresses, &error) != BEAMCAST_OK) {
    die("join", &error);
  }
  return NULL;
}

static void server_start(server *s, int ranks, const bc_stream_settings *settings) {
  beamcast_error error = {0};
  pthread_t threads[RANKS_MAX];
  joiner joiners[RANKS_MAX];
  memset(s, 0, sizeof *s);
  s->ranks = ranks;
  const char *text = getenv("TMPDIR");
  (void)snprintf(s->contact, sizeof s->contact, "%s/verbs-test-%d.json", text ? text : "/tmp",
                 (int)getpid());
  for (int i = 0; i < ranks; i++) {
    bc_receiver_options options = {.rank = i,
                                   .ranks = ranks,
                                   .ranks_on_host = ranks,
                                   .host = host,
                                   .contact = s->contact,
                                   .memory_limit = memory_limit,
                                   .log = quiet};
    s->rank[i] = bc_receiver_open(&options, &error);
    if (s->rank[i] == NULL) {
      die("receiver", &error);
    }
    bc_receiver_address(s->rank[i], s->addresses + (size_t)i * BC_ADDRESS_BYTES);
  }
  for (int i = 0; i < ranks; i++) {
    joiners[i] = (joiner){s, i};
    pthread_create(&threads[i], NULL, join_rank, &joiners[i]);
  }
  for (int i = 0; i < ranks; i++) {
    pthread_join(threads[i], NULL);
  }
  if (bc_receiver_configure(s->rank[0], "volume", settings, &error) != BEAMCAST_OK) {
    die("configure", &error);
  }
}

static void server_stop(server *s) {
  for (int i = s->ranks - 1; i >= 0; i--) {
    bc_receiver_close(s->rank[i]);
  }
}

static void nap(void) {
  struct timespec pause = {.tv_nsec = 2000000};
  (void)nanosleep(&pause, NULL);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Waits for the next complete step and takes its frames. */
static void server_take(server *s, bc_frame *frames[RANKS_MAX], double limit) {
  double end = seconds() + limit;
  uint64_t serial;
  while ((serial = bc_receiver_pick(s->rank[0], "volume", s->seen, BC_PICK_NEXT)) == 0) {
    if (seconds() > end) {
      die("no complete step came", NULL);
    }
    nap();
  }
  s->seen = serial;
  for (int i = 0; i < s->ranks; i++) {
    frames[i] = bc_receiver_take(s->rank[i], serial);
  }
}

/* --- voxels --------------------------------------------------------------------------------------
 */

typedef struct sample {
  uint64_t volume[3];
  int arrays;
  int type[ARRAYS_MAX], components[ARRAYS_MAX];
} sample;

static uint64_t voxel_bytes(const sample *sc, int array) {
  return beamcast_type_size(sc->type[array]) * (uint64_t)sc->components[array];
}

/* The bytes of a voxel: no two steps, arrays or places agree by more than chance. */
static void voxel(const sample *sc, uint64_t step, int array, uint64_t x, uint64_t y, uint64_t z,
                  unsigned char *out) {
  uint64_t place = (z * sc->volume[1] + y) * sc->volume[0] + x;
  uint64_t size = voxel_bytes(sc, array);
  for (uint64_t i = 0; i < size; i += 8) {
    uint64_t value = mix64(mix64(place * 8 + i / 8) ^ (step * 64 + (uint64_t)array));
    memcpy(out + i, &value, size - i < 8 ? size - i : 8);
  }
}

static void check_frame(const sample *sc, uint64_t step, const bc_frame *frame) {
  bc_frame_info info;
  bc_frame_describe(frame, &info);
  for (int k = 0; k < info.arrays; k++) {
    bc_array array;
    bc_frame_array(frame, k, &array);
    int number = array.name[5] - '0'; /* "array0" */
    uint64_t size = voxel_bytes(sc, number);
    const unsigned char *data = array.data;
    for (uint64_t i = 0; i < bc_box_count(&info.memory); i++) {
      unsigned char wanted[64];
      uint64_t x = info.memory.start[0] + i % info.memory.shape[0],
               y = info.memory.start[1] + i / info.memory.shape[0] % info.memory.shape[1],
               z = info.memory.start[2] + i / info.memory.shape[0] / info.memory.shape[1];
      voxel(sc, step, number, x, y, z, wanted);
      if (memcmp(wanted, data + i * size, size) != 0) {
        (void)fprintf(stderr, "verbs: step %llu, array %d, voxel %llu %llu %llu is wrong\n",
                      (unsigned long long)step, number, (unsigned long long)x,
                      (unsigned long long)y, (unsigned long long)z);
        exit(1);
      }
    }
  }
}

static void check_step(server *s, const sample *sc, uint64_t step) {
  bc_frame *frames[RANKS_MAX];
  server_take(s, frames, 60);
  for (int i = 0; i < s->ranks; i++) {
    bc_frame_info info;
    bc_frame_describe(frames[i], &info);
    if (info.step != step || info.arrays != sc->arrays) {
      (void)fprintf(stderr, "verbs: step %llu with %d arrays came instead of %llu with %d\n",
                    (unsigned long long)info.step, info.arrays, (unsigned long long)step,
                    sc->arrays);
      exit(1);
    }
    check_frame(sc, step, frames[i]);
    bc_frame_release(frames[i]);
  }
}

/* --- producers -----------------------------------------------------------------------------------
 */

/* A brick in memory of its own, laid out in one of several ways. */
typedef struct brick {
  bc_box box;
  int array;
  unsigned char *memory, *data;
  uint64_t bytes;
  int64_t stride[3];
} brick;

enum { DENSE, PADDED_ROWS, PADDED_PLANES, SPARSE_VOXELS, UPSIDE_DOWN, TRANSPOSED, LAYOUTS };

static void lay_out(brick *b, uint64_t size, int layout, random_state *random) {
  uint64_t row = size, rows, gap = 0;
  const uint64_t *shape = b->box.shape;
  if (layout == SPARSE_VOXELS) {
    row = size * draw(random, 2, 3);
  }
  gap = layout == PADDED_ROWS ? draw(random, 1, 3) * size * (draw(random, 0, 1) ? 1 : 200) : 0;
  b->stride[0] = (int64_t)row;
  b->stride[1] = (int64_t)(row * shape[0] + gap);
  rows = shape[1] + (layout == PADDED_PLANES ? draw(random, 1, 2) : 0);
  b->stride[2] = b->stride[1] * (int64_t)rows;
  b->bytes = (uint64_t)b->stride[2] * shape[2];
  if (layout == TRANSPOSED) {
    b->stride[2] = (int64_t)size;
    b->stride[1] = (int64_t)(size * shape[2]);
    b->stride[0] = (int64_t)(size * shape[2] * shape[1]);
    b->bytes = size * shape[0] * shape[1] * shape[2];
  }
  b->memory = malloc(b->bytes + 64);
  b->data = b->memory;
  if (layout == UPSIDE_DOWN) {
    b->data += (int64_t)(shape[2] - 1) * b->stride[2];
    b->stride[2] = -b->stride[2];
  }
}

static void fill(const sample *sc, uint64_t step, brick *b) {
  for (uint64_t z = 0; z < b->box.shape[2]; z++) {
    for (uint64_t y = 0; y < b->box.shape[1]; y++) {
      for (uint64_t x = 0; x < b->box.shape[0]; x++) {
        unsigned char value[64];
        voxel(sc, step, b->array, b->box.start[0] + x, b->box.start[1] + y, b->box.start[2] + z,
              value);
        memcpy(b->data + (int64_t)x * b->stride[0] + (int64_t)y * b->stride[1] +
                   (int64_t)z * b->stride[2],
               value, voxel_bytes(sc, b->array));
      }
    }
  }
}

static bc_sender *connect_as(const char *contact, uint32_t rank, uint32_t ranks, uint64_t run,
                             double limit) {
  beamcast_error error = {0};
  bc_sender_options options = {.stream = "volume",
                               .run_id = run,
                               .rank = rank,
                               .ranks = ranks,
                               .limit = limit,
                               .wire = wire};
  bc_sender *s = bc_sender_open(contact, NULL, &options, &error);
  if (s == NULL) {
    die("connect", &error);
  }
  return s;
}

static int put(bc_sender *s, const sample *sc, const brick *b, beamcast_error *error) {
  bc_array_spec spec = {.type = (uint32_t)sc->type[b->array],
                        .components = (uint32_t)sc->components[b->array]};
  bc_grid grid = {.spacing = {1, 1, 1}, .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  (void)snprintf(spec.name, sizeof spec.name, "array%d", b->array);
  memcpy(grid.volume, sc->volume, sizeof grid.volume);
  return bc_sender_put(s, &spec, &grid, &b->box, b->data, b->stride, error);
}

static void must(int code, const char *what, const beamcast_error *error) {
  if (code != BEAMCAST_OK) {
    die(what, error);
  }
}

typedef struct producer {
  const char *contact;
  sample sc;
  uint32_t rank, ranks;
  uint64_t run, steps;
  uint64_t seed;
} producer;

/* The boxes of a volume cut at random; the same cuts for the same seed. */
static int cut(const sample *sc, uint64_t seed, int wanted, bc_box *boxes) {
  random_state random = {seed};
  int count = 1;
  boxes[0] = (bc_box){{0, 0, 0}, {sc->volume[0], sc->volume[1], sc->volume[2]}};
  for (int tries = 0; count < wanted && tries < 100; tries++) {
    bc_box *box = &boxes[draw(&random, 0, (uint64_t)count - 1)];
    int axis = (int)draw(&random, 0, 2);
    if (box->shape[axis] > 1) {
      uint64_t at = draw(&random, 1, box->shape[axis] - 1);
      boxes[count] = *box;
      boxes[count].start[axis] += at;
      boxes[count].shape[axis] -= at;
      box->shape[axis] = at;
      count++;
    }
  }
  return count;
}

static void *produce(void *argument) {
  producer *p = argument;
  beamcast_error error = {0};
  bc_sender *s = connect_as(p->contact, p->rank, p->ranks, p->run, 60);
  random_state random = {p->seed + p->rank};
  for (uint64_t step = 1; step <= p->steps; step++) {
    brick bricks[64];
    bc_box boxes[64];
    int count = 0;
    for (int array = 0; array < p->sc.arrays; array++) {
      int number = cut(&p->sc, p->seed + step, (int)p->ranks * 2, boxes);
      for (int i = 0; i < number; i++) {
        if ((uint32_t)i % p->ranks == p->rank) {
          bricks[count] = (brick){.box = boxes[i], .array = array};
          lay_out(&bricks[count], voxel_bytes(&p->sc, array), (int)draw(&random, 0, LAYOUTS - 1),
                  &random);
          fill(&p->sc, step, &bricks[count]);
          count++;
        }
      }
    }
    must(bc_sender_begin(s, step, (double)step, &error), "begin", &error);
    for (int i = 0; i < count; i++) {
      must(put(s, &p->sc, &bricks[i], &error), "put", &error);
    }
    must(bc_sender_end(s, "{}", &error), "end", &error);
    for (int i = 0; i < count; i++) {
      memset(bricks[i].memory, 0x55, bricks[i].bytes);
      free(bricks[i].memory);
    }
  }
  bc_sender_stats stats;
  bc_sender_describe(s, &stats);
  if (stats.bytes > 0 && strcmp(stats.wire, wire) != 0) {
    die("another wire was used", NULL);
  }
  bc_sender_close(s);
  return NULL;
}

static void voxels_once(random_state *random, int ranks, int producers, int type, int components) {
  server s;
  sample sc = {.arrays = (int)draw(random, 1, 2)};
  bc_stream_settings settings = {
      .policy = BC_ALL, .split = (int)draw(random, 0, 1), .ghosts = (int)draw(random, 0, 2)};
  for (int i = 0; i < 3; i++) {
    sc.volume[i] = draw(random, 1, 5) == 1 ? draw(random, 1, 3) : draw(random, 4, 70);
  }
  sc.volume[0] *= draw(random, 1, 6) == 1 ? 12 : 1;
  for (int i = 0; i < ARRAYS_MAX; i++) {
    sc.type[i] = i == 0 ? type : (int)draw(random, 1, 9);
    sc.components[i] = i == 0 ? components : (int)draw(random, 1, 4);
  }
  server_start(&s, ranks, &settings);
  producer p[PRODUCERS_MAX];
  pthread_t threads[PRODUCERS_MAX];
  bc_receiver_view_open(s.rank[0], "volume");
  uint64_t seed = draw64(random), run = draw64(random);
  for (int i = 0; i < producers; i++) {
    p[i] = (producer){.contact = s.contact,
                      .sc = sc,
                      .rank = (uint32_t)i,
                      .ranks = (uint32_t)producers,
                      .run = run,
                      .steps = 3,
                      .seed = seed};
    pthread_create(&threads[i], NULL, produce, &p[i]);
  }
  for (uint64_t step = 1; step <= 3; step++) {
    check_step(&s, &sc, step);
  }
  for (int i = 0; i < producers; i++) {
    pthread_join(threads[i], NULL);
  }
  bc_receiver_view_close(s.rank[0], "volume");
  server_stop(&s);
}

/* Rounds are $BEAMCAST_TEST_ROUNDS, or each type with each number of components. */
static void test_voxels(void) {
  random_state random = random_from_environment();
  const char *text = getenv("BEAMCAST_TEST_ROUNDS");
  int rounds = text ? atoi(text) : 36, first = (int)draw(&random, 0, 35);
  for (int i = 0; i < rounds; i++) {
    int kind = (first + i * 5) % 36;
    voxels_once(&random, (int)draw(&random, 1, 3), (int)draw(&random, 1, 4), 1 + kind % 9,
                1 + kind / 9);
  }
}

/* --- one producer in this process ----------------------------------------------------------------
 */

static brick whole(const sample *sc, unsigned char *memory) {
  brick b = {.box = {{0, 0, 0}, {sc->volume[0], sc->volume[1], sc->volume[2]}}, .data = memory};
  b.stride[0] = (int64_t)voxel_bytes(sc, 0);
  b.stride[1] = b.stride[0] * (int64_t)sc->volume[0];
  b.stride[2] = b.stride[1] * (int64_t)sc->volume[1];
  b.bytes = (uint64_t)b.stride[2] * sc->volume[2];
  return b;
}

static sample cube(uint64_t side) {
  return (sample){
      .volume = {side, side, side}, .arrays = 1, .type = {BEAMCAST_FLOAT32}, .components = {1}};
}

static unsigned char *pages_at(void *address, uint64_t bytes) {
  void *data = mmap(address, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0), -1, 0);
  if (data == MAP_FAILED) {
    die("mmap", NULL);
  }
  return data;
}

static void test_again(void) {
  server s;
  sample sc = cube(96);
  beamcast_error error = {0};
  server_start(&s, 2, &(bc_stream_settings){.policy = BC_LATEST});
  bc_sender *sender = connect_as(s.contact, 0, 1, 7, 60);
  uint64_t bytes = 96 * 96 * 96 * 4;
  unsigned char *memory = pages_at(NULL, bytes);
  for (uint64_t step = 1; step <= 6; step++) {
    /* other pages at the same address: what was registered before must not be read */
    (void)munmap(memory, bytes);
    (void)pages_at(memory, bytes);
    brick b = whole(&sc, memory);
    fill(&sc, step, &b);
    must(bc_sender_begin(sender, step, 0, &error), "begin", &error);
    must(put(sender, &sc, &b, &error), "put", &error);
    must(bc_sender_end(sender, "{}", &error), "end", &error);
    check_step(&s, &sc, step);
  }
  (void)munmap(memory, bytes);
  bc_sender_close(sender);
  server_stop(&s);
}

/* The first plane is of the second step, the others are fill. */
static void check_abandoned(const bc_frame *frame) {
  bc_frame_info info;
  bc_array array;
  bc_frame_describe(frame, &info);
  bc_frame_array(frame, 0, &array);
  const unsigned char *data = array.data;
  uint64_t plane = info.memory.shape[0] * info.memory.shape[1] * 4;
  uint64_t first = info.memory.start[2] == 0 ? plane : 0;
  for (uint64_t i = 0; i < plane * info.memory.shape[2]; i++) {
    if (data[i] != (i < first ? 0x11 : 0)) {
      die("a byte of an abandoned step is in the next one", NULL);
    }
  }
}

static void test_abandon(void) {
  server s;
  sample sc = cube(256);
  sc.volume[2] = 512;
  beamcast_error error = {0};
  server_start(&s, 2, &(bc_stream_settings){.policy = BC_LATEST, .slots = 1});
  bc_sender *sender = connect_as(s.contact, 0, 1, 7, 60);
  uint64_t bytes = UINT64_C(256) * 256 * 256 * 4;
  unsigned char *old = pages_at(NULL, bytes), *new = pages_at(NULL, bytes);
  memset(old, 0xee, bytes);
  for (uint64_t step = 1; step <= 3; step++) {
    brick a = whole(&sc, old), b = whole(&sc, new);
    /* What is on its way to rank 1 when the step is given up has nothing to follow it there: the
     * second step is a plane on rank 0. */
    a.box.start[2] = 256;
    a.box.shape[2] = 256;
    b.box.shape[2] = 1;
    memset(new, 0x11, bytes);
    must(bc_sender_begin(sender, 2 * step, 0, &error), "begin", &error);
    must(put(sender, &sc, &a, &error), "put", &error);
    must(bc_sender_begin(sender, 2 * step + 1, 0, &error), "begin again", &error);
    must(put(sender, &sc, &b, &error), "put again", &error);
    must(bc_sender_end(sender, "{}", &error), "end", &error);
    bc_frame *frames[RANKS_MAX];
    server_take(&s, frames, 60);
    for (int i = 0; i < s.ranks; i++) {
      check_abandoned(frames[i]);
      bc_frame_release(frames[i]);
    }
  }
  bc_sender_close(sender);
  (void)munmap(old, bytes);
  (void)munmap(new, bytes);
  server_stop(&s);
}

/* --- processes -----------------------------------------------------------------------------------
 */

static pid_t spawn(const char *mode, const char *contact) {
  pid_t child = fork();
  if (child == 0) {
    execl(program, program, wire, mode, contact, (char *)NULL);
    _exit(127);
  }
  return child;
}

/* Steps without end. */
static void child_pushes(const char *contact) {
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

static void test_killed(void) {
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

static void lower_limit(rlim_t bytes) {
  struct rlimit limit = {bytes, bytes};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
    die("the limit could not be lowered", NULL);
  }
}

static void child_serves(const char *path) {
  server s;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  if (rename(s.contact, path) != 0) {
    die("rename", NULL);
  }
  for (;;) {
    pause();
  }
}

static void test_gone(void) {
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
static void test_unplugged(void) {
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

/* --- limits --------------------------------------------------------------------------------------
 */

/* Pushes once; the sentence of the failure must name the limit, where one is expected. Exits with
 * 10 if the step was taken over the wire that was asked for, 11 with that sentence, 13 if it was
 * taken over another wire. */
static void child_limited(const char *contact) {
  sample sc = cube(128);
  beamcast_error error = {0};
  const char *limit = getenv("VERBS_TEST_LIMIT");
  uint64_t bytes = 128 * 128 * 128 * 4;
  unsigned char *memory = pages_at(NULL, bytes);
  memset(memory, 1, bytes);
  brick b = whole(&sc, memory);
  const char *asked = wire;
  bool choose = getenv("VERBS_TEST_CHOOSE") != NULL;
  wire = choose ? NULL : wire;
  bc_sender *sender = connect_as(contact, 0, 1, (uint64_t)getpid(), 30);
  if (choose) { /* as from another host, where shared memory is no choice */
    (void)snprintf(sender->dialer.host_id, sizeof sender->dialer.host_id, "another");
  }
  if (limit != NULL) {
    lower_limit((rlim_t)strtoull(limit, NULL, 10));
  }
  must(bc_sender_begin(sender, 1, 0, &error), "begin", &error);
  int code = put(sender, &sc, &b, &error);
  code = code == BEAMCAST_OK ? bc_sender_end(sender, "{}", &error) : code;
  bc_sender_stats stats;
  bc_sender_describe(sender, &stats);
  (void)fprintf(stderr, "%d %s, over %s\n", code, error.message, stats.wire);
  bool other = strcmp(stats.wire, asked) != 0;
  bc_sender_close(sender);
  exit(code == BEAMCAST_OK && other                                     ? 13
       : code == BEAMCAST_OK                                            ? 10
       : code == BEAMCAST_ERR_MEMORY && strstr(error.message, "ulimit") ? 11
                                                                        : 12);
}

static int status_of(pid_t child) {
  int status = 0;
  (void)waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A server that may lock 64 KiB, and producers that may lock all. */
static void test_limited_server(void) {
  char path[64];
  (void)snprintf(path, sizeof path, "/tmp/verbs-limit-%d.json", (int)getpid());
  pid_t serving = spawn("child-serves-limited", path);
  if (status_of(spawn("child-limited", path)) != 11) {
    die("a server with 64 KiB to lock: no sentence about it", NULL);
  }
  (void)setenv("VERBS_TEST_CHOOSE", "1", 1);
  if (status_of(spawn("child-limited", path)) != 13) {
    die("a server with 64 KiB to lock: not tcp instead", NULL);
  }
  (void)unsetenv("VERBS_TEST_CHOOSE");
  (void)kill(serving, SIGKILL);
  (void)waitpid(serving, NULL, 0);
  (void)unlink(path);
}

static void test_limit(void) {
  server s;
  if (geteuid() != 0) {
    (void)printf("the test of limits needs to be root, to drop it\n");
    exit(77);
  }
  test_limited_server();
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  (void)setenv("VERBS_TEST_LIMIT", "65536", 1);
  if (status_of(spawn("child-limited", s.contact)) != 11) {
    die("a producer with 64 KiB to lock got no sentence about it", NULL);
  }
  (void)setenv("VERBS_TEST_CHOOSE", "1", 1);
  if (status_of(spawn("child-limited", s.contact)) != 13) {
    die("a producer with 64 KiB to lock that may choose did not choose tcp", NULL);
  }
  (void)unsetenv("VERBS_TEST_CHOOSE");
  (void)setenv("VERBS_TEST_LIMIT", "3145728", 1);
  if (status_of(spawn("child-limited", s.contact)) != 10) {
    die("a producer with 3 MiB to lock could not push", NULL);
  }
  (void)unsetenv("VERBS_TEST_LIMIT");
  server_stop(&s);
}

static void test_device(void) {
  server s;
  sample sc = cube(32);
  beamcast_error error = {0};
  unsigned char *memory = pages_at(NULL, 32 * 32 * 32 * 4);
  brick b = whole(&sc, memory);
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  (void)setenv("BEAMCAST_RDMA_DEVICE", "nothere0", 1);
  bc_sender *sender = connect_as(s.contact, 0, 1, 7, 30);
  must(bc_sender_begin(sender, 1, 0, &error), "begin", &error);
  if (put(sender, &sc, &b, &error) != BEAMCAST_ERR_UNSUPPORTED) {
    die("a device that is not there was used", &error);
  }
  (void)fprintf(stderr, "%s\n", error.message);
  bc_sender_close(sender);
  (void)unsetenv("BEAMCAST_RDMA_DEVICE");
  server_stop(&s);
}

/* --- rate ----------------------------------------------------------------------------------------
 */

/* Bytes per second of steps into a server's slots, once these are allocated and registered. */
static double push_rate(const char *contact, uint64_t mebibytes, int steps) {
  beamcast_error error = {0};
  sample sc = {
      .volume = {512, 512, mebibytes}, .arrays = 1, .type = {BEAMCAST_FLOAT32}, .components = {1}};
  uint64_t bytes = mebibytes << 20;
  unsigned char *memory = pages_at(NULL, bytes);
  memset(memory, 3, bytes);
  brick b = whole(&sc, memory);
  bc_sender *sender = connect_as(contact, 0, 1, (uint64_t)getpid(), 300);
  double begin = 0;
  const int warm = 3;
  for (int step = 0; step < warm + steps; step++) {
    if (step == warm) {
      begin = seconds();
    }
    must(bc_sender_begin(sender, (uint64_t)step + 1, 0, &error), "begin", &error);
    must(put(sender, &sc, &b, &error), "put", &error);
    must(bc_sender_end(sender, "{}", &error), "end", &error);
  }
  double took = seconds() - begin;
  (void)munmap(memory, bytes);
  bc_sender_close(sender);
  return (double)bytes * steps / took;
}

static void rate(uint64_t mebibytes, int steps) {
  server s;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST, .slots = 2});
  (void)printf("%s %llu MiB: %.1f MB/s\n", wire, (unsigned long long)mebibytes,
               1e-6 * push_rate(s.contact, mebibytes, steps));
  server_stop(&s);
}

/* A server for another host's `push`: its contact, token and all, goes to standard output. Ends
 * with that, or with a signal. */
static void serve(void) {
  server s;
  char line[1024];
  host = NULL; /* $BEAMCAST_HOST */
  memory_limit = UINT64_C(64) << 30;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST, .slots = 2});
  FILE *contact = fopen(s.contact, "re");
  while (contact != NULL && fgets(line, sizeof line, contact) != NULL) {
    (void)fputs(line, stdout);
  }
  (void)fflush(stdout);
  (void)unlink(s.contact);
  struct pollfd closed = {.fd = STDOUT_FILENO};
  while (poll(&closed, 1, 1000) == 0) {
  }
  server_stop(&s);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    (void)fprintf(
        stderr,
        "usage: verbs WIRE voxels|again|abandon|killed|gone|limit|device|rate|serve|push\n");
    return 2;
  }
  program = argv[0];
  wire = argv[1];
  const char *mode = argv[2], *argument = argc > 3 ? argv[3] : "";
  const struct {
    const char *name;
    void (*test)(void);
  } tests[] = {{"voxels", test_voxels}, {"again", test_again},        {"abandon", test_abandon},
               {"killed", test_killed}, {"gone", test_gone},          {"limit", test_limit},
               {"device", test_device}, {"unplugged", test_unplugged}};
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
    if (strcmp(mode, tests[i].name) == 0) {
      tests[i].test();
      (void)printf("verbs: %s over %s: good\n", mode, wire);
      return 0;
    }
  }
  if (strcmp(mode, "rate") == 0 && argc == 5) {
    rate(strtoull(argument, NULL, 10), atoi(argv[4]));
  } else if (strcmp(mode, "serve") == 0) {
    serve();
  } else if (strcmp(mode, "push") == 0 && argc == 6) {
    (void)printf("rate %.4e\n", push_rate(argument, strtoull(argv[4], NULL, 10), atoi(argv[5])));
  } else if (strcmp(mode, "child-pushes") == 0) {
    child_pushes(argument);
  } else if (strcmp(mode, "child-serves") == 0) {
    child_serves(argument);
  } else if (strcmp(mode, "child-serves-limited") == 0) {
    lower_limit(65536);
    child_serves(argument);
  } else if (strcmp(mode, "child-limited") == 0) {
    child_limited(argument);
  } else {
    return 2;
  }
  return 0;
}
