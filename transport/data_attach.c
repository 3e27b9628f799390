/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory of slots, handed to peers on this host as a descriptor, or over RDMA as an address and a
 * key.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "data_conn.h"

static atomic_uint_fast64_t next_cookie = 1;

static int send_with_fd(int fd, const void *bytes, size_t size, int passed) {
  struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
  union {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &passed, sizeof passed);
  return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

/* The memory behind (serial, array) that this connection may map, retained; NULL if none. */
static bc_memory *attachable(bc_receiver *r, bc_data_conn *c, const bc_span *span) {
  bc_memory *memory = NULL;
  pthread_mutex_lock(&r->lock);
  bc_slot *slot = bc_rank_slot(r, span->serial);
  if (slot != NULL && span->array < slot->plan.arrays) {
    bc_session *session = bc_rank_session(r, c->session);
    bool may = c->role == BC_ROLE_FETCHER
                   ? slot->frame != NULL
                   : slot->open && session != NULL && session->stream == slot->stream;
    memory = may ? slot->array[span->array].memory : NULL;
    if (memory != NULL) {
      bc_memory_retain(memory);
    }
  }
  pthread_mutex_unlock(&r->lock);
  return memory;
}

/* A descriptor of the memory that a fetcher can't write through. */
static int read_only(const bc_memory *memory) {
  char path[64];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", memory->fd);
  return open(path, O_RDONLY | O_CLOEXEC);
}

/* Opens the memory to the connection's queue pairs; not beyond the end of the step, which may have
 * come meanwhile. */
static int open_over_verbs(bc_receiver *r, bc_data_conn *c, bc_memory *memory,
                           bc_verbs_grant *grant, beamcast_error *error) {
  int code = bc_verbs_server_open_memory(r->verbs, c->verbs, memory, grant, error);
  pthread_mutex_lock(&r->lock);
  const bc_slot *slot = bc_rank_slot(r, c->span.serial);
  if (code == BEAMCAST_OK && (slot == NULL || !slot->open)) {
    bc_verbs_server_revoke(r->verbs, c->verbs, memory);
    code = beamcast_fail(error, BEAMCAST_DROPPED, "the step is not here any more");
  }
  pthread_mutex_unlock(&r->lock);
  return code;
}

void bc_data_attach(bc_receiver *r, bc_data_conn *c, bc_reader *reader) {
  if (!bc_get_span(reader, &c->span)) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "a message made no sense");
    return;
  }
  bc_memory *memory = attachable(r, c, &c->span);
  beamcast_error error = {0};
  bc_verbs_grant grant = {.lasting = true};
  int code = BEAMCAST_OK;
  if (memory == NULL) {
    bc_put_verdict(&c->out, BC_REFUSE, c->span.serial, BEAMCAST_DROPPED, 0,
                   "the step is not here any more");
    return;
  }
  if (c->verbs != 0) {
    code = open_over_verbs(r, c, memory, &grant, &error);
  }
  bc_writer writer = {0};
  size_t begin = bc_message_begin(&writer, BC_BUFFER);
  bc_put_u64(&writer, c->span.serial);
  bc_put_u32(&writer, c->span.array);
  bc_put_u32(&writer, grant.lasting);
  bc_put_u64(&writer, grant.address);
  bc_put_u64(&writer, memory->size);
  for (int i = 0; i < BC_QUEUES_MAX && c->verbs != 0; i++) {
    bc_put_u32(&writer, grant.key[i]);
  }
  bc_message_end(&writer, begin);
  if (code != BEAMCAST_OK) {
    bc_put_verdict(&c->out, BC_REFUSE, c->span.serial, (uint32_t)code, 0, error.message);
    bc_log(r, "%s", error.message);
  } else if (c->verbs != 0) {
    bc_put_bytes(&c->out, writer.data, writer.size);
  } else if (!c->local) {
    bc_data_fail(r, c, BEAMCAST_ERR_PROTOCOL, "shared memory was asked for over a network");
  } else {
    int passed = c->role == BC_ROLE_FETCHER ? read_only(memory) : memory->fd;
    /* the peer waits for this answer, so there is room in the socket */
    if (c->out.size != c->out_sent || passed < 0 ||
        send_with_fd(c->fd, writer.data, writer.size, passed) != 0) {
      bc_data_fail(r, c, BEAMCAST_ERR_CONNECTION, "a slot's memory could not be passed on");
    }
    if (passed != memory->fd && passed >= 0) {
      (void)close(passed);
    }
  }
  bc_writer_free(&writer);
  bc_memory_release(memory);
}

void bc_data_verbs_open(bc_receiver *r, bc_data_conn *c) {
  beamcast_error error = {.message = "this server has no RDMA device"};
  bc_writer writer = {0};
  uint64_t cookie = atomic_fetch_add(&next_cookie, 1);
  size_t begin = bc_message_begin(&writer, BC_VERBS_AT);
  if (r->verbs != NULL && c->verbs == 0 &&
      bc_verbs_server_offer(r->verbs, cookie, &writer, &error) == BEAMCAST_OK) {
    bc_message_end(&writer, begin);
    bc_put_bytes(&c->out, writer.data, writer.size);
    c->verbs = cookie;
  } else {
    bc_put_verdict(&c->out, BC_REFUSE, 0, BEAMCAST_ERR_UNSUPPORTED, 0, error.message);
  }
  bc_writer_free(&writer);
}
