/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A session's server connects to a ParaView client that listens. Such a client proves nothing to
 * the server: whoever listens first would have the session. So the server calls on nobody by
 * itself; it is told to, by a program on the client's machine that has seen the user's own client
 * listen.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "interrupt.h"
#include "pictures.h"
#include "process.h"

static const double default_limit = 60;
enum { PAUSE_MS = 100, LISTENS = 0x0a };

/* Who listens at a port of this machine: -1 nobody, else the user's number. Source: proc(5), the
 * files net/tcp and net/tcp6. */
static long listener(int port) {
  static const char *const files[] = {"/proc/net/tcp", "/proc/net/tcp6"};
  long found = -1;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char line[512];
    FILE *file = fopen(files[i], "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
      unsigned here, state;
      long user;
      if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %ld", &here, &state, &user) == 3 &&
          state == LISTENS && here == (unsigned)port && found != (long)geteuid()) {
        found = user;
      }
    }
    if (file != NULL) {
      (void)fclose(file);
    }
  }
  return found;
}

static int await_client(int port, double deadline, beamcast_error *error) {
  for (;;) {
    long user = listener(port);
    if (user == (long)geteuid()) {
      return BEAMCAST_OK;
    }
    if (user >= 0) {
      return beamcast_fail(
          error, BEAMCAST_ERR_REFUSED,
          "port %d of this machine belongs to another user (%ld), who would get the "
          "session; have ParaView listen at another one",
          port, user);
    }
    if (bs_now() > deadline || bc_is_interrupted()) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                           "no ParaView client listens at port %d of this machine", port);
    }
    bs_sleep_ms(PAUSE_MS);
  }
}

int beamcast_connect_back(beamcast_session *session, const char *client, int port,
                          double time_limit, beamcast_error *error) {
  beamcast_session_info info;
  char host[256] = "", contact[BEAMCAST_SESSION_PATH_MAX], *answer = NULL;
  double limit = time_limit > 0 ? time_limit : default_limit, deadline = bs_now() + limit;
  int code = beamcast_status(session, &info, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  const char *colon = strrchr(info.client, ':');
  port = port == 0 && colon != NULL ? (int)strtol(colon + 1, NULL, 10) : port;
  if (port < 1 || port > 65535) {
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "at which port does the ParaView client listen? Name it, 1 to 65535 (--port)");
  }
  if (info.state == BEAMCAST_SESSION_RUNNING && info.paraview[0] == '\0') {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "session %s is a headless viewer, which no ParaView client can use: start "
                         "one with --paraview",
                         info.id);
  }
  if (info.login[0] != '\0') {
    return beamcast_fail(
        error, BEAMCAST_ERR_UNSUPPORTED,
        "a session over SSH can't connect to this machine: its own port comes here, "
        "see `beamcast status %s`",
        info.id);
  }
  code = client == NULL ? await_client(port, deadline, error) : BEAMCAST_OK;
  double left = deadline - bs_now();
  code = code == BEAMCAST_OK ? bs_contact_of(session, left > 1 ? left : 1, contact, error) : code;
  code = code == BEAMCAST_OK ? beamcast_status(session, &info, error) : code;
  if (code != BEAMCAST_OK) {
    return code;
  }
  (void)gethostname(host, sizeof host - 1);
  bool same = strcmp(host, info.host) == 0;
  size_t named = colon != NULL ? (size_t)(colon - info.client) : 0;
  if (client == NULL && !same && named > strlen("csrc://")) {
    (void)snprintf(host, sizeof host, "%.*s", (int)(named - 7), info.client + 7);
  }
  json_t *call = json_pack("{s:s, s:s, s:i}", "verb", "connect", "host",
                           client != NULL ? client
                           : same         ? "localhost"
                                          : host,
                           "port", port);
  char *text = call != NULL ? json_dumps(call, JSON_COMPACT) : NULL;
  json_decref(call);
  code = text != NULL ? beamcast_call_viewer(contact, text, limit, &answer, NULL, NULL, error)
                      : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the host's name is not UTF-8");
  free(answer);
  free(text);
  return code;
}
