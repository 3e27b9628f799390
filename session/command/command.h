/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the verbs of the `beamcast` command share. Results go to standard output, messages to
 * standard error. A verb returns the exit status: 0 done, 1 failed, 2 wrong usage.
 */
#ifndef BEAMCAST_COMMAND_H
#define BEAMCAST_COMMAND_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

#include "beamcast_session.h"

enum { DONE = 0, FAILED = 1, WRONG_USAGE = 2 };

/* Each gets its own arguments, its name first. */
int verb_start(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_stop(int argc, char **argv);
int verb_push(int argc, char **argv);
int verb_retrieve(int argc, char **argv);
int verb_contact(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_open(int argc, char **argv);
int verb_screenshot(int argc, char **argv);

/* One line on standard error; returns FAILED or WRONG_USAGE. */
int say_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_error(const beamcast_error *error);
int say_wrong(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* getopt_long for a verb: -1 at the end, '?' after what was wrong has been said. Options may stand
 * after other arguments. */
int next_option(int argc, char **argv, const struct option *options);

/* The contact that a word on the command line stands for: a session's id becomes its contact file;
 * a file that is not there is said at once, while the library would wait for it. */
enum { CONTACT_LIMIT = 4096 };
int find_contact(const char *given, char path[CONTACT_LIMIT]);

bool read_number(const char *text, double low, double high, double *number);
bool read_whole(const char *text, long low, long high, int *number);

/* Prints the object in one line and frees it. */
int print_json(json_t *json);

/* Shows on a terminal how far a job is, 0 to 1; nothing elsewhere. done < 0 clears the line. */
void show_progress(const char *what, double done);

#endif
