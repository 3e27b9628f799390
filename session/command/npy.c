/* SPDX-License-Identifier: BSD-3-Clause */
#include "npy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_MAX = 4096, DIMENSIONS_MAX = 4, ALIGNMENT = 64 };

/* Letter and bytes of each type, as in descr. */
static const struct {
  const char *descr;
  int type;
} types[] = {{"u1", BEAMCAST_UINT8},  {"b1", BEAMCAST_UINT8},   {"i1", BEAMCAST_INT8},
             {"u2", BEAMCAST_UINT16}, {"i2", BEAMCAST_INT16},   {"u4", BEAMCAST_UINT32},
             {"i4", BEAMCAST_INT32},  {"f2", BEAMCAST_FLOAT16}, {"f4", BEAMCAST_FLOAT32},
             {"f8", BEAMCAST_FLOAT64}};
enum { TYPES = sizeof types / sizeof types[0] };

typedef struct npy_header {
  int type;
  bool fortran;
  int dimensions;
  uint64_t shape[DIMENSIONS_MAX];
} npy_header;

/* What follows 'key': in the header; NULL if the key is not there. */
static const char *value_of(const char *header, const char *key) {
  char quoted[32];
  (void)snprintf(quoted, sizeof quoted, "'%s'", key);
  const char *at = strstr(header, quoted);
  if (at == NULL) {
    return NULL;
  }
  at += strlen(quoted);
  at += strspn(at, " :");
  return at;
}

static int read_type(const char *at, npy_header *h, beamcast_error *error) {
  char order = at != NULL && at[0] == '\'' ? at[1] : '\0';
  for (size_t i = 0; order != '\0' && i < TYPES; i++) {
    if (strncmp(at + 2, types[i].descr, 2) == 0 && at[4] == '\'' &&
        (order == '<' || order == '|' || order == '=')) {
      h->type = types[i].type;
      return BEAMCAST_OK;
    }
  }
  const bool whole =
      order != '\0' && (strncmp(at + 2, "i8", 2) == 0 || strncmp(at + 2, "u8", 2) == 0);
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                       "%s (%.*s) are not taken; bool, uint8, int8, uint16, int16, uint32, int32, "
                       "float16, float32 and float64 are, little-endian: "
                       "numpy.save(\"new.npy\", array.astype(\"%s\"))",
                       whole ? "64-bit integers" : "voxels of this type",
                       at ? (int)strcspn(at, ",") : 0, at ? at : "", whole ? "int32" : "<f4");
}

static bool read_shape(const char *at, npy_header *h) {
  if (at == NULL || *at != '(') {
    return false;
  }
  for (at++; *at != ')';) {
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)*at) || h->dimensions == DIMENSIONS_MAX) {
      return false;
    }
    h->shape[h->dimensions] = strtoull(at, &end, 10);
    if (errno != 0 || h->shape[h->dimensions] == 0 || h->shape[h->dimensions] > UINT32_MAX) {
      return false;
    }
    h->dimensions++;
    at = end + strspn(end, ", ");
  }
  return h->dimensions >= 2;
}

/* Reads the header's text; the offset of the voxels, or 0. */
static size_t read_header(const unsigned char *bytes, size_t size, char text[HEADER_MAX]) {
  static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  if (size < 12 || memcmp(bytes, magic, sizeof magic) != 0 || bytes[6] < 1 || bytes[6] > 3) {
    return 0;
  }
  size_t offset = bytes[6] == 1 ? 10 : 12;
  size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (bytes[6] > 1) {
    length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  }
  if (length >= HEADER_MAX || length > size - offset) {
    return 0;
  }
  memcpy(text, bytes + offset, length);
  text[length] = '\0';
  return offset + length;
}

/* Shape, components and strides; the bytes of all voxels, or 0 if that is too much. */
static uint64_t lay_out(const npy_header *h, npy_file *file) {
  uint64_t bytes = beamcast_type_size(h->type);
  int64_t strides[DIMENSIONS_MAX];
  for (int i = 0; i < h->dimensions; i++) {
    int axis = h->fortran ? i : h->dimensions - 1 - i;
    strides[axis] = (int64_t)bytes;
    if (bytes > (UINT64_C(1) << 58) / h->shape[axis]) {
      return 0;
    }
    bytes *= h->shape[axis];
  }
  int last = h->dimensions - 1;
  file->type = h->type;
  file->components = 1;
  if (h->dimensions == 4) {
    if (h->shape[3] > 4 || h->fortran) {
      return 0; /* components lie side by side */
    }
    file->components = (int)h->shape[last--];
  }
  for (int axis = 0; axis < 3; axis++) {
    bool there = last - axis >= 0;
    file->shape[axis] = there ? h->shape[last - axis] : 1;
    file->stride[axis] = there ? strides[last - axis] : (int64_t)bytes;
  }
  return bytes;
}

static int understand(const char *path, npy_file *file, beamcast_error *error) {
  char text[HEADER_MAX];
  npy_header h = {0};
  size_t offset = read_header(file->map, file->map_bytes, text);
  if (offset == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s is no .npy file of NumPy", path);
  }
  int code = read_type(value_of(text, "descr"), &h, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  const char *fortran = value_of(text, "fortran_order");
  h.fortran = fortran != NULL && strncmp(fortran, "True", 4) == 0;
  bool good = read_shape(value_of(text, "shape"), &h);
  uint64_t bytes = good ? lay_out(&h, file) : 0;
  if (bytes == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "%.300s holds no volume: 2 or 3 dimensions (z, y, x) are shown, and a "
                         "fourth, the last, of 1 to 4 components",
                         path);
  }
  if (bytes > file->map_bytes - offset) {
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%.300s is cut short: %llu bytes of voxels are missing", path,
                         (unsigned long long)(bytes - (file->map_bytes - offset)));
  }
  file->data = (const char *)file->map + offset;
  return BEAMCAST_OK;
}

int npy_open(const char *path, npy_file *file, beamcast_error *error) {
  struct stat state;
  memset(file, 0, sizeof *file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &state) != 0 || !S_ISREG(state.st_mode) || state.st_size == 0) {
    int bad = errno;
    if (fd >= 0) {
      (void)close(fd);
    }
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be read: %s", path,
                         fd < 0 ? strerror(bad) : "it is empty, or no file");
  }
  file->map_bytes = (size_t)state.st_size;
  file->map = mmap(NULL, file->map_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  (void)close(fd);
  if (file->map == MAP_FAILED) {
    file->map = NULL;
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be mapped: %s", path,
                         strerror(errno));
  }
  int code = understand(path, file, error);
  if (code != BEAMCAST_OK) {
    npy_close(file);
  }
  return code;
}

void npy_close(npy_file *file) {
  if (file->map != NULL) {
    (void)munmap(file->map, file->map_bytes);
  }
  memset(file, 0, sizeof *file);
}

/* --- write ----------------------------------------------------------------------------------- */

static size_t make_header(const beamcast_volume_data *v, char *header, size_t size) {
  char shape[128];
  const char *descr = "";
  for (size_t i = TYPES; i-- > 0;) {
    descr = types[i].type == v->type ? types[i].descr : descr;
  }
  int length = snprintf(shape, sizeof shape, "%llu, %llu, %llu", (unsigned long long)v->shape[2],
                        (unsigned long long)v->shape[1], (unsigned long long)v->shape[0]);
  if (v->components > 1) {
    (void)snprintf(shape + length, sizeof shape - (size_t)length, ", %d", v->components);
  }
  length =
      snprintf(header + 10, size - 10, "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }",
               beamcast_type_size(v->type) > 1 ? '<' : '|', descr, shape);
  size_t end = 10 + (size_t)length;
  size_t total = (end + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  memset(header + end, ' ', total - end);
  header[total - 1] = '\n';
  static const char magic[8] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
  memcpy(header, magic, sizeof magic);
  header[8] = (char)((total - 10) & 0xff);
  header[9] = (char)((total - 10) >> 8);
  return total;
}

int npy_write(const char *path, const beamcast_volume_data *v, beamcast_error *error) {
  char draft[4096], header[512];
  size_t head = make_header(v, header, sizeof header);
  uint64_t bytes = beamcast_type_size(v->type) * (uint64_t)(v->components > 0 ? v->components : 1) *
                   v->shape[0] * v->shape[1] * v->shape[2];
  int length = snprintf(draft, sizeof draft, "%s.%ld.new", path, (long)getpid());
  FILE *file = length > 0 && (size_t)length < sizeof draft ? fopen(draft, "wxe") : NULL;
  bool good = file != NULL && fwrite(header, 1, head, file) == head &&
              fwrite(v->data, 1, bytes, file) == bytes;
  int bad = errno;
  if (file != NULL && fclose(file) != 0 && good) {
    bad = errno;
    good = false;
  }
  if (good && rename(draft, path) != 0) {
    bad = errno;
    good = false;
  }
  if (!good) {
    if (file != NULL) {
      (void)unlink(draft);
    }
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be written: %s", path,
                         strerror(bad));
  }
  return BEAMCAST_OK;
}
