/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing and reading little-endian fields of messages. A writer grows its memory; a reader never
 * goes beyond what it was given: after the first field that is missing, it is bad and yields zeros.
 */
#ifndef BEAMCAST_BYTES_H
#define BEAMCAST_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bc_writer {
  unsigned char *data; /* malloc'ed; bc_writer_free */
  size_t size, capacity;
  bool bad; /* memory ran out; nothing more is written */
} bc_writer;

void bc_writer_free(bc_writer *writer);
void bc_put_bytes(bc_writer *writer, const void *bytes, size_t size);
void bc_put_u8(bc_writer *writer, uint8_t value);
void bc_put_u32(bc_writer *writer, uint32_t value);
void bc_put_u64(bc_writer *writer, uint64_t value);
void bc_put_f64(bc_writer *writer, double value);
/* u32 length and the bytes, without a terminating zero */
void bc_put_text(bc_writer *writer, const char *text);

typedef struct bc_reader {
  const unsigned char *data;
  size_t size, at;
  bool bad;
} bc_reader;

bc_reader bc_reader_of(const void *data, size_t size);
/* NULL and bad if fewer than size bytes are left. */
const unsigned char *bc_get_bytes(bc_reader *reader, size_t size);
uint8_t bc_get_u8(bc_reader *reader);
uint32_t bc_get_u32(bc_reader *reader);
uint64_t bc_get_u64(bc_reader *reader);
double bc_get_f64(bc_reader *reader);
/* A text of at most size - 1 bytes, zero-terminated into text; longer, or with a zero byte, is bad.
 */
void bc_get_text(bc_reader *reader, char *text, size_t size);

#endif
