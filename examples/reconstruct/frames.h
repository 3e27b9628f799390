/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How take_scan sends frames over a socket and scan_socket.c receives them: one head, then one
 * frame_head and [rows][columns] uint16 counts for each frame, until the sender closes. Flats and
 * darks come before the projections. All numbers little-endian, as on the machines this runs on.
 */
#ifndef RECONSTRUCT_FRAMES_H
#define RECONSTRUCT_FRAMES_H

#include <stdint.h>

#define FRAMES_MAGIC "BCFRAMES"

typedef struct frames_head {
  char magic[8];
  uint64_t columns, rows, projections;
  double pixel[2]; /* width, height */
  char unit[16];   /* of both */
} frames_head;

/* The image key of NXtomo. */
enum { FRAME_PROJECTION = 0, FRAME_FLAT = 1, FRAME_DARK = 2 };

typedef struct frame_head {
  double angle; /* degrees */
  uint64_t key;
} frame_head;

#endif
