/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs another program to its end, without a shell, and takes in what it prints.
 */
#ifndef BEAMCAST_SESSION_RUN_H
#define BEAMCAST_SESSION_RUN_H

#include <stdbool.h>

#include "beamcast_types.h"

enum { BS_OUTPUT_MAX = 8192 };

typedef struct bs_result {
  int status;                                  /* exit status; 128 and more: by a signal */
  char out[BS_OUTPUT_MAX], err[BS_OUTPUT_MAX]; /* the beginning of what it printed */
} bs_result;

/* argv[0]: path of the program. input: text for its standard input. It gets this environment
 * without Beamcast's secrets, and with `extra` ("NAME=value", or NULL). After `seconds` it is
 * ended: BEAMCAST_ERR_TIMEOUT. */
int bs_run_program(char *const argv[], const char *input, const char *extra, double seconds,
                   bs_result *result, beamcast_error *error);

/* The same without input, but for one byte that it gets once `heard` has liked the first line that
 * it printed. Its input ends after that, or when this process is killed. */
typedef bool (*bs_heard)(void *context, const char *line);
int bs_run_and_confirm(char *const argv[], double seconds, bs_heard heard, void *context,
                       bs_result *result, beamcast_error *error);

/* The same without input, for a program that ends once it has left another in the background, which
 * may keep its outputs. */
int bs_run_to_background(char *const argv[], const char *extra, double seconds, bs_result *result,
                         beamcast_error *error);

/* The last line of a text that says something: programs end with their reason. */
void bs_last_line(const char *text, char *line, size_t size);

/* Appends a blank and the word, quoted for sh; false if that does not fit. */
bool bs_append_quoted(char *to, size_t size, const char *word);

#endif
