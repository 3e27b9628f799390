/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Showing a volume while it is made. show.c is all that Beamcast adds to a program; viewer.c has
 * what this one wants beyond it: when to look for a viewer again, and what the viewer may ask.
 */
#ifndef RECONSTRUCT_SHOW_H
#define RECONSTRUCT_SHOW_H

#include <beamcast.h>
#include <mpi.h>

typedef struct viewer {
  const char *contact;              /* NULL: nothing is shown */
  beamcast_connect_options options; /* rank, ranks, time limit */
  MPI_Comm together;
  beamcast_stream *stream; /* NULL: not connected now */
  int taken;               /* the last step was accepted */
  int lost;                /* the viewer is gone for good: only scripts in this process go on */
  double cost, again;      /* seconds the last attempt to connect took, time of the next one */
  uint64_t stamp;          /* of the contact file when it failed */
  uint64_t steps_shown, steps_dropped;
  char said[BEAMCAST_MESSAGE_MAX]; /* the last complaint: not said twice */
} viewer;

/* What the viewer asked for. */
typedef struct wish {
  int stop;
  int again;          /* centre or region changed: what lies in the region is to be made anew */
  double axis;        /* column of the axis of rotation */
  uint64_t region[6]; /* voxels that are worked on: x0, x1, y0, y1, z0, z1, half open */
  uint64_t size[3];   /* of the volume: region's limits */
} wish;

/* --- show.c ---------------------------------------------------------------------------------- */

/* Collective. Offers the planes that are done as a step, and notes the viewer's wishes. Nothing
 * that the viewer does or fails to do is an error: the step is then not shown. */
void show(viewer *viewer, const beamcast_brick *done, uint64_t step, wish *wish);

/* --- viewer.c -------------------------------------------------------------------------------- */

/* Collective: true on all ranks when it is worth while to connect now. After a failure not until
 * 20 times what it cost has passed, unless the contact file is another one. */
int viewer_may_be_there(viewer *viewer);

/* Collective. Makes all ranks agree on what became of the step: if one has lost the viewer, all
 * leave it and begin anew together, unless scripts in this process go on. Says once why. */
void viewer_settle(viewer *viewer, const beamcast_error *error);

/* Notes a request: {"stop": true}, {"centre": COLUMN}, {"region": [x0, x1, y0, y1, z0, z1]} or
 * {"region": null}, or several of them at once. What makes no sense is left out. */
void wish_note(wish *wish, const char *json);

#endif
