/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The camera of take_scan, and where its frames go.
 */
#ifndef TAKE_SCAN_H
#define TAKE_SCAN_H

#include <beamcast_types.h>

/* Counts without a sample and without light, the same in every pixel; how many frames of each. */
enum { CAMERA_FLAT = 60000, CAMERA_DARK = 100, CAMERA_REPEATS = 2 };

typedef struct camera {
  uint64_t columns, rows, projections;
  double pixel[2]; /* width, height, in unit */
  char unit[16];
  double *degrees;  /* [projections], in the order in which they are taken */
  uint16_t *frames; /* [projections][rows][columns] */
} camera;

/* Writes an NXtomo file. rate 0: all at once. Else so many frames a second; the file can be read
 * meanwhile (HDF5's single writer, multiple readers). */
int camera_write(const camera *c, const char *path, double rate, beamcast_error *error);

/* Listens at HOST:PORT, says on which port, and sends frames.h's frames to the first who connects.
 * Says at the end how late the latest frame was handed over. */
int camera_send(const camera *c, const char *address, double rate, beamcast_error *error);

/* Sleeps until frame number `frame` is due. Returns by how many seconds it is late. begun: seconds
 * of CLOCK_MONOTONIC. */
double camera_wait(double begun, uint64_t frame, double rate);
double camera_clock(void);

#endif
