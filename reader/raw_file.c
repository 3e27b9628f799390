/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Raw files (.raw, .vol): the shape from the caller, from a sidecar (MetaImage .mhd, ESRF .info,
 * .json), or from the name ("bone_512x512x300_uint16.raw"); .npy files say it themselves.
 */
#include "volume.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

static int ends_with(const char *path, const char *ending) {
  const size_t length = strlen(path), wanted = strlen(ending);
  return length > wanted && strcasecmp(path + length - wanted, ending) == 0;
}

int is_raw(const char *path) {
  return ends_with(path, ".raw") || ends_with(path, ".vol") || ends_with(path, ".mhd") ||
         is_npy(path);
}

/* The value after "KEY =" or "KEY :" in a text of lines; "" when there is none. */
static int value_of(const char *text, const char *key, char value[200]) {
  const size_t length = strlen(key);
  for (const char *line = text; line != NULL && *line != 0;) {
    const char *end = strchr(line, '\n');
    const char *p = line;
    while (*p == ' ' || *p == '!') {
      p++;
    }
    if (strncasecmp(p, key, length) == 0 &&
        (isspace((unsigned char)p[length]) || p[length] == '=')) {
      p += length + strspn(p + length, " \t=:");
      const size_t size = end != NULL ? (size_t)(end - p) : strlen(p);
      snprintf(value, 200, "%.*s", (int)(size < 199 ? size : 199), p);
      value[strcspn(value, "\r")] = 0;
      return 1;
    }
    line = end != NULL ? end + 1 : NULL;
  }
  value[0] = 0;
  return 0;
}

static char *read_text(const char *path) {
  struct stat status;
  FILE *file = fopen(path, "re");
  char *text = NULL;
  if (file != NULL && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
      status.st_size < 1 << 20) {
    text = calloc(1, (size_t)status.st_size + 1);
    if (text != NULL && fread(text, 1, (size_t)status.st_size, file) != (size_t)status.st_size) {
      free(text);
      text = NULL;
    }
  }
  if (file != NULL) {
    fclose(file);
  }
  return text;
}

/* A sidecar that adds a line end or replaces one: name.vol.info, name.info. */
static char *sidecar(const char *path, const char *ending) {
  char name[4200];
  snprintf(name, sizeof name, "%.4095s%s", path, ending);
  char *text = read_text(name);
  snprintf(name, sizeof name, "%.4095s", path);
  char *dot = strrchr(name, '.');
  if (text == NULL && dot != NULL) {
    snprintf(dot, sizeof name - (size_t)(dot - name), "%s", ending);
    text = read_text(name);
  }
  return text;
}

static void scan_sizes(const char *value, uint64_t size[3]) {
  unsigned long long x = 0, y = 0, z = 1;
  if (sscanf(value, "%llu %llu %llu", &x, &y, &z) >= 2) {
    size[0] = x;
    size[1] = y;
    size[2] = z;
  }
}

static void from_metaimage(const char *text, beamcast_hdf5_raw_layout *raw, char data[200]) {
  static const struct {
    const char *name;
    int type;
  } types[] = {{"MET_UCHAR", BEAMCAST_UINT8},   {"MET_CHAR", BEAMCAST_INT8},
               {"MET_USHORT", BEAMCAST_UINT16}, {"MET_SHORT", BEAMCAST_INT16},
               {"MET_UINT", BEAMCAST_UINT32},   {"MET_INT", BEAMCAST_INT32},
               {"MET_FLOAT", BEAMCAST_FLOAT32}, {"MET_DOUBLE", BEAMCAST_FLOAT64}};
  char value[200];
  if (value_of(text, "DimSize", value)) {
    scan_sizes(value, raw->size);
  }
  value_of(text, "ElementType", value);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    raw->type = strcmp(value, types[i].name) == 0 ? types[i].type : raw->type;
  }
  raw->big_endian = (value_of(text, "BinaryDataByteOrderMSB", value) ||
                     value_of(text, "ElementByteOrderMSB", value)) &&
                    strncasecmp(value, "true", 4) == 0;
  if (value_of(text, "ElementSpacing", value) || value_of(text, "ElementSize", value)) {
    sscanf(value, "%lf %lf %lf", &raw->spacing[0], &raw->spacing[1], &raw->spacing[2]);
  }
  if (value_of(text, "HeaderSize", value)) {
    raw->skip = strtoull(value, NULL, 10);
  }
  value_of(text, "ElementDataFile", data);
}

/* Of the reconstruction programs of the ESRF: float32, sizes by axis, the voxel in um. */
static void from_info(const char *text, beamcast_hdf5_raw_layout *raw) {
  static const char *const names[] = {"NUM_X", "NUM_Y", "NUM_Z"};
  char value[200];
  for (int axis = 0; axis < 3; axis++) {
    if (value_of(text, names[axis], value)) {
      raw->size[axis] = strtoull(value, NULL, 10);
    }
  }
  raw->type = BEAMCAST_FLOAT32;
  raw->big_endian = value_of(text, "BYTEORDER", value) && strncasecmp(value, "HIGH", 4) == 0;
  if (value_of(text, "voxelSize", value)) {
    raw->spacing[0] = raw->spacing[1] = raw->spacing[2] = atof(value) * 1e-3;
  }
}

static void from_json(const char *text, beamcast_hdf5_raw_layout *raw) {
  json_t *o = json_loads(text, 0, NULL);
  const json_t *size = json_object_get(o, "size"), *spacing = json_object_get(o, "spacing");
  const char *type = json_string_value(json_object_get(o, "type"));
  const char *order = json_string_value(json_object_get(o, "byte_order"));
  const double metres = unit_metres(json_string_value(json_object_get(o, "unit")), NULL);
  for (size_t axis = 0; axis < 3; axis++) {
    const json_int_t n = json_integer_value(json_array_get(size, axis));
    raw->size[axis] = n > 0 ? (uint64_t)n : 0;
    raw->spacing[axis] =
        json_number_value(json_array_get(spacing, axis)) * (metres > 0 ? metres * 1e3 : 1);
  }
  raw->type = type != NULL ? voxel_type_from_name(type) : 0;
  raw->skip = (uint64_t)json_integer_value(json_object_get(o, "skip"));
  raw->big_endian = order != NULL && strcmp(order, "big") == 0;
  json_decref(o);
}

/* Sizes as "512x512x300" and the name of a type, anywhere in the file's name. */
static void from_name(const char *path, beamcast_hdf5_raw_layout *raw) {
  const char *name = strrchr(path, '/');
  name = name != NULL ? name + 1 : path;
  for (const char *p = name; *p != 0 && raw->size[0] == 0; p++) {
    unsigned long long x, y, z;
    if (isdigit((unsigned char)*p) && (p == name || !isdigit((unsigned char)p[-1])) &&
        sscanf(p, "%llux%llux%llu", &x, &y, &z) == 3) {
      raw->size[0] = x;
      raw->size[1] = y;
      raw->size[2] = z;
    }
  }
  static const int types[] = {BEAMCAST_UINT16,      BEAMCAST_UINT32,     BEAMCAST_UINT8,
                              BEAMCAST_FLOAT32,     BEAMCAST_FLOAT64,    BEAMCAST_FLOAT16,
                              BEAMCAST_HDF5_UINT64, BEAMCAST_HDF5_INT64, BEAMCAST_INT16,
                              BEAMCAST_INT32,       BEAMCAST_INT8};
  for (size_t i = 0; i < sizeof types / sizeof types[0] && raw->type == 0; i++) {
    raw->type = strcasestr(name, voxel_type_name(types[i])) != NULL ? types[i] : 0;
  }
}

/* A .mhd names its data; "LOCAL" (in one file) is not read here. */
static int data_path(const char *path, const char *data, char out[4200]) {
  const char *slash = strrchr(path, '/');
  if (!ends_with(path, ".mhd") || data[0] == 0) {
    snprintf(out, 4200, "%.4095s", path);
  } else if (data[0] == '/' || slash == NULL) {
    snprintf(out, 4200, "%s", data);
  } else {
    snprintf(out, 4200, "%.*s/%s", (int)(slash - path < 3900 ? slash - path : 3900), path, data);
  }
  return access(out, R_OK);
}

static void find_layout(const char *path, beamcast_hdf5_raw_layout *raw, char data[200]) {
  char *text;
  data[0] = 0;
  if ((text = ends_with(path, ".mhd") ? read_text(path) : sidecar(path, ".mhd")) != NULL) {
    from_metaimage(text, raw, data);
  } else if ((text = sidecar(path, ".info")) != NULL) {
    from_info(text, raw);
  } else if ((text = sidecar(path, ".json")) != NULL) {
    from_json(text, raw);
  } else {
    from_name(path, raw);
  }
  free(text);
}

static const char *leaf(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

/* The types whose voxels have so many bytes, as the end of a sentence; "" where there are none. */
static void types_that_fit(double bytes, char text[120]) {
  static const char *const types[] = {[1] = "uint8 or int8",
                                      [2] = "uint16, int16 or float16",
                                      [4] = "float32, uint32 or int32",
                                      [8] = "float64, uint64 or int64"};
  if (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) {
    snprintf(text, 120, "; it would be whole with %s", types[(int)bytes]);
  }
}

int inspect_raw(beamcast_hdf5_file *file, beamcast_error *error) {
  const beamcast_hdf5_raw_layout *given = &file->options.raw;
  beamcast_hdf5_raw_layout raw = {0};
  char data[200] = "", path[4200];
  if (is_npy(file->path)) {
    int code = npy_layout(file->path, &raw, error);
    if (code != BEAMCAST_OK) {
      return code;
    }
  } else {
    find_layout(file->path, &raw, data);
  }
  if (given->size[0] > 0) {
    memcpy(raw.size, given->size, sizeof raw.size);
  }
  raw.type = given->type != 0 ? given->type : raw.type;
  raw.skip = given->skip > 0 ? given->skip : raw.skip;
  raw.big_endian = raw.big_endian || given->big_endian;
  for (int axis = 0; axis < 3; axis++) {
    raw.spacing[axis] = given->spacing[axis] > 0 ? given->spacing[axis] : raw.spacing[axis];
  }
  struct stat status;
  if (data_path(file->path, data, path) != 0 || stat(path, &status) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s, the data of %.100s, can't be read", path,
                         leaf(file->path));
  }
  const double voxels = (double)raw.size[0] * (double)raw.size[1] * (double)raw.size[2];
  const uint64_t size = (uint64_t)status.st_size,
                 length = size - (raw.skip < size ? raw.skip : size);
  if (raw.type == 0 && voxels == (double)length) {
    raw.type = BEAMCAST_UINT8;
  }
  if (!(voxels >= 1) || voxels > 1e18 || voxel_type_size(raw.type) == 0) {
    char fitting[120] = "";
    types_that_fit((double)length / voxels, fitting);
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "the size and type of the raw file %s are not known: put them into its name "
        "(bone_512x512x300_uint16.raw) or a sidecar (.mhd, .info, .json), or give them (`beamcast "
        "push` with --size X,Y,Z and --type T)%s",
        file->path, fitting);
  }
  const double bytes = voxels * (double)voxel_type_size(raw.type);
  /* What follows the voxels is somebody's; but not where the size or the type are a guess of one's
   * own. */
  const int guessed = (given->size[0] > 0 || given->type != 0) && raw.skip == 0;
  if ((double)raw.skip + bytes > (double)status.st_size ||
      (guessed && bytes < (double)status.st_size)) {
    char fitting[120] = "";
    types_that_fit((double)length / voxels, fitting);
    return beamcast_fail(
        error, BEAMCAST_ERR_IO,
        "%s has %lld bytes; %llu x %llu x %llu voxels of %s from byte %llu on need %.0f%s%s", path,
        (long long)status.st_size, (unsigned long long)raw.size[0], (unsigned long long)raw.size[1],
        (unsigned long long)raw.size[2], voxel_type_name(raw.type), (unsigned long long)raw.skip,
        bytes, fitting,
        fitting[0] == 0 && bytes < (double)status.st_size
            ? "; --skip says how many come before them"
            : "");
  }
  volume *v = volumes_add(file, "/", leaf(path));
  if (v == NULL || (v->data_file = strdup(path)) == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for a volume");
  }
  v->kind = SOURCE_RAW;
  v->direct = 1;
  v->data_offset = raw.skip;
  v->element = (voxel_element){.type = raw.type, .bytes = voxel_type_size(raw.type)};
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  v->element.swap = raw.big_endian;
#else
  v->element.swap = !raw.big_endian;
#endif
  v->about.dimensions = 3;
  for (int axis = 0; axis < 3; axis++) {
    v->about.shape[2 - axis] = raw.size[axis];
    if (raw.spacing[axis] > 0) {
      v->about.spacing[axis] = raw.spacing[axis];
      v->about.spacing_known = 1;
    }
  }
  if (v->about.spacing_known) {
    v->about.unit_metres = unit_metres("mm", v->unit);
  }
  volume_default_roles(v);
  snprintf(v->convention, sizeof v->convention, is_npy(path) ? "NumPy file" : "raw file");
  snprintf(v->storage, sizeof v->storage, "raw");
  return BEAMCAST_OK;
}
