/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of a file's volumes as text and as JSON.
 */
#include "volume.h"

#include <stdlib.h>

#include <jansson.h>

static const char *const role_names[] = {"x", "y", "z", "time", "channel", "component"};

static json_t *triple(const double values[3]) {
  return json_pack("[fff]", values[0], values[1], values[2]);
}

static json_t *sizes(const uint64_t *values, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) {
    json_array_append_new(list, json_integer((json_int_t)values[i]));
  }
  return list;
}

static json_t *text(const char *value) { /* bytes that are no UTF-8 are replaced */
  json_t *string = json_string(value);
  if (string == NULL) {
    char *copy = strdup(value);
    for (char *c = copy; c != NULL && *c != 0; c++) {
      *c = (unsigned char)*c < 128 ? *c : '?';
    }
    string = json_string(copy != NULL ? copy : "");
    free(copy);
  }
  return string;
}

/* Null when the file has none; NaN and infinity are null, too. */
static json_t *times_of(const beamcast_hdf5_volume *v) {
  json_t *list = v->time_values != NULL ? json_array() : json_null();
  for (uint64_t i = 0; v->time_values != NULL && i < v->times; i++) {
    json_t *value = json_real(v->time_values[i]);
    json_array_append_new(list, value != NULL ? value : json_null());
  }
  return list;
}

static json_t *volume_json(const beamcast_hdf5_volume *v) {
  json_t *o = json_object(), *roles = json_array();
  for (int i = 0; i < v->dimensions; i++) {
    json_array_append_new(roles, json_string(role_names[v->role[i]]));
  }
  json_object_set_new(o, "path", text(v->path));
  json_object_set_new(o, "name", text(v->name));
  json_object_set_new(o, "convention", text(v->convention));
  json_object_set_new(o, "score", json_integer(v->score));
  json_object_set_new(o, "type", json_string(voxel_type_name(v->type)));
  json_object_set_new(o, "kind",
                      json_string(v->kind == BEAMCAST_HDF5_COMPLEX  ? "complex"
                                  : v->kind == BEAMCAST_HDF5_VECTOR ? "vector"
                                                                    : "scalar"));
  json_object_set_new(o, "components", json_integer(v->components));
  json_object_set_new(o, "shape", sizes(v->shape, v->dimensions));
  json_object_set_new(o, "dimensions", roles);
  json_object_set_new(o, "size", sizes(v->size, 3));
  json_object_set_new(o, "times", json_integer((json_int_t)v->times));
  json_object_set_new(o, "time_values", times_of(v));
  json_object_set_new(o, "channels", json_integer((json_int_t)v->channels));
  json_object_set_new(o, "spacing", triple(v->spacing));
  json_object_set_new(o, "origin", triple(v->origin));
  json_object_set_new(o, "spacing_known", json_boolean(v->spacing_known));
  json_object_set_new(o, "unit", text(v->unit));
  json_object_set_new(o, "value_unit", text(v->value_unit));
  json_object_set_new(o, "chunk", v->chunk[0] > 0 ? sizes(v->chunk, v->dimensions) : json_null());
  json_object_set_new(o, "filters", text(v->filters));
  json_object_set_new(o, "storage", text(v->storage));
  json_object_set_new(o, "planes_written", json_integer((json_int_t)v->planes_written));
  json_object_set_new(o, "bytes", json_integer((json_int_t)v->bytes));
  return o;
}

static char *as_json(const beamcast_hdf5_file *file) {
  json_t *o = json_object(), *volumes = json_array(), *missing = json_array();
  for (size_t i = 0; i < file->count; i++) {
    json_array_append_new(volumes, volume_json(&file->volumes[i].about));
  }
  for (size_t i = 0; i < file->missing_count; i++) {
    json_array_append_new(missing, text(file->missing[i]));
  }
  json_object_set_new(o, "file", text(file->path));
  json_object_set_new(o, "volumes", volumes);
  json_object_set_new(o, "missing", missing);
  char *result = json_dumps(o, JSON_REAL_PRECISION(17));
  json_decref(o);
  return result;
}

static void print_volume(FILE *out, const beamcast_hdf5_volume *v) {
  static const char *const unit_names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double bytes = (double)v->bytes;
  int unit = 0;
  for (; bytes >= 1024 && unit < 4; unit++) {
    bytes /= 1024;
  }
  fprintf(out, "%s\n  %s, %s%s", v->path, v->convention,
          v->kind == BEAMCAST_HDF5_COMPLEX ? "complex " : "", voxel_type_name(v->type));
  if (v->kind == BEAMCAST_HDF5_VECTOR) {
    fprintf(out, " x %d", v->components);
  }
  fprintf(out, ", %llu x %llu x %llu (x, y, z)", (unsigned long long)v->size[0],
          (unsigned long long)v->size[1], (unsigned long long)v->size[2]);
  if (v->times > 1) {
    fprintf(out, ", %llu times", (unsigned long long)v->times);
  }
  if (v->channels > 1) {
    fprintf(out, ", %llu channels", (unsigned long long)v->channels);
  }
  fprintf(out, ", %.3g %s%s%s\n", bytes, unit_names[unit],
          v->value_unit[0] != 0 ? ", values in " : "", v->value_unit);
  if (v->spacing_known) {
    fprintf(out, "  spacing %g x %g x %g%s%s, origin %g, %g, %g\n", v->spacing[0], v->spacing[1],
            v->spacing[2], v->unit[0] != 0 ? " " : "", v->unit, v->origin[0], v->origin[1],
            v->origin[2]);
  }
  fprintf(out, "  %s", v->storage);
  for (int i = 0; i < v->dimensions && v->chunk[0] > 0; i++) {
    fprintf(out, "%s%llu", i == 0 ? " (" : ", ", (unsigned long long)v->chunk[i]);
  }
  fprintf(out, "%s%s%s\n", v->chunk[0] > 0 ? ")" : "", v->filters[0] != 0 ? ", " : "", v->filters);
}

char *beamcast_hdf5_describe(const beamcast_hdf5_file *file, int json) {
  if (json) {
    return as_json(file);
  }
  char *text_result = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text_result, &size);
  if (out == NULL) {
    return NULL;
  }
  for (size_t i = 0; i < file->count; i++) {
    print_volume(out, &file->volumes[i].about);
  }
  for (size_t i = 0; i < file->missing_count; i++) {
    fprintf(out, "Missing: %s\n", file->missing[i]);
  }
  fclose(out);
  return text_result;
}
