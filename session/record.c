/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "names.h"

static const char id_letters[] = "abcdefghjkmnpqrstuvwxyz23456789"; /* none looks like another */
enum { ID_LENGTH = 8 };

static const char *const state_names[] = {"", "starting", "pending", "running", "ended", "crashed"};

const char *beamcast_session_state_name(int state) {
  return state >= BEAMCAST_SESSION_STARTING && state <= BEAMCAST_SESSION_CRASHED
             ? state_names[state]
             : "unknown";
}

int bs_state_of_name(const char *name) {
  for (int state = BEAMCAST_SESSION_STARTING; name != NULL && state <= BEAMCAST_SESSION_CRASHED;
       state++) {
    if (strcmp(name, state_names[state]) == 0) {
      return state;
    }
  }
  return 0;
}

int bs_state_folder(char *path, size_t size, beamcast_error *error) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  bool fits;
  if (state != NULL && state[0] == '/') {
    fits = bs_join(path, size, "%s/beamcast", state);
  } else {
    if (home == NULL || home[0] != '/') {
      const struct passwd *user = getpwuid(geteuid());
      home = user ? user->pw_dir : "/";
    }
    fits = bs_join(path, size, "%s/.local/state/beamcast", home);
  }
  /* room for an id and the longest file name in it */
  if (!fits || strlen(path) + BEAMCAST_SESSION_ID_MAX + 40 > BEAMCAST_SESSION_PATH_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the state folder is too long");
  }
  int code = bs_make_folders(path, error);
  struct stat now;
  if (code == BEAMCAST_OK && (lstat(path, &now) != 0 || !S_ISDIR(now.st_mode) ||
                              now.st_uid != geteuid() || (now.st_mode & 077) != 0)) {
    code = beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%.300s must be a folder of yours that nobody else can enter: chmod 700",
                         path);
  }
  return code;
}

int bs_session_folder(const char *id, char *path, size_t size, beamcast_error *error) {
  size_t length = id != NULL ? strspn(id, id_letters) : 0;
  if (length != ID_LENGTH || id[length] != '\0') {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "there is no session \"%.60s\"; `beamcast status` lists yours, with their "
                         "ids and names",
                         id ? id : "");
  }
  int code = bs_state_folder(path, size, error);
  size_t at = strlen(path);
  if (code == BEAMCAST_OK && !bs_join(path + at, size - at, "/%s", id)) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the state folder is too long");
  }
  return code;
}

int bs_draw_id(char id[BEAMCAST_SESSION_ID_MAX], beamcast_error *error) {
  unsigned char bytes[ID_LENGTH];
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "the system gives no random numbers");
  }
  for (int i = 0; i < ID_LENGTH; i++) {
    id[i] = id_letters[bytes[i] % (sizeof id_letters - 1)];
  }
  id[ID_LENGTH] = '\0';
  return BEAMCAST_OK;
}

int bs_draw_connect_id(char connect_id[16], beamcast_error *error) {
  uint32_t number = 0;
  while ((number & 0x7fffffff) < 1000) { /* short ones could be guessed by hand */
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
      return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "the system gives no random numbers");
    }
  }
  (void)snprintf(connect_id, 16, "%u", (unsigned)(number & 0x7fffffff));
  return BEAMCAST_OK;
}

static void put_path(char *path, const char *folder, const char *name) {
  if (!bs_join(path, BEAMCAST_SESSION_PATH_MAX, "%s/%s", folder, name)) {
    path[0] = '\0';
  }
}

void bs_record_paths(bs_record *record, const char *folder) {
  put_path(record->info.log, folder, "log");
  put_path(record->info.contact, folder, "contact.json");
  put_path(record->info.connect_id_file, folder, "connect-id");
}

void bs_remove_scratch(const bs_record *record) {
  const char *const folders[] = {record->scratch, record->shared};
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    if (folders[i][0] != '\0') {
      bs_remove_folder(folders[i]);
    }
  }
}

int bs_record_write(const bs_record *record, const char *folder, beamcast_error *error) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  const beamcast_session_info *info = &record->info;
  const bs_process *keeper = &record->keeper;
  char ticks[32]; /* as text: 64 bits have no place in every JSON reader */
  put_path(path, folder, "record.json");
  (void)snprintf(ticks, sizeof ticks, "%llu", keeper->ticks);
  json_t *json = json_pack(
      "{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:i, s:i, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:[i, i, "
      "i], "
      "s:i, s:f, s:i, "
      "s:I, s:I, s:I, s:s, s:s, s:{s:I, s:s, s:s, s:s}}",
      "id", info->id, "state", beamcast_session_state_name(info->state), "reason", info->reason,
      "host", info->host, "slurm", (int)record->slurm, "paraview", (int)record->paraview, "web",
      (int)record->web, "keep", record->keep, "slots", record->slots, "client", record->client,
      "client_port", record->client_port, "script", record->script, "url", info->url, "estimate",
      info->estimate, "login", record->login, "far_id", record->far_id, "near", record->near[0],
      record->near[1], record->near[2], "ranks", info->ranks, "idle_minutes", record->idle_minutes,
      "port", record->port, "step_limit", (json_int_t)record->step_limit, "created",
      (json_int_t)info->created, "start_time", (json_int_t)info->start_time, "scratch",
      record->scratch, "shared", record->shared, "keeper", "pid", (json_int_t)keeper->pid, "ticks",
      ticks, "boot", keeper->boot, "host", keeper->host);
  if (json == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "the record could not be made");
  }
  int code = bs_write_json(path, json, error);
  json_decref(json);
  return code;
}

static void take_text(char *to, size_t size, const json_t *from, const char *key) {
  const char *text = json_string_value(json_object_get(from, key));
  (void)snprintf(to, size, "%s", text ? text : "");
}

bool bs_record_read(bs_record *record, const char *id, const char *folder) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  put_path(path, folder, "record.json");
  json_t *json = bs_read_json(path);
  if (json == NULL) {
    return false;
  }
  beamcast_session_info *info = &record->info;
  memset(record, 0, sizeof *record);
  (void)snprintf(info->id, sizeof info->id, "%s", id);
  bs_record_paths(record, folder);
  (void)bs_name_of(folder, info->name);
  info->state = bs_state_of_name(json_string_value(json_object_get(json, "state")));
  info->ranks = (int)json_integer_value(json_object_get(json, "ranks"));
  info->created = json_integer_value(json_object_get(json, "created"));
  info->start_time = json_integer_value(json_object_get(json, "start_time"));
  take_text(info->reason, sizeof info->reason, json, "reason");
  take_text(info->host, sizeof info->host, json, "host");
  take_text(info->url, sizeof info->url, json, "url");
  take_text(info->estimate, sizeof info->estimate, json, "estimate");
  take_text(record->login, sizeof record->login, json, "login");
  take_text(record->far_id, sizeof record->far_id, json, "far_id");
  memcpy(info->login, record->login, sizeof info->login);
  for (size_t i = 0; i < sizeof record->near / sizeof record->near[0]; i++) {
    record->near[i] = (int)json_integer_value(json_array_get(json_object_get(json, "near"), i));
  }
  take_text(record->script, sizeof record->script, json, "script");
  take_text(record->scratch, sizeof record->scratch, json, "scratch");
  take_text(record->shared, sizeof record->shared, json, "shared");
  record->slurm = json_is_true(json_object_get(json, "slurm"));
  record->paraview = json_is_true(json_object_get(json, "paraview"));
  record->web = json_is_true(json_object_get(json, "web"));
  take_text(record->client, sizeof record->client, json, "client");
  record->client_port = (int)json_integer_value(json_object_get(json, "client_port"));
  if (record->client[0] != '\0') {
    (void)snprintf(info->client, sizeof info->client, "csrc://%s:%d", record->client,
                   record->client_port);
  }
  record->keep = (int)json_integer_value(json_object_get(json, "keep"));
  record->slots = (int)json_integer_value(json_object_get(json, "slots"));
  record->idle_minutes = json_number_value(json_object_get(json, "idle_minutes"));
  record->port = (int)json_integer_value(json_object_get(json, "port"));
  record->step_limit = (uint64_t)json_integer_value(json_object_get(json, "step_limit"));
  const json_t *keeper = json_object_get(json, "keeper");
  char ticks[32];
  take_text(ticks, sizeof ticks, keeper, "ticks");
  record->keeper.pid = (pid_t)json_integer_value(json_object_get(keeper, "pid"));
  record->keeper.ticks = strtoull(ticks, NULL, 10);
  take_text(record->keeper.boot, sizeof record->keeper.boot, keeper, "boot");
  take_text(record->keeper.host, sizeof record->keeper.host, keeper, "host");
  if (info->state == BEAMCAST_SESSION_RUNNING && record->port > 0) {
    (void)snprintf(info->paraview, sizeof info->paraview, "cs://localhost:%d", record->port);
  }
  bool good = info->state != 0;
  json_decref(json);
  return good;
}

int bs_lock(void) {
  char folder[BEAMCAST_SESSION_PATH_MAX], path[BEAMCAST_SESSION_PATH_MAX];
  if (bs_state_folder(folder, sizeof folder, NULL) != BEAMCAST_OK) {
    return -1;
  }
  put_path(path, folder, "lock");
  int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  while (lock >= 0 && flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) {
      (void)close(lock);
      return -1;
    }
  }
  return lock;
}

void bs_unlock(int lock) {
  if (lock >= 0) {
    (void)close(lock);
  }
}
