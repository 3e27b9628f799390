/* SPDX-License-Identifier: BSD-3-Clause
 * The test's side: starts processes, gives orders, waits for answers; see harness.h. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "actors.h"
#include "network.h"

enum { PATIENCE_SECONDS = 100, CHILDREN_MAX = 64 };

const char *harness_wire = "tcp";
random_state harness_random;

static child children[CHILDREN_MAX];
static char folder[64];
static pid_t test_pid;
static int contacts;

void fail_test(const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fail_msg("%s", text);
  abort();
}

void nap(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  (void)nanosleep(&t, NULL);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool harness_slow(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return getenv("RDMA_VM_DEVICE") != NULL || getenv("BEAMCAST_TEST_SLOW") != NULL;
#endif
}

static void remove_folder(void) {
  char path[128];
  for (int i = 0; i < contacts && getpid() == test_pid; i++) { /* of servers that were killed */
    (void)snprintf(path, sizeof path, "%s/contact%d.json", folder, i);
    (void)unlink(path);
  }
  if (getpid() == test_pid) {
    (void)rmdir(folder);
  }
}

void harness_begin(int argc, char **argv) {
  /* whatever goes wrong must not take this machine's memory: nothing here needs more in one piece
   */
  const struct rlimit most = {1 << 30, 1 << 30};
  harness_wire = argc > 1 ? argv[1] : "tcp";
  (void)signal(SIGXFSZ, SIG_IGN);
  (void)signal(SIGPIPE, SIG_IGN);
  (void)snprintf(folder, sizeof folder, "/tmp/beamcast-test-XXXXXX");
  test_pid = getpid();
  if (setrlimit(RLIMIT_FSIZE, &most) != 0 || mkdtemp(folder) == NULL) {
    perror("harness");
    exit(1);
  }
  (void)atexit(remove_folder);
  (void)setenv("BEAMCAST_WIRE", harness_wire, 1);
  if (getenv("BEAMCAST_TEST_FILTER") != NULL) { /* of the tests' names, with * and ? */
    cmocka_set_test_filter(getenv("BEAMCAST_TEST_FILTER"));
  }
  harness_random = random_from_environment();
  static const char *const pieces[] = {"4096", "65536", "1000000"};
  (void)setenv("BEAMCAST_PIECE", pieces[draw(&harness_random, 0, 2)], 0);
}

/* --- processes -----------------------------------------------------------------------------------
 */

static child start(void (*run)(int fd, int rank, int ranks, const char *contact, uint64_t limit),
                   int rank, int ranks, const char *contact, uint64_t limit) {
  int pair[2], place = 0;
  while (place < CHILDREN_MAX && children[place].pid > 0) {
    place++;
  }
  if (place == CHILDREN_MAX || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    fail_test("no process can be started");
  }
  pid_t parent = getpid(), pid = fork();
  if (pid < 0) {
    fail_test("fork: %s", strerror(errno));
  }
  if (pid == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < CHILDREN_MAX; i++) {
      if (children[i].pid > 0) {
        (void)close(children[i].fd);
      }
    }
    (void)close(pair[0]);
    if (getppid() == parent) {
      run(pair[1], rank, ranks, contact, limit);
    }
    _exit(3);
  }
  (void)close(pair[1]);
  children[place] = (child){pid, pair[0]};
  return children[place];
}

/* Waits for its end; returns the status as waitpid gives it. */
static int bury(child *c) {
  int status = 0;
  if (c->pid <= 0) {
    return 0;
  }
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
  }
  (void)close(c->fd);
  for (int i = 0; i < CHILDREN_MAX; i++) {
    if (children[i].pid == c->pid) {
      children[i] = (child){0, -1};
    }
  }
  *c = (child){0, -1};
  return status;
}

void child_kill(child *c) {
  if (c->pid > 0) {
    (void)kill(c->pid, SIGKILL);
    (void)bury(c);
  }
}

int harness_clean(void **state) {
  (void)state;
  for (int i = 0; i < CHILDREN_MAX; i++) {
    child c = children[i];
    child_kill(&c);
  }
  return 0;
}

void tell(child *c, const order *o) {
  if (c->pid <= 0 || send(c->fd, o, sizeof *o, MSG_NOSIGNAL) != (ssize_t)sizeof *o) {
    fail_test("order %d: the process is gone", (int)o->kind);
  }
}

bool hear_or_lost(child *c, answer *a) {
  struct pollfd item = {.fd = c->fd, .events = POLLIN};
  int ready = poll(&item, 1, PATIENCE_SECONDS * 1000);
  if (ready == 0) {
    fail_test("a process was silent for %d s", PATIENCE_SECONDS);
  }
  return ready > 0 && recv(c->fd, a, sizeof *a, 0) == (ssize_t)sizeof *a;
}

answer hear(child *c) {
  answer a;
  if (!hear_or_lost(c, &a)) {
    pid_t pid = c->pid;
    int status = bury(c);
    fail_test("process %d is gone: exit status %d, signal %d", (int)pid,
              WIFEXITED(status) ? WEXITSTATUS(status) : -1,
              WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  }
  return a;
}

answer ask(child *c, const order *o) {
  tell(c, o);
  return hear(c);
}

static void end_well(child *c, order_kind kind) {
  order o = {.kind = kind};
  (void)ask(c, &o);
  int status = bury(c);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fail_test("a process ended with status %d, signal %d",
              WIFEXITED(status) ? WEXITSTATUS(status) : -1,
              WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  }
}

/* --- servers -------------------------------------------------------------------------------------
 */

static void expect_ok(const char *what, const answer *a) {
  if (a->code != BEAMCAST_OK) {
    fail_test("%s: %d, %s", what, a->code, a->text);
  }
}

server server_to_come(int ranks) {
  server s = {.ranks = ranks, .settings = {.slots = 3, .ghosts = 1}};
  (void)snprintf(s.contact, sizeof s.contact, "%s/contact%d.json", folder, contacts++);
  return s;
}

answer server_try(server *s, uint64_t memory_limit) {
  order o = {.kind = R_JOIN};
  answer bad = {0};
  for (int i = 0; i < s->ranks; i++) {
    s->rank[i] = start(receiver_run, i, s->ranks, s->contact, memory_limit);
  }
  for (int i = 0; i < s->ranks; i++) {
    answer a = ask(&s->rank[i], &(order){.kind = R_ADDRESS});
    expect_ok("a receiver's start", &a);
    memcpy(o.address[i], a.address, BC_ADDRESS_BYTES);
  }
  for (int i = 0; i < s->ranks; i++) {
    tell(&s->rank[i], &o);
  }
  for (int i = 0; i < s->ranks; i++) {
    answer a = hear(&s->rank[i]);
    bad = bad.code == BEAMCAST_OK ? a : bad;
  }
  return bad;
}

void server_begin(server *s, uint64_t memory_limit) {
  answer a = server_try(s, memory_limit);
  expect_ok("join", &a);
}

server server_start(int ranks, uint64_t memory_limit) {
  server s = server_to_come(ranks);
  server_begin(&s, memory_limit);
  return s;
}

void server_stop(server *s) {
  for (int i = s->ranks - 1; i >= 0; i--) {
    end_well(&s->rank[i], R_CLOSE);
  }
}

void server_kill(server *s) {
  for (int i = 0; i < s->ranks; i++) {
    child_kill(&s->rank[i]);
  }
  (void)unlink(s->contact);
}

static order about(order_kind kind, const char *stream) {
  order o = {.kind = kind};
  (void)snprintf(o.stream, sizeof o.stream, "%s", stream);
  return o;
}

void server_configure(server *s, const char *stream, const bc_stream_settings *settings) {
  order o = about(R_CONFIGURE, stream);
  o.settings = s->settings = *settings;
  answer a = ask(&s->rank[0], &o);
  expect_ok("configure", &a);
}

bc_stream_status server_status(server *s, const char *stream) {
  order o = about(R_STATUS, stream);
  return ask(&s->rank[0], &o).status;
}

typedef bool condition(const bc_stream_status *status, uint64_t number);

static void wait_for(server *s, const char *stream, condition *met, uint64_t number,
                     const char *what) {
  double until = now() + PATIENCE_SECONDS;
  bc_stream_status status;
  for (double pause = 0.001;; pause = pause < 0.02 ? 1.5 * pause : pause) {
    status = server_status(s, stream);
    if (met(&status, number)) {
      return;
    }
    if (now() > until) {
      fail_test("%s: waited in vain for %llu; received %llu, dropped %llu, aborted %llu, "
                "producers %d, last drop: %s",
                what, (unsigned long long)number, (unsigned long long)status.steps_received,
                (unsigned long long)status.steps_dropped, (unsigned long long)status.steps_aborted,
                status.producers, status.last_drop);
    }
    nap(pause); /* asking takes the server's time */
  }
}

static bool has_received(const bc_stream_status *status, uint64_t number) {
  return status->steps_received >= number;
}

static bool has_settled(const bc_stream_status *status, uint64_t number) {
  return status->steps_received + status->steps_dropped + status->steps_aborted >= number;
}

static bool has_producers(const bc_stream_status *status, uint64_t number) {
  return status->producers == (int)number;
}

void server_wait_received(server *s, const char *stream, uint64_t steps) {
  wait_for(s, stream, has_received, steps, "steps received");
}

void server_wait_settled(server *s, const char *stream, uint64_t steps) {
  wait_for(s, stream, has_settled, steps, "steps settled");
}

void server_wait_producers(server *s, const char *stream, int producers) {
  wait_for(s, stream, has_producers, (uint64_t)producers, "producers");
}

void server_take_serial(server *s, uint64_t serial, uint64_t *step, uint64_t *run) {
  for (int i = 0; i < s->ranks; i++) {
    answer a = ask(&s->rank[i], &(order){.kind = R_TAKE, .serial = serial});
    if (a.code != BEAMCAST_OK || a.serial != serial) {
      fail_test("rank %d does not have the step that was picked", i);
    }
    if (i > 0 && (a.step != *step || a.run != *run)) {
      fail_test("rank %d has step %llu of run %llu, rank 0 step %llu of run %llu", i,
                (unsigned long long)a.step, (unsigned long long)a.run, (unsigned long long)*step,
                (unsigned long long)*run);
    }
    *step = a.step;
    *run = a.run;
  }
}

uint64_t server_take(server *s, const char *stream, uint64_t after, int which, uint64_t *step) {
  order o = about(R_PICK, stream);
  uint64_t found, run;
  o.serial = after;
  o.number = which;
  uint64_t serial = ask(&s->rank[0], &o).serial;
  if (serial != 0) {
    server_take_serial(s, serial, step ? step : &found, &run);
  }
  return serial;
}

void server_check(server *s, uint64_t serial, const test_scene *scene) {
  order o = {.kind = R_CHECK, .serial = serial, .settings = s->settings, .scene = *scene};
  for (int i = 0; i < s->ranks; i++) {
    tell(&s->rank[i], &o);
  }
  for (int i = 0; i < s->ranks; i++) {
    answer a = hear(&s->rank[i]);
    if (a.code != BEAMCAST_OK) {
      fail_test("rank %d of %d: %s", i, s->ranks, a.text);
    }
  }
}

void server_release(server *s, uint64_t serial) {
  for (int i = 0; i < s->ranks; i++) {
    answer a = ask(&s->rank[i], &(order){.kind = R_RELEASE, .serial = serial});
    expect_ok("release", &a);
  }
}

void server_check_newest(server *s, const char *stream, const test_scene *scene, uint64_t step) {
  uint64_t found = 0, serial = server_take(s, stream, 0, BC_PICK_NEWEST, &found);
  if (serial == 0 || found != step) {
    fail_test("the newest step is %llu, not %llu", (unsigned long long)found,
              (unsigned long long)step);
  }
  server_check(s, serial, scene);
  server_release(s, serial);
}

void server_view(server *s, const char *stream, bool open) {
  order o = about(R_VIEW, stream);
  o.number = open;
  (void)ask(&s->rank[0], &o);
}

uint64_t server_logged(server *s, const char *text) {
  order o = {.kind = R_LOGGED};
  (void)snprintf(o.text, sizeof o.text, "%s", text);
  return ask(&s->rank[0], &o).number;
}

void server_wait_logged(server *s, const char *text, uint64_t least) {
  uint64_t found = server_logged(s, text);
  for (int i = 0; i < 20000 && found < least; i++) {
    nap(0.005);
    found = server_logged(s, text);
  }
  if (found < least) {
    fail_test("\"%s\" was logged %llu times, not %llu", text, (unsigned long long)found,
              (unsigned long long)least);
  }
}

/* --- what a process takes ------------------------------------------------------------------------
 */

answer usage_of(child *c, order_kind kind) {
  return ask(c, &(order){.kind = kind});
}

/* Files without those of slots, of which each is mapped once. */
static int files_of(const answer *a) {
  return a->files - a->mappings;
}

void wait_for_usage(child *c, order_kind kind, const answer *before) {
  answer a = usage_of(c, kind);
  for (int i = 0; i < 20000 && (files_of(&a) > files_of(before) || a.threads > before->threads);
       i++) {
    nap(0.005);
    a = usage_of(c, kind);
  }
  if (files_of(&a) > files_of(before) || a.threads > before->threads) {
    fail_test("%d files and %d threads, before %d and %d", files_of(&a), a.threads,
              files_of(before), before->threads);
  }
}

/* --- producers -----------------------------------------------------------------------------------
 */

child producer_start(void) {
  return start(producer_run, 0, 1, "", 0);
}

child producer_start_far(void) {
  network_go_far();
  child c = start(producer_run, 0, 1, "", 0);
  network_go_near();
  return c;
}

void producer_exit(child *c) {
  end_well(c, P_EXIT);
}
