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
  char path[PATH_MAX];
  void *library; /* for the cpu; NULL: only the device has it */
  xac_user_function packet;
  void *module;            /* on the device; NULL: only the cpu has it */
  char not_on_device[256]; /* why, where there is a device */
  xac_parameter parameters[XAC_PARAMETERS_MAX];
  int count;
  int bits;
  int everywhere;
};

/* The file's text, to be freed; NULL and an error when it can't be read. */
char *xac_user_read(const char *path, beamcast_error *error);
/* Fills in what the text declares; blanks its comments. path: for messages. */
int xac_user_parse(const char *path, char *text, xac_user *user, beamcast_error *error);

enum { XAC_PARAMETERS_TEXT = XAC_PARAMETERS_MAX * 64 + 64 };
/* The declarations that a kernel file is compiled with, parameters.h; returns their length. */
size_t xac_user_parameters_text(const xac_user *user, char text[XAC_PARAMETERS_TEXT]);

/* Compiles the file for the cpu, tries and loads it. BEAMCAST_ERR_UNSUPPORTED: no compiler here. */
int xac_user_compile(const xac_renderer *r, xac_user *user, beamcast_error *error);
/* A sentence for a reason from xac_user_call.h. */
const char *xac_user_reason(int why);

/* A file of the library's own source that the compiler of users' kernels needs. */
typedef struct xac_embedded {
  const char *name;
  const unsigned char *bytes;
  size_t size;
} xac_embedded;

/* Made by the build; they end with a NULL name. Bytes are followed by a 0. */
extern const xac_embedded xac_embedded_files[]; /* for the cpu's compiler */
extern const xac_embedded xac_embedded_cuda[];  /* for NVRTC */

#endif
