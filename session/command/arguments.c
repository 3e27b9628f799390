/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words after a verb: options by a table, and at most one word that is none.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "command.h"

enum { OPTIONS_MAX = 24, HELP = 1, JSON, FIRST };

/* --- values ---------------------------------------------------------------------------------- */

bool read_number(const char *text, double low, double high, double *number) {
  char *end;
  *number = strtod(text, &end);
  return end != text && *end == '\0' && *number >= low && *number <= high;
}

bool read_whole(const char *text, long low, long high, int *number) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  *number = (int)value;
  return errno == 0 && end != text && *end == '\0' && value >= low && value <= high;
}

bool read_list(const char *text, char separator, int count, double *numbers) {
  char *end = (char *)(uintptr_t)text;
  for (int i = 0; i < count; i++) {
    const char *from = end;
    numbers[i] = strtod(from, &end);
    if (end == from || !(numbers[i] >= -1e300 && numbers[i] <= 1e300) ||
        *end != (i + 1 < count ? separator : '\0')) {
      return false;
    }
    end += i + 1 < count;
  }
  return true;
}

bool read_voxels(const char *text, void *to) {
  uint64_t *size = to;
  double numbers[3];
  bool good = read_list(text, ',', 3, numbers) || read_list(text, 'x', 3, numbers);
  for (int axis = 0; axis < 3 && good; axis++) {
    good = numbers[axis] >= 1 && numbers[axis] <= 1 << 20 && numbers[axis] == floor(numbers[axis]);
    size[axis] = good ? (uint64_t)numbers[axis] : 0;
  }
  return good;
}

bool read_text(const char *text, void *to) {
  *(const char **)to = text;
  return true;
}

bool read_seconds(const char *text, void *to) {
  return read_number(text, 0.1, 1e6, to);
}

const char a_number_of_seconds[] = "a number of seconds";

double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- options --------------------------------------------------------------------------------- */

int next_option(int argc, char **argv, const struct option *options) {
  opterr = 0;
  int at = optind > 0 ? optind : 1;
  int chosen = getopt_long(argc, argv, ":o:", options, NULL);
  if (chosen == ':') {
    (void)say_wrong(argv[0], "%s needs a value", argv[optind - 1]);
    return '?';
  }
  if (chosen == '?') {
    const char *given = optind > at && optind <= argc ? argv[optind - 1] : argv[at];
    (void)say_wrong(argv[0], "there is no option %s", given ? given : "");
  }
  return chosen;
}

static int take_option(const char *verb, const verb_option *option) {
  if (option->read == NULL) {
    *(bool *)option->to = true;
    return DONE;
  }
  return option->read(optarg, option->to)
             ? DONE
             : say_wrong(verb, "--%s is %s, not \"%s\"", option->name, option->wants, optarg);
}

/* The one of -o. */
static const verb_option *find_output(const verb_option *options) {
  while (options->name != NULL && strcmp(options->name, "output") != 0) {
    options++;
  }
  return options->name != NULL ? options : NULL;
}

int read_words(int argc, char **argv, const char *help, const verb_option *options, bool *json,
               const char *const **words, int *count) {
  struct option names[OPTIONS_MAX] = {{"help", no_argument, NULL, HELP},
                                      {"json", no_argument, NULL, JSON}};
  for (int i = 0; options[i].name != NULL && i + 3 < OPTIONS_MAX; i++) {
    names[i + 2] = (struct option){
        options[i].name, options[i].read ? required_argument : no_argument, NULL, FIRST + i};
  }
  for (int chosen = next_option(argc, argv, names); chosen != -1;
       chosen = next_option(argc, argv, names)) {
    if (chosen == HELP) {
      (void)fputs(help, stdout);
      return -1;
    }
    if (chosen == JSON) {
      *json = true;
      continue;
    }
    if (chosen == '?') {
      return WRONG_USAGE;
    }
    const verb_option *option = chosen == 'o' ? find_output(options) : &options[chosen - FIRST];
    int status =
        option != NULL ? take_option(argv[0], option) : say_wrong(argv[0], "there is no option -o");
    if (status != DONE) {
      return status;
    }
  }
  *words = (const char *const *)argv + optind;
  *count = argc - optind;
  return DONE;
}

int read_verb(int argc, char **argv, const char *help, const verb_option *options, bool *json,
              const char **word) {
  const char *const *words;
  int count, status = read_words(argc, argv, help, options, json, &words, &count);
  if (status != DONE) {
    return status;
  }
  if (count > (word != NULL ? 1 : 0)) {
    return say_wrong(argv[0], "\"%s\" is one word too many", words[count - 1]);
  }
  if (word != NULL) {
    *word = count > 0 ? words[0] : NULL;
  }
  return DONE;
}
