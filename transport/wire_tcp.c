/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tcp wire: a WRITE message and the voxels behind it, on the lane's socket. Long rows go from
 * the producer's array as they are; short ones are gathered in a buffer first.
 */
#include <stdlib.h>

#include "socket.h"
#include "wire.h"

enum { LONG_RUN = 1024, BUFFER = 256 << 10, VECTORS = 512 };

static bool possible(const bc_place *place, const char *own_host_id) {
  (void)place;
  (void)own_host_id;
  return true;
}

static int send_long(int fd, const bc_piece *piece, const bc_runs *runs, bc_writer *head,
                     int64_t deadline, beamcast_error *error) {
  struct iovec vectors[VECTORS];
  uint64_t number = bc_runs_number(runs), run = 0;
  vectors[0] = (struct iovec){head->data, head->size};
  size_t count = 1;
  while (run < number || count > 0) {
    while (count < VECTORS && run < number) {
      const unsigned char *from = piece->data + bc_runs_at(runs, run++);
      vectors[count++] = (struct iovec){(void *)(uintptr_t)from, runs->bytes};
    }
    int code = bc_send_vectors(fd, vectors, count, deadline, error);
    if (code != BEAMCAST_OK) {
      return code;
    }
    count = 0;
  }
  return BEAMCAST_OK;
}

static int send_short(int fd, const bc_piece *piece, const bc_runs *runs, const bc_writer *head,
                      int64_t deadline, beamcast_error *error) {
  unsigned char *buffer = malloc(BUFFER);
  if (buffer == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  size_t filled = head->size;
  memcpy(buffer, head->data, head->size);
  uint64_t number = bc_runs_number(runs);
  int code = BEAMCAST_OK;
  for (uint64_t run = 0; run < number && code == BEAMCAST_OK; run++) {
    if (filled + runs->bytes > BUFFER) {
      code = bc_send_all(fd, buffer, filled, deadline, error);
      filled = 0;
    }
    memcpy(buffer + filled, piece->data + bc_runs_at(runs, run), runs->bytes);
    filled += runs->bytes;
  }
  if (code == BEAMCAST_OK) {
    code = bc_send_all(fd, buffer, filled, deadline, error);
  }
  free(buffer);
  return code;
}

static int write_piece(bc_link *link, int lane, const bc_piece *piece, int64_t deadline,
                       beamcast_error *error) {
  bc_runs runs = bc_runs_of(piece->box.shape, piece->stride, piece->voxel_bytes);
  bc_span span = {.serial = piece->serial,
                  .array = piece->array,
                  .box = piece->box,
                  .bytes = bc_volume_bytes(piece->box.shape, piece->voxel_bytes)};
  bc_writer head = {0};
  bc_put_span(&head, BC_WRITE, &span);
  int fd = link->fd[lane];
  int code = head.bad                 ? beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory")
             : runs.bytes >= LONG_RUN ? send_long(fd, piece, &runs, &head, deadline, error)
                                      : send_short(fd, piece, &runs, &head, deadline, error);
  bc_writer_free(&head);
  return code;
}

const bc_wire bc_wire_tcp = {
    .name = "tcp", .kind = BC_WIRE_TCP, .possible = possible, .write = write_piece};
