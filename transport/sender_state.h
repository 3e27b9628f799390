/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside a sender; shared by sender_open.c (its beginning and end), sender.c (steps),
 * sender_control.c (the control connection), sender_brick.c and sender_staged.c (voxels to the
 * ranks).
 */
#ifndef BEAMCAST_SENDER_STATE_H
#define BEAMCAST_SENDER_STATE_H

#include <pthread.h>

#include "copiers.h"
#include "links.h"
#include "sender.h"
#include "socket.h"

typedef enum step_state { STEP_NONE, STEP_OPEN, STEP_DROPPED, STEP_BROKEN } step_state;

struct bc_sender {
  bc_sender_options options;
  char stream[BC_NAME_MAX];
  char wire[16];
  bc_dialer dialer;
  int control;
  pthread_mutex_t sending; /* of control */
  pthread_t pulse;
  pthread_cond_t pulse_stop;
  bool pulse_started, stop;
  uint64_t session;
  uint32_t server_ranks;
  bc_link *links;
  bc_box *boxes; /* per rank, what it holds */
  bc_plan plan;
  bc_copiers *copiers;
  bc_kept *kept;            /* arrays that stay where they are */
  struct bc_device *device; /* of arrays in a device's memory; NULL: none so far */
  int copier_count;
  step_state state;
  uint64_t serial, epoch, arrays;
  uint32_t slot;
  char reason[BC_SENTENCE_MAX];
  bool late_drop; /* the step was given up after it had been ended */
  bool sync_owed; /* SYNCs of the last step are out, and not all answers have been read */
  bool dead;
  int dead_code;
  bc_message grant; /* holds the requests */
  bc_reader requests;
  uint32_t requests_left;
  char *request;
  bc_sender_stats stats;
};

/* Waits for what is owed of the step before: that its voxels have landed. */
int bc_sender_settle(bc_sender *s, int64_t deadline, beamcast_error *error);

/* --- sender_control.c: the control connection ------------------------------------------------- */

/* Notes that the connection is lost, why, and what calls will return from now on; returns code. */
int bc_sender_dead(bc_sender *s, int code, const char *sentence);
/* The code and sentence of that. */
int bc_sender_fail_dead(const bc_sender *s, beamcast_error *error);
/* A failure is the connection's end. */
int bc_sender_send(bc_sender *s, bc_writer *writer, int64_t deadline, beamcast_error *error);
/* A wait that runs into the deadline may be tried again; any other failure is the end. */
int bc_sender_receive(bc_sender *s, bc_message *message, int64_t deadline, beamcast_error *error);
/* END with the account of the step. */
void bc_sender_send_end(bc_sender *s, uint64_t serial, bool abandoned, const char *header,
                        int64_t deadline, beamcast_error *error, int *code);
/* Tells the server that this step's slot is written no more, whatever became of it. */
void bc_sender_abandon(bc_sender *s, uint64_t serial);
/* Deals with a message that may come at any time. BEAMCAST_OK if it was one. */
int bc_sender_take_aside(bc_sender *s, const bc_message *message);
/* Messages that have come by themselves. */
int bc_sender_look_aside(bc_sender *s, beamcast_error *error);
/* The thread that sends PULSE until `stop`; argument: the sender. */
void *bc_sender_pulse(void *argument);

/* --- voxels ------------------------------------------------------------------------------------
 */

/* Sends each rank its part of a brick; piece: the whole brick, `memory` unset. Its data may lie in
 * a CUDA device's memory. */
int bc_sender_send_brick(bc_sender *s, const bc_piece *brick, int64_t deadline,
                         beamcast_error *error);
/* The two ways: from where it lies, and of a device's through memory that the processor can read.
 * *unread: not sent, as it lies on a device that some link's wire does not read. */
int bc_sender_send_direct(bc_sender *s, const bc_piece *brick, bool *unread, int64_t deadline,
                          beamcast_error *error);
int bc_sender_send_staged(bc_sender *s, const bc_piece *brick, int64_t deadline,
                          beamcast_error *error);
/* Returns when all that was put has left. */
int bc_sender_flush_links(bc_sender *s, int64_t deadline, beamcast_error *error);

#endif
