/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One volume as a NeXus file: NXdata with its axes and units, and where it comes from. Alone or
 * from many ranks, the same code: alone is a communicator of one without MPI-IO. The file gets its
 * name when it is complete.
 */
#include "beamcast_hdf5_mpi.h"
#include "h5_support.h"
#include "voxel_type.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef BEAMCAST_VERSION
#define BEAMCAST_VERSION "0.1.0"
#endif

enum { ROUND_BYTES = 256 << 20, CHUNK_BYTES = 1 << 20 };

typedef struct writing {
  const beamcast_hdf5_output *output;
  char path[4200], temporary[4300];
  hid_t file, dataset, type;
  int rank, together; /* together: more ranks, through MPI-IO */
  hsize_t chunk[4];
} writing;

/* --- small things ------------------------------------------------------------------------------
 */

static void put_texts(hid_t object, const char *name, const char *const *texts, hsize_t count) {
  hid_t type = H5Tcopy(H5T_C_S1);
  hid_t space = count > 1 ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, type, texts);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

static void put_text(hid_t object, const char *name, const char *text) {
  put_texts(object, name, &text, 1);
}

/* A small dataset that all ranks write the same: only rank 0's bytes go out. */
static void put_dataset(const writing *w, hid_t group, const char *name, hid_t type, hsize_t count,
                        const void *values, const char *unit) {
  hid_t space = count > 0 ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  hid_t dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  if (w->rank == 0) {
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  }
  if (unit != NULL && unit[0] != 0) {
    put_text(dataset, "units", unit);
  }
  H5Dclose(dataset);
  H5Sclose(space);
}

static void put_text_dataset(const writing *w, hid_t group, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(text) > 0 ? strlen(text) : 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  put_dataset(w, group, name, type, 0, strlen(text) > 0 ? text : " ", NULL);
  H5Tclose(type);
}

static hid_t make_group(hid_t where, const char *name, const char *class) {
  hid_t group = H5Gcreate2(where, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  put_text(group, "NX_class", class);
  return group;
}

static hid_t file_type(int type) {
  switch (type) {
  case BEAMCAST_UINT8:
    return H5Tcopy(H5T_NATIVE_UINT8);
  case BEAMCAST_INT8:
    return H5Tcopy(H5T_NATIVE_INT8);
  case BEAMCAST_UINT16:
    return H5Tcopy(H5T_NATIVE_UINT16);
  case BEAMCAST_INT16:
    return H5Tcopy(H5T_NATIVE_INT16);
  case BEAMCAST_UINT32:
    return H5Tcopy(H5T_NATIVE_UINT32);
  case BEAMCAST_INT32:
    return H5Tcopy(H5T_NATIVE_INT32);
  case BEAMCAST_HDF5_INT64:
    return H5Tcopy(H5T_NATIVE_INT64);
  case BEAMCAST_HDF5_UINT64:
    return H5Tcopy(H5T_NATIVE_UINT64);
  case BEAMCAST_FLOAT32:
    return H5Tcopy(H5T_NATIVE_FLOAT);
  case BEAMCAST_FLOAT64:
    return H5Tcopy(H5T_NATIVE_DOUBLE);
  case BEAMCAST_FLOAT16: {
    hid_t half = H5Tcopy(H5T_NATIVE_FLOAT);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    return half;
  }
  default:
    return -1;
  }
}

/* NeXus names are words; others are made into one. */
static void field_name(const char *name, char out[64]) {
  snprintf(out, 64, "%.63s", name != NULL && name[0] != 0 ? name : "data");
  for (char *c = out; *c != 0; c++) {
    const int fits = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' ||
                     (*c >= '0' && *c <= '9' && c > out);
    *c = fits ? *c : '_';
  }
  /* the axes have these names already */
  if (strcmp(out, "x") == 0 || strcmp(out, "y") == 0 || strcmp(out, "z") == 0) {
    snprintf(out + 1, 63, "_data");
  }
}

/* --- the file ----------------------------------------------------------------------------------
 */

/* Chunks of the whole rows' aspect, halved until they are about a MiB. */
static int choose_chunks(writing *w, int rank, const hsize_t shape[]) {
  const beamcast_hdf5_output *o = w->output;
  const size_t bytes = voxel_type_size(o->type) * (size_t)o->components;
  if (o->compression == 0 && o->chunk[0] == 0) {
    return 0;
  }
  for (int axis = 0; axis < 3; axis++) {
    const hsize_t size = shape[2 - axis];
    hsize_t wanted = o->chunk[axis];
    if (wanted == 0) { /* a cube of about CHUNK_BYTES */
      wanted = (hsize_t)floor(cbrt((double)CHUNK_BYTES / (double)bytes));
    }
    w->chunk[2 - axis] = wanted < size ? wanted : size;
    w->chunk[2 - axis] += w->chunk[2 - axis] == 0;
  }
  if (rank == 4) {
    w->chunk[3] = shape[3];
  }
  return 1;
}

static hid_t make_dataset(writing *w, hid_t group, const char *name) {
  const beamcast_hdf5_output *o = w->output;
  const int rank = o->components > 1 ? 4 : 3;
  const hsize_t shape[4] = {o->size[2], o->size[1], o->size[0], (hsize_t)o->components};
  hid_t space = H5Screate_simple(rank, shape, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
  if (choose_chunks(w, rank, shape)) {
    H5Pset_chunk(list, rank, w->chunk);
    if (o->compression > 0) {
      H5Pset_shuffle(list);
      H5Pset_deflate(list, (unsigned)o->compression);
    }
  }
  if (o->partial) {
    H5Pset_fill_value(list, H5T_NATIVE_DOUBLE, &o->fill);
  }
  H5Pset_fill_time(list, o->partial ? H5D_FILL_TIME_ALLOC : H5D_FILL_TIME_NEVER);
  hid_t dataset = H5Dcreate2(group, name, w->type, space, H5P_DEFAULT, list, H5P_DEFAULT);
  H5Pclose(list);
  H5Sclose(space);
  return dataset;
}

static int put_axis(const writing *w, hid_t group, int axis) {
  static const char *const names[] = {"x", "y", "z"};
  const beamcast_hdf5_output *o = w->output;
  double *values = malloc(o->size[axis] * sizeof *values);
  if (values == NULL) {
    return -1;
  }
  for (uint64_t i = 0; i < o->size[axis]; i++) {
    values[i] = o->origin[axis] + o->spacing[axis] * (double)i;
  }
  put_dataset(w, group, names[axis], H5T_NATIVE_DOUBLE, o->size[axis], values, o->unit);
  free(values);
  return 0;
}

static void put_process(const writing *w, hid_t entry) {
  const beamcast_hdf5_output *o = w->output;
  hid_t process = make_group(entry, "process", "NXprocess");
  char date[64] = "";
  const time_t seconds = time(NULL);
  struct tm parts;
  if (gmtime_r(&seconds, &parts) != NULL) {
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  put_text_dataset(w, process, "program", "Beamcast");
  put_text_dataset(w, process, "version", BEAMCAST_VERSION);
  /* The same text length on all ranks, so that all create the same dataset. */
  put_text_dataset(w, process, "date", date);
  if (o->source != NULL && o->source[0] != 0) {
    put_text_dataset(w, process, "source", o->source);
  }
  if (o->step >= 0) {
    put_dataset(w, process, "step", H5T_NATIVE_INT64, 0, &o->step, NULL);
    put_dataset(w, process, "time", H5T_NATIVE_DOUBLE, 0, &o->time, NULL);
  }
  H5Gclose(process);
}

static int make_file(writing *w, hid_t access, beamcast_error *error) {
  const beamcast_hdf5_output *o = w->output;
  static const char *const axes[] = {"z", "y", "x", "."};
  char name[80];
  w->file = H5Fcreate(w->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (w->file < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be created (%s)", w->temporary,
                         h5_last_message());
  }
  field_name(o->name, name);
  put_text(w->file, "NX_class", "NXroot");
  put_text(w->file, "default", "entry");
  put_text(w->file, "creator", "Beamcast");
  hid_t entry = make_group(w->file, "entry", "NXentry");
  put_text(entry, "default", "data");
  hid_t data = make_group(entry, "data", "NXdata");
  put_text(data, "signal", name);
  put_texts(data, "axes", axes, o->components > 1 ? 4 : 3);
  int failed = 0;
  for (int axis = 0; axis < 3; axis++) {
    static const char *const indices[] = {"x_indices", "y_indices", "z_indices"};
    const int32_t index = 2 - axis;
    failed |= put_axis(w, data, axis);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute =
        H5Acreate2(data, indices[axis], H5T_NATIVE_INT32, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT32, &index);
    H5Aclose(attribute);
    H5Sclose(space);
  }
  put_process(w, entry);
  w->dataset = make_dataset(w, data, name);
  if (w->dataset >= 0) {
    if (o->value_unit != NULL && o->value_unit[0] != 0) {
      put_text(w->dataset, "units", o->value_unit);
    }
    const int colours = o->type == BEAMCAST_UINT8 && (o->components == 3 || o->components == 4);
    put_text(w->dataset, "interpretation",
             !colours             ? "scalar"
             : o->components == 3 ? "rgb-image"
                                  : "rgba-image");
    put_text(w->dataset, "long_name", o->name != NULL && o->name[0] != 0 ? o->name : "data");
  }
  H5Gclose(data);
  H5Gclose(entry);
  return w->dataset < 0 || failed
             ? beamcast_fail(error, BEAMCAST_ERR_IO, "The dataset in %s can't be made (%s)",
                             w->temporary, h5_last_message())
             : BEAMCAST_OK;
}

/* Planes of a round: about ROUND_BYTES, in whole layers of chunks. */
static uint64_t round_planes(const writing *w) {
  const beamcast_hdf5_output *o = w->output;
  const uint64_t plane =
      o->size[0] * o->size[1] * voxel_type_size(o->type) * (uint64_t)o->components;
  uint64_t planes = plane < ROUND_BYTES ? ROUND_BYTES / plane : 1;
  const uint64_t layer = w->chunk[0] > 0 ? w->chunk[0] : 1;
  planes = planes / layer * layer;
  return planes > 0 ? planes : layer;
}

/* All ranks go through the same rounds of z, each with what it has there. */
static int put_voxels(const writing *w, const int64_t extent[6], const void *memory, hid_t transfer,
                      beamcast_error *error) {
  const beamcast_hdf5_output *o = w->output;
  const int rank = o->components > 1 ? 4 : 3;
  const uint64_t planes = round_planes(w);
  const int64_t nx = extent[1] - extent[0] + 1, ny = extent[3] - extent[2] + 1;
  const int empty = nx <= 0 || ny <= 0 || extent[5] < extent[4];
  const size_t plane_bytes =
      empty ? 0 : (size_t)nx * (size_t)ny * voxel_type_size(o->type) * (size_t)o->components;
  int result = BEAMCAST_OK;
  for (uint64_t first = 0; first < o->size[2]; first += planes) {
    int64_t low = (int64_t)first, high = (int64_t)(first + planes) - 1;
    low = low > extent[4] ? low : extent[4];
    high = high < extent[5] ? high : extent[5];
    const int nothing = empty || high < low || result != BEAMCAST_OK;
    if (nothing && !w->together) {
      continue;
    }
    hid_t space = H5Dget_space(w->dataset);
    hsize_t start[4] = {nothing ? 0 : (hsize_t)low, nothing ? 0 : (hsize_t)extent[2],
                        nothing ? 0 : (hsize_t)extent[0], 0};
    hsize_t count[4] = {nothing ? 1 : (hsize_t)(high - low + 1), nothing ? 1 : (hsize_t)ny,
                        nothing ? 1 : (hsize_t)nx, (hsize_t)o->components};
    hid_t part = H5Screate_simple(rank, count, NULL);
    const uint8_t *from = memory;
    if (nothing) {
      H5Sselect_none(space);
      H5Sselect_none(part);
    } else {
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
      from += (size_t)(low - extent[4]) * plane_bytes;
    }
    if (H5Dwrite(w->dataset, w->type, part, space, transfer, from) < 0) {
      result = beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be written (%s)", w->temporary,
                             h5_last_message());
    }
    H5Sclose(part);
    H5Sclose(space);
  }
  return result;
}

static int check_output(const char *path, const beamcast_hdf5_output *o, beamcast_error *error) {
  double voxels = 1;
  for (int axis = 0; axis < 3; axis++) {
    voxels *= (double)o->size[axis];
  }
  if (path == NULL || path[0] == 0 || strlen(path) > 4000) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "No name for the file, or too long a one");
  }
  if (!(voxels >= 1) || voxels > 1e17 || voxel_type_size(o->type) == 0 || o->components < 1 ||
      o->components > 64 || o->compression < 0 || o->compression > 9) {
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "A volume of %llu x %llu x %llu with %d components can't be written (type %d, "
        "compression %d of 0 to 9)",
        (unsigned long long)o->size[0], (unsigned long long)o->size[1],
        (unsigned long long)o->size[2], o->components, o->type, o->compression);
  }
  return BEAMCAST_OK;
}

static void start_writing(writing *w, const char *path, const beamcast_hdf5_output *output,
                          int rank, int together) {
  memset(w, 0, sizeof *w);
  w->output = output;
  w->rank = rank;
  w->together = together;
  w->file = w->dataset = -1;
  w->type = file_type(output->type);
  snprintf(w->path, sizeof w->path, "%s", path);
  snprintf(w->temporary, sizeof w->temporary, "%s.part", path);
}

static int close_writing(writing *w, int result, beamcast_error *error) {
  if (w->dataset >= 0) {
    H5Dclose(w->dataset);
  }
  if (w->file >= 0 && H5Fclose(w->file) < 0 && result == BEAMCAST_OK) {
    result = beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be completed (%s)", w->temporary,
                           h5_last_message());
  }
  H5Tclose(w->type);
  return result;
}

/* The complete file gets its name, an incomplete one goes. */
static int finish_file(const writing *w, int result, beamcast_error *error) {
  if (result == BEAMCAST_OK && rename(w->temporary, w->path) != 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be renamed to %s (%s)", w->temporary,
                           w->path, strerror(errno));
  }
  if (result != BEAMCAST_OK) {
    unlink(w->temporary);
  }
  return result;
}

int beamcast_hdf5_write(const char *path, const beamcast_hdf5_output *output, const void *memory,
                        beamcast_error *error) {
  int result = check_output(path, output, error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  writing w;
  const int64_t extent[6] = {0, (int64_t)output->size[0] - 1, 0, (int64_t)output->size[1] - 1,
                             0, (int64_t)output->size[2] - 1};
  h5_lock();
  start_writing(&w, path, output, 0, 0);
  result = make_file(&w, H5P_DEFAULT, error);
  if (result == BEAMCAST_OK) {
    result = put_voxels(&w, extent, memory, H5P_DEFAULT, error);
  }
  result = close_writing(&w, result, error);
  h5_unlock();
  return finish_file(&w, result, error);
}

int beamcast_hdf5_agree(MPI_Comm communicator, int code, beamcast_error *error) {
  int rank, ranks, first;
  beamcast_error own = {.code = code};
  if (code != BEAMCAST_OK && error != NULL) {
    own = *error;
  }
  MPI_Comm_rank(communicator, &rank);
  MPI_Comm_size(communicator, &ranks);
  const int mine = code != BEAMCAST_OK ? rank : ranks;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, communicator);
  if (first == ranks) {
    return BEAMCAST_OK;
  }
  own.code = code;
  MPI_Bcast(&own, (int)sizeof own, MPI_BYTE, first, communicator);
  if (error != NULL) {
    *error = own;
  }
  return own.code;
}

int beamcast_hdf5_write_together(MPI_Comm communicator, const char *path,
                                 const beamcast_hdf5_output *output, const int64_t extent[6],
                                 const void *memory, beamcast_error *error) {
  int rank, ranks;
  MPI_Comm_rank(communicator, &rank);
  MPI_Comm_size(communicator, &ranks);
  int result = beamcast_hdf5_agree(communicator, check_output(path, output, error), error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  writing w;
  h5_lock();
  start_writing(&w, path, output, rank, ranks > 1);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), transfer = H5Pcreate(H5P_DATASET_XFER);
#ifdef H5_HAVE_PARALLEL
  if (ranks > 1) {
    H5Pset_fapl_mpio(access, communicator, MPI_INFO_NULL);
    H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
  }
#endif
  result = beamcast_hdf5_agree(communicator, make_file(&w, access, error), error);
  if (result == BEAMCAST_OK) {
    result = put_voxels(&w, extent, memory, transfer, error);
  }
  result = close_writing(&w, result, error);
  H5Pclose(transfer);
  H5Pclose(access);
  h5_unlock();
  result = beamcast_hdf5_agree(communicator, result, error);
  if (rank == 0) {
    result = finish_file(&w, result, error);
  }
  return beamcast_hdf5_agree(communicator, result, error);
}
