/* SPDX-License-Identifier: BSD-3-Clause
 * TIFF and .npy files, sidecars of raw files, their names, and layout files: what is read besides
 * HDF5. The first byte chooses which of them the rest is. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_builder.h"
#include "look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void in_folder(char path[128], const char *name) {
  (void)snprintf(path, 128, "%s/%s", folder, name);
}

static void put(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  if (file != NULL) {
    (void)fwrite(data, 1, size, file);
    (void)fclose(file);
  }
}

static void clean(void) {
  static const char *const names[] = {"a.tif",  "a.raw", "a.mhd",  "a.info",
                                      "a.json", "a.h5",  "layout", "a.npy"};
  char path[128];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    in_folder(path, names[i]);
    (void)unlink(path);
  }
  (void)rmdir(folder);
}

/* A raw file of 4 KiB, and an HDF5 file with a volume for the layouts. */
static void prepare(void) {
  static const uint8_t raw[4096];
  /* group entry, dataset data of uint16, 3 x 4 x 5, contiguous */
  static const uint8_t steps[] = {1, 0, 0, 3, 1, 2, 3, 3, 4, 5, 0, 0};
  byte_source bytes = {steps, sizeof steps};
  char path[128];
  (void)snprintf(folder, sizeof folder, "/tmp/beamcast-fuzz-%d", (int)getpid());
  (void)mkdir(folder, 0700);
  (void)atexit(clean);
  in_folder(path, "a.raw");
  put(path, raw, sizeof raw);
  in_folder(path, "a.h5");
  if (build_file(path, &bytes) != 0) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { TIFF, METAIMAGE, INFO, JSON, LAYOUT, NPY, KINDS };
  static const char *const names[] = {"a.tif", "a.mhd", "a.info", "a.json", "layout", "a.npy"};
  char path[128], name[128];
  if (folder[0] == 0) {
    prepare();
  }
  if (size == 0) {
    return 0;
  }
  const int kind = data[0] % KINDS;
  in_folder(path, names[kind]);
  put(path, data + 1, size - 1);
  if (kind == LAYOUT) {
    const beamcast_hdf5_open_options options = {.trusted = 1, .layouts = path};
    in_folder(name, "a.h5");
    look_at(name, &options);
  }
  if (kind == METAIMAGE || kind == INFO || kind == JSON) {
    in_folder(name, "a.raw");
    look_at(name, NULL);
  }
  if (kind == TIFF || kind == METAIMAGE || kind == NPY) {
    look_at(path, NULL);
  }
  (void)unlink(path);
  return 0;
}
