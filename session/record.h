/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The record of a session: a folder of its own in the user's state folder, with
 *   record.json   what the keeper (before it: who queued the job) knows
 *   slurm.json    the job's number, and how it ended as Slurm told once
 *   name          what the user calls it; see names.h
 *   contact.json, connect-id, log, xauthority
 * The keeper writes record.json; readers find out themselves whether the keeper still lives.
 */
#ifndef BEAMCAST_SESSION_RECORD_H
#define BEAMCAST_SESSION_RECORD_H

#include "beamcast_session.h"
#include "process.h"

typedef struct bs_record {
  beamcast_session_info info;
  bool slurm;                              /* runs, or is going to, as a Slurm job */
  double idle_minutes;                     /* 0: never */
  int port;                                /* for ParaView clients; 0: none */
  bool paraview;                           /* beamcast-server runs; else beamcast-viewer */
  bool web;                                /* with a web page */
  int keep;                                /* steps that the viewer keeps beside the newest */
  int slots;                               /* that it has memory for beside them; 0: 3 */
  char script[BEAMCAST_SESSION_PATH_MAX];  /* that the viewer runs; "" for none */
  char scratch[BEAMCAST_SESSION_PATH_MAX]; /* mpiexec's folder, on its host; "" for none */
  char shared[BEAMCAST_SESSION_PATH_MAX];  /* that of the ranks' shared memory, likewise */
  uint64_t step_limit; /* bytes of one step as announced, more is refused; 0: no limit */
  uint64_t memory;     /* bytes on each node for what was announced, 0: unknown; not in the file */
  int gpus, nodes;     /* that they need; not in the file */
  char login[256];     /* for ssh, of the machine that has the session; "" for this one */
  char client[256]; /* this machine's name for the server that connects back to it; "": it does not
                     */
  int client_port;  /* that a ParaView client listens at then */
  char far_id[BEAMCAST_SESSION_ID_MAX]; /* its id there */
  int near[3];                          /* this end's ports of the tunnel, as in ssh.c; 0: none */
  bs_process keeper;
} bs_record;

/* The folder of all sessions, made if it is not there. */
int bs_state_folder(char *path, size_t size, beamcast_error *error);

/* The folder of one; ERR_ARGUMENT if that can't be an id. It need not be there. */
int bs_session_folder(const char *id, char *path, size_t size, beamcast_error *error);

int bs_draw_id(char id[BEAMCAST_SESSION_ID_MAX], beamcast_error *error);

/* A connect id for ParaView clients, as text. */
int bs_draw_connect_id(char connect_id[16], beamcast_error *error);

/* Puts the paths of the session's files into record->info. */
void bs_record_paths(bs_record *record, const char *folder);

/* Removes scratch and shared, which are on this host. */
void bs_remove_scratch(const bs_record *record);

/* The state of a name, as beamcast_session_state_name gives it; 0 if it is none. */
int bs_state_of_name(const char *name);

int bs_record_write(const bs_record *record, const char *folder, beamcast_error *error);

/* False if there is none that can be read. */
bool bs_record_read(bs_record *record, const char *id, const char *folder);

/* A lock among this user's programs, held until bs_unlock: what changes files of many sessions. -1
 * if it can't be had. */
int bs_lock(void);
void bs_unlock(int lock);

#endif
