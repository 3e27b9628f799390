/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a file to its volumes: NeXus, VTKHDF, Data Exchange, layout files, and then every dataset of
 * 2 to 5 dimensions, the most likely first.
 */
#include "inspect.h"

#include <stdlib.h>
#include <strings.h>

static const char *leaf(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL && slash[1] != 0 ? slash + 1 : path;
}

/* "data" says nothing to people: its group's name does. */
static void name_of(const char *path, char name[128]) {
  const char *last = leaf(path);
  if (strcasecmp(last, "data") == 0 && last - path > 1) {
    const char *end = last - 1, *group = end;
    while (group > path && group[-1] != '/') {
      group--;
    }
    snprintf(name, 128, "%.*s", (int)(end - group < 127 ? end - group : 127), group);
    return;
  }
  snprintf(name, 128, "%.127s", last);
}

/* Adds the dataset of which looked_at is known. */
static volume *add_known(walk *w, const char *path, const volume *looked_at, const char *convention,
                         int score) {
  char name[128];
  name_of(path, name);
  volume *v = volumes_add(w->file, path, name);
  if (v == NULL) {
    return NULL;
  }
  const double spacing[3] = {v->about.spacing[0], v->about.spacing[1], v->about.spacing[2]};
  v->about = looked_at->about;
  memcpy(v->about.spacing, spacing, sizeof spacing);
  v->element = looked_at->element;
  v->direct = looked_at->direct;
  memcpy(v->filters, looked_at->filters, sizeof v->filters);
  memcpy(v->value_unit, looked_at->value_unit, sizeof v->value_unit);
  memcpy(v->storage, looked_at->storage, sizeof v->storage);
  snprintf(v->convention, sizeof v->convention, "%s", convention);
  v->about.score = score;
  if (w->file->options.dimensions != NULL) {
    volume_roles_from_text(v, w->file->options.dimensions);
  }
  return v;
}

volume *add_dataset(walk *w, const char *path, const char *convention, int score) {
  volume looked_at = {0};
  beamcast_error reason = {0};
  if (inspect_dataset(w->file, path, &looked_at, &reason) != BEAMCAST_OK) {
    if (reason.code == BEAMCAST_ERR_IO) { /* damaged, or newer than this HDF5 library */
      volumes_miss(w->file, "%s", reason.message);
    }
    return NULL;
  }
  return add_known(w, path, &looked_at, convention, score);
}

/* --- VTKHDF: the group /VTKHDF of type ImageData ---------------------------------------------- */

typedef struct vtkhdf {
  walk *w;
  double origin[3], spacing[3];
  const char *folder;
  int cells;
} vtkhdf;

static herr_t each_array(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  (void)group;
  (void)link;
  const vtkhdf *image = context;
  char path[512];
  uint8_t token[24];
  snprintf(path, sizeof path, "%s/%.400s", image->folder, name);
  if (object_token(image->w->file->id, path, token) != 0 || walk_used(image->w, token)) {
    return 0;
  }
  volume *v = add_dataset(image->w, path, "VTKHDF", 880);
  if (v == NULL) {
    return 0;
  }
  if (v->about.dimensions == 4) { /* components come last */
    static const int roles[] = {BEAMCAST_HDF5_Z, BEAMCAST_HDF5_Y, BEAMCAST_HDF5_X,
                                BEAMCAST_HDF5_COMPONENT};
    memcpy(v->about.role, roles, sizeof roles);
  }
  v->about.spacing_known = 1;
  for (int axis = 0; axis < 3; axis++) {
    v->about.spacing[axis] = image->spacing[axis];
    v->about.origin[axis] = image->origin[axis] + (image->cells ? image->spacing[axis] / 2 : 0);
  }
  walk_use(image->w, token);
  return 0;
}

void find_vtkhdf(walk *w) {
  hid_t group =
      h5_exists(w->file->id, "/VTKHDF") ? H5Gopen2(w->file->id, "/VTKHDF", H5P_DEFAULT) : -1;
  char *type = group >= 0 ? h5_attribute_text(group, "Type") : NULL;
  if (type != NULL && strcmp(type, "ImageData") == 0) {
    vtkhdf image = {.w = w, .spacing = {1, 1, 1}};
    double extent[6] = {0};
    h5_attribute_numbers(group, "Origin", image.origin, 3);
    h5_attribute_numbers(group, "Spacing", image.spacing, 3);
    if (h5_attribute_numbers(group, "WholeExtent", extent, 6) == 6) {
      for (int axis = 0; axis < 3; axis++) {
        image.origin[axis] += extent[2 * axis] * image.spacing[axis];
      }
    }
    static const char *const folders[] = {"/VTKHDF/PointData", "/VTKHDF/CellData"};
    for (int i = 0; i < 2; i++) {
      hid_t arrays =
          h5_exists(w->file->id, folders[i]) ? H5Gopen2(w->file->id, folders[i], H5P_DEFAULT) : -1;
      hsize_t index = 0;
      image.folder = folders[i];
      image.cells = i == 1;
      if (arrays >= 0) {
        H5Literate(arrays, H5_INDEX_NAME, H5_ITER_NATIVE, &index, each_array, &image);
        H5Gclose(arrays);
      }
    }
  }
  free(type);
  H5Gclose(group);
}

/* --- Data Exchange (APS): /exchange/data, _white, _dark; TomoCuPy writes /exchange/recon ---------
 * Sources: dxfile.readthedocs.io; tomopy-cli's file_io.py (effective size of a pixel), TomoCuPy. */

#define INSTRUMENT "/measurement/instrument/"

/* The detector's pixels, divided by the magnification before them. */
static void detector_pixels(const walk *w, axis_scale scale[3]) {
  static const char *const names[][2] = {
      {"x_pixel_size", "y_pixel_size"}, {"pixel_size_x", "pixel_size_y"}, {"pixel_size", ""}};
  const char *const magnification = INSTRUMENT "detection_system/objective/magnification";
  double times = 1;
  if (h5_exists(w->file->id, magnification) &&
      (h5_dataset_numbers(w->file->id, magnification, &times, 1) != 1 || !(times > 0))) {
    times = 1;
  }
  for (int i = 0; i < 3 && !scale[0].known; i++) {
    for (int axis = 0; axis < 2; axis++) {
      char path[128];
      snprintf(path, sizeof path, INSTRUMENT "detector/%s", names[i][axis]);
      if (names[i][axis][0] != 0 && h5_exists(w->file->id, path)) {
        scale[axis] = read_axis(w->file->id, path, 0);
        scale[axis].spacing /= times;
      }
    }
  }
}

static void exchange_scale(const walk *w, volume *v) {
  const char *const resolution = INSTRUMENT "detection_system/objective/resolution";
  axis_scale scale[3] = {{0}};
  if (h5_exists(w->file->id, resolution)) { /* in um, magnified already */
    scale[0] = read_axis(w->file->id, resolution, 0);
    if (scale[0].metres <= 0) {
      scale[0].metres = unit_metres("um", scale[0].unit);
    }
  }
  if (!scale[0].known) {
    detector_pixels(w, scale);
  }
  apply_scales(v, scale);
}

void find_exchange(walk *w) {
  static const struct {
    const char *path;
    int score;
  } arrays[] = {{"/exchange/recon", 900},
                {"/exchange/data", 860},
                {"/exchange/data_white", 290},
                {"/exchange/data_dark", 280}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
    uint8_t token[24];
    if (!h5_exists(w->file->id, "/exchange") ||
        object_token(w->file->id, arrays[i].path, token) != 0 || walk_used(w, token)) {
      continue;
    }
    volume *v = add_dataset(w, arrays[i].path, "Data Exchange", arrays[i].score);
    if (v == NULL) {
      continue;
    }
    walk_use(w, token);
    hid_t dataset = H5Dopen2(w->file->id, arrays[i].path, H5P_DEFAULT);
    char *axes = h5_attribute_text(dataset, "axes"), *rest = axes, *word;
    const char *names[MAX_DIMS] = {NULL};
    for (int k = 0;
         rest != NULL && k < v->about.dimensions && (word = strtok_r(rest, ":, ", &rest)); k++) {
      names[k] = word;
    }
    if (axes != NULL) {
      roles_from_names(v, names);
    }
    free(axes);
    H5Dclose(dataset);
    exchange_scale(w, v);
  }
}

/* --- everything else ---------------------------------------------------------------------------
 */

/* CIL, which drives ASTRA and TIGRE (its NEXUSDataWriter.py): the dimensions' labels are dim0,
 * dim1,
 * ..., once dimension0, ...; the size of a voxel and where the middle lies have no unit. */
static void cil(hid_t dataset, volume *v) {
  static const char *const sizes[][2] = {
      {"voxel_size_x", "pixel_size_h"}, {"voxel_size_y", "pixel_size_v"}, {"voxel_size_z", ""}};
  static const char *const centres[] = {"center_x", "center_y", "center_z"};
  char *labels[MAX_DIMS] = {NULL};
  for (int i = 0; i < v->about.dimensions; i++) {
    char name[24];
    snprintf(name, sizeof name, "dim%d", i);
    labels[i] = h5_attribute_text(dataset, name);
    snprintf(name, sizeof name, "dimension%d", i);
    labels[i] = labels[i] != NULL ? labels[i] : h5_attribute_text(dataset, name);
  }
  roles_from_names(v, (const char *const *)labels);
  axis_scale scale[3] = {{0}};
  for (int axis = 0; axis < 3; axis++) {
    const int dimension = volume_dimension(v, axis);
    axis_scale *s = &scale[axis];
    double centre;
    for (int i = 0; i < 2 && !s->known; i++) {
      s->known = h5_attribute_numbers(dataset, sizes[axis][i], &s->spacing, 1) == 1 &&
                 s->spacing > 0 && s->spacing < 1e300;
    }
    if (s->known && dimension >= 0 &&
        h5_attribute_numbers(dataset, centres[axis], &centre, 1) == 1) {
      s->origin = centre - s->spacing * (double)(v->about.shape[dimension] - 1) / 2;
    }
  }
  apply_scales(v, scale);
  for (int i = 0; i < MAX_DIMS; i++) {
    free(labels[i]);
  }
  snprintf(v->convention, sizeof v->convention, "CIL");
}

/* Attributes that some programs put on the dataset itself: axis letters ("tczyx", ilastik,
 * HyperSpy, OME), and the size of a voxel in um, z first (ilastik, Fiji). */
static void dataset_attributes(const walk *w, const char *path, volume *v) {
  hid_t dataset = H5Dopen2(w->file->id, path, H5P_DEFAULT);
  char **labels;
  size_t count = h5_attribute_texts(dataset, "DIMENSION_LABELS", &labels);
  const char *names[MAX_DIMS] = {NULL};
  for (size_t i = 0; i < count && i < (size_t)v->about.dimensions; i++) {
    names[i] = labels[i][0] != 0 ? labels[i] : NULL;
  }
  char *axes = h5_attribute_text(dataset, "axes");
  char letters[MAX_DIMS][2] = {{0}};
  if (axes != NULL && strlen(axes) == (size_t)v->about.dimensions) {
    for (int i = 0; i < v->about.dimensions; i++) {
      letters[i][0] = axes[i];
      names[i] = letters[i];
    }
  }
  roles_from_names(v, names);
  free(axes);
  h5_free_texts(labels, count);
  double size[3];
  if (h5_attribute_numbers(dataset, "element_size_um", size, 3) == 3) {
    axis_scale scale[3] = {{0}};
    for (int axis = 0; axis < 3; axis++) {
      scale[axis] =
          (axis_scale){.known = 1, .spacing = size[2 - axis], .metres = 1e-6, .unit = "um"};
    }
    apply_scales(v, scale);
  }
  char *kind = h5_attribute_text(dataset, "data_type");
  if (kind != NULL && (strcmp(kind, "ImageData") == 0 || strcmp(kind, "AcquisitionData") == 0)) {
    cil(dataset, v);
  }
  free(kind);
  H5Dclose(dataset);
}

/* HTTomo (httomo/methods.py, httomolibgpu): /data beside /data_dims and /angles. Projections are
 * [angle][z][x]; reconstructions are [y][z][x], with the detector's rows in the middle. */
static void httomo(const walk *w, volume *v) {
  snprintf(v->convention, sizeof v->convention, "HTTomo");
  v->about.score += 200;
  hid_t angles = H5Dopen2(w->file->id, "/angles", H5P_DEFAULT);
  hid_t space = angles >= 0 ? H5Dget_space(angles) : -1;
  const hssize_t count = space >= 0 ? H5Sget_simple_extent_npoints(space) : 0;
  if (v->about.dimensions == 3 && count > 0 && (uint64_t)count != v->about.shape[0]) {
    static const int roles[] = {BEAMCAST_HDF5_Y, BEAMCAST_HDF5_Z, BEAMCAST_HDF5_X};
    memcpy(v->about.role, roles, sizeof roles);
  }
  H5Sclose(space);
  H5Dclose(angles);
}

static int likelihood(const volume *v) {
  static const char *const words[] = {"recon", "volume", "vol", "data", "image", "tomo", "result"};
  int spatial = 0, score = 0;
  uint64_t smallest = UINT64_MAX, voxels = 1;
  for (int i = 0; i < v->about.dimensions; i++) {
    if (v->about.role[i] <= BEAMCAST_HDF5_Z) {
      spatial++;
      smallest = v->about.shape[i] < smallest ? v->about.shape[i] : smallest;
    }
    voxels *= v->about.shape[i];
  }
  score = spatial == 3 ? 500 : 200;
  score -= v->about.dimensions > 3 && !v->element.complex ? 20 : 0;
  score -= smallest < 2 ? 150 : smallest < 8 ? 60 : 0; /* a table, or a few profiles */
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcasestr(leaf(v->path), words[i]) != NULL || strcasecmp(leaf(v->path), "rec") == 0) {
      score += 20;
      break;
    }
  }
  while (voxels > 1) { /* up to 63 for size */
    voxels >>= 1;
    score++;
  }
  return score;
}

static void find_others(walk *w) {
  for (size_t i = 0; i < w->count; i++) {
    const found_object *object = &w->object[i];
    if (object->is_group || object->used) {
      continue;
    }
    if (object->problem != NULL) {
      volumes_miss(w->file, "%s", object->problem);
    }
    volume *v = object->looked_at != NULL
                    ? add_known(w, object->path, object->looked_at, "dataset", 0)
                    : NULL;
    if (v == NULL) {
      continue;
    }
    if (object->attributes > 0) {
      dataset_attributes(w, object->path, v);
    }
    v->about.score = likelihood(v);
    if (object->path[1] == 'd' && strcmp(object->path, "/data") == 0 &&
        h5_exists(w->file->id, "/data_dims")) {
      httomo(w, v);
    }
    uint8_t token[24];
    memcpy(token, object->token, sizeof token);
    if (object->hard_links > 1) {
      walk_use(w, token);
    }
  }
}

/* The words of a user about dimensions go before those of the file. */
static void user_dimensions(beamcast_hdf5_file *file) {
  for (size_t i = 0; file->options.dimensions != NULL && i < file->count; i++) {
    volume_roles_from_text(&file->volumes[i], file->options.dimensions);
  }
}

int inspect_hdf5(beamcast_hdf5_file *file, beamcast_error *error) {
  walk w;
  int result = walk_file(file, &w, error);
  if (result == BEAMCAST_OK) {
    find_by_layouts(&w);
    find_vtkhdf(&w);
    find_tomography(&w);
    find_nexus(&w);
    find_exchange(&w);
    find_others(&w);
    user_dimensions(file);
    if (file->count == 0) {
      result = beamcast_fail(
          error, BEAMCAST_ERR_IO,
          "%s holds no volume: it has %d dataset%s, and no array of numbers in 2 to "
          "%d dimensions%s%s",
          file->path, w.datasets, w.datasets == 1 ? "" : "s", MAX_DIMS,
          file->missing_count > 0 ? "; " : "", file->missing_count > 0 ? file->missing[0] : "");
    }
  }
  walk_free(&w);
  return result;
}
