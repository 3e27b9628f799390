/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server, and a good producer that goes on while others come to the server's port and do what
 * they like. All of these fail the test where the server does not do as it should.
 */
#ifndef BEAMCAST_TESTS_SCENERY_H
#define BEAMCAST_TESTS_SCENERY_H

#include "harness.h"

typedef struct scenery {
  server s;
  child good[1];
  test_scene scene;
  uint64_t step;
  answer before;
} scenery;

scenery scenery_set_up(int ranks);
void scenery_go_on(scenery *c); /* one step of the producer, on the stream "good" */
/* Ends both; the server must have as many files and as much memory as it had. */
void scenery_tear_down(scenery *c);
/* So many lines of the log have the text, and no more. */
void expect_logged(server *s, const char *text, uint64_t count);

#endif
