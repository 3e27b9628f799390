/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pipeline of a dataset's filters: their names, who decodes them, one chunk through all.
 */
#include "filters.h"

#include <stdlib.h>

enum { ID_BZIP2 = 307 };

/* Names for messages; the package is the one that brings the plug-in. */
static const struct {
  int id;
  const char *name, *package;
} known[] = {
    {1, "deflate", NULL},
    {2, "shuffle", NULL},
    {3, "fletcher32", NULL},
    {4, "szip", "an HDF5 library built with szip"},
    {5, "n-bit", NULL},
    {6, "scale-offset", NULL},
    {307, "bzip2", "Debian's hdf5-filter-plugin or PyPI's hdf5plugin"},
    {32000, "LZF", NULL},
    {32001, "Blosc", "Debian's hdf5-filter-plugin-blosc-serial or PyPI's hdf5plugin"},
    {32004, "LZ4", "Debian's hdf5-filter-plugin or PyPI's hdf5plugin"},
    {32008, "bitshuffle", "PyPI's hdf5plugin"},
    {32013, "zfp", "Debian's hdf5-filter-plugin-zfp-serial or PyPI's hdf5plugin"},
    {32015, "Zstandard", "PyPI's hdf5plugin"},
    {32017, "SZ", "PyPI's hdf5plugin"},
    {32018, "FCIDECOMP", "PyPI's hdf5plugin"},
    {32019, "JPEG", "the HDF Group's filter plug-ins"},
    {32023, "granular bit round", "the CCR package of NCAR"},
    {32024, "SZ3", "PyPI's hdf5plugin"},
    {32026, "Blosc2", "PyPI's hdf5plugin"},
    {32028, "SPERR", "PyPI's hdf5plugin"},
};

static const char *filter_name(int id, const char *fallback) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (known[i].id == id) {
      return known[i].name;
    }
  }
  return fallback[0] != 0 ? fallback : "unnamed";
}

static const char *filter_package(int id) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (known[i].id == id && known[i].package != NULL) {
      return known[i].package;
    }
  }
  return "a plug-in in HDF5_PLUGIN_PATH";
}

static void append_name(char *names, size_t size, const char *name) {
  size_t used = strlen(names);
  snprintf(names + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

void filters_name(hid_t creation_list, char *names, size_t size) {
  names[0] = 0;
  int count = H5Pget_nfilters(creation_list);
  for (int i = 0; i < count && i < FILTERS_MAX; i++) {
    unsigned flags, config;
    size_t values = 0;
    char name[64] = "";
    H5Z_filter_t id = H5Pget_filter2(creation_list, (unsigned)i, &flags, &values, NULL, sizeof name,
                                     name, &config);
    append_name(names, size, filter_name(id, name));
  }
}

static int no_decoder(const filter_step *step, const char *name, const char *reason,
                      beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                       "The data are compressed with the HDF5 filter %s (%d), which is not "
                       "installed; %s brings it, then set HDF5_PLUGIN_PATH to its folder%s%s",
                       filter_name(step->id, name), step->id, filter_package(step->id),
                       reason[0] != 0 ? "; " : "", reason);
}

int filters_open(filter_pipeline *pipeline, hid_t creation_list, beamcast_error *error) {
  memset(pipeline, 0, sizeof *pipeline);
  pipeline->decodable = 1;
  int count = H5Pget_nfilters(creation_list);
  if (count < 0 || count > FILTERS_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "The dataset has %d filters; this reader takes up to %d", count,
                         FILTERS_MAX);
  }
  for (int i = 0; i < count; i++) {
    filter_step *step = &pipeline->step[i];
    unsigned flags, config;
    size_t values = FILTER_VALUES_MAX;
    char name[64] = "", reason[320] = "";
    step->id = H5Pget_filter2(creation_list, (unsigned)i, &flags, &values, step->values,
                              sizeof name, name, &config);
    step->count = (unsigned)(values < FILTER_VALUES_MAX ? values : FILTER_VALUES_MAX);
    append_name(pipeline->names, sizeof pipeline->names, filter_name(step->id, name));
    step->decode = filter_decoder(step->id);
    if (step->decode != NULL) {
      continue;
    }
    if (step->id > 255) { /* below are the library's own */
      step->plugin = filter_plugin_find(step->id, reason, sizeof reason);
      step->one_at_a_time = step->id != ID_BZIP2;
    }
    if (step->plugin == NULL) {
      pipeline->decodable = 0;
      if (H5Zfilter_avail(step->id) <= 0) {
        return no_decoder(step, name, reason, error);
      }
    }
  }
  pipeline->count = count;
  return BEAMCAST_OK;
}

static uint8_t *scratch_buffer(filter_scratch *scratch, int which, size_t bytes) {
  if (scratch->bytes[which] < bytes) {
    free(scratch->buffer[which]);
    scratch->buffer[which] = malloc(bytes);
    scratch->bytes[which] = scratch->buffer[which] != NULL ? bytes : 0;
  }
  return scratch->buffer[which];
}

void filters_free(filter_scratch *scratch) {
  free(scratch->buffer[0]);
  free(scratch->buffer[1]);
  memset(scratch, 0, sizeof *scratch);
}

/* A plug-in's function takes a malloc'ed buffer and may put another in its place. */
static int decode_by_plugin(const filter_step *step, const uint8_t *in, size_t in_bytes,
                            uint8_t *out, size_t capacity, size_t *size) {
  void *buffer = malloc(in_bytes > 0 ? in_bytes : 1);
  size_t buffer_bytes = in_bytes;
  unsigned values[FILTER_VALUES_MAX];
  if (buffer == NULL) {
    return -1;
  }
  memcpy(buffer, in, in_bytes);
  memcpy(values, step->values, sizeof values);
  if (step->one_at_a_time) { /* such a function may call HDF5 */
    h5_lock();
  }
  size_t got =
      step->plugin->filter(H5Z_FLAG_REVERSE, step->count, values, in_bytes, &buffer_bytes, &buffer);
  if (step->one_at_a_time) {
    h5_unlock();
  }
  int result = got > 0 && got <= capacity ? 0 : -1;
  if (result == 0) {
    memcpy(out, buffer, got);
    *size = got;
  }
  free(buffer);
  return result;
}

int filters_decode(const filter_pipeline *pipeline, uint32_t mask, uint8_t *raw, size_t raw_bytes,
                   uint8_t *out, size_t bytes, filter_scratch *scratch, beamcast_error *error) {
  const uint8_t *now = raw;
  size_t now_bytes = raw_bytes;
  int which = 0, first = 0;
  while (first < pipeline->count && (mask >> first & 1u)) {
    first++;
  }
  for (int i = pipeline->count - 1; i >= first; i--) {
    const filter_step *step = &pipeline->step[i];
    if (mask >> i & 1u) {
      continue;
    }
    /* A checksum further in adds 4 bytes to what an outer filter gives. */
    const size_t capacity = i == first ? bytes : bytes + 64;
    uint8_t *target = i == first ? out : scratch_buffer(scratch, which, capacity);
    if (target == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for %zu bytes of a chunk", bytes);
    }
    size_t got = 0;
    int failed = step->decode != NULL
                     ? step->decode(step, now, now_bytes, target, capacity, &got)
                     : decode_by_plugin(step, now, now_bytes, target, capacity, &got);
    if (failed) {
      return beamcast_fail(error, BEAMCAST_ERR_IO, "filter %s rejects the bytes",
                           filter_name(step->id, step->plugin != NULL ? step->plugin->name : ""));
    }
    now = target;
    now_bytes = got;
    which = !which;
  }
  if (now_bytes != bytes) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%zu bytes instead of %zu", now_bytes, bytes);
  }
  if (now != out) {
    memcpy(out, now, bytes);
  }
  return BEAMCAST_OK;
}
