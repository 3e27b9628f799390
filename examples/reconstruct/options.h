/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What can be said to reconstruct on its command line; options.c has the texts.
 */
#ifndef RECONSTRUCT_OPTIONS_H
#define RECONSTRUCT_OPTIONS_H

#include <stdint.h>

typedef struct options {
  const char *scan, *output, *contact, *stream, *angles, *name;
  double centre; /* NAN: found */
  double water;  /* attenuation of water per unit of length: values are Hounsfield units; 0: not */
  double patience, limit, linger;      /* seconds */
  uint64_t size, slab, every;          /* pixels, planes, slabs */
  uint64_t progressive, batch, passes; /* projections, projections, passes */
  int live;
} options;

/* Returns 0, or -1 for a wrong command line; told on standard error if `tell`. */
int options_read(int argc, char **argv, int tell, options *result);

#endif
