/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_builder.h"

#include <hdf5.h>

#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 200, DEPTH_MAX = 6 };

typedef struct builder {
  byte_source *bytes;
  hid_t group[DEPTH_MAX + 1];
  int depth;
  int damaged;  /* some chunks are no filter's work; no virtual datasets then */
  hid_t object; /* the last dataset, or -1: attributes go to the group then */
} builder;

static const char *const names[] = {"entry",
                                    "data",
                                    "signal",
                                    "default",
                                    "image_key",
                                    "x_pixel_size",
                                    "y_pixel_size",
                                    "x",
                                    "y",
                                    "z",
                                    "energy",
                                    "exchange",
                                    "VTKHDF",
                                    "PointData",
                                    "theta",
                                    "measurement",
                                    "instrument",
                                    "detector",
                                    "pixel_size",
                                    "data_dims",
                                    "data_white",
                                    "configuration",
                                    "processing_options",
                                    "reconstruction",
                                    "voxel_size_cm",
                                    "results",
                                    "final_result",
                                    "CellData",
                                    "recon",
                                    "axes",
                                    "units",
                                    "self"};

static const char *const attributes[] = {"NX_class",        "default",
                                         "signal",          "axes",
                                         "units",           "DIMENSION_LABELS",
                                         "interpretation",  "Type",
                                         "WholeExtent",     "Origin",
                                         "Spacing",         "IMAGE_SUBCLASS",
                                         "element_size_um", "transformation_type",
                                         "long_name",       "Version"};

static const char *const texts[] = {"NXentry",
                                    "NXdata",
                                    "NXdetector",
                                    "NXroot",
                                    "entry",
                                    "data",
                                    "signal",
                                    "ImageData",
                                    "z:y:x",
                                    "theta:y:x",
                                    "tczyx",
                                    "um",
                                    "mm",
                                    "\xc2\xb5m",
                                    "m",
                                    "cm",
                                    "keV",
                                    "angstrom",
                                    "rgb-image",
                                    "1",
                                    "x",
                                    "y",
                                    "z",
                                    "energy",
                                    "time",
                                    ".",
                                    "/entry/data",
                                    "..",
                                    "",
                                    "recon/results",
                                    "nonsense %s%n",
                                    "rotation_angle"};

#define PICK(array, byte) ((array)[(byte) % (sizeof(array) / sizeof(array)[0])])

uint8_t next_byte(byte_source *bytes) {
  if (bytes->left == 0) {
    return 0;
  }
  bytes->left--;
  return *bytes->data++;
}

static uint8_t take(builder *b) {
  return next_byte(b->bytes);
}

static hid_t here(const builder *b) {
  return b->group[b->depth];
}

/* A name of the list, or a short one of any bytes but zero and slash. */
static void take_name(builder *b, const char *const *list, size_t count, char name[64]) {
  const uint8_t n = take(b);
  if (n < 224) {
    snprintf(name, 64, "%s", list[n % count]);
    return;
  }
  int length = n % 8 + 1;
  for (int i = 0; i < length; i++) {
    const uint8_t c = take(b);
    name[i] = (char)(c == 0 || c == '/' ? '_' : c);
  }
  name[length] = 0;
}

/* Integers and floats of both orders, odd widths, bool, complex, and what is no number. The caller
 * closes it. */
static hid_t take_type(builder *b) {
  const uint8_t n = take(b) % 20;
  hid_t plain[] = {H5T_STD_U8LE,   H5T_STD_I8BE,   H5T_STD_U16LE,      H5T_STD_U16BE,
                   H5T_STD_I32LE,  H5T_STD_U64BE,  H5T_STD_I64LE,      H5T_IEEE_F32LE,
                   H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_NATIVE_LDOUBLE, H5T_STD_B16LE};
  hid_t type;
  if (n < sizeof plain / sizeof plain[0]) {
    return H5Tcopy(plain[n]);
  }
  switch (n) {
  case 12: /* half precision */
    type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
  case 13: /* few bits, anywhere */
    type = H5Tcopy(H5T_STD_U32LE);
    H5Tset_precision(type, 1 + take(b) % 24);
    H5Tset_offset(type, take(b) % 8);
    return type;
  case 14: /* a bool of h5py */
    type = H5Tenum_create(H5T_STD_I8LE);
    H5Tenum_insert(type, "FALSE", &(int8_t){0});
    H5Tenum_insert(type, "TRUE", &(int8_t){1});
    return type;
  case 15: /* complex numbers, or records that look like them */
    type = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(type, "r", 0, H5T_IEEE_F32LE);
    H5Tinsert(type, "i", 4, take(b) % 4 == 0 ? H5T_STD_I32LE : H5T_IEEE_F32LE);
    return type;
  case 16:
    type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, take(b) % 2 == 0 ? H5T_VARIABLE : 5);
    return type;
  case 17:
    return H5Tvlen_create(H5T_STD_I32LE);
  case 18:
    return H5Tarray_create2(H5T_IEEE_F32LE, 1, &(hsize_t){3});
  default:
    return H5Tcopy(H5T_STD_REF_OBJ);
  }
}

static int take_shape(builder *b, hsize_t shape[8]) {
  const int rank = take(b) % 8;
  for (int i = 0; i < rank; i++) {
    const uint8_t n = take(b);
    shape[i] = n == 255 ? 1ull << (take(b) % 62) : n % 17; /* a few are absurd */
  }
  return rank;
}

/* Values for a dataset of at most 4096 bytes, whatever its type's numbers are. */
static void fill(builder *b, hid_t dataset) {
  hid_t type = H5Dget_type(dataset);
  const H5T_class_t kind = H5Tget_class(type);
  uint8_t values[4096];
  for (size_t i = 0; i < sizeof values; i++) {
    values[i] = i < 64 ? take(b) : values[i - 64];
  }
  hid_t space = H5Dget_space(dataset);
  const hssize_t points = H5Sget_simple_extent_npoints(space);
  const size_t size = H5Tget_size(type);
  if ((kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_COMPOUND || kind == H5T_ENUM) &&
      points > 0 && size > 0 && (uint64_t)points <= sizeof values / size) {
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  }
  H5Sclose(space);
  H5Tclose(type);
}

/* Chunks and filters; bytes that no filter has made are put in where a chunk should be. */
static void take_storage(builder *b, hid_t list, int rank, const hsize_t shape[8]) {
  hsize_t chunk[8];
  const uint8_t how = take(b);
  if (how % 4 == 0 || rank == 0) {
    H5Pset_layout(list, how % 8 == 0 ? H5D_CONTIGUOUS : H5D_COMPACT);
    return;
  }
  for (int i = 0; i < rank; i++) {
    chunk[i] = 1 + take(b) % 9;
    chunk[i] = chunk[i] > shape[i] && shape[i] > 0 ? shape[i] : chunk[i];
  }
  H5Pset_chunk(list, rank, chunk);
  static const H5Z_filter_t filters[] = {32001, 32004, 32008, 32015, 32000, 32026};
  for (int i = 0; i < take(b) % 4; i++) {
    const uint8_t n = take(b);
    unsigned values[4] = {take(b), take(b), take(b), take(b)};
    switch (n % 8) {
    case 0:
      H5Pset_deflate(list, n / 8 % 10);
      break;
    case 1:
      H5Pset_shuffle(list);
      break;
    case 2:
      H5Pset_fletcher32(list);
      break;
    case 3:
      if (!b->damaged && H5Pget_nfilters(list) == 0) { /* after others the library overruns */
        H5Pset_scaleoffset(list, H5Z_SO_INT, 0);
      }
      break;
    default: /* of others: optional ones, as nobody here can apply them */
      H5Pset_filter(list, PICK(filters, n / 8), H5Z_FLAG_OPTIONAL, 4, values);
      break;
    }
  }
}

static void raw_chunk(builder *b, hid_t dataset) {
  uint8_t bytes[256];
  hsize_t offset[8] = {0};
  const size_t size = 1 + take(b);
  const uint32_t mask = take(b) % 4 == 0 ? take(b) : 0;
  for (size_t i = 0; i < size; i++) {
    bytes[i] = take(b);
  }
  H5Dwrite_chunk(dataset, H5P_DEFAULT, mask, offset, size, bytes);
}

/* The HDF5 library reads past the end of chunks whose decoded size is wrong. Such chunks are made
 * only where our own decoders see them: numbers that need no conversion, in files without virtual
 * datasets, and not of the kind that the inspector reads through the library. */
static int may_be_damaged(const builder *b, hid_t type, hid_t list, hid_t space) {
  const H5T_class_t kind = H5Tget_class(type);
  return b->damaged && H5Sget_simple_extent_ndims(space) > 1 &&
         H5Sget_simple_extent_npoints(space) > 0 && H5Pget_nfilters(list) > 0 &&
         (kind == H5T_INTEGER || kind == H5T_FLOAT) && H5Tget_size(type) <= 8 &&
         H5Tget_precision(type) == 8 * H5Tget_size(type);
}

static void add_dataset(builder *b) {
  char name[64];
  hsize_t shape[8], most[8];
  take_name(b, names, sizeof names / sizeof names[0], name);
  hid_t type = take_type(b), list = H5Pcreate(H5P_DATASET_CREATE);
  const int rank = take_shape(b, shape);
  take_storage(b, list, rank, shape);
  for (int i = 0; i < rank; i++) {
    most[i] = H5Pget_layout(list) == H5D_CHUNKED && i == 0 ? H5S_UNLIMITED : shape[i];
  }
  hid_t space = rank > 0 ? H5Screate_simple(rank, shape, most) : H5Screate(H5S_SCALAR);
  if (b->object >= 0) {
    H5Dclose(b->object);
  }
  b->object = H5Dcreate2(here(b), name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
  if (b->object >= 0 && may_be_damaged(b, type, list, space)) {
    raw_chunk(b, b->object);
  } else if (b->object >= 0) {
    fill(b, b->object);
  }
  H5Sclose(space);
  H5Pclose(list);
  H5Tclose(type);
}

/* Of this file and not virtual itself: a virtual dataset that leads to itself has the library
 * recurse until the stack ends. */
static int is_source(const builder *b, const char *name) {
  int good = 0;
  H5E_BEGIN_TRY {
    hid_t dataset = H5Dopen2(b->group[0], name, H5P_DEFAULT);
    hid_t list = H5Dget_create_plist(dataset);
    const H5D_layout_t layout = H5Pget_layout(list);
    good = layout == H5D_CHUNKED || layout == H5D_CONTIGUOUS || layout == H5D_COMPACT;
    H5Pclose(list);
    H5Dclose(dataset);
  }
  H5E_END_TRY
  return good;
}

static void add_virtual(builder *b) {
  char name[64];
  const hsize_t shape[3] = {1 + take(b) % 8, 3, 4}, part[3] = {1 + take(b) % 8, 3, 4},
                start[3] = {take(b) % 8, 0, 0}, one[3] = {1, 1, 1};
  take_name(b, names, sizeof names / sizeof names[0], name);
  hid_t space = H5Screate_simple(3, shape, NULL), source = H5Screate_simple(3, part, NULL);
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, one, part);
  const int here_too = take(b) % 2 == 0;
  const char *from = take(b) % 2 == 0 ? "/entry/data" : "data";
  H5Pset_virtual(list, space, here_too && is_source(b, from) ? "." : "absent.h5", from, source);
  H5Dclose(H5Dcreate2(here(b), name, H5T_STD_U16LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
  H5Pclose(list);
  H5Sclose(source);
  H5Sclose(space);
}

static void add_attribute(builder *b) {
  char name[64], text[8][64] = {{0}};
  const char *variable[8];
  const hid_t owner = b->object >= 0 && take(b) % 2 == 0 ? b->object : here(b);
  take_name(b, attributes, sizeof attributes / sizeof attributes[0], name);
  const hsize_t count = 1 + take(b) % 7;
  const uint8_t how = take(b);
  hid_t type,
      space = how % 8 < 4 && count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, NULL);
  double numbers[8];
  const void *values = numbers;
  for (hsize_t i = 0; i < count; i++) {
    if (how % 4 == 3) {
      numbers[i] = (double)(int8_t)take(b) / 4;
    } else {
      take_name(b, texts, sizeof texts / sizeof texts[0], text[i]);
    }
    variable[i] = text[i];
  }
  if (how % 4 == 3) {
    type = H5Tcopy(H5T_NATIVE_DOUBLE);
  } else {
    type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, how % 4 == 2 ? H5T_VARIABLE : sizeof text[0]);
    values = how % 4 == 2 ? (const void *)variable : (const void *)text;
  }
  hid_t attribute = H5Acreate2(owner, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) {
    H5Awrite(attribute, type, values);
    H5Aclose(attribute);
  }
  H5Sclose(space);
  H5Tclose(type);
}

static void add_link(builder *b) {
  char name[64], target[64];
  take_name(b, names, sizeof names / sizeof names[0], name);
  take_name(b, names, sizeof names / sizeof names[0], target);
  switch (take(b) % 4) {
  case 0:
    H5Lcreate_soft(target, here(b), name, H5P_DEFAULT, H5P_DEFAULT);
    break;
  case 1:
    H5Lcreate_soft("/entry/data", here(b), name, H5P_DEFAULT, H5P_DEFAULT);
    break;
  case 2:
    H5Lcreate_external(target, "/entry", here(b), name, H5P_DEFAULT, H5P_DEFAULT);
    break;
  default: /* a circle, or a second name */
    H5Lcreate_hard(b->group[0], take(b) % 2 == 0 ? "/" : target, here(b), name, H5P_DEFAULT,
                   H5P_DEFAULT);
    break;
  }
}

static void enter_group(builder *b) {
  char name[64];
  take_name(b, names, sizeof names / sizeof names[0], name);
  if (b->depth == DEPTH_MAX) {
    return;
  }
  hid_t group = H5Gcreate2(here(b), name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  group = group >= 0 ? group : H5Gopen2(here(b), name, H5P_DEFAULT);
  if (group >= 0) {
    b->group[++b->depth] = group;
  }
}

static void step(builder *b) {
  switch (take(b) % 8) {
  case 0:
  case 1:
    enter_group(b);
    break;
  case 2:
    if (b->depth > 0) {
      H5Gclose(b->group[b->depth--]);
    }
    break;
  case 3:
  case 4:
    add_dataset(b);
    break;
  case 5:
  case 6:
    add_attribute(b);
    break;
  default:
    if (!b->damaged && take(b) % 4 == 0) {
      add_virtual(b);
    } else {
      add_link(b);
    }
    break;
  }
}

int build_file(const char *path, byte_source *bytes) {
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  const uint8_t how = next_byte(bytes);
  if (how % 2 == 0) {
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V110);
  }
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  if (file < 0) {
    return -1;
  }
  builder b = {.bytes = bytes, .object = -1, .damaged = how / 2 % 2};
  b.group[0] = H5Gopen2(file, "/", H5P_DEFAULT);
  for (int i = 0; i < STEPS_MAX && bytes->left > 0; i++) {
    step(&b);
  }
  if (b.object >= 0) {
    H5Dclose(b.object);
  }
  for (; b.depth >= 0; b.depth--) {
    H5Gclose(b.group[b.depth]);
  }
  return H5Fclose(file) < 0 ? -1 : 0;
}
