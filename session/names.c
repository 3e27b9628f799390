/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "record.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

int bs_check_name(const char *name, beamcast_error *error) {
  size_t length = strlen(name);
  return length > 0 && length < BEAMCAST_SESSION_ID_MAX && name[0] != '-' &&
                 strspn(name, letters) == length
             ? BEAMCAST_OK
             : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                             "a session's name has 1 to %d letters, digits, - and _, and does not "
                             "begin with -; not \"%.60s\"",
                             BEAMCAST_SESSION_ID_MAX - 1, name);
}

static bool name_file(const char *folder, char path[BEAMCAST_SESSION_PATH_MAX]) {
  return bs_join(path, BEAMCAST_SESSION_PATH_MAX, "%s/name", folder);
}

bool bs_name_of(const char *folder, char name[BEAMCAST_SESSION_ID_MAX]) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  name[0] = '\0';
  if (!name_file(folder, path) || !bs_read_line(path, name, BEAMCAST_SESSION_ID_MAX)) {
    name[0] = '\0';
  }
  return name[0] != '\0';
}

bool bs_find_named(const char *name, char id[BEAMCAST_SESSION_ID_MAX]) {
  char state[BEAMCAST_SESSION_PATH_MAX], folder[BEAMCAST_SESSION_PATH_MAX];
  char other[BEAMCAST_SESSION_ID_MAX];
  bool found = false;
  DIR *entries = bs_state_folder(state, sizeof state, NULL) == BEAMCAST_OK ? opendir(state) : NULL;
  for (struct dirent *entry = entries ? readdir(entries) : NULL; entry != NULL && !found;
       entry = readdir(entries)) {
    found = bs_session_folder(entry->d_name, folder, sizeof folder, NULL) == BEAMCAST_OK &&
            bs_name_of(folder, other) && strcmp(name, other) == 0;
    if (found) {
      (void)snprintf(id, BEAMCAST_SESSION_ID_MAX, "%.31s", entry->d_name);
    }
  }
  if (entries != NULL) {
    (void)closedir(entries);
  }
  return found;
}

static int take_name(const char *folder, const char *name, beamcast_error *error) {
  char id[BEAMCAST_SESSION_ID_MAX], path[BEAMCAST_SESSION_PATH_MAX];
  if (bs_find_named(name, id)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "you have a session called \"%s\" already, %s: use it, end it with "
                         "`beamcast stop %s`, or choose another name",
                         name, id, name);
  }
  return name_file(folder, path)
             ? bs_write_file(path, name, strlen(name), error)
             : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the folder is too long");
}

int bs_make_session_folder(const char *folder, const char *name, beamcast_error *error) {
  int lock = bs_lock(), code = BEAMCAST_OK;
  if (mkdir(folder, 0700) != 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_IO, "the folder %.300s can't be made: %s", folder,
                         strerror(errno));
  } else if (name[0] != '\0') {
    code = take_name(folder, name, error);
    if (code != BEAMCAST_OK) {
      bs_remove_folder(folder);
    }
  }
  bs_unlock(lock);
  return code;
}

void bs_drop_name(const char *folder) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  if (name_file(folder, path)) {
    (void)unlink(path);
  }
}
