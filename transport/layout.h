/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Boxes of voxels and how a volume is cut over the server's ranks. Pure arithmetic: no memory that
 * the caller did not give, except in bc_gaps.
 */
#ifndef BEAMCAST_LAYOUT_H
#define BEAMCAST_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Voxels start[i] to start[i] + shape[i] - 1 in x, y, z. Empty if any shape is 0. */
typedef struct bc_box {
  uint64_t start[3];
  uint64_t shape[3];
} bc_box;

typedef enum bc_split {
  BC_SLABS = 0, /* along z; along y for one plane, along x for one row */
  BC_BLOCKS = 1 /* the longest side is halved until there are enough */
} bc_split;

bool bc_box_is_empty(const bc_box *box);
bool bc_box_equal(const bc_box *a, const bc_box *b);
/* true if inner lies in outer; an empty inner always does */
bool bc_box_contains(const bc_box *outer, const bc_box *inner);
/* The common part, into *out; false (and an empty *out) if there is none. */
bool bc_box_intersect(const bc_box *a, const bc_box *b, bc_box *out);
/* Voxels of the box. The product must fit: check sizes with bc_volume_bytes first. */
uint64_t bc_box_count(const bc_box *box);

/* Bytes of a volume, 0 if the product does not fit into 63 bits. */
uint64_t bc_volume_bytes(const uint64_t shape[3], uint64_t voxel_bytes);

/* Rank's part of a volume: own points (cells are dealt out, so neighbours share one plane of
 * points), and with `ghosts` more planes on each inner side. Ranks beyond the cells are empty. */
void bc_layout(const uint64_t volume[3], int split, int rank, int ranks, int ghosts, bc_box *own,
               bc_box *memory);

/* Appends `box` to a list of *count boxes with room for `capacity`, joined with one of the last
 * where that makes one box. false if there is no room. */
bool bc_boxes_add(bc_box *boxes, size_t *count, size_t capacity, const bc_box *box);

/* Rows in pieces of about so many bytes: whole planes, or where a plane has more, rows of one. */
uint64_t bc_box_piece(const bc_box *box, uint64_t voxel_bytes, uint64_t bytes);
/* The next part of the box in the order of memory: from row *row (y + z * shape[1]) on, as far as
 * it is a box, and before row `end`; moves *row. false where there is none. */
bool bc_box_rows(const bc_box *box, uint64_t *row, uint64_t end, bc_box *part);

/* Calls visit for disjoint boxes that together are `whole` without `boxes`. Returns false if memory
 * ran out. */
bool bc_gaps(const bc_box *whole, const bc_box *boxes, size_t count,
             void (*visit)(void *context, const bc_box *gap), void *context);

#ifdef __cplusplus
}
#endif

#endif
