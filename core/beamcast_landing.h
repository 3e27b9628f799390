/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How what receives voxels tells what draws them, which of them are there while the rest still
 * land. The two know nothing of each other: whoever has both hands the one the other's calls.
 * Not installed: for Beamcast's own libraries.
 */
#ifndef BEAMCAST_LANDING_H
#define BEAMCAST_LANDING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An array of a step, in memory that fills. */
typedef struct beamcast_landing {
  const void *source; /* arrays with the same source, stream and array are one array's steps, ... */
  uint32_t stream, array;
  uint64_t serial;      /* ... of which a later one has a greater serial */
  const void *data;     /* [z][y][x], packed */
  uint64_t shape[3];    /* voxels in x, y, z */
  uint64_t voxel_bytes; /* all components */
  /* Whoever reads data beyond a call's end retains its owner meanwhile; from any thread. */
  void *owner;
  void (*retain)(void *owner);
  void (*release)(void *owner);
} beamcast_landing;

/* What is told. All of it in one order, from any thread; none of the calls waits for anything. */
typedef struct beamcast_landing_calls {
  /* Voxels will be written to landing->data; what was told of that memory for an earlier step is
   * void. Told again for the same step: nothing changes. */
  void (*begin)(const beamcast_landing *landing);
  /* This box of it is written. Its voxels change no more, unless a box that is told later has them,
   * too: bricks may overlap. */
  void (*landed)(const void *data, const uint64_t start[3], const uint64_t shape[3]);
  /* What was told of the memory is void: the step is given up, or the memory is for another one. */
  void (*forget)(const void *data);
} beamcast_landing_calls;

#ifdef __cplusplus
}
#endif

#endif
