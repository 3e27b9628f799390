/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What of beamcast_hdf5.h is done by all ranks of a parallel program together.
 */
#ifndef BEAMCAST_HDF5_MPI_H
#define BEAMCAST_HDF5_MPI_H

#include <mpi.h>

#include "beamcast_hdf5.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Collective. All ranks write their parts of one volume into a new file: output is the same on all
 * of them; extent is this rank's part (x0, x1, y0, y1, z0, z1, both ends included), memory its
 * voxels, packed [z][y][x][component]. Parts may share planes (both write the same) or be empty
 * (x1 < x0). Returns the same code on all ranks; the sentence is that of the rank that failed. */
BEAMCAST_HDF5_API int beamcast_hdf5_write_together(MPI_Comm communicator, const char *path,
                                                   const beamcast_hdf5_output *output,
                                                   const int64_t extent[6], const void *memory,
                                                   beamcast_error *error);

/* Collective. Makes all ranks agree: if any has a code other than BEAMCAST_OK, all return the first
 * such rank's code and sentence. For use after reading, so that all ranks end a read together. */
BEAMCAST_HDF5_API int beamcast_hdf5_agree(MPI_Comm communicator, int code, beamcast_error *error);

#ifdef __cplusplus
}
#endif

#endif
