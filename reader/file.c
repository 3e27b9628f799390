/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening, closing, looking again, finding a volume by name.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What can be said about a file before HDF5 sees it. */
static int check_file(const char *path, beamcast_error *error) {
  struct stat status;
  if (stat(path, &status) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be opened (%s)", path, strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s is no ordinary file%s", path,
                         S_ISDIR(status.st_mode) ? ": name one in it; of a TIFF stack any" : "");
  }
  if (status.st_size == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s is empty", path);
  }
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be read (%s)", path, strerror(errno));
  }
  close(fd);
  return BEAMCAST_OK;
}

uint64_t file_stamp(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) {
    return 0;
  }
  uint64_t stamp = (uint64_t)status.st_ino * 1099511628211ull;
  stamp = (stamp ^ (uint64_t)status.st_size) * 1099511628211ull;
  stamp = (stamp ^ (uint64_t)status.st_mtim.tv_sec) * 1099511628211ull;
  return stamp ^ (uint64_t)status.st_mtim.tv_nsec;
}

static hid_t access_list(int lock) {
  hid_t list = H5Pcreate(H5P_FILE_ACCESS);
  if (!lock) {
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(list, 0, 1);
#endif
  }
  H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
  H5Pset_elink_file_cache_size(list, 16);
  return list;
}

/* Whether another program holds HDF5's lock for writing. Ours asks once and holds none, so that a
 * file that is only looked at can be written again. */
static int is_locked(const char *path) {
  const char *wanted = getenv("HDF5_USE_FILE_LOCKING");
  if (wanted != NULL && (strcmp(wanted, "FALSE") == 0 || strcmp(wanted, "0") == 0)) {
    return 0;
  }
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  const int locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (fd >= 0) {
    close(fd);
  }
  return locked;
}

static hid_t open_with(const char *path, unsigned flags, int lock, char reason[240]) {
  hid_t list = access_list(lock);
  hid_t id = H5Fopen(path, flags, list);
  snprintf(reason, 240, "%s", id < 0 ? h5_last_message() : "");
  H5Pclose(list);
  return id;
}

/* *listed: the volumes are known already, from the trial. */
static int open_hdf5(beamcast_hdf5_file *file, int *listed, beamcast_error *error) {
  const uint64_t before = file_stamp(file->path);
  char reason[240], ignored[240];
  if (H5Fis_hdf5(file->path) <= 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%s is no HDF5 file; TIFF and raw files are known by their names (.tif, "
                         ".tiff; .raw, .vol, .mhd; .npy)",
                         file->path);
  }
  if (!file->options.trusted) {
    int result = trial_open(file, listed, error);
    if (result != BEAMCAST_OK) {
      return result;
    }
    file->options.trusted = 1; /* when it is looked at again */
  }
  file->stamp = file_stamp(file->path);
  if (*listed && file->stamp != before) {
    volumes_clear(file);
    *listed = 0;
  }
  file->swmr = 0;
  const int locked = is_locked(file->path);
  file->id = locked ? -1 : open_with(file->path, H5F_ACC_RDONLY, 0, reason);
  if (file->id < 0 && !locked) { /* this process has it open with a lock (another reader) */
    file->id = open_with(file->path, H5F_ACC_RDONLY, 1, ignored);
  }
  if (file->id < 0) { /* made to be read while it is written */
    file->id = open_with(file->path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, 1, ignored);
    file->swmr = file->id >= 0;
  }
  if (file->id >= 0) {
    return BEAMCAST_OK;
  }
  if (locked) {
    return beamcast_fail(
        error, BEAMCAST_ERR_IO,
        "%s is being written and its writer has locked it; let the writer use SWMR, or "
        "set HDF5_USE_FILE_LOCKING=FALSE if you know that it is complete",
        file->path);
  }
  return beamcast_fail(error, BEAMCAST_ERR_IO,
                       "%s can't be opened: the file is damaged or cut off (%s)", file->path,
                       reason);
}

static int load(beamcast_hdf5_file *file, beamcast_error *error) {
  int result = check_file(file->path, error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  if (is_tiff(file->path)) {
    result = inspect_tiff(file, error);
  } else if (file->options.raw.size[0] > 0 || is_raw(file->path)) {
    result = inspect_raw(file, error);
  } else if (file->options.raw.type != 0 || file->options.raw.skip > 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "%s: a type and bytes to skip are for raw files, .raw or .vol; one of "
                           "another name needs its size, too",
                           file->path);
  } else {
    int listed = 0;
    result = open_hdf5(file, &listed, error);
    result = result == BEAMCAST_OK && !listed ? inspect_hdf5(file, error) : result;
  }
  return result == BEAMCAST_OK ? volumes_finish(file, error) : result;
}

static void unload(beamcast_hdf5_file *file) {
  volumes_clear(file);
  if (file->id > 0) {
    H5Fclose(file->id);
  }
  file->id = -1;
  file->swmr = 0;
}

int beamcast_hdf5_open(const char *path, const beamcast_hdf5_open_options *options,
                       beamcast_hdf5_file **result, beamcast_error *error) {
  beamcast_hdf5_file *file = calloc(1, sizeof *file);
  if (file == NULL || path == NULL || (file->path = strdup(path)) == NULL) {
    free(file);
    return beamcast_fail(error, path == NULL ? BEAMCAST_ERR_ARGUMENT : BEAMCAST_ERR_MEMORY,
                         path == NULL ? "No file was named" : "No memory for a file");
  }
  file->id = -1;
  if (options != NULL) {
    file->options = *options;
    file->layouts = options->layouts != NULL ? strdup(options->layouts) : NULL;
    file->dimensions = options->dimensions != NULL && options->dimensions[0] != 0
                           ? strdup(options->dimensions)
                           : NULL;
    file->options.layouts = file->layouts;
    file->options.dimensions = file->dimensions;
  }
  h5_lock();
  const int code = load(file, error);
  h5_unlock();
  if (code != BEAMCAST_OK) {
    beamcast_hdf5_close(file);
    return code;
  }
  *result = file;
  return BEAMCAST_OK;
}

void beamcast_hdf5_close(beamcast_hdf5_file *file) {
  if (file == NULL) {
    return;
  }
  h5_lock();
  unload(file);
  h5_unlock();
  free(file->layouts);
  free(file->dimensions);
  free(file->path);
  free(file);
}

/* A number that changes whenever a size or the list does. */
static uint64_t fingerprint(const beamcast_hdf5_file *file) {
  uint64_t hash = 1469598103934665603ull;
  for (size_t i = 0; i < file->count; i++) {
    const beamcast_hdf5_volume *v = &file->volumes[i].about;
    for (const char *c = file->volumes[i].path; *c != 0; c++) {
      hash = (hash ^ (uint8_t)*c) * 1099511628211ull;
    }
    for (int axis = 0; axis < 3; axis++) {
      hash = (hash ^ v->size[axis]) * 1099511628211ull;
    }
    hash = (hash ^ v->planes_written) * 1099511628211ull;
    hash = (hash ^ v->times) * 1099511628211ull;
  }
  return hash;
}

int beamcast_hdf5_refresh(beamcast_hdf5_file *file, int *changed, beamcast_error *error) {
  const uint64_t before = fingerprint(file);
  h5_lock();
  unload(file);
  const int code = load(file, error);
  h5_unlock();
  *changed = code == BEAMCAST_OK && fingerprint(file) != before;
  return code;
}

const beamcast_hdf5_volume *beamcast_hdf5_list(const beamcast_hdf5_file *file, size_t *count) {
  *count = file->count;
  return file->list;
}

const char *const *beamcast_hdf5_missing(const beamcast_hdf5_file *file, size_t *count) {
  *count = file->missing_count;
  return (const char *const *)file->missing;
}

int beamcast_hdf5_find(const beamcast_hdf5_file *file, const char *dataset, size_t *index,
                       beamcast_error *error) {
  if (file->count == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s could not be read again", file->path);
  }
  if (dataset == NULL || dataset[0] == 0) {
    *index = 0;
    return BEAMCAST_OK;
  }
  for (size_t i = 0; i < file->count; i++) {
    const char *path = file->volumes[i].path;
    if (strcmp(path, dataset) == 0 || strcmp(path + (path[0] == '/'), dataset) == 0) {
      *index = i;
      return BEAMCAST_OK;
    }
  }
  if (file->id < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s has no volume called %s", file->path,
                         dataset);
  }
  volume probe = {0};
  h5_lock();
  uint8_t found = 0;
  int code = inspect_dataset((beamcast_hdf5_file *)file, dataset, &probe, error);
  H5O_info_t wanted, info;
  /* Another path to a listed dataset: the links of NeXus files make many. */
  for (size_t i = 0; code == BEAMCAST_OK && i < file->count && !found; i++) {
    const volume *v = &file->volumes[i];
    if (v->frames == NULL &&
        H5Oget_info_by_name2(file->id, dataset, &wanted, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
        H5Oget_info_by_name2(file->id, v->object, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
        wanted.addr == info.addr && wanted.fileno == info.fileno) {
      *index = i;
      found = 1;
    }
  }
  h5_unlock();
  if (code == BEAMCAST_OK && !found) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s in %s is not among its volumes", dataset,
                         file->path);
  }
  return code;
}
