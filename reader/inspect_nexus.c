/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NeXus: NXdata groups with their signal, axes and units (old and new spelling), the chain of
 * `default` attributes, reconstructions (NXtomoproc, nabu, Savu), and scans with an image key.
 * Sources: manual.nexusformat.org, NXdata, NXtomo, NXtomoproc.
 */
#include "inspect.h"

#include <stdlib.h>
#include <strings.h>

enum { PATH_LENGTH = 2048 };

/* A path that is too long becomes empty, which nothing is called. */
static void join(char *out, const char *group, const char *name) {
  if (snprintf(out, PATH_LENGTH, "%s/%s", strcmp(group, "/") == 0 ? "" : group, name) >=
      PATH_LENGTH) {
    out[0] = 0;
  }
}

static hid_t open_group(const walk *w, const char *path) {
  return H5Gopen2(w->file->id, path, H5P_DEFAULT);
}

/* The signal's name: the attribute, else (old files) the dataset with signal = 1, else "data". */
typedef struct old_signal {
  char name[256];
} old_signal;

static herr_t each_child(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  (void)link;
  H5O_info_t info;
  if (H5Oget_info_by_name2(group, name, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS, H5P_DEFAULT) <
          0 ||
      info.type != H5O_TYPE_DATASET || info.num_attrs == 0) {
    return 0;
  }
  hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
  double number = 0;
  char *text = h5_attribute_text(dataset, "signal");
  const int is_signal = (text != NULL && strcmp(text, "1") == 0) ||
                        (h5_attribute_numbers(dataset, "signal", &number, 1) == 1 && number == 1);
  free(text);
  H5Dclose(dataset);
  if (is_signal) {
    snprintf(((old_signal *)context)->name, sizeof((old_signal *)context)->name, "%.255s", name);
  }
  return is_signal;
}

static int signal_of(hid_t group, char name[256]) {
  char *text = h5_attribute_text(group, "signal");
  if (text != NULL) {
    snprintf(name, 256, "%.255s", text);
    free(text);
    return 1;
  }
  old_signal old = {""};
  hsize_t index = 0;
  H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &index, each_child, &old);
  snprintf(name, 256, "%s", old.name[0] != 0 ? old.name : "data");
  return old.name[0] != 0 || h5_exists(group, "data");
}

/* The axes' names: the group's attribute, else the signal's own "z:y:x". */
static size_t axes_of(hid_t group, const char *signal, char ***names) {
  size_t count = h5_attribute_texts(group, "axes", names);
  if (count > 0) {
    return count;
  }
  hid_t dataset = H5Dopen2(group, signal, H5P_DEFAULT);
  char *text = dataset >= 0 ? h5_attribute_text(dataset, "axes") : NULL;
  H5Dclose(dataset);
  char **list = text != NULL ? calloc(MAX_DIMS, sizeof *list) : NULL;
  char *rest = text;
  for (char *word; list != NULL && count < MAX_DIMS && (word = strtok_r(rest, ":,[] ", &rest));) {
    list[count] = strdup(word);
    count += list[count] != NULL;
  }
  free(text);
  *names = list;
  if (count == 0) {
    free(list);
    *names = NULL;
  }
  return count;
}

static void time_values(hid_t group, const char *name, volume *v, int dimension) {
  const uint64_t count = v->about.shape[dimension];
  double *values = count < 1000000 ? calloc((size_t)count, sizeof *values) : NULL;
  if (values != NULL && h5_dataset_numbers(group, name, values, (size_t)count) == count) {
    free(v->time_values);
    v->time_values = values;
    v->time_count = (size_t)count;
  } else {
    free(values);
  }
}

static void axes_to_volume(hid_t group, const char *signal, volume *v) {
  char **names;
  size_t count = axes_of(group, signal, &names);
  const char *name[MAX_DIMS] = {NULL};
  for (size_t i = 0; i < count && i < (size_t)v->about.dimensions; i++) {
    name[i] = strcmp(names[i], ".") == 0 ? NULL : names[i];
  }
  roles_from_names(v, name);
  axis_scale scale[3] = {{0}};
  for (int i = 0; i < v->about.dimensions; i++) {
    const int role = v->about.role[i];
    if (name[i] == NULL || !h5_exists(group, name[i])) {
      continue;
    }
    if (role <= BEAMCAST_HDF5_Z) {
      scale[role] = read_axis(group, name[i], v->about.shape[i]);
      snprintf(v->axis[role], sizeof v->axis[role], "%.31s", name[i]);
    } else if (role == BEAMCAST_HDF5_TIME) {
      time_values(group, name[i], v, i);
    }
  }
  apply_scales(v, scale);
  h5_free_texts(names, count);
}

/* Words in a path that speak for a reconstructed volume. */
static int speaks_of_reconstruction(const char *path) {
  return strcasestr(path, "recon") != NULL || strcasestr(path, "final_result") != NULL ||
         strcasestr(path, "volume") != NULL;
}

/* nabu keeps the size of a voxel among the options it ran with, beside its results
 * (nabu/io/writer.py, tomoscan's hdf5volume.py): z first, or one number; before 2023 as a pixel. */
static void nabu_scale(const walk *w, const char *group, volume *v) {
  static const char *const options[] = {
      "configuration/processing_options/reconstruction/voxel_size_cm",
      "configuration/processing_options/reconstruction/pixel_size_cm"};
  char base[PATH_LENGTH], path[PATH_LENGTH];
  double size[3];
  snprintf(base, sizeof base, "%s", group);
  for (int up = 0; up < 2; up++) { /* the results' group, or one in it */
    char *slash = strrchr(base, '/');
    if (slash == NULL || slash == base) {
      return;
    }
    *slash = 0;
    for (int i = 0; i < 2 && !v->about.spacing_known; i++) {
      join(path, base, options[i]);
      const size_t count =
          h5_exists(w->file->id, path) ? h5_dataset_numbers(w->file->id, path, size, 3) : 0;
      if (count != 1 && count != 3) {
        continue;
      }
      axis_scale scale[3] = {{0}};
      for (int axis = 0; axis < 3; axis++) { /* centimetres, z first */
        scale[axis] = (axis_scale){.known = 1,
                                   .spacing = size[count == 3 ? 2 - axis : 0] * 1e4,
                                   .metres = 1e-6,
                                   .unit = "um"};
      }
      apply_scales(v, scale);
      snprintf(v->convention, sizeof v->convention, "nabu");
    }
  }
}

static void one_nxdata(walk *w, const char *path, int boost) {
  char signal[256], target[PATH_LENGTH];
  uint8_t token[24];
  hid_t group = open_group(w, path);
  if (group < 0 || !signal_of(group, signal)) {
    H5Gclose(group);
    return;
  }
  join(target, path, signal);
  if (object_token(w->file->id, target, token) == 0 && !walk_used(w, token)) {
    volume *v = add_dataset(w, target, "NXdata", 700 + boost);
    if (v != NULL) {
      axes_to_volume(group, signal, v);
      if (!v->about.spacing_known) {
        nabu_scale(w, path, v);
      }
      v->about.score += speaks_of_reconstruction(target) ? 40 : 0;
      v->about.score -= v->about.dimensions == 2 ? 300 : 0;
      walk_use(w, token);
    }
  }
  H5Gclose(group);
}

/* Follows `default` from the root; the path of the NXdata it ends at, "" when it breaks off. */
static void default_chain(const walk *w, char path[PATH_LENGTH]) {
  snprintf(path, PATH_LENGTH, "/");
  for (int depth = 0; depth < 8; depth++) {
    hid_t group = open_group(w, path);
    char *next = group >= 0 ? h5_attribute_text(group, "default") : NULL;
    H5Gclose(group);
    if (next == NULL) {
      break;
    }
    char longer[PATH_LENGTH];
    if (next[0] == '/') {
      snprintf(longer, sizeof longer, "%s", next);
    } else {
      join(longer, path, next);
    }
    free(next);
    if (!h5_exists(w->file->id, longer)) {
      break;
    }
    memcpy(path, longer, sizeof longer);
  }
}

void find_nexus(walk *w) {
  char preferred[PATH_LENGTH];
  default_chain(w, preferred);
  if (strcmp(preferred, "/") != 0) {
    H5O_info_t info;
    if (H5Oget_info_by_name2(w->file->id, preferred, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
        info.type == H5O_TYPE_GROUP) {
      one_nxdata(w, preferred, 200);
    }
  }
  for (size_t i = 0; i < w->count; i++) {
    if (w->object[i].is_group && strcmp(w->object[i].nx_class, "NXdata") == 0) {
      one_nxdata(w, w->object[i].path, 0);
    }
  }
}

/* --- scans with an image key -------------------------------------------------------------------
 */

static const struct {
  double key;
  const char *suffix;
  int score;
} frame_kinds[] = {{0, "projections", 960}, {1, "flats", 290}, {2, "darks", 280}};

/* Sizes of a pixel, in any of the places that NXdetector and older files have them. */
static void detector_scale(const walk *w, const char *group, volume *v) {
  static const char *const names[2] = {"x_pixel_size", "y_pixel_size"};
  axis_scale scale[3] = {{0}};
  for (int axis = 0; axis < 2; axis++) {
    char path[PATH_LENGTH];
    join(path, group, names[axis]);
    if (h5_exists(w->file->id, path)) {
      scale[axis] = read_axis(w->file->id, path, 0);
    }
  }
  apply_scales(v, scale);
}

static void one_scan(walk *w, const char *group) {
  char path[PATH_LENGTH], key_path[PATH_LENGTH];
  uint8_t token[24];
  join(path, group, "data");
  join(key_path, group, "image_key");
  if (object_token(w->file->id, path, token) != 0 || walk_used(w, token)) {
    return;
  }
  volume probe = {0};
  if (inspect_dataset(w->file, path, &probe, NULL) != 0 || probe.about.dimensions != 3 ||
      probe.about.shape[0] > 100000000) {
    return;
  }
  const size_t frames = (size_t)probe.about.shape[0];
  double *key = calloc(frames + 1, sizeof *key);
  const size_t keys = key != NULL ? h5_dataset_numbers(w->file->id, key_path, key, frames + 1) : 0;
  /* A scan that is being written, or was stopped, may have fewer frames than keys or the reverse.
   */
  const size_t both = keys < frames ? keys : frames;
  for (size_t k = 0; k < 3 && both > 0; k++) {
    uint64_t *chosen = calloc(both, sizeof *chosen);
    size_t count = 0;
    for (size_t i = 0; chosen != NULL && i < both; i++) {
      if (key[i] == frame_kinds[k].key) {
        chosen[count++] = i;
      }
    }
    volume *v = count > 0 ? add_dataset(w, path, "NXtomo", frame_kinds[k].score) : NULL;
    if (v == NULL) {
      free(chosen);
      continue;
    }
    char label[PATH_LENGTH + 32];
    snprintf(label, sizeof label, "%s [%s]", path, frame_kinds[k].suffix);
    char *path_copy = strdup(label), *name_copy = strdup(frame_kinds[k].suffix);
    if (path_copy != NULL && name_copy != NULL) {
      free(v->path);
      free(v->name);
      v->path = path_copy;
      v->name = name_copy;
    } else {
      free(path_copy);
      free(name_copy);
    }
    v->frames = chosen;
    v->frame_count = count;
    volume_default_roles(v); /* the frames are planes of z, whatever else may be said */
    if (v->about.planes_written < frames && v->about.planes_written > 0) {
      uint64_t written = 0;
      while (written < count && chosen[written] < v->about.planes_written) {
        written++;
      }
      v->about.planes_written = written;
    }
    detector_scale(w, group, v);
  }
  free(key);
  if (both > 0) { /* all frames together stay in the list, at its end */
    volume *v = add_dataset(w, path, "NXtomo", 100);
    if (v != NULL) {
      detector_scale(w, group, v);
    }
    walk_use(w, token);
  }
}

void find_tomography(walk *w) {
  for (size_t i = 0; i < w->count; i++) {
    if (w->object[i].is_group && w->object[i].has_image_key) {
      one_scan(w, w->object[i].path);
    }
  }
}
