/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sessions on another machine, over SSH: `beamcast` is run there by the user's own `ssh`, what it
 * knows comes back on its standard output, and one tunnel of `ssh` brings the session's ports to
 * this machine's loopback. No file system is shared. Here a session has a record of its own, with
 * the login, its id there, and a contact file that leads into the tunnel. The tunnel is a process
 * with BEAMCAST_SESSION=ID in its environment; where it is gone, status opens it again.
 */
#ifndef BEAMCAST_SESSION_SSH_H
#define BEAMCAST_SESSION_SSH_H

#include "record.h"

/* A port of this machine that nobody listens at now; 0 if there is none. */
int bs_free_port(void);

/* Starts a session on options->host and makes the record here. record: with the id. If it fails, or
 * this process is killed meanwhile, nothing is left here or there. */
int bs_ssh_start(bs_record *record, const beamcast_start_options *options, beamcast_error *error);

/* Asks there, puts what it hears into the record, and sees that there is a tunnel. */
int bs_ssh_status(bs_record *record, const char *folder, beamcast_error *error);

/* Ends the session there, and the tunnel; fine if it has ended. */
int bs_ssh_stop(const bs_record *record, beamcast_error *error);

#endif
