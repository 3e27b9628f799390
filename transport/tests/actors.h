/* SPDX-License-Identifier: BSD-3-Clause
 * What the processes of a test run: they read orders from fd and answer each. Neither returns. */
#ifndef BEAMCAST_TESTS_ACTORS_H
#define BEAMCAST_TESTS_ACTORS_H

#include <stdint.h>

void receiver_run(int fd, int rank, int ranks, const char *contact, uint64_t memory_limit);
void producer_run(int fd, int rank, int ranks, const char *contact, uint64_t memory_limit);

#endif
