/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NumPy's .npy files: a raw file whose first bytes say its layout. Source: numpy.lib.format's
 * documentation.
 */
#include "volume.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { HEADER_MAX = 1 << 16 };

int is_npy(const char *path) {
  const size_t length = strlen(path);
  return length > 4 && strcasecmp(path + length - 4, ".npy") == 0;
}

/* What follows 'key': in the header, a Python dict; "" if the key is not there. */
static const char *value_of(const char *header, const char *key) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s'", key);
  const char *at = strstr(header, quoted);
  return at != NULL ? at + strlen(quoted) + strspn(at + strlen(quoted), " :") : "";
}

/* A type as '<i2'; 0 for what is no number that is known here. */
static int type_of(const char *at) {
  static const struct {
    const char *name;
    int type;
  } types[] = {
      {"b1'", BEAMCAST_UINT8},   {"u1'", BEAMCAST_UINT8},       {"i1'", BEAMCAST_INT8},
      {"u2'", BEAMCAST_UINT16},  {"i2'", BEAMCAST_INT16},       {"u4'", BEAMCAST_UINT32},
      {"i4'", BEAMCAST_INT32},   {"u8'", BEAMCAST_HDF5_UINT64}, {"i8'", BEAMCAST_HDF5_INT64},
      {"f2'", BEAMCAST_FLOAT16}, {"f4'", BEAMCAST_FLOAT32},     {"f8'", BEAMCAST_FLOAT64}};
  for (size_t i = 0; at[0] == '\'' && at[1] != 0 && i < sizeof types / sizeof types[0]; i++) {
    if (strncmp(at + 2, types[i].name, 3) == 0) {
      return types[i].type;
    }
  }
  return 0;
}

/* "(108, 256, 256)" into x, y, z; how many there are, 0 where it is no shape. */
static int shape_of(const char *at, uint64_t size[3]) {
  uint64_t slowest_first[3] = {1, 1, 1};
  int count = 0;
  if (*at != '(') {
    return 0;
  }
  for (at++; *at != ')'; count++) {
    char *end;
    if (!isdigit((unsigned char)*at)) {
      return 0;
    }
    const unsigned long long n = strtoull(at, &end, 10);
    if (count < 3) {
      slowest_first[count] = n;
    }
    at = end + strspn(end, ", ");
  }
  for (int axis = 0; axis < 3; axis++) {
    size[axis] = axis < count && count <= 3 ? slowest_first[count - 1 - axis] : 1;
  }
  return count;
}

/* The header's text, NUL at its end; the offset of the voxels, 0 where it is no such file. */
static size_t read_header(const char *path, char text[HEADER_MAX + 1]) {
  unsigned char begin[12];
  FILE *file = fopen(path, "re");
  size_t offset = 0, length = 0;
  if (file != NULL && fread(begin, 1, sizeof begin, file) == sizeof begin &&
      memcmp(begin, "\x93NUMPY", 6) == 0 && begin[6] >= 1 && begin[6] <= 3) {
    offset = begin[6] == 1 ? 10 : 12;
    length = (size_t)begin[8] | (size_t)begin[9] << 8;
    length |= begin[6] > 1 ? (size_t)begin[10] << 16 | (size_t)begin[11] << 24 : 0;
  }
  const int good = offset > 0 && length <= HEADER_MAX && fseek(file, (long)offset, SEEK_SET) == 0 &&
                   fread(text, 1, length, file) == length;
  text[good ? length : 0] = 0;
  if (file != NULL) {
    fclose(file);
  }
  return good ? offset + length : 0;
}

int npy_layout(const char *path, beamcast_hdf5_raw_layout *raw, beamcast_error *error) {
  char *text = malloc(HEADER_MAX + 1);
  raw->skip = text != NULL ? read_header(path, text) : 0;
  const char *type = raw->skip > 0 ? value_of(text, "descr") : "";
  const int count = raw->skip > 0 ? shape_of(value_of(text, "shape"), raw->size) : 0;
  int code = BEAMCAST_OK;
  raw->type = type_of(type);
  raw->big_endian = type[0] != 0 && type[1] == '>';
  if (raw->skip == 0 || count == 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_IO, "%s is no .npy file of NumPy", path);
  } else if (raw->type == 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "%s has voxels of type %.*s; integers and floats of up to 64 bits can be "
                         "read",
                         path, (int)(strcspn(type, ",") % 40), type);
  } else if (count < 2 || count > 3) {
    code = beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "%s has %d dimensions; 2 or 3 can be read, `beamcast push` also takes a "
                         "last one of 2 to 4 components",
                         path, count);
  } else if (strncmp(value_of(text, "fortran_order"), "True", 4) == 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "%s is in Fortran order, which only `beamcast push` takes; "
                         "numpy.ascontiguousarray turns it",
                         path);
  }
  free(text);
  return code;
}
