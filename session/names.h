/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a user calls a session, beside its id: a file in the session's folder, which goes with it.
 */
#ifndef BEAMCAST_SESSION_NAMES_H
#define BEAMCAST_SESSION_NAMES_H

#include <stdbool.h>

#include "beamcast_session.h"

/* Refuses what is no name. */
int bs_check_name(const char *name, beamcast_error *error);

/* Makes a session's folder, which takes the name, unless that is "". ERR_ARGUMENT when another
 * session has it: of two that are started at once one is refused. */
int bs_make_session_folder(const char *folder, const char *name, beamcast_error *error);

/* The name of a session with this folder; false, and "", if it has none. */
bool bs_name_of(const char *folder, char name[BEAMCAST_SESSION_ID_MAX]);

/* The id of the session that is called so; false if none is. */
bool bs_find_named(const char *name, char id[BEAMCAST_SESSION_ID_MAX]);

/* Takes a session's name away. */
void bs_drop_name(const char *folder);

#endif
