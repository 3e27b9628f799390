/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections that carry voxels, in (writers) and out (fetchers), on threads of their own, so that
 * control is never stuck behind data. A connection belongs to one thread. Voxels are received
 * straight into the slot; what is not wanted any more is received and thrown away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "data_conn.h"
#include "landing.h"

enum { BATCH = 256, BATCH_BYTES = 4 << 20, SCRATCH = 256 << 10 };

void bc_data_fail(bc_receiver *r, bc_data_conn *c, int code, const char *sentence) {
  bc_put_verdict(&c->out, BC_FAIL, c->span.serial, (uint32_t)code, 0, sentence);
  c->close_when_sent = true;
  bc_log(r, "a %s was disconnected: %s", c->role == BC_ROLE_WRITER ? "producer" : "viewer",
         sentence);
}

/* --- voxels in -----------------------------------------------------------------------------------
 */

/* Vectors for the next bytes of runs after `moved`, at most BATCH of them. */
static size_t next_vectors(unsigned char *base, const bc_runs *runs, uint64_t moved,
                           struct iovec vectors[BATCH], uint64_t *bytes) {
  uint64_t number = bc_runs_number(runs), index = moved / runs->bytes, skip = moved % runs->bytes;
  size_t count = 0;
  *bytes = 0;
  while (count < BATCH && index < number && *bytes < BATCH_BYTES) {
    uint64_t length = runs->bytes - skip;
    if (length > BATCH_BYTES - *bytes) {
      length = BATCH_BYTES - *bytes;
    }
    vectors[count].iov_base = base + bc_runs_at(runs, index) + skip;
    vectors[count].iov_len = length;
    *bytes += length;
    count++;
    index++;
    skip = 0;
  }
  return count;
}

/* Is the slot still the one that the voxels on their way are for? Lock held. */
static bool still_wanted(const bc_data_conn *c) {
  return c->memory != NULL && c->slot->serial == c->span.serial && c->slot->open;
}

/* If so it is busy until end_read. */
static bool begin_read(bc_receiver *r, bc_data_conn *c) {
  pthread_mutex_lock(&r->lock);
  bool wanted = still_wanted(c);
  if (wanted) {
    c->slot->busy++;
  }
  pthread_mutex_unlock(&r->lock);
  if (!wanted) {
    bc_memory_release(c->memory);
    c->memory = NULL;
  }
  return wanted;
}

/* Tells of what has landed of the box in whole pieces, or of its rest. Lock held. */
static void tell_landed(const bc_receiver *r, bc_data_conn *c) {
  const bc_box *box = &c->span.box;
  const uint64_t all = box->shape[1] * box->shape[2];
  uint64_t rows = c->moved / (c->span.bytes / all);
  bc_box part;
  rows -= rows < all ? (rows - c->told) % c->piece : 0;
  while (bc_box_rows(box, &c->told, rows, &part)) {
    bc_landing_tell(r, c->slot, c->span.array, &part);
  }
}

static void end_read(bc_receiver *r, bc_data_conn *c, ssize_t done) {
  pthread_mutex_lock(&r->lock);
  c->moved += done > 0 ? (uint64_t)done : 0;
  if (r->options.landing != NULL && still_wanted(c) &&
      c->slot->array[c->span.array].memory == c->memory) {
    tell_landed(r, c);
  }
  if (--c->slot->busy == 0) {
    pthread_cond_broadcast(&r->idle);
  }
  pthread_mutex_unlock(&r->lock);
}

static void voxels_done(bc_receiver *r, bc_data_conn *c) {
  pthread_mutex_lock(&r->lock);
  if (still_wanted(c)) {
    bc_rank_landed(r, c->slot, c->session, &c->span, BC_WIRE_TCP);
  }
  pthread_mutex_unlock(&r->lock);
  bc_memory_release(c->memory);
  c->memory = NULL;
  c->state = READ_HEAD;
}

/* Result of a read: more may come (1), nothing now (0), the connection has ended (-1). */
static int judge_read(bc_data_conn *c, ssize_t done) {
  if (done > 0) {
    return 1;
  }
  if (done < 0 && errno == EINTR) {
    return 1;
  }
  if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return 0;
  }
  c->dead = true;
  c->clean = true; /* closed or reset by the peer: it writes no more */
  return -1;
}

static int read_voxels(bc_receiver *r, bc_data_conn *c) {
  struct iovec vectors[BATCH];
  uint64_t bytes;
  ssize_t done;
  if (begin_read(r, c)) {
    size_t count = next_vectors(c->memory->data + c->base, &c->runs, c->moved, vectors, &bytes);
    done = readv(c->fd, vectors, (int)count);
    int bad = errno;
    end_read(r, c, done);
    errno = bad;
  } else {
    char scratch[SCRATCH];
    bytes = c->span.bytes - c->moved;
    done = read(c->fd, scratch, bytes < sizeof scratch ? bytes : sizeof scratch);
    c->moved += done > 0 ? (uint64_t)done : 0;
  }
  if (c->moved == c->span.bytes) {
    voxels_done(r, c);
  }
  return judge_read(c, done);
}

/* Checks a span of a writer against the slot. Returns the slot, NULL with a sentence if the peer
 * lies, NULL without one if the step is not wanted any more. Lock held. */
static bc_slot *writer_slot(bc_receiver *r, bc_data_conn *c, const bc_span *span,
                            const char **sentence) {
  bc_slot *slot = bc_rank_slot(r, span->serial);
  bc_session *session = bc_rank_session(r, c->session);
  *sentence = NULL;
  if (session == NULL) {
    *sentence = "voxels came from a producer that is not known";
  } else if (slot != NULL && slot->stream != session->stream) {
    *sentence = "voxels came for another stream's step";
  } else if (slot != NULL && slot->open) {
    bool known = span->array < slot->plan.arrays;
    uint64_t voxel = known ? bc_plan_voxel_bytes(&slot->plan, span->array) : 0;
    if (!known) {
      *sentence = "voxels came for an array that was not declared";
    } else if (!bc_box_contains(&slot->box, &span->box) || bc_box_is_empty(&span->box)) {
      *sentence = "voxels came for a place outside this rank's part of the volume";
    } else if (slot->array[span->array].memory == NULL) {
      *sentence = "voxels came before there was memory for them";
    } else if (span->bytes != bc_volume_bytes(span->box.shape, voxel)) {
      *sentence = "the bytes announced do not fit the brick's shape and type";
    } else {
      return slot;
    }
    if (slot->replanned) { /* no lie: it was put for the volume as it was before */
      *sentence = NULL;
    }
  }
  return NULL;
}

static void on_write(bc_receiver *r, bc_data_conn *c, bc_reader *reader) {
  const char *sentence = NULL;
  if (!bc_get_span(reader, &c->span)) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "a message made no sense");
    return;
  }
  pthread_mutex_lock(&r->lock);
  c->slot = writer_slot(r, c, &c->span, &sentence);
  if (c->slot != NULL) {
    uint64_t voxel = bc_plan_voxel_bytes(&c->slot->plan, c->span.array);
    int64_t stride[3];
    bc_strides_of(c->slot->box.shape, voxel, stride);
    c->runs = bc_runs_of(c->span.box.shape, stride, voxel);
    c->base = bc_offset_of(&c->slot->box, &c->span.box, voxel);
    c->piece = bc_box_piece(&c->span.box, voxel, bc_memory_piece());
    c->memory = c->slot->array[c->span.array].memory;
    bc_memory_retain(c->memory);
  }
  pthread_mutex_unlock(&r->lock);
  if (sentence != NULL) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, sentence);
    return;
  }
  c->moved = c->told = 0;
  c->state = c->span.bytes > 0 ? READ_VOXELS : READ_HEAD;
}

static void on_wrote(bc_receiver *r, bc_data_conn *c, bc_reader *reader) {
  const char *sentence = NULL;
  if (!bc_get_span(reader, &c->span)) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "a message made no sense");
    return;
  }
  pthread_mutex_lock(&r->lock);
  bc_slot *slot = writer_slot(r, c, &c->span, &sentence);
  if (slot != NULL) {
    bc_landing_tell(r, slot, c->span.array, &c->span.box);
    bc_rank_landed(r, slot, c->session, &c->span, c->verbs != 0 ? BC_WIRE_VERBS : BC_WIRE_SHM);
  }
  pthread_mutex_unlock(&r->lock);
  if (sentence != NULL) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, sentence);
  }
}

/* --- voxels out ----------------------------------------------------------------------------------
 */

static void on_read(bc_receiver *r, bc_data_conn *c, bc_reader *reader) {
  bc_span span;
  if (!bc_get_span(reader, &span) || c->from != NULL) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "a message made no sense");
    return;
  }
  c->span = span;
  const char *sentence = NULL;
  pthread_mutex_lock(&r->lock);
  bc_slot *slot = bc_rank_slot(r, span.serial);
  if (slot == NULL || slot->frame == NULL || span.array >= slot->plan.arrays) {
    sentence = "the step or the array is not here any more";
  } else if (bc_box_is_empty(&span.box) || !bc_box_contains(&slot->box, &span.box)) {
    sentence = "the box asked for lies outside this rank's part of the volume";
  } else if (slot->array[span.array].memory == NULL) {
    sentence = "the array has no voxels here";
  } else {
    uint64_t voxel = bc_plan_voxel_bytes(&slot->plan, span.array);
    int64_t stride[3];
    bc_strides_of(slot->box.shape, voxel, stride);
    span.bytes = bc_volume_bytes(span.box.shape, voxel);
    c->from = slot->array[span.array].memory;
    bc_memory_retain(c->from);
    c->from_runs = bc_runs_of(span.box.shape, stride, voxel);
    c->from_base = bc_offset_of(&slot->box, &span.box, voxel);
    c->from_bytes = span.bytes;
    c->from_moved = 0;
  }
  pthread_mutex_unlock(&r->lock);
  if (sentence != NULL) {
    bc_put_verdict(&c->out, BC_REFUSE, span.serial, BEAMCAST_DROPPED, 0, sentence);
  } else {
    bc_put_span(&c->out, BC_DATA, &span);
  }
}

static void write_out(bc_data_conn *c) {
  struct iovec vectors[BATCH];
  while (!c->dead) {
    ssize_t done;
    if (c->out_sent < c->out.size) {
      done = send(c->fd, c->out.data + c->out_sent, c->out.size - c->out_sent, MSG_NOSIGNAL);
      c->out_sent += done > 0 ? (size_t)done : 0;
    } else if (c->from != NULL) {
      uint64_t bytes;
      struct msghdr message = {.msg_iov = vectors};
      message.msg_iovlen =
          next_vectors(c->from->data + c->from_base, &c->from_runs, c->from_moved, vectors, &bytes);
      done = sendmsg(c->fd, &message, MSG_NOSIGNAL);
      c->from_moved += done > 0 ? (uint64_t)done : 0;
      if (c->from_moved == c->from_bytes) {
        bc_memory_release(c->from);
        c->from = NULL;
      }
    } else {
      c->out.size = c->out_sent = 0;
      c->dead = c->dead || c->close_when_sent;
      return;
    }
    if (done < 0 && errno != EINTR) {
      c->dead = errno != EAGAIN && errno != EWOULDBLOCK;
      c->clean = c->dead;
      return;
    }
  }
}

/* --- messages ------------------------------------------------------------------------------------
 */

static void on_bind(bc_receiver *r, bc_data_conn *c, bc_reader *reader) {
  uint64_t id = bc_get_u64(reader);
  pthread_mutex_lock(&r->lock);
  bc_session *session = c->session == 0 ? bc_rank_session(r, id) : NULL;
  bool good = session != NULL && !session->expelled && c->role == BC_ROLE_WRITER;
  if (good) {
    c->session = id;
    session->conns++;
  }
  pthread_mutex_unlock(&r->lock);
  if (good) {
    bc_message_empty(&c->out, BC_BOUND);
  } else {
    bc_data_fail(r, c, BEAMCAST_ERR_REFUSED, "a connection for data came from an unknown producer");
  }
}

static void on_message(bc_receiver *r, bc_data_conn *c) {
  bc_reader reader = bc_reader_of(c->body, (size_t)c->frame.size);
  bool writer = c->role == BC_ROLE_WRITER, bound = c->session != 0;
  c->state = READ_HEAD;
  if (c->frame.type == BC_BIND && writer) {
    on_bind(r, c, &reader);
  } else if (c->frame.type == BC_WRITE && bound) {
    on_write(r, c, &reader);
  } else if (c->frame.type == BC_WROTE && bound && (c->local || c->verbs != 0)) {
    on_wrote(r, c, &reader);
  } else if (c->frame.type == BC_SYNC && bound) {
    bc_put_number(&c->out, BC_SYNCED, bc_get_u64(&reader));
  } else if (c->frame.type == BC_ATTACH && (bound || !writer)) {
    bc_data_attach(r, c, &reader);
  } else if (c->frame.type == BC_VERBS_OPEN && bound) {
    bc_data_verbs_open(r, c);
  } else if (c->frame.type == BC_READ && !writer) {
    on_read(r, c, &reader);
  } else {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "a message came that has no place here");
  }
}

static int read_message(bc_receiver *r, bc_data_conn *c) {
  ssize_t done;
  if (c->state == READ_HEAD) {
    done = read(c->fd, c->head + c->got, sizeof c->head - c->got);
    c->got += done > 0 ? (size_t)done : 0;
    if (done > 0 && c->got == sizeof c->head) {
      c->got = 0;
      if (!bc_frame_head_read(c->head, &c->frame)) {
        bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "what came is no message");
        return 1;
      }
      free(c->body);
      c->body = malloc((size_t)c->frame.size + 1);
      c->state = READ_BODY;
      if (c->body == NULL) {
        bc_data_fail(r, c, BEAMCAST_ERR_MEMORY, "out of memory");
      } else if (c->frame.size == 0) {
        on_message(r, c);
      }
    }
  } else {
    done = read(c->fd, c->body + c->got, (size_t)c->frame.size - c->got);
    c->got += done > 0 ? (size_t)done : 0;
    if (done > 0 && c->got == c->frame.size) {
      c->got = 0;
      on_message(r, c);
    }
  }
  return judge_read(c, done);
}

void bc_data_serve(bc_receiver *r, bc_data_conn *c) {
  /* a bounded number of reads a turn, so that one fast connection does not starve the others */
  for (int turn = 0; turn < 16 && !c->dead && !c->close_when_sent && c->from == NULL; turn++) {
    int more = c->state == READ_VOXELS ? read_voxels(r, c) : read_message(r, c);
    if (c->out.size > c->out_sent || c->from != NULL) {
      write_out(c);
    }
    if (more <= 0) {
      break;
    }
  }
  write_out(c);
}
