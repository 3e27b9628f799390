/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opens datasets for reading, and reads those that only the HDF5 library can: virtual, external and
 * compact ones, numbers of odd layout, and filters that are known to nobody else. It goes block by
 * block, so that a chunk is decoded once.
 */
#include "read.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 8 << 20 };

/* Finding a chunk's place by its number costs HDF5 1.10 a walk over all before it. */
enum { PLACES_MAX = 3000 };

static uint64_t chunk_index(const open_dataset *open, int dimensions, const hsize_t offset[]) {
  uint64_t number = 0;
  for (int d = 0; d < dimensions; d++) {
    const uint64_t count = (open->shape[d] + open->chunk[d] - 1) / open->chunk[d];
    const uint64_t at = offset[d] / open->chunk[d];
    if (at >= count) {
      return UINT64_MAX;
    }
    number = number * count + at;
  }
  return number;
}

static void note_place(open_dataset *open, int dimensions, const hsize_t offset[], unsigned mask,
                       haddr_t address, hsize_t bytes) {
  const uint64_t number = chunk_index(open, dimensions, offset);
  if (number != UINT64_MAX && bytes > 0 && bytes <= UINT32_MAX && address != HADDR_UNDEF) {
    open->places[number] = (chunk_place){address, (uint32_t)bytes, mask};
  }
}

#if H5_VERSION_GE(1, 14, 0)
typedef struct place_walk {
  open_dataset *open;
  int dimensions;
} place_walk;

static int each_chunk(const hsize_t *offset, unsigned mask, haddr_t address, hsize_t bytes,
                      void *context) {
  const place_walk *walk = context;
  note_place(walk->open, walk->dimensions, offset, mask, address, bytes);
  return 0;
}
#endif

/* Fills open->places; leaves it NULL where that would take longer than asking for each chunk. */
static void find_places(open_dataset *open, int dimensions) {
  hid_t file = H5Iget_file_id(open->id), list = H5Fget_create_plist(file);
  hsize_t user_block = 1;
  H5Pget_userblock(list, &user_block);
  H5Pclose(list);
  H5Fclose(file);
#if H5_VERSION_GE(1, 14, 0)
  const uint64_t most = 64 << 20;
#else
  const uint64_t most = PLACES_MAX;
#endif
  if (user_block != 0 || open->chunks > most) {
    return;
  }
  open->places = malloc((size_t)open->chunks * sizeof *open->places);
  if (open->places == NULL) {
    return;
  }
  for (uint64_t i = 0; i < open->chunks; i++) {
    open->places[i] = (chunk_place){UINT64_MAX, 0, 0};
  }
#if H5_VERSION_GE(1, 14, 0)
  place_walk walk = {open, dimensions};
  const int failed = H5Dchunk_iter(open->id, H5P_DEFAULT, each_chunk, &walk) < 0;
#else
  hid_t space = H5Dget_space(open->id);
  hsize_t count = 0;
  int failed = H5Dget_num_chunks(open->id, space, &count) < 0;
  for (hsize_t i = 0; i < count && !failed; i++) {
    hsize_t offset[MAX_DIMS] = {0}, bytes = 0;
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    failed = H5Dget_chunk_info(open->id, space, i, offset, &mask, &address, &bytes) < 0;
    if (!failed) {
      note_place(open, dimensions, offset, mask, address, bytes);
    }
  }
  H5Sclose(space);
#endif
  if (failed) {
    free(open->places);
    open->places = NULL;
  }
}

static int open_chunked(beamcast_hdf5_file *file, open_dataset *open, hid_t list, volume *v,
                        beamcast_error *error) {
  hsize_t chunk[MAX_DIMS] = {0};
  const int n = v->about.dimensions;
  if (H5Pget_chunk(list, n, chunk) != n) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "The chunks of %s in %s are damaged", v->path,
                         file->path);
  }
  open->chunks = 1;
  for (int d = 0; d < n; d++) {
    open->chunk[d] = chunk[d];
    if (chunk[d] == 0) {
      return beamcast_fail(error, BEAMCAST_ERR_IO, "The chunks of %s in %s are damaged", v->path,
                           file->path);
    }
    open->chunks *= (open->shape[d] + chunk[d] - 1) / chunk[d];
  }
  int result = filters_open(&open->pipeline, list, error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  if (!v->direct || !open->pipeline.decodable) {
    open->way = WAY_LIBRARY;
    return BEAMCAST_OK;
  }
  unsigned flags = 0;
  H5Pget_chunk_opts(list, &flags);
  open->partial_unfiltered = (flags & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
  open->way = WAY_CHUNKS;
  if (!file->swmr && !file->options.live) {
    find_places(open, n);
  }
  return BEAMCAST_OK;
}

static void take_fill(open_dataset *open, hid_t list) {
  H5D_fill_value_t defined;
  if (H5Pfill_value_defined(list, &defined) < 0 || defined == H5D_FILL_VALUE_UNDEFINED ||
      H5Tget_size(open->memory_type) > sizeof open->fill ||
      H5Pget_fill_value(list, open->memory_type, open->fill) < 0) {
    memset(open->fill, 0, sizeof open->fill);
  }
}

static int open_locked(beamcast_hdf5_file *file, volume *v, open_dataset *open,
                       beamcast_error *error) {
  open->id = H5Dopen2(file->id, v->object, H5P_DEFAULT);
  if (open->id < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s in %s can't be opened (%s)", v->path,
                         file->path, h5_last_message());
  }
  hid_t list = H5Dget_create_plist(open->id), type = H5Dget_type(open->id);
  open->memory_type = v->direct ? H5Tcopy(type) : -1;
  if (!v->direct) {
    switch (v->element.type) {
#define NATIVE(TYPE, NAME)                                                                         \
  case TYPE:                                                                                       \
    open->memory_type = H5Tcopy(NAME);                                                             \
    break;
      NATIVE(BEAMCAST_UINT8, H5T_NATIVE_UINT8)
      NATIVE(BEAMCAST_INT8, H5T_NATIVE_INT8)
      NATIVE(BEAMCAST_UINT16, H5T_NATIVE_UINT16)
      NATIVE(BEAMCAST_INT16, H5T_NATIVE_INT16)
      NATIVE(BEAMCAST_UINT32, H5T_NATIVE_UINT32)
      NATIVE(BEAMCAST_INT32, H5T_NATIVE_INT32)
      NATIVE(BEAMCAST_FLOAT32, H5T_NATIVE_FLOAT)
      NATIVE(BEAMCAST_FLOAT64, H5T_NATIVE_DOUBLE)
      NATIVE(BEAMCAST_HDF5_INT64, H5T_NATIVE_INT64)
      NATIVE(BEAMCAST_HDF5_UINT64, H5T_NATIVE_UINT64)
#undef NATIVE
    default:
      break;
    }
  }
  memcpy(open->shape, v->about.shape, sizeof open->shape);
  open->way = WAY_LIBRARY;
  int result = BEAMCAST_OK;
  if (H5Fget_name(open->id, open->file_name, sizeof open->file_name) < 0) {
    snprintf(open->file_name, sizeof open->file_name, "%.4095s", file->path);
  }
  take_fill(open, list);
  const H5D_layout_t layout = H5Pget_layout(list);
  if (layout == H5D_CHUNKED) {
    result = open_chunked(file, open, list, v, error);
  } else if (layout == H5D_CONTIGUOUS && v->direct && H5Pget_external_count(list) == 0) {
    const haddr_t offset = H5Dget_offset(open->id);
    if (offset != HADDR_UNDEF) {
      open->way = WAY_BYTES;
      open->offset = offset;
    }
  }
  if (layout == H5D_VIRTUAL && v->direct) {
    open->parts = virtual_parts(list, v, open->file_name, &open->parts_count);
    open->way = open->parts != NULL ? WAY_VIRTUAL : WAY_LIBRARY;
  }
  H5Tclose(type);
  H5Pclose(list);
  return result;
}

int open_for_reading(beamcast_hdf5_file *file, volume *v, beamcast_error *error) {
  if (v->open != NULL || v->kind != SOURCE_HDF5) {
    return BEAMCAST_OK;
  }
  open_dataset *open = calloc(1, sizeof *open);
  if (open == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for a dataset");
  }
  h5_lock();
  int result = open_locked(file, v, open, error);
  if (result == BEAMCAST_OK) {
    v->open = open;
  } else {
    if (open->id > 0) {
      H5Dclose(open->id);
      H5Tclose(open->memory_type);
    }
    free(open->places);
    free(open);
  }
  h5_unlock();
  return result;
}

/* Blocks of the library's reads: chunks, or slabs along the slow dimensions. */
static void choose_blocks(const volume *v, uint64_t block[]) {
  uint64_t bytes = v->element.bytes;
  const int n = v->about.dimensions;
  for (int d = n - 1; d >= 0; d--) {
    if (v->open->chunk[d] > 0) {
      block[d] = v->open->chunk[d];
      continue;
    }
    const uint64_t fits = bytes < BLOCK_BYTES ? BLOCK_BYTES / bytes : 1;
    block[d] = v->about.shape[d] < fits ? v->about.shape[d] : fits;
    bytes *= block[d];
  }
}

static int read_block(const read_job *job, const selection_part *part, void *buffer,
                      uint64_t origin[], uint64_t shape[], beamcast_error *error) {
  const selection *s = &job->select;
  hsize_t start[MAX_DIMS], count[MAX_DIMS];
  for (int d = 0; d < s->dimensions; d++) {
    const uint64_t *index = s->index[d] + part->first[d];
    start[d] = origin[d] = index[0];
    count[d] = shape[d] = index[part->count[d] - 1] - index[0] + 1;
  }
  h5_lock();
  hid_t space = H5Dget_space(job->v->open->id),
        memory = H5Screate_simple(s->dimensions, count, NULL);
  const int failed =
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
      H5Dread(job->v->open->id, job->v->open->memory_type, memory, space, H5P_DEFAULT, buffer) < 0;
  char reason[240];
  snprintf(reason, sizeof reason, "%s", failed ? h5_last_message() : "");
  H5Sclose(memory);
  H5Sclose(space);
  h5_unlock();
  return failed ? beamcast_fail(error, BEAMCAST_ERR_IO, "%s in %s can't be read: %s", job->v->path,
                                job->v->open->file_name, reason)
                : BEAMCAST_OK;
}

int read_by_library(read_job *job, beamcast_error *error) {
  uint64_t block[MAX_DIMS], bytes = job->v->element.bytes;
  choose_blocks(job->v, block);
  for (int d = 0; d < job->select.dimensions; d++) {
    bytes *= block[d];
  }
  selection_grid grid;
  uint8_t *buffer = malloc(bytes);
  int result = BEAMCAST_OK;
  if (buffer == NULL || selection_grid_make(&grid, &job->select, block) != 0) {
    free(buffer);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for a block of %llu bytes",
                         (unsigned long long)bytes);
  }
  for (uint64_t task = 0; task < grid.tasks && result == BEAMCAST_OK; task++) {
    uint64_t at[MAX_DIMS], origin[MAX_DIMS], shape[MAX_DIMS];
    selection_part part;
    selection_grid_part(&grid, task, at, &part);
    result = read_block(job, &part, buffer, origin, shape, error);
    if (result == BEAMCAST_OK) {
      selection_copy(&job->select, &part, buffer, origin, shape, NULL);
    }
    if (result == BEAMCAST_OK && job->progress != NULL &&
        job->progress(job->context, (double)(task + 1) / (double)grid.tasks) != 0) {
      result = beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "The read was cancelled");
    }
  }
  free(buffer);
  selection_grid_free(&grid);
  job->report->threads = 1;
  job->report->way = "library";
  job->report->scratch_bytes = bytes;
  return result;
}
