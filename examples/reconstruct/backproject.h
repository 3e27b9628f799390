/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The geometry of a parallel beam, and sums along it, both ways. The axis of rotation is z. With
 * (x, y) in pixels from the middle of a slice and the angle t, a ray meets the detector at the
 * column  axis + x cos t + y sin t.  Slices are worked on several at a time, z fastest.
 */
#ifndef RECONSTRUCT_BACKPROJECT_H
#define RECONSTRUCT_BACKPROJECT_H

#include <stdint.h>

typedef struct beam {
  uint64_t columns; /* of the detector */
  uint64_t size[2]; /* pixels of a slice in x and y */
  double axis;      /* column that the axis of rotation is seen at; need not be whole */
} beam;

/* A part of a slice: x0, x1, y0, y1, half open. */
typedef struct window {
  uint64_t x0, x1, y0, y1;
} window;

/* sums [y1 - y0][x1 - x0][planes] += the filtered lines [count][columns][planes] seen from each
 * pixel of the window, interpolated linearly; outside the detector a line is 0. */
void back_project(const beam *b, const window *part, const double *angles, uint64_t count,
                  const float *filtered, uint64_t planes, float *sums);

/* line [columns][planes] = integrals along the rays of one angle through slices [y][x][planes], in
 * pixels. Each ray is sampled once in every row (or column) of pixels that it crosses: P. M.
 * Joseph, IEEE Trans. Med. Imaging 1 (1982) 192. */
void project(const beam *b, double angle, const float *slices, uint64_t planes, float *line);

#endif
