/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What goes to the other machine's shell is quoted word by word. Tokens come back on ssh's output
 * and are never on a command line.
 */
#include "ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "names.h"
#include "paraview_entry.h"
#include "run.h"

enum { TUNNEL_TRIES = 5, WORDS_MAX = 4 * BEAMCAST_SESSION_PATH_MAX, END_SECONDS = 20 };
static const double answer_seconds = 60, start_seconds = 60;

/* --- ssh ------------------------------------------------------------------------------------- */

/* ssh would take a login that begins with - for an option, and hands it to shells of its own. */
static int check_login(const char *login, beamcast_error *error) {
  size_t length = strspn(login, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-@:/[]%+");
  if (length == 0 || login[length] != '\0' || login[0] == '-' || length >= 256) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "\"%.100s\" is no machine that ssh could log in to: write HOST or "
                         "USER@HOST",
                         login);
  }
  return BEAMCAST_OK;
}

static int find_ssh(char *path, size_t size, beamcast_error *error) {
  const char *given = getenv("BEAMCAST_SSH");
  bool found = given != NULL && given[0] != '\0' ? bs_join(path, size, "%s", given)
                                                 : bs_find_program("ssh", path, size);
  return found ? BEAMCAST_OK
               : beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                               "the program ssh is missing: install openssh-client");
}

/* The command line up to the command; its words belong to the caller. */
typedef struct ssh_line {
  char program[BEAMCAST_SESSION_PATH_MAX], login[256];
  char *argv[24];
} ssh_line;

static int make_line(ssh_line *line, const char *login, const char *const options[], char *command,
                     beamcast_error *error) {
  static const char *const always[] = {"-x", "-o", "ConnectTimeout=30", "-o",
                                       "ServerAliveInterval=15"};
  size_t count = 1;
  int code = check_login(login, error);
  code = code == BEAMCAST_OK ? find_ssh(line->program, sizeof line->program, error) : code;
  (void)snprintf(line->login, sizeof line->login, "%s", login);
  line->argv[0] = line->program;
  for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
    line->argv[count++] = (char *)(uintptr_t)always[i];
  }
  for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
    line->argv[count++] = (char *)(uintptr_t)options[i];
  }
  line->argv[count++] = (char *)(uintptr_t) "--";
  line->argv[count++] = line->login;
  line->argv[count++] = command; /* NULL: none */
  line->argv[count] = NULL;
  return code;
}

/* Begins a command for the other machine: `beamcast` there, or what $BEAMCAST_REMOTE names. */
static bool begin_command(char *command, size_t size, const char *verb) {
  const char *given = getenv("BEAMCAST_REMOTE");
  command[0] = '\0';
  return bs_append_quoted(command, size, given != NULL && given[0] != '\0' ? given : "beamcast") &&
         bs_append_quoted(command, size, verb);
}

/* What a command that failed there means. */
static int explain(const char *login, const bs_result *result, beamcast_error *error) {
  char line[320];
  bs_last_line(result->err, line, sizeof line);
  if (result->status == 255) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "%s can't be reached by ssh: %.250s",
                         login, line);
  }
  if (result->status == 127 || result->status == 126) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "there is no command `beamcast` on %s: install it there, or name its path "
                         "in BEAMCAST_REMOTE",
                         login);
  }
  bool ours = strncmp(line, "beamcast: ", 10) == 0;
  return beamcast_fail(error, BEAMCAST_ERR_REFUSED, "%s says: %.250s", login,
                       ours ? line + 10 : line);
}

/* --- what is heard from there ---------------------------------------------------------------- */

static void take_text(char *to, size_t size, const json_t *from, const char *key) {
  const char *text = json_string_value(json_object_get(from, key));
  (void)snprintf(to, size, "%s", text ? text : "");
}

/* Seconds of a time that `beamcast --json` has printed; 0 for none. */
static int64_t read_time(const json_t *json) {
  struct tm utc = {0};
  const char *text = json_string_value(json);
  const char *end = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc) : NULL;
  return end != NULL ? (int64_t)timegm(&utc) : 0;
}

static int port_of(const char *address) {
  const char *colon = strrchr(address, ':');
  long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
  return port > 0 && port < 65536 ? (int)port : 0;
}

/* Where a port is as seen from the login machine. port 0: there is none. */
typedef struct far_end {
  char host[256];
  int port;
} far_end;

enum { CONTACT_END, PARAVIEW_END, PAGE_END, ENDS };

typedef struct far_state {
  far_end ends[ENDS];
  char token[128];     /* of the contact; "" while it does not run */
  char connect_id[16]; /* for ParaView clients; "" if there is none */
  char page[300];      /* what follows host and port in the page's address */
} far_state;

/* http://HOST:PORT/REST */
static void take_page(far_state *far, const char *url) {
  const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
  size_t length = host != NULL ? strcspn(host, ":/") : 0;
  if (length == 0 || length >= sizeof far->ends[0].host || host[length] != ':') {
    return;
  }
  far_end *end = &far->ends[PAGE_END];
  (void)snprintf(end->host, sizeof end->host, "%.*s", (int)length, host);
  end->port = (int)strtol(host + length + 1, NULL, 10);
  const char *rest = strchr(host, '/');
  (void)snprintf(far->page, sizeof far->page, "%s", rest != NULL ? rest : "/");
}

/* Reads the line of `start` or `status --from-afar` into record and far; false if it is none. */
static bool take_state(bs_record *record, far_state *far, const char *line) {
  json_t *json = json_loads(line, 0, NULL);
  beamcast_session_info *info = &record->info;
  char state[32], url[300], paraview[300];
  memset(far, 0, sizeof *far);
  take_text(state, sizeof state, json, "state");
  info->state = bs_state_of_name(state);
  take_text(record->far_id, sizeof record->far_id, json, "id");
  take_text(info->reason, sizeof info->reason, json, "reason");
  take_text(info->host, sizeof info->host, json, "host");
  take_text(info->slurm_job, sizeof info->slurm_job, json, "slurm_job");
  take_text(info->estimate, sizeof info->estimate, json, "estimate");
  (void)snprintf(info->log, sizeof info->log, "%s:%.700s", record->login,
                 json_string_value(json_object_get(json, "log"))
                     ? json_string_value(json_object_get(json, "log"))
                     : "");
  info->ranks = (int)json_integer_value(json_object_get(json, "ranks"));
  info->start_time = read_time(json_object_get(json, "start_time"));
  const json_t *secrets = json_object_get(json, "secrets"), *contact;
  contact = json_object_get(secrets, "contact");
  take_text(far->ends[CONTACT_END].host, sizeof far->ends[0].host, contact, "host");
  far->ends[CONTACT_END].port = (int)json_integer_value(json_object_get(contact, "port"));
  take_text(far->token, sizeof far->token, contact, "token");
  take_text(far->connect_id, sizeof far->connect_id, secrets, "connect_id");
  take_text(paraview, sizeof paraview, json, "paraview");
  if (json_is_true(json_object_get(secrets, "on_login"))) { /* else no loopback that we reach */
    (void)snprintf(far->ends[PARAVIEW_END].host, sizeof far->ends[0].host, "localhost");
    far->ends[PARAVIEW_END].port = port_of(paraview);
  }
  take_text(url, sizeof url, json, "url");
  take_page(far, url);
  json_decref(json);
  return info->state != 0 && record->far_id[0] != '\0';
}

/* --- the tunnel ------------------------------------------------------------------------------ */

int bs_free_port(void) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof here;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port = fd >= 0 && bind(fd, (struct sockaddr *)&here, sizeof here) == 0 &&
                     getsockname(fd, (struct sockaddr *)&here, &size) == 0
                 ? ntohs(here.sin_port)
                 : 0;
  if (fd >= 0) {
    (void)close(fd);
  }
  return port;
}

/* Whether a connection to there is shared (ControlMaster) and open: with no new login it forwards
 * ports, too. */
static bool is_shared(const char *login) {
  const char *const options[] = {"-O", "check", NULL};
  ssh_line line;
  bs_result result;
  return make_line(&line, login, options, NULL, NULL) == BEAMCAST_OK &&
         bs_run_program(line.argv, "", NULL, answer_seconds, &result, NULL) == BEAMCAST_OK &&
         result.status == 0;
}

/* What runs there beside the forwarding. Where a connection has had no session (ssh -N) sshd holds
 * small packets back until what went before is acknowledged: what ParaView says in two pieces would
 * take two round trips. It ends with its terminal, which goes with the connection; where it was
 * given none, within a minute. */
static char beside[] = "exec sh -c 'while kill -0 $PPID; do sleep 60; done'";

/* Runs ssh, which goes into the background once it listens here. */
static int try_tunnel(const bs_record *record, const far_state *far, bs_result *result,
                      beamcast_error *error) {
  bool shared = is_shared(record->login); /* that one has had sessions */
  const char *options[16] = {"-f", shared ? "-N" : "-tt", "-o", "ExitOnForwardFailure=yes"};
  char forwards[ENDS][320], mark[64];
  size_t count = 4;
  ssh_line line;
  if (!shared) { /* a program that shares one does not go into the background with a command */
    options[count++] = "-o";
    options[count++] = "ControlPath=none";
  }
  for (int i = 0; i < ENDS; i++) {
    if (far->ends[i].port > 0) {
      bool v6 = strchr(far->ends[i].host, ':') != NULL;
      (void)snprintf(forwards[i], sizeof forwards[i], "127.0.0.1:%d:%s%s%s:%d", record->near[i],
                     v6 ? "[" : "", far->ends[i].host, v6 ? "]" : "", far->ends[i].port);
      options[count++] = "-L";
      options[count++] = forwards[i];
    }
  }
  (void)snprintf(mark, sizeof mark, "BEAMCAST_SESSION=%s", record->info.id);
  int code = make_line(&line, record->login, options, shared ? NULL : beside, error);
  return code == BEAMCAST_OK ? bs_run_to_background(line.argv, mark, answer_seconds, result, error)
                             : code;
}

/* Opens the tunnel, at the ports of last time where they are free. */
static int open_tunnel(bs_record *record, const far_state *far, beamcast_error *error) {
  bs_result result;
  int code = BEAMCAST_OK;
  for (int attempt = 0; attempt < TUNNEL_TRIES && code == BEAMCAST_OK; attempt++) {
    for (int i = 0; i < ENDS; i++) {
      record->near[i] = far->ends[i].port == 0                ? 0
                        : record->near[i] == 0 || attempt > 0 ? bs_free_port()
                                                              : record->near[i];
    }
    code = try_tunnel(record, far, &result, error);
    if (code == BEAMCAST_OK && result.status == 0) {
      return BEAMCAST_OK;
    }
  }
  return code == BEAMCAST_OK ? explain(record->login, &result, error) : code;
}

static int close_tunnel(const char *id, beamcast_error *error) {
  double deadline = bs_now() + END_SECONDS;
  while (bs_signal_marked("BEAMCAST_SESSION", id, SIGTERM) > 0) {
    if (bs_now() > deadline) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "the ssh of session %s does not end", id);
    }
    bs_sleep_ms(50);
  }
  return BEAMCAST_OK;
}

static int write_contact(const bs_record *record, const far_state *far, beamcast_error *error) {
  json_t *json = json_pack("{s:i, s:s, s:i, s:s}", "beamcast", 1, "host", "127.0.0.1", "port",
                           record->near[CONTACT_END], "token", far->token);
  int code = json != NULL ? bs_write_json(record->info.contact, json, error)
                          : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  json_decref(json);
  return code;
}

/* It runs there: sees that its ports are here, too. */
static int bring_near(bs_record *record, const char *folder, const far_state *far,
                      beamcast_error *error) {
  beamcast_session_info *info = &record->info;
  if (far->token[0] == '\0') { /* the contact file is the first that goes */
    info->state = BEAMCAST_SESSION_STARTING;
    (void)snprintf(info->reason, sizeof info->reason, "it has no contact: it is about to end");
    return BEAMCAST_OK;
  }
  int code = BEAMCAST_OK;
  if (bs_signal_marked("BEAMCAST_SESSION", info->id, 0) == 0 || access(info->contact, F_OK) != 0) {
    code = close_tunnel(info->id, error);
    code = code == BEAMCAST_OK ? open_tunnel(record, far, error) : code;
    code = code == BEAMCAST_OK ? write_contact(record, far, error) : code;
    record->port = record->near[PARAVIEW_END];
    if (code == BEAMCAST_OK && record->port > 0 && far->connect_id[0] != '\0') {
      code = bs_write_file(info->connect_id_file, far->connect_id, strlen(far->connect_id), error);
      bs_add_paraview_entry(record, far->connect_id);
    }
  }
  if (record->port > 0) {
    (void)snprintf(info->paraview, sizeof info->paraview, "cs://localhost:%d", record->port);
  }
  if (record->near[PAGE_END] > 0) {
    (void)snprintf(info->url, sizeof info->url, "http://127.0.0.1:%d%.250s", record->near[PAGE_END],
                   far->page);
  }
  return code == BEAMCAST_OK ? bs_record_write(record, folder, error) : code;
}

/* One program at a time opens a session's tunnel. -1 if the folder is gone. */
static int lock_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
  return fd;
}

/* --- start ----------------------------------------------------------------------------------- */

static bool start_command(char *command, size_t size, const bs_record *record,
                          const beamcast_start_options *o) {
  char number[5][80], *slurm = NULL;
  (void)snprintf(number[0], sizeof number[0], "--ranks=%d", o->ranks);
  (void)snprintf(number[1], sizeof number[1], "--idle=%.9g", record->idle_minutes);
  (void)snprintf(number[2], sizeof number[2], "--size=%llu,%llu,%llu",
                 (unsigned long long)o->size[0], (unsigned long long)o->size[1],
                 (unsigned long long)o->size[2]);
  (void)snprintf(number[3], sizeof number[3], "--keep=%d", o->keep);
  (void)snprintf(number[4], sizeof number[4], "--slots=%d", o->slots);
  if (o->slurm != NULL && asprintf(&slurm, "--slurm=%s", o->slurm) < 0) {
    return false;
  }
  bool fits =
      begin_command(command, size, "start") && bs_append_quoted(command, size, "--from-afar") &&
      bs_append_quoted(command, size, number[1]) &&
      (o->ranks == 0 || bs_append_quoted(command, size, number[0])) &&
      (o->size[0] == 0 || bs_append_quoted(command, size, number[2])) &&
      (!record->paraview || bs_append_quoted(command, size, "--paraview")) &&
      (o->keep == 0 || bs_append_quoted(command, size, number[3])) &&
      (o->slots == 0 || bs_append_quoted(command, size, number[4])) &&
      (!record->web || bs_append_quoted(command, size, "--web")) &&
      (slurm == NULL || bs_append_quoted(command, size, slurm)) &&
      (o->type == 0 || (bs_append_quoted(command, size, "--type") &&
                        bs_append_quoted(command, size, beamcast_type_name(o->type)))) &&
      (o->script == NULL ||
       (bs_append_quoted(command, size, "--script") && bs_append_quoted(command, size, o->script)));
  free(slurm);
  return fits;
}

typedef struct arrival {
  bs_record *record;
  far_state far;
  const char *folder;
  int lock; /* on the folder, -1: there is none yet */
  beamcast_error *error;
  int code;
} arrival;

/* The session is known there: once it is known here it may stay. The folder is made now, so that a
 * start that is killed leaves none. */
static bool note_arrival(void *context, const char *line) {
  arrival *a = context;
  if (!take_state(a->record, &a->far, line)) {
    a->code = beamcast_fail(a->error, BEAMCAST_ERR_PROTOCOL,
                            "what `beamcast start` on %s answers makes no sense: is it of another "
                            "version?",
                            a->record->login);
  } else {
    a->code = bs_make_session_folder(a->folder, a->record->info.name, a->error);
    if (a->code == BEAMCAST_OK) {
      a->lock = lock_folder(a->folder);
      a->code = bs_record_write(a->record, a->folder, a->error);
    }
  }
  return a->code == BEAMCAST_OK;
}

static int start_there(bs_record *record, const beamcast_start_options *o, arrival *a,
                       beamcast_error *error) {
  char command[WORDS_MAX];
  ssh_line line;
  bs_result result;
  if (!start_command(command, sizeof command, record, o)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the options are too long");
  }
  double limit = (o->time_limit > 0 ? o->time_limit : 120) + start_seconds;
  int code = make_line(&line, record->login, NULL, command, error);
  code = code == BEAMCAST_OK ? bs_run_and_confirm(line.argv, limit, note_arrival, a, &result, error)
                             : code;
  if (code == BEAMCAST_OK) { /* what we did not like ended there, too */
    code = a->code != BEAMCAST_OK ? a->code
           : result.status != 0   ? explain(record->login, &result, error)
                                  : BEAMCAST_OK;
  }
  if (code == BEAMCAST_OK && record->info.state == BEAMCAST_SESSION_RUNNING) {
    code = bring_near(record, a->folder, &a->far, error);
    if (code != BEAMCAST_OK) {
      (void)bs_ssh_stop(record, NULL);
    }
  }
  return code;
}

int bs_ssh_start(bs_record *record, const beamcast_start_options *options, beamcast_error *error) {
  char folder[BEAMCAST_SESSION_PATH_MAX];
  arrival a = {.record = record, .folder = folder, .lock = -1, .error = error};
  int code = check_login(options->host, error);
  code =
      code == BEAMCAST_OK ? bs_session_folder(record->info.id, folder, sizeof folder, error) : code;
  if (code != BEAMCAST_OK) {
    return code;
  }
  (void)snprintf(record->login, sizeof record->login, "%s", options->host);
  record->info.created = (int64_t)time(NULL);
  bs_record_paths(record, folder);
  code = start_there(record, options, &a, error);
  if (code != BEAMCAST_OK && a.lock >= 0) {
    bs_remove_paraview_entry(record->info.id);
    bs_remove_folder(folder);
  }
  bs_unlock(a.lock);
  return code;
}

/* --- status, stop ---------------------------------------------------------------------------- */

static int ask(bs_record *record, const char *verb, bool tell_all, bs_result *result,
               beamcast_error *error) {
  char command[WORDS_MAX];
  ssh_line line;
  if (!begin_command(command, sizeof command, verb) ||
      !bs_append_quoted(command, sizeof command, record->far_id) ||
      (tell_all && !bs_append_quoted(command, sizeof command, "--from-afar"))) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the options are too long");
  }
  int code = make_line(&line, record->login, NULL, command, error);
  return code == BEAMCAST_OK ? bs_run_program(line.argv, "", NULL, answer_seconds, result, error)
                             : code;
}

int bs_ssh_status(bs_record *record, const char *folder, beamcast_error *error) {
  beamcast_session_info *info = &record->info;
  far_state far;
  bs_result result;
  int code = ask(record, "status", true, &result, error);
  if (code == BEAMCAST_OK && result.status == 1 &&
      strstr(result.err, "there is no session") != NULL) {
    info->state = BEAMCAST_SESSION_ENDED;
    (void)snprintf(info->reason, sizeof info->reason, "it was stopped on %.200s", record->login);
    return close_tunnel(info->id, error);
  }
  if (code == BEAMCAST_OK && result.status != 0) {
    code = explain(record->login, &result, error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  result.out[strcspn(result.out, "\n")] = '\0';
  if (!take_state(record, &far, result.out)) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL,
                         "what `beamcast status` on %s answers makes no sense", record->login);
  }
  if (info->state == BEAMCAST_SESSION_RUNNING) {
    int lock = lock_folder(folder);
    code = lock >= 0 ? bring_near(record, folder, &far, error)
                     : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "session %s is gone", info->id);
    bs_unlock(lock);
  } else if (info->state != BEAMCAST_SESSION_PENDING && info->state != BEAMCAST_SESSION_STARTING) {
    code = close_tunnel(info->id, error);
  }
  return code;
}

int bs_ssh_stop(const bs_record *record, beamcast_error *error) {
  bs_record there = *record;
  bs_result result;
  int code = BEAMCAST_OK;
  if (record->far_id[0] != '\0') {
    code = ask(&there, "stop", false, &result, error);
    if (code == BEAMCAST_OK && result.status != 0) {
      code = explain(record->login, &result, error);
    }
  }
  int closed = close_tunnel(record->info.id, code == BEAMCAST_OK ? error : NULL);
  return code == BEAMCAST_OK ? closed : code;
}
