/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The threads that serve connections of voxels: each has its own, from adoption to the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "data_conn.h"

static void watch(bc_data_conn *c, int operation) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (c->out.size > c->out_sent || c->from != NULL) {
    event.events = EPOLLOUT;
  }
  (void)epoll_ctl(c->thread->epoll, operation, c->fd, &event);
}

/* Reads on until the peer's end of the connection shows, if it shows at once. */
static void look_for_end(bc_data_conn *c) {
  char scratch[4096];
  ssize_t done;
  do {
    done = recv(c->fd, scratch, sizeof scratch, MSG_DONTWAIT);
  } while (done > 0 || (done < 0 && errno == EINTR));
  c->clean = done == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Takes a connection out of its thread's list: this one, or for NULL the first that is doomed, or
 * that is there at all. NULL if there is none. */
static bc_data_conn *take(bc_data_thread *t, const bc_data_conn *one, bool only_doomed) {
  pthread_mutex_lock(&t->receiver->lock);
  bc_data_conn **at = &t->conns, *c;
  while (*at != NULL && ((one != NULL && *at != one) || (only_doomed && !(*at)->doomed))) {
    at = &(*at)->next;
  }
  c = *at;
  if (c != NULL) {
    *at = c->next;
  }
  pthread_mutex_unlock(&t->receiver->lock);
  return c;
}

/* Ends a connection that was taken out of its list. */
static void conn_free(bc_receiver *r, bc_data_conn *c) {
  if (c->verbs != 0) {
    bc_verbs_server_drop(r->verbs, c->verbs);
  }
  if (!c->clean) {
    look_for_end(c);
  }
  /* over TCP and RDMA nothing lands any more; shared memory may still be written by a live peer */
  bool clean = c->clean || !c->local;
  /* closing is not enough while a child of this process has it, too */
  (void)epoll_ctl(c->thread->epoll, EPOLL_CTL_DEL, c->fd, NULL);
  (void)close(c->fd);
  bc_memory_release(c->memory);
  bc_memory_release(c->from);
  free(c->body);
  bc_writer_free(&c->out);
  if (c->session != 0) {
    pthread_mutex_lock(&r->lock);
    bc_rank_conn_ended(r, c->session, clean);
    pthread_mutex_unlock(&r->lock);
  }
  free(c);
}

static void *run(void *argument) {
  bc_data_thread *t = argument;
  bc_receiver *r = t->receiver;
  struct epoll_event events[64];
  bc_data_conn *c;
  for (;;) {
    int count = epoll_wait(t->epoll, events, 64, -1);
    bool woken = false;
    for (int i = 0; i < count; i++) {
      c = events[i].data.ptr;
      if (c == NULL) {
        woken = true;
        continue;
      }
      bool was_writing = c->out.size > c->out_sent || c->from != NULL;
      bc_data_serve(r, c);
      bool writing = c->out.size > c->out_sent || c->from != NULL;
      if (c->dead) {
        conn_free(r, take(t, c, false));
      } else if (writing != was_writing) {
        watch(c, EPOLL_CTL_MOD);
      }
    }
    if (woken) {
      uint64_t ticks;
      (void)!read(t->wake, &ticks, sizeof ticks);
      pthread_mutex_lock(&r->lock);
      bool stop = r->stop;
      pthread_mutex_unlock(&r->lock);
      if (stop) {
        break;
      }
      while ((c = take(t, NULL, true)) != NULL) {
        conn_free(r, c);
      }
    }
  }
  while ((c = take(t, NULL, false)) != NULL) {
    conn_free(r, c);
  }
  return NULL;
}

static void ring(bc_data_thread *t) {
  uint64_t one = 1;
  (void)!write(t->wake, &one, sizeof one);
}

void bc_data_expel(bc_receiver *r, uint64_t session) {
  for (int i = 0; i < r->data_threads; i++) {
    for (bc_data_conn *c = r->data[i].conns; c != NULL; c = c->next) {
      c->doomed = c->doomed || c->session == session;
    }
    ring(&r->data[i]);
  }
}

void bc_data_adopt(bc_receiver *r, int fd, bool local, int role) {
  bc_data_conn *c = calloc(1, sizeof *c);
  if (c == NULL) {
    (void)close(fd);
    return;
  }
  c->fd = fd;
  c->local = local;
  c->role = role;
  c->thread = &r->data[r->next_thread++ % r->data_threads];
  c->next = c->thread->conns;
  c->thread->conns = c;
  watch(c, EPOLL_CTL_ADD);
}

int bc_data_start(bc_receiver *r, beamcast_error *error) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  int wanted = cores < 1 ? 1 : cores > BC_DATA_THREADS_MAX ? BC_DATA_THREADS_MAX : (int)cores;
  for (int i = 0; i < wanted; i++) {
    bc_data_thread *t = &r->data[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    t->receiver = r;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->data_threads = i + 1;
    if (t->epoll < 0 || t->wake < 0 || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &event) != 0 ||
        pthread_create(&t->thread, NULL, run, t) != 0) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no thread for data could be started");
    }
    t->started = true;
  }
  return BEAMCAST_OK;
}

void bc_data_stop(bc_receiver *r) {
  for (int i = 0; i < r->data_threads; i++) {
    if (r->data[i].started) {
      ring(&r->data[i]);
      (void)pthread_join(r->data[i].thread, NULL);
    }
    bc_close_fd(&r->data[i].epoll);
    bc_close_fd(&r->data[i].wake);
  }
}
