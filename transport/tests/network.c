/* SPDX-License-Identifier: BSD-3-Clause
 * Namespaces and the link between them; see network.h. */
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

enum { MTU = 1500, PACKET_MAX = 1600, WAITING_MAX = 20000, TURN = 64, SIDES = 2 };

static int namespaces[SIDES] = {-1, -1}; /* near, far */
static int control = -1;

static void die(const char *what) {
  perror(what);
  abort();
}

/* --- the link ------------------------------------------------------------------------------------
 */

typedef struct packet {
  struct packet *next;
  double due;
  size_t size;
  unsigned char bytes[];
} packet;

typedef struct direction {
  int from, to;
  packet *waiting, *last; /* in order of their time */
  int count;
  double free_at; /* when the last one has left at the link's rate */
} direction;

typedef struct carrier {
  network_state state;
  random_state random;
  direction ways[SIDES];
} carrier;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool happens(carrier *c, double part) {
  return part > 0 && (double)(draw64(&c->random) >> 11) * 0x1p-53 < part;
}

static void queue(direction *way, const void *bytes, size_t size, double due) {
  packet *p = way->count < WAITING_MAX ? malloc(sizeof *p + size) : NULL;
  if (p == NULL) {
    return; /* as a switch that is full */
  }
  p->due = due;
  p->size = size;
  memcpy(p->bytes, bytes, size);
  bool behind = way->waiting != NULL && way->last->due <= due;
  packet **at = behind ? &way->last->next : &way->waiting;
  while (*at != NULL && (*at)->due <= due) {
    at = &(*at)->next;
  }
  p->next = *at;
  *at = p;
  way->last = p->next == NULL ? p : way->last;
  way->count++;
}

static void take_in(carrier *c, direction *way, const unsigned char *bytes, size_t size) {
  if (c->state.cut || happens(c, c->state.loss)) {
    return;
  }
  double now = seconds(), due = now;
  if (!happens(c, c->state.reorder)) {
    due = now + c->state.delay;
    if (c->state.rate > 0) {
      way->free_at = (way->free_at > now ? way->free_at : now) + (double)size / c->state.rate;
      due = way->free_at + c->state.delay;
    }
  }
  queue(way, bytes, size, due);
  if (happens(c, c->state.doubling)) {
    queue(way, bytes, size, due);
  }
}

/* Milliseconds until the next one is due; -1: there is none. */
static int send_due(carrier *c, direction *way) {
  double now = seconds();
  while (way->waiting != NULL && (way->waiting->due <= now || c->state.cut)) {
    packet *p = way->waiting;
    way->waiting = p->next;
    way->count--;
    if (!c->state.cut) {
      (void)!write(way->to, p->bytes, p->size);
    }
    free(p);
  }
  return way->waiting != NULL ? (int)(1000 * (way->waiting->due - now)) + 1 : -1;
}

static void carry(carrier *c, int orders) {
  struct pollfd items[SIDES + 1] = {{.fd = c->ways[0].from, .events = POLLIN},
                                    {.fd = c->ways[1].from, .events = POLLIN},
                                    {.fd = orders, .events = POLLIN}};
  for (;;) {
    int a = send_due(c, &c->ways[0]), b = send_due(c, &c->ways[1]);
    (void)poll(items, SIDES + 1, a < 0 ? b : b < 0 || a < b ? a : b);
    for (int i = 0; i < SIDES; i++) {
      unsigned char bytes[PACKET_MAX];
      ssize_t size = 1;
      for (int k = 0; items[i].revents != 0 && k < TURN && size > 0; k++) {
        size = read(c->ways[i].from, bytes, sizeof bytes);
        if (size > 0) {
          take_in(c, &c->ways[i], bytes, (size_t)size);
        }
      }
    }
    if (items[SIDES].revents != 0) {
      if (recv(orders, &c->state, sizeof c->state, 0) != (ssize_t)sizeof c->state) {
        _exit(0);
      }
      (void)send(orders, "", 1, MSG_NOSIGNAL);
    }
  }
}

/* --- namespaces ----------------------------------------------------------------------------------
 */

static bool write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) {
    (void)close(fd);
  }
  return good;
}

static bool set_address(int fd, struct ifreq *request, unsigned long what, const char *text) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  (void)inet_pton(AF_INET, text, &address.sin_addr);
  memcpy(&request->ifr_addr, &address, sizeof address);
  return ioctl(fd, what, request) == 0;
}

static bool bring_up(int fd, struct ifreq *request) {
  if (ioctl(fd, SIOCGIFFLAGS, request) != 0) {
    return false;
  }
  request->ifr_flags = (short)(request->ifr_flags | IFF_UP | IFF_RUNNING);
  return ioctl(fd, SIOCSIFFLAGS, request) == 0;
}

/* A TUN device with an address in the namespace that this process is in, and loopback. */
static int make_device(const char *address) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI}, loopback = {.ifr_name = "lo"};
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  (void)strcpy(request.ifr_name, "link0");
  bool good = tun >= 0 && fd >= 0 && ioctl(tun, TUNSETIFF, &request) == 0 &&
              set_address(fd, &request, SIOCSIFADDR, address) &&
              set_address(fd, &request, SIOCSIFNETMASK, "255.255.255.252");
  request.ifr_mtu = MTU;
  good = good && ioctl(fd, SIOCSIFMTU, &request) == 0 && bring_up(fd, &request) &&
         bring_up(fd, &loopback);
  if (fd >= 0) {
    (void)close(fd);
  }
  if (!good && tun >= 0) {
    (void)close(tun);
    tun = -1;
  }
  return tun;
}

static bool leave_namespace(void) {
  char map[64];
  uid_t user = geteuid();
  gid_t group = getegid();
  if (unshare(CLONE_NEWNET) == 0) {
    return true;
  }
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return false;
  }
  (void)write_text("/proc/self/setgroups", "deny");
  (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)user);
  bool good = write_text("/proc/self/uid_map", map);
  (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)group);
  return good && write_text("/proc/self/gid_map", map);
}

static int this_namespace(void) {
  return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

bool network_begin(uint64_t seed, char *missing, unsigned size) {
  static const char *addresses[SIDES] = {NETWORK_NEAR, NETWORK_FAR};
  int pair[2], tun[SIDES];
  for (int i = SIDES - 1; i >= 0; i--) { /* near last: this process stays there */
    if (!(i == SIDES - 1 ? leave_namespace() : unshare(CLONE_NEWNET) == 0)) {
      (void)snprintf(missing, size, "the right to make network namespaces (%s)", strerror(errno));
      return false;
    }
    namespaces[i] = this_namespace();
    tun[i] = make_device(addresses[i]);
    if (tun[i] < 0) {
      (void)snprintf(missing, size, "the right to make a TUN device (/dev/net/tun: %s)",
                     strerror(errno));
      return false;
    }
  }
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    die("socketpair");
  }
  pid_t parent = getpid(), child = fork();
  if (child < 0) {
    die("fork");
  }
  if (child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(pair[0]);
    carrier c = {.random = {seed},
                 .ways = {{.from = tun[0], .to = tun[1]}, {.from = tun[1], .to = tun[0]}}};
    if (getppid() == parent) {
      carry(&c, pair[1]);
    }
    _exit(0);
  }
  (void)close(pair[1]);
  (void)close(tun[0]);
  (void)close(tun[1]);
  control = pair[0];
  return true;
}

void network_set(const network_state *state) {
  char done;
  if (send(control, state, sizeof *state, MSG_NOSIGNAL) != (ssize_t)sizeof *state ||
      recv(control, &done, 1, 0) != 1) {
    die("the link between the namespaces");
  }
}

static void go(int side) {
  if (setns(namespaces[side], CLONE_NEWNET) != 0) {
    die("setns");
  }
}

void network_go_far(void) {
  go(1);
}

void network_go_near(void) {
  go(0);
}
