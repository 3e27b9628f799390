/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ways to read a selection; read.c chooses.
 */
#ifndef BEAMCAST_READER_READ_H
#define BEAMCAST_READER_READ_H

#include "selection.h"
#include "thread_files.h"
#include "threads.h"

enum { SCRATCH_LIMIT = 60 << 20 }; /* bytes of one read beyond its output */

typedef struct read_job {
  beamcast_hdf5_file *file;
  volume *v;
  selection select;
  int threads;
  int (*progress)(void *context, double done);
  void *context;
  beamcast_hdf5_read_report *report; /* never NULL */
} read_job;

/* Opens the dataset for reading, once; the lock is taken. */
int open_for_reading(beamcast_hdf5_file *file, volume *v, beamcast_error *error);

/* Bytes at fixed places of a file: one pread per run. */
int read_bytes(read_job *job, const char *file_name, uint64_t offset, beamcast_error *error);
int read_chunks(read_job *job, beamcast_error *error);
int read_by_library(read_job *job, beamcast_error *error);
int read_virtual(read_job *job, beamcast_error *error);
int read_pages(read_job *job, beamcast_error *error);

/* The parts of a virtual dataset of the file called linking, when all of them are blocks of known
 * size; NULL when not. The lock is held. */
virtual_part *virtual_parts(hid_t list, const volume *v, const char *linking, size_t *count);
void virtual_parts_free(virtual_part *parts, size_t count);

#endif
