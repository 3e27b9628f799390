/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sessions as Slurm jobs, through Slurm's own commands: sbatch, squeue, scontrol, scancel. They are
 * run without a shell; the job's script is fixed but for two paths, which are quoted. The session's
 * folder has to lie on a file system that the nodes share.
 */
#ifndef BEAMCAST_SESSION_SLURM_H
#define BEAMCAST_SESSION_SLURM_H

#include "estimate.h"
#include "record.h"

/* Queues a job that keeps the session. options: for sbatch, separated by blanks. Makes the folder
 * with the record; on failure nothing is left. */
int bs_slurm_start(bs_record *record, const char *options, beamcast_error *error);

/* What a node of the partition that the options name, else of the default one, has; zeros where
 * Slurm does not tell. GPUs only if the options leave it to us to ask for them.
 * $BEAMCAST_GPU_MEMORY: GiB of a GPU that we don't know by name. */
void bs_slurm_node(const char *options, bs_node *node);

/* Asks Slurm how the job is, and puts that into record->info: state, reason, start_time. */
int bs_slurm_status(bs_record *record, const char *folder, beamcast_error *error);

/* Cancels the job and waits until it has ended; fine if it has. */
int bs_slurm_stop(bs_record *record, const char *folder, beamcast_error *error);

#endif
