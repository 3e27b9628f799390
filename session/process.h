/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which process a number stands for: numbers are used again, and machines restart.
 */
#ifndef BEAMCAST_SESSION_PROCESS_H
#define BEAMCAST_SESSION_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

enum { BS_BOOT_MAX = 64 };

typedef struct bs_process {
  pid_t pid;
  unsigned long long ticks; /* when it started, in clock ticks since the boot */
  char boot[BS_BOOT_MAX];   /* this boot of the machine */
  char host[256];
} bs_process;

/* This process. */
void bs_process_self(bs_process *self);

/* Whether it ran on this machine (or on one of this name). */
bool bs_process_is_here(const bs_process *process);

/* Whether it still runs; false for one of another machine, and for zombies. */
bool bs_process_lives(const bs_process *process);

/* Sends a signal to the living processes of this user whose environment has NAME=value, other than
 * this process; returns how many there are. */
int bs_signal_marked(const char *name, const char *value, int sign);

/* Sleeps. */
void bs_sleep_ms(int milliseconds);

/* Seconds of a clock that nobody sets. */
double bs_now(void);

#endif
