/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A volume in a file, to be pushed: .npy, and where the reader was built whatever it opens.
 */
#ifndef BEAMCAST_COMMAND_SOURCE_H
#define BEAMCAST_COMMAND_SOURCE_H

#include "beamcast.h"

typedef struct volume_source volume_source;

/* What the file does not say, or says wrong. All zero: nothing. */
typedef struct source_wish {
  uint64_t size[3];        /* voxels of a raw file; size[0] == 0: as its name or sidecar says */
  int type;                /* of them */
  uint64_t skip;           /* bytes before the first voxel */
  double spacing[3];       /* spacing[0] == 0: as in the file */
  const char *length_unit; /* of it; NULL: as in the file */
  const char *unit;        /* of the values; NULL: as in the file */
} source_wish;

/* Opens FILE or FILE:DATASET. The result is the caller's; close it. The wish's texts are needed as
 * long. */
volume_source *source_open(const char *name, const source_wish *wish, beamcast_error *error);
void source_close(volume_source *source);

/* How much there is: bytes of the voxels as they are sent, of the file, and by which filters it is
 * packed; "" if by none. */
typedef struct source_amount {
  uint64_t voxels, file;
  char packed[64];
} source_amount;
void source_tell(const volume_source *source, source_amount *amount);
/* A sentence on what is sent in another type than the file has; "" if nothing is. */
const char *source_notice(const volume_source *source);

/* Puts all of it into the stream's current step, in slabs, called `as` (NULL: what the file calls
 * it), and shows how far it is. The arrays are needed until the step has ended. */
int source_put(volume_source *source, beamcast_stream *stream, const char *as,
               beamcast_error *error);

/* The same of a file whose rows are points: arrays x, y, z, and as for the values. */
int source_put_points(const volume_source *source, beamcast_stream *stream, const char *as,
                      beamcast_error *error);

/* What the file holds, for people or as a JSON object; malloc'ed, NULL on failure. */
char *source_describe(const char *path, int json, beamcast_error *error);

/* Writes a volume into a file, by its ending: .npy, .h5, .hdf5, .nxs. from: where it comes from;
 * about: more of that as a JSON object, or NULL; .npy has no place for either, nor for names and
 * units. */
int target_write(const char *path, const beamcast_volume_data *volume, const char *from,
                 const char *about, beamcast_error *error);
/* Whether such a file can be written; asked before a long transfer. */
int target_check(const char *path, beamcast_error *error);

#endif
