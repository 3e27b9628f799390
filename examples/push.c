/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pushes a volume from the memory of several MPI ranks into a running ParaView server:
 *   mpiexec -n 3 push CONTACT FILE.raw NX NY NZ TYPE DX DY DZ
 * The file holds NX x NY x NZ voxels of TYPE (such as int16), x fastest, DX x DY x DZ mm apart.
 * Every rank has a slab of z-planes, as a solver would have its part of the domain. */
#include <beamcast.h>
#include <mpi.h>
#include <stdlib.h>
#include <time.h>

static double unix_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  int rank, ranks;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (argc != 10) {
    fprintf(stderr, "usage: mpiexec -n RANKS push CONTACT FILE.raw NX NY NZ TYPE DX DY DZ\n");
    MPI_Abort(MPI_COMM_WORLD, 2);
  }

  /* This rank's part of the volume, and where it lies in the whole. */
  beamcast_brick slab = {.name = "density", .type = beamcast_type_from_name(argv[6])};
  for (int axis = 0; axis < 3; axis++) {
    slab.volume[axis] = slab.shape[axis] = strtoull(argv[3 + axis], NULL, 10);
    slab.spacing[axis] = strtod(argv[7 + axis], NULL);
  }
  slab.length_unit = "mm";
  uint64_t end = slab.volume[2] * (uint64_t)(rank + 1) / (uint64_t)ranks;
  slab.start[2] = slab.volume[2] * (uint64_t)rank / (uint64_t)ranks;
  slab.shape[2] = end - slab.start[2];
  size_t plane = slab.shape[0] * slab.shape[1] * beamcast_type_size(slab.type);
  void *data = malloc(plane * slab.shape[2] + 1);
  FILE *file = fopen(argv[2], "rb");
  if (data == NULL || file == NULL || fseeko(file, (off_t)(plane * slab.start[2]), SEEK_SET) != 0 ||
      fread(data, plane, slab.shape[2], file) != slab.shape[2]) {
    fprintf(stderr, "push: rank %d cannot read its planes of %s\n", rank, argv[2]);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  fclose(file);
  slab.data = data;

  /* What a simulation does once, ... */
  beamcast_error error = {0};
  beamcast_connect_options options = {.rank = rank, .ranks = ranks};
  beamcast_stream *stream = beamcast_connect(argv[1], &options, &error);
  MPI_Barrier(MPI_COMM_WORLD); /* only for the times: the library needs none */
  double begun = unix_time();

  /* ... and in every time step. A failure is told; the simulation's own data are as they were. */
  if (stream == NULL || beamcast_begin_step(stream, 0, 0.0, &error) != BEAMCAST_OK ||
      beamcast_put(stream, &slab, &error) != BEAMCAST_OK ||
      beamcast_end_step(stream, &error) != BEAMCAST_OK) {
    fprintf(stderr, "push: rank %d: %s\n", rank, error.message);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  double ended = unix_time();
  beamcast_stream_info info;
  beamcast_stream_describe(stream, &info);
  printf("rank %d: %llu bytes over %s, from %.6f to %.6f\n", rank,
         (unsigned long long)info.bytes_sent, info.wire, begun, ended);
  beamcast_close(stream);
  free(data);
  MPI_Finalize();
}
