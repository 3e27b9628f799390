/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sessions: start a parallel ParaView server, show a volume in it, take a picture of it, stop it.
 *
 *   beamcast_start_options options = {.ranks = 2};
 *   beamcast_session *session = beamcast_start(&options, &error);
 *   beamcast_render_volume(session, &volume, &error);
 *   beamcast_screenshot(session, NULL, &picture, &error);
 *   beamcast_stop(session, &error);
 *   beamcast_session_close(session);
 *
 * A session runs as the user, on this machine or as a Slurm job, and outlives the program that
 * started it. Its record lies in a folder that only the user can enter: $XDG_STATE_HOME/beamcast,
 * else ~/.local/state/beamcast. Any other program of the user finds it there by its id.
 *
 * No call aborts the process, prints, or touches signal handlers. A failure is a code
 * (beamcast_code) and a sentence. Threads: one beamcast_session belongs to one thread at a time.
 * Triples are in the order x, y, z; arrays are [z][y][x], x fastest.
 */
#ifndef BEAMCAST_SESSION_H
#define BEAMCAST_SESSION_H

#include <stdbool.h>

#include "beamcast.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamcast_session beamcast_session;

/* --- start ----------------------------------------------------------------------------------- */

/* Zero-initialise; every zero means the default. */
typedef struct beamcast_start_options {
  int paraview;        /* not 0: for ParaView clients; 0: the headless viewer, which draws pictures
                          by itself */
  int ranks;           /* processes of the server; 0: one, or what `size` needs */
  double idle_minutes; /* unused for so long, the session ends by itself; 60. Below 0: never */
  const char *slurm;   /* not NULL: run as a Slurm job. Options for sbatch, separated by blanks,
                          such as "--partition=gpu --time=2:00:00"; "" for none */
  uint64_t size[3];    /* voxels that are going to come; 0: unknown. What they need is estimated:
                          where it does not fit this machine, or a node of the cluster, it is
                          BEAMCAST_ERR_MEMORY with the arithmetic; a Slurm job asks for that memory,
                          ranks and GPUs (--mem, --ntasks, --gres), unless `slurm` and `ranks` say
                          otherwise. Steps of more bytes are refused when they come */
  int type;            /* their type, one of beamcast_type; 0: float32 */
  double time_limit;   /* seconds until a session on this machine has to run; 120 */
  const char *script;  /* the headless viewer runs these Python scripts at each step: paths or names
                          of  Beamcast's own, ':' between them; NULL: none */
  int keep;            /* steps that the headless viewer keeps beside the newest, to go back to:
                          beamcast_retrieve_from; 0: none */
  int web;             /* not 0: the headless viewer has a web page; its address is in `url` */
  const char *client;  /* of a server for ParaView clients: the name of this machine for the server,
                          which then connects to a client that listens here, see
                          beamcast_connect_back; "none": clients connect to the server. NULL: as
                          clusters are used, the first for Slurm jobs, the second for others */
  int slots;        /* steps that the headless viewer has memory for beside those it keeps: the one
                       that is shown, the newest, and those that arrive; 0: 3 */
  const char *name; /* what to call the session, wherever its id can stand; NULL: nothing. Letters,
                       digits, - and _, at most 31; no other of this user's may have it */
  const char *host; /* not NULL: on that machine, a login for ssh ("user@host"), there locally or
                       by `slurm`. `script` is a path there. $BEAMCAST_REMOTE names `beamcast`
                       there where it is not in the PATH, $BEAMCAST_SSH another ssh */
} beamcast_start_options;

/* Starts a session. On this machine it waits until the session runs; for Slurm it returns when the
 * job is queued. What was begun is undone on failure, and when the calling process ends meanwhile.
 * options: may be NULL. Returns NULL on failure: BEAMCAST_ERR_ARGUMENT, _UNSUPPORTED (a program
 * that is needed is missing: the sentence names it), _TIMEOUT, _IO, _REFUSED (by Slurm).
 * The result is the caller's; close it. */
BEAMCAST_API beamcast_session *beamcast_start(const beamcast_start_options *options,
                                              beamcast_error *error);

/* Finds a session of this user by its id, or its name. NULL, and BEAMCAST_ERR_ARGUMENT, if there is
 * none. */
BEAMCAST_API beamcast_session *beamcast_session_open(const char *id, beamcast_error *error);

/* Its id, as long as the handle lives. */
BEAMCAST_API const char *beamcast_session_id(const beamcast_session *session);

/* Frees the handle; the session goes on. NULL is allowed. */
BEAMCAST_API void beamcast_session_close(beamcast_session *session);

/* --- status, stop ---------------------------------------------------------------------------- */

typedef enum beamcast_session_state {
  BEAMCAST_SESSION_STARTING = 1,
  BEAMCAST_SESSION_PENDING = 2, /* waits in Slurm's queue */
  BEAMCAST_SESSION_RUNNING = 3,
  BEAMCAST_SESSION_ENDED = 4,  /* in good order: idle, stopped, cancelled, its time was over */
  BEAMCAST_SESSION_CRASHED = 5 /* its processes died */
} beamcast_session_state;

enum { BEAMCAST_SESSION_ID_MAX = 32, BEAMCAST_SESSION_PATH_MAX = 1024 };

typedef struct beamcast_session_info {
  char id[BEAMCAST_SESSION_ID_MAX];
  char name[BEAMCAST_SESSION_ID_MAX];      /* "" if it has none */
  int state;                               /* beamcast_session_state */
  char reason[300];                        /* why it is pending, ended or crashed; "" */
  char contact[BEAMCAST_SESSION_PATH_MAX]; /* the contact file; "" until it runs */
  char paraview[300]; /* where ParaView clients connect, "cs://localhost:PORT"; "" until it runs */
  char connect_id_file[BEAMCAST_SESSION_PATH_MAX]; /* holds the number that they must know; "" for a
                                                      viewer */
  char log[BEAMCAST_SESSION_PATH_MAX];
  char host[256];     /* where rank 0 runs, or the session was started */
  char slurm_job[32]; /* "" if it is none */
  int ranks;
  int64_t start_time; /* Unix time since when it runs; while pending when Slurm expects to start it,
                         0: not known */
  int64_t created;    /* Unix time of beamcast_start */
  char url[300];      /* of the session's web page; "" if it has none */
  char login[256];    /* for ssh, of the machine that has the session; "" for this one */
  char estimate[600]; /* what the announced volumes need, with the arithmetic; "" if none are */
  char
      client[300]; /* where a ParaView client listens for it, "csrc://HOST:PORT"; "" if none does */
} beamcast_session_info;

/* Asks how a session is. BEAMCAST_ERR_ARGUMENT when its record is gone (it was stopped);
 * BEAMCAST_ERR_CONNECTION when Slurm does not answer, or ssh. Of a session on another machine it
 * opens the tunnel again where that is gone. */
BEAMCAST_API int beamcast_status(beamcast_session *session, beamcast_session_info *info,
                                 beamcast_error *error);

/* The state as a word: "running". */
BEAMCAST_API const char *beamcast_session_state_name(int state);

/* All sessions of this user, the newest first. *list is malloc'ed, for free(). */
BEAMCAST_API int beamcast_session_list(beamcast_session_info **list, size_t *count,
                                       beamcast_error *error);

/* Ends a session and removes what it left: processes, files, ParaView's entry, its record. Ended,
 * crashed and already removed sessions are fine. Takes a second or two, 45 at most.
 * Errors: BEAMCAST_ERR_UNSUPPORTED for a session that runs on another machine. */
BEAMCAST_API int beamcast_stop(beamcast_session *session, beamcast_error *error);

/* Has a session for ParaView clients connect to a client that listens (csrc:// in its Connect
 * dialog, simple.ReverseConnect in Python): ParaView's way where nobody can connect to a node of a
 * cluster. Waits for the client, which has to be this user's own, and for the session, time_limit
 * seconds in all (0: 60). client: the host that it listens at, unchecked; NULL: this machine. port:
 * 0 means the one in info.client. Such clients must know the session's connect id. Errors:
 * BEAMCAST_ERR_REFUSED (another client is connected; the port is another user's), _CONNECTION,
 * _TIMEOUT, _UNSUPPORTED for sessions over SSH. */
BEAMCAST_API int beamcast_connect_back(beamcast_session *session, const char *client, int port,
                                       double time_limit, beamcast_error *error);

/* --- volumes --------------------------------------------------------------------------------- */

/* A whole volume in the caller's memory. Zero-initialise. */
typedef struct beamcast_volume {
  const char *name;        /* the array's name; "volume" */
  const void *data;        /* the voxel at (0, 0, 0) */
  int type;                /* one of beamcast_type */
  int components;          /* 1 to 4, interleaved; 0 means 1 */
  uint64_t shape[3];       /* voxels: nx, ny, nz */
  int64_t stride[3];       /* bytes to the neighbour in x, y, z; all 0: contiguous */
  double spacing[3];       /* distance of voxels in length_unit; all 0: 1, 1, 1 */
  double origin[3];        /* position of voxel (0, 0, 0) */
  const char *unit;        /* of the values; NULL: none */
  const char *length_unit; /* of spacing and origin, "mm"; NULL: unknown */
} beamcast_volume;

/* Shows a volume in a session: the next step of its stream "volume". On return the data are in the
 * server's memory and the array is the caller's again. While the session waits in Slurm's queue it
 * waits, too, up to time_limit seconds (0: 30); then BEAMCAST_ERR_TIMEOUT says since when. */
BEAMCAST_API int beamcast_render_volume_within(beamcast_session *session,
                                               const beamcast_volume *volume, double time_limit,
                                               beamcast_error *error);
BEAMCAST_API int beamcast_render_volume(beamcast_session *session, const beamcast_volume *volume,
                                        beamcast_error *error);

/* Points in the caller's memory. Zero-initialise. */
typedef struct beamcast_points {
  uint64_t count;
  const void *xyz;         /* [count][3]: x, y and z of each point */
  int type;                /* of these, one of beamcast_type */
  const void *values;      /* [count]: what they are coloured by; NULL: nothing */
  int values_type;         /* their type */
  const char *name;        /* of the values; "value" */
  const char *unit;        /* of the values; NULL: none */
  const char *length_unit; /* of the places, "mm"; NULL: unknown */
} beamcast_points;

/* Shows points in a session, beside its volume: the next step of its stream "points", whose arrays
 * are x, y, z and the values. The rest is as in beamcast_render_volume_within. */
BEAMCAST_API int beamcast_render_points(beamcast_session *session, const beamcast_points *points,
                                        double time_limit, beamcast_error *error);

/* Fetches voxels of what the session shows: of the newest step of its stream, or of the file that
 * was opened; free them with beamcast_volume_free. array: NULL means the one that is shown. start,
 * shape: the box; both NULL means the crop box, where there is one, else all. A session for
 * ParaView clients shows nothing by itself: there it is the stream "volume", and its first array.
 */
BEAMCAST_API int beamcast_retrieve(beamcast_session *session, const char *array,
                                   const uint64_t start[3], const uint64_t shape[3],
                                   beamcast_volume_data *out, beamcast_error *error);
/* The same by a contact, with full or view rights. step: the number of a step of the stream that is
 * shown, which the server keeps (see `keep` of beamcast_start_options); NULL: what is shown.
 * time_limit: seconds for each transfer; 0 means 120. about: what is shown (source, step, window,
 * kernel, versions) as a JSON object, malloc'ed, NULL where the server does not tell; may be NULL.
 */
BEAMCAST_API int beamcast_retrieve_from(const char *contact, const uint64_t *step,
                                        const char *array, const uint64_t start[3],
                                        const uint64_t shape[3], double time_limit,
                                        beamcast_volume_data *out, char **about,
                                        beamcast_error *error);

/* --- pictures, files: the headless viewer ------------------------------------------------------
 */

/* Zero-initialise; every zero means the view as it is. The options count for this picture alone. */
typedef struct beamcast_picture_options {
  int width, height; /* pixels, 16 to 8192 */
  double camera[3];  /* azimuth and elevation in degrees, zoom. Azimuth 0 looks from the front (from
                        -y, z up), 90 from +x; elevation 90 from above; zoom 1 shows all of it. Zoom
                        0: the camera as it is */
  const char *preset; /* colours: bone, grey, rock, soft matter, or one of ParaView's */
  double window[2];   /* values at the colours' ends; both 0: as it is */
  const char *kernel; /* plain, local, scatter, occlusion, local+occlusion, scatter+occlusion, or a
                         kernel file's path on the server */
  const char *parameters; /* of a kernel file: "level=300 edges=0.5"; NULL: as they are */
  char slice_axis;        /* 'x', 'y', 'z': the picture is a plane of voxels; 0: the volume */
  uint64_t slice;         /* its number along that axis, from 0 */
  int png;                /* not 0: the data are a PNG file, which carries `about` as text */
  double time_limit;      /* seconds; 120 */
} beamcast_picture_options;

typedef struct beamcast_picture {
  int width, height;
  unsigned char *data; /* [height][width][4], red first, top row first; or a PNG file; malloc'ed */
  size_t size;         /* bytes of it */
  char *about; /* what it shows, as a JSON object: source, step, window, versions; malloc'ed */
} beamcast_picture;

/* A picture of what a session shows. options: may be NULL. Free it with beamcast_picture_free.
 * BEAMCAST_ERR_UNSUPPORTED for a session for ParaView clients; BEAMCAST_ERR_REFUSED while there is
 * nothing to show. */
BEAMCAST_API int beamcast_screenshot(beamcast_session *session,
                                     const beamcast_picture_options *options,
                                     beamcast_picture *picture, beamcast_error *error);
/* The same by a contact (file, or beamcast://host:port with $BEAMCAST_TOKEN), with full or view
 * rights. */
BEAMCAST_API int beamcast_screenshot_from(const char *contact,
                                          const beamcast_picture_options *options,
                                          beamcast_picture *picture, beamcast_error *error);
BEAMCAST_API void beamcast_picture_free(beamcast_picture *picture);

/* Has the server read a volume of a file that it can reach (HDF5, NeXus, TIFF, raw), all ranks at
 * once, and show it. path: absolute on the server. dataset: NULL for the likeliest. stride: every
 * how many voxels along x, y, z, 0 as many as memory allows; may be NULL. Needs full rights. */
BEAMCAST_API int beamcast_load_file(beamcast_session *session, const char *path,
                                    const char *dataset, const uint64_t stride[3],
                                    beamcast_error *error);

/* Any call of viewer/README.md, as JSON objects: {"verb": "state"}. answer, and data where the
 * answer has bytes, else NULL: malloc'ed. data and size may be NULL for calls that have none. */
BEAMCAST_API int beamcast_call_viewer(const char *contact, const char *call, double time_limit,
                                      char **answer, unsigned char **data, size_t *size,
                                      beamcast_error *error);

/* For programs that somebody may interrupt, such as interpreters. While a call of this thread waits
 * for a session, `asked` is called, five times a second or more; once it returns true, the call
 * fails with BEAMCAST_ERR_TIMEOUT as if its time limit had passed: a session that does not run yet
 * is ended, a file is not read on. What ends sessions is not interrupted. NULL: nobody is asked any
 * more. */
BEAMCAST_API void beamcast_session_on_wait(bool (*asked)(void *context), void *context);

/* --- rights ---------------------------------------------------------------------------------- */

typedef enum beamcast_rights {
  BEAMCAST_PUSH_ONLY = 2, /* for a detector's account: push, see nothing */
  BEAMCAST_VIEW_ONLY = 3  /* for a visitor: see and fetch, push nothing */
} beamcast_rights;

/* Makes a lesser contact of one with full rights. contact: file, or beamcast://host:port with the
 * token in $BEAMCAST_TOKEN. Returns the text of the lesser contact file (it holds a token: write it
 * to files of mode 0600), malloc'ed; NULL on failure. */
BEAMCAST_API char *beamcast_restrict(const char *contact, int rights, beamcast_error *error);

#ifdef __cplusplus
}
#endif

#endif
