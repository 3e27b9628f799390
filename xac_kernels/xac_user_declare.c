/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a kernel file declares: its parameters, and what it uses.
 */
#include <errno.h>
#include <stdlib.h>

#include "xac_user.h"

enum { SOURCE_MAX = 1 << 20 };

char *xac_user_read(const char *path, beamcast_error *error) {
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_IO, "kernel file %s: %s", path, strerror(errno));
    return NULL;
  }
  char *text = malloc(SOURCE_MAX + 1);
  size_t size = text ? fread(text, 1, SOURCE_MAX + 1, file) : 0;
  int failed = text == NULL || ferror(file);
  (void)fclose(file);
  if (failed || size > SOURCE_MAX) {
    free(text);
    beamcast_fail(error, BEAMCAST_ERR_IO, "kernel file %s can't be read, or is larger than 1 MiB",
                  path);
    return NULL;
  }
  text[size] = 0;
  return text;
}

/* Overwrites comments with blanks, so that a word in one declares nothing. */
static void blank_comments(char *text) {
  for (char *c = text; *c; c++) {
    if (*c == '"') {
      for (c++; *c && *c != '"' && *c != '\n'; c++) {
        c += *c == '\\' && c[1];
      }
      if (*c == 0) {
        return;
      }
    } else if (c[0] == '/' && c[1] == '/') {
      for (; *c && *c != '\n'; c++) {
        *c = ' ';
      }
      if (*c == 0) {
        return;
      }
    } else if (c[0] == '/' && c[1] == '*') {
      for (; *c && !(c[0] == '*' && c[1] == '/'); c++) {
        *c = *c == '\n' ? '\n' : ' ';
      }
      if (*c == 0) {
        return;
      }
      c[0] = c[1] = ' ';
    }
  }
}

static int line_of(const char *text, const char *at) {
  int line = 1;
  for (; text < at; text++) {
    line += *text == '\n';
  }
  return line;
}

static int sane_parameter(const xac_parameter *p) {
  return (strcmp(p->type, "float") == 0 || strcmp(p->type, "int") == 0) &&
         p->minimum <= p->maximum && p->value >= p->minimum && p->value <= p->maximum;
}

int xac_user_parse(const char *path, char *text, xac_user *user, beamcast_error *error) {
  blank_comments(text);
  user->bits = XAC_USER;
  user->bits |= strstr(text, "XAC_USES_LIGHT") ? XAC_SCATTER : 0;
  user->bits |= strstr(text, "XAC_USES_OPENNESS") ? XAC_OCCLUSION : 0;
  user->everywhere = strstr(text, "XAC_EVERYWHERE") != NULL;
  user->count = 0;
  for (const char *at = text; (at = strstr(at, "XAC_PARAMETER")) != NULL; at++) {
    xac_parameter p;
    memset(&p, 0, sizeof p);
    if (user->count == XAC_PARAMETERS_MAX) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s:%d: more than %d parameters", path,
                           line_of(text, at), XAC_PARAMETERS_MAX);
    }
    int got =
        sscanf(at, "XAC_PARAMETER ( %7[a-z] , %31[A-Za-z0-9_] , %lf , %lf , %lf , \"%127[^\"]\"",
               p.type, p.name, &p.minimum, &p.maximum, &p.value, p.help);
    if (got != 6 || !sane_parameter(&p)) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "%s:%d: a parameter is declared as XAC_PARAMETER(float or int, name, "
                           "least, greatest, default, \"help\"), the default between the two",
                           path, line_of(text, at));
    }
    user->parameters[user->count++] = p;
  }
  return BEAMCAST_OK;
}

/* Each parameter's place, for XAC_GET. */
size_t xac_user_parameters_text(const xac_user *user, char text[XAC_PARAMETERS_TEXT]) {
  size_t size = XAC_PARAMETERS_TEXT;
  size_t used = (size_t)snprintf(text, size, "enum { XAC_INDEX_COUNT = 0");
  for (int i = 0; i < user->count; i++) {
    used += (size_t)snprintf(text + used, size - used, ", XAC_INDEX_%s = %d",
                             user->parameters[i].name, i);
  }
  return used + (size_t)snprintf(text + used, size - used, " };\n");
}

int xac_user_declared(const char *path, xac_parameter *parameters, int *kernel_bits,
                      beamcast_error *error) {
  xac_user user;
  memset(&user, 0, sizeof user);
  char *text = xac_user_read(path, error);
  int code = text ? xac_user_parse(path, text, &user, error) : -1;
  free(text);
  if (code != BEAMCAST_OK) {
    return -1;
  }
  memcpy(parameters, user.parameters, sizeof user.parameters);
  if (kernel_bits) {
    *kernel_bits = user.bits;
  }
  return user.count;
}
