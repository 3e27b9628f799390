/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two commands at the two ends of a link: network namespaces with a round trip between them.
 *   bench_web_link ROUND_TRIP_MS MBIT FAR NEAR
 * MBIT a second each way, 0: no limit; FAR and NEAR are commands for the shell. Ends when NEAR
 * does, with its status. NETWORK_FAR and NETWORK_NEAR are the addresses.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "network.h"

static pid_t start(const char *command, bool far) {
  pid_t pid = fork();
  if (pid != 0) {
    return pid;
  }
  (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (far) {
    network_go_far();
  }
  execl("/bin/sh", "sh", "-c", command, (char *)NULL);
  _exit(127);
}

int main(int argc, char **argv) {
  char missing[200];
  if (argc != 5) {
    (void)fprintf(stderr, "usage: bench_web_link ROUND_TRIP_MS MBIT FAR NEAR\n");
    return 2;
  }
  if (!network_begin(1, missing, sizeof missing)) {
    (void)fprintf(stderr, "bench_web_link: missing: %s\n", missing);
    return 1;
  }
  network_set(&(network_state){.delay = strtod(argv[1], NULL) / 2e3,
                               .rate = strtod(argv[2], NULL) * 1e6 / 8});
  int status = 1;
  pid_t far = start(argv[3], true), near = start(argv[4], false);
  if (near > 0) {
    (void)waitpid(near, &status, 0);
  }
  if (far > 0) {
    (void)kill(far, SIGTERM);
    (void)waitpid(far, NULL, 0);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
