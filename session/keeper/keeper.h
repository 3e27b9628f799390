/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The keeper: one process that lives as long as its session. It starts the X server and mpiexec,
 * and whatever way the session ends, it ends what it started and removes what it made.
 */
#ifndef BEAMCAST_KEEPER_H
#define BEAMCAST_KEEPER_H

#include "record.h"

typedef struct bs_keeper {
  bs_record record;
  char folder[BEAMCAST_SESSION_PATH_MAX];
  int signals;      /* descriptor that SIGTERM, SIGINT, SIGHUP and SIGCHLD come from */
  int log;          /* descriptor of the log */
  int output;       /* what mpiexec prints */
  pid_t screen;     /* the X server; 0: none */
  pid_t mpiexec;    /* 0: none, or it has ended */
  int status;       /* of mpiexec, as from waitpid, when it has ended */
  pid_t root;       /* rank 0 on this host; 0: not known yet */
  char display[64]; /* that the server draws on */
  char cookie[BEAMCAST_SESSION_PATH_MAX]; /* XAUTHORITY of our X server; "" if it is not ours */
} bs_keeper;

/* Forks and executes argv with standard input from nowhere, standard output to `output` (the log if
 * -1) and errors to the log. The child gets SIGTERM when the keeper dies. `spare`: -1, or a
 * descriptor that the child keeps; it is the screen then, which ends on SIGINT alone. */
pid_t bs_run(const bs_keeper *keeper, char *const argv[], int output, int spare,
             beamcast_error *error);

/* Sees that there is a display: the user's own on this machine, or an X server that nobody sees. */
int bs_open_screen(bs_keeper *keeper, beamcast_error *error);

/* Has what is started from now on draw there. */
void bs_use_screen(const bs_keeper *keeper);

/* Becomes a rank of the session in that folder: the program server[0], with a graphics device, and
 * a screen where there is none. Returns the exit status where that fails. */
int bs_be_rank(const char *folder, char *const server[]);

/* Starts mpiexec with the server. */
int bs_launch(bs_keeper *keeper, beamcast_error *error);

/* Takes in ended children; true when mpiexec has ended. */
bool bs_reap(bs_keeper *keeper);

/* Ends what is still running: the server in good order, then whatever is left. */
void bs_end_all(bs_keeper *keeper);

#endif
