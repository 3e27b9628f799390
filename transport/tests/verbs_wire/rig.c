/* SPDX-License-Identifier: BSD-3-Clause
 * Servers, producers and voxels for the tests of the verbs wire; see rig.h. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const char *wire;
const char *program;
const char *host = "127.0.0.1";
uint64_t memory_limit = UINT64_C(1200) << 20;

void die(const char *what, const beamcast_error *error) {
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

void server_start(server *s, int ranks, const bc_stream_settings *settings) {
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

void server_stop(server *s) {
  for (int i = s->ranks - 1; i >= 0; i--) {
    bc_receiver_close(s->rank[i]);
  }
}

static void nap(void) {
  struct timespec pause = {.tv_nsec = 2000000};
  (void)nanosleep(&pause, NULL);
}

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Waits for the next complete step and takes its frames. */
void server_take(server *s, bc_frame *frames[RANKS_MAX], double limit) {
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

void check_step(server *s, const sample *sc, uint64_t step) {
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

void fill(const sample *sc, uint64_t step, brick *b) {
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

bc_sender *connect_as(const char *contact, uint32_t rank, uint32_t ranks, uint64_t run,
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

int put(bc_sender *s, const sample *sc, const brick *b, beamcast_error *error) {
  bc_array_spec spec = {.type = (uint32_t)sc->type[b->array],
                        .components = (uint32_t)sc->components[b->array]};
  bc_grid grid = {.spacing = {1, 1, 1}, .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  (void)snprintf(spec.name, sizeof spec.name, "array%d", b->array);
  memcpy(grid.volume, sc->volume, sizeof grid.volume);
  return bc_sender_put(s, &spec, &grid, &b->box, b->data, b->stride, error);
}

void must(int code, const char *what, const beamcast_error *error) {
  if (code != BEAMCAST_OK) {
    die(what, error);
  }
}

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

void *produce(void *argument) {
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

brick whole(const sample *sc, unsigned char *memory) {
  brick b = {.box = {{0, 0, 0}, {sc->volume[0], sc->volume[1], sc->volume[2]}}, .data = memory};
  b.stride[0] = (int64_t)voxel_bytes(sc, 0);
  b.stride[1] = b.stride[0] * (int64_t)sc->volume[0];
  b.stride[2] = b.stride[1] * (int64_t)sc->volume[1];
  b.bytes = (uint64_t)b.stride[2] * sc->volume[2];
  return b;
}

sample cube(uint64_t side) {
  return (sample){
      .volume = {side, side, side}, .arrays = 1, .type = {BEAMCAST_FLOAT32}, .components = {1}};
}

unsigned char *pages_at(void *address, uint64_t bytes) {
  void *data = mmap(address, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0), -1, 0);
  if (data == MAP_FAILED) {
    die("mmap", NULL);
  }
  return data;
}

pid_t spawn(const char *mode, const char *contact) {
  pid_t child = fork();
  if (child == 0) {
    execl(program, program, wire, mode, contact, (char *)NULL);
    _exit(127);
  }
  return child;
}
