/* SPDX-License-Identifier: BSD-3-Clause */
#include "thread_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int thread_files_open(thread_files *f, const char *name, int threads, beamcast_error *error) {
  *f = (thread_files){.fd = malloc((size_t)threads * sizeof *f->fd), .threads = threads};
  if (f->fd == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for the descriptors of a read");
  }
  for (int i = 1; i < threads; i++) {
    f->fd[i] = -1;
  }
  f->fd[0] = open(name, O_RDONLY | O_CLOEXEC);
  if (f->fd[0] < 0) {
    const int result =
        beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be opened (%s)", name, strerror(errno));
    free(f->fd);
    f->fd = NULL;
    return result;
  }
  return BEAMCAST_OK;
}

void thread_files_close(thread_files *f) {
  for (int i = 0; f->fd != NULL && i < f->threads; i++) {
    if (f->fd[i] >= 0) {
      close(f->fd[i]);
    }
  }
  free(f->fd);
  f->fd = NULL;
}

int thread_files_get(thread_files *f, int thread) {
  if (f->fd[thread] < 0) {
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", f->fd[0]);
    f->fd[thread] = open(name, O_RDONLY | O_CLOEXEC);
  }
  return f->fd[thread] >= 0 ? f->fd[thread] : f->fd[0];
}

int pread_all(int fd, void *buffer, size_t bytes, uint64_t offset) {
  uint8_t *p = buffer;
  while (bytes > 0) {
    ssize_t got = pread(fd, p, bytes, (off_t)offset);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      errno = got == 0 ? 0 : errno;
      return -1;
    }
    p += got;
    bytes -= (size_t)got;
    offset += (uint64_t)got;
  }
  return 0;
}
