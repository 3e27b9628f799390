/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The verbs wire, on the producer's side: one-sided writes from the producer's array into the
 * rank's slot, over one or more queue pairs; see wire_verbs.h for what goes over the wire.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "attach.h"
#include "socket.h"
#include "wire_verbs.h"

enum { QUEUES_DEFAULT_MAX = 4, DIAL_SECONDS = 5, MARKS = 8 };

/* Fences in a queue, each behind some more of the pieces that were written and not told. */
typedef struct marks {
  struct {
    uint64_t number; /* of the fence in the queue */
    size_t pieces;
    uint64_t bytes;
  } mark[MARKS];
  int count;
  size_t pieces; /* of all marks */
  uint64_t bytes;
} marks;

typedef struct verbs_state {
  bc_verbs_queue *queues[BC_QUEUES_MAX];
  marks marks[BC_QUEUES_MAX];
  int count;
  atomic_bool no_device; /* a CUDA device's memory could not be registered */
  struct ibv_pd *domain; /* joined; NULL: not yet */
  bc_attached attached;
} verbs_state;

static bool possible(const bc_place *place, const char *own_host_id) {
  (void)own_host_id;
  return place->verbs != 0 && bc_verbs_present();
}

/* --- dialling ------------------------------------------------------------------------------------
 */

static int ask_where(bc_link *link, bc_verbs_at *at, int64_t deadline, beamcast_error *error) {
  bc_writer writer = {0};
  bc_message message;
  bc_message_empty(&writer, BC_VERBS_OPEN);
  int code = bc_exchange(link->fd[0], &writer, &message, NULL, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  bc_reader reader = bc_reader_of(message.body, message.size);
  if (message.type != BC_VERBS_AT) {
    code = bc_refusal(&message, error);
  } else if (!bc_get_verbs_at(&reader, at)) {
    code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's RDMA addresses make no sense");
  }
  bc_message_free(&message);
  return code;
}

static bool parse_address(const char *text, uint32_t port, struct sockaddr_storage *out) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *list = NULL;
  char number[16];
  (void)snprintf(number, sizeof number, "%u", port);
  if (getaddrinfo(text, number, &hints, &list) != 0) {
    return false;
  }
  memset(out, 0, sizeof *out);
  memcpy(out, list->ai_addr, list->ai_addrlen);
  freeaddrinfo(list);
  return true;
}

/* What to dial, and from where. */
typedef struct route {
  struct sockaddr_storage to, from;
  bool any_source;
} route;

static bc_verbs_queue *dial(const bc_verbs_at *at, uint32_t number, route *way, int lane,
                            int64_t deadline, beamcast_error *error) {
  return bc_verbs_dial(at, number, (struct sockaddr *)&way->to,
                       way->any_source ? NULL : (struct sockaddr *)&way->from, lane, deadline,
                       error);
}

/* Tries the server's addresses of the source's family in turn. */
static bc_verbs_queue *try_addresses(const bc_verbs_at *at, route *way, int lane, int64_t deadline,
                                     beamcast_error *error) {
  bc_verbs_queue *queue = NULL;
  for (uint32_t i = 0; i < at->count && queue == NULL && bc_now() < deadline; i++) {
    if (parse_address(at->address[i], at->port, &way->to) &&
        (way->any_source || way->from.ss_family == way->to.ss_family)) {
      queue = dial(at, 0, way, lane, deadline, error);
    }
  }
  return queue;
}

/* Finds an address that answers: as the routes are, then from each of our own, as where the routes
 * lead over another device. */
static bc_verbs_queue *find_route(const bc_verbs_at *at, route *way, int lane, int64_t deadline,
                                  beamcast_error *error) {
  bc_verbs_interface own[BC_VERBS_ADDRESSES];
  int64_t soon = bc_deadline(DIAL_SECONDS);
  deadline = soon < deadline ? soon : deadline; /* there is tcp */
  beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                "the server names no RDMA address that can be used");
  way->any_source = true;
  bc_verbs_queue *queue = try_addresses(at, way, lane, deadline, error);
  if (queue != NULL) {
    return queue;
  }
  int owns = bc_verbs_interfaces(own);
  bc_verbs_release(own, owns);
  way->any_source = false;
  for (int i = 0; i < owns && queue == NULL; i++) {
    way->from = own[i].address;
    queue = try_addresses(at, way, lane, deadline, error);
  }
  return queue;
}

/* Registration takes a processor's time: more than one queue, where there are processors. */
static int queues_wanted(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN) / 4;
  uint64_t otherwise = cores < 1                    ? 1
                       : cores > QUEUES_DEFAULT_MAX ? QUEUES_DEFAULT_MAX
                                                    : (uint64_t)cores;
  return (int)bc_verbs_setting("BEAMCAST_RDMA_QUEUES", 1, BC_QUEUES_MAX, otherwise);
}

static int open_link(bc_link *link, int64_t deadline, beamcast_error *error) {
  bc_verbs_at at;
  route way;
  beamcast_error why = {0};
  verbs_state *state = calloc(1, sizeof *state);
  link->state = state;
  if (state == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  bc_attached_init(&state->attached);
  int code = ask_where(link, &at, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  int wanted = queues_wanted();
  state->queues[0] = find_route(&at, &way, link->fd[0], deadline, &why);
  while (state->queues[state->count] != NULL && ++state->count < wanted) {
    state->queues[state->count] =
        dial(&at, (uint32_t)state->count, &way, link->fd[0], deadline, &why);
  }
  if (state->count == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                         "no RDMA connection to the server's %s%s: %.200s; is the RDMA device here "
                         "on another network? BEAMCAST_WIRE=tcp does without",
                         at.address[0], at.count > 1 ? " and its other addresses" : "",
                         why.message);
  }
  if (state->count < wanted) {
    return beamcast_fail(error, why.code, "%s", why.message);
  }
  code = bc_verbs_memory_try(bc_verbs_queue_domain(state->queues[0]), error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (link->kept != NULL) {
    state->domain = bc_verbs_queue_domain(state->queues[0]);
    bc_kept_join(link->kept, state->domain, &bc_verbs_keeps);
  }
  link->lanes = state->count;
  link->relayed = false; /* voxels do not go through the root */
  return BEAMCAST_OK;
}

/* --- writing -------------------------------------------------------------------------------------
 */

static int prepare(bc_link *link, uint64_t serial, uint32_t slot, uint32_t array, int64_t deadline,
                   beamcast_error *error) {
  verbs_state *state = link->state;
  bc_attachment at = {.slot = slot, .array = array};
  if (bc_attached_find(&state->attached, serial, slot, array) != NULL) {
    return BEAMCAST_OK;
  }
  int code = bc_attach(link->fd[0], serial, array, &at, NULL, deadline, error);
  return code == BEAMCAST_OK ? bc_attached_add(&state->attached, &at, error) : code;
}

static bool reads_device(bc_link *link, const bc_piece *piece) {
  verbs_state *state = link->state;
  if (state->no_device || !bc_verbs_rows_suit(piece)) {
    return false;
  }
  state->no_device = !bc_verbs_device_try(bc_verbs_queue_domain(state->queues[0]), piece);
  return !state->no_device;
}

/* A fence behind what has none, if that is enough; tells the rank of what is there for certain.
 * Does not wait. */
static int tell_progress(bc_link *link, int lane, int64_t deadline, beamcast_error *error) {
  verbs_state *state = link->state;
  const bc_span_list *wrote = &state->attached.wrote[lane];
  marks *m = &state->marks[lane];
  uint64_t completed = 0;
  size_t pieces = 0;
  int code = BEAMCAST_OK, passed = 0;
  if (wrote->bytes - m->bytes >= bc_memory_piece() && m->count < MARKS) {
    code = bc_verbs_queue_fence(state->queues[lane], deadline, error);
    m->mark[m->count].number = bc_verbs_queue_last(state->queues[lane]);
    m->mark[m->count].pieces = wrote->count - m->pieces;
    m->mark[m->count++].bytes = wrote->bytes - m->bytes;
    m->pieces = wrote->count;
    m->bytes = wrote->bytes;
  }
  if (code == BEAMCAST_OK && m->count > 0) {
    code = bc_verbs_queue_look(state->queues[lane], &completed, error);
  }
  while (passed < m->count && m->mark[passed].number <= completed) {
    pieces += m->mark[passed].pieces;
    m->bytes -= m->mark[passed++].bytes;
  }
  if (code != BEAMCAST_OK || passed == 0) {
    return code;
  }
  m->pieces -= pieces;
  m->count -= passed;
  memmove(m->mark, m->mark + passed, (size_t)m->count * sizeof *m->mark);
  return bc_attached_tell_first(&state->attached, lane, pieces, link->fd[0], deadline, error);
}

static int write_piece(bc_link *link, int lane, const bc_piece *piece, int64_t deadline,
                       beamcast_error *error) {
  verbs_state *state = link->state;
  const bc_attachment *to = bc_attached_for(&state->attached, piece, error);
  if (to == NULL) {
    return BEAMCAST_ERR_PROTOCOL;
  }
  const uint64_t rows = piece->box.shape[1] * piece->box.shape[2];
  const uint64_t each = bc_box_piece(&piece->box, piece->voxel_bytes, bc_memory_piece());
  uint64_t row = 0;
  bc_piece part = *piece;
  int code = BEAMCAST_OK;
  while (code == BEAMCAST_OK &&
         bc_box_rows(&piece->box, &row, rows - row < each ? rows : row + each, &part.box)) {
    part.data = bc_piece_at(piece, &part.box);
    code = bc_verbs_write(state->queues[lane], link->kept, &part, to->address, to->key[lane],
                          deadline, error);
    if (code == BEAMCAST_ERR_MEMORY && piece->on_device) {
      state->no_device = true; /* the next one is staged */
    }
    if (code == BEAMCAST_OK) {
      code = bc_attached_wrote(&state->attached, lane, &part, error);
    }
    if (code == BEAMCAST_OK) {
      code = tell_progress(link, lane, deadline, error);
    }
  }
  return code;
}

static int flush_link(bc_link *link, int64_t deadline, beamcast_error *error) {
  verbs_state *state = link->state;
  int code = BEAMCAST_OK;
  for (int lane = 0; lane < state->count && code == BEAMCAST_OK; lane++) {
    if (state->attached.wrote[lane].count > 0) {
      code = bc_verbs_queue_fence(state->queues[lane], deadline, error);
    }
  }
  for (int lane = 0; lane < state->count && code == BEAMCAST_OK; lane++) {
    code = bc_verbs_queue_drain(state->queues[lane], deadline, error);
  }
  if (code == BEAMCAST_OK) {
    code = bc_attached_tell(&state->attached, link->fd[0], deadline, error);
    memset(state->marks, 0, sizeof state->marks);
    for (int lane = 0; lane < state->count; lane++) { /* while the rank looks at what it was told */
      bc_verbs_queue_let_go(state->queues[lane]);
    }
  }
  return code;
}

static void forget(bc_link *link) {
  verbs_state *state = link->state;
  bc_attached_forget(&state->attached);
}

static void close_link(bc_link *link) {
  verbs_state *state = link->state;
  if (state == NULL) {
    return;
  }
  if (state->domain != NULL) {
    bc_kept_leave(link->kept, state->domain); /* before the last queue pair, and it, go */
  }
  for (int lane = 0; lane < BC_QUEUES_MAX; lane++) {
    bc_verbs_queue_close(state->queues[lane]);
  }
  bc_attached_free(&state->attached);
  free(state);
  link->state = NULL;
}

static const bc_wire verbs = {.name = "verbs",
                              .kind = BC_WIRE_VERBS,
                              .lands = true,
                              .possible = possible,
                              .open = open_link,
                              .prepare = prepare,
                              .reads_device = reads_device,
                              .write = write_piece,
                              .flush = flush_link,
                              .forget = forget,
                              .close = close_link};

const bc_wire *bc_wire_verbs(void) {
  return &verbs;
}
