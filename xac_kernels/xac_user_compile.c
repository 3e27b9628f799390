/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel for the cpu: compiled by the system's compiler, tried, loaded as a library. Other
 * programs are started with posix_spawn, never fork: the process may hold MPI and registered
 * memory.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "xac_user.h"

enum { COMPILE_SECONDS = 60, TRY_SECONDS = 8 };

typedef struct workshop {
  char folder[PATH_MAX - 64]; /* temporary, ours alone */
} workshop;

static void path_in(const workshop *w, const char *name, char path[PATH_MAX]) {
  (void)snprintf(path, PATH_MAX, "%s/%s", w->folder, name);
}

static int write_file(const workshop *w, const char *name, const void *bytes, size_t size) {
  char path[PATH_MAX];
  path_in(w, name, path);
  FILE *file = fopen(path, "we");
  if (file == NULL) {
    return 0;
  }
  int fine = fwrite(bytes, 1, size, file) == size;
  return fclose(file) == 0 && fine;
}

static void remove_workshop(const workshop *w) {
  static const char *const made[] = {"parameters.h", "kernel.o", "kernel.so", "try", "messages"};
  char path[PATH_MAX];
  for (const xac_embedded *e = xac_embedded_files; e->name; e++) {
    path_in(w, e->name, path);
    (void)unlink(path);
  }
  for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
    path_in(w, made[i], path);
    (void)unlink(path);
  }
  (void)rmdir(w->folder);
}

static int open_workshop(workshop *w, const xac_user *user, beamcast_error *error) {
  const char *base = getenv("TMPDIR");
  base = base && *base ? base : "/tmp";
  if (strlen(base) > sizeof w->folder - 32) {
    base = "/tmp";
  }
  (void)snprintf(w->folder, sizeof w->folder, "%s/xac-kernel-XXXXXX", base);
  if (mkdtemp(w->folder) == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "no temporary folder below %s: %s", base,
                         strerror(errno));
  }
  char parameters[XAC_PARAMETERS_TEXT];
  size_t size = xac_user_parameters_text(user, parameters);
  int fine = write_file(w, "parameters.h", parameters, size);
  for (const xac_embedded *e = xac_embedded_files; e->name && fine; e++) {
    fine = write_file(w, e->name, e->bytes, e->size);
  }
  if (!fine) {
    remove_workshop(w);
    return beamcast_fail(error, BEAMCAST_ERR_IO, "the folder %s can't be written", w->folder);
  }
  return BEAMCAST_OK;
}

/* Runs a program, its messages into the workshop's file; its status as waitpid gives it, -1 when it
 * could not be started, -2 when it took longer than seconds. */
static int run(const workshop *w, char *const *arguments, int seconds) {
  char messages[PATH_MAX];
  path_in(w, "messages", messages);
  posix_spawn_file_actions_t actions;
  pid_t child;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  int failed = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) {
    return -1;
  }
  struct timespec begin, now, pause = {0, 5000000};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (;;) {
    int status;
    pid_t got = waitpid(child, &status, WNOHANG);
    if (got == child) {
      return status;
    }
    if (got < 0 && errno != EINTR) {
      return -1;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - begin.tv_sec >= seconds) {
      (void)kill(child, SIGKILL);
      (void)waitpid(child, &status, 0);
      return -2;
    }
    (void)nanosleep(&pause, NULL);
  }
}

/* The compiler's first error: file, line, text. */
static int compile_error(const workshop *w, const char *path, beamcast_error *error) {
  char messages[PATH_MAX], line[1024];
  path_in(w, "messages", messages);
  FILE *file = fopen(messages, "re");
  while (file && fgets(line, sizeof line, file)) {
    if (strstr(line, "error:") || strstr(line, "error ")) {
      line[strcspn(line, "\n")] = 0;
      (void)fclose(file);
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%.*s", BEAMCAST_MESSAGE_MAX - 1, line);
    }
  }
  if (file) {
    (void)fclose(file);
  }
  return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s: the compiler gave up without a message",
                       path);
}

static int compile(const xac_renderer *r, const workshop *w, const char *path,
                   beamcast_error *error) {
  char source[PATH_MAX], object[PATH_MAX], library[PATH_MAX], program[PATH_MAX], main_[PATH_MAX];
  char include[PATH_MAX + 2], define[PATH_MAX + 64], compiler[256] = "cc";
  const char *wanted = getenv("CC");
  path_in(w, "xac_user_unit.c", source);
  path_in(w, "kernel.o", object);
  path_in(w, "kernel.so", library);
  path_in(w, "try", program);
  path_in(w, "xac_user_try.c", main_);
  (void)snprintf(include, sizeof include, "-I%s", w->folder);
  (void)snprintf(define, sizeof define, "-DXAC_USER_KERNEL=\"%s\"", path);
  if (wanted && *wanted && strlen(wanted) < sizeof compiler && strchr(wanted, ' ') == NULL) {
    (void)snprintf(compiler, sizeof compiler, "%s", wanted);
  }
  /* The checks call functions of the unit's own; no runtime is linked. */
  char *arguments[24] = {compiler,
                         "-std=gnu11",
                         "-O2",
                         "-fPIC",
                         "-fvisibility=hidden",
                         "-Werror=vla",
                         "-fno-math-errno",
                         "-fno-trapping-math",
                         "-ffp-contract=fast",
                         "-fsanitize=bounds,object-size,null,integer-divide-by-zero",
                         define,
                         include};
  int n = 12;
  if (r->tile != xac_cpu_tile_portable) {
    arguments[n++] = "-mavx2";
    arguments[n++] = "-mfma";
  }
  arguments[n++] = "-c";
  arguments[n++] = source;
  arguments[n++] = "-o";
  arguments[n++] = object;
  int status = run(w, arguments, COMPILE_SECONDS);
  if (status == -1 || status == -2 || (WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "the C compiler %s %s; kernels need one (set CC to another)", compiler,
                         status == -2 ? "did not end" : "can't be run");
  }
  if (status != 0) {
    return compile_error(w, path, error);
  }
  char *link[] = {compiler, "-shared", "-o", library, object, "-lm", NULL};
  char *link_try[] = {compiler, "-std=gnu11", include, "-w",  "-O1", "-o",
                      program,  main_,        object,  "-lm", NULL};
  if (run(w, link, COMPILE_SECONDS) != 0 || run(w, link_try, COMPILE_SECONDS) != 0) {
    return compile_error(w, path, error);
  }
  return BEAMCAST_OK;
}

static int try_kernel(const workshop *w, const xac_user *user, beamcast_error *error) {
  const char *path = user->path;
  char program[PATH_MAX], values[XAC_PARAMETERS_MAX][32];
  char *arguments[XAC_PARAMETERS_MAX + 2] = {program};
  path_in(w, "try", program);
  for (int i = 0; i < user->count; i++) {
    (void)snprintf(values[i], sizeof values[i], "%.9g", user->parameters[i].value);
    arguments[i + 1] = values[i];
  }
  int status = run(w, arguments, TRY_SECONDS);
  if (status == 0) {
    return BEAMCAST_OK;
  }
  int why = status > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  if (why >= XAC_USER_ENDLESS && why <= XAC_USER_DIVISION) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s: in the kernel's trial run %s", path,
                         xac_user_reason(why));
  }
  if (status == -2 || (status > 0 && WIFSIGNALED(status) &&
                       (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))) {
    return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "%s: the kernel's trial run did not end",
                         path);
  }
  if (status > 0 && WIFSIGNALED(status)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "%s: the kernel crashed in its trial run (%s): a pointer to nowhere?",
                         path, strsignal(WTERMSIG(status)));
  }
  return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                       "%s: the kernel's trial run failed (status %d)", path, status);
}

static int load_library(const workshop *w, xac_user *user, beamcast_error *error) {
  char path[PATH_MAX];
  path_in(w, "kernel.so", path);
  user->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void *symbol = user->library ? dlsym(user->library, "xac_user_packet") : NULL;
  if (symbol == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "the compiled kernel can't be loaded: %s",
                         dlerror());
  }
  memcpy(&user->packet, &symbol, sizeof user->packet);
  return BEAMCAST_OK;
}

int xac_user_compile(const xac_renderer *r, xac_user *user, beamcast_error *error) {
  workshop w;
  int code = open_workshop(&w, user, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  code = compile(r, &w, user->path, error);
  if (code == BEAMCAST_OK) {
    code = try_kernel(&w, user, error);
  }
  if (code == BEAMCAST_OK) {
    code = load_library(&w, user, error);
  }
  remove_workshop(&w);
  return code;
}
