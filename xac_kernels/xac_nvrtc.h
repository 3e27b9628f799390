/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel for a CUDA device, compiled by NVRTC at run time. NVRTC is looked for when it is
 * first needed; the library neither links it nor needs it to be built.
 */
#ifndef XAC_NVRTC_H
#define XAC_NVRTC_H

#include "xac_user.h"

/* The function in what is compiled. */
#define XAC_NVRTC_ENTRY "xac_draw_user"

typedef enum xac_nvrtc_form {
  XAC_NVRTC_BINARY = 0, /* for this architecture alone; PTX where NVRTC is older than the device */
  XAC_NVRTC_PTX = 1     /* text, for it and all later ones */
} xac_nvrtc_form;

/* Compiles the kernel file user->path, with what it declares. architecture: 10 * major + minor, as
 * 90. *image, *size bytes and a 0 after them, is the caller's to free. Errors: ARGUMENT with file,
 * line and text where the file does not compile as CUDA C++; UNSUPPORTED where there is no NVRTC.
 */
int xac_nvrtc_compile(const xac_user *user, int architecture, xac_nvrtc_form form, void **image,
                      size_t *size, beamcast_error *error);

#endif
