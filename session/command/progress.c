/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How far a job is, in one line of a terminal, which is gone when the job ends.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

static bool on_terminal(void) {
  static int on = -1;
  if (on < 0) {
    on = isatty(2);
  }
  return on != 0;
}

static void show(const char *what, long number, const char *unit) {
  if (what[0] == '\0') {
    (void)fputs("\r\033[K", stderr);
  } else {
    (void)fprintf(stderr, "\r%s %3ld %s", what, number, unit);
  }
  (void)fflush(stderr);
}

void show_progress(const char *what, double done) {
  static int shown = -1;
  int percent = done < 0 ? -1 : done > 1 ? 100 : (int)(100 * done);
  if (on_terminal() && percent != shown) {
    shown = percent;
    show(percent < 0 ? "" : what, percent, "%");
  }
}

/* --- jobs that don't tell how far they are --------------------------------------------------- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  pthread_t thread;
  const char *what; /* NULL: nothing is waited for */
} job = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *count_seconds(void *unused) {
  struct timespec next;
  (void)unused;
  (void)clock_gettime(CLOCK_MONOTONIC, &next);
  (void)pthread_mutex_lock(&job.lock);
  for (long seconds = 0; job.what != NULL;) {
    next.tv_sec++;
    while (job.what != NULL && pthread_cond_timedwait(&job.ended, &job.lock, &next) == 0) {
    }
    if (job.what != NULL) {
      show(job.what, ++seconds, "s");
    }
  }
  (void)pthread_mutex_unlock(&job.lock);
  return NULL;
}

void begin_waiting(const char *what) {
  pthread_condattr_t attributes;
  if (!on_terminal()) {
    return;
  }
  (void)pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&job.ended, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  show(what, 0, "s");
  job.what = what;
  if (pthread_create(&job.thread, NULL, count_seconds, NULL) != 0) {
    job.what = NULL; /* the line stays as it is */
  }
}

void end_waiting(void) {
  if (!on_terminal()) {
    return;
  }
  (void)pthread_mutex_lock(&job.lock);
  bool waits = job.what != NULL;
  job.what = NULL;
  (void)pthread_mutex_unlock(&job.lock);
  if (waits) {
    (void)pthread_cond_signal(&job.ended);
    (void)pthread_join(job.thread, NULL);
  }
  show("", 0, "");
}
