/* SPDX-License-Identifier: BSD-3-Clause
 * See detour.h. */
#include "detour.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "socket.h"

enum { PAIRS_MAX = 256, CHUNK = 64 << 10, WAITING_MAX = 64 /* chunks in a direction */ };

typedef struct chunk {
  struct chunk *next;
  int64_t due;
  size_t size; /* 0: the end */
  unsigned char bytes[];
} chunk;

typedef struct direction {
  int from, to;
  chunk *first, *last;
  int count;
  bool ended;
} direction;

typedef struct wishes {
  network_state state;
  int port;
} wishes;

typedef struct detour {
  wishes now;
  int listener, orders, count;
  int64_t free_at[2]; /* when the last byte has left at the link's rate, each way */
  direction ways[2 * PAIRS_MAX];
} detour;

static int control = -1;
static wishes wished;

static void die(const char *what) {
  perror(what);
  abort();
}

static void append(detour *d, direction *way, const void *bytes, size_t size) {
  chunk *c = malloc(sizeof *c + size);
  int64_t now = bc_now(), *free_at = &d->free_at[(way - d->ways) % 2];
  if (c == NULL) {
    die("detour");
  }
  if (d->now.state.rate > 0) {
    *free_at =
        (*free_at > now ? *free_at : now) + (int64_t)(1e9 * (double)size / d->now.state.rate);
    now = *free_at;
  }
  *c = (chunk){.due = now + (int64_t)(1e9 * d->now.state.delay), .size = size};
  memcpy(c->bytes, bytes, size);
  if (way->first == NULL) {
    way->first = c;
  } else {
    way->last->next = c;
  }
  way->last = c;
  way->count++;
}

static void take_in(detour *d, direction *way) {
  unsigned char bytes[CHUNK];
  ssize_t size = read(way->from, bytes, sizeof bytes);
  way->ended = size <= 0;
  append(d, way, bytes, size > 0 ? (size_t)size : 0);
}

/* Hands on what is due; returns nanoseconds until the next one is, -1: there is none. */
static int64_t hand_on(direction *way) {
  int64_t now = bc_now();
  while (way->first != NULL && way->first->due <= now) {
    chunk *c = way->first;
    way->first = c->next;
    way->count--;
    if (c->size == 0) {
      (void)shutdown(way->to, SHUT_WR);
    } else if (bc_send_all(way->to, c->bytes, c->size, bc_deadline(60), NULL) != 0) {
      (void)shutdown(way->from, SHUT_RD);
    }
    free(c);
  }
  return way->first != NULL ? way->first->due - now : -1;
}

static void admit(detour *d) {
  int near = bc_accept(d->listener);
  int far = near >= 0 ? bc_connect_tcp("127.0.0.1", d->now.port, bc_deadline(60), NULL) : -1;
  if (far < 0 || d->count == PAIRS_MAX) {
    bc_close_fd(&near);
    bc_close_fd(&far);
    return;
  }
  d->ways[2 * d->count] = (direction){.from = near, .to = far};
  d->ways[2 * d->count + 1] = (direction){.from = far, .to = near};
  d->count++;
}

/* Pairs both of whose ends have been handed on. */
static void forget_ended(detour *d) {
  for (int i = 0; i < d->count; i++) {
    direction *way = &d->ways[2 * i];
    if (way[0].ended && way[1].ended && way[0].first == NULL && way[1].first == NULL) {
      bc_close_fd(&way[0].from);
      bc_close_fd(&way[1].from);
      d->count--;
      memcpy(way, &d->ways[2 * d->count], 2 * sizeof *way);
      i--;
    }
  }
}

static void carry(detour *d) {
  static struct pollfd items[2 + 2 * PAIRS_MAX];
  for (;;) {
    const bool cut = d->now.state.cut;
    int64_t soonest = -1;
    items[0] = (struct pollfd){.fd = d->orders, .events = POLLIN};
    items[1] = (struct pollfd){.fd = cut ? -1 : d->listener, .events = POLLIN};
    for (int i = 0; i < 2 * d->count; i++) {
      direction *way = &d->ways[i];
      int64_t due = cut ? -1 : hand_on(way);
      soonest = due >= 0 && (soonest < 0 || due < soonest) ? due : soonest;
      items[2 + i] = (struct pollfd){
          .fd = cut || way->ended || way->count == WAITING_MAX ? -1 : way->from, .events = POLLIN};
    }
    int ways = 2 * d->count;
    (void)poll(items, 2 + (nfds_t)ways, soonest < 0 ? -1 : (int)(soonest / 1000000) + 1);
    for (int i = 0; i < ways; i++) {
      if (items[2 + i].fd >= 0 && items[2 + i].revents != 0) {
        take_in(d, &d->ways[i]);
      }
    }
    if (items[1].fd >= 0 && items[1].revents != 0) {
      admit(d);
    }
    forget_ended(d);
    if (items[0].revents != 0) {
      if (recv(d->orders, &d->now, sizeof d->now, 0) != (ssize_t)sizeof d->now) {
        _exit(0);
      }
      (void)send(d->orders, "", 1, MSG_NOSIGNAL);
    }
  }
}

int detour_begin(void) {
  static detour d;
  int pair[2], port = 0;
  d.listener = bc_listen_tcp("127.0.0.1", 0, &port, NULL);
  if (d.listener < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    die("detour");
  }
  pid_t parent = getpid(), child = fork();
  if (child < 0) {
    die("fork");
  }
  if (child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(pair[0]);
    d.orders = pair[1];
    if (getppid() == parent) {
      carry(&d);
    }
    _exit(0);
  }
  (void)close(pair[1]);
  bc_close_fd(&d.listener);
  control = pair[0];
  return port;
}

static void tell_wishes(void) {
  char done;
  if (send(control, &wished, sizeof wished, MSG_NOSIGNAL) != (ssize_t)sizeof wished ||
      recv(control, &done, 1, 0) != 1) {
    die("the detour");
  }
}

void detour_set(const network_state *state) {
  wished.state = *state;
  tell_wishes();
}

void detour_lead(int port) {
  wished.port = port;
  tell_wishes();
}
