/* SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "interrupt.h"
#include "process.h"

/* What the program is told. */
typedef struct speech {
  const char *text;
  bs_heard heard; /* NULL, or it is asked before a last byte follows */
  void *context;
} speech;

/* What must not travel into records and logs of other programs. */
static bool is_secret(const char *entry) {
  return strncmp(entry, "BEAMCAST_TOKEN=", 15) == 0 ||
         strncmp(entry, "BEAMCAST_CONNECT_ID=", 20) == 0;
}

static char **make_environment(const char *extra) {
  size_t count = 0, kept = 0;
  while (environ[count] != NULL) {
    count++;
  }
  char **list = calloc(count + 2, sizeof *list);
  for (size_t i = 0; list != NULL && i < count; i++) {
    if (!is_secret(environ[i])) {
      list[kept++] = environ[i];
    }
  }
  if (list != NULL && extra != NULL) {
    list[kept] = (char *)(uintptr_t)extra;
  }
  return list;
}

static pid_t spawn(char *const argv[], const char *extra, const int ends[3], int *bad) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none, usual;
  pid_t child = 0;
  char **environment = make_environment(extra);
  if (environment == NULL) {
    *bad = ENOMEM;
    return 0;
  }
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawn_file_actions_init(&files);
  for (int i = 0; i < 3; i++) {
    posix_spawn_file_actions_adddup2(&files, ends[i], i);
  }
  posix_spawn_file_actions_addclosefrom_np(&files, 3); /* what it leaves behind keeps nothing */
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  *bad = posix_spawn(&child, argv[0], &files, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  free(environment);
  return *bad == 0 ? child : 0;
}

/* Takes in what comes; false when the other side has closed. */
static bool take(int from, char *text, size_t *length) {
  char ignored[512];
  bool full = *length >= BS_OUTPUT_MAX - 1;
  ssize_t got = full ? read(from, ignored, sizeof ignored)
                     : read(from, text + *length, BS_OUTPUT_MAX - 1 - *length);
  if (got > 0 && !full) {
    *length += (size_t)got;
    text[*length] = '\0';
  }
  return got > 0 || (got < 0 && errno == EINTR);
}

/* The first line has come: the program hears whether it was liked. */
static void confirm(speech *s, const bs_result *result) {
  char line[BS_OUTPUT_MAX];
  (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(result->out, "\n"), result->out);
  s->text = s->heard(s->context, line) ? "k" : "";
  s->heard = NULL;
}

/* Feeds and reads until both outputs are closed, or time is over. */
static bool converse(int own[3], speech *s, double deadline, bs_result *result) {
  size_t lengths[2] = {0, 0};
  while (own[1] >= 0 || own[2] >= 0) {
    if (s->heard != NULL && strchr(result->out, '\n') != NULL) {
      confirm(s, result);
    }
    size_t left = strlen(s->text);
    if (left == 0 && s->heard == NULL && own[0] >= 0) {
      (void)close(own[0]);
      own[0] = -1;
    }
    struct pollfd fds[3] = {
        {left > 0 ? own[0] : -1, POLLOUT, 0}, {own[1], POLLIN, 0}, {own[2], POLLIN, 0}};
    (void)poll(fds, 3, 200);
    if (bs_now() > deadline || bc_is_interrupted()) {
      return false;
    }
    if (fds[0].revents != 0) {
      ssize_t done = send(own[0], s->text, left, MSG_NOSIGNAL);
      s->text += done > 0 ? (size_t)done : left;
    }
    for (int i = 1; i <= 2; i++) {
      if (fds[i].revents != 0 &&
          !take(own[i], i == 1 ? result->out : result->err, &lengths[i - 1])) {
        (void)close(own[i]);
        own[i] = -1;
      }
    }
  }
  return true;
}

/* bad: why it could not be run, or 0. too_long: seconds after which it was ended, or 0. */
static int judge(const char *program, int bad, int status, double too_long, bs_result *result,
                 beamcast_error *error) {
  if (bad != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "%.300s can't be run: %s", program,
                         strerror(bad));
  }
  result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (too_long == 0) {
    return BEAMCAST_OK;
  }
  return bc_is_interrupted()
             ? beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "waiting for %.300s was interrupted",
                             program)
             : beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "%.300s did not answer within %g seconds",
                             program, too_long);
}

static int run(char *const argv[], speech *s, const char *extra, double seconds, bs_result *result,
               beamcast_error *error) {
  int own[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1}, bad = 0, status = 0;
  memset(result, 0, sizeof *result);
  for (int i = 0; i < 3 && bad == 0; i++) {
    int pair[2];
    /* sockets: writing to one can be told not to raise SIGPIPE */
    bad = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ? errno : 0;
    own[i] = bad == 0 ? pair[0] : -1;
    theirs[i] = bad == 0 ? pair[1] : -1;
  }
  pid_t child = bad == 0 ? spawn(argv, extra, theirs, &bad) : 0;
  bool in_time = true;
  for (int i = 0; i < 3; i++) {
    if (theirs[i] >= 0) {
      (void)close(theirs[i]);
    }
  }
  if (child > 0) {
    in_time = converse(own, s, bs_now() + seconds, result);
    if (!in_time) {
      (void)kill(child, SIGKILL);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  for (int i = 0; i < 3; i++) {
    if (own[i] >= 0) {
      (void)close(own[i]);
    }
  }
  return judge(argv[0], bad, status, in_time ? 0 : seconds, result, error);
}

int bs_run_program(char *const argv[], const char *input, const char *extra, double seconds,
                   bs_result *result, beamcast_error *error) {
  speech s = {.text = input};
  return run(argv, &s, extra, seconds, result, error);
}

int bs_run_and_confirm(char *const argv[], double seconds, bs_heard heard, void *context,
                       bs_result *result, beamcast_error *error) {
  speech s = {.text = "", .heard = heard, .context = context};
  return run(argv, &s, NULL, seconds, result, error);
}

int bs_run_to_background(char *const argv[], const char *extra, double seconds, bs_result *result,
                         beamcast_error *error) {
  enum { LOOK_AGAIN_MS = 10 };
  const double deadline = bs_now() + seconds;
  int ends[3] = {open("/dev/null", O_RDONLY | O_CLOEXEC), memfd_create("out", MFD_CLOEXEC),
                 memfd_create("err", MFD_CLOEXEC)};
  int bad = ends[0] < 0 || ends[1] < 0 || ends[2] < 0 ? errno : 0, status = 0;
  double too_long = 0;
  memset(result, 0, sizeof *result);
  pid_t child = bad == 0 ? spawn(argv, extra, ends, &bad) : 0;
  for (pid_t ended = 0; child > 0 && ended == 0;) {
    ended = waitpid(child, &status, too_long > 0 ? 0 : WNOHANG);
    if (ended < 0 && errno == EINTR) {
      ended = 0;
    } else if (ended == 0 && (bs_now() > deadline || bc_is_interrupted())) {
      (void)kill(child, SIGKILL);
      too_long = seconds;
    } else if (ended == 0) {
      bs_sleep_ms(LOOK_AGAIN_MS);
    }
  }
  char *texts[3] = {NULL, result->out, result->err};
  for (int i = 0; i < 3; i++) {
    if (texts[i] != NULL && ends[i] >= 0) {
      (void)!pread(ends[i], texts[i], BS_OUTPUT_MAX - 1, 0);
    }
    if (ends[i] >= 0) {
      (void)close(ends[i]);
    }
  }
  return judge(argv[0], bad, status, too_long, result, error);
}

void bs_last_line(const char *text, char *line, size_t size) {
  (void)snprintf(line, size, "no reason given");
  while (*text != '\0') {
    size_t length = strcspn(text, "\r\n");
    if (length > 0) {
      (void)snprintf(line, size, "%.*s", (int)(length < 300 ? length : 300), text);
    }
    text += length + (text[length] != '\0');
  }
}

bool bs_append_quoted(char *to, size_t size, const char *word) {
  size_t at = strlen(to);
  bool fits = bs_join(to + at, size - at, " '");
  for (; *word != '\0' && fits; word++) {
    at = strlen(to);
    fits = *word == '\'' ? bs_join(to + at, size - at, "'\\''")
                         : bs_join(to + at, size - at, "%c", *word);
  }
  at = strlen(to);
  return fits && bs_join(to + at, size - at, "'");
}
