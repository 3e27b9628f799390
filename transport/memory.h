/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory of slots: shared, all its pages there from the start, sealed against shrinking, counted by
 * reference. And runs: the contiguous pieces of a box inside an array.
 */
#ifndef BEAMCAST_MEMORY_H
#define BEAMCAST_MEMORY_H

#include <stdatomic.h>

#include "beamcast_types.h"
#include "layout.h"

typedef struct bc_memory {
  atomic_int references;
  unsigned char *data;
  uint64_t size;
  int fd;                /* memfd */
  _Atomic(void *) wired; /* what a wire has registered with it; freed by `unwire` */
  void (*unwire)(void *wired);
} bc_memory;

/* Memory of `size` bytes, zero; one reference. NULL if there is not so much. */
bc_memory *bc_memory_new(uint64_t size, beamcast_error *error);
void bc_memory_retain(bc_memory *memory);
void bc_memory_release(bc_memory *memory); /* NULL is allowed */

/* So many bytes of a brick are told as landed together, while the rest is under way: 32 MiB, or
 * $BEAMCAST_PIECE. */
uint64_t bc_memory_piece(void);

/* Bytes of memory that the system, and the control group of this process, can still give. */
uint64_t bc_memory_available(void);

/* A box as contiguous runs of bytes, ascending: run (i, j, k) begins at i*stride[0] + j*stride[1] +
 * k*stride[2] from the box's first voxel. */
typedef struct bc_runs {
  uint64_t bytes; /* of each run */
  uint64_t count[3];
  int64_t stride[3];
} bc_runs;

/* stride: bytes from voxel to voxel in x, y, z. */
bc_runs bc_runs_of(const uint64_t shape[3], const int64_t stride[3], uint64_t voxel_bytes);
uint64_t bc_runs_number(const bc_runs *runs);
/* Where run number `index` begins. */
int64_t bc_runs_at(const bc_runs *runs, uint64_t index);

/* Strides of a contiguous array with this shape. */
void bc_strides_of(const uint64_t shape[3], uint64_t voxel_bytes, int64_t stride[3]);
/* Offset of the first voxel of box in a contiguous array over `array`. */
uint64_t bc_offset_of(const bc_box *array, const bc_box *box, uint64_t voxel_bytes);

/* Copies a box between two arrays with strides; `to` and `from` point to its first voxel. Large
 * ones go past the caches: what will be read of them soon would not be there anyhow. */
void bc_copy_box(void *to, const int64_t to_stride[3], const void *from,
                 const int64_t from_stride[3], const uint64_t shape[3], uint64_t voxel_bytes);

/* Sets a box of a contiguous array over `array` to value, converted to type. */
void bc_fill_box(void *data, const bc_box *array, const bc_box *box, int type, int components,
                 double value);

#endif
