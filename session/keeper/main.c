/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast-keeper, started by libbeamcast_session, not by people:
 *   beamcast-keeper          on this machine; standard input is a socket to who starts the session
 *   beamcast-keeper FOLDER   in a Slurm job; the session's folder is there already
 *   beamcast-keeper --rank FOLDER PROGRAM...   a rank of the server, see rank.c
 * On the socket: a JSON object with what is wanted comes in, {"ok": true} or {"code", "message"}
 * goes out, one byte comes in that says the session is to stay. If the socket ends before that
 * byte, who started it is gone, and so goes the session, with everything it left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "keeper.h"
#include "names.h"
#include "paraview_entry.h"

enum { READY_MAX = 8192, WAIT_MS = 1000, NOTE_SECONDS = 60 };

/* Why the loop ended. */
typedef enum outcome { SERVER_ENDED, ASKED_TO_END, STARTER_GONE } outcome;

typedef struct starter {
  int link; /* socket to who starts the session; -1: nobody waits */
  bool said_ready;
} starter;

static void answer(starter *s, const beamcast_error *error) {
  if (s->link < 0 || s->said_ready) {
    return;
  }
  json_t *json = error != NULL
                     ? json_pack("{s:i, s:s}", "code", error->code, "message", error->message)
                     : json_pack("{s:b}", "ok", 1);
  char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
  if (text != NULL) {
    (void)send(s->link, text, strlen(text), MSG_NOSIGNAL);
    (void)send(s->link, "\n", 1, MSG_NOSIGNAL);
  }
  free(text);
  json_decref(json);
  s->said_ready = error == NULL;
}

/* --- making ready ---------------------------------------------------------------------------- */

static int take_signals(void) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGHUP);
  sigaddset(&wanted, SIGCHLD);
  (void)sigprocmask(SIG_SETMASK, &wanted, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool read_request(bs_keeper *keeper, int link) {
  char text[4096];
  size_t length = 0;
  while (length < sizeof text - 1 && memchr(text, '\n', length) == NULL) {
    ssize_t got = read(link, text + length, sizeof text - 1 - length);
    if (got <= 0) {
      return false;
    }
    length += (size_t)got;
  }
  json_t *json = json_loadb(text, length, JSON_DISABLE_EOF_CHECK, NULL);
  beamcast_session_info *info = &keeper->record.info;
  const char *id = json_string_value(json_object_get(json, "id"));
  (void)snprintf(info->id, sizeof info->id, "%s", id ? id : "");
  info->ranks = (int)json_integer_value(json_object_get(json, "ranks"));
  keeper->record.idle_minutes = json_number_value(json_object_get(json, "idle_minutes"));
  keeper->record.paraview = json_is_true(json_object_get(json, "paraview"));
  keeper->record.web = json_is_true(json_object_get(json, "web"));
  const char *client = json_string_value(json_object_get(json, "client"));
  (void)snprintf(keeper->record.client, sizeof keeper->record.client, "%s", client ? client : "");
  keeper->record.client_port = (int)json_integer_value(json_object_get(json, "client_port"));
  keeper->record.keep = (int)json_integer_value(json_object_get(json, "keep"));
  keeper->record.slots = (int)json_integer_value(json_object_get(json, "slots"));
  const char *name = json_string_value(json_object_get(json, "name"));
  (void)snprintf(info->name, sizeof info->name, "%s", name ? name : "");
  keeper->record.step_limit = (uint64_t)json_integer_value(json_object_get(json, "step_limit"));
  const char *estimate = json_string_value(json_object_get(json, "estimate"));
  (void)snprintf(info->estimate, sizeof info->estimate, "%s", estimate ? estimate : "");
  const char *script = json_string_value(json_object_get(json, "script"));
  (void)snprintf(keeper->record.script, sizeof keeper->record.script, "%s", script ? script : "");
  json_decref(json);
  return id != NULL && info->ranks > 0;
}

static int make_folder(bs_keeper *keeper, beamcast_error *error) {
  int code =
      bs_session_folder(keeper->record.info.id, keeper->folder, sizeof keeper->folder, error);
  return code == BEAMCAST_OK
             ? bs_make_session_folder(keeper->folder, keeper->record.info.name, error)
             : code;
}

static void make_folder_in(const char *given, const char *usual, const char *id, char *path) {
  if (!bs_join(path, BEAMCAST_SESSION_PATH_MAX, "%s/beamcast-%s",
               given != NULL && given[0] == '/' ? given : usual, id) ||
      mkdir(path, 0700) != 0) {
    path[0] = '\0';
  }
}

/* Folders for what mpiexec and Open MPI's ranks make while they run: who is killed leaves it. Not
 * on several nodes: nobody would remove them on the others. */
static void make_scratch(bs_record *record) {
  const char *nodes = getenv("SLURM_JOB_NUM_NODES");
  if (!record->slurm || nodes == NULL || strcmp(nodes, "1") == 0) {
    make_folder_in(getenv("TMPDIR"), "/tmp", record->info.id, record->scratch);
    make_folder_in(getenv("OMPI_MCA_btl_vader_backing_directory"), "/dev/shm", record->info.id,
                   record->shared);
  }
}

/* The record, the log, the connect id and the scratch folders. */
static int prepare(bs_keeper *keeper, char connect_id[16], beamcast_error *error) {
  bs_record *record = &keeper->record;
  bs_process_self(&record->keeper);
  memcpy(record->info.host, record->keeper.host, sizeof record->info.host);
  bs_record_paths(record, keeper->folder);
  make_scratch(record);
  record->info.state = BEAMCAST_SESSION_STARTING;
  if (record->info.created == 0) {
    record->info.created = (int64_t)time(NULL);
  }
  keeper->log =
      open(record->info.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (keeper->log < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be written: %s", record->info.log,
                         strerror(errno));
  }
  int code = BEAMCAST_OK;
  connect_id[0] = '\0';
  if (record->paraview && !bs_read_line(record->info.connect_id_file, connect_id, 16)) {
    code = bs_draw_connect_id(connect_id, error);
    code = code != BEAMCAST_OK
               ? code
               : bs_write_file(record->info.connect_id_file, connect_id, strlen(connect_id), error);
  }
  return code == BEAMCAST_OK ? bs_record_write(record, keeper->folder, error) : code;
}

/* What comes and goes with every client, and what X says when all is well. */
static bool is_chatter(const char *line) {
  static const char *const starts[] = {"beamcast-server: client connected",
                                       "beamcast-server: client left", "_XSERVTrans",
                                       "Invalid MIT-MAGIC-COOKIE", "      after "};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    if (strncmp(line, starts[i], strlen(starts[i])) == 0) {
      return true;
    }
  }
  return false;
}

/* The line of the log that says most: the server's last word, else the last one. */
static void last_word(const char *log, char *word, size_t size) {
  char line[400];
  bool of_server = false;
  FILE *file = fopen(log, "re");
  (void)snprintf(word, size, "see the log");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    bool from_server =
        strncmp(line, "beamcast-server: ", 17) == 0 || strncmp(line, "beamcast-viewer: ", 17) == 0;
    if (strlen(line) > 3 && line[0] != '-' && !is_chatter(line) && (from_server || !of_server)) {
      (void)snprintf(word, size, "%.200s", from_server ? line + 17 : line);
      of_server = from_server;
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
}

/* Reads the server's line that says where it is; true when it is complete. */
static bool read_ready(bs_keeper *keeper, char *line, size_t *length) {
  ssize_t got = read(keeper->output, line + *length, READY_MAX - 1 - *length);
  if (got <= 0) {
    (void)close(keeper->output);
    keeper->output = -1;
    return false;
  }
  *length += (size_t)got;
  line[*length] = '\0';
  for (char *end = strchr(line, '\n'); end != NULL; end = strchr(line, '\n')) {
    *end = '\0';
    json_t *json = json_loads(line, 0, NULL);
    keeper->record.port = (int)json_integer_value(json_object_get(json, "port"));
    keeper->root = (pid_t)json_integer_value(json_object_get(json, "pid"));
    const char *url = json_string_value(json_object_get(json, "url"));
    (void)snprintf(keeper->record.info.url, sizeof keeper->record.info.url, "%s", url ? url : "");
    json_decref(json);
    if (keeper->root > 0) {
      return true;
    }
    (void)dprintf(keeper->log, "%s\n", line);
    *length -= (size_t)(end + 1 - line);
    memmove(line, end + 1, *length + 1);
  }
  *length = *length >= READY_MAX - 1 ? 0 : *length;
  return false;
}

/* --- while it runs --------------------------------------------------------------------------- */

static void become_ready(bs_keeper *keeper, starter *s, const char *connect_id) {
  beamcast_error error = {0};
  keeper->record.info.state = BEAMCAST_SESSION_RUNNING;
  keeper->record.info.start_time = (int64_t)time(NULL);
  if (keeper->record.port > 0) {
    bs_add_paraview_entry(&keeper->record, connect_id);
  }
  if (bs_record_write(&keeper->record, keeper->folder, &error) != BEAMCAST_OK) {
    (void)dprintf(keeper->log, "beamcast-keeper: %s\n", error.message);
  }
  answer(s, NULL);
}

static bool asked_to_end(const bs_keeper *keeper) {
  struct signalfd_siginfo signal;
  bool asked = false;
  while (read(keeper->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
    asked = asked || signal.ssi_signo != SIGCHLD;
  }
  return asked;
}

/* Waits until the session is to end. */
static outcome attend(bs_keeper *keeper, starter *s, const char *connect_id) {
  char line[READY_MAX];
  size_t length = 0;
  for (;;) {
    struct pollfd fds[3] = {
        {keeper->signals, POLLIN, 0}, {keeper->output, POLLIN, 0}, {s->link, POLLIN, 0}};
    (void)poll(fds, 3, WAIT_MS);
    if (asked_to_end(keeper)) {
      return ASKED_TO_END;
    }
    if (fds[2].revents != 0) {
      char word;
      if (read(s->link, &word, 1) != 1) {
        return STARTER_GONE;
      }
      (void)close(s->link);
      s->link = -1;
    }
    if (fds[1].revents != 0) {
      if (keeper->root > 0) {
        length = 0; /* later lines only go to the log */
        ssize_t got = read(keeper->output, line, sizeof line);
        if (got <= 0) {
          (void)close(keeper->output);
          keeper->output = -1;
        } else {
          (void)!write(keeper->log, line, (size_t)got);
        }
      } else if (read_ready(keeper, line, &length)) {
        become_ready(keeper, s, connect_id);
      }
    }
    if (bs_reap(keeper)) {
      return SERVER_ENDED;
    }
  }
}

/* Puts into the record how the session ended. */
static void conclude(bs_keeper *keeper, outcome why) {
  beamcast_session_info *info = &keeper->record.info;
  char word[256];
  info->state = BEAMCAST_SESSION_ENDED;
  if (why != SERVER_ENDED) {
    (void)snprintf(info->reason, sizeof info->reason, "%s",
                   keeper->record.slurm ? "ended by Slurm: cancelled, or its time was over"
                                        : "stopped");
  } else if (WIFEXITED(keeper->status) && WEXITSTATUS(keeper->status) == 0) {
    last_word(info->log, word, sizeof word);
    if (strncmp(word, "idle for too long", 17) == 0) {
      (void)snprintf(info->reason, sizeof info->reason, "unused for %g minutes (--idle)",
                     keeper->record.idle_minutes);
    } else {
      (void)snprintf(info->reason, sizeof info->reason, "the server was told to end");
    }
  } else {
    info->state = BEAMCAST_SESSION_CRASHED;
    last_word(info->log, word, sizeof word);
    /* mpiexec ends with 128 and the number of the signal that ended a rank */
    const int status =
        WIFSIGNALED(keeper->status) ? 128 + WTERMSIG(keeper->status) : WEXITSTATUS(keeper->status);
    if (status > 128) {
      (void)snprintf(info->reason, sizeof info->reason, "the server died (%s): %.200s",
                     strsignal(status - 128), word);
    } else {
      (void)snprintf(info->reason, sizeof info->reason,
                     "the server died (mpiexec: status %d): %.200s", status, word);
    }
  }
}

/* In a job: whether who queued it has noted its number. Else it died, and nobody knows the session.
 */
static bool is_wanted(const bs_keeper *keeper) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  double deadline = bs_now() + NOTE_SECONDS;
  bool noted = false;
  while (!noted && bs_now() < deadline &&
         bs_join(path, sizeof path, "%s/slurm.json", keeper->folder)) {
    noted = access(path, F_OK) == 0;
    bs_sleep_ms(noted ? 0 : 200);
  }
  return noted;
}

static int keep(bs_keeper *keeper, starter *s) {
  beamcast_error error = {0};
  char connect_id[16], word[256];
  outcome why = STARTER_GONE;
  int code = prepare(keeper, connect_id, &error);
  code = code == BEAMCAST_OK ? bs_open_screen(keeper, &error) : code;
  code = code == BEAMCAST_OK ? bs_launch(keeper, &error) : code;
  if (code == BEAMCAST_OK) {
    why = attend(keeper, s, connect_id);
  }
  bs_end_all(keeper);
  if (code == BEAMCAST_OK && keeper->root == 0 && why == SERVER_ENDED) {
    last_word(keeper->record.info.log, word, sizeof word);
    code = beamcast_fail(&error, BEAMCAST_ERR_UNSUPPORTED, "the server did not start: %s", word);
  } else if (code == BEAMCAST_OK && why == ASKED_TO_END && s->link >= 0) {
    code = beamcast_fail(&error, BEAMCAST_ERR_CONNECTION, "the session was stopped meanwhile");
  }
  bs_remove_paraview_entry(keeper->record.info.id);
  if (s->link >= 0) { /* nobody knows of the session yet */
    bs_remove_folder(keeper->folder);
  } else {
    conclude(keeper, why);
    if (code != BEAMCAST_OK) {
      keeper->record.info.state = BEAMCAST_SESSION_CRASHED;
      (void)snprintf(keeper->record.info.reason, sizeof keeper->record.info.reason, "%.299s",
                     error.message);
    }
    (void)unlink(keeper->record.info.connect_id_file);
    (void)unlink(keeper->record.info.contact);
    (void)(keeper->cookie[0] != '\0' && unlink(keeper->cookie));
    (void)bs_record_write(&keeper->record, keeper->folder, NULL);
  }
  if (code != BEAMCAST_OK) {
    answer(s, &error);
  }
  return code == BEAMCAST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  static bs_keeper keeper = {.log = -1, .output = -1, .signals = -1};
  starter s = {.link = -1};
  beamcast_error error = {0};
  (void)umask(077);
  if (argc > 3 && strcmp(argv[1], "--rank") == 0) {
    return bs_be_rank(argv[2], argv + 3);
  }
  if (argc == 1) {
    struct stat input;
    if (fstat(0, &input) != 0 || !S_ISSOCK(input.st_mode)) {
      (void)fprintf(stderr, "beamcast-keeper is started by `beamcast start`.\n");
      return 2;
    }
    s.link = fcntl(0, F_DUPFD_CLOEXEC, 3);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(nowhere, 0);
    pid_t child = fork(); /* nobody has to wait for the keeper: its parent is init */
    if (child != 0) {
      return child > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
  }
  (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
  keeper.signals = take_signals();
  bool good;
  if (argc == 1) {
    good = read_request(&keeper, s.link);
    if (good && make_folder(&keeper, &error) != BEAMCAST_OK) {
      answer(&s, &error);
      good = false;
    }
  } else {
    const char *slash = strrchr(argv[1], '/');
    good = slash != NULL && bs_join(keeper.folder, sizeof keeper.folder, "%s", argv[1]) &&
           bs_record_read(&keeper.record, slash + 1, keeper.folder);
    if (good && !is_wanted(&keeper)) {
      bs_remove_folder(keeper.folder);
      good = false;
    }
  }
  return good ? keep(&keeper, &s) : EXIT_FAILURE;
}
