/* SPDX-License-Identifier: BSD-3-Clause
 * Deadlines; see clock.h. */
#include "clock.h"

#include <time.h>

int64_t bc_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t bc_deadline(double seconds_from_now) {
  return bc_now() + (int64_t)(seconds_from_now * 1e9);
}

void bc_cond_init(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  (void)pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(cond, &attributes);
  (void)pthread_condattr_destroy(&attributes);
}

int bc_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline) {
  const struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000),
                                 .tv_nsec = (long)(deadline % 1000000000)};
  return pthread_cond_timedwait(cond, mutex, &until);
}
