/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two commands at the two ends of a link: network namespaces with a round trip between them.
 *   bench_web_link ROUND_TRIP_MS MBIT FAR NEAR
 * MBIT a second each way, 0: no limit; FAR and NEAR are single commands for the shell. FAR ends by
 * itself after NEAR; where one fails the other is ended (SIGTERM), and the status is 1. NETWORK_FAR
 * and NETWORK_NEAR are the addresses.
 */
#include <signal.h>
#include <stdbool.h>
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
  char text[4096]; /* exec: the signal is for the command, not for a shell before it */
  if ((size_t)snprintf(text, sizeof text, "exec %s", command) < sizeof text) {
    execl("/bin/sh", "sh", "-c", text, (char *)NULL);
  }
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
  pid_t far = start(argv[3], true), near = start(argv[4], false), first = -1;
  while (far > 0 && near > 0 && (first = waitpid(-1, &status, 0)) != far && first != near) {
  }
  bool good = first == near && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  pid_t other = first == near ? far : near;
  if (other > 0) {
    if (!good) {
      (void)kill(other, SIGTERM);
    }
    (void)waitpid(other, NULL, 0);
  }
  return good ? 0 : 1;
}
