/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One dataset: can it be a volume, of what type, stored how.
 */
#include "inspect.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include <jansson.h>

/* Which IEEE type has the bits of a floating point type: 2, 4 or 8 bytes, 0 for others. */
static size_t ieee_bytes(hid_t type) {
  static const struct {
    size_t bytes, sign, exponent, exponent_bits, mantissa_bits, bias;
  } formats[] = {{2, 15, 10, 5, 10, 15}, {4, 31, 23, 8, 23, 127}, {8, 63, 52, 11, 52, 1023}};
  size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0) {
    return 0;
  }
  for (size_t i = 0; i < 3; i++) {
    if (H5Tget_size(type) == formats[i].bytes && sign == formats[i].sign &&
        exponent == formats[i].exponent && exponent_bits == formats[i].exponent_bits &&
        mantissa == 0 && mantissa_bits == formats[i].mantissa_bits &&
        H5Tget_ebias(type) == formats[i].bias && H5Tget_norm(type) == H5T_NORM_IMPLIED) {
      return formats[i].bytes;
    }
  }
  return 0;
}

static int is_swapped(hid_t type) {
  const H5T_order_t order = H5Tget_order(type);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return order == H5T_ORDER_BE;
#else
  return order == H5T_ORDER_LE;
#endif
}

static int integer_type(size_t bytes, int is_signed) {
  switch (bytes) {
  case 1:
    return is_signed ? BEAMCAST_INT8 : BEAMCAST_UINT8;
  case 2:
    return is_signed ? BEAMCAST_INT16 : BEAMCAST_UINT16;
  case 4:
    return is_signed ? BEAMCAST_INT32 : BEAMCAST_UINT32;
  case 8:
    return is_signed ? BEAMCAST_HDF5_INT64 : BEAMCAST_HDF5_UINT64;
  default:
    return 0;
  }
}

/* An element whose bits must pass through the library: any integer or float fits one of these. */
static void odd_number(hid_t type, int is_float, int is_signed, voxel_element *element) {
  size_t bytes = H5Tget_size(type), fit = 1;
  while (fit < bytes && fit < 8) {
    fit *= 2;
  }
  if (is_float) {
    element->type = bytes <= 4 ? BEAMCAST_FLOAT32 : BEAMCAST_FLOAT64;
  } else {
    element->type = integer_type(fit, is_signed);
  }
  element->swap = 0;
}

/* A pair of equal floats called real and imaginary part, in any usual way. */
static int is_complex(hid_t type) {
  if (H5Tget_class(type) != H5T_COMPOUND || H5Tget_nmembers(type) != 2) {
    return 0;
  }
  int fits = H5Tget_member_class(type, 0) == H5T_FLOAT && H5Tget_member_class(type, 1) == H5T_FLOAT;
  char *first = H5Tget_member_name(type, 0), *second = H5Tget_member_name(type, 1);
  fits = fits && first != NULL && second != NULL && tolower((unsigned char)first[0]) == 'r' &&
         tolower((unsigned char)second[0]) == 'i';
  H5free_memory(first);
  H5free_memory(second);
  return fits;
}

/* Returns 0 and *direct: the bytes in the file are the element's but for their order. */
static int element_of(hid_t type, voxel_element *element, int *direct) {
  const H5T_class_t class = H5Tget_class(type);
  memset(element, 0, sizeof *element);
  *direct = 0;
  if (class == H5T_INTEGER || class == H5T_ENUM || class == H5T_BITFIELD) {
    hid_t base = class == H5T_ENUM ? H5Tget_super(type) : H5Tcopy(type);
    const size_t size = H5Tget_size(base);
    int is_signed = class != H5T_BITFIELD && H5Tget_sign(base) == H5T_SGN_2;
    if (class == H5T_ENUM && size == 1 && H5Tget_nmembers(type) == 2) {
      is_signed = 0; /* a bool */
    }
    element->type = integer_type(size, is_signed);
    element->swap = size > 1 && is_swapped(base);
    *direct = element->type != 0 && H5Tget_precision(base) == 8 * size && H5Tget_offset(base) == 0;
    if (!*direct) {
      odd_number(base, 0, is_signed, element);
    }
    H5Tclose(base);
  } else if (class == H5T_FLOAT) {
    const size_t bytes = ieee_bytes(type);
    static const int types[] = {BEAMCAST_FLOAT16, BEAMCAST_FLOAT32, BEAMCAST_FLOAT64};
    if (bytes != 0) {
      element->type = types[bytes / 4];
      element->swap = is_swapped(type);
      const H5T_order_t order = H5Tget_order(type);
      *direct = order == H5T_ORDER_LE || order == H5T_ORDER_BE;
    }
    if (!*direct) {
      odd_number(type, 1, 1, element);
    }
  } else if (is_complex(type)) {
    hid_t part = H5Tget_member_type(type, 0), other = H5Tget_member_type(type, 1);
    const int same = H5Tequal(part, other) > 0;
    H5Tclose(other);
    const int failed = !same || element_of(part, element, direct) != 0;
    const size_t size = H5Tget_size(part);
    H5Tclose(part);
    if (failed || !*direct || H5Tget_member_offset(type, 0) != 0 ||
        H5Tget_member_offset(type, 1) != size || H5Tget_size(type) != 2 * size) {
      return -1;
    }
    element->complex = 1;
  } else {
    return -1;
  }
  element->bytes = voxel_type_size(element->type) * (element->complex ? 2 : 1);
  return element->type != 0 ? 0 : -1;
}

static const char *class_name(hid_t type) {
  switch (H5Tget_class(type)) {
  case H5T_STRING:
    return "text";
  case H5T_COMPOUND:
    return "records";
  case H5T_REFERENCE:
    return "references";
  case H5T_VLEN:
    return "rows of varying length";
  case H5T_ARRAY:
    return "small arrays";
  default:
    return "no numbers that are known here";
  }
}

/* Whether the chunk at offset was written. For chunks without filters HDF5 1.10 tells the size of
 * those that were not, too. */
static int chunk_there(hid_t dataset, const hsize_t offset[], int filtered) {
  unsigned mask;
  haddr_t address = HADDR_UNDEF;
  hsize_t bytes = 0;
  if (filtered) {
    return H5Dget_chunk_storage_size(dataset, offset, &bytes) >= 0 && bytes > 0;
  }
  return H5Dget_chunk_info_by_coord(dataset, offset, &mask, &address, &bytes) >= 0 &&
         address != HADDR_UNDEF;
}

/* The last plane along the slowest dimension that has a chunk, plus one: those before it count as
 * written. A scan writes its frames in order, so halving finds it. */
static uint64_t planes_there(hid_t dataset, const volume *v) {
  const uint64_t planes = v->about.shape[0], thick = v->about.chunk[0];
  uint64_t low = 0, high = (planes + thick - 1) / thick; /* in layers of chunks */
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    hsize_t offset[MAX_DIMS] = {0};
    offset[0] = middle * thick;
    if (chunk_there(dataset, offset, v->filters[0] != 0)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low * thick < planes ? low * thick : planes;
}

/* Names the files that parts of a virtual dataset should come from and that are not there. */
static void virtual_sources(beamcast_hdf5_file *file, hid_t dataset, hid_t list,
                            const char *object) {
  size_t count = 0;
  char here[4096], name[4096], last[4096] = "";
  if (H5Fget_name(dataset, here, sizeof here) < 0 || H5Pget_virtual_count(list, &count) < 0) {
    return;
  }
  for (size_t i = 0; i < count && i < 100000; i++) {
    if (H5Pget_virtual_filename(list, i, name, sizeof name) <= 0 || strcmp(name, last) == 0 ||
        strcmp(name, ".") == 0 || strchr(name, '%') != NULL) {
      continue;
    }
    memcpy(last, name, sizeof last);
    if (external_file(here, name) != 1) {
      volumes_miss(file, "The file %.200s is missing; a part of %.200s should come from it", name,
                   object);
    }
  }
}

static int storage_of(beamcast_hdf5_file *file, const char *object, hid_t dataset, volume *v,
                      beamcast_error *error) {
  const char *storage = "contiguous";
  hsize_t chunk[MAX_DIMS] = {0};
  snprintf(v->storage, sizeof v->storage, "%s", storage);
  if (H5Dget_offset(dataset) != HADDR_UNDEF) { /* contiguous; the list below is costly */
    return BEAMCAST_OK;
  }
  hid_t list = H5Dget_create_plist(dataset);
  if (list < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s in %s is damaged (%s)", object, file->path,
                         h5_last_message());
  }
  switch (H5Pget_layout(list)) {
  case H5D_CHUNKED:
    storage = "chunked";
    if (H5Pget_chunk(list, v->about.dimensions, chunk) == v->about.dimensions) {
      for (int i = 0; i < v->about.dimensions; i++) {
        v->about.chunk[i] = chunk[i];
      }
      filters_name(list, v->filters, sizeof v->filters);
      if (file->options.live && v->about.shape[0] > 0 && chunk[0] > 0 && v->about.dimensions > 2) {
        v->about.planes_written = planes_there(dataset, v);
      }
    }
    break;
  case H5D_COMPACT:
    storage = "compact";
    break;
  case H5D_VIRTUAL:
    storage = "virtual";
    virtual_sources(file, dataset, list, object);
    break;
  default:
    if (H5Pget_external_count(list) > 0) {
      storage = "external";
    }
    break;
  }
  snprintf(v->storage, sizeof v->storage, "%s", storage);
  H5Pclose(list);
  return BEAMCAST_OK;
}

/* The last dimension holds colours when the file says so, or 3 or 4 bytes end a larger picture. */
static int ends_with_colours(hid_t dataset, const volume *v) {
  const int n = v->about.dimensions;
  const uint64_t last = n > 2 ? v->about.shape[n - 1] : 0;
  if (last < 2 || last > 4) {
    return 0;
  }
  char *text = h5_attribute_text(dataset, "interpretation");
  int colours = text != NULL && strncasecmp(text, "rgb", 3) == 0;
  free(text);
  text = h5_attribute_text(dataset, "IMAGE_SUBCLASS");
  colours = colours || (text != NULL && strcasecmp(text, "IMAGE_TRUECOLOR") == 0);
  free(text);
  const int small = v->element.type == BEAMCAST_UINT8 || v->element.type == BEAMCAST_UINT16;
  return colours || (small && last > 2 && v->about.shape[n - 2] > 8 && v->about.shape[n - 3] > 8);
}

/* The unit of the values, as far as it is text of a sensible length. */
static void value_unit_of(hid_t dataset, volume *v) {
  char *unit = h5_attribute_text(dataset, "units");
  unit = unit != NULL ? unit : h5_attribute_text(dataset, "unit");
  json_t *text = unit != NULL && strlen(unit) < sizeof v->value_unit ? json_string(unit) : NULL;
  if (text != NULL) { /* it is UTF-8 */
    snprintf(v->value_unit, sizeof v->value_unit, "%s", unit);
  }
  json_decref(text);
  free(unit);
}

int inspect_dataset(beamcast_hdf5_file *file, const char *object, volume *v,
                    beamcast_error *error) {
  hid_t dataset = H5Dopen2(file->id, object, H5P_DEFAULT);
  if (dataset < 0) {
    return beamcast_fail(
        error, h5_exists(file->id, object) ? BEAMCAST_ERR_IO : BEAMCAST_ERR_ARGUMENT,
        "%s can't be opened as a dataset in %s (%s)", object, file->path, h5_last_message());
  }
  const int result = inspect_opened(file, dataset, object, v, error);
  H5Dclose(dataset);
  return result;
}

int inspect_opened(beamcast_hdf5_file *file, hid_t dataset, const char *object, volume *v,
                   beamcast_error *error) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  hsize_t shape[H5S_MAX_RANK] = {0};
  const int rank = space >= 0 ? H5Sget_simple_extent_dims(space, shape, NULL) : -1;
  int result = BEAMCAST_OK, direct = 0;
  double bytes = 1;
  if (type < 0 || rank < 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_IO, "%s in %s is damaged (%s)", object, file->path,
                           h5_last_message());
  } else if (element_of(type, &v->element, &direct) != 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s in %s holds %s, not voxels", object,
                           file->path, class_name(type));
  } else if (rank < 2 || rank > MAX_DIMS) {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "%s in %s has %d dimensions; a volume has 2 to %d", object, file->path,
                           rank, MAX_DIMS);
  }
  for (int i = 0; result == BEAMCAST_OK && i < rank; i++) {
    v->about.shape[i] = shape[i];
    bytes *= (double)shape[i];
    if (shape[i] == 0) {
      result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                             "%s in %s is empty: its dimension %d has no elements", object,
                             file->path, i);
    }
  }
  if (result == BEAMCAST_OK && bytes * 16 > 4e18) {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s in %s claims %.3g elements", object,
                           file->path, bytes);
  }
  if (result == BEAMCAST_OK) {
    v->about.dimensions = rank;
    v->direct = direct;
    result = storage_of(file, object, dataset, v, error);
  }
  if (result == BEAMCAST_OK) {
    value_unit_of(dataset, v);
    volume_default_roles(v);
    if (ends_with_colours(dataset, v)) {
      v->about.dimensions = rank - 1;
      volume_default_roles(v);
      v->about.dimensions = rank;
      v->about.role[rank - 1] = BEAMCAST_HDF5_COMPONENT;
    }
  }
  H5Sclose(space);
  H5Tclose(type);
  return result;
}
