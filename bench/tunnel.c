/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server behind one port and a long way: a producer and a viewer reach its root alone, which
 * passes their bytes on to the other rank. Prints one line of JSON.
 *   bench_tunnel ROUND_TRIP_MS [ssh SSHD]   two namespaces with a link of that round trip; with ssh
 *                                           through a port that it forwards, else straight
 * Rates are bytes per second, steady state; times are medians in seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contact.h"
#include "harness.h"
#include "measure.h"
#include "network.h"
#include "socket.h"

enum { FORWARDED = 7001, SSH_PORT = 7022, STEPS = 5, ASKS = 9 };

static double round_trip;
static const char *sshd;

/* --- ssh -----------------------------------------------------------------------------------------
 */

static pid_t spawn(const char *command) {
  pid_t pid = fork();
  if (pid == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  return pid;
}

static void wait_for_port(const char *host, int port) {
  for (int i = 0; i < 400; i++) {
    int fd = bc_connect_tcp(host, port, bc_deadline(1), NULL);
    if (fd >= 0) {
      bc_close_fd(&fd);
      return;
    }
    nap(0.05);
  }
  fail_test("nothing listens on port %d", port);
}

/* sshd near, ssh far, which forwards FORWARDED to the root's port: with keys of their own. */
static pid_t client, daemon_pid;

static void forward(const char *folder, int port) {
  char command[2000];
  (void)snprintf(command, sizeof command,
                 "cd '%s' && ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ed25519 "
                 "-N '' -f user && cp user.pub allowed && mkdir -p /run/sshd && exec '%s' -D -e -f "
                 "/dev/null -h '%s/host' -p %d -o StrictModes=no -o UsePAM=no -o "
                 "AuthorizedKeysFile='%s/allowed' -o ListenAddress=%s 2>sshd.log",
                 folder, sshd, folder, SSH_PORT, folder, NETWORK_NEAR);
  daemon_pid = spawn(command);
  wait_for_port(NETWORK_NEAR, SSH_PORT);
  (void)snprintf(command, sizeof command,
                 "cd '%s' && exec ssh -tt -F none -i user -o StrictHostKeyChecking=no -o "
                 "UserKnownHostsFile=/dev/null -p %d -L 127.0.0.1:%d:%s:%d %s sleep 3600 "
                 "</dev/null >ssh.log 2>&1",
                 folder, SSH_PORT, FORWARDED, NETWORK_NEAR, port, NETWORK_NEAR);
  network_go_far();
  client = spawn(command);
  wait_for_port("127.0.0.1", FORWARDED);
  network_go_near();
}

/* The client first, while the link is there: then what sshd has started for it ends, too. */
static void end_forward(void) {
  if (client > 0) {
    (void)kill(client, SIGTERM);
    (void)waitpid(client, NULL, 0);
    nap(4 * round_trip + 0.5);
    (void)kill(daemon_pid, SIGTERM);
    (void)waitpid(daemon_pid, NULL, 0);
  }
}

/* --- measurements --------------------------------------------------------------------------------
 */

static double push(server *s, child *producer, const test_scene *scene, uint64_t *step) {
  double took[STEPS];
  for (int i = -1; i < STEPS; i++) { /* the first opens connections */
    uint64_t received = server_status(s, "volume").steps_received;
    double began = measure_now();
    assert_int_equal(producers_step(producer, 1, scene, ++*step), BEAMCAST_OK);
    server_wait_received(s, "volume", received + 1);
    if (i >= 0) {
      took[i] = measure_now() - began;
    }
  }
  return measure_median(took, STEPS);
}

/* Seconds a step, of as many as come one after the other. The producer is `connect`ed anew. */
static double stream(server *s, order connect, bool overlap, const test_scene *scene) {
  const uint64_t steps = 20, received = server_status(s, "volume").steps_received;
  child producer = producer_start_far();
  connect.run = overlap ? 3 : 2;
  connect.overlap = overlap;
  assert_int_equal(ask(&producer, &connect).code, BEAMCAST_OK);
  assert_int_equal(producers_step(&producer, 1, scene, 1), BEAMCAST_OK); /* opens connections */
  double began = measure_now();
  assert_int_equal(
      ask(&producer, &(order){.kind = P_RUN, .step = 2, .last = steps + 1, .scene = *scene}).code,
      BEAMCAST_OK);
  double took = measure_now() - began;
  server_wait_received(s, "volume", received + steps + 1);
  producer_exit(&producer);
  return took / (double)steps;
}

static double fetch(const char *contact, const uint64_t shape[3]) {
  double took[ASKS];
  const uint64_t start[3] = {0, 0, 0};
  network_go_far();
  for (int i = 0; i < ASKS; i++) {
    beamcast_error error = {0};
    beamcast_volume_data got;
    double began = measure_now();
    if (beamcast_stream_retrieve(contact, "volume", NULL, start, shape, 90, &got, &error) !=
        BEAMCAST_OK) {
      fail_test("retrieve: %s", error.message);
    }
    took[i] = measure_now() - began;
    beamcast_volume_free(&got);
  }
  network_go_near();
  return measure_median(took, ASKS);
}

static void measure(void **state) {
  (void)state;
  char folder[] = "/tmp/beamcast-tunnel-XXXXXX", token[BC_TOKEN_TEXT], clean[64];
  const uint64_t large[3] = {256, 256, 256}, plane[3] = {256, 256, 1}, voxel[3] = {1, 1, 1},
                 tiny[3] = {8, 8, 8};
  test_scene volume = scene_plain(1, 1, large, BEAMCAST_FLOAT32); /* 64 MiB */
  test_scene small = scene_plain(2, 1, tiny, BEAMCAST_FLOAT32);
  server s = server_start(2, UINT64_C(1) << 30);
  child producer = producer_start_far();
  bc_contact contact;
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 1, .limit = 90};
  assert_int_equal(bc_contact_read(s.contact, NULL, &contact, NULL), BEAMCAST_OK);
  bc_token_text(&contact.token, token);
  memcpy(connect.text, token, sizeof token);
  assert_non_null(mkdtemp(folder));
  network_set(&(network_state){.delay = round_trip / 2});
  if (sshd != NULL) {
    forward(folder, contact.port);
  }
  (void)snprintf(connect.contact, sizeof connect.contact, "beamcast://%s:%d",
                 sshd ? "127.0.0.1" : NETWORK_NEAR, sshd ? FORWARDED : contact.port);
  connect.relay = true;
  (void)setenv("BEAMCAST_RELAY", "1", 1);
  (void)setenv("BEAMCAST_TOKEN", token, 1);
  double began = measure_now();
  assert_int_equal(ask(&producer, &connect).code, BEAMCAST_OK);
  double connected = measure_now() - began;
  uint64_t step = 0;
  double step_time = push(&s, &producer, &small, &step);
  double volume_time = push(&s, &producer, &volume, &step);
  double plane_time = fetch(connect.contact, plane), voxel_time = fetch(connect.contact, voxel);
  producer_exit(&producer);
  double streamed = stream(&s, connect, false, &small),
         overlapped = stream(&s, connect, true, &small);
  (void)printf(
      "{\"round_trip_ms\": %.0f, \"ssh\": %s, \"connect_s\": %.3f, \"small_step_s\": %.3f, "
      "\"streamed_step_s\": %.3f, \"overlapped_step_s\": %.3f, "
      "\"push_bytes_per_second\": %.3e, \"plane_s\": %.3f, \"voxel_s\": %.3f}\n",
      1000 * round_trip, sshd ? "true" : "false", connected, step_time, streamed, overlapped,
      256.0 * 256 * 256 * 4 / volume_time, plane_time, voxel_time);
  server_stop(&s);
  end_forward();
  (void)snprintf(clean, sizeof clean, "rm -rf %s", folder);
  (void)waitpid(spawn(clean), NULL, 0);
}

int main(int argc, char **argv) {
  char missing[200];
  char *arguments[] = {argv[0], (char *)"tcp", NULL};
  if (argc < 2 || argc == 3) {
    (void)fprintf(stderr, "usage: bench_tunnel ROUND_TRIP_MS [ssh SSHD]\n");
    return 2;
  }
  round_trip = 1e-3 * strtod(argv[1], NULL);
  sshd = argc > 3 ? argv[3] : NULL;
  (void)setenv("BEAMCAST_TEST_SEED", "1", 0);
  harness_begin(2, arguments);
  if (!network_begin(1, missing, sizeof missing)) {
    (void)fprintf(stderr, "bench_tunnel: %s is missing\n", missing);
    return 77;
  }
  (void)setenv("BEAMCAST_HOST", NETWORK_NEAR, 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(measure, harness_clean)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
