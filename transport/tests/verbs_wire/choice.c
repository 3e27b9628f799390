/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which device is used, and what happens where RDMA can't be had: too little memory may be locked,
 * a device that is named and not there, a network on which the server's device is not reached.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"
#include "sender_state.h"

static void lower_limit(rlim_t bytes) {
  struct rlimit limit = {bytes, bytes};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
    die("the limit could not be lowered", NULL);
  }
}

/* How a child that pushes once ends. */
enum { TAKEN = 10, NAMED_LIMIT = 11, OTHER_END = 12, TAKEN_BY_ANOTHER_WIRE = 13, NOT_REACHED = 14 };

void child_limited(const char *contact) {
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
  if (getenv("VERBS_TEST_REGISTER") != NULL) {
    must(bc_sender_register(sender, memory, bytes, &error), "register", &error);
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
  exit(code == BEAMCAST_OK && other                                          ? TAKEN_BY_ANOTHER_WIRE
       : code == BEAMCAST_OK                                                 ? TAKEN
       : code == BEAMCAST_ERR_MEMORY && strstr(error.message, "ulimit")      ? NAMED_LIMIT
       : code == BEAMCAST_ERR_CONNECTION && strstr(error.message, "network") ? NOT_REACHED
                                                                             : OTHER_END);
}

void child_serves_limited(const char *path) {
  lower_limit(65536);
  child_serves(path);
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
  if (status_of(spawn("child-limited", path)) != NAMED_LIMIT) {
    die("a server with 64 KiB to lock: no sentence about it", NULL);
  }
  (void)setenv("VERBS_TEST_CHOOSE", "1", 1);
  if (status_of(spawn("child-limited", path)) != TAKEN_BY_ANOTHER_WIRE) {
    die("a server with 64 KiB to lock: not tcp instead", NULL);
  }
  (void)unsetenv("VERBS_TEST_CHOOSE");
  (void)kill(serving, SIGKILL);
  (void)waitpid(serving, NULL, 0);
  (void)unlink(path);
}

void test_limit(void) {
  server s;
  if (geteuid() != 0) {
    (void)printf("the test of limits needs to be root, to drop it\n");
    exit(77);
  }
  (void)setenv("BEAMCAST_RDMA_ON_DEMAND", "0",
               1); /* a device that pages on demand needs no limit */
  test_limited_server();
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  (void)setenv("VERBS_TEST_LIMIT", "65536", 1);
  if (status_of(spawn("child-limited", s.contact)) != NAMED_LIMIT) {
    die("a producer with 64 KiB to lock got no sentence about it", NULL);
  }
  (void)setenv("VERBS_TEST_CHOOSE", "1", 1);
  if (status_of(spawn("child-limited", s.contact)) != TAKEN_BY_ANOTHER_WIRE) {
    die("a producer with 64 KiB to lock that may choose did not choose tcp", NULL);
  }
  (void)unsetenv("VERBS_TEST_CHOOSE");
  (void)setenv("VERBS_TEST_LIMIT", "3145728", 1);
  if (status_of(spawn("child-limited", s.contact)) != TAKEN) {
    die("a producer with 3 MiB to lock could not push", NULL);
  }
  (void)setenv("VERBS_TEST_REGISTER", "1", 1);
  if (status_of(spawn("child-limited", s.contact)) != TAKEN) {
    die("a producer with 3 MiB to lock could not push an array that it had registered", NULL);
  }
  (void)unsetenv("VERBS_TEST_REGISTER");
  (void)unsetenv("VERBS_TEST_LIMIT");
  server_stop(&s);
}

void test_device(void) {
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

static void shell(const char *command) {
  if (system(command) != 0) {
    die(command, NULL);
  }
}

/* One step over the device of that name, and no queue pair on another. Without a name: over any. */
static void push_over(const char *name) {
  server s;
  sample sc = cube(32);
  beamcast_error error = {0};
  char command[200];
  unsigned char *memory = pages_at(NULL, 32 * 32 * 32 * 4);
  brick b = whole(&sc, memory);
  (void)setenv("BEAMCAST_RDMA_DEVICE", name, 1);
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  bc_sender *sender = connect_as(s.contact, 0, 1, 7, 30);
  fill(&sc, 1, &b);
  must(bc_sender_begin(sender, 1, 0, &error), "begin", &error);
  must(put(sender, &sc, &b, &error), "put", &error);
  must(bc_sender_end(sender, "{}", &error), "end", &error);
  check_step(&s, &sc, 1);
  (void)snprintf(command, sizeof command,
                 "n=$(rdma resource show qp | grep ' type RC ' | grep -c 'link %s/') && "
                 "[ $n -gt 0 ] && [ $n = $(rdma resource show qp | grep -c ' type RC ') ]",
                 name);
  shell(command);
  bc_sender_close(sender);
  server_stop(&s);
}

/* With two soft-RoCE devices, which the caller has made: each is used where it is named. */
void test_devices(void) {
  push_over("rxe1");
  push_over("rxe0");
  push_over("rxe1");
  (void)unsetenv("BEAMCAST_RDMA_DEVICE");
}

/* The producer's device is on another network than the server's was: a sentence, or tcp. */
void test_network(void) {
  server s;
  server_start(&s, 1, &(bc_stream_settings){.policy = BC_LATEST});
  shell("ip address flush dev eth0 && ip address add 10.99.0.1/24 dev eth0");
  if (status_of(spawn("child-limited", s.contact)) != NOT_REACHED) {
    die("a device on another network: no sentence about it", NULL);
  }
  (void)setenv("VERBS_TEST_CHOOSE", "1", 1);
  if (status_of(spawn("child-limited", s.contact)) != TAKEN_BY_ANOTHER_WIRE) {
    die("a device on another network: not tcp instead", NULL);
  }
  (void)unsetenv("VERBS_TEST_CHOOSE");
  shell("ip address flush dev eth0 && ip address add 10.77.0.1/24 dev eth0 && "
        "ip address add fd77::1/64 dev eth0");
  server_stop(&s);
}
