/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which voxels of a dataset are wanted, dimension by dimension, and where each goes in memory.
 * Lists of positions cover regions, strides, frames picked by a key, and axes that run down, alike.
 */
#ifndef BEAMCAST_READER_SELECTION_H
#define BEAMCAST_READER_SELECTION_H

#include "volume.h"

typedef struct selection {
  int dimensions;
  uint64_t shape[MAX_DIMS];  /* of the dataset */
  uint64_t *index[MAX_DIMS]; /* wanted positions, ascending */
  uint64_t count[MAX_DIMS];
  int64_t
      step[MAX_DIMS]; /* bytes in memory from one wanted position to the next; may be negative */
  uint8_t *out;       /* where the first of all goes */
  voxel_conversion convert;
} selection;

/* A part of each dimension's list: the first position in it, and how many. */
typedef struct selection_part {
  uint64_t first[MAX_DIMS], count[MAX_DIMS];
} selection_part;

/* Copies the part from a block of elements to its place. The block holds shape[] elements from
 * origin[] on, packed; block == NULL repeats the one element at fill. */
void selection_copy(const selection *s, const selection_part *part, const uint8_t *block,
                    const uint64_t origin[], const uint64_t shape[], const uint8_t *fill);

/* Where a whole block of shape[] elements from origin[] on may be decoded straight into memory:
 * nothing is converted, all of it is wanted, and it is packed there. NULL otherwise. */
uint8_t *selection_direct(const selection *s, const selection_part *part, const uint64_t origin[],
                          const uint64_t shape[]);

/* The lists cut at multiples of block[]: what the part number task, counted row-major over all
 * touched blocks, has of each dimension. */
typedef struct selection_grid {
  int dimensions;
  uint64_t block[MAX_DIMS];
  uint64_t count[MAX_DIMS];  /* touched blocks along each dimension */
  uint64_t *at[MAX_DIMS];    /* their numbers */
  uint64_t *first[MAX_DIMS]; /* where each begins in the list; one more entry than count */
  uint64_t tasks;
} selection_grid;

int selection_grid_make(selection_grid *grid, const selection *s, const uint64_t block[]);
void selection_grid_free(selection_grid *grid);
void selection_grid_part(const selection_grid *grid, uint64_t task, uint64_t at[],
                         selection_part *part);

void selection_free(selection *s);

#endif
