/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the axis of rotation is seen on the detector.
 */
#ifndef RECONSTRUCT_CENTRE_H
#define RECONSTRUCT_CENTRE_H

#include <mpi.h>
#include <stdint.h>

/* Collective. The column of the axis, from line integrals [count][rows][columns] (each rank its
 * rows) at these angles. The centre of mass of a projection follows axis + a cos t + b sin t (the
 * first of the Helgason-Ludwig conditions); the axis is what fits best. That holds when the whole
 * sample is seen in every projection and the angles are spread over half a turn. NAN: the
 * projections say nothing. */
double centre_find(MPI_Comm together, const float *lines, const double *angles, uint64_t count,
                   uint64_t rows, uint64_t columns);

#endif
