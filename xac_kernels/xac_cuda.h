/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cuda back end as the renderer sees it. Built without CUDA, opening a device fails with a
 * sentence, and the rest is never called.
 */
#ifndef XAC_CUDA_H
#define XAC_CUDA_H

#include "xac_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The first device that answers; appends its name to description. NULL and an error otherwise. */
xac_device *xac_device_open(char *description, size_t size, beamcast_error *error);
void xac_device_close(xac_device *device); /* NULL is fine */

/* Draws the brick; uploads what changed first. An error leaves the picture as it was. */
int xac_device_draw(xac_device *device, xac_renderer *r, const xac_frame *frame,
                    const xac_image *image, xac_stats *stats, beamcast_error *error);

/* Compiles a user's kernel (source text, name for messages) for the device. */
int xac_device_user_load(xac_device *device, const char *source, const char *name,
                         beamcast_error *error);
int xac_device_has_user(const xac_device *device);

#ifdef __cplusplus
}
#endif

#endif
