/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A facility's own layouts, as small JSON files:
 *
 *   { "name": "Beamline 7", "volumes": [
 *     { "path": "/scan*\/recon/volume", "dimensions": "z,y,x", "unit": "um",
 *       "spacing": {"x": 0.65, "y": "/scan/pixel", "z": "/scan/recon/volume@pitch"},
 *       "origin": {"z": -12.5}, "name": "absorption" } ] }
 *
 * path may hold the wildcards of a shell; a number may be the path of a scalar dataset, or
 * path@attribute. Only path is needed.
 */
#include "inspect.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <jansson.h>

/* A number, or one that lies in the file. */
static int number_of(const walk *w, const json_t *value, double *number) {
  if (json_is_number(value)) {
    *number = json_number_value(value);
    return 1;
  }
  if (!json_is_string(value)) {
    return 0;
  }
  char path[1024];
  snprintf(path, sizeof path, "%.1023s", json_string_value(value));
  char *at = strchr(path, '@');
  if (at == NULL) {
    return h5_exists(w->file->id, path) && h5_dataset_numbers(w->file->id, path, number, 1) == 1;
  }
  *at = 0;
  hid_t object = h5_exists(w->file->id, path) ? H5Oopen(w->file->id, path, H5P_DEFAULT) : -1;
  const int found = object >= 0 && h5_attribute_numbers(object, at + 1, number, 1) == 1;
  H5Oclose(object);
  return found;
}

static void geometry(const walk *w, const json_t *entry, volume *v) {
  static const char *const names[] = {"x", "y", "z"};
  const char *unit = json_string_value(json_object_get(entry, "unit"));
  const json_t *spacing = json_object_get(entry, "spacing"),
               *origin = json_object_get(entry, "origin");
  axis_scale scale[3] = {{0}};
  for (int axis = 0; axis < 3; axis++) {
    const json_t *own = json_is_object(spacing) ? json_object_get(spacing, names[axis]) : spacing;
    scale[axis].metres = unit_metres(unit, scale[axis].unit);
    scale[axis].known = number_of(w, own, &scale[axis].spacing) && scale[axis].spacing > 0;
    number_of(w, json_is_object(origin) ? json_object_get(origin, names[axis]) : NULL,
              &scale[axis].origin);
  }
  apply_scales(v, scale);
}

static void one_entry(walk *w, const char *layout, const json_t *entry, int order) {
  const char *pattern = json_string_value(json_object_get(entry, "path"));
  const char *dimensions = json_string_value(json_object_get(entry, "dimensions"));
  const char *name = json_string_value(json_object_get(entry, "name"));
  if (pattern == NULL) {
    volumes_miss(w->file, "An entry of the layout %.100s has no path", layout);
    return;
  }
  for (size_t i = 0; i < w->count; i++) {
    const found_object *object = &w->object[i];
    if (object->is_group || object->used || fnmatch(pattern, object->path, FNM_PATHNAME) != 0) {
      continue;
    }
    volume *v = add_dataset(w, object->path, layout, 1000 - order);
    if (v == NULL) {
      continue;
    }
    if (dimensions != NULL && volume_roles_from_text(v, dimensions) != 0) {
      volumes_miss(w->file, "The layout %.100s says \"%.40s\" of %.200s, which has %d dimensions",
                   layout, dimensions, object->path, v->about.dimensions);
    }
    char *copy = name != NULL ? strdup(name) : NULL;
    if (copy != NULL) {
      free(v->name);
      v->name = copy;
    }
    geometry(w, entry, v);
    uint8_t token[24];
    memcpy(token, object->token, sizeof token);
    walk_use(w, token);
  }
}

static void one_layout(walk *w, const char *path) {
  json_error_t problem;
  json_t *layout = json_load_file(path, 0, &problem);
  if (layout == NULL) {
    volumes_miss(w->file, "The layout file %.200s is not valid (line %d: %.100s)", path,
                 problem.line, problem.text);
    return;
  }
  const char *name = json_string_value(json_object_get(layout, "name"));
  const json_t *volumes = json_object_get(layout, "volumes");
  for (size_t i = 0; i < json_array_size(volumes) && i < 100; i++) {
    one_entry(w, name != NULL ? name : "layout file", json_array_get(volumes, i), (int)i);
  }
  json_decref(layout);
}

static void one_place(walk *w, const char *place) {
  struct stat status;
  if (stat(place, &status) != 0) {
    volumes_miss(w->file, "The layout file or folder %.300s does not exist", place);
    return;
  }
  if (!S_ISDIR(status.st_mode)) {
    one_layout(w, place);
    return;
  }
  struct dirent **entries = NULL;
  const int count = scandir(place, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    const size_t length = strlen(entries[i]->d_name);
    char path[4096];
    if (length > 5 && strcmp(entries[i]->d_name + length - 5, ".json") == 0 &&
        snprintf(path, sizeof path, "%s/%s", place, entries[i]->d_name) < (int)sizeof path) {
      one_layout(w, path);
    }
    free(entries[i]);
  }
  free(entries);
}

void find_by_layouts(walk *w) {
  const char *places = w->file->options.layouts;
  places = places != NULL ? places : getenv("BEAMCAST_LAYOUTS");
  char *copy = places != NULL ? strdup(places) : NULL, *rest = copy, *place;
  while (rest != NULL && (place = strtok_r(rest, ":", &rest)) != NULL) {
    one_place(w, place);
  }
  free(copy);
}
