/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One voxel as it is in a file, and runs of them turned into what memory wants: byte order, half
 * precision, value window to 8 or 16 bits, complex numbers to magnitude and phase. No HDF5 here.
 */
#ifndef BEAMCAST_READER_VOXEL_TYPE_H
#define BEAMCAST_READER_VOXEL_TYPE_H

#include "beamcast_hdf5.h"

/* Types of files in addition to those of BEAMCAST_TYPE_LIST. */
size_t voxel_type_size(int type);           /* bytes, 0 for an unknown type */
const char *voxel_type_name(int type);      /* as NumPy spells it, NULL for an unknown type */
int voxel_type_from_name(const char *name); /* 0 for an unknown name */

/* An element as it lies in the file or in a decoded chunk. */
typedef struct voxel_element {
  int type;     /* of a component */
  int swap;     /* 1: its bytes are the other way round than this machine's */
  int complex;  /* 1: a pair, real and imaginary part */
  size_t bytes; /* of the element: twice the type's for complex numbers */
} voxel_element;

typedef struct voxel_conversion {
  voxel_element from;
  int to;       /* type of a component in memory */
  int windowed; /* 1: to = (from - low) * scale, rounded, cut to 0 and the type's largest */
  double low, scale;
  int polar;        /* 1: complex numbers become magnitude and phase */
  int identity;     /* 1: bytes are copied as they are */
  size_t out_bytes; /* of an element in memory */
} voxel_conversion;

/* Fills conversion. window: [0] becomes 0 and [1] the largest value of an integer type; not used
 * when both are equal. Returns 0, or -1 when from can't become to. */
int voxel_conversion_make(voxel_conversion *conversion, const voxel_element *from, int to,
                          const double window[2], int complex_parts);

/* Converts count elements; the steps are in bytes (a from_step of 0 repeats one element). */
void voxel_convert(const voxel_conversion *conversion, const void *from, size_t from_step, void *to,
                   ptrdiff_t to_step, size_t count);

#endif
