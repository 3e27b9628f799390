/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between libbeamcast and libbeamcast_catalyst: one table of functions, found by dlopen. Nothing of
 * MPI or VTK is named here. Ranks, steps and bricks are as in beamcast.h.
 */
#ifndef BEAMCAST_CATALYST_BACKEND_H
#define BEAMCAST_CATALYST_BACKEND_H

#include "beamcast.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Grows with every change of what follows; another number is refused. */
enum { BC_CATALYST_VERSION = 1 };

typedef struct bc_catalyst bc_catalyst; /* one stream: one channel of Catalyst */

typedef struct bc_catalyst_options {
  const char *channel; /* the stream's name */
  int rank, ranks;     /* must be those of the communicator */
  int communicator;    /* MPI's Fortran handle; 0: MPI_COMM_WORLD */
  const char *scripts; /* paths or names, ':' between them; NULL: none */
  int ready;           /* 0: this rank can't go on; then open fails on every rank */
} bc_catalyst_options;

/* open, end and close are collective over the communicator. */
typedef struct bc_catalyst_api {
  int version;
  bc_catalyst *(*open)(const bc_catalyst_options *options, beamcast_error *error);
  int (*begin)(bc_catalyst *, uint64_t step, double time, beamcast_error *error);
  /* brick: checked, its strides filled in. With copy set it is copied before put returns. */
  int (*put)(bc_catalyst *, const beamcast_brick *brick, beamcast_error *error);
  /* header: the step's, a JSON object. Runs the scripts. Afterwards no brick is looked at again. */
  int (*end)(bc_catalyst *, const char *header, beamcast_error *error);
  void (*close)(bc_catalyst *);
} bc_catalyst_api;

typedef const bc_catalyst_api *(*bc_catalyst_api_function)(void);
#define BC_CATALYST_SYMBOL "beamcast_catalyst_api"

#ifdef __cplusplus
}
#endif

#endif
