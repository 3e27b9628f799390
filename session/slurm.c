/* SPDX-License-Identifier: BSD-3-Clause */
#include "slurm.h"

static int not_here(beamcast_error *error) {
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                       "sessions as Slurm jobs are not part of this version");
}

int bs_slurm_start(bs_record *record, const char *options, beamcast_error *error) {
  (void)record;
  (void)options;
  return not_here(error);
}

int bs_slurm_status(bs_record *record, const char *folder, beamcast_error *error) {
  (void)record;
  (void)folder;
  return not_here(error);
}

int bs_slurm_stop(bs_record *record, const char *folder, beamcast_error *error) {
  (void)record;
  (void)folder;
  return not_here(error);
}
