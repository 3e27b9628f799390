/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A brick in a device's memory that no RDMA device reads: cut into pieces that are copied into
 * pinned host memory, and sent from there. While a piece is sent the next one is being copied.
 */
#include <stdlib.h>

#include "device.h"
#include "sender_state.h"

enum { STAGE_BYTES = 8 << 20 };

/* A brick on its way. */
typedef struct staging {
  bc_sender *s;
  const bc_piece *brick;
  int64_t deadline;
  int lane;     /* of the next piece; what it held before is sent */
  bool waiting; /* a piece is being copied on the other lane */
  bc_piece before;
} staging;

/* Sends the piece that is being copied, once it is; then its lane is free. */
static int send_before(staging *g, beamcast_error *error) {
  if (!g->waiting) {
    return BEAMCAST_OK;
  }
  g->waiting = false;
  int code = bc_device_wait(g->s->device, 1 - g->lane, error);
  if (code == BEAMCAST_OK) {
    bool unread;
    code = bc_sender_send_direct(g->s, &g->before, &unread, g->deadline, error);
  }
  return code == BEAMCAST_OK ? bc_sender_flush_links(g->s, g->deadline, error) : code;
}

static int stage(staging *g, const bc_box *box, beamcast_error *error) {
  const bc_piece *brick = g->brick;
  bc_device *device = g->s->device;
  bc_runs runs = bc_runs_of(box->shape, brick->stride, brick->voxel_bytes);
  uint64_t number = bc_runs_number(&runs);
  bc_piece now = *brick;
  now.box = *box;
  for (int axis = 0; axis < 3; axis++) {
    now.data += (int64_t)(box->start[axis] - brick->box.start[axis]) * brick->stride[axis];
  }
  unsigned char *buffer = bc_device_buffer(device, g->lane, STAGE_BYTES, error);
  int code = buffer != NULL ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
  for (uint64_t i = 0; i < number && code == BEAMCAST_OK; i++) {
    code = bc_device_copy(device, g->lane, buffer + i * runs.bytes, now.data + bc_runs_at(&runs, i),
                          runs.bytes, error);
  }
  code = code == BEAMCAST_OK ? send_before(g, error) : code;
  now.data = buffer;
  now.on_device = false;
  bc_strides_of(box->shape, brick->voxel_bytes, now.stride);
  g->before = now;
  g->waiting = code == BEAMCAST_OK;
  g->lane = 1 - g->lane;
  return code;
}

/* Halves what is too large for a buffer, along the outermost axis that can be. */
static int stage_box(staging *g, const bc_box *box, beamcast_error *error) {
  if (bc_volume_bytes(box->shape, g->brick->voxel_bytes) <= STAGE_BYTES) {
    return stage(g, box, error);
  }
  int axis = box->shape[2] > 1 ? 2 : box->shape[1] > 1 ? 1 : 0;
  bc_box first = *box, second = *box;
  first.shape[axis] = box->shape[axis] / 2;
  second.start[axis] += first.shape[axis];
  second.shape[axis] -= first.shape[axis];
  int code = stage_box(g, &first, error);
  return code == BEAMCAST_OK ? stage_box(g, &second, error) : code;
}

int bc_sender_send_staged(bc_sender *s, const bc_piece *brick, int64_t deadline,
                          beamcast_error *error) {
  s->device = bc_device_open(s->device, brick->data, error);
  if (s->device == NULL) {
    return BEAMCAST_ERR_MEMORY;
  }
  staging g = {.s = s, .brick = brick, .deadline = deadline};
  int code = stage_box(&g, &brick->box, error);
  if (code == BEAMCAST_OK) {
    code = send_before(&g, error);
  } else { /* the array is not read any more when put returns */
    (void)bc_device_wait(s->device, 0, NULL);
    (void)bc_device_wait(s->device, 1, NULL);
  }
  return code;
}
