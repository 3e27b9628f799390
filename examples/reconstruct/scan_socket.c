/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames that arrive one by one from a sender (frames.h). A thread of rank 0 takes them off the
 * socket as they come, whatever the reconstruction is doing, so that the sender never waits; the
 * ranks get their rows when they read. The thread calls no MPI.
 */
#include "scan.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"

#define PI 3.14159265358979323846

typedef struct arrived {
  struct arrived *next;
  frame_head head;
  uint16_t counts[];
} arrived;

struct scan_source {
  MPI_Comm together;
  int rank, ranks;
  double patience;
  size_t pixels;         /* of a whole frame */
  uint64_t rows;         /* of this rank */
  int *sizes, *starts;   /* [ranks], pixels */
  float *flat, *dark;    /* this rank's means */
  uint64_t flats, darks; /* how many are in them */
  int fd;                /* rank 0: the socket; else -1 */
  pthread_t thread;
  bool running;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t changed;
  arrived *first, **end;
  bool ended;
};

/* --- rank 0's thread ------------------------------------------------------------------------- */

static bool take(int fd, void *bytes, size_t size) {
  for (char *at = bytes; size > 0;) {
    const ssize_t got = recv(fd, at, size, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    at += got;
    size -= (size_t)got;
  }
  return true;
}

static void *receive(void *argument) {
  struct scan_source *s = argument;
  for (bool more = true; more;) {
    arrived *frame = malloc(sizeof *frame + s->pixels * sizeof *frame->counts);
    more = frame != NULL && take(s->fd, &frame->head, sizeof frame->head) &&
           take(s->fd, frame->counts, s->pixels * sizeof *frame->counts);
    pthread_mutex_lock(&s->lock);
    if (more) {
      frame->next = NULL;
      *s->end = frame;
      s->end = &frame->next;
    } else {
      free(frame);
      s->ended = true;
    }
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
  }
  return NULL;
}

/* The next frame, NULL when there is none within the patience or none any more. */
static arrived *next_frame(struct scan_source *s) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += (time_t)s->patience;
  pthread_mutex_lock(&s->lock);
  for (int code = 0; s->first == NULL && !s->ended && code != ETIMEDOUT;) {
    code = pthread_cond_timedwait(&s->changed, &s->lock, &until);
  }
  arrived *frame = s->first;
  if (frame != NULL) {
    s->first = frame->next;
    s->end = s->first == NULL ? &s->first : s->end;
  }
  pthread_mutex_unlock(&s->lock);
  return frame;
}

/* --- all ranks ------------------------------------------------------------------------------- */

/* Hands one frame out: its head to all, its rows to those who have them. false: none came. */
static bool deal(struct scan_source *s, frame_head *head, uint16_t *rows) {
  arrived *frame = s->rank == 0 ? next_frame(s) : NULL;
  int there = frame != NULL;
  MPI_Bcast(&there, 1, MPI_INT, 0, s->together);
  if (!there) {
    return false;
  }
  if (frame != NULL) {
    *head = frame->head;
  }
  MPI_Bcast(head, sizeof *head, MPI_BYTE, 0, s->together);
  MPI_Scatterv(frame != NULL ? frame->counts : NULL, s->sizes, s->starts, MPI_UINT16_T, rows,
               s->sizes[s->rank], MPI_UINT16_T, 0, s->together);
  free(frame);
  return true;
}

/* Adds a flat or dark to its mean. */
static void average(float *mean, uint64_t *number, const uint16_t *rows, size_t pixels) {
  *number += 1;
  for (size_t i = 0; i < pixels; i++) {
    mean[i] += ((float)rows[i] - mean[i]) / (float)*number;
  }
}

static int read_socket(scan *it, uint64_t first, uint64_t stride, uint64_t count, float *lines,
                       uint64_t *got, beamcast_error *error) {
  struct scan_source *s = it->source;
  const size_t pixels = (size_t)s->sizes[s->rank];
  uint16_t *rows = malloc((pixels + 1) * sizeof *rows);
  int enough = rows != NULL;
  frame_head head = {0};
  (void)stride; /* in_order: 1 */
  MPI_Allreduce(MPI_IN_PLACE, &enough, 1, MPI_INT, MPI_MIN, s->together);
  *got = 0;
  if (!enough || rows == NULL) {
    free(rows);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a frame");
  }
  while (*got < count && deal(s, &head, rows)) {
    if (head.key == FRAME_FLAT) {
      average(s->flat, &s->flats, rows, pixels);
    } else if (head.key == FRAME_DARK) {
      average(s->dark, &s->darks, rows, pixels);
    } else {
      for (size_t i = 0; i < pixels; i++) {
        lines[*got * pixels + i] = (float)rows[i];
      }
      it->angle[first + *got] = head.angle * PI / 180;
      ++*got;
    }
  }
  free(rows);
  scan_line_integrals(lines, *got, pixels, s->flats > 0 ? s->flat : NULL, s->dark);
  return BEAMCAST_OK;
}

static void close_socket(scan *it) {
  struct scan_source *s = it->source;
  if (s->running) {
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
  }
  if (s->fd >= 0) {
    close(s->fd);
  }
  while (s->first != NULL) {
    arrived *frame = s->first;
    s->first = frame->next;
    free(frame);
  }
  pthread_mutex_destroy(&s->lock);
  pthread_cond_destroy(&s->changed);
  free(s->sizes);
  free(s->starts);
  free(s->flat);
  free(s->dark);
  free(s);
  free(it->angle);
  memset(it, 0, sizeof *it);
}

/* Connects to HOST:PORT, again and again while nobody listens there and patience lasts. */
static int dial(const char *address, double patience) {
  char host[256];
  const char *colon = strrchr(address, ':');
  struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int fd = -1;
  if (colon == NULL) {
    return -1;
  }
  snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
  if (getaddrinfo(host, colon + 1, &wanted, &found) != 0) {
    return -1;
  }
  const time_t until = time(NULL) + (time_t)patience;
  while (fd < 0 && time(NULL) <= until) {
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
      nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
  }
  freeaddrinfo(found);
  return fd;
}

/* Rank 0 connects and reads the head; a head of zeros says that it failed. */
static void greet(struct scan_source *s, const char *address, frames_head *head) {
  const uint64_t limit = 1 << 16;
  if (s->rank == 0) {
    s->fd = dial(address, s->patience);
    if (s->fd < 0 || !take(s->fd, head, sizeof *head) ||
        memcmp(head->magic, FRAMES_MAGIC, sizeof head->magic) != 0 || head->columns == 0 ||
        head->columns > limit || head->rows == 0 || head->rows > limit || head->projections == 0 ||
        head->projections > 1 << 22 || head->columns * head->rows > INT32_MAX) {
      memset(head, 0, sizeof *head);
    }
  }
  MPI_Bcast(head, sizeof *head, MPI_BYTE, 0, s->together);
}

/* Memory for what the head announces. */
static bool prepare(scan *it, const frames_head *head) {
  struct scan_source *s = it->source;
  it->columns = head->columns;
  it->rows = head->rows;
  it->projections = head->projections;
  memcpy(it->pixel, head->pixel, sizeof it->pixel);
  snprintf(it->unit, sizeof it->unit, "%.15s", head->unit);
  s->pixels = head->columns * head->rows;
  s->sizes = calloc((size_t)s->ranks, sizeof *s->sizes);
  s->starts = calloc((size_t)s->ranks, sizeof *s->starts);
  it->angle = calloc(head->projections, sizeof *it->angle);
  if (s->sizes == NULL || s->starts == NULL || it->angle == NULL) {
    return false;
  }
  for (int rank = 0; rank < s->ranks; rank++) {
    uint64_t first, rows;
    scan_rows_of(head->rows, rank, s->ranks, &first, &rows);
    s->sizes[rank] = (int)(rows * head->columns);
    s->starts[rank] = (int)(first * head->columns);
  }
  s->flat = calloc((size_t)s->sizes[s->rank] + 1, sizeof *s->flat);
  s->dark = calloc((size_t)s->sizes[s->rank] + 1, sizeof *s->dark);
  if (s->rank == 0 && s->flat != NULL && s->dark != NULL) {
    s->running = pthread_create(&s->thread, NULL, receive, s) == 0;
  }
  return s->flat != NULL && s->dark != NULL && (s->running || s->rank != 0);
}

int scan_open_socket(const char *address, const scan_options *options, scan *result,
                     beamcast_error *error) {
  struct scan_source *s = calloc(1, sizeof *s);
  frames_head head = {0};
  if (s == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a scan");
  }
  *result = (scan){.source = s, .read = read_socket, .close = close_socket, .in_order = 1};
  s->together = options->together;
  s->patience = options->patience;
  s->fd = -1;
  s->end = &s->first;
  MPI_Comm_rank(s->together, &s->rank);
  MPI_Comm_size(s->together, &s->ranks);
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->changed, NULL);
  greet(s, address, &head);
  if (head.projections == 0) {
    close_socket(result);
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                         "no sender of frames answers at %s within %g s; start take_scan there",
                         address, options->patience);
  }
  if (!prepare(result, &head)) {
    close_socket(result);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for %llu projections",
                         (unsigned long long)head.projections);
  }
  return BEAMCAST_OK;
}
