/* SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "command.h"
#include "npy.h"

#ifdef BEAMCAST_HAS_READER
#include "beamcast_hdf5.h"
#endif

enum { PATH_LIMIT = 4096, SLAB_BYTES = 64 << 20 };

struct volume_source {
  char name[128]; /* of the array */
  char notice[160];
  source_amount amount; /* but for the voxels */
  npy_file npy;         /* map is NULL if it is another file */
#ifdef BEAMCAST_HAS_READER
  beamcast_hdf5_file *file;
  beamcast_hdf5_plan plan;
  void *slab; /* memory that is read into */
#endif
  beamcast_brick brick; /* all of the volume but the data */
};

static bool ends_with(const char *name, const char *ending) {
  size_t length = strlen(name), tail = strlen(ending);
  return length > tail && strcasecmp(name + length - tail, ending) == 0;
}

/* FILE:DATASET, unless there is a file of the whole name. */
static int split_name(const char *name, char path[PATH_LIMIT], const char **dataset,
                      beamcast_error *error) {
  struct stat state;
  const char *colon = strrchr(name, ':');
  *dataset = NULL;
  if (strlen(name) >= PATH_LIMIT) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the file's name is too long");
  }
  (void)snprintf(path, PATH_LIMIT, "%s", name);
  if (stat(path, &state) != 0 && colon != NULL) {
    path[colon - name] = '\0';
    *dataset = colon + 1;
  }
  if (stat(path, &state) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "there is no file %.300s", path);
  }
  return BEAMCAST_OK;
}

/* The file's name without folder and ending. */
static void name_after_file(volume_source *source, const char *path) {
  const char *slash = strrchr(path, '/');
  (void)snprintf(source->name, sizeof source->name, "%.100s", slash ? slash + 1 : path);
  char *dot = strrchr(source->name, '.');
  if (dot != NULL && dot != source->name) {
    *dot = '\0';
  }
}

static int open_npy(volume_source *source, const char *path, beamcast_error *error) {
  int code = npy_open(path, &source->npy, error);
  if (code == BEAMCAST_OK) {
    source->brick.type = source->npy.type;
    source->brick.components = source->npy.components;
    memcpy(source->brick.volume, source->npy.shape, sizeof source->brick.volume);
    memcpy(source->brick.stride, source->npy.stride, sizeof source->brick.stride);
    name_after_file(source, path);
  }
  return code;
}

/* Planes of z in one slab: what fits, at least one. */
static uint64_t planes_a_slab(const beamcast_brick *b, uint64_t layer) {
  uint64_t plane = b->volume[0] * b->volume[1] * beamcast_type_size(b->type) *
                   (uint64_t)(b->components > 0 ? b->components : 1);
  uint64_t planes = plane > 0 ? SLAB_BYTES / plane : 1;
  planes -= layer > 0 && planes > layer ? planes % layer : 0;
  return planes > 0 ? planes : 1;
}

static int put_npy(const volume_source *source, beamcast_stream *stream, beamcast_brick *brick,
                   beamcast_error *error) {
  int code = BEAMCAST_OK;
  uint64_t planes = planes_a_slab(brick, 0);
  for (uint64_t z = 0; z < brick->volume[2] && code == BEAMCAST_OK; z += planes) {
    brick->start[2] = z;
    brick->shape[2] = z + planes < brick->volume[2] ? planes : brick->volume[2] - z;
    brick->data = (const char *)source->npy.data + (int64_t)z * source->npy.stride[2];
    code = beamcast_put(stream, brick, error);
    show_progress("pushing", (double)(z + brick->shape[2]) / (double)brick->volume[2]);
  }
  return code;
}

#ifdef BEAMCAST_HAS_READER

static int open_with_reader(volume_source *source, const char *path, const char *dataset,
                            const source_wish *given, beamcast_error *error) {
  beamcast_hdf5_open_options options = {.raw = {.type = given->type, .skip = given->skip}};
  /* slab by slab, so that memory for all is not needed */
  beamcast_hdf5_wish wish = {.stride = {1, 1, 1}, .memory_limit = UINT64_MAX, .ranks = 1};
  size_t count;
  memcpy(options.raw.size, given->size, sizeof options.raw.size);
  int code = beamcast_hdf5_open(path, &options, &source->file, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  code = beamcast_hdf5_find(source->file, dataset, &wish.volume, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  const beamcast_hdf5_volume *volume = &beamcast_hdf5_list(source->file, &count)[wish.volume];
  if (beamcast_type_size(volume->type) == 0) {
    wish.type = BEAMCAST_FLOAT64;
    (void)snprintf(source->notice, sizeof source->notice,
                   "64-bit integers are sent as float64, which is exact up to 2^53 (9e15)");
  }
  code = beamcast_hdf5_plan_read(source->file, &wish, &source->plan, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  beamcast_brick *brick = &source->brick;
  brick->type = source->plan.type;
  brick->components = source->plan.components;
  memcpy(brick->volume, source->plan.samples, sizeof brick->volume);
  memcpy(brick->spacing, source->plan.spacing, sizeof brick->spacing);
  memcpy(brick->origin, source->plan.origin, sizeof brick->origin);
  brick->length_unit = volume->unit[0] != '\0' ? volume->unit : NULL;
  brick->unit = volume->value_unit[0] != '\0' ? volume->value_unit : NULL;
  brick->copy = 1; /* the next slab is read into the same memory */
  (void)snprintf(source->name, sizeof source->name, "%.100s", volume->name);
  (void)snprintf(source->amount.packed, sizeof source->amount.packed, "%s", volume->filters);
  if (brick->components > 4) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "%.200s has %d components; 4 can be sent",
                         volume->path, brick->components);
  }
  return BEAMCAST_OK;
}

static int put_with_reader(volume_source *source, beamcast_stream *stream, beamcast_brick *brick,
                           beamcast_error *error) {
  const beamcast_hdf5_plan *plan = &source->plan;
  uint64_t planes = planes_a_slab(brick, plan->cut_axis == 2 ? plan->layer : 0);
  uint64_t bytes = beamcast_hdf5_sample_bytes(plan) * brick->volume[0] * brick->volume[1] *
                   (planes < brick->volume[2] ? planes : brick->volume[2]);
  source->slab = malloc(bytes);
  int code = source->slab != NULL
                 ? BEAMCAST_OK
                 : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no %.2f GiB of memory for one slab",
                                 (double)bytes / (1 << 30));
  for (uint64_t z = 0; z < brick->volume[2] && code == BEAMCAST_OK; z += planes) {
    brick->start[2] = z;
    brick->shape[2] = z + planes < brick->volume[2] ? planes : brick->volume[2] - z;
    int64_t extent[6] = {0,          (int64_t)brick->volume[0] - 1,
                         0,          (int64_t)brick->volume[1] - 1,
                         (int64_t)z, (int64_t)(z + brick->shape[2]) - 1};
    code = beamcast_hdf5_read(source->file, plan, extent, NULL, source->slab, bytes, NULL, error);
    brick->data = source->slab;
    code = code == BEAMCAST_OK ? beamcast_put(stream, brick, error) : code;
    show_progress("pushing", (double)(z + brick->shape[2]) / (double)brick->volume[2]);
  }
  return code;
}

#else

static int no_reader(const char *path, beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                       "%.300s: only .npy files are known to this build, which lacks the HDF5 "
                       "reader (see cmake/packages/reader.txt)",
                       path);
}

#endif

/* What the user says goes before what the file says. */
static void take_wish(beamcast_brick *brick, const source_wish *wish) {
  if (wish->spacing[0] > 0) {
    memcpy(brick->spacing, wish->spacing, sizeof brick->spacing);
    brick->length_unit = NULL;
  }
  brick->length_unit = wish->length_unit != NULL ? wish->length_unit : brick->length_unit;
  brick->unit = wish->unit != NULL ? wish->unit : brick->unit;
}

volume_source *source_open(const char *name, const source_wish *wish, beamcast_error *error) {
  char path[PATH_LIMIT];
  const char *dataset;
  volume_source *source = calloc(1, sizeof *source);
  if (source == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  int code = split_name(name, path, &dataset, error);
  if (code == BEAMCAST_OK && ends_with(path, ".npy")) {
    code = wish->size[0] == 0 && wish->type == 0 && wish->skip == 0
               ? open_npy(source, path, error)
               : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                               "--size, --type and --skip are for raw files; %.300s says its own",
                               path);
  } else if (code == BEAMCAST_OK) {
#ifdef BEAMCAST_HAS_READER
    code = open_with_reader(source, path, dataset, wish, error);
#else
    code = no_reader(path, error);
#endif
  }
  if (code != BEAMCAST_OK) {
    source_close(source);
    return NULL;
  }
  struct stat state;
  source->amount.file = stat(path, &state) == 0 ? (uint64_t)state.st_size : 0;
  memcpy(source->brick.shape, source->brick.volume, sizeof source->brick.shape);
  take_wish(&source->brick, wish);
  return source;
}

void source_close(volume_source *source) {
  if (source != NULL) {
    npy_close(&source->npy);
#ifdef BEAMCAST_HAS_READER
    beamcast_hdf5_close(source->file);
    free(source->slab);
#endif
    free(source);
  }
}

void source_tell(const volume_source *source, source_amount *amount) {
  const beamcast_brick *b = &source->brick;
  *amount = source->amount;
  amount->voxels = b->volume[0] * b->volume[1] * b->volume[2] * beamcast_type_size(b->type) *
                   (uint64_t)(b->components > 0 ? b->components : 1);
}

const char *source_notice(const volume_source *source) {
  return source->notice;
}

int source_put(volume_source *source, beamcast_stream *stream, const char *as,
               beamcast_error *error) {
  beamcast_brick brick = source->brick;
  brick.name = as != NULL ? as : source->name;
  int code = BEAMCAST_ERR_UNSUPPORTED;
  if (source->npy.map != NULL) {
    code = put_npy(source, stream, &brick, error);
  }
#ifdef BEAMCAST_HAS_READER
  else {
    code = put_with_reader(source, stream, &brick, error);
  }
#endif
  return code;
}

int source_put_points(const volume_source *source, beamcast_stream *stream, const char *as,
                      beamcast_error *error) {
  enum { COLUMNS_MAX = 4 };
  const char *names[COLUMNS_MAX] = {"x", "y", "z", as != NULL ? as : "value"};
  const npy_file *npy = &source->npy;
  if (npy->map == NULL || npy->shape[2] != 1 || npy->components != 1 || npy->shape[0] < 3 ||
      npy->shape[0] > COLUMNS_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "points are a .npy file of two dimensions: a row for each, with x, y, z "
                         "and what colours it, or without that");
  }
  int code = BEAMCAST_OK;
  for (uint64_t i = 0; i < npy->shape[0] && code == BEAMCAST_OK; i++) {
    int64_t row = npy->stride[1];
    beamcast_brick column = {.name = names[i],
                             .data = (const char *)npy->data + (int64_t)i * npy->stride[0],
                             .type = npy->type,
                             .unit = i < 3 ? source->brick.length_unit : source->brick.unit,
                             .stride = {row, row, row},
                             .volume = {1, 1, npy->shape[1]},
                             .shape = {1, 1, npy->shape[1]}};
    code = beamcast_put(stream, &column, error);
  }
  return code;
}

/* --- info ------------------------------------------------------------------------------------ */

static char *describe_npy(const char *path, int json, beamcast_error *error) {
  npy_file file;
  char *text = NULL;
  if (npy_open(path, &file, error) != BEAMCAST_OK) {
    return NULL;
  }
  const unsigned long long n[3] = {file.shape[0], file.shape[1], file.shape[2]};
  const char *type = beamcast_type_name(file.type);
  if (json) {
    json_t *volume = json_pack("{s:s, s:[I,I,I], s:i}", "type", type, "size", (json_int_t)n[0],
                               (json_int_t)n[1], (json_int_t)n[2], "components", file.components);
    json_t *all = json_pack("{s:s, s:[o]}", "file", path, "volumes", volume);
    text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
  } else if (asprintf(&text, "%s: %llu x %llu x %llu voxels of %s, %d component%s", path, n[0],
                      n[1], n[2], type, file.components, file.components == 1 ? "" : "s") < 0) {
    text = NULL;
  }
  npy_close(&file);
  return text;
}

char *source_describe(const char *path, int json, beamcast_error *error) {
  if (access(path, R_OK) != 0) {
    beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be read: %s", path, strerror(errno));
    return NULL;
  }
#ifdef BEAMCAST_HAS_READER
  beamcast_hdf5_file *file = NULL;
  bool npy = ends_with(path, ".npy");
  if (beamcast_hdf5_open(path, NULL, &file, npy ? NULL : error) != BEAMCAST_OK) {
    return npy ? describe_npy(path, json, error) : NULL; /* what only push takes */
  }
  char *text = beamcast_hdf5_describe(file, json);
  beamcast_hdf5_close(file);
  return text;
#else
  if (ends_with(path, ".npy")) {
    return describe_npy(path, json, error);
  }
  (void)no_reader(path, error);
  return NULL;
#endif
}

/* --- writing --------------------------------------------------------------------------------- */

/* Whether a file of so many bytes can be written there. */
static int folder_check(const char *path, uint64_t bytes, beamcast_error *error) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
  struct statvfs room;
  int why = folder == NULL ? ENOMEM : access(folder, W_OK) != 0 ? errno : 0;
  bool known = why == 0 && statvfs(folder, &room) == 0 && room.f_blocks > 0;
  free(folder);
  if (why != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be written: %s", path,
                         strerror(why));
  }
  if (known && bytes / room.f_frsize >= room.f_bavail) {
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%.300s can't be written: it takes %.1f MiB, and there are %.1f left",
                         path, (double)bytes / (1 << 20),
                         (double)room.f_bavail * (double)room.f_frsize / (1 << 20));
  }
  return BEAMCAST_OK;
}

int target_check(const char *path, beamcast_error *error) {
  int code = folder_check(path, 0, error); /* before much is fetched for it */
  if (code != BEAMCAST_OK || ends_with(path, ".npy")) {
    return code;
  }
  if (ends_with(path, ".h5") || ends_with(path, ".hdf5") || ends_with(path, ".nxs")) {
#ifdef BEAMCAST_HAS_READER
    return BEAMCAST_OK;
#else
    return no_reader(path, error);
#endif
  }
  return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                       "%.300s: the file's ending says its format, .h5 or .npy", path);
}

#ifdef BEAMCAST_HAS_READER
/* What the viewer says of what it shows, if there is one, with what is known of this step: it may
 * be an older one than that, or another array. */
static char *tell_origin(const beamcast_volume_data *volume, const char *from, const char *about) {
  json_t *all = about != NULL ? json_loads(about, 0, NULL) : NULL;
  all = json_is_object(all)
            ? all
            : json_pack("{s:{}, s:{s:s}}", "shown", "versions", "beamcast", beamcast_version());
  json_t *shown = json_object_get(all, "shown");
  json_t *header = volume->header != NULL ? json_loads(volume->header, 0, NULL) : NULL;
  (void)json_object_set_new(all, "session", json_string(from));
  (void)json_object_set_new(shown, "array", json_string(volume->name));
  if (json_is_object(header)) {
    (void)json_object_set_new(shown, "step", json_integer((json_int_t)volume->step));
    (void)json_object_set_new(shown, "time", json_real(volume->time));
    (void)json_object_set(shown, "source", json_object_get(header, "source"));
    (void)json_object_set(shown, "header", header);
  }
  json_decref(header);
  char *text = json_dumps(all, JSON_COMPACT);
  json_decref(all);
  return text;
}
#endif

int target_write(const char *path, const beamcast_volume_data *volume, const char *from,
                 const char *about, beamcast_error *error) {
  uint64_t bytes = beamcast_type_size(volume->type) * (uint64_t)volume->components *
                   volume->shape[0] * volume->shape[1] * volume->shape[2];
  int code = target_check(path, error);
  code = code == BEAMCAST_OK ? folder_check(path, bytes, error) : code;
  if (code != BEAMCAST_OK || ends_with(path, ".npy")) {
    return code == BEAMCAST_OK ? npy_write(path, volume, error) : code;
  }
#ifdef BEAMCAST_HAS_READER
  char *origin = tell_origin(volume, from, about);
  beamcast_hdf5_output output = {.name = volume->name,
                                 .unit = volume->length_unit,
                                 .value_unit = volume->unit,
                                 .type = volume->type,
                                 .components = volume->components,
                                 .source = origin,
                                 .step = (int64_t)volume->step,
                                 .time = volume->time};
  for (int axis = 0; axis < 3; axis++) {
    output.size[axis] = volume->shape[axis];
    output.spacing[axis] = volume->spacing[axis];
    output.origin[axis] =
        volume->origin[axis] + (double)volume->start[axis] * volume->spacing[axis];
  }
  code = beamcast_hdf5_write(path, &output, volume->data, error);
  free(origin);
  return code;
#else
  (void)from;
  (void)about;
  return code;
#endif
}
