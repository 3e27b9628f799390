/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of numbers beside the volumes: angles, image keys, times.
 */
#include "volume.h"

#include <stdlib.h>

#include "h5_support.h"

static void unit_of(hid_t file, const char *dataset, char unit[32]) {
  hid_t id = H5Dopen2(file, dataset, H5P_DEFAULT);
  char *text = id >= 0 ? h5_attribute_text(id, "units") : NULL;
  snprintf(unit, 32, "%.31s", text != NULL ? text : "");
  free(text);
  H5Dclose(id);
}

size_t beamcast_hdf5_numbers(const beamcast_hdf5_file *file, const char *dataset, double *values,
                             size_t room, char unit[32]) {
  size_t count = 0;
  h5_lock();
  if (file->id >= 0 && h5_exists(file->id, dataset)) {
    count = h5_dataset_numbers(file->id, dataset, values, room);
    if (unit != NULL) {
      unit_of(file->id, dataset, unit);
    }
  }
  h5_unlock();
  return count;
}
