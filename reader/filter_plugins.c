/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finds HDF5 filter plug-ins where the HDF5 library looks for them, by the two functions that every
 * plug-in exports. A plug-in that is linked with another HDF5 library is refused: two of them in
 * one process mix up each other's identifiers.
 */
#include "filters.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOUND_MAX = 64 };

static struct {
  int id;
  const H5Z_class2_t *plugin;
} found[FOUND_MAX];
static int found_count;

/* Whether the file mentions text; the names of needed libraries stand in it as they are. */
static int file_mentions(const char *path, const char *text) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  int mentions = 0;
  if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0) {
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED) {
      mentions = memmem(map, (size_t)status.st_size, text, strlen(text)) != NULL;
      munmap(map, (size_t)status.st_size);
    }
  }
  if (fd >= 0) {
    close(fd);
  }
  return mentions;
}

static int linked_with_another_hdf5(const char *path) {
#ifdef H5_HAVE_PARALLEL
  return file_mentions(path, "libhdf5_serial.so");
#else
  return file_mentions(path, "libhdf5_openmpi.so") || file_mentions(path, "libhdf5_mpich.so");
#endif
}

typedef int (*plugin_type_function)(void);
typedef const void *(*plugin_info_function)(void);

static void *symbol(void *library, const char *name, void *function, size_t size) {
  void *address = dlsym(library, name);
  memcpy(function, &address, size);
  return address;
}

/* The filter in the library at path, NULL when it has another id or is no filter. */
static const H5Z_class2_t *load(const char *path, int id, char *reason, size_t size) {
  void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (library == NULL) {
    return NULL;
  }
  plugin_type_function type;
  plugin_info_function info;
  const H5Z_class2_t *plugin = NULL;
  if (symbol(library, "H5PLget_plugin_type", &type, sizeof type) != NULL &&
      symbol(library, "H5PLget_plugin_info", &info, sizeof info) != NULL &&
      type() == H5PL_TYPE_FILTER) {
    plugin = info();
  }
  if (plugin == NULL || plugin->id != id || plugin->filter == NULL) {
    dlclose(library);
    return NULL;
  }
  if (found_count == FOUND_MAX) {
    snprintf(reason, size, "more than %d filter plug-ins are in use", FOUND_MAX);
    dlclose(library);
    return NULL;
  }
  found[found_count].id = id;
  found[found_count++].plugin = plugin;
  return plugin;
}

static const H5Z_class2_t *search_folder(const char *folder, int id, char *reason, size_t size) {
  DIR *directory = opendir(folder);
  const H5Z_class2_t *plugin = NULL;
  const struct dirent *entry;
  while (directory != NULL && plugin == NULL && (entry = readdir(directory)) != NULL) {
    char path[4096];
    if (strstr(entry->d_name, ".so") == NULL ||
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
      continue;
    }
    if (linked_with_another_hdf5(path)) {
      snprintf(reason, size, "%.200s was left alone because it is linked with another HDF5 library",
               path);
      continue;
    }
    plugin = load(path, id, reason, size);
  }
  if (directory != NULL) {
    closedir(directory);
  }
  return plugin;
}

const H5Z_class2_t *filter_plugin_find(int id, char *reason, size_t size) {
  reason[0] = 0;
  for (int i = 0; i < found_count; i++) {
    if (found[i].id == id) {
      return found[i].plugin;
    }
  }
  unsigned folders = 0;
  const H5Z_class2_t *plugin = NULL;
  if (H5PLsize(&folders) < 0) {
    return NULL;
  }
  for (unsigned i = 0; i < folders && plugin == NULL; i++) {
    char folder[4096];
    if (H5PLget(i, folder, sizeof folder) > 0) {
      plugin = search_folder(folder, id, reason, size);
    }
  }
  return plugin;
}
