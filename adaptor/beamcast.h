/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libbeamcast: a program that has a volume in memory shows it in a running ParaView server.
 *
 * In order: connect once, then per step begin, put any number of bricks, end; close. Any number
 * of producer ranks works together; MPI is not needed. A volume is [z][y][x], x fastest; every
 * triple here is in the order x, y, z.
 *
 *   beamcast_stream *stream = beamcast_connect("contact.json", NULL, &error);
 *   beamcast_begin_step(stream, 0, 0.0, &error);
 *   beamcast_put(stream, &brick, &error);
 *   beamcast_end_step(stream, &error);
 *   beamcast_close(stream);
 *
 * The same calls drive ParaView inside the producer, on the bricks where they are: see `backend`
 * below and docs/catalyst.md.
 *
 * No call aborts the process, prints, or touches signal handlers. Every call returns within the
 * stream's time limit, and at most half of it more where voxels must be called back, whatever the
 * server does. A failure is a code (beamcast_code) and a sentence; after one, the producer's own
 * data are as they were and it may go on without us. Threads: one stream belongs to one thread at a
 * time; different streams are independent.
 */
#ifndef BEAMCAST_H
#define BEAMCAST_H

#include "beamcast_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BEAMCAST_API __attribute__((visibility("default")))
#else
#define BEAMCAST_API
#endif

/* --- connecting ------------------------------------------------------------------------------ */

typedef struct beamcast_stream beamcast_stream;

/* Zero-initialise; every zero means the default. */
typedef struct beamcast_connect_options {
  const char *name;    /* the stream's name; "volume" */
  int rank;            /* this producer's number, 0 <= rank < ranks */
  int ranks;           /* how many producers make one step together; 1 */
  uint64_t run_id;     /* the same on all producers of a run, another for the next run. 0: drawn at
                          random for one producer; for several taken from the launcher's environment
                          (Slurm, PMIx, Open MPI), an error where there is none */
  double time_limit;   /* seconds, for every call; 30. The server not being there yet counts */
  const char *token;   /* the token's text; NULL: the contact file's, else $BEAMCAST_TOKEN */
  const char *wire;    /* "verbs", "shm" or "tcp"; NULL: $BEAMCAST_WIRE, else the best that works */
  int connections;     /* tcp connections to each server rank; $BEAMCAST_CONNECTIONS, else 1 on one
                          host and 4 between hosts */
  int overlap;         /* not 0: end_step does not wait until the bytes have landed; the next call
                          does, and reports what went wrong */
  const char *backend; /* where steps go: "stream" to the server; "catalyst" to ParaView's scripts
                          in this process, which then needs MPI; "both"; "none" nowhere. NULL:
                          $BEAMCAST_BACKEND, else "stream" */
  const char *scripts; /* catalyst: Python scripts, paths or names of ours, ':' between them; NULL:
                          $BEAMCAST_CATALYST_SCRIPTS */
  int mpi_comm; /* catalyst: MPI_Comm_c2f() of the producers' communicator, in which rank and ranks
                   are theirs; 0: MPI_COMM_WORLD. The library works in a duplicate of it */
} beamcast_connect_options;

/* Connects to the server that wrote a contact file, or to "beamcast://host:port".
 * contact: path or address; not looked at by the back ends catalyst and none. options: may be NULL.
 * With catalyst or both this call, beamcast_end_step and beamcast_close are collective over the
 * producers, and a failure on one of them is one on all; catalyst without libbeamcast_catalyst.so
 * is BEAMCAST_ERR_UNSUPPORTED. Waits for a server that is not there yet, up to
 * the time limit. Returns NULL on failure. The stream is the caller's; close it. */
BEAMCAST_API beamcast_stream *beamcast_connect(const char *contact,
                                               const beamcast_connect_options *options,
                                               beamcast_error *error);

/* Leaves the stream and frees it; NULL is allowed. An unfinished step is dropped. */
BEAMCAST_API void beamcast_close(beamcast_stream *stream);

/* --- one step -------------------------------------------------------------------------------- */

/* A box of voxels of the whole volume, in the caller's memory. Zero-initialise.
 * Bricks of a step may overlap where their values agree. What no brick covers gets `fill`. */
typedef struct beamcast_brick {
  const char *name;    /* the array's name; "volume" */
  const void *data;    /* the voxel at start[], also in a CUDA device's memory, where what fills it
                          must be done; untouched by the caller until end_step returns */
  int type;            /* one of beamcast_type */
  int components;      /* 1 to 4, interleaved; 0 means 1 */
  uint64_t volume[3];  /* voxels of the whole volume: nx, ny, nz; each at least 1 */
  uint64_t start[3];   /* the first voxel of this brick in the volume */
  uint64_t shape[3];   /* voxels of this brick; a zero makes it empty, which is allowed */
  int64_t stride[3];   /* bytes from a voxel to its neighbour in x, y, z; all 0: contiguous */
  double spacing[3];   /* distance of voxels, in `length_unit`; all 0: 1, 1, 1 */
  double origin[3];    /* position of voxel (0, 0, 0) */
  double direction[9]; /* rows of the direction matrix; all 0: identity */
  double fill;         /* for voxels that no brick covers; 0 */
  const char *unit;    /* unit of the values, such as "1/cm"; NULL: none */
  const char *length_unit; /* unit of spacing and origin: "m", "mm", "um"; NULL: unknown */
  int copy;                /* not 0: put copies, and the array is the caller's again at once */
} beamcast_brick;

/* Begins a step. step: a number that grows with each step. time: the physical time it stands for.
 * Returns BEAMCAST_OK; or BEAMCAST_DROPPED when the server has no room for it now: put and end_step
 * then do nothing and return BEAMCAST_DROPPED, and the producer goes on. With the back end both it
 * is end_step that says so, and what goes wrong with the server: the scripts see the step anyhow.
 * The last step of a run can be dropped too: where it must be seen, begin it again until it is not,
 * then end it. */
BEAMCAST_API int beamcast_begin_step(beamcast_stream *stream, uint64_t step, double time,
                                     beamcast_error *error);

/* Puts a brick. All arrays of a stream have the same volume[], spacing[] and origin[] in a step.
 * On return the bytes may be still under way, unless brick->copy is set.
 * Errors: BEAMCAST_ERR_ARGUMENT (the sentence names the field), BEAMCAST_ERR_REFUSED (the server
 * refuses the size; says its limit), BEAMCAST_ERR_TIMEOUT, BEAMCAST_ERR_CONNECTION. */
BEAMCAST_API int beamcast_put(beamcast_stream *stream, const beamcast_brick *brick,
                              beamcast_error *error);

/* Adds an entry to the step's header, shown in ParaView as field data. key: 1 to 255 bytes.
 * json: a JSON value (number, string in quotes, array). The header of a step holds 128 KiB. */
BEAMCAST_API int beamcast_annotate(beamcast_stream *stream, const char *key, const char *json,
                                   beamcast_error *error);

/* Ends the step: returns BEAMCAST_OK when all bytes of this producer are in the server's memory
 * (with `overlap`: when the arrays are the caller's again). The step is shown once all producers
 * have ended it.
 * With catalyst or both it runs the scripts. Each rank's bricks of a step must make up one box, the
 * same for all arrays, else BEAMCAST_ERR_UNSUPPORTED there and BEAMCAST_DROPPED on the others. A
 * script with an error is BEAMCAST_ERR_SCRIPT once, on one rank, with its file and line; it is not
 * run again, and the other scripts and the producer go on. */
BEAMCAST_API int beamcast_end_step(beamcast_stream *stream, beamcast_error *error);

/* Waits until the step ended last is complete in the server: who retrieves or looks from then on
 * finds it, or a newer one. Not needed between steps; with several producers, all must have ended
 * the step. BEAMCAST_DROPPED if it was given up after all. */
BEAMCAST_API int beamcast_await(beamcast_stream *stream, beamcast_error *error);

/* --- memory that stays ----------------------------------------------------------------------- */

/* Says that an array stays where it is, so that RDMA registers it once, when it is first put, and
 * not for each step; worth it for arrays that are put again and again. It counts against the limit
 * of locked memory ('ulimit -l') as long as it is registered; where that is too low it is
 * registered in pieces for each step, as without this call. Over shm and tcp nothing changes.
 * data, bytes: any part of the program's memory, or of a CUDA device's; bricks that lie in it
 * profit. The array must not be freed or moved before beamcast_unregister or beamcast_close: other
 * pages at the same address would not be sent. Between begin_step and end_step, too.
 * BEAMCAST_ERR_ARGUMENT if it shares memory with another one that is registered; the same one again
 * is allowed. */
BEAMCAST_API int beamcast_register(beamcast_stream *stream, const void *data, uint64_t bytes,
                                   beamcast_error *error);

/* Takes back what was registered; waits until what was put of it has left. On return the array may
 * be freed, whatever the code says, unless that is BEAMCAST_ERR_ARGUMENT: no array that begins at
 * data is registered. */
BEAMCAST_API int beamcast_unregister(beamcast_stream *stream, const void *data,
                                     beamcast_error *error);

/* --- asking back ----------------------------------------------------------------------------- */

/* What the viewer asks of its producers. Every producer gets a message at the same step. */
typedef struct beamcast_message {
  uint64_t number;  /* counts the requests to this stream, from 1; 0: there is none */
  const char *json; /* a JSON object such as {"stop": true}; the stream's, until the next call */
} beamcast_message;

/* Gets the next request that came with the current step, if any: message->number 0 means none. */
BEAMCAST_API int beamcast_request(beamcast_stream *stream, beamcast_message *message,
                                  beamcast_error *error);

/* --- state ----------------------------------------------------------------------------------- */

typedef struct beamcast_stream_info {
  uint64_t steps_sent;    /* ended, and accepted by the server */
  uint64_t steps_dropped; /* not accepted, or given up by the server */
  uint64_t bytes_sent;    /* bytes of voxels handed to the wire */
  int server_ranks;
  const char *wire; /* "verbs", "shm", "tcp", "tcp (relayed)"; the slowest in use; "in process" and
                       "none" without a server; static */
} beamcast_stream_info;

BEAMCAST_API void beamcast_stream_describe(const beamcast_stream *stream,
                                           beamcast_stream_info *info);

/* The library's version as text, such as "0.1.0". */
BEAMCAST_API const char *beamcast_version(void);

/* --- data back ------------------------------------------------------------------------------- */

/* A volume that beamcast_retrieve fetched. */
typedef struct beamcast_volume_data {
  void *data; /* [z][y][x][component], x fastest; malloc'ed; free with beamcast_volume_free */
  int type;   /* one of beamcast_type */
  int components;
  uint64_t start[3];  /* first voxel in the whole volume */
  uint64_t shape[3];  /* voxels */
  uint64_t volume[3]; /* voxels of the whole volume */
  double spacing[3], origin[3];
  uint64_t step;
  double time;
  char name[128];       /* of the array */
  char unit[64];        /* of its values; "" if unknown */
  char length_unit[64]; /* of spacing and origin; "" if unknown */
  char *header;         /* what its producer said of the step (beamcast_annotate), a JSON object;
                           freed by beamcast_volume_free; NULL: it is no step */
} beamcast_volume_data;

/* Fetches a box of the newest complete step of a stream from a running server. Needs the right to
 * view, no producer. stream: NULL means "volume". array: NULL means the first. start, shape: the
 * box; both NULL means all of it. time_limit: seconds; 0 means 30. */
BEAMCAST_API int beamcast_stream_retrieve(const char *contact, const char *stream,
                                          const char *array, const uint64_t start[3],
                                          const uint64_t shape[3], double time_limit,
                                          beamcast_volume_data *out, beamcast_error *error);
/* The same of the step of this number, as its producer gave it, which the server may have kept (see
 * Keep of Beamcast Stream); NULL: the newest. BEAMCAST_ERR_REFUSED if it has gone. */
BEAMCAST_API int beamcast_stream_retrieve_step(const char *contact, const char *stream,
                                               const uint64_t *step, const char *array,
                                               const uint64_t start[3], const uint64_t shape[3],
                                               double time_limit, beamcast_volume_data *out,
                                               beamcast_error *error);
BEAMCAST_API void beamcast_volume_free(beamcast_volume_data *volume);

#ifdef __cplusplus
}
#endif

#endif
