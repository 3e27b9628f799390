/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sessions on this machine: starting a keeper and ending it.
 */
#ifndef BEAMCAST_SESSION_LOCAL_H
#define BEAMCAST_SESSION_LOCAL_H

#include "record.h"

/* Starts a keeper for record->info.id and waits until the session runs. On failure nothing is left.
 */
int bs_start_here(const bs_record *record, double time_limit, beamcast_error *error);

/* Ends the session's processes. */
int bs_stop_here(const bs_record *record, beamcast_error *error);

#endif
