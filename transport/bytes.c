/* SPDX-License-Identifier: BSD-3-Clause
 * Fields of messages; see bytes.h. */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void bc_writer_free(bc_writer *writer) {
  free(writer->data);
  memset(writer, 0, sizeof *writer);
}

void bc_put_bytes(bc_writer *writer, const void *bytes, size_t size) {
  if (writer->bad || size == 0) {
    return;
  }
  if (writer->capacity - writer->size < size) {
    size_t capacity = writer->capacity ? writer->capacity : 256;
    while (capacity - writer->size < size) {
      capacity *= 2;
    }
    unsigned char *data = realloc(writer->data, capacity);
    if (data == NULL) {
      writer->bad = true;
      return;
    }
    writer->data = data;
    writer->capacity = capacity;
  }
  memcpy(writer->data + writer->size, bytes, size);
  writer->size += size;
}

void bc_put_u8(bc_writer *writer, uint8_t value) {
  bc_put_bytes(writer, &value, 1);
}

void bc_put_u32(bc_writer *writer, uint32_t value) {
  unsigned char bytes[4];
  for (int i = 0; i < 4; i++) {
    bytes[i] = (unsigned char)(value >> (8 * i));
  }
  bc_put_bytes(writer, bytes, sizeof bytes);
}

void bc_put_u64(bc_writer *writer, uint64_t value) {
  bc_put_u32(writer, (uint32_t)value);
  bc_put_u32(writer, (uint32_t)(value >> 32));
}

void bc_put_f64(bc_writer *writer, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  bc_put_u64(writer, bits);
}

void bc_put_text(bc_writer *writer, const char *text) {
  size_t length = strlen(text);
  bc_put_u32(writer, (uint32_t)length);
  bc_put_bytes(writer, text, length);
}

bc_reader bc_reader_of(const void *data, size_t size) {
  return (bc_reader){.data = data, .size = size};
}

const unsigned char *bc_get_bytes(bc_reader *reader, size_t size) {
  if (reader->bad || reader->size - reader->at < size) {
    reader->bad = true;
    return NULL;
  }
  const unsigned char *bytes = reader->data + reader->at;
  reader->at += size;
  return bytes;
}

uint8_t bc_get_u8(bc_reader *reader) {
  const unsigned char *bytes = bc_get_bytes(reader, 1);
  return bytes ? bytes[0] : 0;
}

uint32_t bc_get_u32(bc_reader *reader) {
  const unsigned char *bytes = bc_get_bytes(reader, 4);
  uint32_t value = 0;
  for (int i = 3; bytes && i >= 0; i--) {
    value = value << 8 | bytes[i];
  }
  return value;
}

uint64_t bc_get_u64(bc_reader *reader) {
  uint64_t low = bc_get_u32(reader);
  return low | (uint64_t)bc_get_u32(reader) << 32;
}

double bc_get_f64(bc_reader *reader) {
  uint64_t bits = bc_get_u64(reader);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

void bc_get_text(bc_reader *reader, char *text, size_t size) {
  uint32_t length = bc_get_u32(reader);
  text[0] = '\0';
  if (length >= size) {
    reader->bad = true;
    return;
  }
  const unsigned char *bytes = bc_get_bytes(reader, length);
  if (bytes == NULL) {
    return;
  }
  if (memchr(bytes, 0, length) != NULL) {
    reader->bad = true;
    return;
  }
  memcpy(text, bytes, length);
  text[length] = '\0';
}
