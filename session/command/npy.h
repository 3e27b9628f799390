/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NumPy's .npy files, version 1 to 3 of the format, as volumes: 2 or 3 dimensions (z, y, x), and a
 * last one of 2 to 4 components. Source: numpy.lib.format's documentation.
 */
#ifndef BEAMCAST_COMMAND_NPY_H
#define BEAMCAST_COMMAND_NPY_H

#include "beamcast.h"

/* A file mapped into memory. */
typedef struct npy_file {
  void *map;
  size_t map_bytes;
  const void *data; /* in the map */
  int type, components;
  uint64_t shape[3]; /* x, y, z */
  int64_t stride[3]; /* bytes to the neighbour in x, y, z */
} npy_file;

/* Errors: BEAMCAST_ERR_IO (no .npy file, cut short), _UNSUPPORTED (a type that is not sent: the
 * sentence says how to convert). Close it. */
int npy_open(const char *path, npy_file *file, beamcast_error *error);
void npy_close(npy_file *file);

/* Writes a volume in one piece: a new file, renamed. */
int npy_write(const char *path, const beamcast_volume_data *volume, beamcast_error *error);

#endif
