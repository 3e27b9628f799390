/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program that computes on a volume and hands every step on in one of several ways:
 *   mpiexec -n N bench_insitu_producer none|beamcast|vti TARGET MIB STEPS SWEEPS PAUSE
 * none: nothing. beamcast: the three calls; TARGET is the contact, the environment says the wire or
 * back end. vti: a piece per rank and one .pvti into the folder TARGET, the last three steps kept.
 * Each step begins with SWEEPS sweeps over the rank's z-planes of a float32 volume of MIB and ends
 * with PAUSE seconds of rest. Prints JSON: seconds of each step's computing and handing on, when
 * each was handed on, all ranks' processor time from the barrier before each step to its end,
 * memory.
 */
#include <beamcast.h>
#include <math.h>
#include <mpi.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SIDE = 512, STEPS_MAX = 1000 };

typedef struct producer {
  int rank, ranks;
  const char *way, *target;
  uint64_t planes, first, own; /* of the volume; this rank's */
  float *data;                 /* [own][SIDE][SIDE] */
  beamcast_stream *stream;
  double compute[STEPS_MAX], couple[STEPS_MAX], handed[STEPS_MAX];
  double cpu; /* seconds */
  int taken[STEPS_MAX];
} producer;

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void compute(producer *p, int step, int sweeps) {
  const uint64_t count = p->own * SIDE * SIDE;
  for (int sweep = 0; sweep < sweeps; sweep++) {
    float before = (float)step;
    for (uint64_t i = 0; i < count; i++) {
      before = p->data[i] = 0.999F * p->data[i] + 0.001F * before + 1e-3F;
    }
  }
}

static void fail(const char *why) {
  fprintf(stderr, "bench_insitu_producer: %s\n", why);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static int put(producer *p, int step) {
  beamcast_error error = {0};
  beamcast_brick brick = {.name = "volume",
                          .data = p->data,
                          .type = BEAMCAST_FLOAT32,
                          .volume = {SIDE, SIDE, p->planes},
                          .start = {0, 0, p->first},
                          .shape = {SIDE, SIDE, p->own}};
  int code = beamcast_begin_step(p->stream, (uint64_t)step, step, &error);
  code = code == BEAMCAST_OK ? beamcast_put(p->stream, &brick, &error) : code;
  code = code == BEAMCAST_OK ? beamcast_end_step(p->stream, &error) : code;
  if (code != BEAMCAST_OK && code != BEAMCAST_DROPPED) {
    fail(error.message);
  }
  return code == BEAMCAST_OK;
}

/* The first and the last plane of a rank's file, which ends with its neighbour's first one:
 * ParaView has no cells between files of points that only touch. */
static void piece_of(const producer *p, int rank, uint64_t *first, uint64_t *last) {
  *first = p->planes * (uint64_t)rank / (uint64_t)p->ranks;
  *last = p->planes * (uint64_t)(rank + 1) / (uint64_t)p->ranks - (rank + 1 == p->ranks);
}

/* Sends the own first plane to the rank before and returns that of the next, to be freed; NULL for
 * the last rank. */
static float *next_plane(const producer *p) {
  const int count = SIDE * SIDE, last = p->rank + 1 == p->ranks;
  float *plane = last ? NULL : malloc(sizeof *plane * (size_t)count);
  if (!last && plane == NULL) {
    fail("no memory for a plane");
  }
  MPI_Sendrecv(p->data, count, MPI_FLOAT, p->rank > 0 ? p->rank - 1 : MPI_PROC_NULL, 0, plane,
               last ? 0 : count, MPI_FLOAT, last ? MPI_PROC_NULL : p->rank + 1, 0, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
  return plane;
}

static void write_piece(const producer *p, int step) {
  char path[4096];
  uint64_t first, last;
  piece_of(p, p->rank, &first, &last);
  snprintf(path, sizeof path, "%s/%d-%d.vti", p->target, step, p->rank);
  FILE *file = fopen(path, "wbe");
  if (file == NULL) {
    fail("a .vti file can't be written");
  }
  const uint64_t own = p->own * SIDE * SIDE * sizeof *p->data;
  float *next = next_plane(p);
  const uint64_t more = next != NULL ? SIDE * SIDE * sizeof *next : 0, bytes = own + more;
  fprintf(file,
          "<VTKFile type=\"ImageData\" version=\"1.0\" byte_order=\"LittleEndian\" "
          "header_type=\"UInt64\"><ImageData WholeExtent=\"0 %d 0 %d %llu %llu\" Origin=\"0 0 0\" "
          "Spacing=\"1 1 1\"><Piece Extent=\"0 %d 0 %d %llu %llu\"><PointData Scalars=\"volume\">"
          "<DataArray type=\"Float32\" Name=\"volume\" format=\"appended\" offset=\"0\"/>"
          "</PointData></Piece></ImageData><AppendedData encoding=\"raw\">_",
          SIDE - 1, SIDE - 1, (unsigned long long)first, (unsigned long long)last, SIDE - 1,
          SIDE - 1, (unsigned long long)first, (unsigned long long)last);
  if (fwrite(&bytes, sizeof bytes, 1, file) != 1 || fwrite(p->data, 1, own, file) != own ||
      (more > 0 && fwrite(next, 1, more, file) != more) ||
      fputs("</AppendedData></VTKFile>", file) < 0 || fclose(file) != 0) {
    fail("a .vti file can't be written");
  }
  free(next);
}

/* The .pvti names the pieces; it gets its name when it is whole. */
static void write_index(const producer *p, int step) {
  char path[4096], name[4096];
  snprintf(path, sizeof path, "%s/part", p->target);
  snprintf(name, sizeof name, "%s/%d.pvti", p->target, step);
  FILE *file = fopen(path, "we");
  if (file == NULL) {
    fail("a .pvti file can't be written");
  }
  fprintf(file,
          "<VTKFile type=\"PImageData\" version=\"1.0\" byte_order=\"LittleEndian\"><PImageData "
          "WholeExtent=\"0 %d 0 %d 0 %llu\" GhostLevel=\"0\" Origin=\"0 0 0\" Spacing=\"1 1 1\">"
          "<PPointData Scalars=\"volume\"><PDataArray type=\"Float32\" Name=\"volume\"/>"
          "</PPointData>",
          SIDE - 1, SIDE - 1, (unsigned long long)p->planes - 1);
  for (int rank = 0; rank < p->ranks; rank++) {
    uint64_t first, last;
    piece_of(p, rank, &first, &last);
    fprintf(file, "<Piece Extent=\"0 %d 0 %d %llu %llu\" Source=\"%d-%d.vti\"/>", SIDE - 1,
            SIDE - 1, (unsigned long long)first, (unsigned long long)last, step, rank);
  }
  fprintf(file, "</PImageData></VTKFile>");
  if (fclose(file) != 0 || rename(path, name) != 0) {
    fail("a .pvti file can't be written");
  }
}

static int write_files(const producer *p, int step) {
  char path[4096];
  write_piece(p, step);
  MPI_Barrier(MPI_COMM_WORLD);
  if (p->rank == 0) {
    write_index(p, step);
  }
  snprintf(path, sizeof path, "%s/%d-%d.vti", p->target, step - 3, p->rank);
  (void)remove(path);
  snprintf(path, sizeof path, "%s/%d.pvti", p->target, step - 3);
  (void)remove(path);
  return 1;
}

static void run(producer *p, int steps, int sweeps, double pause) {
  const struct timespec rest = {(time_t)pause, (long)(1e9 * (pause - (double)(time_t)pause))};
  for (int step = 0; step < steps; step++) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double begun = seconds(CLOCK_MONOTONIC), before = seconds(CLOCK_PROCESS_CPUTIME_ID);
    compute(p, step, sweeps);
    const double computed = seconds(CLOCK_MONOTONIC);
    p->taken[step] = p->stream != NULL            ? put(p, step)
                     : strcmp(p->way, "vti") == 0 ? write_files(p, step)
                                                  : 0;
    p->compute[step] = computed - begun;
    p->couple[step] = seconds(CLOCK_MONOTONIC) - computed;
    p->handed[step] = seconds(CLOCK_REALTIME);
    p->cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
    nanosleep(&rest, NULL);
  }
}

static void list(const char *name, const double *values, int count) {
  printf("\"%s\": [", name);
  for (int i = 0; i < count; i++) {
    printf("%s%.6f", i > 0 ? ", " : "", values[i]);
  }
  printf("], ");
}

static void report(producer *p, int steps) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double array = (double)p->own * SIDE * SIDE * sizeof *p->data;
  double beyond = (double)used.ru_maxrss * 1024 - array; /* the largest of any rank */
  beamcast_stream_info info = {.wire = "none"};
  MPI_Allreduce(MPI_IN_PLACE, p->compute, steps, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, p->couple, steps, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, p->handed, steps, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, &p->cpu, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, &beyond, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  if (p->stream != NULL) {
    beamcast_stream_describe(p->stream, &info);
  }
  if (p->rank == 0) {
    int taken = 0;
    for (int step = 0; step < steps; step++) {
      taken += p->taken[step];
    }
    printf("{");
    list("compute", p->compute, steps);
    list("couple", p->couple, steps);
    list("handed", p->handed, steps);
    printf("\"cpu\": %.3f, \"beyond\": %.0f, \"taken\": %d, \"wire\": \"%s\"}\n", p->cpu, beyond,
           taken, info.wire);
  }
}

int main(int argc, char **argv) {
  static producer p;
  beamcast_error error = {0};
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &p.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &p.ranks);
  if (argc != 7 || atoi(argv[4]) < 1 || atoi(argv[4]) > STEPS_MAX || atoi(argv[3]) < p.ranks) {
    fail("usage: bench_insitu_producer none|beamcast|vti TARGET MIB STEPS SWEEPS PAUSE");
  }
  p.way = argv[1];
  p.target = argv[2];
  p.planes = (uint64_t)atoi(argv[3]); /* a plane is 1 MiB */
  p.first = p.planes * (uint64_t)p.rank / (uint64_t)p.ranks;
  p.own = p.planes * (uint64_t)(p.rank + 1) / (uint64_t)p.ranks - p.first;
  p.data = calloc(p.own * SIDE * SIDE, sizeof *p.data);
  if (p.data == NULL) {
    fail("not enough memory");
  }
  compute(&p, 1, 1); /* all pages are there before anything is timed */
  if (strcmp(p.way, "beamcast") == 0) {
    const beamcast_connect_options options = {.rank = p.rank, .ranks = p.ranks};
    p.stream = beamcast_connect(p.target, &options, &error);
    if (p.stream == NULL) {
      fail(error.message);
    }
  }
  run(&p, atoi(argv[4]), atoi(argv[5]), atof(argv[6]));
  report(&p, atoi(argv[4]));
  beamcast_close(p.stream);
  free(p.data);
  MPI_Finalize();
}
