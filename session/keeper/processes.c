/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Starting and ending the session's processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "keeper.h"

enum {
  SCREEN_SECONDS = 30, /* until an X server has chosen its number */
  SERVER_SECONDS = 12, /* for the server to end in good order */
  MPIEXEC_SECONDS = 12,
  SCREEN_END_SECONDS = 3
};

pid_t bs_run(const bs_keeper *keeper, char *const argv[], int output, int spare,
             beamcast_error *error) {
  pid_t parent = getpid(), child = fork();
  if (child < 0) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no new process: %s", strerror(errno));
    return 0;
  }
  if (child > 0) {
    return child;
  }
  sigset_t held;
  sigemptyset(&held);
  /* Slurm ends all of a job's processes at once: the screen outlives the server, and mpiexec, which
   * takes long when it has to end the ranks, sees them end by themselves */
  sigaddset(&held, SIGTERM);
  (void)sigprocmask(SIG_SETMASK, &held, NULL);
  (void)prctl(PR_SET_PDEATHSIG, SIGINT);
  int nowhere = open("/dev/null", O_RDONLY);
  if (getppid() != parent || nowhere < 0 || dup2(nowhere, 0) < 0 ||
      dup2(output >= 0 ? output : keeper->log, 1) < 0 || dup2(keeper->log, 2) < 0) {
    _exit(126);
  }
  if (spare >= 0) {
    (void)fcntl(spare, F_SETFD, 0);
  }
  (void)execvp(argv[0], argv);
  (void)dprintf(2, "%s can't be run: %s\n", argv[0], strerror(errno));
  _exit(127);
}

/* Whether ParaView was built with EGL. */
#ifdef BEAMCAST_PARAVIEW_HAS_EGL
static const bool draws_without_screen = true;
#else
static const bool draws_without_screen = false;
#endif

/* --- the screen ------------------------------------------------------------------------------ */

/* An Xauthority file with a fresh cookie for any display (family 0xffff): length-prefixed, big
 * endian, as in Xau's AuFileName(3). Without it every user of the machine could look at the screen.
 */
static int write_cookie(bs_keeper *keeper, beamcast_error *error) {
  static const unsigned char head[] = "\xff\xff\0\0\0\0\0\x12MIT-MAGIC-COOKIE-1\0\x10";
  unsigned char entry[sizeof head - 1 + 16];
  memcpy(entry, head, sizeof head - 1);
  if (getrandom(entry + sizeof head - 1, 16, 0) != 16) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "the system gives no random numbers");
  }
  if (!bs_join(keeper->cookie, sizeof keeper->cookie, "%s/xauthority", keeper->folder)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the state folder is too long");
  }
  return access(keeper->cookie, R_OK) == 0 /* of the session's first node */
             ? BEAMCAST_OK
             : bs_write_file(keeper->cookie, entry, sizeof entry, error);
}

/* Reads the number that the X server has chosen. */
static int await_screen(bs_keeper *keeper, int from, beamcast_error *error) {
  char number[32];
  size_t length = 0;
  double deadline = bs_now() + SCREEN_SECONDS;
  while (length < sizeof number - 1 && memchr(number, '\n', length) == NULL) {
    struct pollfd fd = {from, POLLIN, 0};
    ssize_t got = poll(&fd, 1, 500) > 0 ? read(from, number + length, 1) : -1;
    if (got == 0 || bs_now() > deadline) {
      return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                           "the X server Xvfb did not start; is /tmp/.X11-unix writable?");
    }
    length += got > 0 ? (size_t)got : 0;
  }
  number[strcspn(number, "\n")] = '\0';
  number[length < sizeof number ? length : sizeof number - 1] = '\0';
  (void)snprintf(keeper->display, sizeof keeper->display, ":%.*s",
                 (int)strspn(number, "0123456789"), number);
  return BEAMCAST_OK;
}

int bs_open_screen(bs_keeper *keeper, beamcast_error *error) {
  if (draws_without_screen) {
    return BEAMCAST_OK;
  }
  const char *display = getenv("DISPLAY");
  char program[BEAMCAST_SESSION_PATH_MAX];
  if (display != NULL && display[0] == ':' && !keeper->record.slurm) {
    (void)snprintf(keeper->display, sizeof keeper->display, "%s", display);
    return BEAMCAST_OK; /* of this machine; one that comes by SSH would go with its window */
  }
  if (!bs_find_program("Xvfb", program, sizeof program)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "there is no display, and the X server Xvfb is missing: install xvfb");
  }
  int code = write_cookie(keeper, error), ends[2];
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no pipe: %s", strerror(errno));
  }
  char number[16];
  (void)snprintf(number, sizeof number, "%d", ends[1]);
  char *const argv[] = {program,    "-displayfd",   number,         "-screen",
                        "0",        "1920x1200x24", "-nolisten",    "tcp",
                        "-noreset", "-auth",        keeper->cookie, NULL};
  keeper->screen = bs_run(keeper, argv, -1, ends[1], error);
  (void)close(ends[1]);
  code = keeper->screen > 0 ? await_screen(keeper, ends[0], error) : BEAMCAST_ERR_MEMORY;
  (void)close(ends[0]);
  return code;
}

void bs_use_screen(const bs_keeper *keeper) {
  if (keeper->display[0] != '\0') {
    (void)setenv("DISPLAY", keeper->display, 1);
  }
  if (keeper->cookie[0] != '\0') {
    (void)setenv("XAUTHORITY", keeper->cookie, 1);
  }
}

/* --- the server ------------------------------------------------------------------------------ */

/* mpiexec gives ranks that have to end this time twice, and waits for all of it. */
static void set_mpi_patience(const char *seconds) {
  (void)setenv("OMPI_MCA_odls_base_sigkill_timeout", seconds, 0);
  (void)setenv("PRTE_MCA_odls_base_sigkill_timeout", seconds, 0);
}

/* Where what ranks leave is removed, they may be killed; else they need time to remove it. */
static void set_mpi_folders(const bs_record *record) {
  if (record->scratch[0] != '\0') {
    (void)setenv("OMPI_MCA_orte_tmpdir_base", record->scratch, 1);
    (void)setenv("PRTE_MCA_prte_tmpdir_base", record->scratch, 1);
  }
  if (record->shared[0] != '\0') {
    (void)setenv("OMPI_MCA_btl_vader_backing_directory", record->shared, 1);
    (void)setenv("OMPI_MCA_btl_sm_backing_directory", record->shared, 1);
  }
  set_mpi_patience(record->scratch[0] != '\0' && record->shared[0] != '\0' ? "2" : "10");
}

/* Open MPI 4 and 5: as root too, more ranks than cores, ranks that share a machine with others;
 * what the user has set stays. */
static void set_mpi_defaults(void) {
  static const char *const defaults[][2] = {
      {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
      {"OMPI_MCA_hwloc_base_binding_policy", "none"},
      {"OMPI_MCA_mpi_yield_when_idle", "1"},
      {"PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"},
      {"PRTE_MCA_hwloc_default_binding_policy", "none"}};
  for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
    (void)setenv(defaults[i][0], defaults[i][1], 0);
  }
  if (geteuid() == 0) {
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
}

/* Takes out what tells a program that it is a rank of a job: the session may be started by one. */
static void forget_callers_job(void) {
  static const char *const prefixes[] = {"PMIX_",          "PMI_",           "OMPI_COMM_",
                                         "OMPI_MCA_orte_", "OMPI_MCA_ess",   "OMPI_MCA_initial_",
                                         "OMPI_UNIVERSE_", "OMPI_APP_CTX_",  "OMPI_NUM_APP_",
                                         "OMPI_FIRST_",    "OMPI_REACHABLE", "OMPI_ARGV",
                                         "OMPI_COMMAND",   "HYDI_",          "BEAMCAST_TOKEN=",
                                         "BEAMCAST_CON"};
  for (char **at = environ; *at != NULL;) {
    char name[256];
    size_t i = 0, count = sizeof prefixes / sizeof prefixes[0];
    while (i < count && strncmp(*at, prefixes[i], strlen(prefixes[i])) != 0) {
      i++;
    }
    if (i < count && bs_join(name, sizeof name, "%.*s", (int)strcspn(*at, "="), *at)) {
      (void)unsetenv(name);
      at = environ; /* the list has moved */
    } else {
      at++;
    }
  }
}

/* The program that the ranks run; $BEAMCAST_SERVER names another one. */
static int find_server(const bs_keeper *keeper, char *path, size_t size, beamcast_error *error) {
  const char *name = keeper->record.paraview ? "beamcast-server" : "beamcast-viewer";
  const char *given = getenv("BEAMCAST_SERVER");
  bool found = given != NULL ? bs_join(path, size, "%s", given) : bs_find_program(name, path, size);
  return found
             ? BEAMCAST_OK
             : beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                             "%s is missing: it comes with a Beamcast that was built with ParaView "
                             "(cmake/packages/paraview.txt), not with a Python wheel; its folder "
                             "belongs in PATH",
                             name);
}

int bs_launch(bs_keeper *keeper, beamcast_error *error) {
  char mpiexec[BEAMCAST_SESSION_PATH_MAX], server[BEAMCAST_SESSION_PATH_MAX], ranks[16], idle[32];
  char limit[32], keep[16], slots[16];
  char self[BEAMCAST_SESSION_PATH_MAX] = "";
  bs_record *record = &keeper->record;
  beamcast_session_info *info = &record->info;
  (void)!readlink("/proc/self/exe", self, sizeof self - 1);
  if (!bs_find_program("mpiexec", mpiexec, sizeof mpiexec)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "mpiexec is missing: install openmpi-bin, or load your site's MPI module");
  }
  int code = find_server(keeper, server, sizeof server, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  forget_callers_job();
  set_mpi_folders(record);
  set_mpi_defaults();
  bs_use_screen(keeper);
  (void)setenv("BEAMCAST_SESSION", info->id, 1);
  if (record->step_limit > 0) {
    (void)snprintf(limit, sizeof limit, "%llu", (unsigned long long)record->step_limit);
    (void)setenv("BEAMCAST_STEP_LIMIT", limit, 1);
  }
  (void)snprintf(ranks, sizeof ranks, "%d", info->ranks);
  (void)snprintf(idle, sizeof idle, "%.9g", keeper->record.idle_minutes);
  char *argv[28] = {mpiexec, "-n",     ranks,       self,          "--rank", keeper->folder,
                    server,  "--json", "--contact", info->contact, "--idle", idle};
  size_t count = 12;
  if (record->paraview) {
    argv[count++] = "--force-offscreen-rendering";
    argv[count++] = "--connect-id-file";
    argv[count++] = info->connect_id_file;
  }
  if (record->web) {
    argv[count++] = "--front";
    argv[count++] = "beamcast_web";
  }
  if (record->keep > 0) {
    (void)snprintf(keep, sizeof keep, "%d", record->keep);
    argv[count++] = "--keep";
    argv[count++] = keep;
  }
  if (record->slots > 0) {
    (void)snprintf(slots, sizeof slots, "%d", record->slots);
    argv[count++] = "--slots";
    argv[count++] = slots;
  }
  if (record->script[0] != '\0') {
    argv[count++] = "--script";
    argv[count++] = record->script;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no pipe: %s", strerror(errno));
  }
  keeper->mpiexec = bs_run(keeper, argv, ends[1], -1, error);
  (void)close(ends[1]);
  keeper->output = ends[0];
  return keeper->mpiexec > 0 ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
}

/* --- the end --------------------------------------------------------------------------------- */

bool bs_reap(bs_keeper *keeper) {
  int status;
  for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
    if (pid == keeper->mpiexec) {
      keeper->mpiexec = 0;
      keeper->status = status;
    } else if (pid == keeper->screen) {
      keeper->screen = 0;
    }
  }
  return keeper->mpiexec == 0;
}

static void wait_for(bs_keeper *keeper, const pid_t *process, double seconds) {
  double deadline = bs_now() + seconds;
  (void)bs_reap(keeper);
  while (*process != 0 && bs_now() < deadline) {
    char ignored[4096];
    struct pollfd fd = {keeper->output, POLLIN, 0};
    if (keeper->output >= 0 && poll(&fd, 1, 20) > 0 &&
        read(keeper->output, ignored, sizeof ignored) == 0) {
      (void)close(keeper->output);
      keeper->output = -1;
    }
    bs_sleep_ms(keeper->output < 0 ? 20 : 1);
    (void)bs_reap(keeper);
  }
}

void bs_end_all(bs_keeper *keeper) {
  if (keeper->mpiexec != 0 && keeper->root > 0 && kill(keeper->root, SIGTERM) == 0) {
    wait_for(keeper, &keeper->mpiexec, SERVER_SECONDS);
  }
  if (keeper->mpiexec != 0) {
    (void)kill(keeper->mpiexec, SIGINT);
    wait_for(keeper, &keeper->mpiexec, MPIEXEC_SECONDS);
  }
  /* the server's processes are gone before their X server goes */
  (void)bs_signal_marked("BEAMCAST_SESSION", keeper->record.info.id, SIGKILL);
  if (keeper->screen != 0) {
    (void)kill(keeper->screen, SIGINT);
    wait_for(keeper, &keeper->screen, SCREEN_END_SECONDS);
  }
  if (keeper->screen != 0) {
    (void)kill(keeper->screen, SIGKILL);
  }
  (void)bs_reap(keeper);
  bs_remove_scratch(&keeper->record);
  keeper->record.scratch[0] = keeper->record.shared[0] = '\0';
}
