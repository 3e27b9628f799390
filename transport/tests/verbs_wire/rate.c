/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rates of one producer and one rank, on this host or between two; measurements, no tests.
 */
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rig.h"

/* Bytes per second of steps into a server's slots, once these are allocated and registered. */
double push_rate(const char *contact, uint64_t mebibytes, int steps, bool registered) {
  beamcast_error error = {0};
  sample sc = {
      .volume = {512, 512, mebibytes}, .arrays = 1, .type = {BEAMCAST_FLOAT32}, .components = {1}};
  uint64_t bytes = mebibytes << 20;
  unsigned char *memory = pages_at(NULL, bytes);
  memset(memory, 3, bytes);
  brick b = whole(&sc, memory);
  bc_sender *sender = connect_as(contact, 0, 1, (uint64_t)getpid(), 300);
  if (registered) {
    must(bc_sender_register(sender, memory, bytes, &error), "register", &error);
  }
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
  bc_sender_close(sender);
  (void)munmap(memory, bytes);
  return (double)bytes * steps / took;
}

void rate(uint64_t mebibytes, int steps, bool registered) {
  server s;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST, .slots = 2});
  (void)printf("%s %llu MiB: %.1f MB/s\n", wire, (unsigned long long)mebibytes,
               1e-6 * push_rate(s.contact, mebibytes, steps, registered));
  server_stop(&s);
}

/* A server for another host's `push`: its contact, token and all, goes to standard output. Ends
 * with that, or with a signal. */
void serve(void) {
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
