/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>

#include "xac_internal.h"

int xac_invert3(const double *m, double *inverse) {
  double c0 = m[4] * m[8] - m[5] * m[7];
  double c1 = m[5] * m[6] - m[3] * m[8];
  double c2 = m[3] * m[7] - m[4] * m[6];
  double determinant = m[0] * c0 + m[1] * c1 + m[2] * c2;
  if (!isfinite(determinant) || fabs(determinant) < 1e-200) {
    return 0;
  }
  double s = 1.0 / determinant;
  inverse[0] = c0 * s;
  inverse[1] = (m[2] * m[7] - m[1] * m[8]) * s;
  inverse[2] = (m[1] * m[5] - m[2] * m[4]) * s;
  inverse[3] = c1 * s;
  inverse[4] = (m[0] * m[8] - m[2] * m[6]) * s;
  inverse[5] = (m[2] * m[3] - m[0] * m[5]) * s;
  inverse[6] = c2 * s;
  inverse[7] = (m[1] * m[6] - m[0] * m[7]) * s;
  inverse[8] = (m[0] * m[4] - m[1] * m[3]) * s;
  return 1;
}

void xac_apply_linear(const double *m, const double *v, double *out) {
  for (int i = 0; i < 3; i++) {
    out[i] = m[4 * i] * v[0] + m[4 * i + 1] * v[1] + m[4 * i + 2] * v[2];
  }
}

void xac_apply(const double *m, const double *p, double *out) {
  xac_apply_linear(m, p, out);
  for (int i = 0; i < 3; i++) {
    out[i] += m[4 * i + 3];
  }
}

int xac_invert(const double *m, double *inverse) {
  double linear[9], back[9];
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      linear[3 * i + j] = m[4 * i + j];
    }
  }
  if (!xac_invert3(linear, back)) {
    return 0;
  }
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      inverse[4 * i + j] = back[3 * i + j];
    }
    inverse[4 * i + 3] = -(back[3 * i] * m[3] + back[3 * i + 1] * m[7] + back[3 * i + 2] * m[11]);
  }
  return isfinite(inverse[3]) && isfinite(inverse[7]) && isfinite(inverse[11]);
}
