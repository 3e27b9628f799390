/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast-volume-trial FILE: does what opening the file will do, and reads a voxel of each volume.
 * It ends with 0 whether the file is good or not; only its death says something (see trial.c).
 */
#include "beamcast_hdf5.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { CPU_SECONDS = 4, VOLUMES = 50 };

static void read_a_voxel(beamcast_hdf5_file *file, const beamcast_hdf5_volume *v, size_t i) {
  beamcast_hdf5_wish wish = {.volume = i};
  beamcast_hdf5_plan plan;
  uint64_t value[64];
  const int64_t first[6] = {0};
  for (int axis = 0; axis < 3; axis++) {
    wish.region[2 * axis] = v->size[axis] - 1;
    wish.region[2 * axis + 1] = v->size[axis];
  }
  if (v->components <= 16 && beamcast_hdf5_plan_read(file, &wish, &plan, NULL) == BEAMCAST_OK) {
    (void)beamcast_hdf5_read(file, &plan, first, NULL, value, sizeof value, NULL, NULL);
  }
}

int main(int count, char **arguments) {
  /* Processor time, not time: slow storage is no reason to give up. */
  const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1}, core = {0, 0};
  setrlimit(RLIMIT_CPU, &cpu);
  setrlimit(RLIMIT_CORE, &core);
  signal(SIGXCPU, SIG_DFL);
  beamcast_hdf5_file *file = NULL;
  const beamcast_hdf5_open_options options = {.trusted = 1};
  if (count == 2 && beamcast_hdf5_open(arguments[1], &options, &file, NULL) == BEAMCAST_OK) {
    size_t volumes;
    const beamcast_hdf5_volume *list = beamcast_hdf5_list(file, &volumes);
    for (size_t i = 0; i < volumes && i < VOLUMES; i++) {
      read_a_voxel(file, &list[i], i);
    }
    beamcast_hdf5_close(file);
  }
  return 0;
}
