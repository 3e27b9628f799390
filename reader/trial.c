/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The HDF5 library can crash, or never come back, on damaged files (its global heap trusts the
 * sizes in the file). A file is therefore looked at first by a small program of ours, which may
 * die.
 */
#include "volume.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program lies beside the library, in the build tree and installed. */
static int find_program(char path[PATH_MAX]) {
  static const char *const places[] = {"../libexec/beamcast", "../bin", "../../libexec/beamcast",
                                       "../../../libexec/beamcast"};
  Dl_info info;
  char self[PATH_MAX];
  if (dladdr((const void *)beamcast_hdf5_open, &info) == 0 ||
      realpath(info.dli_fname, self) == NULL) {
    return -1;
  }
  const char *folder = dirname(self);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (snprintf(path, PATH_MAX, "%s/%s/beamcast-volume-trial", folder, places[i]) < PATH_MAX &&
        access(path, X_OK) == 0) {
      return 0;
    }
  }
  return -1;
}

int trial_open(const char *file, beamcast_error *error) {
  char program[PATH_MAX];
  if (find_program(program) != 0) {
    return BEAMCAST_OK; /* not installed: the library is trusted */
  }
  char *arguments[] = {program, (char *)file, NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const int failed = posix_spawn(&child, program, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) {
    return BEAMCAST_OK;
  }
  int status = 0;
  pid_t ended;
  while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
  }
  if (ended == child && WIFSIGNALED(status)) {
    return beamcast_fail(
        error, BEAMCAST_ERR_IO, "%s is damaged: the HDF5 library %s on it in a trial", file,
        WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL ? "does not end" : "crashes");
  }
  if (ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 1) { /* under a sanitizer */
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s is damaged: it fails in a trial", file);
  }
  return BEAMCAST_OK;
}
