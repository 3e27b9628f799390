/* SPDX-License-Identifier: BSD-3-Clause
 * The CUDA driver's functions, found at run time; see device.h. */
#include "device.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

/* From the CUDA driver API's reference: results are an int, 0 is success; addresses are 64-bit. */
enum {
  ATTRIBUTE_CONTEXT = 1,
  ATTRIBUTE_MEMORY_TYPE = 2,
  ATTRIBUTE_MANAGED = 8,
  TYPE_DEVICE = 2,
  HANDLE_DMABUF = 1
};

typedef struct driver {
  int (*attribute)(void *value, int which, uint64_t address);
  int (*push)(void *context);
  int (*pop)(void **context);
  int (*host_alloc)(void **memory, size_t bytes);
  int (*host_free)(void *memory);
  int (*stream_create)(void **stream, unsigned flags);
  int (*stream_wait)(void *stream);
  int (*stream_destroy)(void *stream);
  int (*copy)(void *to, uint64_t from, size_t bytes, void *stream);
  int (*share)(void *handle, uint64_t address, size_t bytes, int kind, uint64_t flags);
} driver;

struct bc_device {
  driver d;
  void *context;
  void *stream[BC_DEVICE_LANES];
  unsigned char *buffer[BC_DEVICE_LANES];
  size_t bytes[BC_DEVICE_LANES];
};

/* Where the program has loaded the driver from. */
static int note_driver(struct dl_phdr_info *info, size_t size, void *path) {
  const char *base = strrchr(info->dlpi_name, '/');
  (void)size;
  if (strncmp(base != NULL ? base + 1 : info->dlpi_name, "libcuda.so.1", 12) != 0) {
    return 0;
  }
  (void)snprintf(path, PATH_MAX, "%s", info->dlpi_name);
  return 1;
}

/* False where the program has not loaded the driver. This is asked for each brick: no library is
 * looked for in any folder, which costs a network file system's time. */
static bool find_driver(driver *d) {
  const struct {
    const char *name;
    void *to;
  } functions[] = {
      {"cuPointerGetAttribute", &d->attribute}, {"cuCtxPushCurrent_v2", &d->push},
      {"cuCtxPopCurrent_v2", &d->pop},          {"cuMemAllocHost_v2", &d->host_alloc},
      {"cuMemFreeHost", &d->host_free},         {"cuStreamCreate", &d->stream_create},
      {"cuStreamSynchronize", &d->stream_wait}, {"cuStreamDestroy_v2", &d->stream_destroy},
      {"cuMemcpyDtoHAsync_v2", &d->copy},
  };
  char path[PATH_MAX] = "";
  void *library =
      dl_iterate_phdr(note_driver, path) != 0 ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
  bool all = library != NULL;
  d->share = NULL;
  for (size_t i = 0; all && i < sizeof functions / sizeof functions[0]; i++) {
    void *found = dlsym(library, functions[i].name);
    *(void **)functions[i].to = found;
    all = found != NULL;
  }
  if (library != NULL) {
    void *found = dlsym(library, "cuMemGetHandleForAddressRange"); /* since CUDA 11.7 */
    *(void **)&d->share = found;
    (void)dlclose(library); /* the program's own handle keeps it */
  }
  return all;
}

static int fails(int result, const char *what, beamcast_error *error) {
  return result == 0
             ? BEAMCAST_OK
             : beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                             "the array in the CUDA device's memory can't be read: %s: error %d",
                             what, result);
}

bool bc_device_has(const void *data) {
  driver d;
  unsigned type = 0, managed = 0;
  uint64_t address = (uintptr_t)data;
  if (!find_driver(&d) || d.attribute(&type, ATTRIBUTE_MEMORY_TYPE, address) != 0 ||
      type != TYPE_DEVICE) {
    return false; /* the driver does not know ordinary memory */
  }
  return d.attribute(&managed, ATTRIBUTE_MANAGED, address) != 0 || managed == 0;
}

int bc_device_share(const void *data, uint64_t bytes, uint64_t *offset) {
  driver d;
  void *context = NULL, *ours;
  int fd = -1;
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), address = (uintptr_t)data;
  uint64_t begin = address / page * page, end = (address + bytes + page - 1) / page * page;
  if (!find_driver(&d) || d.share == NULL ||
      d.attribute(&context, ATTRIBUTE_CONTEXT, address) != 0 || d.push(context) != 0) {
    return -1;
  }
  if (d.share(&fd, begin, end - begin, HANDLE_DMABUF, 0) != 0) {
    fd = -1;
  }
  (void)d.pop(&ours);
  *offset = address - begin;
  return fd;
}

bc_device *bc_device_open(bc_device *before, const void *data, beamcast_error *error) {
  void *context = NULL;
  if (before != NULL && before->d.attribute(&context, ATTRIBUTE_CONTEXT, (uintptr_t)data) == 0 &&
      context == before->context) {
    return before;
  }
  bc_device_close(before);
  bc_device *device = calloc(1, sizeof *device);
  if (device == NULL || !find_driver(&device->d)) {
    free(device);
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  const driver *d = &device->d;
  void *ours;
  int result = d->attribute(&device->context, ATTRIBUTE_CONTEXT, (uintptr_t)data);
  result = result ? result : d->push(device->context);
  if (result != 0) {
    free(device);
    (void)fails(result, "its context", error);
    return NULL;
  }
  for (int lane = 0; lane < BC_DEVICE_LANES && result == 0; lane++) {
    result = d->stream_create(&device->stream[lane], 0);
  }
  (void)d->pop(&ours);
  if (fails(result, "cuStreamCreate", error) != BEAMCAST_OK) {
    bc_device_close(device);
    return NULL;
  }
  return device;
}

unsigned char *bc_device_buffer(bc_device *device, int lane, size_t bytes, beamcast_error *error) {
  const driver *d = &device->d;
  void *ours, *memory = NULL;
  if (device->bytes[lane] >= bytes) {
    return device->buffer[lane];
  }
  int result = d->push(device->context);
  if (result == 0) {
    if (device->buffer[lane] != NULL) {
      (void)d->host_free(device->buffer[lane]);
    }
    device->buffer[lane] = NULL;
    device->bytes[lane] = 0;
    result = d->host_alloc(&memory, bytes);
    (void)d->pop(&ours);
  }
  if (fails(result, "cuMemAllocHost", error) != BEAMCAST_OK) {
    return NULL;
  }
  device->buffer[lane] = memory;
  device->bytes[lane] = bytes;
  return memory;
}

int bc_device_copy(bc_device *device, int lane, void *to, const void *from, size_t bytes,
                   beamcast_error *error) {
  void *ours;
  int result = device->d.push(device->context);
  if (result == 0) {
    result = device->d.copy(to, (uintptr_t)from, bytes, device->stream[lane]);
    (void)device->d.pop(&ours);
  }
  return fails(result, "cuMemcpyDtoHAsync", error);
}

int bc_device_wait(bc_device *device, int lane, beamcast_error *error) {
  void *ours;
  int result = device->d.push(device->context);
  if (result == 0) {
    result = device->d.stream_wait(device->stream[lane]);
    (void)device->d.pop(&ours);
  }
  return fails(result, "cuStreamSynchronize", error);
}

void bc_device_close(bc_device *device) {
  void *ours;
  if (device == NULL) {
    return;
  }
  bool here = device->d.push(device->context) == 0; /* not, once the program has ended it */
  for (int lane = 0; lane < BC_DEVICE_LANES && here; lane++) {
    if (device->stream[lane] != NULL) {
      (void)device->d.stream_wait(device->stream[lane]);
      (void)device->d.stream_destroy(device->stream[lane]);
    }
    if (device->buffer[lane] != NULL) {
      (void)device->d.host_free(device->buffer[lane]);
    }
  }
  if (here) {
    (void)device->d.pop(&ours);
  }
  free(device);
}
