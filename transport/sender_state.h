/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside a sender; shared by sender.c (steps and the control connection) and sender_brick.c (voxels
 * to the ranks).
 */
#ifndef BEAMCAST_SENDER_STATE_H
#define BEAMCAST_SENDER_STATE_H

#include <pthread.h>

#include "copiers.h"
#include "link.h"
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
  struct bc_device *device; /* of arrays in a device's memory; NULL: none so far */
  int copier_count;
  step_state state;
  uint64_t serial, epoch, arrays;
  uint32_t slot;
  char reason[BC_SENTENCE_MAX];
  bool late_drop; /* the step was given up after it had been ended */
  bool sync_owed; /* overlap: the last step's SYNCs are out */
  bool dead;
  int dead_code;
  bc_message grant; /* holds the requests */
  bc_reader requests;
  uint32_t requests_left;
  char *request;
  bc_sender_stats stats;
};

/* Sends each rank its part of a brick; piece: the whole brick, `memory` unset. Its data may lie in
 * a CUDA device's memory. */
int bc_sender_send_brick(bc_sender *s, const bc_piece *brick, int64_t deadline,
                         beamcast_error *error);
/* The two ways: of memory that the processor can read, and of a device's through that. */
int bc_sender_send_host(bc_sender *s, const bc_piece *brick, int64_t deadline,
                        beamcast_error *error);
int bc_sender_send_staged(bc_sender *s, const bc_piece *brick, int64_t deadline,
                          beamcast_error *error);
/* Returns when all that was put has left. */
int bc_sender_flush_links(bc_sender *s, int64_t deadline, beamcast_error *error);

#endif
