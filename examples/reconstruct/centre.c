/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The axis of rotation from the centres of mass: see centre.h.
 */
#include "centre.h"

#include <math.h>

/* Solves a x = b for 3 unknowns by Cramer's rule; the first unknown, NAN where there is none. */
static double first_unknown(const double a[3][3], const double b[3]) {
  const double minor_0 = a[1][1] * a[2][2] - a[1][2] * a[2][1];
  const double minor_1 = a[0][1] * a[2][2] - a[0][2] * a[2][1];
  const double minor_2 = a[0][1] * a[1][2] - a[0][2] * a[1][1];
  const double whole = a[0][0] * minor_0 - a[1][0] * minor_1 + a[2][0] * minor_2;
  const double scale = a[0][0] * a[1][1] * a[2][2];
  return fabs(whole) > 1e-9 * fabs(scale)
             ? (b[0] * minor_0 - b[1] * minor_1 + b[2] * minor_2) / whole
             : NAN;
}

double centre_find(MPI_Comm together, const float *lines, const double *angles, uint64_t count,
                   uint64_t rows, uint64_t columns) {
  double a[3][3] = {{0}}, b[3] = {0};
  for (uint64_t i = 0; i < count; i++) {
    double sums[2] = {0}; /* mass, and mass times column */
    for (uint64_t k = 0; k < rows * columns; k++) {
      const double mass = lines[i * rows * columns + k];
      sums[0] += mass;
      sums[1] += mass * (double)(k % columns);
    }
    MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, together);
    const double term[3] = {1, cos(angles[i]), sin(angles[i])};
    for (int row = 0; row < 3 && sums[0] > 0; row++) {
      for (int column = 0; column < 3; column++) {
        a[row][column] += term[row] * term[column];
      }
      b[row] += term[row] * sums[1] / sums[0];
    }
  }
  return first_unknown(a, b);
}
