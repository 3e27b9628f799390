/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In the place of the CUDA driver, for machines without one: a device's memory is pages that the
 * processor may not touch, with another way to them for this library alone. A copy is made when it
 * is waited for; until then the buffer holds nonsense. An RDMA device may be let read the pages, as
 * nvidia-peermem lets it; Linux gives it no pages of a shared mapping that the processor may not
 * write.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum { COPIES_MAX = 1 << 16, SUCCESS = 0, INVALID = 1 };

typedef struct pending {
  unsigned char *to;
  const unsigned char *from;
  size_t bytes;
} pending;

typedef struct stream {
  pending *copies;
  size_t count;
} stream;

static unsigned char *device, *behind;
static size_t device_bytes;
static int context, depth, streams, pinned, copies;

PUBLIC unsigned char *fake_device_new(size_t bytes, unsigned char **host);
PUBLIC void fake_device_left(int *streams_left, int *pinned_left, int *pushed);
PUBLIC int fake_device_copies(void);
PUBLIC int fake_device_peermem(void);
PUBLIC int cuMemGetHandleForAddressRange(int *fd, uint64_t address, size_t bytes, int kind,
                                         uint64_t flags);
PUBLIC int cuPointerGetAttribute(void *value, int which, uint64_t address);
PUBLIC int cuCtxPushCurrent_v2(void *which);
PUBLIC int cuCtxPopCurrent_v2(void **which);
PUBLIC int cuMemAllocHost_v2(void **memory, size_t bytes);
PUBLIC int cuMemFreeHost(void *memory);
PUBLIC int cuStreamCreate(void **out, unsigned flags);
PUBLIC int cuStreamSynchronize(void *which);
PUBLIC int cuStreamDestroy_v2(void *which);
PUBLIC int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *which);

/* The device's memory; *host: where the test writes it. */
unsigned char *fake_device_new(size_t bytes, unsigned char **host) {
  int fd = memfd_create("fake-device", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) {
    return NULL;
  }
  device = mmap(NULL, bytes, PROT_NONE, MAP_SHARED, fd, 0);
  *host = behind = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  device_bytes = bytes;
  (void)close(fd);
  return device;
}

void fake_device_left(int *streams_left, int *pinned_left, int *pushed) {
  *streams_left = streams;
  *pinned_left = pinned;
  *pushed = depth;
}

int fake_device_peermem(void) {
  return mprotect(device, device_bytes, PROT_READ | PROT_WRITE);
}

int fake_device_copies(void) {
  return copies;
}

/* No dmabuf, which takes a driver of the kernel's, but a file of the same bytes. */
int cuMemGetHandleForAddressRange(int *fd, uint64_t address, size_t bytes, int kind,
                                  uint64_t flags) {
  uint64_t at = address - (uintptr_t)device;
  if (depth == 0 || kind != 1 || flags != 0 || address % 4096 != 0 || bytes % 4096 != 0 ||
      at > device_bytes || bytes > device_bytes - at) {
    return INVALID;
  }
  *fd = memfd_create("fake-dmabuf", MFD_CLOEXEC);
  return *fd >= 0 && pwrite(*fd, behind + at, bytes, 0) == (ssize_t)bytes ? SUCCESS : INVALID;
}

int cuPointerGetAttribute(void *value, int which, uint64_t address) {
  if (address < (uintptr_t)device || address >= (uintptr_t)device + device_bytes) {
    return INVALID;
  }
  if (which == 1) {
    void *ours = &context;
    memcpy(value, &ours, sizeof ours);
  } else {
    unsigned number = which == 2 ? 2 : 0;
    memcpy(value, &number, sizeof number);
  }
  return SUCCESS;
}

int cuCtxPushCurrent_v2(void *which) {
  depth++;
  return which == &context ? SUCCESS : INVALID;
}

int cuCtxPopCurrent_v2(void **which) {
  depth--;
  *which = &context;
  return SUCCESS;
}

int cuMemAllocHost_v2(void **memory, size_t bytes) {
  pinned++;
  *memory = malloc(bytes);
  return depth > 0 && *memory != NULL ? SUCCESS : INVALID;
}

int cuMemFreeHost(void *memory) {
  pinned--;
  free(memory);
  return SUCCESS;
}

int cuStreamCreate(void **out, unsigned flags) {
  stream *s = calloc(1, sizeof *s);
  s->copies = calloc(COPIES_MAX, sizeof *s->copies);
  streams++;
  *out = s;
  return depth > 0 && flags == 0 ? SUCCESS : INVALID;
}

int cuStreamSynchronize(void *which) {
  stream *s = which;
  for (size_t i = 0; i < s->count; i++) {
    memcpy(s->copies[i].to, s->copies[i].from, s->copies[i].bytes);
  }
  s->count = 0;
  return depth > 0 ? SUCCESS : INVALID;
}

int cuStreamDestroy_v2(void *which) {
  stream *s = which;
  streams--;
  free(s->copies);
  free(s);
  return SUCCESS;
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *which) {
  stream *s = which;
  uint64_t at = from - (uintptr_t)device;
  if (depth == 0 || s->count == COPIES_MAX || at > device_bytes || bytes > device_bytes - at) {
    return INVALID;
  }
  memset(to, 0xaa, bytes);
  copies++;
  s->copies[s->count++] = (pending){to, behind + at, bytes};
  return SUCCESS;
}
