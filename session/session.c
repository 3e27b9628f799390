/* SPDX-License-Identifier: BSD-3-Clause */
#include "beamcast_session.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "estimate.h"
#include "files.h"
#include "interrupt.h"
#include "local.h"
#include "names.h"
#include "paraview_entry.h"
#include "pictures.h"
#include "slurm.h"
#include "ssh.h"

static const double default_idle = 60, default_limit = 120, default_wait = 30;
enum { RANKS_MAX = 4096, KEEP_MAX = 1024, SLOTS_MAX = 128, WAIT_MS = 200 };

/* A stream of the session's own, for what is shown by one call. */
typedef struct channel {
  beamcast_stream *stream; /* NULL until the first call */
  uint64_t step;           /* the next one */
} channel;

struct beamcast_session {
  char id[BEAMCAST_SESSION_ID_MAX];
  char folder[BEAMCAST_SESSION_PATH_MAX];
  channel volume, points;
};

static void close_channel(channel *c) {
  beamcast_close(c->stream); /* the next call connects anew */
  c->stream = NULL;
}

/* --- start, open, close ---------------------------------------------------------------------- */

static int check_options(const beamcast_start_options *o, beamcast_error *error) {
  if (o->paraview && (o->web || o->script != NULL || o->keep != 0 || o->slots != 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a web page, scripts, kept steps and slots (--web, --script, --keep, "
                         "--slots) belong to the headless viewer: start it without --paraview; in "
                         "ParaView, Beamcast Stream has Keep and Slots");
  }
  if (o->keep < 0 || o->keep > KEEP_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "0 to %d steps can be kept, not %d",
                         KEEP_MAX, o->keep);
  }
  if (o->slots < 0 || o->slots > SLOTS_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "1 to %d slots are possible, not %d",
                         SLOTS_MAX, o->slots);
  }
  if (o->ranks < 0 || o->ranks > RANKS_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%d ranks are not possible: 1 to %d are",
                         o->ranks, RANKS_MAX);
  }
  if (!isfinite(o->idle_minutes) || !(o->time_limit >= 0 && o->time_limit <= 1e6)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "idle_minutes must be finite, time_limit 0 to 1e6 seconds");
  }
  return BEAMCAST_OK;
}

/* What volumes of the announced size need, into the record; they do not fit: an error. */
static int estimate(const beamcast_start_options *o, bs_record *record, beamcast_error *error) {
  bs_node node = {.count = 1};
  bs_need need;
  if ((o->size[0] == 0 && o->size[1] == 0 && o->size[2] == 0) || o->host != NULL) {
    return BEAMCAST_OK; /* for another machine it is estimated there */
  }
  if (o->slurm != NULL) {
    bs_slurm_node(o->slurm, &node);
  } else {
    node.memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  }
  const bs_volumes volumes = {.size = {o->size[0], o->size[1], o->size[2]},
                              .type = o->type != 0 ? o->type : BEAMCAST_FLOAT32,
                              .slots = o->slots,
                              .keep = o->keep};
  int code = bs_estimate(&volumes, o->ranks, &node, &need, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (need.nodes > node.count) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "%.350s. There %s %d: use %s, a smaller type, or fewer voxels", need.text,
                         node.count == 1 ? "is" : "are", node.count,
                         o->slurm != NULL ? "larger ones" : "a cluster (--slurm)");
  }
  record->nodes = need.nodes;
  record->info.ranks = need.ranks;
  record->memory = need.node_memory;
  record->gpus = need.gpus;
  record->step_limit = need.step;
  (void)snprintf(record->info.estimate, sizeof record->info.estimate, "%s", need.text);
  return BEAMCAST_OK;
}

/* Where a ParaView client listens that the server is to connect to. */
static int take_client(const beamcast_start_options *o, bs_record *record, beamcast_error *error) {
  const char *client = o->client;
  char own[256] = "";
  bool none = client != NULL ? strcmp(client, "none") == 0 : o->slurm == NULL;
  if (client != NULL && !none && (!o->paraview || o->host != NULL)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "ParaView clients to connect to (--client) need a server for them "
                         "(--paraview) that is not reached by ssh (--host)");
  }
  if (none || !o->paraview || o->host != NULL) {
    return BEAMCAST_OK;
  }
  (void)gethostname(own, sizeof own - 1);
  client = client != NULL ? client : own;
  if (client[0] == '\0' || strlen(client) >= sizeof record->client ||
      client[strspn(client, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] !=
          '\0') {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "\"%.100s\" is no name of this machine that a server could connect to",
                         client);
  }
  (void)snprintf(record->client, sizeof record->client, "%s", client);
  record->client_port = bs_free_port();
  return BEAMCAST_OK;
}

/* The paths of a list of scripts, ':' between them, from anywhere: the viewer runs elsewhere. */
static int take_scripts(bs_record *record, const char *list, beamcast_error *error) {
  char name[BEAMCAST_SESSION_PATH_MAX], path[PATH_MAX];
  size_t used = 0;
  for (const char *rest = list; *rest != '\0' || rest == list;) {
    const size_t length = strcspn(rest, ":");
    (void)snprintf(name, sizeof name, "%.*s", (int)length, rest);
    rest += length + (rest[length] == ':');
    if (!bs_find_script(name, path)) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "the script %.300s can't be read: it is neither a file nor one of "
                           "Beamcast's own",
                           name);
    }
    const int more = snprintf(record->script + used, sizeof record->script - used, "%s%s",
                              used > 0 ? ":" : "", path);
    used += (size_t)more;
    if (used >= sizeof record->script) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the scripts' paths are too long");
    }
  }
  return BEAMCAST_OK;
}

/* Reads the record and finds out whether it still holds. */
static int look(bs_record *record, const char *id, const char *folder, beamcast_error *error) {
  if (!bs_record_read(record, id, folder)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "session %s is gone: it was stopped", id);
  }
  beamcast_session_info *info = &record->info;
  int code = BEAMCAST_OK;
  if (record->login[0] != '\0') {
    code = bs_ssh_status(record, folder, error);
  } else if (record->slurm) {
    code = bs_slurm_status(record, folder, error);
  } else if ((info->state == BEAMCAST_SESSION_STARTING ||
              info->state == BEAMCAST_SESSION_RUNNING) &&
             bs_process_is_here(&record->keeper) && !bs_process_lives(&record->keeper)) {
    info->state = BEAMCAST_SESSION_CRASHED;
    (void)snprintf(info->reason, sizeof info->reason,
                   "its processes are gone: killed, or the machine was restarted");
  }
  if (info->state != BEAMCAST_SESSION_RUNNING) {
    info->contact[0] = info->paraview[0] = info->url[0] = '\0';
  }
  bool over = info->state == BEAMCAST_SESSION_ENDED || info->state == BEAMCAST_SESSION_CRASHED;
  if (over ||
      access(info->connect_id_file, F_OK) != 0) { /* a client may listen before a job runs */
    info->connect_id_file[0] = '\0';
  }
  return code;
}

/* The name for a new session; one that is over gives it up. */
static int prepare_name(bs_record *record, const char *name, beamcast_error *error) {
  char id[BEAMCAST_SESSION_ID_MAX], folder[BEAMCAST_SESSION_PATH_MAX];
  bs_record other;
  int code = bs_check_name(name, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  (void)snprintf(record->info.name, sizeof record->info.name, "%s", name);
  if (bs_find_named(name, id) &&
      bs_session_folder(id, folder, sizeof folder, NULL) == BEAMCAST_OK &&
      look(&other, id, folder, NULL) == BEAMCAST_OK &&
      (other.info.state == BEAMCAST_SESSION_ENDED ||
       other.info.state == BEAMCAST_SESSION_CRASHED)) {
    bs_drop_name(folder);
  }
  return BEAMCAST_OK;
}

beamcast_session *beamcast_start(const beamcast_start_options *options, beamcast_error *error) {
  beamcast_start_options o = {0};
  bs_record record = {.info = {.state = BEAMCAST_SESSION_PENDING}};
  if (options != NULL) {
    o = *options;
  }
  beamcast_session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  record.info.ranks = o.ranks > 0 ? o.ranks : 1;
  record.idle_minutes = o.idle_minutes < 0 ? 0 : o.idle_minutes > 0 ? o.idle_minutes : default_idle;
  record.paraview = o.paraview != 0;
  record.web = o.web != 0;
  record.keep = o.keep;
  record.slots = o.slots;
  int code = check_options(&o, error);
  code = code == BEAMCAST_OK && o.name != NULL ? prepare_name(&record, o.name, error) : code;
  if (code == BEAMCAST_OK && o.script != NULL && o.host == NULL) {
    code = take_scripts(&record, o.script, error);
  }
  code = code == BEAMCAST_OK ? take_client(&o, &record, error) : code;
  code = code == BEAMCAST_OK ? estimate(&o, &record, error) : code;
  code = code == BEAMCAST_OK ? bs_draw_id(record.info.id, error) : code;
  code = code == BEAMCAST_OK
             ? bs_session_folder(record.info.id, session->folder, sizeof session->folder, error)
             : code;
  memcpy(session->id, record.info.id, sizeof session->id);
  if (code == BEAMCAST_OK && o.host != NULL) {
    code = bs_ssh_start(&record, &o, error);
  } else if (code == BEAMCAST_OK) {
    code = o.slurm != NULL
               ? bs_slurm_start(&record, o.slurm, error)
               : bs_start_here(&record, o.time_limit > 0 ? o.time_limit : default_limit, error);
  }
  if (code != BEAMCAST_OK) {
    free(session);
    return NULL;
  }
  return session;
}

beamcast_session *beamcast_session_open(const char *id, beamcast_error *error) {
  beamcast_session *session = calloc(1, sizeof *session);
  char named[BEAMCAST_SESSION_ID_MAX];
  struct stat state;
  if (session == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  bool is_id =
      bs_session_folder(id, session->folder, sizeof session->folder, NULL) == BEAMCAST_OK &&
      stat(session->folder, &state) == 0;
  if (!is_id && id != NULL && bs_find_named(id, named)) {
    id = named;
  }
  int code = bs_session_folder(id, session->folder, sizeof session->folder, error);
  if (code == BEAMCAST_OK && stat(session->folder, &state) != 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "there is no session %s (any more); `beamcast status` lists the sessions",
                         id);
  }
  if (code != BEAMCAST_OK) {
    free(session);
    return NULL;
  }
  (void)snprintf(session->id, sizeof session->id, "%s", id);
  return session;
}

const char *beamcast_session_id(const beamcast_session *session) {
  return session != NULL ? session->id : "";
}

void beamcast_session_close(beamcast_session *session) {
  if (session != NULL) {
    close_channel(&session->volume);
    close_channel(&session->points);
    free(session);
  }
}

/* --- status, stop ---------------------------------------------------------------------------- */

int beamcast_status(beamcast_session *session, beamcast_session_info *info, beamcast_error *error) {
  bs_record record;
  if (session == NULL || info == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "status needs a session and an info");
  }
  int code = look(&record, session->id, session->folder, error);
  if (code == BEAMCAST_OK) {
    *info = record.info;
  }
  return code;
}

static int newest_first(const void *a, const void *b) {
  int64_t one = ((const beamcast_session_info *)a)->created;
  int64_t other = ((const beamcast_session_info *)b)->created;
  return (one < other) - (one > other);
}

int beamcast_session_list(beamcast_session_info **list, size_t *count, beamcast_error *error) {
  char state[BEAMCAST_SESSION_PATH_MAX], folder[BEAMCAST_SESSION_PATH_MAX];
  *list = NULL;
  *count = 0;
  int code = bs_state_folder(state, sizeof state, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  DIR *entries = opendir(state);
  for (struct dirent *entry = entries ? readdir(entries) : NULL; entry != NULL;
       entry = readdir(entries)) {
    bs_record record;
    if (bs_session_folder(entry->d_name, folder, sizeof folder, NULL) == BEAMCAST_OK &&
        look(&record, entry->d_name, folder, NULL) != BEAMCAST_ERR_ARGUMENT) {
      beamcast_session_info *more = realloc(*list, (*count + 1) * sizeof **list);
      if (more == NULL) {
        break;
      }
      *list = more;
      more[(*count)++] = record.info;
    }
  }
  if (entries != NULL) {
    (void)closedir(entries);
  }
  if (*count > 0) {
    qsort(*list, *count, sizeof **list, newest_first);
  }
  return BEAMCAST_OK;
}

int beamcast_stop(beamcast_session *session, beamcast_error *error) {
  bs_record record;
  if (session == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "stop needs a session");
  }
  close_channel(&session->volume);
  close_channel(&session->points);
  int code = BEAMCAST_OK;
  if (bs_record_read(&record, session->id, session->folder)) {
    code = record.login[0] != '\0' ? bs_ssh_stop(&record, error)
           : record.slurm          ? bs_slurm_stop(&record, session->folder, error)
                                   : bs_stop_here(&record, error);
  }
  if (code == BEAMCAST_OK) {
    bs_remove_paraview_entry(session->id);
    bs_remove_folder(session->folder);
  }
  return code;
}

/* --- volumes --------------------------------------------------------------------------------- */

/* Waits until the session runs. */
static int await_running(beamcast_session *session, double limit, beamcast_session_info *info,
                         beamcast_error *error) {
  double deadline = bs_now() + limit;
  for (;;) {
    int code = beamcast_status(session, info, error);
    if (code != BEAMCAST_OK || info->state == BEAMCAST_SESSION_RUNNING) {
      return code;
    }
    const char *state = beamcast_session_state_name(info->state);
    if (info->state == BEAMCAST_SESSION_ENDED || info->state == BEAMCAST_SESSION_CRASHED) {
      return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "session %s has %s: %s", info->id, state,
                           info->reason);
    }
    if (bs_now() >= deadline || bc_is_interrupted()) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                           "session %s is still %s, for %lld seconds now: %s", info->id, state,
                           (long long)(time(NULL) - info->created), info->reason);
    }
    bs_sleep_ms(WAIT_MS);
  }
}

int bs_contact_of(beamcast_session *session, double limit, char contact[BEAMCAST_SESSION_PATH_MAX],
                  beamcast_error *error) {
  beamcast_session_info info;
  if (session == NULL || !(limit >= 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "a session and a time limit are needed");
  }
  int code = await_running(session, limit > 0 ? limit : default_wait, &info, error);
  if (code == BEAMCAST_OK) {
    memcpy(contact, info.contact, sizeof info.contact);
  }
  return code;
}

/* One step of these arrays; the stream's name may be NULL. */
static int show(channel *c, const char *contact, const char *name, double limit,
                const beamcast_brick *bricks, size_t count, beamcast_error *error) {
  if (c->stream == NULL) {
    beamcast_connect_options options = {.name = name, .time_limit = limit, .backend = "stream"};
    c->stream = beamcast_connect(contact, &options, error);
    if (c->stream == NULL) {
      return BEAMCAST_ERR_CONNECTION;
    }
  }
  int code = beamcast_begin_step(c->stream, c->step, (double)c->step, error);
  for (size_t i = 0; i < count && code == BEAMCAST_OK; i++) {
    code = beamcast_put(c->stream, &bricks[i], error);
  }
  code = code == BEAMCAST_OK ? beamcast_end_step(c->stream, error) : code;
  code = code == BEAMCAST_OK ? beamcast_await(c->stream, error) : code;
  c->step++;
  if (code != BEAMCAST_OK && code != BEAMCAST_DROPPED && code != BEAMCAST_ERR_ARGUMENT) {
    close_channel(c);
  }
  return code;
}

int beamcast_render_volume_within(beamcast_session *session, const beamcast_volume *volume,
                                  double time_limit, beamcast_error *error) {
  beamcast_session_info info;
  if (session == NULL || volume == NULL || !(time_limit >= 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "render_volume needs a session, a volume and a time limit");
  }
  double limit = time_limit > 0 ? time_limit : default_wait;
  beamcast_brick brick = {.name = volume->name,
                          .data = volume->data,
                          .type = volume->type,
                          .components = volume->components,
                          .unit = volume->unit,
                          .length_unit = volume->length_unit};
  memcpy(brick.volume, volume->shape, sizeof brick.volume);
  memcpy(brick.shape, volume->shape, sizeof brick.shape);
  memcpy(brick.stride, volume->stride, sizeof brick.stride);
  memcpy(brick.spacing, volume->spacing, sizeof brick.spacing);
  memcpy(brick.origin, volume->origin, sizeof brick.origin);
  int code = await_running(session, limit, &info, error);
  return code == BEAMCAST_OK ? show(&session->volume, info.contact, NULL, limit, &brick, 1, error)
                             : code;
}

int beamcast_render_volume(beamcast_session *session, const beamcast_volume *volume,
                           beamcast_error *error) {
  return beamcast_render_volume_within(session, volume, 0, error);
}

int beamcast_render_points(beamcast_session *session, const beamcast_points *points,
                           double time_limit, beamcast_error *error) {
  static const char *const axes[] = {"x", "y", "z"};
  beamcast_session_info info;
  size_t size = points != NULL ? beamcast_type_size(points->type) : 0;
  if (session == NULL || size == 0 || points->xyz == NULL || points->count == 0 ||
      !(time_limit >= 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "render_points needs a session, at least one point with the type of its "
                         "coordinates, and a time limit");
  }
  double limit = time_limit > 0 ? time_limit : default_wait;
  beamcast_brick bricks[4] = {{0}};
  size_t count = points->values != NULL ? 4 : 3;
  for (size_t i = 0; i < count; i++) {
    beamcast_brick *b = &bricks[i];
    bool place = i < 3;
    int64_t step = place ? 3 * (int64_t)size : 0; /* 0: side by side */
    *b = (beamcast_brick){.name = place                  ? axes[i]
                                  : points->name != NULL ? points->name
                                                         : "value",
                          .data = place ? (const char *)points->xyz + i * size : points->values,
                          .type = place ? points->type : points->values_type,
                          .unit = place ? points->length_unit : points->unit,
                          .stride = {step, step, step},
                          .volume = {1, 1, points->count},
                          .shape = {1, 1, points->count}};
  }
  int code = await_running(session, limit, &info, error);
  return code == BEAMCAST_OK
             ? show(&session->points, info.contact, "points", limit, bricks, count, error)
             : code;
}

void beamcast_session_on_wait(bool (*asked)(void *context), void *context) {
  bc_interrupt_by(asked, context);
}
