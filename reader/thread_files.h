/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A file that several threads read, each with a descriptor of its own: the kernel reads ahead for
 * each descriptor by itself, and two threads on one would be two places in the file.
 */
#ifndef BEAMCAST_READER_THREAD_FILES_H
#define BEAMCAST_READER_THREAD_FILES_H

#include "beamcast_types.h"

#include <stddef.h>
#include <stdint.h>

typedef struct thread_files {
  int *fd; /* one a thread, -1 before it is used; the first is always open */
  int threads;
} thread_files;

/* Opens the file for the first thread. */
int thread_files_open(thread_files *f, const char *name, int threads, beamcast_error *error);
void thread_files_close(thread_files *f);

/* The thread's own descriptor of the same file, whatever its name has come to mean since; the
 * first thread's where no more can be had. */
int thread_files_get(thread_files *f, int thread);

/* pread until all bytes are there; -1 with errno, or 0 in errno at the end of the file. */
int pread_all(int fd, void *buffer, size_t bytes, uint64_t offset);

#endif
