/* SPDX-License-Identifier: BSD-3-Clause
 *
 * start, status, stop.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

static const char start_help[] =
    "Usage: beamcast start [OPTIONS]\n"
    "Starts a parallel viewer that takes volumes and draws them, and waits until it runs. It\n"
    "outlives this shell; `beamcast stop ID` ends it.\n"
    "\n"
    "  --paraview          a server for ParaView clients instead, on localhost (from afar: an SSH\n"
    "                      tunnel); in a Slurm job it connects back to a client on this machine\n"
    "  --client HOST       connects back, to this machine by this name; none: does not\n"
    "  --web               with a web page\n"
    "  --script FILE[:...] runs Python scripts at each step; Beamcast's own by their names\n"
    "  --keep N            keeps N steps beside the newest, for `beamcast retrieve --step`\n"
    "  --slots N           memory for N steps beside those: shown, newest, arriving; 3. More when\n"
    "                      steps are dropped though the viewer is fast enough on the whole\n"
    "  --name NAME         what to call it: other verbs take the name where they take an ID\n"
    "  --ranks N           processes of the server; 1, or what --size needs\n"
    "  --idle MIN          ends by itself, unused for so many minutes; 60; 0: never\n"
    "  --slurm[=OPTIONS]   as a Slurm job; OPTIONS for sbatch, separated by blanks, such as\n"
    "                      --slurm=\"--partition=gpu --time=2:00:00\"; returns when it is queued\n"
    "  --size X,Y,Z        voxels that are going to come: what they need is estimated and said;\n"
    "                      refused where they do not fit, asked for as memory, tasks and GPUs\n"
    "                      in a Slurm job; steps of more bytes are refused later\n"
    "  --type T            their type: uint8, uint16, float32, ...; float32\n"
    "  --host LOGIN        on another machine, over SSH; the session's ports come to this one.\n"
    "                      $BEAMCAST_REMOTE: the path of `beamcast` there\n"
    "  --time-limit SEC    how long to wait until it runs; 120\n"
    "  --json              one JSON object: id, state, contact, paraview, url, start_time, ...\n";
static const char status_help[] = "Usage: beamcast status [ID] [--json]\n"
                                  "How a session is, or all of them: starting, pending, running, "
                                  "ended, crashed. ID: or its name.\n"
                                  "With it the address of its page has a fresh link.\n";
static const char stop_help[] = "Usage: beamcast stop ID [--json]\n"
                                "Ends a session, by its id or name, and removes what it left. Fine "
                                "for one that has ended already.\n";

static const char connect_back_help[] =
    "Usage: beamcast connect-back ID [OPTIONS]\n"
    "Has a session for ParaView clients connect to one that listens, where nodes of a cluster\n"
    "can't be connected to. ParaView calls it itself when the session is chosen in its Connect\n"
    "dialog; call it for a script that waits in simple.ReverseConnect(PORT).\n"
    "\n"
    "  --port N            where the client listens; as `status` says\n"
    "  --client HOST       it listens on another machine than this: the name for the server\n"
    "  --time-limit SEC    how long to wait for the client and for a queued session; 60\n";

enum {
  HELP = 1,
  JSON,
  PARAVIEW,
  RANKS,
  IDLE,
  SLURM,
  SIZE,
  TYPE,
  LIMIT,
  WEB,
  SCRIPT,
  HOST,
  KEEP,
  SLOTS,
  NAME,
  CLIENT,
  FROM_AFAR
};

/* How a session is told. */
typedef enum report_form { FOR_PEOPLE, AS_JSON, TO_AFAR } report_form;

static json_t *text_or_null(const char *text) {
  return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *time_or_null(int64_t seconds) {
  struct tm utc;
  time_t moment = (time_t)seconds;
  char text[64];
  if (seconds == 0 || gmtime_r(&moment, &utc) == NULL) {
    return json_null();
  }
  (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return json_string(text);
}

/* The port of "cs://host:port"; null where there is none. */
static json_t *port_or_null(const char *url) {
  const char *colon = strrchr(url, ':');
  return colon != NULL ? json_integer(strtol(colon + 1, NULL, 10)) : json_null();
}

static json_t *describe(const beamcast_session_info *info) {
  return json_pack(
      "{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:o}",
      "id", info->id, "name", text_or_null(info->name), "state",
      beamcast_session_state_name(info->state), "contact", text_or_null(info->contact), "paraview",
      text_or_null(info->paraview), "paraview_port", port_or_null(info->paraview), "url",
      text_or_null(info->url), "start_time", time_or_null(info->start_time), "reason",
      text_or_null(info->reason), "connect_id_file", text_or_null(info->connect_id_file), "log",
      info->log, "host", info->host, "slurm_job", text_or_null(info->slurm_job), "ranks",
      info->ranks, "login", text_or_null(info->login), "estimate", text_or_null(info->estimate),
      "client", text_or_null(info->client), "created", time_or_null(info->created));
}

/* What another machine of the user has to know: it comes over SSH, and nobody else sees it. */
static json_t *describe_secrets(const beamcast_session_info *info) {
  char host[256] = "", connect_id[16] = "";
  json_t *contact = info->contact[0] != '\0' ? json_load_file(info->contact, 0, NULL) : NULL;
  FILE *file = info->connect_id_file[0] != '\0' ? fopen(info->connect_id_file, "re") : NULL;
  if (file != NULL) {
    connect_id[0] = fgets(connect_id, sizeof connect_id, file) != NULL ? connect_id[0] : '\0';
    (void)fclose(file);
  }
  (void)gethostname(host, sizeof host - 1);
  return json_pack("{s:o, s:s, s:b}", "contact", contact != NULL ? contact : json_null(),
                   "connect_id", connect_id, "on_login", strcmp(host, info->host) == 0);
}

/* " since 2026-01-31 12:00:00"; nothing for no time. */
static void print_time(const char *what, int64_t seconds) {
  char moment[64] = "";
  time_t when = (time_t)seconds;
  struct tm local;
  if (seconds != 0 && localtime_r(&when, &local) != NULL) {
    (void)strftime(moment, sizeof moment, "%Y-%m-%d %H:%M:%S", &local);
    printf("%s %s", what, moment);
  }
}

static void print_session(const beamcast_session_info *info) {
  bool pending = info->state == BEAMCAST_SESSION_PENDING;
  printf("session   %s%s%s, %s", info->name, info->name[0] != '\0' ? ", id " : "", info->id,
         beamcast_session_state_name(info->state));
  const bool over =
      info->state == BEAMCAST_SESSION_ENDED || info->state == BEAMCAST_SESSION_CRASHED;
  print_time(over ? ", started" : " since", pending ? info->created : info->start_time);
  print_time(", expected to start", pending ? info->start_time : 0);
  printf("%s%s\n", info->reason[0] != '\0' ? ": " : "", info->reason);
  if (info->login[0] != '\0') {
    printf("by SSH    %s\n", info->login);
  }
  printf("on        %s, %d rank%s%s%s\n", info->host, info->ranks, info->ranks == 1 ? "" : "s",
         info->slurm_job[0] != '\0' ? ", Slurm job " : "", info->slurm_job);
  if (info->contact[0] != '\0') {
    printf("contact   %s\n", info->contact);
  }
  if (info->url[0] != '\0') {
    printf("page      %s\n", info->url);
  }
  if (info->paraview[0] != '\0') {
    printf("ParaView  %s, connect id in %s\n", info->paraview, info->connect_id_file);
  }
  if (info->client[0] != '\0') {
    printf("%s it connects to a client that listens at %s\n",
           info->paraview[0] != '\0' ? "          or" : "ParaView ", info->client);
  }
  if (info->paraview[0] != '\0' || info->client[0] != '\0') {
    printf("          in the Connect dialog it is \"Beamcast %s\"\n", info->id);
  }
  printf("log       %s\n", info->log);
  if (info->estimate[0] != '\0') {
    printf("needs     %s\n", info->estimate);
  }
}

static int report(const beamcast_session_info *info, report_form form) {
  if (form != FOR_PEOPLE) {
    json_t *json = describe(info);
    if (form == TO_AFAR) {
      (void)json_object_set_new(json, "secrets", describe_secrets(info));
    }
    return print_json(json);
  }
  print_session(info);
  return fflush(stdout) == 0 ? DONE : FAILED;
}

/* --- start ----------------------------------------------------------------------------------- */

static int read_start(int argc, char **argv, beamcast_start_options *o, report_form *form) {
  static const struct option names[] = {{"help", no_argument, NULL, HELP},
                                        {"json", no_argument, NULL, JSON},
                                        {"paraview", no_argument, NULL, PARAVIEW},
                                        {"ranks", required_argument, NULL, RANKS},
                                        {"idle", required_argument, NULL, IDLE},
                                        {"slurm", optional_argument, NULL, SLURM},
                                        {"size", required_argument, NULL, SIZE},
                                        {"type", required_argument, NULL, TYPE},
                                        {"time-limit", required_argument, NULL, LIMIT},
                                        {"web", no_argument, NULL, WEB},
                                        {"script", required_argument, NULL, SCRIPT},
                                        {"host", required_argument, NULL, HOST},
                                        {"keep", required_argument, NULL, KEEP},
                                        {"slots", required_argument, NULL, SLOTS},
                                        {"name", required_argument, NULL, NAME},
                                        {"client", required_argument, NULL, CLIENT},
                                        {"from-afar", no_argument, NULL, FROM_AFAR},
                                        {NULL, 0, NULL, 0}};
  for (int chosen = next_option(argc, argv, names); chosen != -1;
       chosen = next_option(argc, argv, names)) {
    switch (chosen) {
    case HELP:
      (void)fputs(start_help, stdout);
      return -1;
    case JSON:
      *form = AS_JSON;
      break;
    case FROM_AFAR:
      *form = TO_AFAR;
      break;
    case HOST:
      o->host = optarg;
      break;
    case PARAVIEW:
      o->paraview = 1;
      break;
    case RANKS:
      if (!read_whole(optarg, 1, 4096, &o->ranks)) {
        return say_wrong(argv[0], "--ranks is a number from 1 to 4096, not \"%s\"", optarg);
      }
      break;
    case IDLE:
      if (!read_number(optarg, 0, 1e6, &o->idle_minutes)) {
        return say_wrong(argv[0], "--idle is a number of minutes, 0 for never, not \"%s\"", optarg);
      }
      o->idle_minutes = o->idle_minutes == 0 ? -1 : o->idle_minutes;
      break;
    case SLURM:
      o->slurm = optarg != NULL ? optarg : "";
      break;
    case SIZE:
      if (!read_voxels(optarg, o->size)) {
        return say_wrong(argv[0], "--size is X,Y,Z in voxels, not \"%s\"", optarg);
      }
      break;
    case TYPE:
      o->type = beamcast_type_from_name(optarg);
      if (o->type == 0) {
        return say_wrong(argv[0], "--type is uint8, int16, float32 or the like, not \"%s\"",
                         optarg);
      }
      break;
    case LIMIT:
      if (!read_number(optarg, 1, 1e6, &o->time_limit)) {
        return say_wrong(argv[0], "--time-limit is a number of seconds, not \"%s\"", optarg);
      }
      break;
    case WEB:
      o->web = 1;
      break;
    case KEEP:
      if (!read_whole(optarg, 0, 1024, &o->keep)) {
        return say_wrong(argv[0], "--keep is a number from 0 to 1024, not \"%s\"", optarg);
      }
      break;
    case SLOTS:
      if (!read_whole(optarg, 1, 128, &o->slots)) {
        return say_wrong(argv[0], "--slots is a number from 1 to 128, not \"%s\"", optarg);
      }
      break;
    case NAME:
      o->name = optarg;
      break;
    case CLIENT:
      o->client = optarg;
      break;
    case SCRIPT:
      o->script = optarg;
      break;
    default:
      return WRONG_USAGE;
    }
  }
  return optind < argc ? say_wrong(argv[0], "\"%s\" is one word too many", argv[optind]) : DONE;
}

/* Who started a session from another machine says that it knows of it by a byte. */
static bool is_known_afar(void) {
  char byte;
  return read(0, &byte, 1) == 1;
}

int verb_start(int argc, char **argv) {
  beamcast_start_options options = {0};
  beamcast_session_info info;
  beamcast_error error = {0};
  report_form form = FOR_PEOPLE;
  int status = read_start(argc, argv, &options, &form);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (form == TO_AFAR && options.client == NULL) {
    options.client = "none"; /* clients come through the tunnel */
  }
  beamcast_session *session = beamcast_start(&options, &error);
  if (session == NULL) {
    return say_error(&error);
  }
  status = beamcast_status(session, &info, &error) == BEAMCAST_OK ? report(&info, form)
                                                                  : say_error(&error);
  if (form == AS_JSON && status == DONE && info.estimate[0] != '\0') {
    (void)fprintf(stderr, "%s\n", info.estimate);
  }
  if (form == TO_AFAR && (status != DONE || !is_known_afar())) {
    status = beamcast_stop(session, &error) == BEAMCAST_OK
                 ? say_failed("who started the session is gone; it was stopped")
                 : say_error(&error);
  }
  beamcast_session_close(session);
  return status;
}

/* --- status, connect-back, stop -------------------------------------------------------------- */

static bool read_port(const char *text, void *to) {
  return read_number(text, 1, 65535, to);
}

/* Reads [ID] [--json]; -1 when help was shown. */
static int read_id(int argc, char **argv, const char *help, const char **id, report_form *form) {
  static const struct option names[] = {{"help", no_argument, NULL, HELP},
                                        {"json", no_argument, NULL, JSON},
                                        {"from-afar", no_argument, NULL, FROM_AFAR},
                                        {NULL, 0, NULL, 0}};
  for (int chosen = next_option(argc, argv, names); chosen != -1;
       chosen = next_option(argc, argv, names)) {
    if (chosen == HELP) {
      (void)fputs(help, stdout);
      return -1;
    }
    if (chosen != JSON && chosen != FROM_AFAR) {
      return chosen == 'o' ? say_wrong(argv[0], "there is no option -o") : WRONG_USAGE;
    }
    *form = chosen == JSON ? AS_JSON : TO_AFAR;
  }
  *id = optind < argc ? argv[optind] : NULL;
  return argc > optind + 1 ? say_wrong(argv[0], "one session at a time") : DONE;
}

static int report_all(bool json) {
  beamcast_session_info *list;
  size_t count;
  beamcast_error error = {0};
  if (beamcast_session_list(&list, &count, &error) != BEAMCAST_OK) {
    return say_error(&error);
  }
  json_t *sessions = json_array();
  for (size_t i = 0; i < count; i++) {
    if (json) {
      (void)json_array_append_new(sessions, describe(&list[i]));
    } else {
      printf("%s", i > 0 ? "\n" : "");
      print_session(&list[i]);
    }
  }
  free(list);
  if (json) {
    return print_json(json_pack("{s:o}", "sessions", sessions));
  }
  json_decref(sessions);
  if (count == 0) {
    (void)fputs("beamcast: there is no session; `beamcast start` starts one\n", stderr);
  }
  return DONE;
}

static const double link_seconds = 10;

/* A page's link works once: has the viewer make a fresh one. Where it does not answer, the old one
 * stays. */
static void refresh_link(beamcast_session_info *info) {
  char *answer = NULL, *token = strchr(info->url, '#');
  if (token == NULL || beamcast_call_viewer(info->contact, "{\"verb\": \"link\"}", link_seconds,
                                            &answer, NULL, NULL, NULL) != BEAMCAST_OK) {
    return;
  }
  json_t *json = json_loads(answer, 0, NULL);
  const char *url = json_string_value(json_object_get(json, "url"));
  const char *fresh = url != NULL ? strchr(url, '#') : NULL;
  if (fresh != NULL) { /* the address stays: it may be a tunnel's */
    (void)snprintf(token, sizeof info->url - (size_t)(token - info->url), "%s", fresh);
  }
  json_decref(json);
  free(answer);
}

int verb_status(int argc, char **argv) {
  const char *id = NULL;
  report_form form = FOR_PEOPLE;
  beamcast_session_info info;
  beamcast_error error = {0};
  int status = read_id(argc, argv, status_help, &id, &form);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (id == NULL) {
    return report_all(form != FOR_PEOPLE);
  }
  beamcast_session *session = beamcast_session_open(id, &error);
  if (session == NULL || beamcast_status(session, &info, &error) != BEAMCAST_OK) {
    status = say_error(&error);
  } else {
    refresh_link(&info);
    status = report(&info, form);
  }
  beamcast_session_close(session);
  return status;
}

int verb_connect_back(int argc, char **argv) {
  const char *id, *client = NULL;
  double port = 0, limit = 0;
  bool json = false;
  beamcast_error error = {0};
  const verb_option options[] = {{"port", read_port, &port, "a number from 1 to 65535"},
                                 {"client", read_text, &client, NULL},
                                 {"time-limit", read_seconds, &limit, a_number_of_seconds},
                                 {NULL, NULL, NULL, NULL}};
  int status = read_verb(argc, argv, connect_back_help, options, &json, &id);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (id == NULL) {
    return say_wrong(argv[0], "which session? `beamcast status` lists them");
  }
  beamcast_session *session = beamcast_session_open(id, &error);
  if (session == NULL ||
      beamcast_connect_back(session, client, (int)port, limit, &error) != BEAMCAST_OK) {
    status = say_error(&error);
  } else if (json) {
    status = print_json(json_pack("{s:s, s:s}", "id", id, "state", "connected"));
  }
  beamcast_session_close(session);
  return status;
}

/* Whether there could be a session of this name: a stopped one is no error, a mistyped one is. */
static bool is_possible_id(const char *id) {
  return strlen(id) == 8 && strspn(id, "abcdefghjkmnpqrstuvwxyz23456789") == 8;
}

int verb_stop(int argc, char **argv) {
  const char *id = NULL;
  report_form form = FOR_PEOPLE;
  beamcast_error error = {0};
  int status = read_id(argc, argv, stop_help, &id, &form);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (id == NULL) {
    return say_wrong(argv[0], "which session? `beamcast status` lists them");
  }
  beamcast_session *session = beamcast_session_open(id, &error);
  if (session == NULL && is_possible_id(id) && error.code == BEAMCAST_ERR_ARGUMENT) {
    (void)say_failed("there is no session %s (any more): nothing to stop", id);
  } else if (session == NULL || beamcast_stop(session, &error) != BEAMCAST_OK) {
    beamcast_session_close(session);
    return say_error(&error);
  }
  beamcast_session_close(session);
  return form != FOR_PEOPLE ? print_json(json_pack("{s:s, s:s}", "id", id, "state", "ended"))
                            : DONE;
}
