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

/* Draws the brick with one of the built-in kernels; uploads what changed first. */
int xac_device_draw(xac_device *device, xac_renderer *r, const xac_frame *frame,
                    const xac_image *image, xac_stats *stats, beamcast_error *error);

#ifdef __cplusplus
}
#endif

#endif
