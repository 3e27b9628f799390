/* SPDX-License-Identifier: BSD-3-Clause
 * Voxels back from a server; see fetch.h. */
#include "fetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "attach.h"
#include "copiers.h"
#include "dial.h"
#include "memory.h"

enum { DIALLED_AT_ONCE = 16 };

typedef struct fetch_rank {
  bc_place place;
  bc_box own, box;
  int fd; /* -1: not connected */
  bool local;
} fetch_rank;

struct bc_fetch {
  bc_dialer dialer;
  int control;
  bc_fetch_info info;
  bc_plan plan;
  char *header;
  fetch_rank *ranks;
};

static int take_found(bc_fetch *f, const bc_message *message, beamcast_error *error) {
  bc_reader reader = bc_reader_of(message->body, message->size);
  f->info.serial = bc_get_u64(&reader);
  f->info.step = bc_get_u64(&reader);
  f->info.time = bc_get_f64(&reader);
  f->info.arrays = bc_get_u64(&reader);
  bool good = bc_get_plan(&reader, &f->plan);
  uint32_t ranks = bc_get_u32(&reader);
  if (good && ranks > 0 && ranks <= BC_SERVER_RANKS_MAX) {
    f->ranks = calloc(ranks, sizeof(*f->ranks));
  }
  if (f->ranks == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's answer makes no sense");
  }
  f->info.ranks = ranks;
  for (uint32_t i = 0; i < ranks; i++) {
    f->ranks[i].fd = -1;
    good = bc_get_place(&reader, &f->ranks[i].place) && good;
    bc_get_box(&reader, &f->ranks[i].own);
    bc_get_box(&reader, &f->ranks[i].box);
  }
  uint32_t length = bc_get_u32(&reader);
  const unsigned char *header = bc_get_bytes(&reader, length);
  f->header = header && good ? strndup((const char *)header, length) : NULL;
  if (f->header == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's answer makes no sense");
  }
  bc_dial_found_root(&f->dialer, &f->ranks[0].place);
  f->info.header = f->header;
  f->info.plan = &f->plan;
  return BEAMCAST_OK;
}

static int look(bc_fetch *f, const char *stream, const uint64_t *step, int64_t deadline,
                beamcast_error *error) {
  bc_writer writer = {0};
  bc_message message;
  size_t begin = bc_message_begin(&writer, BC_LOOK);
  bc_put_text(&writer, stream);
  if (step != NULL) {
    bc_put_u64(&writer, *step);
  }
  bc_message_end(&writer, begin);
  int code = bc_exchange(f->control, &writer, &message, NULL, deadline, error);
  if (code == BEAMCAST_OK) {
    code = message.type == BC_FOUND ? take_found(f, &message, error) : bc_refusal(&message, error);
    bc_message_free(&message);
  }
  return code;
}

bc_fetch *bc_fetch_open(const char *contact, const char *token, const char *stream,
                        const uint64_t *step, double limit, beamcast_error *error) {
  bc_fetch *f = calloc(1, sizeof *f);
  int64_t deadline = bc_deadline(limit);
  if (f == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  f->control = bc_dial_root(&f->dialer, contact, token, BC_ROLE_VIEWER, deadline, error);
  if (f->control < 0 || look(f, stream, step, deadline, error) != BEAMCAST_OK) {
    bc_fetch_close(f);
    return NULL;
  }
  return f;
}

void bc_fetch_describe(const bc_fetch *f, bc_fetch_info *info) {
  *info = f->info;
}

static int connect_rank(bc_fetch *f, uint32_t i, const char *wire, int64_t deadline,
                        beamcast_error *error) {
  fetch_rank *rank = &f->ranks[i];
  bool relayed;
  bool may_shm = wire == NULL || strcmp(wire, "shm") == 0;
  if (rank->fd >= 0) {
    return BEAMCAST_OK;
  }
  rank->local = may_shm && bc_dial_is_local(&f->dialer, &rank->place);
  if (wire != NULL && may_shm && !rank->local) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "rank %u of the server runs on another host: shm can't reach it", i);
  }
  rank->fd = bc_dial_rank(&f->dialer, &rank->place, i, BC_ROLE_FETCHER, rank->local, &relayed,
                          deadline, error);
  return rank->fd < 0 ? BEAMCAST_ERR_CONNECTION : BEAMCAST_OK;
}

typedef struct dialling {
  bc_fetch *fetch;
  const bc_box *box;
  const char *wire;
  int64_t deadline;
  pthread_mutex_t lock;
  int code;
  beamcast_error error;
} dialling;

static void dial_job(void *context, size_t rank) {
  dialling *d = context;
  beamcast_error error = {0};
  bc_box part;
  if (!bc_box_intersect(d->box, &d->fetch->ranks[rank].own, &part)) {
    return;
  }
  int code = connect_rank(d->fetch, (uint32_t)rank, d->wire, d->deadline, &error);
  if (code != BEAMCAST_OK) {
    pthread_mutex_lock(&d->lock);
    d->code = code;
    d->error = error;
    pthread_mutex_unlock(&d->lock);
  }
}

/* Several ranks at once: each takes some round trips, and the way may be long. */
static int connect_ranks(bc_fetch *f, const bc_box *box, const char *wire, int64_t deadline,
                         beamcast_error *error) {
  dialling d = {.fetch = f,
                .box = box,
                .wire = wire,
                .deadline = deadline,
                .lock = PTHREAD_MUTEX_INITIALIZER};
  uint32_t beside = f->info.ranks < DIALLED_AT_ONCE ? f->info.ranks - 1 : DIALLED_AT_ONCE - 1;
  bc_copiers *threads = bc_copiers_new((int)beside);
  if (threads == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  bc_copiers_run(threads, f->info.ranks, dial_job, &d);
  bc_copiers_free(threads);
  if (d.code != BEAMCAST_OK && error != NULL) {
    *error = d.error;
  }
  return d.code;
}

/* A part of the box, from one rank into the caller's array. */
typedef struct part {
  bc_span span;
  const bc_box *memory; /* the rank's array */
  unsigned char *to;
  int64_t stride[3]; /* of the caller's array */
  uint64_t voxel;
} part;

static int read_shared(int fd, const part *p, int64_t deadline, beamcast_error *error) {
  bc_attachment at;
  int passed = -1;
  int code = bc_attach(fd, p->span.serial, p->span.array, &at, &passed, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  unsigned char *data = MAP_FAILED;
  if (at.size == bc_volume_bytes(p->memory->shape, p->voxel)) {
    data = mmap(NULL, at.size, PROT_READ, MAP_SHARED | MAP_POPULATE, passed, 0);
  }
  bc_close_fd(&passed);
  if (data == MAP_FAILED) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "the server's memory can't be mapped");
  }
  int64_t stride[3];
  bc_strides_of(p->memory->shape, p->voxel, stride);
  bc_copy_box(p->to, p->stride, data + bc_offset_of(p->memory, &p->span.box, p->voxel), stride,
              p->span.box.shape, p->voxel);
  (void)munmap(data, at.size);
  return BEAMCAST_OK;
}

static int read_stream(int fd, const part *p, int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  bc_message message;
  bc_span span;
  bc_put_span(&writer, BC_READ, &p->span);
  int code = bc_exchange(fd, &writer, &message, NULL, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  bc_reader reader = bc_reader_of(message.body, message.size);
  bc_runs runs = bc_runs_of(p->span.box.shape, p->stride, p->voxel);
  uint64_t number = bc_runs_number(&runs);
  if (message.type != BC_DATA) {
    code = bc_refusal(&message, error);
  } else if (!bc_get_span(&reader, &span) || !bc_box_equal(&span.box, &p->span.box) ||
             span.bytes != runs.bytes * number) {
    code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's answer makes no sense");
  }
  bc_message_free(&message);
  for (uint64_t i = 0; i < number && code == BEAMCAST_OK; i++) {
    code = bc_receive_all(fd, p->to + bc_runs_at(&runs, i), runs.bytes, deadline, error);
  }
  return code;
}

int bc_fetch_read(bc_fetch *f, uint32_t array, const bc_box *box, void *data, const char *wire,
                  double limit, beamcast_error *error) {
  int64_t deadline = bc_deadline(limit);
  bc_box whole = {
      .shape = {f->plan.grid.volume[0], f->plan.grid.volume[1], f->plan.grid.volume[2]}};
  if (array >= f->plan.arrays || (f->info.arrays >> array & 1) == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the step has no array number %u", array);
  }
  if (bc_box_is_empty(box) || !bc_box_contains(&whole, box)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the box does not lie in the volume of %llu x %llu x %llu voxels",
                         (unsigned long long)whole.shape[0], (unsigned long long)whole.shape[1],
                         (unsigned long long)whole.shape[2]);
  }
  part p = {.voxel = bc_plan_voxel_bytes(&f->plan, array)};
  bc_strides_of(box->shape, p.voxel, p.stride);
  int code = connect_ranks(f, box, wire, deadline, error);
  for (uint32_t i = 0; i < f->info.ranks && code == BEAMCAST_OK; i++) {
    p.span = (bc_span){.serial = f->info.serial, .array = array};
    if (!bc_box_intersect(box, &f->ranks[i].own, &p.span.box)) {
      continue;
    }
    p.memory = &f->ranks[i].box;
    p.to = (unsigned char *)data + bc_offset_of(box, &p.span.box, p.voxel);
    code = (f->ranks[i].local ? read_shared : read_stream)(f->ranks[i].fd, &p, deadline, error);
  }
  return code;
}

void bc_fetch_close(bc_fetch *f) {
  if (f == NULL) {
    return;
  }
  for (uint32_t i = 0; i < f->info.ranks; i++) {
    bc_close_fd(&f->ranks[i].fd);
  }
  bc_close_fd(&f->control);
  free(f->ranks);
  free(f->header);
  free(f);
}
