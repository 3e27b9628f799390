/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The `beamcast` command: finds the verb and hands it its arguments.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

static const char help[] =
    "Usage: beamcast VERB [ARGUMENTS]       (beamcast VERB --help says more)\n"
    "Volumes from memory and files into a parallel ParaView server.\n"
    "\n"
    "  start     start a server, here or as a Slurm job\n"
    "  status    how the sessions are\n"
    "  stop      end a session\n"
    "  connect-back  have a session connect to a ParaView client that listens\n"
    "  push      show a volume from a file\n"
    "  open      have the viewer read a file that it can reach\n"
    "  screenshot  a picture of what is shown\n"
    "  set       how it is shown: kernel and its parameters, colours, camera\n"
    "  retrieve  get what is shown back, into a file\n"
    "  contact   make a contact that may only push, or only view\n"
    "  info      what volumes a file holds\n"
    "\n"
    "Every verb knows --json: one JSON object on standard output, messages on standard error.\n"
    "A CONTACT is a session's id or name, or a contact file. For --to and --from one may write\n"
    "--session.\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "  beamcast start --ranks 2\n"
    "  beamcast push scan.npy --to CONTACT\n"
    "  beamcast screenshot --from CONTACT -o scan.png\n";

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
} verbs[] = {{"start", verb_start},     {"status", verb_status},
             {"stop", verb_stop},       {"connect-back", verb_connect_back},
             {"push", verb_push},       {"retrieve", verb_retrieve},
             {"contact", verb_contact}, {"info", verb_info},
             {"open", verb_open},       {"screenshot", verb_screenshot},
             {"set", verb_set}};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

/* --- messages -------------------------------------------------------------------------------- */

int say_failed(const char *format, ...) {
  va_list arguments;
  (void)fputs("beamcast: ", stderr);
  va_start(arguments, format);
  (void)vfprintf(stderr, format, arguments);
  va_end(arguments);
  (void)fputc('\n', stderr);
  return FAILED;
}

int say_error(const beamcast_error *error) {
  return say_failed("%s", error->message);
}

int say_wrong(const char *verb, const char *format, ...) {
  va_list arguments;
  (void)fprintf(stderr, "beamcast %s: ", verb);
  va_start(arguments, format);
  (void)vfprintf(stderr, format, arguments);
  va_end(arguments);
  (void)fprintf(stderr, "; see `beamcast %s --help`\n", verb);
  return WRONG_USAGE;
}

int print_json(json_t *json) {
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  bool good = text != NULL && puts(text) >= 0 && fflush(stdout) == 0;
  free(text);
  json_decref(json);
  return good ? DONE : say_failed("the result could not be printed");
}

int give_to_folder_group(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL   ? strdup(".")
                 : slash == path ? strdup("/")
                                 : strndup(path, (size_t)(slash - path));
  struct stat file, above;
  bool good = folder != NULL && stat(folder, &above) == 0 && stat(path, &file) == 0 &&
              chown(path, (uid_t)-1, above.st_gid) == 0 &&
              chmod(path, (file.st_mode & 0777) | S_IRGRP) == 0;
  free(folder);
  return good ? DONE : say_failed("%s can't be given to its folder's group: %m", path);
}

/* --- verbs ----------------------------------------------------------------------------------- */

/* The number of letters to change, add or take away, to make one word of the other. */
static size_t distance(const char *a, const char *b) {
  size_t row[32], length = strlen(b);
  if (length >= 32) {
    return 99;
  }
  for (size_t j = 0; j <= length; j++) {
    row[j] = j;
  }
  for (size_t i = 1; a[i - 1] != '\0'; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= length; j++) {
      size_t best = corner + (a[i - 1] != b[j - 1]);
      best = row[j] + 1 < best ? row[j] + 1 : best;
      best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
      corner = row[j];
      row[j] = best;
    }
  }
  return row[length];
}

static int say_unknown(const char *given) {
  size_t best = 0;
  for (size_t i = 1; i < VERBS; i++) {
    best = distance(given, verbs[i].name) < distance(given, verbs[best].name) ? i : best;
  }
  if (distance(given, verbs[best].name) <= 2) {
    (void)fprintf(stderr, "beamcast: there is no verb \"%s\"; did you mean `beamcast %s`?\n", given,
                  verbs[best].name);
  } else {
    (void)fprintf(stderr, "beamcast: there is no verb \"%s\"; `beamcast --help` lists them\n",
                  given);
  }
  return WRONG_USAGE;
}

/* The verb first. */
static int run_verb(int argc, char **argv) {
  for (size_t i = 0; i < VERBS; i++) {
    if (strcmp(argv[0], verbs[i].name) == 0) {
      return verbs[i].run(argc, argv);
    }
  }
  return say_unknown(argv[0]);
}

/* beamcast help VERB */
static int help_on(char *verb) {
  return run_verb(2, (char *[]){verb, (char[]){"--help"}, NULL});
}

int main(int argc, char **argv) {
  (void)signal(SIGPIPE, SIG_IGN);
  if (argc < 2) {
    (void)fputs(help, stderr);
    return WRONG_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    return argc > 2 ? help_on(argv[2]) : fputs(help, stdout) >= 0 ? DONE : FAILED;
  }
  if (strcmp(argv[1], "--version") == 0) {
    return printf("beamcast %s\n", beamcast_version()) > 0 ? DONE : FAILED;
  }
  return run_verb(argc - 1, argv + 1);
}
