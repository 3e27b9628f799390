/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of a file's volumes as bytes, from the process that tried the file to the one that
 * asked.
 */
#ifndef BEAMCAST_READER_HANDOVER_H
#define BEAMCAST_READER_HANDOVER_H

#include "beamcast_hdf5.h"

#include <stdio.h>

/* Writes the list of volumes and what is missing; 0 on success. For the trial's program alone. */
BEAMCAST_HDF5_API int beamcast_hdf5_hand_over(const beamcast_hdf5_file *file, FILE *to);

/* Takes what was written into the file behind descriptor as the file's own list, which is empty;
 * -1 when it is none, or not sound. */
int handover_take(beamcast_hdf5_file *file, int descriptor);

#endif
