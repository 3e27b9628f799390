/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel, as the files that read, compile and call it see it. Not installed.
 */
#ifndef XAC_USER_H
#define XAC_USER_H

#include <limits.h>
#include <stddef.h>

#include "xac_internal.h"

struct xac_user {
  void *library;
  xac_user_function packet;
  char path[PATH_MAX];
  xac_parameter parameters[XAC_PARAMETERS_MAX];
  int count;
  int bits;
  int everywhere;
};

/* The file's text, to be freed; NULL and an error when it can't be read. */
char *xac_user_read(const char *path, beamcast_error *error);
/* Fills in what the text declares; blanks its comments. path: for messages. */
int xac_user_parse(const char *path, char *text, xac_user *user, beamcast_error *error);

/* A file of the library's own source that the compiler of users' kernels needs. */
typedef struct xac_embedded {
  const char *name;
  const unsigned char *bytes;
  size_t size;
} xac_embedded;

extern const xac_embedded xac_embedded_files[]; /* made by the build; ends with a NULL name */

#endif
