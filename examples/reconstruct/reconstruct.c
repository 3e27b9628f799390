/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filtered back-projection of a parallel-beam scan on MPI ranks, shown while it is made:
 *   mpiexec -n 2 reconstruct SCAN [-o VOLUME.h5] [--show CONTACT]
 * Each rank has a block of planes (= rows of the detector) and works through it slab by slab. A
 * finished scan is taken in passes (every 8th projection first, then those between), one that is
 * still being taken in batches of frames as they come; after each the whole volume is one step
 * better. The volume is [z][y][x] float32; nothing of it depends on whether somebody looks.
 */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <beamcast_hdf5_mpi.h>

#include "backproject.h"
#include "centre.h"
#include "filter.h"
#include "options.h"
#include "scan.h"
#include "show.h"

#define PI 3.14159265358979323846

typedef struct reconstruction {
  options options;
  int rank, ranks;
  scan scan;
  ramp_filter *filter;
  beam beam;
  wish wish; /* axis and region as the viewer wants them */
  viewer viewer;
  uint64_t first_plane, planes; /* of this rank */
  uint64_t slabs;               /* of the rank that has most */
  uint64_t done;                /* planes that have a value */
  uint64_t have;                /* projections that were read */
  double *angles;               /* [have], in the order in which they were read */
  float *filtered;              /* [slab][projection][column][plane of the slab] */
  float *sums;                  /* of one slab: [y][x][plane] */
  float *volume;                /* [plane][y][x] */
  float offset, gain;           /* a voxel is offset + gain * mean of the filtered lines */
  uint64_t step;
  double seconds_showing;
  double first_shown, last_shown; /* seconds since 1970, when the server had the step */
} reconstruction;

static double clock_time(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds(void) {
  return clock_time(CLOCK_MONOTONIC);
}

/* All ranks end together, with the sentence of the one that knows why. */
static void need(const reconstruction *r, int code, beamcast_error *error) {
  if (beamcast_hdf5_agree(MPI_COMM_WORLD, code, error) != BEAMCAST_OK) {
    if (r->rank == 0) {
      fprintf(stderr, "reconstruct: %s\n", error->message);
    }
    MPI_Finalize();
    exit(1);
  }
}

static uint64_t planes_of(const reconstruction *r, uint64_t slab) {
  const uint64_t first = slab * r->options.slab;
  return first >= r->planes                    ? 0
         : first + r->options.slab > r->planes ? r->planes - first
                                               : r->options.slab;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Reads projections first, first + stride, ..., filters them and puts them behind those there are.
 * false: the scan has ended before the last of them. */
static int take_in(reconstruction *r, uint64_t first, uint64_t stride, uint64_t count) {
  enum { AT_ONCE = 64 };
  const uint64_t columns = r->scan.columns, frame = r->planes * columns;
  beamcast_error error = {0};
  float *lines = malloc((AT_ONCE * frame + 1) * sizeof *lines);
  int complete = 1;
  need(r, lines == NULL ? beamcast_fail(&error, BEAMCAST_ERR_MEMORY, "no memory for lines") : 0,
       &error);
  for (uint64_t i = 0, got; i < count && complete; i += got) {
    const uint64_t wanted = count - i < AT_ONCE ? count - i : AT_ONCE;
    const uint64_t start = first + i * stride;
    int code = r->scan.read(&r->scan, start, stride, wanted, lines, &got, &error);
    need(r, code, &error);
    complete = got == wanted;
    for (uint64_t k = 0; k < got; k++) {
      r->angles[r->have + k] = r->scan.angle[start + k * stride];
    }
    if (isnan(r->beam.axis) && got > 0) {
      const double found =
          centre_find(MPI_COMM_WORLD, lines, r->angles + r->have, got, r->planes, columns);
      /* Rounded, so that it does not depend on the number of ranks. */
      r->beam.axis = isnan(found) ? ((double)columns - 1) / 2 : round(found * 100) / 100;
    }
#pragma omp parallel for schedule(static) reduction(max : code)
    for (uint64_t k = 0; k < got; k++) {
      float *out = r->filtered;
      for (uint64_t slab = 0; slab < r->slabs; slab++) {
        const uint64_t planes = planes_of(r, slab);
        const float *rows = lines + k * frame + slab * r->options.slab * columns;
        if (planes > 0 && ramp_filter_apply(r->filter, rows, planes,
                                            out + (r->have + k) * columns * planes) != 0) {
          code = BEAMCAST_ERR_MEMORY;
        }
        out += r->scan.projections * columns * planes;
      }
    }
    need(r, code != 0 ? beamcast_fail(&error, code, "no memory for the filter") : 0, &error);
    r->have += got;
  }
  free(lines);
  return complete;
}

/* --- back-projection ------------------------------------------------------------------------- */

/* Adds the projections from, ..., have - 1 to a slab; from 0: makes it anew. Only within the region
 * that is wanted; the rest stays as it is. */
static void add_to_slab(reconstruction *r, uint64_t slab, uint64_t from) {
  const uint64_t planes = planes_of(r, slab), first = slab * r->options.slab;
  const uint64_t *region = r->wish.region, nx = r->beam.size[0], ny = r->beam.size[1];
  const window part = {region[0], region[1], region[2], region[3]};
  const uint64_t width = part.x1 - part.x0;
  const float keep = (float)from / (float)r->have, gain = r->gain / (float)r->have;
  if (planes == 0 || r->first_plane + first >= region[5] ||
      r->first_plane + first + planes <= region[4]) {
    return;
  }
  memset(r->sums, 0, width * (part.y1 - part.y0) * planes * sizeof *r->sums);
  back_project(&r->beam, &part, r->angles + from, r->have - from,
               r->filtered + r->scan.columns * (first * r->scan.projections + from * planes),
               planes, r->sums);
#pragma omp parallel for schedule(static)
  for (uint64_t y = part.y0; y < part.y1; y++) {
    for (uint64_t z = 0; z < planes; z++) {
      const uint64_t plane = first + z;
      const float *sum = r->sums + (y - part.y0) * width * planes + z;
      float *row = r->volume + (plane * ny + y) * nx;
      if (r->first_plane + plane < region[4] || r->first_plane + plane >= region[5]) {
        continue;
      }
      for (uint64_t x = part.x0; x < part.x1; x++, sum += planes) {
        row[x] = r->offset + keep * (row[x] - r->offset) + gain * *sum;
      }
    }
  }
}

/* Offers this rank's finished planes as the next step. */
static void show_planes(reconstruction *r) {
  beamcast_brick planes = {.name = r->options.name,
                           .data = r->volume,
                           .type = BEAMCAST_FLOAT32,
                           .volume = {r->beam.size[0], r->beam.size[1], r->scan.rows},
                           .start = {0, 0, r->first_plane},
                           .shape = {r->beam.size[0], r->beam.size[1], r->done},
                           .spacing = {r->scan.pixel[0], r->scan.pixel[0], r->scan.pixel[1]},
                           .fill = r->offset,
                           .unit = r->options.water > 0 ? "HU" : NULL,
                           .length_unit = r->scan.unit[0] != 0 ? r->scan.unit : NULL};
  const double begun = seconds();
  show(&r->viewer, &planes, r->step++, &r->wish);
  MPI_Bcast(&r->wish, sizeof r->wish, MPI_BYTE, 0, MPI_COMM_WORLD); /* obeyed by all, together */
  r->seconds_showing += seconds() - begun;
  if (r->viewer.taken) {
    r->last_shown = clock_time(CLOCK_REALTIME);
    r->first_shown = r->first_shown > 0 ? r->first_shown : r->last_shown;
  }
}

/* One pass over the slabs with what has come since `from`; anew with all where the viewer asks. */
static void refine(reconstruction *r, uint64_t from) {
  for (uint64_t slab = 0; slab < r->slabs && !r->wish.stop; slab++) {
    const uint64_t end = (slab + 1) * r->options.slab;
    add_to_slab(r, slab, from);
    r->done = end > r->planes ? r->planes : end > r->done ? end : r->done;
    if ((slab + 1) % r->options.every == 0 || slab + 1 == r->slabs) {
      show_planes(r);
    }
    if (r->wish.again) {
      r->wish.again = 0;
      r->beam.axis = r->wish.axis;
      from = 0;
      slab = UINT64_MAX; /* from the first slab again */
    }
  }
}

/* The next projections to read: for a finished scan every 8th, then the ones half way between, and
 * so on; for one that is being taken, the next batch. 0: there are none. */
static uint64_t next_pass(const reconstruction *r, uint64_t pass, uint64_t *first,
                          uint64_t *stride) {
  const uint64_t all = r->scan.projections, coarse = r->options.progressive;
  if (r->scan.in_order) {
    *first = r->have;
    *stride = 1;
    return all - r->have < r->options.batch ? all - r->have : r->options.batch;
  }
  *stride = pass == 0 ? coarse : coarse >> (pass - 1);
  *first = pass == 0 ? 0 : *stride / 2;
  return *first >= all || (pass > 0 && *stride < 2) ? 0 : (all - *first + *stride - 1) / *stride;
}

static void reconstruct(reconstruction *r) {
  uint64_t first, stride, count;
  int more = 1;
  for (uint64_t pass = 0; more && !r->wish.stop; pass++) {
    const uint64_t before = r->have;
    if (pass == r->options.passes || (count = next_pass(r, pass, &first, &stride)) == 0) {
      return;
    }
    more = take_in(r, first, stride, count);
    if (before == 0) {
      r->wish.axis = r->beam.axis;
    }
    if (r->have > before) {
      refine(r, before);
    }
  }
}

/* --- begin and end --------------------------------------------------------------------------- */

static int allocate(reconstruction *r) {
  const uint64_t columns = r->scan.columns, pixels = r->beam.size[0] * r->beam.size[1];
  r->filter = ramp_filter_new(columns);
  r->angles = calloc(r->scan.projections, sizeof *r->angles);
  r->filtered = malloc((r->scan.projections * columns * r->planes + 1) * sizeof *r->filtered);
  r->sums = malloc(pixels * r->options.slab * sizeof *r->sums);
  r->volume = malloc((pixels * r->planes + 1) * sizeof *r->volume);
  for (uint64_t i = 0; r->volume != NULL && i < pixels * r->planes; i++) {
    r->volume[i] = r->offset;
  }
  return r->filter && r->angles && r->filtered && r->sums && r->volume;
}

static void begin(reconstruction *r) {
  beamcast_error error = {0};
  const options *o = &r->options;
  const scan_options how = {
      .angles = o->angles, .live = o->live, .patience = o->patience, .together = MPI_COMM_WORLD};
  need(r, scan_open(o->scan, &how, &r->scan, &error), &error);
  scan_rows_of(r->scan.rows, r->rank, r->ranks, &r->first_plane, &r->planes);
  const uint64_t most = (r->scan.rows + (uint64_t)r->ranks - 1) / (uint64_t)r->ranks;
  r->slabs = (most + o->slab - 1) / o->slab;
  r->beam = (beam){.columns = r->scan.columns, .axis = o->centre};
  if (isnan(o->centre) && r->scan.in_order) { /* the first frames alone don't show it */
    r->beam.axis = ((double)r->scan.columns - 1) / 2;
  }
  r->beam.size[0] = r->beam.size[1] = o->size != 0 ? o->size : r->scan.columns;
  r->wish = (wish){.size = {r->beam.size[0], r->beam.size[1], r->scan.rows}};
  for (int axis = 0; axis < 3; axis++) {
    r->wish.region[2 * axis + 1] = r->wish.size[axis];
  }
  r->offset = o->water > 0 ? -1000.0F : 0.0F;
  r->gain = (float)(PI / r->scan.pixel[0] * (o->water > 0 ? 1000 / o->water : 1));
  r->viewer = (viewer){
      .contact = o->contact,
      .options = {.name = o->stream, .rank = r->rank, .ranks = r->ranks, .time_limit = o->limit},
      .together = MPI_COMM_WORLD};
  need(r,
       allocate(r) ? 0
                   : beamcast_fail(&error, BEAMCAST_ERR_MEMORY,
                                   "not enough memory: every "
                                   "rank holds its rows of the scan and of the volume"),
       &error);
}

static void write_volume(reconstruction *r) {
  beamcast_error error = {0};
  const int64_t z = (int64_t)r->first_plane;
  const int64_t extent[6] = {0, (int64_t)r->beam.size[0] - 1, 0, (int64_t)r->beam.size[1] - 1,
                             z, z + (int64_t)r->planes - 1};
  const beamcast_hdf5_output output = {
      .name = r->options.name,
      .type = BEAMCAST_FLOAT32,
      .components = 1,
      .size = {r->beam.size[0], r->beam.size[1], r->scan.rows},
      .spacing = {r->scan.pixel[0], r->scan.pixel[0], r->scan.pixel[1]},
      .unit = r->scan.unit,
      .source = r->options.scan,
      .step = -1};
  need(r,
       beamcast_hdf5_write_together(MPI_COMM_WORLD, r->options.output, &output, extent, r->volume,
                                    &error),
       &error);
}

/* A viewer that had no room for the last step gets it once it has, within a few seconds. */
static void show_last(reconstruction *r) {
  const double showing = r->seconds_showing; /* this is no part of the reconstruction */
  for (double begun = seconds(); seconds() - begun < r->options.linger;) {
    int missing = r->viewer.contact != NULL && r->viewer.stream != NULL && !r->viewer.taken &&
                  !r->viewer.lost;
    MPI_Bcast(&missing, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (!missing) {
      return;
    }
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    show_planes(r);
    r->seconds_showing = showing;
  }
}

/* Of all ranks, since they began. */
static double processor_time(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  MPI_Allreduce(MPI_IN_PLACE, &cpu, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return cpu;
}

static void report(const reconstruction *r, double elapsed, double cpu) {
  if (r->rank != 0) {
    return;
  }
  printf("%llu of %llu projections, axis at column %.2f, %llu x %llu x %llu voxels\n",
         (unsigned long long)r->have, (unsigned long long)r->scan.projections, r->beam.axis,
         (unsigned long long)r->beam.size[0], (unsigned long long)r->beam.size[1],
         (unsigned long long)r->scan.rows);
  printf("%.3f s, of these showing %.3f s; %.3f s of processor time; steps shown %llu, not shown "
         "%llu\n",
         elapsed, r->seconds_showing, cpu, (unsigned long long)r->viewer.steps_shown,
         (unsigned long long)r->viewer.steps_dropped);
  if (r->viewer.steps_shown > 0) {
    printf("first step at %.3f, last at %.3f\n", r->first_shown, r->last_shown);
  }
}

int main(int argc, char **argv) {
  static reconstruction r;
  int threads;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &threads);
  MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &r.ranks);
  if (options_read(argc, argv, r.rank == 0, &r.options) != 0) {
    MPI_Finalize();
    return 2;
  }
  const double begun = seconds(), before = processor_time();
  begin(&r);
  reconstruct(&r);
  const double elapsed = seconds() - begun, cpu = processor_time() - before;
  if (r.options.output != NULL) {
    write_volume(&r);
  }
  show_last(&r);
  report(&r, elapsed, cpu);
  beamcast_close(r.viewer.stream);
  r.scan.close(&r.scan);
  ramp_filter_free(r.filter);
  free(r.angles);
  free(r.filtered);
  free(r.sums);
  free(r.volume);
  MPI_Finalize();
}
