/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sources: the CUDA driver API's reference; EGL_EXT_device_query, EGL_EXT_device_enumeration,
 * EGL_EXT_device_persistent_id and EGL_NV_device_cuda in the Khronos registry.
 */
#include "devices.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  DEVICES_MAX = 64,
  EGL_UUID = 0x335C,       /* EGL_DEVICE_UUID_EXT */
  EGL_CUDA_NUMBER = 0x323A /* EGL_CUDA_DEVICE_NV */
};

typedef struct uuid {
  unsigned char bytes[16];
} uuid;

/* The UUIDs of what CUDA shows to this process, in its order; how many there are. */
static int list_cuda(uuid list[DEVICES_MAX]) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    return 0;
  }
  int (*init)(unsigned), (*count_of)(int *), (*get)(int *, int), (*uuid_of)(uuid *, int);
  const struct {
    const char *name;
    void *to;
  } functions[] = {{"cuInit", &init},
                   {"cuDeviceGetCount", &count_of},
                   {"cuDeviceGet", &get},
                   {"cuDeviceGetUuid", &uuid_of}};
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    void *found = dlsym(library, functions[i].name);
    if (found == NULL) {
      return 0;
    }
    memcpy(functions[i].to, &found, sizeof found);
  }
  int count = 0, device;
  if (init(0) != 0 || count_of(&count) != 0) {
    return 0;
  }
  count = count < DEVICES_MAX ? count : DEVICES_MAX;
  for (int i = 0; i < count; i++) {
    if (get(&device, i) != 0 || uuid_of(&list[i], device) != 0) {
      return 0;
    }
  }
  return count;
}

typedef struct egl {
  void *(*find)(const char *);
  unsigned (*devices)(int, void **, int *);
  const char *(*text)(void *, int);
  unsigned (*binary)(void *, int, int, void *, int *); /* NULL where there is no such extension */
  unsigned (*number)(void *, int, intptr_t *);
} egl;

static bool open_egl(egl *e) {
  void *library = dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL), *found;
  found = library != NULL ? dlsym(library, "eglGetProcAddress") : NULL;
  if (found == NULL) {
    return false;
  }
  memcpy(&e->find, &found, sizeof found);
  const struct {
    const char *name;
    void *to;
  } functions[] = {{"eglQueryDevicesEXT", &e->devices},
                   {"eglQueryDeviceStringEXT", &e->text},
                   {"eglQueryDeviceBinaryEXT", &e->binary},
                   {"eglQueryDeviceAttribEXT", &e->number}};
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    found = e->find(functions[i].name);
    memcpy(functions[i].to, &found, sizeof found);
  }
  return e->devices != NULL && e->text != NULL;
}

static bool has(const char *list, const char *extension) {
  size_t length = strlen(extension);
  const char *at = list != NULL ? strstr(list, extension) : NULL;
  return at != NULL && (at[length] == ' ' || at[length] == '\0');
}

/* The number among EGL's devices of the one that CUDA calls `number` and that has this UUID; -1 if
 * there is none. */
static int find_egl(const uuid *wanted, int number) {
  enum { EXTENSIONS = 0x3055 };
  egl e = {0};
  void *list[DEVICES_MAX];
  int count = 0;
  if (!open_egl(&e) || e.devices(DEVICES_MAX, list, &count) == 0) {
    return -1;
  }
  for (int i = 0; i < count; i++) {
    const char *extensions = e.text(list[i], EXTENSIONS);
    uuid its;
    int size = 0;
    intptr_t cuda = -1;
    if (e.binary != NULL && has(extensions, "EGL_EXT_device_persistent_id")) {
      if (e.binary(list[i], EGL_UUID, sizeof its, &its, &size) != 0 && size == sizeof its &&
          memcmp(&its, wanted, sizeof its) == 0) {
        return i;
      }
    } else if (e.number != NULL && has(extensions, "EGL_NV_device_cuda") &&
               e.number(list[i], EGL_CUDA_NUMBER, &cuda) != 0 && cuda == number) {
      return i; /* an older driver, which counts as CUDA does */
    }
  }
  return -1;
}

/* This rank's number among those on its node. */
static int local_rank(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                      "PMI_LOCAL_RANK", "SLURM_LOCALID"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *text = getenv(names[i]);
    if (text != NULL) {
      return (int)strtol(text, NULL, 10);
    }
  }
  return 0;
}

void bs_choose_devices(void) {
  uuid list[DEVICES_MAX];
  char text[64] = "GPU-";
  int count = list_cuda(list), rank = local_rank();
  if (count == 0 || rank < 0) {
    return;
  }
  int mine = rank % count;
  if (count > 1) {
    for (int i = 0; i < 16; i++) {
      bool dash = i == 4 || i == 6 || i == 8 || i == 10;
      size_t at = strlen(text);
      (void)snprintf(text + at, sizeof text - at, "%s%02x", dash ? "-" : "", list[mine].bytes[i]);
    }
    (void)setenv("CUDA_VISIBLE_DEVICES", text, 1);
  }
  int number = find_egl(&list[mine], mine);
  if (number >= 0) {
    (void)snprintf(text, sizeof text, "%d", number);
    (void)setenv("VTK_DEFAULT_EGL_DEVICE_INDEX", text, 0);
  }
}
