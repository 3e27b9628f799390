/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pieces as one-sided writes; see wire_verbs.h. A write fills one contiguous range of the server's
 * array. Its voxels come from the producer's rows where they lie, several rows gathered by the
 * device. The rows are registered a window at a time: the next window is registered while the ones
 * before it are on the wire, and a window is unregistered as soon as its writes are complete.
 * Nothing is kept beyond a step: memory that is freed and allocated again at the same address may
 * be other pages. Only an array that the producer says stays where it is is registered whole, and
 * once.
 *
 * Rows too short or too far apart for that are copied into a few buffers, which stay registered.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "wire_verbs.h"

enum {
  WINDOWS = 4,              /* registered at the same time */
  WINDOW_BYTES = 16 << 20,  /* of each; halved while the limit of locked memory is in the way */
  WINDOW_FIRST = 1 << 20,   /* of a step; then twice as large each */
  WINDOW_LEAST = 256 << 10, /* smaller ones are not tried */
  SHORT_ROW = 512,          /* shorter ones are copied: a row costs about as much as such a copy */
  FAR_APART = 4,            /* rows whose pages would be pinned for a quarter of their bytes only */
  BUFFERS = 4,
  BUFFER_BYTES = 1 << 20
};

typedef struct window {
  struct ibv_mr *region;
  uint64_t last; /* number of its last write */
} window;

struct bc_verbs_memory {
  window windows[WINDOWS]; /* a ring */
  uint32_t first, count;
  uint64_t window_bytes; /* the most */
  uint64_t next_bytes;   /* of the next window: small ones first, so that writing begins soon */
  uint64_t page;
  unsigned char *buffers; /* BUFFERS of BUFFER_BYTES; made when first needed */
  struct ibv_mr *buffers_region;
  uint64_t buffer_last[BUFFERS]; /* number of the last write out of it */
  uint32_t next_buffer;
};

/* A piece on its way: voxels in order, x fastest; positions are bytes from the first voxel. */
typedef struct passage {
  bc_verbs_queue *queue;
  bc_verbs_memory *memory;
  const unsigned char *data;
  bc_runs from, to; /* rows in the producer's and in the server's memory */
  uint64_t bytes;
  uint64_t address; /* of the box in the server's memory */
  uint32_t key;
  bool on_device;
  int64_t deadline;
} passage;

bc_verbs_memory *bc_verbs_memory_new(beamcast_error *error) {
  bc_verbs_memory *memory = calloc(1, sizeof *memory);
  if (memory == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  memory->window_bytes = WINDOW_BYTES;
  memory->next_bytes = WINDOW_FIRST;
  memory->page = (uint64_t)sysconf(_SC_PAGESIZE);
  return memory;
}

/* Whether the device reads pages that are not locked (on-demand paging); BEAMCAST_RDMA_ON_DEMAND=0:
 * not. */
static bool pages_on_demand(struct ibv_context *context) {
  struct ibv_device_attr_ex device;
  return bc_verbs_setting("BEAMCAST_RDMA_ON_DEMAND", 0, 1, 1) != 0 &&
         ibv_query_device_ex(context, NULL, &device) == 0 &&
         (device.odp_caps.general_caps & IBV_ODP_SUPPORT) != 0 &&
         (device.odp_caps.per_transport_caps.rc_odp_caps & IBV_ODP_SUPPORT_WRITE) != 0;
}

/* Locked, or, where the limit of locked memory is in the way, on demand. */
static struct ibv_mr *register_on_host(struct ibv_pd *domain, const void *data, uint64_t bytes) {
  void *memory = (void *)(uintptr_t)data;
  struct ibv_mr *region = ibv_reg_mr(domain, memory, bytes, 0);
  if (region == NULL && errno == ENOMEM) {
    region = pages_on_demand(domain->context)
                 ? ibv_reg_mr(domain, memory, bytes, IBV_ACCESS_ON_DEMAND)
                 : NULL;
    errno = ENOMEM;
  }
  return region;
}

int bc_verbs_memory_try(struct ibv_pd *domain, beamcast_error *error) {
  void *data = mmap(NULL, WINDOW_LEAST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  struct ibv_mr *region = register_on_host(domain, data, WINDOW_LEAST);
  int code = region != NULL
                 ? BEAMCAST_OK
                 : bc_verbs_no_registration(error, errno, WINDOW_LEAST, "a part of the array");
  if (region != NULL) {
    (void)ibv_dereg_mr(region);
  }
  (void)munmap(data, WINDOW_LEAST);
  return code;
}

static void retire_oldest(bc_verbs_memory *memory) {
  (void)ibv_dereg_mr(memory->windows[memory->first].region);
  memory->first = (memory->first + 1) % WINDOWS;
  memory->count--;
}

uint64_t bc_verbs_memory_oldest(const bc_verbs_memory *memory) {
  return memory->count > 0 ? memory->windows[memory->first].last : 0;
}

void bc_verbs_memory_retire(bc_verbs_memory *memory, uint64_t completed) {
  while (memory->count > 0 && memory->windows[memory->first].last <= completed) {
    retire_oldest(memory);
  }
  if (memory->count == 0) {
    memory->next_bytes = WINDOW_FIRST;
  }
}

void bc_verbs_memory_free(bc_verbs_memory *memory) {
  if (memory == NULL) {
    return;
  }
  bc_verbs_memory_retire(memory, UINT64_MAX);
  if (memory->buffers_region != NULL) {
    (void)ibv_dereg_mr(memory->buffers_region);
  }
  if (memory->buffers != NULL) {
    (void)munmap(memory->buffers, (size_t)BUFFERS * BUFFER_BYTES);
  }
  free(memory);
}

/* Where the byte at a position lies in the producer's memory. */
static const unsigned char *source(const passage *p, uint64_t at) {
  return p->data + bc_runs_at(&p->from, at / p->from.bytes) + at % p->from.bytes;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* --- rows where they lie -------------------------------------------------------------------------
 */

/* How much from position `at` on lies within `limit` bytes of memory: whole rows, or a part of a
 * long one that ends with a page. */
static uint64_t window_from(const passage *p, uint64_t at, uint64_t limit) {
  uint64_t row = at / p->from.bytes, number = bc_runs_number(&p->from);
  uint64_t end = (row + 1) * p->from.bytes;
  const unsigned char *begin = source(p, at);
  if (end - at > limit) {
    uint64_t cut = ((uintptr_t)begin + limit) % p->memory->page;
    return at + limit - (cut < limit ? cut : 0);
  }
  while (++row < number) {
    const unsigned char *last = p->data + bc_runs_at(&p->from, row) + p->from.bytes;
    if ((uint64_t)(last - begin) > limit) {
      break;
    }
    end += p->from.bytes;
  }
  return end;
}

/* As a dmabuf; else as if it were ordinary memory, which nvidia-peermem makes it. */
static struct ibv_mr *register_on_device(struct ibv_pd *domain, const void *data, uint64_t bytes) {
  uint64_t offset = 0;
  int fd = bc_device_share(data, bytes, &offset);
  struct ibv_mr *region = NULL;
  if (fd >= 0) {
    region = ibv_reg_dmabuf_mr(domain, offset, bytes, (uintptr_t)data, fd, 0);
    (void)close(fd);
  }
  return region != NULL ? region : ibv_reg_mr(domain, (void *)(uintptr_t)data, bytes, 0);
}

bool bc_verbs_device_try(struct ibv_pd *domain, const bc_piece *piece) {
  bc_runs rows = bc_runs_of(piece->box.shape, piece->stride, piece->voxel_bytes);
  struct ibv_mr *region =
      register_on_device(domain, piece->data, smaller(rows.bytes, WINDOW_LEAST));
  if (region != NULL) {
    (void)ibv_dereg_mr(region);
  }
  return region != NULL;
}

/* Registers the memory of positions at..*end, for reading by the device. Where the limit of locked
 * memory is in the way, waits for older windows, then takes smaller ones (*end). Fills error and
 * returns the code of a failure; *region is NULL without one where this memory can't be registered
 * at all. */
static int register_window(passage *p, uint64_t at, uint64_t *end, struct ibv_mr **region,
                           beamcast_error *error) {
  bc_verbs_memory *memory = p->memory;
  *region = NULL;
  for (;;) {
    if (memory->count == WINDOWS) {
      int code =
          bc_verbs_queue_await(p->queue, memory->windows[memory->first].last, p->deadline, error);
      if (code != BEAMCAST_OK) {
        return code;
      }
      retire_oldest(memory);
    }
    *end = window_from(p, at, smaller(memory->next_bytes, memory->window_bytes));
    const unsigned char *begin = source(p, at), *last = source(p, *end - 1);
    uint64_t span = (uint64_t)(last - begin) + 1;
    *region = (p->on_device ? register_on_device
                            : register_on_host)(bc_verbs_queue_domain(p->queue), begin, span);
    if (*region != NULL || errno != ENOMEM) {
      return BEAMCAST_OK;
    }
    int reason = errno;
    if (memory->count > 0) {
      int code =
          bc_verbs_queue_await(p->queue, memory->windows[memory->first].last, p->deadline, error);
      if (code != BEAMCAST_OK) {
        return code;
      }
      retire_oldest(memory);
    } else if (memory->window_bytes > WINDOW_LEAST && span > WINDOW_LEAST) {
      memory->window_bytes /= 2;
    } else {
      return bc_verbs_no_registration(error, reason, span, "a part of the array");
    }
  }
}

/* One write of what is contiguous at the server, from position at, not beyond end. */
static int write_rows(passage *p, const struct ibv_mr *region, uint64_t *at, uint64_t end,
                      beamcast_error *error) {
  const bc_verbs_limits *limits = bc_verbs_queue_limits(p->queue);
  struct ibv_sge sges[16];
  uint32_t count = 0;
  uint64_t begin = *at;
  uint64_t stop = smaller(end, begin + limits->message);
  stop = smaller(stop, (begin / p->to.bytes + 1) * p->to.bytes);
  while (*at < stop && count < limits->sges) {
    uint64_t length = smaller(stop, (*at / p->from.bytes + 1) * p->from.bytes) - *at;
    sges[count++] = (struct ibv_sge){
        .addr = (uintptr_t)source(p, *at), .length = (uint32_t)length, .lkey = region->lkey};
    *at += length;
  }
  uint64_t address =
      p->address + (uint64_t)bc_runs_at(&p->to, begin / p->to.bytes) + begin % p->to.bytes;
  return bc_verbs_queue_post(p->queue, sges, count, address, p->key,
                             *at == end ? IBV_SEND_SIGNALED : 0, p->deadline, error);
}

/* --- rows through buffers ------------------------------------------------------------------------
 */

static int make_buffers(passage *p, beamcast_error *error) {
  bc_verbs_memory *memory = p->memory;
  size_t size = (size_t)BUFFERS * BUFFER_BYTES;
  if (memory->buffers_region != NULL) {
    return BEAMCAST_OK;
  }
  if (memory->buffers == NULL) {
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    }
    memory->buffers = data;
    /* after a fork we would write to a copy of pages that the device still reads */
    (void)madvise(data, size, MADV_DONTFORK);
  }
  memory->buffers_region = ibv_reg_mr(bc_verbs_queue_domain(p->queue), memory->buffers, size, 0);
  return memory->buffers_region != NULL ? BEAMCAST_OK
                                        : bc_verbs_no_registration(error, errno, size, "a buffer");
}

/* Copies as much as fits from position *at on, not beyond end, and writes it. */
static int write_copy(passage *p, uint64_t *at, uint64_t end, beamcast_error *error) {
  bc_verbs_memory *memory = p->memory;
  uint32_t index = memory->next_buffer;
  unsigned char *buffer = memory->buffers + (size_t)index * BUFFER_BYTES;
  int code = bc_verbs_queue_await(p->queue, memory->buffer_last[index], p->deadline, error);
  uint64_t begin = *at, stop = smaller(end, begin + BUFFER_BYTES);
  while (code == BEAMCAST_OK && *at < stop) {
    uint64_t length = smaller(stop, (*at / p->from.bytes + 1) * p->from.bytes) - *at;
    memcpy(buffer + (*at - begin), source(p, *at), length);
    *at += length;
  }
  const bc_verbs_limits *limits = bc_verbs_queue_limits(p->queue);
  for (uint64_t out = begin; code == BEAMCAST_OK && out < stop;) {
    uint64_t length = smaller(stop, (out / p->to.bytes + 1) * p->to.bytes) - out;
    length = smaller(length, limits->message);
    struct ibv_sge sge = {.addr = (uintptr_t)(buffer + (out - begin)),
                          .length = (uint32_t)length,
                          .lkey = memory->buffers_region->lkey};
    uint64_t address =
        p->address + (uint64_t)bc_runs_at(&p->to, out / p->to.bytes) + out % p->to.bytes;
    out += length;
    unsigned flags =
        (out == stop ? IBV_SEND_SIGNALED : 0U) | (length <= limits->inlined ? IBV_SEND_INLINE : 0U);
    code = bc_verbs_queue_post(p->queue, &sge, 1, address, p->key, flags, p->deadline, error);
  }
  memory->buffer_last[index] = bc_verbs_queue_last(p->queue);
  memory->next_buffer = (index + 1) % BUFFERS;
  return code;
}

/* --- a piece -------------------------------------------------------------------------------------
 */

static passage passage_of(const bc_piece *piece) {
  int64_t stride[3];
  bc_strides_of(piece->memory.shape, piece->voxel_bytes, stride);
  return (passage){.data = piece->data,
                   .from = bc_runs_of(piece->box.shape, piece->stride, piece->voxel_bytes),
                   .to = bc_runs_of(piece->box.shape, stride, piece->voxel_bytes),
                   .bytes = bc_volume_bytes(piece->box.shape, piece->voxel_bytes),
                   .on_device = piece->on_device};
}

bool bc_verbs_rows_suit(const bc_piece *piece) {
  const passage whole = passage_of(piece), *p = &whole;
  const bc_runs *rows = &p->from;
  int64_t plane = (int64_t)(rows->count[1] - 1) * rows->stride[1];
  if (rows->bytes < SHORT_ROW && rows->bytes < p->bytes) {
    return false;
  }
  if (rows->count[0] > 1 || rows->stride[1] < 0 ||
      (rows->count[2] > 1 && rows->stride[2] < plane)) {
    return false;
  }
  uint64_t span = (uint64_t)(source(p, p->bytes - 1) - p->data) + 1;
  return span / FAR_APART <= p->bytes;
}

static int write_window(passage *p, uint64_t *at, bool *in_place, beamcast_error *error) {
  bc_verbs_memory *memory = p->memory;
  struct ibv_mr *region = NULL;
  uint64_t end = p->bytes;
  int code = *in_place ? register_window(p, *at, &end, &region, error) : BEAMCAST_OK;
  *in_place = region != NULL;
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (region == NULL && p->on_device) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "the array in the CUDA device's memory can't be registered for RDMA: %s",
                         strerror(errno));
  }
  if (region == NULL) { /* not registered, or memory of a kind that can't be: a file's */
    code = make_buffers(p, error);
    return code == BEAMCAST_OK ? write_copy(p, at, p->bytes, error) : code;
  }
  window *w = &memory->windows[(memory->first + memory->count++) % WINDOWS];
  w->region = region;
  while (code == BEAMCAST_OK && *at < end) {
    code = write_rows(p, region, at, end, error);
  }
  w->last = bc_verbs_queue_last(p->queue);
  memory->next_bytes = smaller(2 * memory->next_bytes, WINDOW_BYTES);
  return code;
}

/* --- arrays that stay where they are -------------------------------------------------------------
 */

/* After a fork the program would write to copies of pages that the device still reads, where
 * neither the kernel (before Linux 5.12) nor the program (RDMAV_FORK_SAFE=1) sees to it. */
static void *keep(void *domain, const void *data, uint64_t bytes, bool on_device) {
  if (on_device) {
    return register_on_device(domain, data, bytes);
  }
  return ibv_is_fork_initialized() != IBV_FORK_DISABLED ? register_on_host(domain, data, bytes)
                                                        : NULL;
}

static void let_go(void *region) {
  (void)ibv_dereg_mr(region);
}

const bc_kept_ways bc_verbs_keeps = {.make = keep, .drop = let_go};

/* What the piece is registered by for good; NULL: by nothing. */
static const struct ibv_mr *kept_region(const passage *p, bc_kept *kept) {
  uint64_t span = (uint64_t)(source(p, p->bytes - 1) - p->data) + 1;
  return bc_kept_region(kept, bc_verbs_queue_domain(p->queue), p->data, span, p->on_device);
}

int bc_verbs_write(bc_verbs_queue *queue, bc_kept *kept, const bc_piece *piece, uint64_t address,
                   uint32_t key, int64_t deadline, beamcast_error *error) {
  passage p = passage_of(piece);
  p.queue = queue;
  p.memory = bc_verbs_queue_memory(queue);
  p.address = address + bc_offset_of(&piece->memory, &piece->box, piece->voxel_bytes);
  p.key = key;
  p.deadline = deadline;
  bool in_place = bc_verbs_rows_suit(piece);
  const struct ibv_mr *region = in_place && kept != NULL ? kept_region(&p, kept) : NULL;
  int code = BEAMCAST_OK;
  for (uint64_t at = 0; at < p.bytes && code == BEAMCAST_OK;) {
    code = region != NULL ? write_rows(&p, region, &at, p.bytes, error)
                          : write_window(&p, &at, &in_place, error);
  }
  return code;
}
