/* SPDX-License-Identifier: BSD-3-Clause
 *
 * produce WAYS TIMES: an MPI producer for the tests. WAYS is a list such as slabs:40,columns, one
 * step each, gone through TIMES times; the number is the volume's points along x from there on
 * (60). There are a little fewer along y and z; the volume is as large in space whatever its
 * points, has no symmetry, and moves from time to time. A way is how the ranks cut and put it:
 *   slabs     along z, one contiguous brick each        rows      along y
 *   columns   along x                                    halo      slabs that overlap by one plane
 *   strided   slabs in a padded array                    pieces    slabs put plane by plane
 *   apart     two boxes with a hole between them         empty     the last rank puts nothing
 *   partial   the first two planes of each slab           blank     slabs, all zeros
 * Prints what went wrong, "peak N" MiB after each step, and "checksum N" of what it has in memory
 * at the end. BEAMCAST_CONTACT is the server's contact, for the back ends that have one; every step
 * but the first waits for the file PRODUCE_AFTER, if that is set.
 */
#include <beamcast.h>

#include <math.h>
#include <mpi.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef struct producer {
  char way[16];
  int rank, ranks;
  int64_t volume[3], lo[3], hi[3]; /* points lo..hi-1 are this rank's */
  int64_t pad;                     /* unused points at the end of each row in memory */
  float *data;
} producer;

static float value_at(double x, double y, double z, double time) {
  double a = sin(17 * x + 3 * y) * cos(13 * y - 0.3) + sin(15 * z + 5 * x * y + 0.3 * time);
  double dx = x - 0.45, dy = y - 0.55, dz = z - 0.5;
  double ball = 0.42 - sqrt(dx * dx + dy * dy + dz * dz);
  return (float)(ball > 0 ? 100 + 60 * a + 200 * ball : 0);
}

static int64_t row(const producer *p) {
  return p->hi[0] - p->lo[0] + p->pad;
}

static float *at(const producer *p, int64_t y, int64_t z) {
  return p->data + ((z - p->lo[2]) * (p->hi[1] - p->lo[1]) + y - p->lo[1]) * row(p);
}

static void fail(const char *why) {
  fprintf(stderr, "produce: %s\n", why);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static void cut(producer *p, int64_t size) {
  const int axis = strcmp(p->way, "columns") == 0 ? 0 : strcmp(p->way, "rows") == 0 ? 1 : 2;
  const int halo = strcmp(p->way, "halo") == 0;
  p->volume[0] = size;
  p->volume[1] = size - size / 8;
  p->volume[2] = size - size / 5;
  p->pad = strcmp(p->way, "strided") == 0 ? 5 : 0;
  for (int a = 0; a < 3; a++) {
    p->lo[a] = 0;
    p->hi[a] = p->volume[a];
  }
  p->lo[axis] = p->volume[axis] * p->rank / p->ranks;
  p->hi[axis] = p->volume[axis] * (p->rank + 1) / p->ranks;
  if (halo && p->hi[axis] < p->volume[axis]) {
    p->hi[axis]++;
  }
  if (strcmp(p->way, "empty") == 0 && p->ranks > 1) {
    int full = p->ranks - 1;
    p->lo[axis] = p->rank == full ? 0 : p->volume[axis] * p->rank / full;
    p->hi[axis] = p->rank == full ? 0 : p->volume[axis] * (p->rank + 1) / full;
  }
}

static size_t points(const producer *p) {
  return (size_t)(row(p) * (p->hi[1] - p->lo[1]) * (p->hi[2] - p->lo[2]));
}

/* Takes the next way of a list, WAY[:SIZE], and memory for it; returns the rest of the list. */
static const char *take_way(producer *p, const char *list) {
  const size_t length = strcspn(list, ",:");
  char *end = NULL;
  snprintf(p->way, sizeof p->way, "%.*s", (int)length, list);
  const char *rest = list + length;
  cut(p, *rest == ':' ? strtol(rest + 1, &end, 10) : p->volume[0]);
  free(p->data);
  p->data = calloc(points(p) + 1, sizeof *p->data);
  if (p->data == NULL) {
    fail("not enough memory");
  }
  rest = end != NULL ? end : rest;
  return *rest == ',' ? rest + 1 : rest;
}

static void compute(producer *p, double time) {
  if (strcmp(p->way, "blank") == 0) {
    return;
  }
  for (int64_t z = p->lo[2]; z < p->hi[2]; z++) {
    for (int64_t y = p->lo[1]; y < p->hi[1]; y++) {
      for (int64_t x = p->lo[0]; x < p->hi[0]; x++) {
        at(p, y, z)[x - p->lo[0]] =
            value_at((double)x / (double)p->volume[0], (double)y / (double)p->volume[0],
                     (double)z / (double)p->volume[0], time);
      }
    }
  }
}

/* Planes z0..z1-1 of what this rank has. */
static int put(const producer *p, beamcast_stream *stream, int64_t z0, int64_t z1,
               beamcast_error *error) {
  const double spacing = 20 / (double)p->volume[0];
  beamcast_brick brick = {.name = "density",
                          .data = at(p, p->lo[1], z0),
                          .type = BEAMCAST_FLOAT32,
                          .spacing = {spacing, spacing, spacing},
                          .origin = {1, 2, 3},
                          .unit = "g/cm3",
                          .length_unit = "mm",
                          .fill = -7};
  for (int a = 0; a < 3; a++) {
    brick.volume[a] = (uint64_t)p->volume[a];
    brick.start[a] = (uint64_t)(a == 2 ? z0 : p->lo[a]);
    brick.shape[a] = (uint64_t)(a == 2 ? z1 - z0 : p->hi[a] - p->lo[a]);
  }
  if (p->pad > 0) {
    brick.stride[0] = 4;
    brick.stride[1] = 4 * row(p);
    brick.stride[2] = 4 * row(p) * (p->hi[1] - p->lo[1]);
  }
  return beamcast_put(stream, &brick, error);
}

static int put_all(const producer *p, beamcast_stream *stream, beamcast_error *error) {
  if (strcmp(p->way, "pieces") == 0) {
    int code = BEAMCAST_OK;
    for (int64_t z = p->hi[2] - 1; z >= p->lo[2] && code == BEAMCAST_OK; z--) {
      code = put(p, stream, z, z + 1, error);
    }
    return code;
  }
  if (strcmp(p->way, "apart") == 0 && p->rank == 0) {
    int code = put(p, stream, p->lo[2], p->lo[2] + 2, error);
    return code == BEAMCAST_OK ? put(p, stream, p->lo[2] + 4, p->hi[2], error) : code;
  }
  return put(p, stream, p->lo[2], strcmp(p->way, "partial") == 0 ? p->lo[2] + 2 : p->hi[2], error);
}

static void wait_for_file(const char *path) {
  while (path != NULL && access(path, F_OK) != 0) {
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
  }
}

static void report_peak(const producer *p) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  long peak = usage.ru_maxrss / 1024, highest = 0;
  MPI_Reduce(&peak, &highest, 1, MPI_LONG, MPI_MAX, 0, MPI_COMM_WORLD);
  if (p->rank == 0) {
    printf("peak %ld\n", highest);
  }
}

static void one_step(producer *p, beamcast_stream *stream, int step, int time) {
  beamcast_error error = {0};
  compute(p, time);
  int code = beamcast_begin_step(stream, (uint64_t)step, time * 0.5, &error);
  if (code == BEAMCAST_OK) {
    code = put_all(p, stream, &error);
  }
  int ended = beamcast_end_step(stream, &error);
  code = code != BEAMCAST_OK ? code : ended;
  if (code != BEAMCAST_OK && code != BEAMCAST_DROPPED) {
    printf("rank %d step %d error %d: %s\n", p->rank, step, code, error.message);
  } else if (code == BEAMCAST_DROPPED) {
    printf("rank %d step %d dropped\n", p->rank, step);
  }
}

int main(int argc, char **argv) {
  static producer p = {.volume = {60}};
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &p.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &p.ranks);
  if (argc != 3) {
    fail("usage: produce WAYS TIMES");
  }
  beamcast_error error = {0};
  beamcast_connect_options options = {.rank = p.rank, .ranks = p.ranks, .time_limit = 60};
  beamcast_stream *stream = beamcast_connect(getenv("BEAMCAST_CONTACT"), &options, &error);
  if (stream == NULL) {
    printf("rank %d connect error %d: %s\n", p.rank, error.code, error.message);
  }
  for (int time = 0, step = 0; stream != NULL && time < atoi(argv[2]); time++) {
    for (const char *list = argv[1]; *list != 0; step++) {
      wait_for_file(step > 0 ? getenv("PRODUCE_AFTER") : NULL);
      list = take_way(&p, list);
      one_step(&p, stream, step, time);
      report_peak(&p);
    }
  }
  beamcast_close(stream);
  double sum = 0, all = 0;
  for (size_t i = 0; p.data != NULL && i < points(&p); i++) {
    sum += (double)p.data[i];
  }
  MPI_Reduce(&sum, &all, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  if (p.rank == 0) {
    printf("checksum %.6f\n", all);
  }
  free(p.data);
  MPI_Finalize();
  return stream == NULL;
}
