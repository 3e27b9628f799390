/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast-volume-trial FILE ["live" or "" [DIMENSIONS [LAYOUTS]]]: finds the file's volumes,
 * writes their list to its output (see handover.c), and reads a voxel of each. It ends with 0
 * whether the file is good or not; only its death says something (see trial.c).
 */
#include "handover.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { VOLUMES = 50 };

/* Processor time, not time: slow storage is no reason to give up. Large files may have hundreds of
 * thousands of datasets. */
static rlim_t cpu_seconds(const char *path) {
  struct stat status;
  const off_t megabytes = path != NULL && stat(path, &status) == 0 ? status.st_size >> 20 : 0;
  return (rlim_t)(megabytes < 100 ? 4 + megabytes / 4 : 29);
}

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
  const rlim_t seconds = cpu_seconds(count > 1 ? arguments[1] : NULL);
  const struct rlimit cpu = {seconds, seconds + 1}, core = {0, 0};
  setrlimit(RLIMIT_CPU, &cpu);
  setrlimit(RLIMIT_CORE, &core);
  signal(SIGXCPU, SIG_DFL);
  beamcast_hdf5_file *file = NULL;
  const beamcast_hdf5_open_options options = {.trusted = 1,
                                              .live = count > 2 && arguments[2][0] != 0,
                                              .dimensions = count > 3 ? arguments[3] : NULL,
                                              .layouts = count > 4 ? arguments[4] : NULL};
  if (count > 1 && beamcast_hdf5_open(arguments[1], &options, &file, NULL) == BEAMCAST_OK) {
    size_t volumes;
    const beamcast_hdf5_volume *list = beamcast_hdf5_list(file, &volumes);
    (void)beamcast_hdf5_hand_over(file, stdout);
    for (size_t i = 0; i < volumes && i < VOLUMES; i++) {
      read_a_voxel(file, &list[i], i);
    }
    beamcast_hdf5_close(file);
  }
  return 0;
}
