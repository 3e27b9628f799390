/* SPDX-License-Identifier: BSD-3-Clause
 * What the benchmarks share. */
#ifndef BEAMCAST_BENCH_MEASURE_H
#define BEAMCAST_BENCH_MEASURE_H

/* Seconds of a clock that only goes forward. */
double measure_now(void);
/* Sorts the values. */
double measure_median(double *values, int count);

#endif
