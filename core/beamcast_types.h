/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every part of Beamcast shares: the error value and the types of voxels.
 * Header only, C11 and C++17. Nothing here allocates, prints or keeps state.
 */
#ifndef BEAMCAST_TYPES_H
#define BEAMCAST_TYPES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- errors ---------------------------------------------------------------------------------- */

/* What went wrong, as a class that a program can act on. The sentence is for people. */
typedef enum beamcast_code {
  BEAMCAST_OK = 0,
  BEAMCAST_ERR_ARGUMENT = 1,    /* the caller's arguments are wrong; nothing was done */
  BEAMCAST_ERR_MEMORY = 2,      /* memory, locked memory or address space is exhausted */
  BEAMCAST_ERR_TIMEOUT = 3,     /* the time limit passed; the call may be made again */
  BEAMCAST_ERR_CONNECTION = 4,  /* no peer, or the peer is gone; connect again */
  BEAMCAST_ERR_REFUSED = 5,     /* the peer refused: token, rights, version, size or state */
  BEAMCAST_ERR_PROTOCOL = 6,    /* the peer said something that makes no sense */
  BEAMCAST_ERR_IO = 7,          /* a file could not be read or written */
  BEAMCAST_ERR_UNSUPPORTED = 8, /* this build, machine or peer can't do it */
  BEAMCAST_DROPPED = 9,         /* the step was not accepted; its data go nowhere; go on */
  BEAMCAST_ERR_SCRIPT = 10      /* a script has an error and is left out from now on; go on */
} beamcast_code;

enum { BEAMCAST_MESSAGE_MAX = 480 };

/* An error as a value. Every function that takes one accepts NULL; on success it is untouched. */
typedef struct beamcast_error {
  int code;                           /* one of beamcast_code */
  char message[BEAMCAST_MESSAGE_MAX]; /* one sentence: what, the limit, the remedy; UTF-8 */
} beamcast_error;

#if defined(__GNUC__)
__attribute__((format(printf, 3, 0)))
#endif
static inline int
beamcast_vfail(beamcast_error *error, int code, const char *format, va_list arguments) {
  if (error != NULL) {
    error->code = code;
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
  }
  return code;
}

/* Fills error (may be NULL) and returns code, so that `return beamcast_fail(...)` reads well. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline int
beamcast_fail(beamcast_error *error, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)beamcast_vfail(error, code, format, arguments);
  va_end(arguments);
  return code;
}

/* --- types of voxels ------------------------------------------------------------------------- */

/* The one list of voxel types: X(name, number on the wire, bytes, text). */
#define BEAMCAST_TYPE_LIST(X)                                                                      \
  X(UINT8, 1, 1, "uint8")                                                                          \
  X(INT8, 2, 1, "int8")                                                                            \
  X(UINT16, 3, 2, "uint16")                                                                        \
  X(INT16, 4, 2, "int16")                                                                          \
  X(UINT32, 5, 4, "uint32")                                                                        \
  X(INT32, 6, 4, "int32")                                                                          \
  X(FLOAT16, 7, 2, "float16")                                                                      \
  X(FLOAT32, 8, 4, "float32")                                                                      \
  X(FLOAT64, 9, 8, "float64")

typedef enum beamcast_type {
#define BEAMCAST_TYPE_ENUM(NAME, NUMBER, BYTES, TEXT) BEAMCAST_##NAME = NUMBER,
  BEAMCAST_TYPE_LIST(BEAMCAST_TYPE_ENUM)
#undef BEAMCAST_TYPE_ENUM
} beamcast_type;

/* Bytes of one component, 0 for an unknown type. */
static inline size_t beamcast_type_size(int type) {
  switch (type) {
#define BEAMCAST_TYPE_SIZE(NAME, NUMBER, BYTES, TEXT)                                              \
  case NUMBER:                                                                                     \
    return BYTES;
    BEAMCAST_TYPE_LIST(BEAMCAST_TYPE_SIZE)
#undef BEAMCAST_TYPE_SIZE
  default:
    return 0;
  }
}

/* The type's name as NumPy spells it, NULL for an unknown type. */
static inline const char *beamcast_type_name(int type) {
  switch (type) {
#define BEAMCAST_TYPE_NAME(NAME, NUMBER, BYTES, TEXT)                                              \
  case NUMBER:                                                                                     \
    return TEXT;
    BEAMCAST_TYPE_LIST(BEAMCAST_TYPE_NAME)
#undef BEAMCAST_TYPE_NAME
  default:
    return NULL;
  }
}

/* The type called name ("float32"), 0 for an unknown name. */
static inline int beamcast_type_from_name(const char *name) {
#define BEAMCAST_TYPE_FIND(NAME, NUMBER, BYTES, TEXT)                                              \
  if (strcmp(name, TEXT) == 0) {                                                                   \
    return NUMBER;                                                                                 \
  }
  BEAMCAST_TYPE_LIST(BEAMCAST_TYPE_FIND)
#undef BEAMCAST_TYPE_FIND
  return 0;
}

#ifdef __cplusplus
}
#endif

#endif
