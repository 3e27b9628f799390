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

static bool possible(const bc_place *place, const char *own_host_id) {
  return place->unix_name[0] != '\0' && strcmp(place->host_id, own_host_id) == 0;
}

/* The link's state is its bc_attached. */
static int open_link(bc_link *link, int64_t deadline, beamcast_error *error) {
  (void)deadline;
  bc_attached *attached = calloc(1, sizeof *attached);
  link->state = attached;
  if (attached == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  bc_attached_init(attached);
  return BEAMCAST_OK;
}

static int prepare(bc_link *link, uint64_t serial, uint32_t slot, uint32_t array, int64_t deadline,
                   beamcast_error *error) {
  bc_attachment at = {.slot = slot, .array = array};
  int fd = -1;
  if (bc_attached_find(link->state, serial, slot, array) != NULL) {
    return BEAMCAST_OK;
  }
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
  at.data = data;
  return bc_attached_add(link->state, &at, error);
}

static int write_piece(bc_link *link, int lane, const bc_piece *piece, int64_t deadline,
                       beamcast_error *error) {
  bc_attached *attached = link->state;
  const bc_attachment *to = bc_attached_for(attached, piece, error);
  const uint64_t bytes = bc_memory_piece(), rows = piece->box.shape[1] * piece->box.shape[2];
  const uint64_t each = bc_box_piece(&piece->box, piece->voxel_bytes, bytes);
  int64_t stride[3];
  uint64_t row = 0;
  bc_piece part = *piece;
  int code = to != NULL ? BEAMCAST_OK : BEAMCAST_ERR_PROTOCOL;
  bc_strides_of(piece->memory.shape, piece->voxel_bytes, stride);
  while (code == BEAMCAST_OK &&
         bc_box_rows(&piece->box, &row, rows - row < each ? rows : row + each, &part.box)) {
    part.data = bc_piece_at(piece, &part.box);
    bc_copy_box(to->data + bc_offset_of(&piece->memory, &part.box, piece->voxel_bytes), stride,
                part.data, part.stride, part.box.shape, part.voxel_bytes);
    code = bc_attached_wrote(attached, lane, &part, error);
    if (code == BEAMCAST_OK && attached->wrote[lane].bytes >= bytes) {
      code = bc_attached_tell_first(attached, lane, attached->wrote[lane].count, link->fd[0],
                                    deadline, error);
    }
  }
  return code;
}

static int flush_link(bc_link *link, int64_t deadline, beamcast_error *error) {
  return bc_attached_tell(link->state, link->fd[0], deadline, error);
}

static void forget(bc_link *link) {
  bc_attached_forget(link->state);
}

static void close_link(bc_link *link) {
  if (link->state != NULL) {
    bc_attached_free(link->state);
    free(link->state);
    link->state = NULL;
  }
}

const bc_wire bc_wire_shm = {.name = "shm",
                             .kind = BC_WIRE_SHM,
                             .lands = true,
                             .possible = possible,
                             .open = open_link,
                             .prepare = prepare,
                             .write = write_piece,
                             .flush = flush_link,
                             .forget = forget,
                             .close = close_link};
