/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A scan in an HDF5 file, through libbeamcast_hdf5: NXtomo (frames with an image key) or Data
 * Exchange. The file may still be growing: then it is looked at again until the frames are there.
 */
#include "scan.h"

#include <beamcast_hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#define PI 3.14159265358979323846

enum { PATH = 1024 };

struct scan_source {
  beamcast_hdf5_file *file;
  char projections[PATH], flats[PATH], darks[PATH];
  char angles[PATH], key[PATH]; /* key: of NXtomo; "" in Data Exchange */
  uint64_t first_row, rows;     /* of this rank */
  float *flat, *dark;           /* [rows][columns]; flat NULL: there is none */
  double patience;
  int live;
  MPI_Comm together;
};

/* Finds the projections, and the names of what belongs to them. */
static int find_names(struct scan_source *s, const char *path, beamcast_error *error) {
  size_t count;
  const beamcast_hdf5_volume *list = beamcast_hdf5_list(s->file, &count);
  static const char ending[] = " [projections]";
  for (size_t i = 0; i < count; i++) {
    const size_t length = strlen(list[i].path);
    if (length >= PATH - sizeof ending) {
      continue;
    }
    if (length >= sizeof ending && strcmp(list[i].path + length - sizeof ending + 1, ending) == 0) {
      const int data = (int)(length - sizeof ending + 1);
      snprintf(s->projections, PATH, "%s", list[i].path);
      snprintf(s->flats, PATH, "%.*s [flats]", data, list[i].path);
      snprintf(s->darks, PATH, "%.*s [darks]", data, list[i].path);
      snprintf(s->key, PATH, "%.*simage_key", data - (int)strlen("data"), list[i].path);
      return BEAMCAST_OK;
    }
    if (strcmp(list[i].convention, "Data Exchange") == 0 &&
        strcmp(list[i].path, "/exchange/data") == 0) {
      snprintf(s->projections, PATH, "/exchange/data");
      snprintf(s->flats, PATH, "/exchange/data_white");
      snprintf(s->darks, PATH, "/exchange/data_dark");
      return BEAMCAST_OK;
    }
  }
  return beamcast_fail(
      error, BEAMCAST_ERR_IO,
      "%s holds no scan: neither NXtomo frames with an image key nor Data Exchange", path);
}

/* Reads the planes first, first + stride, ... of this rank's rows. */
static int read_planes(struct scan_source *s, const char *dataset, uint64_t columns, uint64_t first,
                       uint64_t stride, uint64_t count, float *frames, beamcast_error *error) {
  beamcast_hdf5_plan plan;
  beamcast_hdf5_wish wish = {.type = BEAMCAST_FLOAT32, .stride = {1, 1, stride}};
  const uint64_t region[6] = {
      0, columns, s->first_row, s->first_row + s->rows, first, first + (count - 1) * stride + 1};
  const int64_t extent[6] = {0, (int64_t)columns - 1, 0, (int64_t)s->rows - 1,
                             0, (int64_t)count - 1};
  if (s->rows == 0 || count == 0) {
    return BEAMCAST_OK;
  }
  memcpy(wish.region, region, sizeof region);
  int code = beamcast_hdf5_find(s->file, dataset, &wish.volume, error);
  if (code == BEAMCAST_OK) {
    code = beamcast_hdf5_plan_read(s->file, &wish, &plan, error);
  }
  return code != BEAMCAST_OK
             ? code
             : beamcast_hdf5_read(s->file, &plan, extent, NULL, frames,
                                  s->rows * columns * count * sizeof *frames, NULL, error);
}

/* The mean of all frames of a dataset; *mean stays NULL where the file has none. */
static int read_mean(struct scan_source *s, const char *dataset, uint64_t columns, float **mean,
                     beamcast_error *error) {
  size_t index;
  beamcast_error ignored;
  if (beamcast_hdf5_find(s->file, dataset, &index, &ignored) != BEAMCAST_OK) {
    return BEAMCAST_OK;
  }
  size_t volumes;
  const uint64_t frames = beamcast_hdf5_list(s->file, &volumes)[index].size[2];
  const size_t pixels = columns * s->rows;
  float *all = malloc((pixels * frames + 1) * sizeof *all);
  *mean = calloc(pixels + 1, sizeof **mean);
  if (all == NULL || *mean == NULL) {
    free(all);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for %s", dataset);
  }
  const int code = read_planes(s, dataset, columns, 0, 1, frames, all, error);
  for (size_t i = 0; code == BEAMCAST_OK && i < pixels; i++) {
    double sum = 0;
    for (uint64_t frame = 0; frame < frames; frame++) {
      sum += all[frame * pixels + i];
    }
    (*mean)[i] = (float)(sum / (double)frames);
  }
  free(all);
  return code;
}

/* Looks for the angles where the conventions have them: beside the frames' group, and above it. */
static void find_angles(struct scan_source *s) {
  static const char *const names[] = {"sample/rotation_angle", "data/rotation_angle",
                                      "rotation_angle"};
  char group[PATH];
  double number;
  if (s->key[0] == 0) {
    snprintf(s->angles, PATH, "/exchange/theta");
    return;
  }
  snprintf(group, PATH, "%s", s->key);
  for (char *slash = strrchr(group, '/'); slash != NULL; slash = strrchr(group, '/')) {
    *slash = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
      snprintf(s->angles, PATH, "%.900s/%s", group, names[i]);
      if (beamcast_hdf5_numbers(s->file, s->angles, &number, 1, NULL) == 1) {
        return;
      }
    }
  }
}

/* The angles of all projections, with their number: as many as the image key or the list has. */
static int read_angles(scan *it, const char *path, beamcast_error *error) {
  enum { FRAMES_MAX = 1 << 22 };
  struct scan_source *s = it->source;
  char unit[32] = "";
  double *value = malloc(2 * FRAMES_MAX * sizeof *value), *key = value + FRAMES_MAX;
  if (value == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for angles");
  }
  const size_t angles = beamcast_hdf5_numbers(s->file, s->angles, value, FRAMES_MAX, unit);
  const size_t keys =
      s->key[0] != 0 ? beamcast_hdf5_numbers(s->file, s->key, key, FRAMES_MAX, NULL) : 0;
  it->angle = calloc(angles + 1, sizeof *it->angle);
  const double to_radians = strncmp(unit, "rad", 3) == 0 ? 1 : PI / 180;
  for (size_t i = 0; it->angle != NULL && i < angles; i++) {
    if (s->key[0] == 0 || (i < keys && key[i] == 0)) {
      it->angle[it->projections++] = value[i] * to_radians;
    }
  }
  free(value);
  return it->projections > 0
             ? BEAMCAST_OK
             : beamcast_fail(error, BEAMCAST_ERR_IO,
                             "%s has no rotation angles (looked for %s); name their dataset with "
                             "--angles",
                             path, s->angles);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Waits until `wanted` projections are in the file; how many there are when patience is over. */
static uint64_t wait_for(struct scan_source *s, uint64_t wanted) {
  uint64_t there = 0;
  for (double last = seconds(); seconds() - last <= s->patience;) {
    beamcast_error ignored;
    size_t index = 0, volumes;
    int changed;
    if (beamcast_hdf5_find(s->file, s->projections, &index, &ignored) == BEAMCAST_OK) {
      const beamcast_hdf5_volume *frames = &beamcast_hdf5_list(s->file, &volumes)[index];
      const uint64_t now =
          frames->planes_written < frames->size[2] ? frames->planes_written : frames->size[2];
      last = now > there ? seconds() : last;
      there = now;
    }
    if (there >= wanted || !s->live) {
      break;
    }
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    (void)beamcast_hdf5_refresh(s->file, &changed, &ignored); /* caught in the act: once more */
  }
  return there;
}

static int read_file(scan *it, uint64_t first, uint64_t stride, uint64_t count, float *lines,
                     uint64_t *got, beamcast_error *error) {
  struct scan_source *s = it->source;
  const uint64_t there = wait_for(s, first + (count - 1) * stride + 1);
  *got = there <= first ? 0 : (there - first + stride - 1) / stride;
  *got = *got < count ? *got : count;
  MPI_Allreduce(MPI_IN_PLACE, got, 1, MPI_UINT64_T, MPI_MIN, s->together);
  int code = read_planes(s, s->projections, it->columns, first, stride, *got, lines, error);
  if (code == BEAMCAST_OK) {
    scan_line_integrals(lines, *got, s->rows * it->columns, s->flat, s->dark);
  }
  return code;
}

static void close_file(scan *it) {
  struct scan_source *s = it->source;
  if (s != NULL) {
    beamcast_hdf5_close(s->file);
    free(s->flat);
    free(s->dark);
  }
  free(s);
  free(it->angle);
  memset(it, 0, sizeof *it);
}

/* Sizes and scale from the list, rows of this rank, flats and darks. */
static int describe(scan *it, beamcast_error *error) {
  struct scan_source *s = it->source;
  size_t index, volumes;
  int rank, ranks, code = beamcast_hdf5_find(s->file, s->projections, &index, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  const beamcast_hdf5_volume *frames = &beamcast_hdf5_list(s->file, &volumes)[index];
  it->columns = frames->size[0];
  it->rows = frames->size[1];
  for (int axis = 0; axis < 2; axis++) {
    it->pixel[axis] = frames->spacing_known ? frames->spacing[axis] : 1;
  }
  snprintf(it->unit, sizeof it->unit, "%s", frames->spacing_known ? frames->unit : "");
  if (!s->live && it->projections > frames->size[2]) {
    it->projections = frames->size[2]; /* a scan that was stopped */
  }
  MPI_Comm_rank(s->together, &rank);
  MPI_Comm_size(s->together, &ranks);
  scan_rows_of(it->rows, rank, ranks, &s->first_row, &s->rows);
  code = read_mean(s, s->flats, it->columns, &s->flat, error);
  if (code == BEAMCAST_OK) {
    code = read_mean(s, s->darks, it->columns, &s->dark, error);
  }
  if (code == BEAMCAST_OK && s->dark == NULL) {
    s->dark = calloc(s->rows * it->columns + 1, sizeof *s->dark);
  }
  return code;
}

/* Opens the file; one that grows may not be there yet, or have no projection yet. */
static int open_and_find(struct scan_source *s, const char *path, beamcast_error *error) {
  const beamcast_hdf5_open_options options = {.live = s->live};
  const double begun = seconds();
  for (;;) {
    int code = beamcast_hdf5_open(path, &options, &s->file, error);
    if (code == BEAMCAST_OK) {
      code = find_names(s, path, error);
    }
    if (code == BEAMCAST_OK || !s->live || seconds() - begun > s->patience) {
      return code;
    }
    beamcast_hdf5_close(s->file);
    s->file = NULL;
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
  }
}

int scan_open_file(const char *path, const scan_options *options, scan *result,
                   beamcast_error *error) {
  struct scan_source *s = calloc(1, sizeof *s);
  if (s == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a scan");
  }
  *result = (scan){.source = s, .read = read_file, .close = close_file, .in_order = options->live};
  s->patience = options->patience;
  s->live = options->live;
  s->together = options->together;
  int code = open_and_find(s, path, error);
  if (code == BEAMCAST_OK) {
    find_angles(s);
    if (options->angles != NULL) {
      snprintf(s->angles, PATH, "%s", options->angles);
    }
    code = read_angles(result, path, error);
  }
  if (code == BEAMCAST_OK) {
    code = describe(result, error);
  }
  if (code != BEAMCAST_OK) {
    close_file(result);
  }
  return code;
}
