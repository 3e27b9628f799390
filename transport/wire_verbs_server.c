/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server's side of the verbs wire: takes producers' queue pairs, and registers slots; see
 * wire_verbs.h for what goes over the wire. Voxels land without a thread of ours. A queue pair is
 * taken only for a lane that asked for it, by the lane's ticket, and dies with the lane.
 *
 * A registration belongs to a slot's memory and may outlive the server: it keeps its device. It
 * opens nothing by itself. What a producer writes through is a memory window (type 2) in it: its
 * key works on one queue pair alone, and no more when the window is closed, as the step ends. A
 * device that has no such windows opens the registration instead; a producer that has a queue pair
 * there can write into every slot whose address and key it was once told, or guesses.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "contact.h"
#include "wire_verbs.h"

enum { DEVICES_MAX = 16, BACKLOG = 128 };

typedef struct device {
  atomic_int references;     /* the server's, and one for each registration */
  struct rdma_cm_id *anchor; /* keeps the context open */
  struct ibv_pd *pd;
  bool windows; /* type 2: for one queue pair each */
  uint64_t fence_value;
  struct ibv_mr *fence;
} device;

/* A lane that has asked for queue pairs. */
typedef struct lane {
  struct lane *next;
  bc_verbs_at at;
  bc_verbs_pair pairs[BC_QUEUES_MAX];
  int count;
  device *on; /* of its first queue pair */
} lane;

struct bc_verbs_server {
  pthread_mutex_t lock;        /* of lanes */
  pthread_mutex_t registering; /* may take seconds: never under `lock` */
  pthread_t thread;
  bool started;
  int wake;
  struct rdma_event_channel *events;
  struct rdma_cm_id *listener;
  device *devices[DEVICES_MAX];
  int device_count;
  bc_verbs_at at; /* what all lanes are told */
  lane *lanes;
};

/* What a memory is registered as, one for each device. */
typedef struct registration {
  struct registration *next;
  device *on;
  struct ibv_mr *region;
} registration;

/* --- devices -------------------------------------------------------------------------------------
 */

static void device_release(device *d) {
  if (atomic_fetch_sub(&d->references, 1) != 1) {
    return;
  }
  if (d->fence != NULL) {
    (void)ibv_dereg_mr(d->fence);
  }
  if (d->pd != NULL) {
    (void)ibv_dealloc_pd(d->pd);
  }
  (void)rdma_destroy_id(d->anchor);
  free(d);
}

/* Takes the anchor over. NULL if the device can't be used. */
static device *device_new(struct rdma_cm_id *anchor, beamcast_error *error) {
  device *d = calloc(1, sizeof *d);
  if (d == NULL) {
    (void)rdma_destroy_id(anchor);
    return NULL;
  }
  atomic_init(&d->references, 1);
  d->anchor = anchor;
  d->pd = ibv_alloc_pd(anchor->verbs);
  d->windows = bc_verbs_has_windows(anchor->verbs);
  d->fence = d->pd
                 ? ibv_reg_mr(d->pd, &d->fence_value, sizeof d->fence_value, IBV_ACCESS_REMOTE_READ)
                 : NULL;
  if (d->fence == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "RDMA device %s can't be used: %s%s",
                  ibv_get_device_name(anchor->verbs->device), strerror(errno),
                  errno == ENOMEM ? " (see RLIMIT_MEMLOCK, 'ulimit -l')" : "");
    device_release(d);
    return NULL;
  }
  return d;
}

static device *device_of(const bc_verbs_server *server, const struct ibv_context *context) {
  for (int i = 0; i < server->device_count; i++) {
    if (server->devices[i]->anchor->verbs == context) {
      return server->devices[i];
    }
  }
  return NULL;
}

static int find_devices(bc_verbs_server *server, beamcast_error *error) {
  bc_verbs_interface found[BC_VERBS_ADDRESSES];
  int count = bc_verbs_interfaces(found);
  beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "no RDMA device with an address is up");
  for (int i = 0; i < count; i++) {
    if (device_of(server, found[i].id->verbs) == NULL && server->device_count < DEVICES_MAX) {
      device *d = device_new(found[i].id, error);
      found[i].id = NULL;
      if (d == NULL) {
        continue;
      }
      server->devices[server->device_count++] = d;
    }
    if (getnameinfo((struct sockaddr *)&found[i].address, sizeof found[i].address,
                    server->at.address[server->at.count], sizeof server->at.address[0], NULL, 0,
                    NI_NUMERICHOST) == 0) {
      server->at.count++;
    }
  }
  bc_verbs_release(found, count);
  return server->at.count > 0 && server->device_count > 0 ? BEAMCAST_OK : BEAMCAST_ERR_UNSUPPORTED;
}

/* --- queue pairs ---------------------------------------------------------------------------------
 */

static bool tickets_equal(const unsigned char *a, const unsigned char *b) {
  unsigned char difference = 0;
  for (int i = 0; i < BC_VERBS_TICKET_BYTES; i++) {
    difference |= (unsigned char)(a[i] ^ b[i]);
  }
  return difference == 0;
}

/* Lock held. */
static bool accept_pair(bc_verbs_server *server, struct rdma_cm_id *id,
                        const struct rdma_conn_param *asked) {
  bc_verbs_at hello;
  unsigned char answer[BC_VERBS_ANSWER_BYTES];
  uint32_t number;
  device *d = device_of(server, id->verbs);
  lane *l = server->lanes;
  if (d == NULL ||
      !bc_verbs_hello_read(asked->private_data, asked->private_data_len, &hello, &number)) {
    return false;
  }
  while (l != NULL && l->at.cookie != hello.cookie) {
    l = l->next;
  }
  if (l == NULL || !tickets_equal(l->at.ticket, hello.ticket) || l->count == BC_QUEUES_MAX ||
      (l->on != NULL && l->on != d)) {
    return false;
  }
  bc_verbs_pair pair;
  if (!bc_verbs_pair_make(&pair, id, d->pd, number)) {
    return false;
  }
  bc_verbs_fence fence = {.key = d->fence->rkey, .address = (uintptr_t)&d->fence_value};
  bc_verbs_answer_write(&fence, answer);
  struct rdma_conn_param param = {.private_data = answer,
                                  .private_data_len = sizeof answer,
                                  .responder_resources = asked->responder_resources > 0,
                                  .rnr_retry_count = 7};
  if (rdma_accept(id, &param) != 0) {
    bc_verbs_pair_unmake(&pair);
    return false;
  }
  l->pairs[l->count++] = pair;
  l->on = d;
  return true;
}

/* Takes a connection out of its lane; false if it is in none (any more). Lock held. */
static bool take_out(bc_verbs_server *server, const struct rdma_cm_id *id, bc_verbs_pair *out) {
  for (lane *l = server->lanes; l != NULL; l = l->next) {
    for (int i = 0; i < l->count; i++) {
      if (l->pairs[i].id == id) {
        *out = l->pairs[i];
        l->pairs[i] = l->pairs[--l->count];
        return true;
      }
    }
  }
  return false;
}

/* Events are acknowledged before their id is destroyed, which waits for that. */
static void handle(bc_verbs_server *server, struct rdma_cm_event *event) {
  struct rdma_cm_id *id = event->id;
  bc_verbs_pair ended;
  bool end = false, reject = false;
  pthread_mutex_lock(&server->lock);
  switch (event->event) {
  case RDMA_CM_EVENT_CONNECT_REQUEST:
    reject = !accept_pair(server, id, &event->param.conn);
    break;
  case RDMA_CM_EVENT_DISCONNECTED:
  case RDMA_CM_EVENT_CONNECT_ERROR:
  case RDMA_CM_EVENT_UNREACHABLE:
  case RDMA_CM_EVENT_REJECTED:
  case RDMA_CM_EVENT_DEVICE_REMOVAL:
    end = take_out(server, id, &ended);
    break;
  default: /* ESTABLISHED, TIMEWAIT_EXIT, and what changes nothing */
    break;
  }
  pthread_mutex_unlock(&server->lock);
  (void)rdma_ack_cm_event(event);
  if (reject) {
    (void)rdma_reject(id, NULL, 0);
    (void)rdma_destroy_id(id);
  } else if (end) {
    bc_verbs_pair_end(&ended);
  }
}

static void *run(void *argument) {
  bc_verbs_server *server = argument;
  struct pollfd items[2] = {{.fd = server->events->fd, .events = POLLIN},
                            {.fd = server->wake, .events = POLLIN}};
  struct rdma_cm_event *event;
  while (poll(items, 2, -1) < 0 || items[1].revents == 0) {
    while (rdma_get_cm_event(server->events, &event) == 0) {
      handle(server, event);
    }
  }
  return NULL;
}

static int listen_on(bc_verbs_server *server, int family) {
  struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
  struct sockaddr_in any4 = {.sin_family = AF_INET};
  struct sockaddr *any = family == AF_INET6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4;
  if (rdma_create_id(server->events, &server->listener, NULL, RDMA_PS_TCP) != 0) {
    return -1;
  }
  if (rdma_bind_addr(server->listener, any) == 0 && rdma_listen(server->listener, BACKLOG) == 0) {
    server->at.port = ntohs(rdma_get_src_port(server->listener));
    return 0;
  }
  (void)rdma_destroy_id(server->listener);
  server->listener = NULL;
  return -1;
}

static int start(bc_verbs_server *server, beamcast_error *error) {
  int code = find_devices(server, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  server->events = rdma_create_event_channel();
  if (server->events == NULL || server->wake < 0 ||
      fcntl(server->events->fd, F_SETFL, O_NONBLOCK) != 0 ||
      (listen_on(server, AF_INET6) != 0 && listen_on(server, AF_INET) != 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "no RDMA connections can be taken: %s",
                         strerror(errno));
  }
  if (pthread_create(&server->thread, NULL, run, server) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no thread could be started");
  }
  server->started = true;
  return BEAMCAST_OK;
}

bc_verbs_server *bc_verbs_server_open(beamcast_error *error) {
  const char *named = getenv("BEAMCAST_RDMA_DEVICE");
  if (!bc_verbs_present()) {
    if (named != NULL && named[0] != '\0') {
      beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                    "there is no RDMA device %.60s, which BEAMCAST_RDMA_DEVICE names", named);
    }
    return NULL;
  }
  bc_verbs_server *server = calloc(1, sizeof *server);
  if (server == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  pthread_mutex_init(&server->lock, NULL);
  pthread_mutex_init(&server->registering, NULL);
  server->wake = -1;
  if (start(server, error) != BEAMCAST_OK) {
    bc_verbs_server_close(server);
    return NULL;
  }
  return server;
}

static void free_lane(lane *l) {
  for (int i = 0; i < l->count; i++) {
    bc_verbs_pair_end(&l->pairs[i]);
  }
  free(l);
}

void bc_verbs_server_close(bc_verbs_server *server) {
  if (server == NULL) {
    return;
  }
  if (server->started) {
    uint64_t one = 1;
    (void)!write(server->wake, &one, sizeof one);
    (void)pthread_join(server->thread, NULL);
  }
  while (server->lanes != NULL) {
    lane *l = server->lanes;
    server->lanes = l->next;
    free_lane(l);
  }
  if (server->listener != NULL) {
    (void)rdma_destroy_id(server->listener);
  }
  if (server->events != NULL) {
    rdma_destroy_event_channel(server->events);
  }
  for (int i = 0; i < server->device_count; i++) {
    device_release(server->devices[i]);
  }
  if (server->wake >= 0) {
    (void)close(server->wake);
  }
  pthread_mutex_destroy(&server->registering);
  pthread_mutex_destroy(&server->lock);
  free(server);
}

/* --- lanes and memory ----------------------------------------------------------------------------
 */

int bc_verbs_server_offer(bc_verbs_server *server, uint64_t cookie, bc_writer *writer,
                          beamcast_error *error) {
  lane *l = calloc(1, sizeof *l);
  if (l == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  l->at = server->at;
  l->at.cookie = cookie;
  int code = bc_random(l->at.ticket, sizeof l->at.ticket, error);
  if (code != BEAMCAST_OK) {
    free(l);
    return code;
  }
  bc_put_verbs_at(writer, &l->at);
  pthread_mutex_lock(&server->lock);
  l->next = server->lanes;
  server->lanes = l;
  pthread_mutex_unlock(&server->lock);
  return BEAMCAST_OK;
}

void bc_verbs_server_drop(bc_verbs_server *server, uint64_t cookie) {
  lane *found = NULL;
  if (server == NULL) {
    return;
  }
  pthread_mutex_lock(&server->lock);
  for (lane **at = &server->lanes; *at != NULL && found == NULL;) {
    if ((*at)->at.cookie == cookie) {
      found = *at;
      *at = found->next;
    } else {
      at = &(*at)->next;
    }
  }
  pthread_mutex_unlock(&server->lock);
  if (found != NULL) {
    free_lane(found);
  }
}

static void unwire(void *wired) {
  for (registration *r = wired; r != NULL;) {
    registration *next = r->next;
    (void)ibv_dereg_mr(r->region);
    device_release(r->on);
    free(r);
    r = next;
  }
}

static registration *register_on(device *on, bc_memory *memory, beamcast_error *error) {
  registration *r = calloc(1, sizeof *r);
  if (r == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  r->on = on;
  r->next = atomic_load(&memory->wired);
  r->region = ibv_reg_mr(on->pd, memory->data, memory->size,
                         IBV_ACCESS_LOCAL_WRITE |
                             (on->windows ? IBV_ACCESS_MW_BIND : IBV_ACCESS_REMOTE_WRITE));
  if (r->region == NULL) {
    int reason = errno;
    free(r);
    (void)bc_verbs_no_registration(error, reason, memory->size, "the server's slot");
    return NULL;
  }
  atomic_fetch_add(&on->references, 1);
  memory->unwire = unwire;
  atomic_store(&memory->wired, (void *)r);
  return r;
}

static lane *lane_of(const bc_verbs_server *server, uint64_t cookie) {
  lane *l = server->lanes;
  while (l != NULL && l->at.cookie != cookie) {
    l = l->next;
  }
  return l;
}

/* Lock held. */
static int open_to(lane *l, bc_memory *memory, struct ibv_mr *region, bc_verbs_grant *grant,
                   beamcast_error *error) {
  int code = BEAMCAST_OK;
  if (l == NULL || l->count == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the producer has no RDMA connection");
  }
  for (int i = 0; code == BEAMCAST_OK && i < l->count; i++) {
    uint32_t *key = &grant->key[l->pairs[i].number];
    if (!grant->lasting) {
      bc_verbs_close_windows(&l->pairs[i], memory); /* asked for again: the old key is void */
      code = bc_verbs_open_window(&l->pairs[i], memory, region, key, error);
    } else {
      *key = region->rkey;
    }
  }
  return code;
}

int bc_verbs_server_open_memory(bc_verbs_server *server, uint64_t cookie, bc_memory *memory,
                                bc_verbs_grant *grant, beamcast_error *error) {
  memset(grant, 0, sizeof *grant);
  pthread_mutex_lock(&server->lock);
  const lane *asking = lane_of(server, cookie);
  device *on = asking != NULL ? asking->on : NULL;
  pthread_mutex_unlock(&server->lock);
  if (on == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the producer has no RDMA connection");
  }
  pthread_mutex_lock(&server->registering);
  registration *r = atomic_load(&memory->wired);
  while (r != NULL && r->on != on) {
    r = r->next;
  }
  r = r != NULL ? r : register_on(on, memory, error);
  pthread_mutex_unlock(&server->registering);
  if (r == NULL) {
    return BEAMCAST_ERR_MEMORY;
  }
  grant->address = (uintptr_t)memory->data;
  grant->lasting = !on->windows;
  pthread_mutex_lock(&server->lock);
  int code = open_to(lane_of(server, cookie), memory, r->region, grant, error);
  pthread_mutex_unlock(&server->lock);
  return code;
}

void bc_verbs_server_revoke(bc_verbs_server *server, uint64_t cookie, const bc_memory *memory) {
  if (server == NULL || atomic_load(&memory->wired) == NULL) {
    return;
  }
  pthread_mutex_lock(&server->lock);
  for (lane *l = server->lanes; l != NULL; l = l->next) {
    for (int i = 0; i < l->count && (cookie == 0 || l->at.cookie == cookie); i++) {
      bc_verbs_close_windows(&l->pairs[i], memory);
    }
  }
  pthread_mutex_unlock(&server->lock);
}
