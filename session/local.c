/* SPDX-License-Identifier: BSD-3-Clause */
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "interrupt.h"

enum { ANSWER_MAX = 4096, CLEAN_UP_SECONDS = 45, STOP_SECONDS = 45 };

/* Spawns the keeper with one end of a socket as its standard input; the other end comes back. */
static int spawn_keeper(int *link, beamcast_error *error) {
  char program[BEAMCAST_SESSION_PATH_MAX];
  int ends[2];
  pid_t child;
  if (!bs_find_program("beamcast-keeper", program, sizeof program)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "the program beamcast-keeper is missing: it belongs beside `beamcast`, in "
                         "PATH");
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no socket: %s", strerror(errno));
  }
  char *const argv[] = {program, NULL};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3); /* a caller's lock, or end of a pipe */
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  int bad = posix_spawn(&child, program, &files, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  (void)close(ends[1]);
  if (bad != 0) {
    (void)close(ends[0]);
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "%s can't be run: %s", program,
                         strerror(bad));
  }
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
  }
  *link = ends[0];
  return BEAMCAST_OK;
}

static bool send_request(int link, const bs_record *record) {
  json_t *json =
      json_pack("{s:s, s:s, s:i, s:f, s:b, s:b, s:i, s:i, s:s, s:i, s:s, s:I, s:s}", "id",
                record->info.id, "name", record->info.name, "ranks", record->info.ranks,
                "idle_minutes", record->idle_minutes, "paraview", (int)record->paraview, "web",
                (int)record->web, "keep", record->keep, "slots", record->slots, "client",
                record->client, "client_port", record->client_port, "script", record->script,
                "step_limit", (json_int_t)record->step_limit, "estimate", record->info.estimate);
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  bool good = text != NULL &&
              send(link, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
              send(link, "\n", 1, MSG_NOSIGNAL) == 1;
  free(text);
  json_decref(json);
  return good;
}

/* Reads up to a line's end or the deadline; bytes read, 0 when the other side has closed, -1 when
 * time is over. */
static ssize_t read_answer(int link, char *text, double seconds) {
  double deadline = bs_now() + seconds;
  size_t length = 0;
  while (length < ANSWER_MAX - 1 && memchr(text, '\n', length) == NULL) {
    double left = deadline - bs_now();
    if (left <= 0 || bc_is_interrupted()) {
      return -1;
    }
    struct pollfd fd = {link, POLLIN, 0};
    if (poll(&fd, 1, bc_wait_before_asking(left > 1 ? 1000 : (int)(left * 1000) + 1)) > 0) {
      ssize_t got = read(link, text + length, ANSWER_MAX - 1 - length);
      if (got == 0) {
        return 0;
      }
      length += got > 0 ? (size_t)got : 0;
    }
  }
  return (ssize_t)length;
}

static int take_answer(const char *text, ssize_t length, double time_limit, beamcast_error *error) {
  if (length < 0 && bc_is_interrupted()) {
    return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                         "waiting for the session was interrupted; it was ended");
  }
  if (length < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                         "the session did not run within %g seconds; it was ended", time_limit);
  }
  json_t *json = length > 0 ? json_loadb(text, (size_t)length, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
  int code = BEAMCAST_OK;
  if (!json_is_true(json_object_get(json, "ok"))) {
    const char *message = json_string_value(json_object_get(json, "message"));
    code = (int)json_integer_value(json_object_get(json, "code"));
    code = beamcast_fail(error, code != 0 ? code : BEAMCAST_ERR_UNSUPPORTED, "%s",
                         message ? message : "the keeper of the session died");
  }
  json_decref(json);
  return code;
}

int bs_start_here(const bs_record *record, double time_limit, beamcast_error *error) {
  char text[ANSWER_MAX];
  int link = -1, code = spawn_keeper(&link, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  ssize_t length = send_request(link, record) ? read_answer(link, text, time_limit) : 0;
  code = take_answer(text, length, time_limit, error);
  if (code == BEAMCAST_OK && send(link, "k", 1, MSG_NOSIGNAL) != 1) {
    code = beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the keeper of the session died");
  }
  if (code != BEAMCAST_OK) {
    (void)shutdown(link, SHUT_WR);
    bc_interrupt_by(NULL, NULL); /* it is ended in good order */
    double deadline = bs_now() + CLEAN_UP_SECONDS;
    while (read_answer(link, text, 1) != 0 && bs_now() < deadline) {
    }
  }
  (void)close(link);
  return code;
}

int bs_stop_here(const bs_record *record, beamcast_error *error) {
  const bs_process *keeper = &record->keeper;
  if (!bs_process_is_here(keeper)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "session %s runs on %.200s; stop it there", record->info.id, keeper->host);
  }
  double deadline = bs_now() + STOP_SECONDS;
  if (bs_process_lives(keeper)) {
    (void)kill(keeper->pid, SIGTERM);
    while (bs_process_lives(keeper) && bs_now() < deadline) {
      bs_sleep_ms(20);
    }
    if (bs_process_lives(keeper)) {
      (void)kill(keeper->pid, SIGKILL);
    }
  }
  deadline = bs_now() + STOP_SECONDS;
  while (bs_signal_marked("BEAMCAST_SESSION", record->info.id, SIGKILL) > 0) {
    if (bs_now() > deadline) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                           "processes of session %s do not end; see `ps`", record->info.id);
    }
    bs_sleep_ms(50);
  }
  bs_remove_scratch(record); /* the keeper may have been killed */
  return BEAMCAST_OK;
}
