/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random numbers for tests: the same for the same seed, on every machine. Splitmix64 (Steele, Lea,
 * Flood, "Fast splittable pseudorandom number generators", 2014).
 */
#ifndef BEAMCAST_TESTS_RANDOM_H
#define BEAMCAST_TESTS_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t mix64(uint64_t value) {
  value += UINT64_C(0x9e3779b97f4a7c15);
  value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

typedef struct random_state {
  uint64_t state;
} random_state;

static inline uint64_t draw64(random_state *random) {
  random->state += UINT64_C(0x9e3779b97f4a7c15);
  return mix64(random->state);
}

/* A number from low to high, both included. */
static inline uint64_t draw(random_state *random, uint64_t low, uint64_t high) {
  return low + draw64(random) % (high - low + 1);
}

/* $BEAMCAST_TEST_SEED, else from the clock; printed, so that a failure can be repeated. */
static inline random_state random_from_environment(void) {
  const char *text = getenv("BEAMCAST_TEST_SEED");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t seed = text ? strtoull(text, NULL, 10) : mix64((uint64_t)now.tv_nsec) % 1000000000;
  (void)fprintf(stderr, "BEAMCAST_TEST_SEED=%llu\n", (unsigned long long)seed);
  return (random_state){seed};
}

#endif
