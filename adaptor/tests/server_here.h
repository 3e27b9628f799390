/* SPDX-License-Identifier: BSD-3-Clause
 * A server of one rank inside the test's own process. */
#ifndef BEAMCAST_TESTS_SERVER_HERE_H
#define BEAMCAST_TESTS_SERVER_HERE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "receiver.h"

typedef struct server_here {
  bc_receiver *receiver;
  char contact[64];
} server_here;

static inline void server_here_quiet(void *context, const char *line) {
  (void)context;
  (void)line;
}

static inline server_here server_here_open(void) {
  server_here s;
  beamcast_error error = {0, ""};
  unsigned char address[BC_ADDRESS_BYTES];
  (void)snprintf(s.contact, sizeof s.contact, "/tmp/beamcast-test-%ld.json", (long)getpid());
  bc_receiver_options options;
  memset(&options, 0, sizeof options);
  options.contact = s.contact;
  options.memory_limit = UINT64_C(64) << 20;
  options.log = server_here_quiet;
  s.receiver = bc_receiver_open(&options, &error);
  if (s.receiver != NULL) {
    bc_receiver_address(s.receiver, address);
  }
  if (s.receiver == NULL || bc_receiver_join(s.receiver, address, &error) != BEAMCAST_OK) {
    (void)fprintf(stderr, "server: %s\n", error.message);
    exit(1);
  }
  return s;
}

/* Waits until so many steps are complete; gives up after a long time. */
static inline bool server_here_has(const server_here *s, const char *stream, uint64_t steps) {
  const struct timespec moment = {0, 2000000};
  bc_stream_status status;
  for (int i = 0; i < 30000; i++) {
    bc_receiver_status(s->receiver, stream, &status);
    if (status.steps_received >= steps) {
      return true;
    }
    (void)nanosleep(&moment, NULL);
  }
  return false;
}

static inline void server_here_close(server_here *s) {
  bc_receiver_close(s->receiver);
}

#endif
