/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The producer's library: checks what a caller gives, and hands it to the sender. Keeps the step's
 * header. See beamcast.h for what every call promises.
 */
#include "beamcast.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "backend.h"
#include "contact.h"
#include "memory.h"
#include "sender.h"

#ifndef BEAMCAST_VERSION
#define BEAMCAST_VERSION "0"
#endif

static const double default_limit = 30;

struct beamcast_stream {
  bc_sender *sender;          /* NULL: nothing is streamed */
  const bc_catalyst_api *api; /* of catalyst */
  bc_catalyst *catalyst;      /* NULL: no scripts in this process */
  json_t *header;             /* of the current step; NULL: empty */
  beamcast_error kept;        /* both: what went wrong with the server in this step */
  bool begun;                 /* both: the server's step is to be ended */
};

/* --- connecting ------------------------------------------------------------------------------ */

static uint64_t hash_text(uint64_t hash, const char *text) {
  for (; *text != '\0'; text++) { /* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv */
    hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
  }
  return hash;
}

/* A number that is the same in all processes of one launch, from what launchers tell; 0 if none. */
static uint64_t run_id_of_launch(void) {
  static const char *const names[][2] = {{"PMIX_NAMESPACE", NULL},
                                         {"SLURM_JOB_ID", "SLURM_STEP_ID"},
                                         {"OMPI_MCA_ess_base_jobid", NULL},
                                         {"PMI_JOBID", NULL},
                                         {"HYDI_CONTROL_FD", NULL}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *first = getenv(names[i][0]);
    const char *second = names[i][1] ? getenv(names[i][1]) : "";
    if (first != NULL && second != NULL) {
      return hash_text(hash_text(UINT64_C(0xcbf29ce484222325), first), second) | 1;
    }
  }
  return 0;
}

static int find_run_id(const beamcast_connect_options *o, uint64_t *id, beamcast_error *error) {
  *id = o->run_id;
  if (*id != 0) {
    return BEAMCAST_OK;
  }
  if (o->ranks > 1) {
    *id = run_id_of_launch();
    return *id != 0 ? BEAMCAST_OK
                    : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                                    "several producers need a run_id that is the same on all of "
                                    "them; the launcher tells none");
  }
  int code = bc_random((unsigned char *)id, sizeof *id, error);
  *id |= 1;
  return code;
}

static int check_options(const beamcast_connect_options *o, beamcast_error *error) {
  if (strlen(o->name) == 0 || strlen(o->name) >= BC_NAME_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "a stream's name has 1 to %d bytes",
                         BC_NAME_MAX - 1);
  }
  if (o->ranks < 1 || o->ranks > BC_RANKS_MAX || o->rank < 0 || o->rank >= o->ranks) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "producer %d of %d is not possible (at most %d)", o->rank, o->ranks,
                         BC_RANKS_MAX);
  }
  if (!(o->time_limit >= 0 && o->time_limit <= 1e6) || o->connections < 0 || o->connections > 32) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "time_limit may be 0 to 1e6 seconds, connections 0 to 32");
  }
  return BEAMCAST_OK;
}

static bc_sender *open_sender(const char *contact, const beamcast_connect_options *o,
                              beamcast_error *error) {
  const char *wire = o->wire ? o->wire : getenv("BEAMCAST_WIRE");
  const char *connections = getenv("BEAMCAST_CONNECTIONS");
  bc_sender_options s = {.stream = o->name,
                         .rank = (uint32_t)o->rank,
                         .ranks = (uint32_t)o->ranks,
                         .limit = o->time_limit > 0 ? o->time_limit : default_limit,
                         .wire = wire && wire[0] != '\0' ? wire : NULL,
                         .connections = o->connections,
                         .overlap = o->overlap != 0};
  if (s.connections == 0 && connections != NULL) {
    long given = strtol(connections, NULL, 10);
    s.connections = given < 1 ? 0 : given > 32 ? 32 : (int)given;
  }
  if (find_run_id(o, &s.run_id, error) != BEAMCAST_OK) {
    return NULL;
  }
  return bc_sender_open(contact, o->token, &s, error);
}

/* Opens what the back end asks for. Catalyst last: a rank that could not stream says so there, and
 * then all ranks fail. */
static int open_backends(beamcast_stream *stream, int backend, const char *contact,
                         const beamcast_connect_options *o, beamcast_error *error) {
  beamcast_error why = {0};
  if (backend & BC_TO_CATALYST) {
    stream->api = bc_backend_catalyst(error);
    if (stream->api == NULL) {
      return BEAMCAST_ERR_UNSUPPORTED;
    }
  }
  if (backend & BC_TO_STREAM) {
    stream->sender = open_sender(contact, o, &why);
  }
  const int ready = stream->sender != NULL || !(backend & BC_TO_STREAM);
  if (backend & BC_TO_CATALYST) {
    bc_catalyst_options c = {.channel = o->name,
                             .rank = o->rank,
                             .ranks = o->ranks,
                             .communicator = o->mpi_comm,
                             .scripts =
                                 o->scripts ? o->scripts : getenv("BEAMCAST_CATALYST_SCRIPTS"),
                             .ready = ready};
    stream->catalyst = stream->api->open(&c, ready ? &why : NULL);
  }
  if (!ready || (stream->api != NULL && stream->catalyst == NULL)) {
    return beamcast_fail(error, why.code, "%s", why.message);
  }
  return BEAMCAST_OK;
}

beamcast_stream *beamcast_connect(const char *contact, const beamcast_connect_options *options,
                                  beamcast_error *error) {
  beamcast_connect_options o = {0};
  if (options != NULL) {
    o = *options;
  }
  o.name = o.name ? o.name : "volume";
  o.ranks = o.ranks == 0 ? 1 : o.ranks;
  const int backend = bc_backend_find(o.backend, error);
  if (backend < 0 || check_options(&o, error) != BEAMCAST_OK) {
    return NULL;
  }
  beamcast_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  if (open_backends(stream, backend, contact, &o, error) != BEAMCAST_OK) {
    beamcast_close(stream);
    return NULL;
  }
  return stream;
}

void beamcast_close(beamcast_stream *stream) {
  if (stream == NULL) {
    return;
  }
  if (stream->catalyst != NULL) {
    stream->api->close(stream->catalyst);
  }
  if (stream->sender != NULL) {
    bc_sender_close(stream->sender);
  }
  json_decref(stream->header);
  free(stream);
}

/* --- one step -------------------------------------------------------------------------------- */

int beamcast_begin_step(beamcast_stream *stream, uint64_t step, double time,
                        beamcast_error *error) {
  if (stream == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "begin_step needs a stream");
  }
  if (!isfinite(time)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the time of a step must be finite");
  }
  json_decref(stream->header);
  stream->header = NULL;
  if (stream->catalyst == NULL) {
    return stream->sender ? bc_sender_begin(stream->sender, step, time, error) : BEAMCAST_OK;
  }
  int code = stream->api->begin(stream->catalyst, step, time, error);
  memset(&stream->kept, 0, sizeof stream->kept);
  if (code == BEAMCAST_OK && stream->sender != NULL) {
    stream->kept.code = bc_sender_begin(stream->sender, step, time, &stream->kept);
    stream->begun = stream->kept.code == BEAMCAST_OK || stream->kept.code == BEAMCAST_DROPPED;
  }
  return code;
}

static int check_brick(const beamcast_brick *b, beamcast_error *error) {
  static const char axes[] = "xyz";
  const char *name = b->name ? b->name : "volume";
  if (strlen(name) == 0 || strlen(name) >= BC_NAME_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "brick: name has 1 to %d bytes",
                         BC_NAME_MAX - 1);
  }
  if (beamcast_type_size(b->type) == 0 || b->components < 0 || b->components > 4) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "brick %.60s: type %d with %d components is not possible", name, b->type,
                         b->components);
  }
  if (bc_volume_bytes(b->volume, 32) == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "brick %.60s: volume has %llu x %llu x %llu voxels; each must be at least "
                         "1, and the product below 2^58",
                         name, (unsigned long long)b->volume[0], (unsigned long long)b->volume[1],
                         (unsigned long long)b->volume[2]);
  }
  bool empty = false;
  for (int axis = 0; axis < 3; axis++) {
    if (b->start[axis] > b->volume[axis] || b->shape[axis] > b->volume[axis] - b->start[axis]) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "brick %.60s: start %llu and shape %llu in %c reach beyond the volume's "
                           "%llu voxels",
                           name, (unsigned long long)b->start[axis],
                           (unsigned long long)b->shape[axis], axes[axis],
                           (unsigned long long)b->volume[axis]);
    }
    if (!isfinite(b->spacing[axis]) || b->spacing[axis] < 0 || !isfinite(b->origin[axis])) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "brick %.60s: spacing must be positive, origin finite", name);
    }
    empty = empty || b->shape[axis] == 0;
  }
  if (b->data == NULL && !empty) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "brick %.60s: data is NULL", name);
  }
  if ((b->unit && strlen(b->unit) >= BC_UNIT_MAX) ||
      (b->length_unit && strlen(b->length_unit) >= BC_UNIT_MAX)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "brick %.60s: units have up to %d bytes",
                         name, BC_UNIT_MAX - 1);
  }
  return BEAMCAST_OK;
}

static bool all_zero(const double *values, int count) {
  for (int i = 0; i < count; i++) {
    if (values[i] != 0) {
      return false;
    }
  }
  return true;
}

static int take_grid(const beamcast_brick *b, bc_grid *grid, beamcast_error *error) {
  memset(grid, 0, sizeof *grid);
  memcpy(grid->volume, b->volume, sizeof grid->volume);
  memcpy(grid->origin, b->origin, sizeof grid->origin);
  memcpy(grid->direction, b->direction, sizeof grid->direction);
  bool unit_spacing = all_zero(b->spacing, 3), identity = all_zero(b->direction, 9);
  for (int axis = 0; axis < 3; axis++) {
    grid->spacing[axis] = unit_spacing ? 1 : b->spacing[axis];
    grid->direction[4 * axis] = identity ? 1 : grid->direction[4 * axis];
    if (grid->spacing[axis] == 0) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "brick: spacing is 0 along one axis; give all three, or none");
    }
  }
  for (int i = 0; i < 9; i++) {
    if (!isfinite(grid->direction[i])) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "brick: direction must be finite");
    }
  }
  if (b->length_unit != NULL) {
    memcpy(grid->length_unit, b->length_unit, strlen(b->length_unit));
  }
  return BEAMCAST_OK;
}

static void fill_strides(const beamcast_brick *b, int64_t stride[3]) {
  const uint64_t components = b->components > 0 ? (uint64_t)b->components : 1;
  memcpy(stride, b->stride, sizeof b->stride);
  if (stride[0] == 0 && stride[1] == 0 && stride[2] == 0) {
    bc_strides_of(b->shape, beamcast_type_size(b->type) * components, stride);
  }
}

static int put_sender(beamcast_stream *stream, const beamcast_brick *b, const bc_grid *grid,
                      beamcast_error *error) {
  bc_array_spec spec;
  memset(&spec, 0, sizeof spec);
  const char *name = b->name ? b->name : "volume";
  memcpy(spec.name, name, strlen(name));
  if (b->unit != NULL) {
    memcpy(spec.unit, b->unit, strlen(b->unit));
  }
  spec.type = (uint32_t)b->type;
  spec.components = b->components > 0 ? (uint32_t)b->components : 1;
  spec.fill = b->fill;
  bc_box box;
  memcpy(box.start, b->start, sizeof box.start);
  memcpy(box.shape, b->shape, sizeof box.shape);
  int64_t stride[3];
  fill_strides(b, stride);
  int code = bc_sender_put(stream->sender, &spec, grid, &box, b->data, stride, error);
  if (code == BEAMCAST_OK && b->copy) {
    code = bc_sender_flush(stream->sender, error);
  }
  return code;
}

static int put_catalyst(beamcast_stream *stream, const beamcast_brick *b, const bc_grid *grid,
                        beamcast_error *error) {
  beamcast_brick brick = *b;
  brick.name = b->name ? b->name : "volume";
  brick.components = b->components > 0 ? b->components : 1;
  fill_strides(b, brick.stride);
  memcpy(brick.spacing, grid->spacing, sizeof brick.spacing);
  memcpy(brick.direction, grid->direction, sizeof brick.direction);
  return stream->api->put(stream->catalyst, &brick, error);
}

int beamcast_put(beamcast_stream *stream, const beamcast_brick *b, beamcast_error *error) {
  if (stream == NULL || b == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "put needs a stream and a brick");
  }
  bc_grid grid;
  int code = check_brick(b, error);
  if (code == BEAMCAST_OK) {
    code = take_grid(b, &grid, error);
  }
  if (code == BEAMCAST_OK && stream->catalyst != NULL) {
    code = put_catalyst(stream, b, &grid, error);
  }
  if (code != BEAMCAST_OK || stream->sender == NULL) {
    return code;
  }
  if (stream->catalyst == NULL) {
    return put_sender(stream, b, &grid, error);
  }
  if (stream->kept.code == BEAMCAST_OK) {
    stream->kept.code = put_sender(stream, b, &grid, &stream->kept);
  }
  return BEAMCAST_OK;
}

int beamcast_register(beamcast_stream *stream, const void *data, uint64_t bytes,
                      beamcast_error *error) {
  if (stream == NULL || data == NULL || bytes == 0 || bytes > UINTPTR_MAX - (uintptr_t)data) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "register needs a stream, an array and its number of bytes");
  }
  return stream->sender ? bc_sender_register(stream->sender, data, bytes, error) : BEAMCAST_OK;
}

int beamcast_unregister(beamcast_stream *stream, const void *data, beamcast_error *error) {
  if (stream == NULL || data == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "unregister needs a stream and an array");
  }
  return stream->sender ? bc_sender_unregister(stream->sender, data, error) : BEAMCAST_OK;
}

int beamcast_annotate(beamcast_stream *stream, const char *key, const char *json,
                      beamcast_error *error) {
  json_error_t wrong;
  if (stream == NULL || key == NULL || json == NULL || strlen(key) < 1 || strlen(key) > 255) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "annotate needs a stream, a key of 1 to 255 bytes and a JSON value");
  }
  json_t *value = json_loads(json, JSON_DECODE_ANY, &wrong);
  if (value == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "annotate %.60s: this is no JSON: %.200s",
                         key, wrong.text);
  }
  if (stream->header == NULL) {
    stream->header = json_object();
  }
  if (json_object_set_new(stream->header, key, value) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "annotate: the key is no UTF-8");
  }
  size_t size = json_dumpb(stream->header, NULL, 0, JSON_COMPACT);
  if (size > BC_HEADER_MAX) {
    (void)json_object_del(stream->header, key);
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "annotate %.60s: the step's header would have %zu bytes, %d are allowed",
                         key, size, BC_HEADER_MAX);
  }
  return BEAMCAST_OK;
}

int beamcast_end_step(beamcast_stream *stream, beamcast_error *error) {
  if (stream == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "end_step needs a stream");
  }
  char *text = stream->header ? json_dumps(stream->header, JSON_COMPACT) : NULL;
  const char *header = text ? text : "{}";
  int code = BEAMCAST_OK;
  if (stream->catalyst == NULL) {
    code = stream->sender ? bc_sender_end(stream->sender, header, error) : BEAMCAST_OK;
  } else {
    beamcast_error *kept = &stream->kept;
    if (stream->begun) {
      const bool fine = kept->code == BEAMCAST_OK;
      const int ended = bc_sender_end(stream->sender, header, fine ? kept : NULL);
      kept->code = fine ? ended : kept->code;
      stream->begun = false;
    }
    code = stream->api->end(stream->catalyst, header, error);
    if (code == BEAMCAST_OK && kept->code != BEAMCAST_OK) {
      code = beamcast_fail(error, kept->code, "%s", kept->message);
    }
  }
  free(text);
  json_decref(stream->header);
  stream->header = NULL;
  return code;
}

int beamcast_await(beamcast_stream *stream, beamcast_error *error) {
  if (stream == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "await needs a stream");
  }
  return stream->sender ? bc_sender_await(stream->sender, error) : BEAMCAST_OK;
}

int beamcast_request(beamcast_stream *stream, beamcast_message *message, beamcast_error *error) {
  if (stream == NULL || message == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "request needs a stream and a message");
  }
  *message = (beamcast_message){0};
  if (stream->sender != NULL) {
    message->json = bc_sender_request(stream->sender, &message->number);
  }
  return BEAMCAST_OK;
}

void beamcast_stream_describe(const beamcast_stream *stream, beamcast_stream_info *info) {
  if (stream->sender == NULL) {
    *info = (beamcast_stream_info){.wire = stream->catalyst ? "in process" : "none"};
    return;
  }
  bc_sender_stats stats;
  bc_sender_describe(stream->sender, &stats);
  *info = (beamcast_stream_info){.steps_sent = stats.steps,
                                 .steps_dropped = stats.dropped,
                                 .bytes_sent = stats.bytes,
                                 .server_ranks = stats.ranks,
                                 .wire = stats.wire};
}

const char *beamcast_version(void) {
  return BEAMCAST_VERSION;
}
