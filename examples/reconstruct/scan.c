/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all kinds of scans share.
 */
#include "scan.h"

#include <math.h>

int scan_open(const char *where, const scan_options *options, scan *result, beamcast_error *error) {
  memset(result, 0, sizeof *result);
  return strncmp(where, "tcp://", 6) == 0 ? scan_open_socket(where + 6, options, result, error)
                                          : scan_open_file(where, options, result, error);
}

void scan_rows_of(uint64_t rows, int rank, int ranks, uint64_t *first, uint64_t *count) {
  *first = rows * (uint64_t)rank / (uint64_t)ranks;
  *count = rows * (uint64_t)(rank + 1) / (uint64_t)ranks - *first;
}

void scan_line_integrals(float *frames, uint64_t count, uint64_t pixels, const float *flat,
                         const float *dark) {
#pragma omp parallel for schedule(static)
  for (uint64_t frame = 0; frame < count; frame++) {
    float *value = frames + frame * pixels;
    for (uint64_t i = 0; i < pixels; i++) {
      const float lit = flat != NULL ? flat[i] - dark[i] : 1.0F;
      const float through = lit > 0 ? (value[i] - dark[i]) / lit : 1.0F; /* a dead pixel: nothing */
      value[i] = -logf(through > 1e-6F ? through : 1e-6F);
    }
  }
}
