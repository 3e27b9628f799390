/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What arrives over the verbs wire is what was put: all types, splits and strides; from memory that
 * was freed and had again at the same address; and nothing of a step that was given up.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rig.h"

static void voxels_once(random_state *random, int ranks, int producers, int type, int components) {
  server s;
  sample sc = {.arrays = (int)draw(random, 1, 2)};
  bc_stream_settings settings = {
      .policy = BC_ALL, .split = (int)draw(random, 0, 1), .ghosts = (int)draw(random, 0, 2)};
  const uint64_t most = getenv("RDMA_VM_DEVICE") != NULL ? 40 : 70; /* an emulated processor */
  for (int i = 0; i < 3; i++) {
    sc.volume[i] = draw(random, 1, 5) == 1 ? draw(random, 1, 3) : draw(random, 4, most);
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
void test_voxels(void) {
  random_state random = random_from_environment();
  const char *text = getenv("BEAMCAST_TEST_ROUNDS");
  int rounds = text ? atoi(text) : 36, first = (int)draw(&random, 0, 35);
  for (int i = 0; i < rounds; i++) {
    int kind = (first + i * 5) % 36;
    voxels_once(&random, (int)draw(&random, 1, 3), (int)draw(&random, 1, 4), 1 + kind % 9,
                1 + kind / 9);
  }
}

void test_again(void) {
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

void test_abandon(void) {
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
