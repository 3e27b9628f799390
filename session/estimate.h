/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a session for volumes of an announced size needs: memory, ranks, nodes, GPUs.
 */
#ifndef BEAMCAST_SESSION_ESTIMATE_H
#define BEAMCAST_SESSION_ESTIMATE_H

#include "beamcast_session.h"

/* What one node has. */
typedef struct bs_node {
  uint64_t memory;     /* bytes; 0: not known */
  int gpus;            /* 0: none */
  uint64_t gpu_memory; /* bytes of each */
  int count;           /* how many of them there are */
} bs_node;

/* What is going to come. */
typedef struct bs_volumes {
  uint64_t size[3]; /* voxels, none 0 */
  int type;         /* beamcast_type */
  int slots, keep;  /* steps that memory is for, 0: 3; and that are kept beside them */
} bs_volumes;

typedef struct bs_need {
  uint64_t step, memory; /* bytes: of one step, and of memory in all */
  uint64_t node_memory;  /* of it on the node that has the most ranks */
  int ranks, nodes, gpus;
  char text[600]; /* the arithmetic */
} bs_need;

/* ranks: 0 for as many as nodes and GPUs; never fewer than nodes. The sum: the steps in slots
 * (shown, newest complete, arriving) and the kept ones; on each rank ParaView and
 * the light volumes; on the GPUs a copy of the shown step and the light volumes, in 80 % of their
 * memory. ERR_ARGUMENT for sizes that no computer holds. */
int bs_estimate(const bs_volumes *volumes, int ranks, const bs_node *node, bs_need *need,
                beamcast_error *error);

#endif
