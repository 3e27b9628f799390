/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The shm wire: the rank passes its slot's memory over the Unix socket, the producer maps it and
 * copies its voxels to their final place. One copy, none in between.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "attach.h"
#include "socket.h"
#include "wire.h"

typedef struct mapping {
  uint32_t slot, array;
  unsigned char *data;
  uint64_t size;
} mapping;

typedef struct shm_state {
  mapping *mappings;
  size_t count;
  bc_spans wrote[BC_LANES_MAX];
} shm_state;

static bool possible(const bc_place *place, const char *own_host_id) {
  return place->unix_name[0] != '\0' && strcmp(place->host_id, own_host_id) == 0;
}

static int open_link(bc_link *link, int64_t deadline, beamcast_error *error) {
  (void)deadline;
  link->state = calloc(1, sizeof(shm_state));
  return link->state ? BEAMCAST_OK : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
}

static mapping *find(const shm_state *state, uint32_t slot, uint32_t array) {
  for (size_t i = 0; i < state->count; i++) {
    if (state->mappings[i].slot == slot && state->mappings[i].array == array) {
      return &state->mappings[i];
    }
  }
  return NULL;
}

static int prepare(bc_link *link, uint64_t serial, uint32_t slot, uint32_t array, int64_t deadline,
                   beamcast_error *error) {
  shm_state *state = link->state;
  if (find(state, slot, array) != NULL) {
    return BEAMCAST_OK;
  }
  mapping *mappings = realloc(state->mappings, (state->count + 1) * sizeof *mappings);
  if (mappings == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  state->mappings = mappings;
  bc_attachment at;
  int fd = -1;
  int code = bc_attach(link->fd[0], serial, array, &at, &fd, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  void *data = mmap(NULL, at.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  int bad = errno;
  bc_close_fd(&fd);
  if (data == MAP_FAILED) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "the server's memory can't be mapped: %s",
                         strerror(bad));
  }
  (void)madvise(data, at.size, MADV_DONTFORK); /* a child must not keep the slot alive */
  state->mappings[state->count++] = (mapping){slot, array, data, at.size};
  return BEAMCAST_OK;
}

static int write_piece(bc_link *link, int lane, const bc_piece *piece, int64_t deadline,
                       beamcast_error *error) {
  shm_state *state = link->state;
  const mapping *map = find(state, piece->slot, piece->array);
  uint64_t bytes = bc_volume_bytes(piece->box.shape, piece->voxel_bytes);
  int64_t stride[3];
  (void)deadline;
  if (map == NULL || map->size != bc_volume_bytes(piece->memory.shape, piece->voxel_bytes)) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's memory has another size");
  }
  bc_strides_of(piece->memory.shape, piece->voxel_bytes, stride);
  bc_copy_box(map->data + bc_offset_of(&piece->memory, &piece->box, piece->voxel_bytes), stride,
              piece->data, piece->stride, piece->box.shape, piece->voxel_bytes);
  return bc_spans_add(&state->wrote[lane], piece, bytes, error);
}

static int flush_link(bc_link *link, int64_t deadline, beamcast_error *error) {
  shm_state *state = link->state;
  int code = BEAMCAST_OK;
  for (int lane = 0; lane < link->lanes && code == BEAMCAST_OK; lane++) {
    code = bc_spans_send(&state->wrote[lane], link->fd[0], deadline, error);
  }
  return code;
}

static void forget(bc_link *link) {
  shm_state *state = link->state;
  for (size_t i = 0; i < state->count; i++) {
    (void)munmap(state->mappings[i].data, state->mappings[i].size);
  }
  state->count = 0;
}

static void close_link(bc_link *link) {
  shm_state *state = link->state;
  if (state == NULL) {
    return;
  }
  forget(link);
  for (int lane = 0; lane < BC_LANES_MAX; lane++) {
    bc_spans_free(&state->wrote[lane]);
  }
  free(state->mappings);
  free(state);
  link->state = NULL;
}

const bc_wire bc_wire_shm = {.name = "shm",
                             .kind = BC_WIRE_SHM,
                             .possible = possible,
                             .open = open_link,
                             .prepare = prepare,
                             .write = write_piece,
                             .flush = flush_link,
                             .forget = forget,
                             .close = close_link};
