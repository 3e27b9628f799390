/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A parallel-beam scan, wherever its frames come from: a file, a file that still grows, a socket.
 * A frame is [row][column], column fastest; what is read are line integrals of the attenuation,
 * -log((frame - dark) / (flat - dark)), of the rows that are asked for.
 */
#ifndef RECONSTRUCT_SCAN_H
#define RECONSTRUCT_SCAN_H

#include <beamcast_types.h>
#include <mpi.h>

typedef struct scan {
  uint64_t columns, rows;
  uint64_t projections;       /* of the whole scan, whether they are there yet or not */
  double *angle;              /* [projections], radians; known once the projection was read */
  double pixel[2];            /* width and height of a pixel, in unit; 1 where nothing says so */
  char unit[32];              /* "mm"; "" when not known */
  int in_order;               /* 1: frames arrive one by one and are to be read in that order */
  struct scan_source *source; /* what the functions below work on */
  int (*read)(struct scan *it, uint64_t first, uint64_t stride, uint64_t count, float *lines,
              uint64_t *got, beamcast_error *error);
  void (*close)(struct scan *it);
} scan;

typedef struct scan_options {
  const char *angles; /* dataset of the angles; NULL: where NXtomo and Data Exchange have them */
  int live;           /* a file that still grows: projections are waited for */
  double patience;    /* seconds that may pass without a frame before the scan counts as ended */
  MPI_Comm together;  /* the ranks that reconstruct it */
} scan_options;

/* Collective. where: an HDF5 file, or tcp://HOST:PORT of a sender. Every rank will read the rows
 * rows_of gives it. scan is the caller's; scan->close it. */
int scan_open(const char *where, const scan_options *options, scan *result, beamcast_error *error);

/* The rows of one rank: as even as can be, in order. */
void scan_rows_of(uint64_t rows, int rank, int ranks, uint64_t *first, uint64_t *count);

/* scan->read, collective: the line integrals of this rank's rows of the projections first,
 * first + stride, ... into lines [count][this rank's rows][columns]. Waits for those that are not
 * there yet. *got: how many there are, the same on all ranks; less than count when the scan ended
 * early. */

int scan_open_file(const char *path, const scan_options *options, scan *result,
                   beamcast_error *error);
int scan_open_socket(const char *address, const scan_options *options, scan *result,
                     beamcast_error *error);

/* frames [count][pixels] in place from counts to line integrals; flat and dark are [pixels] means;
 * flat NULL: the frames are transmissions already. */
void scan_line_integrals(float *frames, uint64_t count, uint64_t pixels, const float *flat,
                         const float *dark);

#endif
