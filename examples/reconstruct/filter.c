/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ramp filter, by FFTW. Plans are made by FFTW_ESTIMATE: measured plans differ from run to run,
 * and the results with them in the last bit.
 */
#include "filter.h"

#include <fftw3.h>
#include <stdlib.h>
#include <string.h>

struct ramp_filter {
  size_t columns, size; /* size: of the transform */
  float *response;      /* [size / 2 + 1], with the 1 / size of the inverse transform */
  fftwf_plan forward, backward;
};

/* A line's samples and its spectrum; aligned as those the plans were made for. */
typedef struct line {
  float *values;
  fftwf_complex *spectrum;
} line;

static int line_new(line *l, size_t size) {
  l->values = fftwf_alloc_real(size);
  l->spectrum = fftwf_alloc_complex(size / 2 + 1);
  return l->values != NULL && l->spectrum != NULL;
}

static void line_free(line *l) {
  fftwf_free(l->values);
  fftwf_free(l->spectrum);
}

/* The transform of 1/4, -1/(pi n)^2 at odd n, 0 at even n: sampled in space, so that the mean stays
 * right. */
static void find_response(ramp_filter *filter, line *l) {
  const double pi = 3.14159265358979323846;
  memset(l->values, 0, filter->size * sizeof *l->values);
  l->values[0] = 0.25F;
  for (size_t n = 1; n < filter->size / 2; n += 2) {
    l->values[n] = l->values[filter->size - n] = (float)(-1 / (pi * pi * (double)n * (double)n));
  }
  fftwf_execute_dft_r2c(filter->forward, l->values, l->spectrum);
  for (size_t k = 0; k <= filter->size / 2; k++) {
    filter->response[k] = l->spectrum[k][0] / (float)filter->size;
  }
}

ramp_filter *ramp_filter_new(uint64_t columns) {
  ramp_filter *filter = calloc(1, sizeof *filter);
  line l = {0};
  if (filter == NULL) {
    return NULL;
  }
  filter->columns = columns;
  for (filter->size = 64; filter->size < 2 * columns;) {
    filter->size *= 2; /* twice the line: a convolution that does not wrap round */
  }
  filter->response = malloc((filter->size / 2 + 1) * sizeof *filter->response);
  if (filter->response != NULL && line_new(&l, filter->size)) {
    const int size = (int)filter->size;
    filter->forward = fftwf_plan_dft_r2c_1d(size, l.values, l.spectrum, FFTW_ESTIMATE);
    filter->backward = fftwf_plan_dft_c2r_1d(size, l.spectrum, l.values, FFTW_ESTIMATE);
  }
  if (filter->forward != NULL && filter->backward != NULL) {
    find_response(filter, &l);
  } else {
    ramp_filter_free(filter);
    filter = NULL;
  }
  line_free(&l);
  return filter;
}

void ramp_filter_free(ramp_filter *filter) {
  if (filter != NULL) {
    fftwf_destroy_plan(filter->forward);
    fftwf_destroy_plan(filter->backward);
    free(filter->response);
  }
  free(filter);
}

int ramp_filter_apply(const ramp_filter *filter, const float *lines, uint64_t rows, float *out) {
  line l;
  const int enough = line_new(&l, filter->size);
  for (uint64_t row = 0; enough && row < rows; row++) {
    memcpy(l.values, lines + row * filter->columns, filter->columns * sizeof *l.values);
    memset(l.values + filter->columns, 0, (filter->size - filter->columns) * sizeof *l.values);
    fftwf_execute_dft_r2c(filter->forward, l.values, l.spectrum);
    for (size_t k = 0; k <= filter->size / 2; k++) {
      l.spectrum[k][0] *= filter->response[k];
      l.spectrum[k][1] *= filter->response[k];
    }
    fftwf_execute_dft_c2r(filter->backward, l.spectrum, l.values);
    for (size_t column = 0; column < filter->columns; column++) {
      out[column * rows + row] = l.values[column];
    }
  }
  line_free(&l);
  return enough ? 0 : -1;
}
