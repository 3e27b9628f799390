/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes a parallel-beam scan of a volume as an X-ray camera would: flats, darks, and counts behind
 * the sample at many angles.
 *   take_scan VOLUME SCAN.nxs             writes NXtomo (HDF5)
 *   take_scan VOLUME SCAN.nxs --rate 20   writes it frame by frame, readable all the while
 *   take_scan VOLUME tcp://HOST:PORT      sends the frames to the first who connects (PORT 0: any)
 * VOLUME is a file that libbeamcast_hdf5 reads; its z-planes become the detector's rows.
 */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include <beamcast_hdf5.h>

#include "backproject.h"
#include "take_scan.h"

#define PI 3.14159265358979323846

static const char usage[] =
    "usage: take_scan VOLUME SCAN.nxs | tcp://HOST:PORT [options]\n"
    "  --projections N   angles over half a turn (360)\n"
    "  --columns N       of the detector (enough for the slice's diagonal)\n"
    "  --centre COLUMN   where the axis of rotation is seen (the middle)\n"
    "  --hounsfield MU   the volume holds Hounsfield units; MU: attenuation of water per unit of "
    "length\n"
    "  --rounds N        goes round N times, each time between the angles before (1)\n"
    "  --rate F          frames a second (file: as fast as can be, all at once; socket: 100)\n";

typedef struct sample {
  uint64_t size[3];
  double spacing[3];
  char unit[32];
  float *voxels; /* [z][y][x]; attenuation of one pixel's length */
} sample;

static void die(const beamcast_error *error) {
  fprintf(stderr, "take_scan: %s\n", error->message);
  exit(1);
}

/* The volume, as what one pixel attenuates. water: see usage; 0: the values are attenuations. */
static sample read_sample(const char *path, double water) {
  beamcast_error error = {0};
  beamcast_hdf5_file *file;
  beamcast_hdf5_plan plan;
  const beamcast_hdf5_wish wish = {.type = BEAMCAST_FLOAT32, .stride = {1, 1, 1}};
  sample s = {0};
  size_t count;
  if (beamcast_hdf5_open(path, NULL, &file, &error) != BEAMCAST_OK ||
      beamcast_hdf5_plan_read(file, &wish, &plan, &error) != BEAMCAST_OK) {
    die(&error);
  }
  memcpy(s.size, plan.samples, sizeof s.size);
  memcpy(s.spacing, plan.spacing, sizeof s.spacing);
  snprintf(s.unit, sizeof s.unit, "%s", beamcast_hdf5_list(file, &count)[0].unit);
  const int64_t extent[6] = {0, (int64_t)s.size[0] - 1, 0, (int64_t)s.size[1] - 1,
                             0, (int64_t)s.size[2] - 1};
  s.voxels = malloc(plan.bytes);
  if (s.voxels == NULL) {
    beamcast_fail(&error, BEAMCAST_ERR_MEMORY, "no memory for %s", path);
    die(&error);
  }
  if (beamcast_hdf5_read(file, &plan, extent, NULL, s.voxels, plan.bytes, NULL, &error) !=
      BEAMCAST_OK) {
    die(&error);
  }
  beamcast_hdf5_close(file);
  const float pixel = (float)s.spacing[0];
  for (uint64_t i = 0; i < s.size[0] * s.size[1] * s.size[2]; i++) {
    const float v = s.voxels[i];
    s.voxels[i] = pixel * (water > 0 ? fmaxf(0, (float)water * (1 + v / 1000)) : v);
  }
  return s;
}

/* Planes first, ..., first + planes - 1 as [y][x][plane]. */
static void slices_of(const sample *s, uint64_t first, uint64_t planes, float *slices) {
  const uint64_t pixels = s->size[0] * s->size[1];
  for (uint64_t z = 0; z < planes; z++) {
    for (uint64_t i = 0; i < pixels; i++) {
      slices[i * planes + z] = s->voxels[(first + z) * pixels + i];
    }
  }
}

/* Counts behind the sample: frames [projection][row][column]. */
static void expose(const sample *s, const beam *rays, camera *c) {
  enum { AT_ONCE = 16 };
  const uint64_t columns = c->columns;
  float *slices = malloc(s->size[0] * s->size[1] * AT_ONCE * sizeof *slices);
  for (uint64_t row = 0; slices != NULL && row < c->rows; row += AT_ONCE) {
    const uint64_t planes = c->rows - row < AT_ONCE ? c->rows - row : AT_ONCE;
    slices_of(s, row, planes, slices);
#pragma omp parallel for schedule(dynamic)
    for (uint64_t i = 0; i < c->projections; i++) {
      float *line = malloc(columns * planes * sizeof *line);
      if (line == NULL) {
        abort();
      }
      project(rays, c->degrees[i] * PI / 180, slices, planes, line);
      for (uint64_t z = 0; z < planes; z++) {
        uint16_t *counts = c->frames + (i * c->rows + row + z) * columns;
        for (uint64_t column = 0; column < columns; column++) {
          const double lit = (CAMERA_FLAT - CAMERA_DARK) * exp(-(double)line[column * planes + z]);
          counts[column] = (uint16_t)lrint(CAMERA_DARK + lit);
        }
      }
      free(line);
    }
  }
  free(slices);
}

/* Angles over half a turn, in the order in which they are taken. */
static void find_angles(camera *c, uint64_t rounds) {
  uint64_t i = 0;
  for (uint64_t round = 0; round < rounds; round++) {
    for (uint64_t k = round; k < c->projections; k += rounds) {
      c->degrees[i++] = 180.0 * (double)k / (double)c->projections;
    }
  }
}

typedef struct options {
  const char *volume, *scan;
  double projections, columns, centre, water, rounds, rate;
} options;

static int read_options(int argc, char **argv, options *o) {
  static const struct option names[] = {{"projections", required_argument, NULL, 0},
                                        {"columns", required_argument, NULL, 1},
                                        {"centre", required_argument, NULL, 2},
                                        {"hounsfield", required_argument, NULL, 3},
                                        {"rounds", required_argument, NULL, 4},
                                        {"rate", required_argument, NULL, 5},
                                        {NULL, 0, NULL, 0}};
  *o = (options){.projections = 360, .centre = NAN, .rounds = 1};
  double *const value[] = {&o->projections, &o->columns, &o->centre,
                           &o->water,       &o->rounds,  &o->rate};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    char *end = NULL;
    if (name > 5 || (*value[name] = strtod(optarg, &end), end == optarg) || *end != 0 ||
        !(fabs(*value[name]) < 1e6)) {
      return -1;
    }
  }
  if (argc - optind != 2 || o->projections < 1 || o->rounds < 1 || o->columns < 0 || o->rate < 0) {
    return -1;
  }
  o->volume = argv[optind];
  o->scan = argv[optind + 1];
  return 0;
}

int main(int argc, char **argv) {
  options o;
  beamcast_error error = {0};
  if (read_options(argc, argv, &o) != 0) {
    fprintf(stderr, "%s", usage);
    return 2;
  }
  sample s = read_sample(o.volume, o.water);
  camera c = {.columns = (uint64_t)o.columns,
              .rows = s.size[2],
              .projections = (uint64_t)o.projections,
              .pixel = {s.spacing[0], s.spacing[2]}};
  snprintf(c.unit, sizeof c.unit, "%.15s", s.unit);
  if (c.columns == 0) {
    c.columns = (uint64_t)ceil(hypot((double)s.size[0], (double)s.size[1])) + 4;
  }
  c.degrees = calloc(c.projections, sizeof *c.degrees);
  c.frames = malloc(c.projections * c.rows * c.columns * sizeof *c.frames);
  if (c.degrees == NULL || c.frames == NULL) {
    beamcast_fail(&error, BEAMCAST_ERR_MEMORY, "no memory for %g projections", o.projections);
    die(&error);
  }
  find_angles(&c, (uint64_t)o.rounds);
  const beam rays = {.columns = c.columns,
                     .size = {s.size[0], s.size[1]},
                     .axis = isnan(o.centre) ? ((double)c.columns - 1) / 2 : o.centre};
  expose(&s, &rays, &c);
  free(s.voxels);
  int code = strncmp(o.scan, "tcp://", 6) == 0
                 ? camera_send(&c, o.scan + 6, o.rate > 0 ? o.rate : 100, &error)
                 : camera_write(&c, o.scan, o.rate, &error);
  free(c.degrees);
  free(c.frames);
  if (code != BEAMCAST_OK) {
    die(&error);
  }
}
