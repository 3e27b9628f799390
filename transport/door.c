/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where connections come in: accepting, the handshake, and from then on messages on the control
 * thread, or voxels on a data thread, or, at the root, passing on to another rank.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum { HANDSHAKE_SECONDS = 10, OUT_MAX = 64 << 20, RELAYS_MAX = 1024 };

static void watch(bc_receiver *r, bc_conn *conn, int operation) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
  conn->out_watched = conn->out.size > conn->out_sent;
  if (conn->out_watched) {
    event.events |= EPOLLOUT;
  }
  (void)epoll_ctl(r->epoll, operation, conn->fd, &event);
}

static bc_conn *conn_new(bc_receiver *r, int fd, bool local) {
  bc_conn *conn = calloc(1, sizeof *conn);
  if (conn == NULL) {
    (void)close(fd);
    return NULL;
  }
  conn->fd = fd;
  conn->local = local;
  conn->next = r->conns;
  r->conns = conn;
  return conn;
}

void bc_door_accept(bc_receiver *r, int listener, bool local) {
  int fd;
  while ((fd = bc_accept(listener)) >= 0) {
    unsigned char nonce[BC_NONCE_BYTES];
    bool full = r->waiting_handshakes >= BC_HANDSHAKES_MAX;
    if (full && !r->crowded) {
      bc_log(r, "%d connections wait for their handshake; more are turned away", BC_HANDSHAKES_MAX);
    }
    r->crowded = full || (r->crowded && r->waiting_handshakes > BC_HANDSHAKES_MAX / 2);
    if (full || bc_random(nonce, sizeof nonce, NULL) != BEAMCAST_OK) {
      (void)close(fd); /* the client may try again */
      continue;
    }
    bc_conn *conn = conn_new(r, fd, local);
    if (conn == NULL) {
      continue;
    }
    conn->state = BC_CONN_CLAIM;
    conn->deadline = bc_deadline(HANDSHAKE_SECONDS);
    r->waiting_handshakes++;
    bc_hello_make(nonce, conn->hello);
    bc_put_bytes(&conn->out, conn->hello, sizeof conn->hello);
    watch(r, conn, EPOLL_CTL_ADD);
  }
}

/* --- passing on to another rank ------------------------------------------------------------------
 */

typedef struct relay {
  bc_receiver *receiver;
  int fd[2];
  bc_place place;
  uint32_t rank;
  int role;
  bc_token token;
  unsigned char claim[BC_CLAIM_BYTES];
} relay;

/* Moves bytes one way; false when that way is over. */
static bool pump(int from, int to, char *buffer, size_t size) {
  ssize_t done = recv(from, buffer, size, 0);
  if (done < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  }
  return done > 0 && bc_send_all(to, buffer, (size_t)done, bc_deadline(60), NULL) == BEAMCAST_OK;
}

static void *relay_run(void *argument) {
  relay *job = argument;
  enum { SIZE = 1 << 20 };
  char *buffer = malloc(SIZE);
  beamcast_error error = {.message = "out of memory"};
  unsigned char answer[BC_ANSWER_BYTES + BC_SENTENCE_MAX];
  int code = BEAMCAST_ERR_MEMORY;
  if (buffer != NULL) {
    job->fd[1] = bc_connect_tcp(job->place.host, (int)job->place.port, bc_deadline(10), &error);
    code = job->fd[1] < 0 ? error.code
                          : bc_handshake(job->fd[1], job->role, job->rank, &job->token,
                                         bc_deadline(10), &error);
  }
  size_t size = bc_answer_make(job->claim, &job->token, code,
                               code == BEAMCAST_OK ? "" : error.message, answer);
  bool going = bc_send_all(job->fd[0], answer, size, bc_deadline(10), NULL) == BEAMCAST_OK &&
               code == BEAMCAST_OK;
  while (going) {
    struct pollfd items[2] = {{.fd = job->fd[0], .events = POLLIN},
                              {.fd = job->fd[1], .events = POLLIN}};
    int ready = poll(items, 2, 500);
    pthread_mutex_lock(&job->receiver->lock);
    going = !job->receiver->stop && (ready >= 0 || errno == EINTR);
    pthread_mutex_unlock(&job->receiver->lock);
    for (int side = 0; side < 2 && going && ready > 0; side++) {
      if (items[side].revents != 0) {
        going = pump(job->fd[side], job->fd[1 - side], buffer, SIZE);
      }
    }
  }
  bc_close_fd(&job->fd[0]);
  bc_close_fd(&job->fd[1]);
  free(buffer);
  bc_receiver *r = job->receiver;
  free(job);
  pthread_mutex_lock(&r->lock);
  r->relays--;
  pthread_cond_broadcast(&r->idle);
  pthread_mutex_unlock(&r->lock);
  return NULL;
}

/* The relay answers the handshake itself, once the other rank has been reached. */
static bool relay_start(bc_receiver *r, bc_conn *conn, const bc_claim *claim,
                        const bc_token *used) {
  relay *job = calloc(1, sizeof *job);
  pthread_t thread;
  if (job == NULL || r->relays >= RELAYS_MAX) {
    free(job);
    return false;
  }
  *job = (relay){.receiver = r,
                 .fd = {conn->fd, -1},
                 .place = r->places[claim->rank],
                 .rank = claim->rank,
                 .role = claim->role,
                 .token = *used};
  memcpy(job->claim, conn->head, sizeof job->claim);
  (void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, conn->fd, NULL);
  if (pthread_create(&thread, NULL, relay_run, job) != 0) {
    free(job);
    return false;
  }
  (void)pthread_detach(thread);
  conn->fd = -1;
  r->relays++;
  return true;
}

/* --- the handshake -------------------------------------------------------------------------------
 */

static void on_claim(bc_receiver *r, bc_conn *conn) {
  bc_claim claim;
  bc_token used;
  beamcast_error error = {0};
  unsigned char answer[BC_ANSWER_BYTES + BC_SENTENCE_MAX];
  int code = bc_claim_check(conn->head, conn->hello, &r->token, &claim, &used, &error);
  bool to_root =
      claim.role == BC_ROLE_PRODUCER || claim.role == BC_ROLE_VIEWER || claim.role == BC_ROLE_PEER;
  r->waiting_handshakes--;
  conn->state = BC_CONN_OPEN;
  if (code == BEAMCAST_OK && (claim.rank >= (uint32_t)r->ranks || (to_root && r->rank != 0) ||
                              (claim.rank != (uint32_t)r->rank && r->rank != 0))) {
    code = beamcast_fail(&error, BEAMCAST_ERR_REFUSED, "this is rank %d of the server, not rank %u",
                         r->rank, claim.rank);
  }
  if (code == BEAMCAST_OK && claim.rank != (uint32_t)r->rank) {
    if (r->places != NULL && relay_start(r, conn, &claim, &used)) {
      conn->state = BC_CONN_DEAD;
      return;
    }
    code = beamcast_fail(&error, BEAMCAST_ERR_MEMORY, "the root can't pass on more connections");
  }
  size_t size = bc_answer_make(conn->head, &used, code, error.message, answer);
  bc_put_bytes(&conn->out, answer, size);
  if (code != BEAMCAST_OK) {
    bc_log(r, "a connection was refused: %s", error.message);
    conn->close_when_sent = true;
    return;
  }
  r->activity++;
  conn->role = claim.role;
  conn->rights = claim.rights;
  if (conn->role == BC_ROLE_WRITER || conn->role == BC_ROLE_FETCHER) {
    bc_conn_flush(r, conn);
    if (conn->state == BC_CONN_OPEN && conn->out.size == conn->out_sent) {
      (void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, conn->fd, NULL);
      bc_data_adopt(r, conn->fd, conn->local, conn->role);
      conn->fd = -1;
    }
    conn->state = BC_CONN_DEAD;
  }
}

/* --- messages ------------------------------------------------------------------------------------
 */

void bc_conn_kill(bc_receiver *r, bc_conn *conn) {
  if (conn->state == BC_CONN_DEAD) {
    return;
  }
  if (conn->state == BC_CONN_CLAIM) {
    r->waiting_handshakes--;
  }
  conn->state = BC_CONN_DEAD;
  if (conn == r->root) {
    r->root = NULL;
    bc_log(r, "rank %d has lost rank 0 of the server", r->rank);
  }
  if (r->rank == 0 && (conn->role != 0)) {
    bc_root_conn_gone(r, conn);
  }
}

static void dispatch(bc_receiver *r, bc_conn *conn) {
  const unsigned char *body = conn->body;
  size_t size = (size_t)conn->frame.size;
  r->activity += conn->frame.type != BC_PULSE;
  if (conn == r->root) {
    bc_rank_message(r, conn->frame.type, body, size);
  } else if (r->rank != 0) {
    bc_conn_kill(r, conn);
  } else if (conn->role != BC_ROLE_PEER) {
    bc_root_message(r, conn, conn->frame.type, body, size);
  } else if (conn->peer_known) {
    bc_root_answer(r, conn->peer, conn->frame.type, body, size);
  } else {
    bc_reader reader = bc_reader_of(body, size);
    uint64_t rank = bc_get_u64(&reader);
    if (conn->frame.type != BC_PEER || reader.bad || rank == 0 || rank >= (uint64_t)r->ranks ||
        r->peers[rank] != NULL) {
      bc_conn_kill(r, conn);
      return;
    }
    conn->peer = (uint32_t)rank;
    conn->peer_known = true;
    r->peers[rank] = conn;
    r->peers_here++;
    pthread_cond_broadcast(&r->joined);
  }
}

/* Bytes wanted next, and where to. */
static size_t wanted(bc_conn *conn, unsigned char **to) {
  size_t head = conn->state == BC_CONN_CLAIM ? BC_CLAIM_BYTES : BC_FRAME_BYTES;
  if (conn->head_got < head) {
    *to = conn->head + conn->head_got;
    return head - conn->head_got;
  }
  *to = conn->body + conn->body_got;
  return (size_t)conn->frame.size - conn->body_got;
}

static void got(bc_receiver *r, bc_conn *conn, size_t size) {
  size_t head = conn->state == BC_CONN_CLAIM ? BC_CLAIM_BYTES : BC_FRAME_BYTES;
  if (conn->head_got < head) {
    conn->head_got += size;
    if (conn->head_got < head) {
      return;
    }
    if (conn->state == BC_CONN_CLAIM) {
      on_claim(r, conn);
      conn->head_got = 0;
      return;
    }
    free(conn->body);
    conn->body = NULL;
    conn->body_got = 0;
    if (!bc_frame_head_read(conn->head, &conn->frame)) {
      bc_log(r, "a connection was closed: what came is no message");
      bc_conn_kill(r, conn);
      return;
    }
    conn->body = malloc((size_t)conn->frame.size + 1);
    if (conn->body == NULL) {
      bc_conn_kill(r, conn);
      return;
    }
  } else {
    conn->body_got += size;
  }
  if (conn->body_got == conn->frame.size) {
    conn->head_got = 0;
    dispatch(r, conn);
  }
}

void bc_conn_read(bc_receiver *r, bc_conn *conn) {
  for (int turn = 0; turn < 64 && conn->state != BC_CONN_DEAD && !conn->close_when_sent; turn++) {
    unsigned char *to;
    size_t size = wanted(conn, &to);
    ssize_t done = read(conn->fd, to, size);
    if (done > 0) {
      got(r, conn, (size_t)done);
    } else if (done == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      bc_conn_kill(r, conn);
    } else {
      return;
    }
  }
}

void bc_conn_flush(bc_receiver *r, bc_conn *conn) {
  while (conn->state != BC_CONN_DEAD && conn->out_sent < conn->out.size) {
    ssize_t done = send(conn->fd, conn->out.data + conn->out_sent, conn->out.size - conn->out_sent,
                        MSG_NOSIGNAL);
    if (done > 0) {
      conn->out_sent += (size_t)done;
    } else if (done < 0 && errno != EINTR) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        bc_conn_kill(r, conn);
      } else if (!conn->out_watched) {
        watch(r, conn, EPOLL_CTL_MOD);
      }
      return;
    }
  }
  if (conn->state == BC_CONN_DEAD) {
    return;
  }
  conn->out.size = conn->out_sent = 0;
  if (conn->out_watched) {
    watch(r, conn, EPOLL_CTL_MOD);
  }
  if (conn->close_when_sent) {
    bc_conn_kill(r, conn);
  }
}

void bc_conn_send(bc_receiver *r, bc_conn *conn, bc_writer *writer) {
  if (conn->state != BC_CONN_DEAD && !writer->bad) {
    bc_put_bytes(&conn->out, writer->data, writer->size);
    if (conn->out.bad || conn->out.size - conn->out_sent > OUT_MAX) {
      bc_log(r, "a connection was closed: its other side takes no messages");
      bc_conn_kill(r, conn);
    }
  }
  writer->size = 0;
}

void bc_door_sweep(bc_receiver *r, int64_t now) {
  for (bc_conn **at = &r->conns; *at != NULL;) {
    bc_conn *conn = *at;
    if (conn->state == BC_CONN_CLAIM && now > conn->deadline) {
      bc_conn_kill(r, conn);
    }
    if (conn->state != BC_CONN_DEAD) {
      at = &conn->next;
      continue;
    }
    *at = conn->next;
    if (conn->fd >= 0) { /* closing is not enough while a child of this process has it, too */
      (void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, conn->fd, NULL);
    }
    bc_close_fd(&conn->fd);
    free(conn->body);
    bc_writer_free(&conn->out);
    free(conn);
  }
}

int bc_door_dial_root(bc_receiver *r, beamcast_error *error) {
  int64_t deadline = bc_deadline(60);
  int fd = bc_connect_tcp(r->places[0].host, (int)r->places[0].port, deadline, error);
  if (fd < 0) {
    return BEAMCAST_ERR_CONNECTION;
  }
  int code = bc_handshake(fd, BC_ROLE_PEER, 0, &r->token, deadline, error);
  bc_writer writer = {0};
  if (code == BEAMCAST_OK) {
    bc_put_number(&writer, BC_PEER, (uint64_t)r->rank);
    code = bc_send_writer(fd, &writer, deadline, error);
  }
  bc_writer_free(&writer);
  if (code != BEAMCAST_OK) {
    bc_close_fd(&fd);
    return code;
  }
  pthread_mutex_lock(&r->lock);
  bc_conn *conn = conn_new(r, fd, false);
  if (conn != NULL) {
    conn->state = BC_CONN_OPEN;
    r->root = conn;
    watch(r, conn, EPOLL_CTL_ADD);
  }
  pthread_mutex_unlock(&r->lock);
  return conn ? BEAMCAST_OK : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
}
