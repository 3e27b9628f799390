/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes HDF5 files of any content out of bytes: what the bytes say is done, in order, with names
 * and values that the inspector looks for.
 */
#ifndef BEAMCAST_READER_FUZZ_FILE_BUILDER_H
#define BEAMCAST_READER_FUZZ_FILE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

/* A supply of bytes that ends in zeros. */
typedef struct byte_source {
  const uint8_t *data;
  size_t left;
} byte_source;

uint8_t next_byte(byte_source *bytes);

/* Creates the file at path; 0 on success. */
int build_file(const char *path, byte_source *bytes);

#endif
