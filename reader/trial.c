/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The HDF5 library can crash, or never come back, on damaged files (its global heap trusts the
 * sizes in the file). A file is therefore looked at first by a small program of ours, which may
 * die. What it finds is taken over.
 */
#include "handover.h"
#include "volume.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
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

/* What the trial is told: the file, and the options that its list depends on. */
static int start(char *program, beamcast_hdf5_file *file, int output, pid_t *child) {
  char nothing[] = "", live[] = "live";
  char *arguments[] = {program,
                       file->path,
                       file->options.live ? live : nothing,
                       file->dimensions != NULL ? file->dimensions : nothing,
                       file->layouts,
                       NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  if (output >= 0) {
    posix_spawn_file_actions_adddup2(&actions, output, 1);
  } else {
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  }
  const int failed = posix_spawn(child, program, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return failed ? -1 : 0;
}

/* How the trial ended. */
static int judge(const char *file, int status, beamcast_error *error) {
  if (WIFSIGNALED(status)) {
    return beamcast_fail(
        error, BEAMCAST_ERR_IO, "%s is damaged: the HDF5 library %s on it in a trial", file,
        WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL ? "does not end" : "crashes");
  }
  /* The trial itself ends with 0; a sanitizer ends it with another. 127: it could not be started.
   */
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 127) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s is damaged: it fails in a trial", file);
  }
  return BEAMCAST_OK;
}

int trial_open(beamcast_hdf5_file *file, int *listed, beamcast_error *error) {
  char program[PATH_MAX];
  pid_t child, ended;
  int status = 0;
  if (find_program(program) != 0) {
    return BEAMCAST_OK; /* not installed: the library is trusted */
  }
  const int output = memfd_create("beamcast-volumes", MFD_CLOEXEC);
  int result = BEAMCAST_OK;
  if (start(program, file, output, &child) == 0) {
    while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
    }
    result = ended == child ? judge(file->path, status, error) : BEAMCAST_OK;
    *listed = result == BEAMCAST_OK && output >= 0 && handover_take(file, output) == 0;
  }
  if (output >= 0) {
    close(output);
  }
  return result;
}
