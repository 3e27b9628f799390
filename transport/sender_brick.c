/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A brick to the ranks that hold a part of it: the intersections, cut into a piece for each lane,
 * written by a few threads at once.
 */
#include <stdlib.h>

#include "device.h"
#include "sender_state.h"

enum { PIECE_BYTES = 1 << 20 };

typedef struct put_job {
  bc_link *link;
  int lane;
  bc_piece piece;
} put_job;

typedef struct put_work {
  bc_sender *sender;
  put_job *jobs;
  size_t count, capacity;
  int64_t deadline;
  pthread_mutex_t lock;
  int code;
  bool unread; /* it lies on a device, and a link's wire does not read that */
  beamcast_error error;
} put_work;

/* Keeps a failure; from any thread. */
static void note(put_work *work, int code, const beamcast_error *error) {
  if (code != BEAMCAST_OK) {
    pthread_mutex_lock(&work->lock);
    work->code = code;
    work->error = *error;
    pthread_mutex_unlock(&work->lock);
  }
}

static void do_job(void *context, size_t index) {
  put_work *work = context;
  put_job *job = &work->jobs[index];
  beamcast_error error = {0};
  note(work, job->link->wire->write(job->link, job->lane, &job->piece, work->deadline, &error),
       &error);
}

static put_job *add_job(put_work *work) {
  if (work->count == work->capacity) {
    size_t capacity = work->capacity ? 2 * work->capacity : 16;
    put_job *jobs = realloc(work->jobs, capacity * sizeof *jobs);
    if (jobs == NULL) {
      return NULL;
    }
    work->jobs = jobs;
    work->capacity = capacity;
  }
  return &work->jobs[work->count++];
}

/* Cuts what goes to one rank into a piece for each lane, along the longest axis from the outside
 * in. */
static bool add_jobs(put_work *work, bc_link *link, const bc_piece *whole) {
  uint64_t bytes = bc_volume_bytes(whole->box.shape, whole->voxel_bytes);
  int axis = whole->box.shape[2] > 1 ? 2 : whole->box.shape[1] > 1 ? 1 : 0;
  uint64_t length = whole->box.shape[axis];
  uint64_t parts = bytes / PIECE_BYTES + 1;
  parts = parts < (uint64_t)link->lanes ? parts : (uint64_t)link->lanes;
  parts = parts < length ? parts : length;
  for (uint64_t part = 0; part < parts; part++) {
    uint64_t from = length * part / parts, to = length * (part + 1) / parts;
    put_job *job = add_job(work);
    if (job == NULL) {
      return false;
    }
    *job = (put_job){.link = link, .lane = (int)part, .piece = *whole};
    job->piece.box.start[axis] += from;
    job->piece.box.shape[axis] = to - from;
    job->piece.data += (int64_t)from * whole->stride[axis];
  }
  return true;
}

static bc_link_options options_of(const bc_sender *s) {
  return (bc_link_options){.wire = s->options.wire,
                           .connections = s->options.connections,
                           .copiers = s->copier_count,
                           .session = s->session};
}

static void open_link(void *context, size_t index) {
  put_work *work = context;
  const bc_link_options options = options_of(work->sender);
  beamcast_error error = {0};
  note(
      work,
      bc_link_open(work->jobs[index].link, &work->sender->dialer, &options, work->deadline, &error),
      &error);
}

/* Connects the ranks that the brick goes to and that are not connected yet; several at once. */
static int open_links(put_work *work, const bc_piece *brick, beamcast_error *error) {
  bc_sender *s = work->sender;
  for (uint32_t rank = 0; rank < s->server_ranks; rank++) {
    bc_box part;
    if (s->links[rank].wire == NULL && bc_box_intersect(&brick->box, &s->boxes[rank], &part)) {
      put_job *job = add_job(work);
      if (job == NULL) {
        return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
      }
      job->link = &s->links[rank];
    }
  }
  if (work->count > 0) {
    bc_copiers_run(s->copiers, work->count, open_link, work);
    work->count = 0;
  }
  if (work->code != BEAMCAST_OK && error != NULL) {
    *error = work->error;
  }
  return work->code;
}

/* Has the rank's memory ready. A wire that nobody asked for and that can't have its memory (too
 * little may be locked or mapped) gives way to tcp. */
static int prepare_link(bc_sender *s, bc_link *link, uint32_t array, int64_t deadline,
                        beamcast_error *error) {
  if (link->wire->prepare == NULL) {
    return BEAMCAST_OK;
  }
  int code = link->wire->prepare(link, s->serial, s->slot, array, deadline, error);
  if (code == BEAMCAST_ERR_MEMORY && s->options.wire == NULL) {
    const bc_link_options options = options_of(s);
    code = bc_link_fall_back(link, &s->dialer, &options, deadline, error);
  }
  return code;
}

static int prepare_rank(put_work *work, uint32_t rank, const bc_piece *brick,
                        beamcast_error *error) {
  bc_sender *s = work->sender;
  bc_link *link = &s->links[rank];
  bc_piece piece = *brick;
  if (!bc_box_intersect(&brick->box, &s->boxes[rank], &piece.box)) {
    return BEAMCAST_OK;
  }
  piece.memory = s->boxes[rank];
  for (int axis = 0; axis < 3; axis++) {
    piece.data += (int64_t)(piece.box.start[axis] - brick->box.start[axis]) * piece.stride[axis];
  }
  int code = prepare_link(s, link, piece.array, work->deadline, error);
  if (code == BEAMCAST_OK && piece.on_device &&
      (link->wire->reads_device == NULL || !link->wire->reads_device(link, &piece))) {
    work->unread = true;
    return BEAMCAST_OK;
  }
  if (code == BEAMCAST_OK && !add_jobs(work, link, &piece)) {
    code = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  return code;
}

int bc_sender_send_brick(bc_sender *s, const bc_piece *brick, int64_t deadline,
                         beamcast_error *error) {
  bc_piece piece = *brick;
  bool unread = false;
  piece.on_device = bc_device_has(brick->data);
  int code = bc_sender_send_direct(s, &piece, &unread, deadline, error);
  return code == BEAMCAST_OK && unread ? bc_sender_send_staged(s, &piece, deadline, error) : code;
}

int bc_sender_send_direct(bc_sender *s, const bc_piece *brick, bool *unread, int64_t deadline,
                          beamcast_error *error) {
  put_work work = {.sender = s, .deadline = deadline, .lock = PTHREAD_MUTEX_INITIALIZER};
  int code = open_links(&work, brick, error);
  for (uint32_t rank = 0; rank < s->server_ranks && code == BEAMCAST_OK && !work.unread; rank++) {
    code = prepare_rank(&work, rank, brick, error);
  }
  *unread = work.unread;
  if (code == BEAMCAST_OK && !work.unread) {
    bc_copiers_run(s->copiers, work.count, do_job, &work);
    code = work.code;
    if (code != BEAMCAST_OK && error != NULL) {
      *error = work.error;
    }
  }
  for (size_t i = 0; i < work.count && code == BEAMCAST_OK && !work.unread; i++) {
    put_job *job = &work.jobs[i];
    uint64_t bytes = bc_volume_bytes(job->piece.box.shape, job->piece.voxel_bytes);
    job->link->synced[job->lane < job->link->sockets ? job->lane : 0] = false;
    job->link->bytes += bytes;
    s->stats.bytes += bytes;
  }
  free(work.jobs);
  return code;
}
