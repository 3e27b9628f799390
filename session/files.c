/* SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool bs_join(char *path, size_t size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(path, size, format, arguments);
  va_end(arguments);
  return length >= 0 && (size_t)length < size;
}

int bs_make_folders(const char *path, beamcast_error *error) {
  char part[PATH_MAX];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof part || path[0] != '/') {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%.300s is no usable folder name", path);
  }
  for (size_t i = 1; i <= length; i++) {
    if (path[i] == '/' || path[i] == '\0') {
      memcpy(part, path, i);
      part[i] = '\0';
      if (mkdir(part, 0700) != 0 && errno != EEXIST) {
        return beamcast_fail(error, BEAMCAST_ERR_IO, "the folder %.300s can't be made: %s", part,
                             strerror(errno));
      }
    }
  }
  return BEAMCAST_OK;
}

int bs_write_file(const char *path, const void *bytes, size_t size, beamcast_error *error) {
  char draft[PATH_MAX];
  if (!bs_join(draft, sizeof draft, "%s.%ld.new", path, (long)getpid())) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "the path %.200s... is too long", path);
  }
  (void)unlink(draft);
  int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int bad = fd < 0 ? errno : 0;
  const char *at = bytes;
  while (bad == 0 && size > 0) {
    ssize_t done = write(fd, at, size);
    if (done >= 0) {
      at += done;
      size -= (size_t)done;
    } else if (errno != EINTR) {
      bad = errno;
    }
  }
  if (fd >= 0 && close(fd) != 0 && bad == 0) {
    bad = errno;
  }
  if (bad == 0 && rename(draft, path) != 0) {
    bad = errno;
  }
  if (bad != 0) {
    (void)unlink(draft);
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%.300s can't be written: %s", path,
                         strerror(bad));
  }
  return BEAMCAST_OK;
}

int bs_write_json(const char *path, const json_t *value, beamcast_error *error) {
  char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII);
  if (text == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  int code = bs_write_file(path, text, strlen(text), error);
  free(text);
  return code;
}

json_t *bs_read_json(const char *path) {
  json_t *value = json_load_file(path, 0, NULL);
  if (!json_is_object(value)) {
    json_decref(value);
    return NULL;
  }
  return value;
}

bool bs_read_line(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    return false;
  }
  bool good = fgets(text, (int)size, file) != NULL;
  (void)fclose(file);
  if (good) {
    text[strcspn(text, "\n")] = '\0';
  }
  return good;
}

/* Takes the descriptor. Links are removed, not followed. NOLINTNEXTLINE(misc-no-recursion) */
static void empty_folder(int folder) {
  DIR *list = folder >= 0 ? fdopendir(folder) : NULL;
  if (list == NULL) {
    if (folder >= 0) {
      (void)close(folder);
    }
    return;
  }
  for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && unlinkat(folder, name, 0) != 0) {
      empty_folder(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      (void)unlinkat(folder, name, AT_REMOVEDIR);
    }
  }
  (void)closedir(list);
}

void bs_remove_folder(const char *path) {
  empty_folder(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  (void)rmdir(path);
}

static bool is_program(const char *path) {
  struct stat state;
  return stat(path, &state) == 0 && S_ISREG(state.st_mode) && access(path, X_OK) == 0;
}

/* The folder of the file that holds this code. */
static bool own_folder(char *folder) {
  Dl_info info;
  if (dladdr((void *)(uintptr_t)&bs_find_program, &info) == 0 || info.dli_fname == NULL ||
      realpath(info.dli_fname, folder) == NULL) {
    return false;
  }
  char *slash = strrchr(folder, '/');
  if (slash == NULL) {
    return false;
  }
  *slash = '\0';
  return true;
}

bool bs_find_program(const char *name, char *path, size_t size) {
  static const char *const places[] = {"", "/../bin", "/../../bin"};
  char folder[PATH_MAX];
  if (own_folder(folder)) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
      if (bs_join(path, size, "%s%s/%s", folder, places[i], name) && is_program(path)) {
        return true;
      }
    }
  }
  const char *list = getenv("PATH");
  while (list != NULL && *list != '\0') {
    size_t length = strcspn(list, ":");
    if (length > 0 && bs_join(path, size, "%.*s/%s", (int)length, list, name) && is_program(path)) {
      return true;
    }
    list += length + (list[length] == ':');
  }
  return false;
}

static bool is_script(const char *path) {
  struct stat state;
  return stat(path, &state) == 0 && !S_ISDIR(state.st_mode) && access(path, R_OK) == 0;
}

bool bs_find_script(const char *name, char *path) {
  static const char *const places[] = {"/..", "/../.."}, *const ends[] = {"", ".py"};
  char folder[PATH_MAX], place[PATH_MAX];
  if (is_script(name)) {
    return realpath(name, path) != NULL;
  }
  if (strchr(name, '/') != NULL || name[0] == '\0' || !own_folder(folder)) {
    return false;
  }
  for (int i = 0; i < 4; i++) {
    if (bs_join(place, sizeof place, "%s%s/share/beamcast/catalyst_scripts/%s%s", folder,
                places[i / 2], name, ends[i % 2]) &&
        is_script(place)) {
      return realpath(place, path) != NULL;
    }
  }
  return false;
}
