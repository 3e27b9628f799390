/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Volumes in HDF5 files (and TIFF stacks and raw files): open, list, plan, read, write.
 *
 * Order of use: beamcast_hdf5_open finds the volumes of a file, beamcast_hdf5_list shows them,
 * beamcast_hdf5_plan decides region, stride and cut, beamcast_hdf5_plan_piece says what one rank
 * holds, beamcast_hdf5_read fills its memory, beamcast_hdf5_close frees all. Nothing here needs
 * MPI; every rank of a parallel program opens the file and reads its own piece. beamcast_hdf5_mpi.h
 * adds what is collective (writing one file from many ranks).
 *
 * Triples are x, y, z. Memory is [z][y][x][component], x (then the component) fastest.
 * HDF5 itself is used by one thread at a time, behind a lock of this library: all functions are
 * safe from any thread as long as no other code of the program uses HDF5 at the same moment.
 * A program that uses HDF5 elsewhere calls these functions from the same thread.
 */
#ifndef BEAMCAST_HDF5_H
#define BEAMCAST_HDF5_H

#include "beamcast_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BEAMCAST_HDF5_API __attribute__((visibility("default")))
#else
#define BEAMCAST_HDF5_API
#endif

/* --- what a volume is ------------------------------------------------------------------------ */

/* Types that files have beyond those of beamcast_type. */
enum { BEAMCAST_HDF5_INT64 = 32, BEAMCAST_HDF5_UINT64 = 33 };

enum { BEAMCAST_HDF5_MAX_DIMENSIONS = 5 };

/* What a dimension of the dataset stands for. Energies and wavelengths are channels. */
typedef enum beamcast_hdf5_role {
  BEAMCAST_HDF5_X = 0,
  BEAMCAST_HDF5_Y = 1,
  BEAMCAST_HDF5_Z = 2,
  BEAMCAST_HDF5_TIME = 3,
  BEAMCAST_HDF5_CHANNEL = 4,
  BEAMCAST_HDF5_COMPONENT = 5
} beamcast_hdf5_role;

typedef enum beamcast_hdf5_kind {
  BEAMCAST_HDF5_SCALAR = 0,
  BEAMCAST_HDF5_VECTOR = 1, /* components along a dimension: colours, vectors */
  BEAMCAST_HDF5_COMPLEX = 2 /* read as two components: magnitude, and phase in radians */
} beamcast_hdf5_kind;

/* One volume of a file. The strings live as long as the file is open and not refreshed. */
typedef struct beamcast_hdf5_volume {
  const char *path;       /* what to pass as the dataset: "/entry/data/data", for the frames of an
                             image key with an ending, "/entry/data/data [flats]" */
  const char *name;       /* the array's name, for people */
  const char *convention; /* by which the volume was found: "NXdata", "NXtomo", "VTKHDF", ... */
  int score;              /* how likely it is what people want to see; the list is sorted by it */
  int type;               /* beamcast_type or BEAMCAST_HDF5_INT64, _UINT64: of one component */
  int kind;               /* beamcast_hdf5_kind */
  int components;         /* per voxel, as read: 1 for scalars, 2 for complex numbers */
  int dimensions;         /* of the dataset, 2 to 5 */
  uint64_t shape[BEAMCAST_HDF5_MAX_DIMENSIONS]; /* of the dataset, slowest first */
  int role[BEAMCAST_HDF5_MAX_DIMENSIONS];       /* beamcast_hdf5_role of each dimension */
  uint64_t size[3];                             /* voxels in x, y, z; 1 where there is none */
  uint64_t times, channels;                     /* at least 1 */
  const double *time_values;                    /* [times], NULL when the file has none */
  double spacing[3];                            /* between voxel centres, > 0, in unit */
  double origin[3];                             /* centre of the first voxel as read, in unit */
  int spacing_known;                            /* 0: nothing in the file says so, spacing is 1 */
  const char *unit;                             /* "um", "mm", "m", ...; "" when not known */
  const char *value_unit;   /* of the values: "HU", "counts", ...; "" when the file does not say */
  double unit_metres;       /* metres in one unit; 0 when not a known length */
  const char *axis_name[3]; /* of x, y, z; "" when not known */
  uint64_t chunk[BEAMCAST_HDF5_MAX_DIMENSIONS]; /* 0 when not chunked */
  const char *filters;                          /* "shuffle, deflate"; "" when none */
  const char
      *storage; /* "contiguous", "chunked", "compact", "virtual", "external", "tiff", "raw" */
  uint64_t planes_written; /* of size[2]: planes that exist in a file that is being written */
  uint64_t bytes;          /* size in memory of one time and channel, full resolution */
} beamcast_hdf5_volume;

/* --- open, list ------------------------------------------------------------------------------ */

typedef struct beamcast_hdf5_file beamcast_hdf5_file;

/* How a raw file is laid out; what is 0 is said by its sidecar or its name. A file of any name
 * whose size is given is a raw one. */
typedef struct beamcast_hdf5_raw_layout {
  uint64_t size[3];  /* voxels in x, y, z; size[0] == 0: not given */
  int type;          /* of one voxel */
  uint64_t skip;     /* bytes before the first voxel */
  int big_endian;    /* byte order of the file */
  double spacing[3]; /* in millimetres; 0: not known */
} beamcast_hdf5_raw_layout;

/* All zero is the default. */
typedef struct beamcast_hdf5_open_options {
  const char *layouts; /* file or folder of layout files; NULL: $BEAMCAST_LAYOUTS, a list of both
                          separated by ':' */
  const char
      *dimensions; /* the roles of the dimensions, slowest first, "t,z,y,x" (t time, c channel,
                      n component), for every dataset of as many dimensions; NULL: as found */
  int live;        /* 1: the file may be growing: wait for nothing, follow with _refresh */
  int trusted; /* 1: no trial. Else an HDF5 file is first looked at by a process of its own, as the
                  HDF5 library may crash on damaged files; that takes some 30 ms */
  beamcast_hdf5_raw_layout raw;
} beamcast_hdf5_open_options;

/* Opens path and finds its volumes. An HDF5 file, a TIFF file or the first of a numbered series of
 * TIFF files, or a raw file (ending .raw or .vol) with its shape from options, from a sidecar
 * (.mhd, .info, .json) or its name, or a .npy file of NumPy. options may be NULL. On success *file
 * is the caller's, to be closed. Errors: BEAMCAST_ERR_IO (can't be read, is not such a file, holds
 * no volume), _MEMORY. */
BEAMCAST_HDF5_API int beamcast_hdf5_open(const char *path,
                                         const beamcast_hdf5_open_options *options,
                                         beamcast_hdf5_file **file, beamcast_error *error);

/* Frees the file and all that was had from it; NULL is fine. */
BEAMCAST_HDF5_API void beamcast_hdf5_close(beamcast_hdf5_file *file);

/* Looks again at a file that grows; *changed says whether any size, or the list, is another now.
 * All pointers had from _list and _missing are invalid afterwards. */
BEAMCAST_HDF5_API int beamcast_hdf5_refresh(beamcast_hdf5_file *file, int *changed,
                                            beamcast_error *error);

/* The volumes, most likely first. *count is at least 1. */
BEAMCAST_HDF5_API const beamcast_hdf5_volume *beamcast_hdf5_list(const beamcast_hdf5_file *file,
                                                                 size_t *count);

/* One sentence for each link that leads nowhere, dataset that can't be shown, and the like. */
BEAMCAST_HDF5_API const char *const *beamcast_hdf5_missing(const beamcast_hdf5_file *file,
                                                           size_t *count);

/* Finds the volume called dataset (NULL or "": the most likely). A path that is no volume gives
 * BEAMCAST_ERR_ARGUMENT and a sentence that says why. */
BEAMCAST_HDF5_API int beamcast_hdf5_find(const beamcast_hdf5_file *file, const char *dataset,
                                         size_t *index, beamcast_error *error);

/* The list for people, or as a JSON object. The caller frees the text with free(); NULL: no memory.
 */
BEAMCAST_HDF5_API char *beamcast_hdf5_describe(const beamcast_hdf5_file *file, int json);

/* Reads a list of numbers that belongs to a volume, such as the angles or the image key of a scan.
 * dataset: the path of a numeric dataset of one dimension (or a scalar). values: room for `room`
 * numbers, from the list's start. unit (may be NULL): its unit, "" when the file has none. Returns
 * how many were read, 0 when there is no such list. */
BEAMCAST_HDF5_API size_t beamcast_hdf5_numbers(const beamcast_hdf5_file *file, const char *dataset,
                                               double *values, size_t room, char unit[32]);

/* --- plan ------------------------------------------------------------------------------------ */

/* What is wanted. All zero is the default: all of the first time, at full resolution if it fits. */
typedef struct beamcast_hdf5_wish {
  size_t volume;         /* index in the list */
  uint64_t region[6];    /* x0, x1, y0, y1, z0, z1, half open, in voxels; x1 == 0: all of x, ... */
  uint64_t stride[3];    /* every how many voxels; 0: chosen so that memory_limit holds */
  int type;              /* of the voxels in memory; 0: as in the file (float16 stays float16) */
  double window[2];      /* values that become 0 and the largest value of an 8 or 16 bit type;
                            both 0 with such a type and another type in the file: the 0.1 and 99.9
                            percentiles of a sample */
  uint64_t memory_limit; /* bytes for all ranks together; 0: half of this machine's free memory */
  int ranks;             /* pieces to cut; 0: 1 */
  int complex_parts;     /* 1: complex numbers as real and imaginary part */
} beamcast_hdf5_wish;

/* What will be read. A sample is a voxel that the stride keeps; sample i along an axis is voxel
 * region[2 * axis] + i * stride[axis]. The same file and wish give the same plan on every rank. */
typedef struct beamcast_hdf5_plan {
  size_t volume;
  uint64_t region[6];
  uint64_t stride[3];
  uint64_t samples[3]; /* in x, y, z of the whole grid */
  double origin[3], spacing[3];
  int type, components;
  int complex_parts;
  double window[2]; /* 0, 0: values are kept as they are */
  uint64_t bytes;   /* of all samples */
  int reduced;      /* 1: the stride was raised to hold the memory limit */
  char note[256];   /* a sentence for the user about stride and memory, "" when all is as asked */
  int ranks;
  int cut_axis;            /* 0 x, 1 y, 2 z: the axis along which pieces are cut */
  uint64_t layer, layer_0; /* a chunk layer along it, in voxels, and where layer 0 would begin */
} beamcast_hdf5_plan;

/* Errors: BEAMCAST_ERR_ARGUMENT (region outside the volume, no such volume, type that the file's
 * type can't become), BEAMCAST_ERR_MEMORY (a stride was given and does not fit: the sentence has
 * the arithmetic). Reads a few samples when it has to find the window. */
BEAMCAST_HDF5_API int beamcast_hdf5_plan_read(beamcast_hdf5_file *file,
                                              const beamcast_hdf5_wish *wish,
                                              beamcast_hdf5_plan *plan, beamcast_error *error);

/* What a wish would take, without a file: region, stride, samples, bytes, reduced and note of a
 * volume called name (for messages) of size[3] voxels, each with components numbers of a type as
 * they will be in memory. For front ends that show it while the wish is edited; of the wish,
 * region, stride and memory_limit count. Safe from any thread. Errors as for _plan_read. */
BEAMCAST_HDF5_API int beamcast_hdf5_plan_size(const char *name, const uint64_t size[3], int type,
                                              int components, const beamcast_hdf5_wish *wish,
                                              beamcast_hdf5_plan *plan, beamcast_error *error);

/* The samples of one rank, as x0, x1, y0, y1, z0, z1 with both ends included, like VTK's extents.
 * Neighbouring pieces share one plane of samples; ghosts more planes are added where there are any.
 * Cuts lie where the fewest chunks are decoded twice. A rank too many gets an empty extent (x1 <
 * x0). */
BEAMCAST_HDF5_API void beamcast_hdf5_plan_piece(const beamcast_hdf5_plan *plan, int rank,
                                                int ghosts, int64_t extent[6]);

/* Bytes of one sample: components times the size of the type. */
BEAMCAST_HDF5_API size_t beamcast_hdf5_sample_bytes(const beamcast_hdf5_plan *plan);

/* --- read ------------------------------------------------------------------------------------ */

typedef struct beamcast_hdf5_read_options {
  uint64_t time, channel; /* which of the volume's */
  int threads;            /* 0: as many as this process may use cores */
  int64_t strides[3];     /* bytes between samples in x, y, z; all 0: packed as documented above */
  /* Called now and then from the calling thread, with the part done from 0 to 1; returning
   * another value than 0 ends the read with BEAMCAST_ERR_TIMEOUT ("cancelled"). May be NULL. */
  int (*progress)(void *context, double done);
  void *context;
} beamcast_hdf5_read_options;

/* What a read did, for benchmarks and messages. */
typedef struct beamcast_hdf5_read_report {
  uint64_t bytes_read;    /* from the file, compressed where it is */
  uint64_t bytes_decoded; /* of chunks, decoded */
  uint64_t chunks;        /* decoded */
  uint64_t chunks_absent; /* not in the file: the fill value was put */
  uint64_t scratch_bytes; /* largest memory beyond the output at any time */
  int threads;            /* used */
  const char *way;        /* "pread", "chunks", "library", ... */
} beamcast_hdf5_read_report;

/* Fills memory with the samples of extent (both ends included, as from _plan_piece). memory has
 * room for memory_bytes. options and report may be NULL. Voxels not yet written have the fill value
 * of the dataset. Memory beyond the output is at most 64 MiB, unless a single chunk is larger.
 * Errors: _ARGUMENT, _MEMORY, _IO (the sentence names dataset, chunk and filter), _UNSUPPORTED (a
 * filter plug-in is missing: the sentence says which and what package brings it). After an error
 * the memory's content is undefined. */
BEAMCAST_HDF5_API int beamcast_hdf5_read(beamcast_hdf5_file *file, const beamcast_hdf5_plan *plan,
                                         const int64_t extent[6],
                                         const beamcast_hdf5_read_options *options, void *memory,
                                         uint64_t memory_bytes, beamcast_hdf5_read_report *report,
                                         beamcast_error *error);

/* --- write ----------------------------------------------------------------------------------- */

/* A volume to be written as a NeXus NXdata group with axes and units. */
typedef struct beamcast_hdf5_output {
  const char *name;     /* of the dataset's values, e.g. "absorption"; NULL: "data" */
  int type, components; /* components > 1 are the dataset's last dimension */
  uint64_t size[3];     /* voxels of the whole volume */
  double spacing[3], origin[3];
  const char *unit;       /* of both, "" or NULL: not known */
  const char *value_unit; /* of the values, "" or NULL: not known */
  const char *source;     /* provenance: what the values come from (file, stream), may be NULL */
  int64_t step;           /* of a running simulation or scan; -1: none */
  double time;            /* of that step */
  uint64_t
      chunk[3]; /* in voxels; 0: chosen (about 1 MiB) when compression is asked, else contiguous */
  int compression; /* 0: none; 1 to 9: shuffle and deflate at this level */
  int partial;     /* not 0: the ranks' parts are not the whole; the rest gets fill */
  double fill;
} beamcast_hdf5_output;

/* Writes the whole volume, [z][y][x][component], into a new file at path (an old one is replaced
 * when the new one is complete). Errors: _ARGUMENT, _IO, _MEMORY. */
BEAMCAST_HDF5_API int beamcast_hdf5_write(const char *path, const beamcast_hdf5_output *output,
                                          const void *memory, beamcast_error *error);

#ifdef __cplusplus
}
#endif

#endif
