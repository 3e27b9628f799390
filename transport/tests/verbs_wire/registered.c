/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arrays that are registered: what arrives is what was put in each step; over RDMA their pages stay
 * pinned, once, until they are let go of; and then other pages may come to the same address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../pinned.h"
#include "rig.h"

enum { SIDE = 96, BYTES = SIDE * SIDE * SIDE * 4 };

/* More is pinned than before by so much; the wires that register nothing pin nothing. */
static void expect_pinned(uint64_t before, uint64_t more, const char *when) {
  uint64_t want = before + (strcmp(wire, "verbs") == 0 ? more : 0), is = pinned();
  if (is != want) {
    (void)fprintf(stderr, "%llu bytes are pinned, not %llu\n", (unsigned long long)is,
                  (unsigned long long)want);
    die(when, NULL);
  }
}

static void begin_with(bc_sender *sender, const sample *sc, uint64_t step, brick *b) {
  beamcast_error error = {0};
  fill(sc, step, b);
  must(bc_sender_begin(sender, step, 0, &error), "begin", &error);
}

/* The lower and the upper half, each a brick. */
static void put_halves(bc_sender *sender, const sample *sc, const brick *b) {
  beamcast_error error = {0};
  brick half = *b;
  half.box.shape[2] /= 2;
  must(put(sender, sc, &half, &error), "put", &error);
  half.box.start[2] += half.box.shape[2];
  half.data += BYTES / 2;
  must(put(sender, sc, &half, &error), "put", &error);
}

static void push(server *s, bc_sender *sender, const sample *sc, uint64_t step, brick *b) {
  beamcast_error error = {0};
  begin_with(sender, sc, step, b);
  put_halves(sender, sc, b);
  must(bc_sender_end(sender, "{}", &error), "end", &error);
  check_step(s, sc, step);
}

void test_registered(void) {
  server s;
  sample sc = cube(SIDE);
  beamcast_error error = {0};
  uint64_t step = 0;
  server_start(&s, 2, &(bc_stream_settings){.policy = BC_LATEST, .slots = 2});
  bc_sender *sender = connect_as(s.contact, 0, 1, 7, 60);
  unsigned char *memory = pages_at(NULL, BYTES), *other = pages_at(NULL, BYTES);
  brick b = whole(&sc, memory), c = whole(&sc, other);
  while (step < 4) { /* each slot has its memory then */
    push(&s, sender, &sc, ++step, &b);
  }
  const uint64_t before = pinned();
  must(bc_sender_register(sender, memory, BYTES, &error), "register", &error);
  must(bc_sender_register(sender, memory, BYTES, &error), "register again", &error);
  if (bc_sender_register(sender, memory + 8, 8, NULL) != BEAMCAST_ERR_ARGUMENT) {
    die("a part of an array that is registered was registered", NULL);
  }
  for (int i = 0; i < 3; i++) {
    push(&s, sender, &sc, ++step, &b);
    expect_pinned(before, BYTES, "after a step from an array that is registered");
    push(&s, sender, &sc, ++step, &c);
    expect_pinned(before, BYTES, "after a step from another one");
  }
  for (int i = 0; i < 3; i++) { /* let go of in the middle of a step, and other pages there */
    begin_with(sender, &sc, ++step, &b);
    put_halves(sender, &sc, &b);
    must(bc_sender_unregister(sender, memory, &error), "unregister", &error);
    expect_pinned(before, 0, "after an array was let go of");
    (void)munmap(memory, BYTES);
    (void)pages_at(memory, BYTES);
    must(bc_sender_end(sender, "{}", &error), "end", &error);
    check_step(&s, &sc, step);
    must(bc_sender_register(sender, memory, BYTES, &error), "register", &error);
    push(&s, sender, &sc, ++step, &b);
    expect_pinned(before, BYTES, "after other pages were registered there");
  }
  if (bc_sender_unregister(sender, other, NULL) != BEAMCAST_ERR_ARGUMENT) {
    die("an array that is not registered was let go of", NULL);
  }
  bc_sender_close(sender);
  if (pinned() > before) {
    die("pages stay pinned after close", NULL);
  }
  sender = connect_as(s.contact, 0, 1, 8, 60); /* another run, the same device */
  must(bc_sender_register(sender, memory, BYTES, &error), "register", &error);
  push(&s, sender, &sc, ++step, &b);
  bc_sender_close(sender);
  (void)munmap(memory, BYTES);
  (void)munmap(other, BYTES);
  server_stop(&s);
}
