/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server without ParaView, for the Python module's tests: a few receivers in one process.
 *   python_test_server CONTACT RANKS
 * Prints "ready" when it listens, then answers each line of its input with one line:
 *   slots STREAM N          keeps memory for N steps from the next step on
 *   request STREAM JSON     sends a request to the stream's producers
 *   hold STREAM             takes the newest step for good; its number, or "none"
 *   seen STREAM             as JSON: the newest step's header, time, grid and first array's unit
 *   counts STREAM           steps received, steps dropped, producers connected
 * It ends with its input.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "receiver.h"

enum { RANKS_MAX = 4 };

typedef struct test_server {
  bc_receiver *receiver[RANKS_MAX];
  int ranks;
  unsigned char addresses[RANKS_MAX][BC_ADDRESS_BYTES];
} test_server;

typedef struct join_job {
  test_server *server;
  int rank;
} join_job;

static void die(const beamcast_error *error) {
  (void)fprintf(stderr, "test server: %s\n", error->message);
  exit(1);
}

static void *join(void *argument) {
  const join_job *job = argument;
  beamcast_error error = {0};
  if (bc_receiver_join(job->server->receiver[job->rank], job->server->addresses[0], &error) !=
      BEAMCAST_OK) {
    die(&error);
  }
  return NULL;
}

static void start(test_server *server, const char *contact) {
  beamcast_error error = {0};
  for (int rank = 0; rank < server->ranks; rank++) {
    bc_receiver_options options = {.rank = rank,
                                   .ranks = server->ranks,
                                   .ranks_on_host = server->ranks,
                                   .host = "127.0.0.1",
                                   .contact = contact,
                                   .memory_limit = (uint64_t)1 << 30};
    server->receiver[rank] = bc_receiver_open(&options, &error);
    if (server->receiver[rank] == NULL) {
      die(&error);
    }
    bc_receiver_address(server->receiver[rank], server->addresses[rank]);
  }
  pthread_t thread[RANKS_MAX];
  join_job job[RANKS_MAX];
  for (int rank = 0; rank < server->ranks; rank++) {
    job[rank] = (join_job){server, rank};
    if (pthread_create(&thread[rank], NULL, join, &job[rank]) != 0) {
      abort();
    }
  }
  for (int rank = 0; rank < server->ranks; rank++) {
    (void)pthread_join(thread[rank], NULL);
  }
}

/* The newest step's frame on rank 0, retained; NULL: none. Other ranks keep theirs if held. */
static bc_frame *take(test_server *server, const char *stream, bool held) {
  uint64_t serial = bc_receiver_pick(server->receiver[0], stream, 0, BC_PICK_NEWEST);
  bc_frame *first = NULL;
  for (int rank = 0; rank < server->ranks && serial != 0; rank++) {
    bc_frame *frame = bc_receiver_take(server->receiver[rank], serial);
    if (rank == 0) {
      first = frame;
    } else if (!held && frame != NULL) {
      bc_frame_release(frame);
    }
  }
  return first;
}

static void print_seen(const bc_frame *frame) {
  bc_frame_info info;
  bc_array array = {0};
  bc_frame_describe(frame, &info);
  bc_frame_array(frame, 0, &array);
  printf("{\"header\": %s, \"step\": %" PRIu64
         ", \"time\": %.17g, \"arrays\": %d, \"unit\": \"%s\", "
         "\"length_unit\": \"%s\", \"direction\": [",
         info.header, info.step, info.time, info.arrays, array.unit, info.length_unit);
  for (int i = 0; i < 9; i++) {
    printf("%s%.17g", i > 0 ? ", " : "", info.direction[i]);
  }
  printf("]}\n");
}

static void obey(test_server *server, const char *verb, const char *stream, const char *rest) {
  beamcast_error error = {0};
  bc_receiver *root = server->receiver[0];
  if (strcmp(verb, "slots") == 0) {
    bc_stream_settings settings = {.slots = atoi(rest)};
    int code = bc_receiver_configure(root, stream, &settings, &error);
    puts(code == BEAMCAST_OK ? "ok" : error.message);
  } else if (strcmp(verb, "request") == 0) {
    int code = bc_receiver_request(root, stream, rest, &error);
    puts(code == BEAMCAST_OK ? "ok" : error.message);
  } else if (strcmp(verb, "hold") == 0) {
    bc_frame *frame = take(server, stream, true);
    bc_frame_info info = {0};
    if (frame != NULL) {
      bc_frame_describe(frame, &info);
    }
    printf(frame ? "%" PRIu64 "\n" : "none\n", info.step);
  } else if (strcmp(verb, "seen") == 0) {
    bc_frame *frame = take(server, stream, false);
    if (frame == NULL) {
      puts("null");
    } else {
      print_seen(frame);
      bc_frame_release(frame);
    }
  } else {
    bc_stream_status status;
    bc_receiver_status(root, stream, &status);
    printf("%" PRIu64 " %" PRIu64 " %d\n", status.steps_received, status.steps_dropped,
           status.producers);
  }
}

int main(int argc, char **argv) {
  static test_server server;
  static char line[1 << 16], verb[32], stream[256];
  if (argc != 3 || (server.ranks = atoi(argv[2])) < 1 || server.ranks > RANKS_MAX) {
    (void)fprintf(stderr, "usage: python_test_server CONTACT RANKS\n");
    return 2;
  }
  (void)setvbuf(stdout, NULL, _IOLBF, 0);
  start(&server, argv[1]);
  puts("ready");
  while (fgets(line, sizeof line, stdin) != NULL) {
    int rest = 0;
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%31s %255s %n", verb, stream, &rest) == 2) {
      obey(&server, verb, stream, line + rest);
    }
  }
  for (int rank = server.ranks - 1; rank >= 0; rank--) {
    bc_receiver_close(server.receiver[rank]);
  }
  return 0;
}
