/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file writer: NXtomo (manual.nexusformat.org, NXtomo), with the HDF5 library.
 */
#include <hdf5.h>
#include <stdlib.h>

#include "frames.h"
#include "take_scan.h"

static void text_attribute(hid_t object, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, strlen(text) > 0 ? strlen(text) : 1);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, type, text);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

static hid_t group(hid_t where, const char *name, const char *class) {
  hid_t id = H5Gcreate2(where, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  text_attribute(id, "NX_class", class);
  return id;
}

/* A list of numbers with its unit ("": none). */
static void numbers(hid_t where, const char *name, hsize_t count, const double *values, hid_t type,
                    const char *unit) {
  hid_t space = H5Screate_simple(1, &count, NULL);
  hid_t id = H5Dcreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  if (unit[0] != 0) {
    text_attribute(id, "units", unit);
  }
  H5Dclose(id);
  H5Sclose(space);
}

/* The frames' dataset: all of it, or empty and growing, one frame a chunk. */
static hid_t frames_dataset(const camera *c, hid_t where, int growing) {
  const hsize_t frames = c->projections + 2 * CAMERA_REPEATS;
  const hsize_t whole[3] = {frames, c->rows, c->columns}, none[3] = {0, c->rows, c->columns};
  const hsize_t chunk[3] = {1, c->rows, c->columns};
  hid_t space = H5Screate_simple(3, growing ? none : whole, whole);
  hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  if (growing) {
    H5Pset_chunk(properties, 3, chunk);
  }
  hid_t id = H5Dcreate2(where, "data", H5T_STD_U16LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  H5Pclose(properties);
  H5Sclose(space);
  return id;
}

static herr_t write_frame(const camera *c, hid_t dataset, hsize_t number, const uint16_t *counts,
                          int growing) {
  const hsize_t start[3] = {number, 0, 0}, count[3] = {1, c->rows, c->columns};
  const hsize_t size[3] = {number + 1, c->rows, c->columns};
  if (growing) {
    H5Dset_extent(dataset, size);
  }
  hid_t memory = H5Screate_simple(3, count, NULL), file = H5Dget_space(dataset);
  H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL);
  herr_t code = H5Dwrite(dataset, H5T_NATIVE_UINT16, memory, file, H5P_DEFAULT, counts);
  H5Sclose(memory);
  H5Sclose(file);
  return growing && code >= 0 ? H5Dflush(dataset) : code;
}

/* Everything but the frames: keys and angles of all of them, known in advance. */
static hid_t lay_out(const camera *c, hid_t file, int growing) {
  const hsize_t first = 2 * CAMERA_REPEATS, frames = c->projections + first;
  double *list = calloc(frames, sizeof *list);
  hid_t entry = group(file, "entry", "NXentry"),
        instrument = group(entry, "instrument", "NXinstrument"),
        detector = group(instrument, "detector", "NXdetector"),
        sample = group(entry, "sample", "NXsample"), data = group(entry, "data", "NXdata");
  hid_t dataset = list != NULL ? frames_dataset(c, detector, growing) : -1;
  text_attribute(file, "default", "entry");
  text_attribute(entry, "definition", "NXtomo");
  text_attribute(data, "signal", "data");
  for (hsize_t i = 0; dataset >= 0 && i < first; i++) {
    list[i] = i < CAMERA_REPEATS ? FRAME_FLAT : FRAME_DARK;
  }
  if (dataset >= 0) {
    numbers(detector, "image_key", frames, list, H5T_STD_I32LE, "");
    numbers(detector, "x_pixel_size", 1, &c->pixel[0], H5T_IEEE_F64LE, c->unit);
    numbers(detector, "y_pixel_size", 1, &c->pixel[1], H5T_IEEE_F64LE, c->unit);
    memset(list, 0, first * sizeof *list);
    memcpy(list + first, c->degrees, c->projections * sizeof *list);
    numbers(sample, "rotation_angle", frames, list, H5T_IEEE_F64LE, "degree");
    H5Lcreate_hard(detector, "data", data, "data", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(sample, "rotation_angle", data, "rotation_angle", H5P_DEFAULT, H5P_DEFAULT);
  }
  free(list);
  H5Gclose(data);
  H5Gclose(sample);
  H5Gclose(detector);
  H5Gclose(instrument);
  H5Gclose(entry);
  return dataset;
}

static herr_t write_all(const camera *c, hid_t dataset, double rate) {
  const size_t pixels = c->columns * c->rows;
  const hsize_t first = 2 * CAMERA_REPEATS;
  uint16_t *even = malloc(pixels * sizeof *even);
  herr_t code = even != NULL ? 0 : -1;
  for (hsize_t i = 0; code >= 0 && i < first; i++) {
    for (size_t k = 0; k < pixels; k++) {
      even[k] = i < CAMERA_REPEATS ? CAMERA_FLAT : CAMERA_DARK;
    }
    code = write_frame(c, dataset, i, even, rate > 0);
  }
  const double begun = camera_clock();
  for (hsize_t i = 0; code >= 0 && i < c->projections; i++) {
    if (rate > 0) {
      (void)camera_wait(begun, i, rate);
    }
    code = write_frame(c, dataset, first + i, c->frames + i * pixels, rate > 0);
  }
  free(even);
  return code;
}

int camera_write(const camera *c, const char *path, double rate, beamcast_error *error) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, rate > 0 ? H5F_LIBVER_LATEST : H5F_LIBVER_EARLIEST,
                       H5F_LIBVER_LATEST);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  hid_t dataset = file >= 0 ? lay_out(c, file, rate > 0) : -1;
  if (dataset >= 0 && rate > 0) {
    H5Fstart_swmr_write(file);
  }
  herr_t code = dataset >= 0 ? write_all(c, dataset, rate) : -1;
  H5Dclose(dataset);
  H5Pclose(access);
  code = H5Fclose(file) < 0 ? -1 : code;
  return code >= 0 ? BEAMCAST_OK
                   : beamcast_fail(error, BEAMCAST_ERR_IO, "%s could not be written", path);
}
