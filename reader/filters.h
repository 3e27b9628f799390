/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The filter pipeline of a chunked dataset, run by any thread without the HDF5 library: built-in
 * decoders for the usual filters, and the filter functions of HDF5's plug-ins for the rest.
 */
#ifndef BEAMCAST_READER_FILTERS_H
#define BEAMCAST_READER_FILTERS_H

#include "h5_support.h"

enum { FILTERS_MAX = 8, FILTER_VALUES_MAX = 24 };

typedef struct filter_step filter_step;

/* Decodes in into out, which has room for capacity bytes; *size becomes what was put there. */
typedef int (*filter_function)(const filter_step *step, const uint8_t *in, size_t in_bytes,
                               uint8_t *out, size_t capacity, size_t *size);

struct filter_step {
  int id; /* as registered with the HDF Group */
  unsigned values[FILTER_VALUES_MAX], count;
  filter_function decode;     /* built in; NULL: use plugin */
  const H5Z_class2_t *plugin; /* the plug-in's description, NULL when none was found */
  int one_at_a_time;          /* the plug-in is not known to be safe for threads */
};

typedef struct filter_pipeline {
  filter_step step[FILTERS_MAX];
  int count;
  int decodable;   /* 1: all steps run here; 0: the library must read */
  char names[160]; /* "shuffle, deflate" */
} filter_pipeline;

/* Memory of one thread for intermediate results; all zero at first. */
typedef struct filter_scratch {
  uint8_t *buffer[2];
  size_t bytes[2];
} filter_scratch;

/* Fills only the names, cheaply. The HDF5 lock is held. */
void filters_name(hid_t creation_list, char *names, size_t size);

/* Takes the pipeline from a dataset's creation list; the HDF5 lock is held.
 * BEAMCAST_ERR_UNSUPPORTED with the filter's name and what brings it when neither this library nor
 * HDF5 can decode it. */
int filters_open(filter_pipeline *pipeline, hid_t creation_list, beamcast_error *error);

/* Decodes one chunk: raw bytes as in the file (may be changed), exactly bytes of output. mask has a
 * bit for each filter that was skipped. Safe from any thread, each with its own scratch. */
int filters_decode(const filter_pipeline *pipeline, uint32_t mask, uint8_t *raw, size_t raw_bytes,
                   uint8_t *out, size_t bytes, filter_scratch *scratch, beamcast_error *error);

void filters_free(filter_scratch *scratch);

/* --- decoders.c: the built-in decoder of a filter, NULL when there is none */
filter_function filter_decoder(int id);

/* --- filter_plugins.c */

/* The plug-in for a filter in HDF5's plug-in folders, NULL when there is none; *reason says why one
 * that is there was not taken. The HDF5 lock is held. */
const H5Z_class2_t *filter_plugin_find(int id, char *reason, size_t size);

#endif
