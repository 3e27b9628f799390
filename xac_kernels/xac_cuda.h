/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end as the renderer sees it: a table of what it does.
 */
#ifndef XAC_CUDA_H
#define XAC_CUDA_H

#include "xac_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xac_device_calls {
  /* The first device that answers; appends its name to description. NULL and an error otherwise. */
  xac_device *(*open)(char *description, size_t size, beamcast_error *error);
  void (*close)(xac_device *device);

  /* 10 * major + minor of the device's compute capability. */
  int (*architecture)(const xac_device *device);
  /* Loads what NVRTC made of a user's kernel; *module is freed with unload. */
  int (*load)(xac_device *device, const void *image, void **module, beamcast_error *error);
  void (*unload)(void *module);

  /* Begins to bring the brick to the device, in a thread of its own; returns at once. The brick is
   * read until the next upload, or until the device is closed. version: what the renderer's
   * volume_version will be. That it did not succeed is said when it is drawn. From then on a
   * later step of the same array is brought there while it lands (xac_landing.h). */
  void (*upload)(xac_device *device, const xac_volume *volume, uint64_t version);

  /* Draws the brick with a built-in kernel, or the loaded user's; uploads what changed first.
   * stopped: why the user's kernel had to be; the picture is not finished then. */
  int (*draw)(xac_device *device, xac_renderer *r, const xac_frame *frame, const xac_image *image,
              xac_stats *stats, int *stopped, beamcast_error *error);
} xac_device_calls;

extern const xac_device_calls *const xac_cuda; /* NULL: the library was built without CUDA */

#ifdef __cplusplus
}
#endif

#endif
