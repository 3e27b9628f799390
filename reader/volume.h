/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts of the reader know about a file and its volumes beyond the public description.
 */
#ifndef BEAMCAST_READER_VOLUME_H
#define BEAMCAST_READER_VOLUME_H

#include "filters.h"
#include "h5_support.h"
#include "voxel_type.h"

enum { MAX_DIMS = BEAMCAST_HDF5_MAX_DIMENSIONS };

/* Where the voxels come from. */
typedef enum source_kind {
  SOURCE_HDF5,  /* a dataset; how it is read is found when it is opened */
  SOURCE_RAW,   /* bytes of a file from data_offset on */
  SOURCE_PAGES, /* pages of TIFF files */
} source_kind;

/* Where a chunk lies in the file. */
typedef struct chunk_place {
  uint64_t address; /* UINT64_MAX: not in the file */
  uint32_t bytes, mask;
} chunk_place;

/* A part of a virtual dataset: a block of it is a block of a dataset in another file. */
typedef struct virtual_part {
  uint64_t start[MAX_DIMS], count[MAX_DIMS]; /* in the virtual dataset */
  uint64_t from[MAX_DIMS];                   /* where the block begins in the source */
  char *file, *dataset;
} virtual_part;

/* A dataset as it is open for reading. */
typedef struct open_dataset {
  hid_t id, memory_type;
  int way; /* enum read_way */
  uint64_t shape[MAX_DIMS], chunk[MAX_DIMS];
  char file_name[4096]; /* of the file that has the bytes */
  uint64_t offset;      /* of contiguous data in it */
  filter_pipeline pipeline;
  int partial_unfiltered; /* chunks at the border are stored without filters */
  uint8_t fill[16];       /* the fill value, as an element in the file */
  chunk_place *places;    /* of all chunks, row-major; NULL: not known, the library is asked */
  uint64_t chunks;        /* of the whole dataset */
  virtual_part *parts;    /* of a virtual dataset; overlapping ones in the order of the file */
  size_t parts_count;
} open_dataset;

enum read_way { WAY_NONE, WAY_BYTES, WAY_CHUNKS, WAY_VIRTUAL, WAY_LIBRARY };

/* Pages of TIFF files that make up z: page[i] of file[i]. */
typedef struct page_list {
  char **file;
  uint32_t *page;
  size_t count;
  uint32_t rows; /* of a strip or tile row, for the order of reading */
} page_list;

typedef struct volume {
  beamcast_hdf5_volume about; /* its strings point into this struct or are owned by it */
  source_kind kind;
  voxel_element element;
  int direct; /* bytes in the file are those of the element: the library need not convert */
  char *path, *name, *object; /* object: the dataset's path in the HDF5 file */
  char convention[48], unit[16], value_unit[64], filters[160], axis[3][32];
  char storage[16];
  double *time_values;
  size_t time_count; /* of time_values */
  uint64_t *frames;  /* which planes along z are meant, ascending; NULL: all */
  size_t frame_count;
  int flip[3]; /* the axis runs down in the file: read from its end */
  /* SOURCE_RAW, SOURCE_PAGES */
  char *data_file;
  uint64_t data_offset;
  page_list pages;
  open_dataset *open; /* NULL: not yet */
} volume;

struct beamcast_hdf5_file {
  char *path;
  hid_t id; /* -1 for raw files and TIFF */
  int swmr;
  uint64_t stamp;             /* of the file when it was opened: changes with its time and size */
  char *layouts, *dimensions; /* copies of the options */
  beamcast_hdf5_open_options options;
  volume *volumes;
  beamcast_hdf5_volume *list; /* what the caller sees */
  size_t count, capacity;
  char **missing;
  size_t missing_count;
};

/* --- file.c -------------------------------------------------------------------------------------
 */

/* A number made of a file's identity, size and time of change; 0 when there is no such file. */
uint64_t file_stamp(const char *path);

/* --- trial.c ------------------------------------------------------------------------------------
 */

/* Looks at the file in another process; an error when that one dies of it. *listed: whether it
 * handed over the list of volumes, which then is the file's. */
int trial_open(beamcast_hdf5_file *file, int *listed, beamcast_error *error);

/* --- volumes.c: the list and its life ----------------------------------------------------------
 */

/* A new volume at the end of the list, all zero but for harmless defaults; NULL: no memory. The
 * pointer is valid until the next one is added. */
volume *volumes_add(beamcast_hdf5_file *file, const char *path, const char *name);

/* Remembers a sentence, once. */
void volumes_miss(beamcast_hdf5_file *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sorts by score and fills what follows from the rest (sizes, bytes, public list). */
int volumes_finish(beamcast_hdf5_file *file, beamcast_error *error);
void volumes_clear(beamcast_hdf5_file *file);
void close_dataset(open_dataset *open); /* NULL is fine; the lock is held */

/* Sets the dimensions' roles to the usual: last is x, then y, z, before them time (and channel). */
void volume_default_roles(volume *v);

/* Roles from the text "t,z,y,x"; 0 when it fits the number of dimensions and names x and y once. */
int volume_roles_from_text(volume *v, const char *text);

/* The dimension with a role, -1 when there is none. */
int volume_dimension(const volume *v, int role);

/* --- inspect_*.c ------------------------------------------------------------------------------ */

/* Finds the volumes of an open HDF5 file; the lock is held. */
int inspect_hdf5(beamcast_hdf5_file *file, beamcast_error *error);

/* Fills type, shape, chunks, filters and storage of v from its dataset; the reason as a sentence
 * when it can't be a volume. The lock is held. */
int inspect_dataset(beamcast_hdf5_file *file, const char *object, volume *v, beamcast_error *error);

/* The same for a dataset that is open already; it stays open. */
int inspect_opened(beamcast_hdf5_file *file, hid_t dataset, const char *object, volume *v,
                   beamcast_error *error);

int inspect_tiff(beamcast_hdf5_file *file, beamcast_error *error);
int inspect_raw(beamcast_hdf5_file *file, beamcast_error *error);
int is_tiff(const char *path);
int is_raw(const char *path);
int is_npy(const char *path);
/* What a .npy file says of itself. */
int npy_layout(const char *path, beamcast_hdf5_raw_layout *raw, beamcast_error *error);

/* --- geometry.c --------------------------------------------------------------------------------
 */

/* Metres in one unit called name ("um", "micrometer", "mm", ...), 0 when it is no known length; the
 * usual short spelling goes to spelling[16]. */
double unit_metres(const char *name, char *spelling);

/* The role that an axis called name has, -1 when the name says nothing. */
int axis_role(const char *name);

#endif
