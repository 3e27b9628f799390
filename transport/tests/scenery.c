/* SPDX-License-Identifier: BSD-3-Clause
 * See scenery.h. */
#include "scenery.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint64_t tiny[3] = {8, 8, 8};

void scenery_go_on(scenery *c) {
  c->step++;
  assert_int_equal(producers_step(c->good, 1, &c->scene, c->step), BEAMCAST_OK);
  server_wait_received(&c->s, "good", c->step);
  server_check_newest(&c->s, "good", &c->scene, c->step);
}

scenery scenery_set_up(int ranks) {
  scenery c = {.s = server_start(ranks, 64 << 20),
               .scene = scene_plain(41, 1, tiny, BEAMCAST_UINT16)};
  producers_connect(c.good, 1, &c.s, "good", 7);
  scenery_go_on(&c);
  scenery_go_on(&c);
  c.before = ask(&c.s.rank[0], &(order){.kind = R_USAGE});
  return c;
}

void scenery_tear_down(scenery *c) {
  scenery_go_on(c);
  answer after = ask(&c->s.rank[0], &(order){.kind = R_USAGE});
  /* each slot's memory is a file, and mapped */
  int most = c->before.files - c->before.mappings;
  for (int i = 0; i < 20000 && after.files - after.mappings > most; i++) {
    nap(0.005);
    after = ask(&c->s.rank[0], &(order){.kind = R_USAGE});
  }
  assert_in_range(after.files - after.mappings, 0, most);
  if (!harness_slow() && after.resident > c->before.resident + (8 << 20)) {
    fail_test("the server grew by %llu bytes",
              (unsigned long long)(after.resident - c->before.resident));
  }
  producer_exit(&c->good[0]);
  server_stop(&c->s);
}

void expect_logged(server *s, const char *text, uint64_t count) {
  server_wait_logged(s, text, count);
  assert_int_equal(server_logged(s, text), count);
}
