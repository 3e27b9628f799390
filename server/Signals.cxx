/* SPDX-License-Identifier: BSD-3-Clause */
#include "Signals.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace {

volatile std::sig_atomic_t requested = 0;
int ends[2] = {-1, -1};
char contact_path[PATH_MAX] = "";

void OnSignal(int) {
  const int saved = errno;
  requested = 1;
  if (contact_path[0] != '\0') {
    (void)unlink(contact_path);
  }
  (void)!write(ends[1], "", 1);
  errno = saved;
}

} // namespace

void CatchSignals(const std::string &contact) {
  if (contact.size() < sizeof contact_path) {
    std::memcpy(contact_path, contact.c_str(), contact.size() + 1);
  }
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    ends[0] = ends[1] = -1;
  }
  CatchSignalsAgain();
  std::signal(SIGPIPE, SIG_IGN);
}

void CatchSignalsAgain() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

bool IsEndRequested() {
  return requested != 0;
}

int GetSignalDescriptor() {
  return ends[0];
}
