/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting by the clock that nobody sets: a jump of the date must not stop what happens now and
 * then, nor make it happen all the time.
 */
#ifndef BEAMCAST_CLOCK_H
#define BEAMCAST_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t bc_now(void);
int64_t bc_deadline(double seconds_from_now);

/* A condition for bc_cond_wait_until. */
void bc_cond_init(pthread_cond_t *cond);
/* As pthread_cond_timedwait: 0, or ETIMEDOUT once the deadline is over. */
int bc_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline);

#endif
