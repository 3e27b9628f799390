/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ramp filter of filtered back-projection, and the layout in which back-projection wants lines.
 */
#ifndef RECONSTRUCT_FILTER_H
#define RECONSTRUCT_FILTER_H

#include <stddef.h>
#include <stdint.h>

typedef struct ramp_filter ramp_filter;

/* For lines of so many columns; NULL if out of memory. */
ramp_filter *ramp_filter_new(uint64_t columns);
void ramp_filter_free(ramp_filter *filter);

/* Filters `rows` lines [rows][columns] of one projection into out [columns][rows]: rows become the
 * fastest axis. Calls from several threads may share a filter. Returns 0, or -1 if out of memory.
 * Equation: A. C. Kak, M. Slaney, Principles of Computerized Tomographic Imaging, 1988, (61) in
 * chapter 3, for a pixel of 1. */
int ramp_filter_apply(const ramp_filter *filter, const float *lines, uint64_t rows, float *out);

#endif
