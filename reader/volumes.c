/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of a file's volumes.
 */
#include "read.h"

#include <stdlib.h>

enum { COMPONENTS_MAX = 4096 };

volume *volumes_add(beamcast_hdf5_file *file, const char *path, const char *name) {
  if (file->count == file->capacity) {
    size_t capacity = file->capacity > 0 ? 2 * file->capacity : 16;
    volume *larger = realloc(file->volumes, capacity * sizeof *larger);
    if (larger == NULL) {
      return NULL;
    }
    file->volumes = larger;
    file->capacity = capacity;
  }
  volume *v = &file->volumes[file->count];
  memset(v, 0, sizeof *v);
  v->path = strdup(path);
  v->name = strdup(name);
  v->object = strdup(path);
  if (v->path == NULL || v->name == NULL || v->object == NULL) {
    free(v->path);
    free(v->name);
    free(v->object);
    return NULL;
  }
  for (int i = 0; i < 3; i++) {
    v->about.spacing[i] = 1;
  }
  file->count++;
  return v;
}

void volumes_miss(beamcast_hdf5_file *file, const char *format, ...) {
  char text[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (size_t i = 0; i < file->missing_count; i++) {
    if (strcmp(file->missing[i], text) == 0) {
      return;
    }
  }
  char **larger = realloc(file->missing, (file->missing_count + 1) * sizeof *larger);
  if (larger != NULL) {
    file->missing = larger;
    file->missing[file->missing_count] = strdup(text);
    file->missing_count += file->missing[file->missing_count] != NULL;
  }
}

void volume_default_roles(volume *v) {
  const int n = v->about.dimensions;
  static const int from_last[] = {BEAMCAST_HDF5_X, BEAMCAST_HDF5_Y, BEAMCAST_HDF5_Z};
  for (int i = 0; i < n; i++) {
    const int back = n - 1 - i;
    if (back < 3) {
      v->about.role[i] = from_last[back];
    } else {
      v->about.role[i] = i == 0 ? BEAMCAST_HDF5_TIME : BEAMCAST_HDF5_CHANNEL;
    }
  }
}

int volume_roles_from_text(volume *v, const char *text) {
  static const char letters[] = "xyztcn";
  int role[MAX_DIMS], count = 0, seen[6] = {0};
  for (const char *c = text; *c != 0; c++) {
    if (*c == ',' || *c == ' ') {
      continue;
    }
    const char *letter = strchr(letters, *c);
    if (letter == NULL || count == MAX_DIMS || seen[letter - letters]++) {
      return -1;
    }
    role[count++] = (int)(letter - letters);
  }
  if (v->frames != NULL || count != v->about.dimensions || !seen[BEAMCAST_HDF5_X] ||
      !seen[BEAMCAST_HDF5_Y]) {
    return -1;
  }
  memcpy(v->about.role, role, sizeof role);
  return 0;
}

int volume_dimension(const volume *v, int role) {
  for (int i = 0; i < v->about.dimensions; i++) {
    if (v->about.role[i] == role) {
      return i;
    }
  }
  return -1;
}

static uint64_t extent_of(const volume *v, int role) {
  int i = volume_dimension(v, role);
  return i < 0 ? 1 : v->about.shape[i];
}

/* More likely first; of equals, larger first, then by path. */
static int compare(const void *a, const void *b) {
  const volume *va = a, *vb = b;
  if (va->about.score != vb->about.score) {
    return va->about.score > vb->about.score ? -1 : 1;
  }
  if (va->about.bytes != vb->about.bytes) {
    return va->about.bytes > vb->about.bytes ? -1 : 1;
  }
  return strcmp(va->path, vb->path);
}

/* Complex numbers have two components already, and thousands of components are none: such a
 * dimension counts as a role that is still free, which there is, as dimensions are at most five. */
static void limit_components(volume *v) {
  static const int others[] = {BEAMCAST_HDF5_CHANNEL, BEAMCAST_HDF5_TIME, BEAMCAST_HDF5_Z};
  const int d = volume_dimension(v, BEAMCAST_HDF5_COMPONENT);
  if (d < 0 || (!v->element.complex && v->about.shape[d] <= COMPONENTS_MAX)) {
    return;
  }
  for (int i = 0; i < 3; i++) {
    if (volume_dimension(v, others[i]) < 0) {
      v->about.role[d] = others[i];
      return;
    }
  }
}

static void finish(volume *v) {
  beamcast_hdf5_volume *about = &v->about;
  limit_components(v);
  for (int axis = 0; axis < 3; axis++) {
    about->size[axis] = extent_of(v, axis);
    if (!(about->spacing[axis] > 0 && about->spacing[axis] < 1e300)) {
      about->spacing[axis] = 1;
    }
    if (!(about->origin[axis] > -1e300 && about->origin[axis] < 1e300)) {
      about->origin[axis] = 0;
    }
  }
  if (v->frames != NULL) {
    about->size[2] = v->frame_count;
  }
  about->times = extent_of(v, BEAMCAST_HDF5_TIME);
  about->channels = extent_of(v, BEAMCAST_HDF5_CHANNEL);
  about->kind = BEAMCAST_HDF5_SCALAR;
  about->components = 1;
  if (v->element.complex) {
    about->kind = BEAMCAST_HDF5_COMPLEX;
    about->components = 2;
  } else if (volume_dimension(v, BEAMCAST_HDF5_COMPONENT) >= 0) {
    about->kind = BEAMCAST_HDF5_VECTOR;
    about->components = (int)extent_of(v, BEAMCAST_HDF5_COMPONENT);
  }
  if (about->planes_written == 0 || about->planes_written > about->size[2]) {
    about->planes_written = about->size[2];
  }
  about->type = v->element.type;
  about->bytes = about->size[0] * about->size[1] * about->size[2] * (uint64_t)about->components *
                 voxel_type_size(about->type);
}

/* The strings move with the structs: set once the order is final. */
static void publish(volume *v) {
  beamcast_hdf5_volume *about = &v->about;
  about->path = v->path;
  about->name = v->name;
  about->convention = v->convention;
  /* a user may have said that another dimension is time */
  about->time_values = v->time_count == about->times ? v->time_values : NULL;
  about->unit = v->unit;
  about->value_unit = v->value_unit;
  about->filters = v->filters;
  about->storage = v->storage;
  for (int i = 0; i < 3; i++) {
    about->axis_name[i] = v->axis[i];
  }
}

int volumes_finish(beamcast_hdf5_file *file, beamcast_error *error) {
  for (size_t i = 0; i < file->count; i++) {
    finish(&file->volumes[i]);
  }
  if (file->count > 1) {
    qsort(file->volumes, file->count, sizeof *file->volumes, compare);
  }
  free(file->list);
  file->list = calloc(file->count + 1, sizeof *file->list);
  if (file->list == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for the list of volumes of %s",
                         file->path);
  }
  for (size_t i = 0; i < file->count; i++) {
    publish(&file->volumes[i]);
    file->list[i] = file->volumes[i].about;
  }
  return BEAMCAST_OK;
}

void close_dataset(open_dataset *open) {
  if (open != NULL) {
    H5Dclose(open->id);
    H5Tclose(open->memory_type);
    free(open->places);
    virtual_parts_free(open->parts, open->parts_count);
    free(open);
  }
}

void volumes_clear(beamcast_hdf5_file *file) {
  for (size_t i = 0; i < file->count; i++) {
    volume *v = &file->volumes[i];
    close_dataset(v->open);
    free(v->path);
    free(v->name);
    free(v->object);
    free(v->time_values);
    free(v->frames);
    free(v->data_file);
    for (size_t k = 0; k < v->pages.count && v->pages.file != NULL; k++) {
      free(v->pages.file[k]);
    }
    free(v->pages.file);
    free(v->pages.page);
  }
  for (size_t i = 0; i < file->missing_count; i++) {
    free(file->missing[i]);
  }
  free(file->volumes);
  free(file->list);
  free(file->missing);
  file->volumes = NULL;
  file->list = NULL;
  file->missing = NULL;
  file->count = file->capacity = file->missing_count = 0;
}
