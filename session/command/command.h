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
int verb_connect_back(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_stop(int argc, char **argv);
int verb_push(int argc, char **argv);
int verb_retrieve(int argc, char **argv);
int verb_contact(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_open(int argc, char **argv);
int verb_screenshot(int argc, char **argv);
int verb_set(int argc, char **argv);

/* One line on standard error; returns FAILED or WRONG_USAGE. */
int say_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_error(const beamcast_error *error);
int say_wrong(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- arguments.c ----------------------------------------------------------------------------- */

/* An option of a verb: --name VALUE, or a flag. */
typedef struct verb_option {
  const char *name; /* "output" is -o, too */
  bool (*read)(const char *text,
               void *to); /* false: it is no such value. NULL: a flag, to a bool */
  void *to;
  const char *wants; /* what a value is, for who has typed another; NULL where read takes all */
} verb_option;

/* Reads a verb's arguments: options up to the one without name, --help and --json. word: where the
 * one word goes that is no option, NULL if none was given; NULL: the verb has none. DONE,
 * WRONG_USAGE, or -1 when help was shown. Options may stand after the word. */
int read_verb(int argc, char **argv, const char *help, const verb_option *options, bool *json,
              const char **word);
/* The same for a verb with any number of such words. */
int read_words(int argc, char **argv, const char *help, const verb_option *options, bool *json,
               const char *const **words, int *count);
/* getopt_long for a verb with a loop of its own: -1 at the end, '?' after what was wrong has been
 * said. */
int next_option(int argc, char **argv, const struct option *options);

/* Values of options. */
bool read_text(const char *text, void *to);      /* const char * */
bool read_seconds(const char *text, void *to);   /* double */
bool read_voxels(const char *text, void *to);    /* uint64_t[3] from X,Y,Z or XxYxZ */
bool read_parameter(const char *text, void *to); /* json_t *, an object; set_verb.c */
extern const char a_number_of_seconds[], a_parameter[];
bool read_number(const char *text, double low, double high, double *number);
bool read_whole(const char *text, long low, long high, int *number);
/* count numbers with `separator` between them. */
bool read_list(const char *text, char separator, int count, double *numbers);

/* Seconds of a clock that nobody sets. */
double now(void);

/* --- the rest -------------------------------------------------------------------------------- */

/* The contact that a word on the command line stands for: a session's id becomes its contact file;
 * a file that is not there is said at once, while the library would wait for it. */
enum { CONTACT_LIMIT = 4096 };
int find_contact(const char *given, char path[CONTACT_LIMIT]);

/* Gives a file that was written the group of its folder, which may then read it. */
int give_to_folder_group(const char *path);

/* Prints the object in one line and frees it. */
int print_json(json_t *json);

/* --- progress.c: on standard error, where that is a terminal --------------------------------- */

/* Shows how far a job is, 0 to 1. done < 0 clears the line. */
void show_progress(const char *what, double done);
/* Around a call that does not tell how far it is: shows for how many seconds it has run. Whatever
 * is said comes after the end, which clears the line. */
void begin_waiting(const char *what);
void end_waiting(void);

#endif
