/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A file of the library's own source that the compiler of users' kernels needs.
 */
#ifndef XAC_USER_H
#define XAC_USER_H

#include <stddef.h>

typedef struct xac_embedded {
  const char *name;
  const unsigned char *bytes;
  size_t size;
} xac_embedded;

extern const xac_embedded xac_embedded_files[]; /* made by the build; ends with a NULL name */

#endif
