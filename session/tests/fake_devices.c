/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In the place of CUDA's and EGL's libraries, for machines without a graphics device: three devices
 * for EGL, one of software, and those of CUDA ($FAKE_CUDA, letters in its order) in another order.
 * A device's UUID is its letter, 16 times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

PUBLIC int cuInit(unsigned flags);
PUBLIC int cuDeviceGetCount(int *count);
PUBLIC int cuDeviceGet(int *device, int number);
PUBLIC int cuDeviceGetUuid(void *uuid, int device);
PUBLIC void *eglGetProcAddress(const char *name);

static const char *devices(void) {
  const char *list = getenv("FAKE_CUDA");
  return list != NULL ? list : "";
}

int cuInit(unsigned flags) {
  return flags == 0 && devices()[0] != '\0' ? 0 : 100; /* CUDA_ERROR_NO_DEVICE */
}

int cuDeviceGetCount(int *count) {
  *count = (int)strlen(devices());
  return 0;
}

int cuDeviceGet(int *device, int number) {
  *device = number;
  return 0;
}

int cuDeviceGetUuid(void *uuid, int device) {
  memset(uuid, devices()[device], 16);
  return 0;
}

static char egl[] = "a_b"; /* letters of the devices; _: software */

static unsigned query_devices(int most, void **list, int *count) {
  for (*count = 0; *count < 3 && *count < most; (*count)++) {
    list[*count] = &egl[*count];
  }
  return 1;
}

static const char *query_text(void *device, int name) {
  const char *old = getenv("FAKE_OLD_EGL");
  return name != 0x3055 || *(char *)device == '_' ? "EGL_MESA_device_software"
         : old != NULL                            ? "EGL_NV_device_cuda EGL_EXT_device_drm"
                       : "EGL_NV_device_cuda EGL_EXT_device_persistent_id EGL_EXT_device_drm";
}

static unsigned query_binary(void *device, int name, int most, void *value, int *size) {
  if (name != 0x335C || most < 16) {
    return 0;
  }
  *size = 16;
  memset(value, *(char *)device, 16);
  return 1;
}

static unsigned query_number(void *device, int name, intptr_t *value) {
  const char *found = strchr(devices(), *(char *)device);
  *value = found != NULL ? found - devices() : -1;
  return name == 0x323A;
}

void *eglGetProcAddress(const char *name) {
  void *found = NULL;
  unsigned (*list)(int, void **, int *) = query_devices;
  const char *(*text)(void *, int) = query_text;
  unsigned (*binary)(void *, int, int, void *, int *) = query_binary;
  unsigned (*number)(void *, int, intptr_t *) = query_number;
  if (strcmp(name, "eglQueryDevicesEXT") == 0) {
    memcpy(&found, &list, sizeof found);
  } else if (strcmp(name, "eglQueryDeviceStringEXT") == 0) {
    memcpy(&found, &text, sizeof found);
  } else if (strcmp(name, "eglQueryDeviceBinaryEXT") == 0) {
    memcpy(&found, &binary, sizeof found);
  } else if (strcmp(name, "eglQueryDeviceAttribEXT") == 0) {
    memcpy(&found, &number, sizeof found);
  }
  return found;
}
