/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The sender: frames over a socket at their rate, whatever the receiver does with them.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"
#include "take_scan.h"

double camera_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double camera_wait(double begun, uint64_t frame, double rate) {
  const double early = begun + (double)frame / rate - camera_clock();
  if (early > 0) {
    const time_t whole = (time_t)early;
    nanosleep(&(struct timespec){.tv_sec = whole, .tv_nsec = (long)((early - (double)whole) * 1e9)},
              NULL);
  }
  return early > 0 ? 0 : -early;
}

static int listen_at(const char *address, beamcast_error *error) {
  char host[256] = "";
  const char *colon = strrchr(address, ':');
  struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
  struct sockaddr_storage name;
  socklen_t size = sizeof name;
  char port[NI_MAXSERV] = "";
  int fd = -1;
  if (colon != NULL) {
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
  }
  if (colon == NULL || getaddrinfo(host, colon + 1, &wanted, &found) != 0 ||
      (fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
      bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0 ||
      getsockname(fd, (struct sockaddr *)&name, &size) != 0 ||
      getnameinfo((struct sockaddr *)&name, size, NULL, 0, port, sizeof port, NI_NUMERICSERV) !=
          0) {
    beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "can't listen at %s (%s)", address,
                  strerror(errno));
    if (fd >= 0) {
      close(fd);
    }
    fd = -1;
  } else {
    printf("listening on port %s\n", port);
    (void)fflush(stdout);
  }
  if (found != NULL) {
    freeaddrinfo(found);
  }
  return fd;
}

static int give(int fd, const void *bytes, size_t size, beamcast_error *error) {
  for (const char *at = bytes; size > 0;) {
    const ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent <= 0) {
      return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the receiver is gone (%s)",
                           strerror(errno));
    }
    at += sent;
    size -= (size_t)sent;
  }
  return BEAMCAST_OK;
}

static int give_frame(int fd, double angle, uint64_t key, const uint16_t *counts, size_t pixels,
                      beamcast_error *error) {
  const frame_head head = {.angle = angle, .key = key};
  const int code = give(fd, &head, sizeof head, error);
  return code != BEAMCAST_OK ? code : give(fd, counts, pixels * sizeof *counts, error);
}

/* Flats and darks, then the projections at their rate. */
static int give_all(const camera *c, int fd, double rate, double *latest, beamcast_error *error) {
  const size_t pixels = c->columns * c->rows;
  frames_head head = {.magic = FRAMES_MAGIC,
                      .columns = c->columns,
                      .rows = c->rows,
                      .projections = c->projections,
                      .pixel = {c->pixel[0], c->pixel[1]}};
  uint16_t *even = malloc(pixels * sizeof *even);
  memcpy(head.unit, c->unit, sizeof head.unit);
  if (even == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a frame");
  }
  int code = give(fd, &head, sizeof head, error);
  for (uint64_t i = 0; code == BEAMCAST_OK && i < 2 * CAMERA_REPEATS; i++) {
    const int flat = i < CAMERA_REPEATS;
    for (size_t k = 0; k < pixels; k++) {
      even[k] = flat ? CAMERA_FLAT : CAMERA_DARK;
    }
    code = give_frame(fd, 0, flat ? FRAME_FLAT : FRAME_DARK, even, pixels, error);
  }
  const double begun = camera_clock();
  for (uint64_t i = 0; code == BEAMCAST_OK && i < c->projections; i++) {
    (void)camera_wait(begun, i, rate);
    code = give_frame(fd, c->degrees[i], FRAME_PROJECTION, c->frames + i * pixels, pixels, error);
    const double late = camera_clock() - begun - (double)i / rate;
    *latest = late > *latest ? late : *latest;
  }
  free(even);
  return code;
}

int camera_send(const camera *c, const char *address, double rate, beamcast_error *error) {
  double latest = 0;
  int code = BEAMCAST_ERR_CONNECTION;
  const int door = listen_at(address, error);
  const int fd = door >= 0 ? accept(door, NULL, NULL) : -1;
  if (fd >= 0) {
    code = give_all(c, fd, rate, &latest, error);
    close(fd);
  } else if (door >= 0) {
    beamcast_fail(error, code, "nobody could be let in (%s)", strerror(errno));
  }
  if (door >= 0) {
    close(door);
  }
  if (code == BEAMCAST_OK) {
    printf("%llu frames sent at %g a second, the latest %.1f ms late\n",
           (unsigned long long)c->projections, rate, 1e3 * latest);
  }
  return code;
}
