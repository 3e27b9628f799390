/* SPDX-License-Identifier: BSD-3-Clause
 * The inspector and the reader on sound HDF5 files of any content. The HDF5 library makes them, so
 * that what fails is ours; damaged files are fuzz_files.c's. */
#include <stdio.h>
#include <unistd.h>

#include "file_builder.h"
#include "look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const dimensions[] = {NULL, NULL, NULL, "x,y,z", "t,z,y,x", "z,y,x,n"};
  byte_source bytes = {data, size};
  char path[64]; /* HDF5 wants a file that has a name */
  (void)snprintf(path, sizeof path, "/tmp/beamcast-fuzz-%d.h5", (int)getpid());
  const uint8_t first = next_byte(&bytes);
  const beamcast_hdf5_open_options options = {
      .trusted = 1, .live = first % 2, .dimensions = dimensions[first / 2 % 6]};
  if (build_file(path, &bytes) == 0) {
    look_at(path, &options);
  }
  (void)unlink(path);
  return 0;
}
