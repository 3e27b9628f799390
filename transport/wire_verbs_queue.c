/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A producer's queue pair; see wire_verbs.h. Many writes are in flight; one in some dozens asks for
 * a completion. Waiting is done on file descriptors, so that a server that is gone, a device that
 * is gone and the time limit are all noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "socket.h"
#include "wire_verbs.h"

enum {
  DEPTH = 256,       /* writes in flight, at most */
  BATCH = 32,        /* writes handed to the device at a time */
  SGES_MAX = 16,     /* more make the queue's entries longer for all writes */
  INLINED = 128,     /* bytes with a request; a queue of so many pieces has the room anyhow */
  COMPLETIONS = 16,  /* looked at together */
  ACK_TIMEOUT = 16,  /* 4.096 us x 2^16 = 0.27 s until a packet is sent again, ... */
  RETRIES = 7,       /* ... so often, before the peer counts as gone */
  RESOLVE_MS = 2000, /* for an address that nobody answers to */
  GOODBYE_MS = 500   /* for the server to confirm that its queue pair is gone */
};

struct bc_verbs_queue {
  struct rdma_event_channel *events;
  struct rdma_cm_id *id;
  struct ibv_comp_channel *channel;
  struct ibv_cq *cq;
  bc_verbs_memory *memory;
  int lane;
  uint32_t depth, batch_max;
  bc_verbs_limits limits;
  bool connected, broken;
  bool armed;         /* the channel will tell of the next completion */
  uint64_t added;     /* writes, with those in the batch */
  uint64_t posted;    /* handed to the device */
  uint64_t signalled; /* the last that asks for a completion */
  uint64_t completed;
  uint32_t batched;
  struct ibv_send_wr batch[BATCH];
  struct ibv_sge sges[BATCH][SGES_MAX];
  bc_verbs_fence fence;
  uint64_t fence_value; /* what is read goes here */
  struct ibv_mr *fence_region;
};

const bc_verbs_limits *bc_verbs_queue_limits(const bc_verbs_queue *q) {
  return &q->limits;
}

struct ibv_pd *bc_verbs_queue_domain(const bc_verbs_queue *q) {
  return q->id->pd;
}

bc_verbs_memory *bc_verbs_queue_memory(bc_verbs_queue *q) {
  return q->memory;
}

uint64_t bc_verbs_queue_last(const bc_verbs_queue *q) {
  return q->added;
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static int breaks(bc_verbs_queue *q, int code, beamcast_error *error, const char *sentence) {
  q->broken = true;
  return beamcast_fail(error, code, "%s", sentence);
}

/* Waits for one of our descriptors, or for the end of the lane. */
static int wait_for(bc_verbs_queue *q, int fd, int64_t deadline, beamcast_error *error) {
  struct pollfd items[3] = {{.fd = fd, .events = POLLIN},
                            {.fd = q->lane, .events = POLLRDHUP},
                            {.fd = q->events->fd, .events = POLLIN}};
  for (;;) {
    int64_t left = (deadline - bc_now()) / 1000000;
    int count = poll(items, 3, left <= 0 ? 0 : left > 60000 ? 60000 : (int)left + 1);
    if (count > 0 && items[0].revents != 0) {
      return BEAMCAST_OK;
    }
    if (count > 0 && items[1].revents != 0) {
      return breaks(q, BEAMCAST_ERR_CONNECTION, error, "the server closed the connection");
    }
    if (count > 0) {
      return breaks(q, BEAMCAST_ERR_CONNECTION, error,
                    "the server ended the RDMA connection, or the RDMA device is gone");
    }
    if (bc_now() >= deadline) {
      return breaks(q, BEAMCAST_ERR_TIMEOUT, error,
                    "the server did not take the data over RDMA within the time limit");
    }
  }
}

static int completion_failed(bc_verbs_queue *q, const struct ibv_wc *wc, beamcast_error *error) {
  q->broken = true;
  const char *why = wc->status == IBV_WC_RETRY_EXC_ERR    ? "the server does not answer"
                    : wc->status == IBV_WC_REM_ACCESS_ERR ? "the server's memory is not there"
                    : wc->status == IBV_WC_LOC_PROT_ERR   ? "the array's memory is not there"
                    : wc->status == IBV_WC_WR_FLUSH_ERR   ? "the connection was ended"
                                                          : ibv_wc_status_str(wc->status);
  return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "an RDMA write failed: %s", why);
}

/* Takes the completions that are there. */
static int reap(bc_verbs_queue *q, beamcast_error *error) {
  struct ibv_wc wc[COMPLETIONS];
  int count;
  do {
    count = ibv_poll_cq(q->cq, COMPLETIONS, wc);
    if (count < 0) {
      return breaks(q, BEAMCAST_ERR_CONNECTION, error, "the RDMA device is gone");
    }
    for (int i = 0; i < count; i++) {
      if (wc[i].status != IBV_WC_SUCCESS) {
        return completion_failed(q, &wc[i], error);
      }
      q->completed = wc[i].wr_id;
    }
  } while (count == COMPLETIONS);
  return BEAMCAST_OK;
}

static int post_batch(bc_verbs_queue *q, beamcast_error *error) {
  struct ibv_send_wr *bad = NULL;
  if (q->batched == 0) {
    return BEAMCAST_OK;
  }
  for (uint32_t i = 0; i < q->batched; i++) {
    q->batch[i].next = i + 1 < q->batched ? &q->batch[i + 1] : NULL;
  }
  q->batched = 0;
  int reason = ibv_post_send(q->id->qp, q->batch, &bad);
  if (reason != 0) {
    q->broken = true;
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "an RDMA write could not be posted: %s",
                         strerror(reason));
  }
  q->posted = q->added;
  return BEAMCAST_OK;
}

static int sleep_until_event(bc_verbs_queue *q, int64_t deadline, beamcast_error *error) {
  struct ibv_cq *cq;
  void *context;
  int code = wait_for(q, q->channel->fd, deadline, error);
  if (code == BEAMCAST_OK && ibv_get_cq_event(q->channel, &cq, &context) == 0) {
    ibv_ack_cq_events(cq, 1);
    q->armed = false;
  }
  return code;
}

int bc_verbs_queue_await(bc_verbs_queue *q, uint64_t number, int64_t deadline,
                         beamcast_error *error) {
  int code = q->broken ? breaks(q, BEAMCAST_ERR_CONNECTION, error, "the RDMA connection broke")
             : number > q->posted ? post_batch(q, error)
                                  : BEAMCAST_OK;
  while (code == BEAMCAST_OK && q->completed < number) {
    code = reap(q, error);
    if (code != BEAMCAST_OK || q->completed >= number) {
      break;
    }
    if (q->armed) {
      code = sleep_until_event(q, deadline, error);
    } else if (ibv_req_notify_cq(q->cq, 0) != 0) {
      code = breaks(q, BEAMCAST_ERR_CONNECTION, error, "the RDMA device is gone");
    } else {
      q->armed = true; /* and look once more: a completion may have come before */
    }
  }
  return code;
}

/* --- posting -------------------------------------------------------------------------------------
 */

static int make_room(bc_verbs_queue *q, int64_t deadline, beamcast_error *error) {
  int code = q->broken ? breaks(q, BEAMCAST_ERR_CONNECTION, error, "the RDMA connection broke")
             : q->batched >= q->batch_max ? post_batch(q, error)
                                          : BEAMCAST_OK;
  if (code == BEAMCAST_OK && q->added - q->completed >= q->depth) {
    code = reap(q, error);
  }
  if (code == BEAMCAST_OK && q->added - q->completed >= q->depth) {
    /* a signal in every quarter of the queue: the oldest quarter completes by itself */
    code = bc_verbs_queue_await(q, q->completed + 1, deadline, error);
  }
  return code;
}

static struct ibv_send_wr *next_request(bc_verbs_queue *q, bool signal) {
  struct ibv_send_wr *wr = &q->batch[q->batched++];
  uint64_t number = ++q->added;
  memset(wr, 0, sizeof *wr);
  wr->wr_id = number;
  if (signal || number - q->signalled >= q->depth / 4) {
    wr->send_flags = IBV_SEND_SIGNALED;
    q->signalled = number;
  }
  return wr;
}

int bc_verbs_queue_post(bc_verbs_queue *q, const struct ibv_sge *sge, uint32_t sges,
                        uint64_t address, uint32_t key, unsigned flags, int64_t deadline,
                        beamcast_error *error) {
  bool signal = (flags & IBV_SEND_SIGNALED) != 0;
  int code = make_room(q, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  struct ibv_sge *copy = q->sges[q->batched];
  struct ibv_send_wr *wr = next_request(q, signal);
  memcpy(copy, sge, sges * sizeof *sge);
  wr->send_flags |= flags & IBV_SEND_INLINE;
  wr->opcode = IBV_WR_RDMA_WRITE;
  wr->sg_list = copy;
  wr->num_sge = (int)sges;
  wr->wr.rdma.remote_addr = address;
  wr->wr.rdma.rkey = key;
  return q->batched >= q->batch_max || signal ? post_batch(q, error) : BEAMCAST_OK;
}

int bc_verbs_queue_fence(bc_verbs_queue *q, int64_t deadline, beamcast_error *error) {
  int code = make_room(q, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  struct ibv_sge *copy = q->sges[q->batched];
  struct ibv_send_wr *wr = next_request(q, true);
  *copy = (struct ibv_sge){.addr = (uintptr_t)&q->fence_value,
                           .length = sizeof q->fence_value,
                           .lkey = q->fence_region->lkey};
  wr->opcode = IBV_WR_RDMA_READ;
  wr->sg_list = copy;
  wr->num_sge = 1;
  wr->wr.rdma.remote_addr = q->fence.address;
  wr->wr.rdma.rkey = q->fence.key;
  return post_batch(q, error);
}

int bc_verbs_queue_look(bc_verbs_queue *q, uint64_t *completed, beamcast_error *error) {
  int code = q->broken ? breaks(q, BEAMCAST_ERR_CONNECTION, error, "the RDMA connection broke")
                       : reap(q, error);
  *completed = q->completed;
  return code;
}

int bc_verbs_queue_drain(bc_verbs_queue *q, int64_t deadline, beamcast_error *error) {
  int code = BEAMCAST_OK;
  uint64_t oldest;
  while (code == BEAMCAST_OK && (oldest = bc_verbs_memory_oldest(q->memory)) != 0) {
    code = bc_verbs_queue_await(q, oldest, deadline, error);
    if (oldest + 1 >= q->added) {
      break; /* what comes last is let go of later: the fence is waited for first */
    }
    if (code == BEAMCAST_OK) {
      bc_verbs_memory_retire(q->memory, oldest);
    }
  }
  return code == BEAMCAST_OK ? bc_verbs_queue_await(q, q->added, deadline, error) : code;
}

void bc_verbs_queue_let_go(bc_verbs_queue *q) {
  bc_verbs_memory_retire(q->memory, q->completed);
}

/* --- dialling ------------------------------------------------------------------------------------
 */

static int next_event(bc_verbs_queue *q, int64_t deadline, struct rdma_cm_event **event,
                      beamcast_error *error) {
  int code = bc_wait(q->events->fd, POLLIN, deadline, error);
  if (code == BEAMCAST_OK && rdma_get_cm_event(q->events, event) != 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "rdma_cm failed: %s", strerror(errno));
  }
  return code;
}

static int expect(bc_verbs_queue *q, enum rdma_cm_event_type type, int64_t deadline,
                  beamcast_error *error) {
  struct rdma_cm_event *event;
  int code = next_event(q, deadline, &event, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (event->event != type) {
    code = beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "no RDMA connection to the server: %s",
                         event->event == RDMA_CM_EVENT_REJECTED ? "it rejects the connection"
                         : event->event == RDMA_CM_EVENT_ADDR_ERROR
                             ? "its address is not reached from an RDMA device"
                             : rdma_event_str(event->event));
  } else if (type == RDMA_CM_EVENT_ESTABLISHED &&
             !bc_verbs_answer_read(event->param.conn.private_data,
                                   event->param.conn.private_data_len, &q->fence)) {
    code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's RDMA answer makes no sense");
  }
  (void)rdma_ack_cm_event(event);
  return code;
}

static int resolve(bc_verbs_queue *q, struct sockaddr *to, struct sockaddr *from, int64_t deadline,
                   beamcast_error *error) {
  uint8_t timeout = ACK_TIMEOUT;
  q->events = rdma_create_event_channel();
  if (q->events == NULL || rdma_create_id(q->events, &q->id, NULL, RDMA_PS_TCP) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "rdma_cm can't be used: %s",
                         strerror(errno));
  }
  (void)rdma_set_option(q->id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &timeout,
                        sizeof timeout); /* before Linux 5.1 the fabric's own is used */
  if (rdma_resolve_addr(q->id, from, to, RESOLVE_MS) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                         "the server's address is not reached from an RDMA device: %s",
                         strerror(errno));
  }
  int code = expect(q, RDMA_CM_EVENT_ADDR_RESOLVED, deadline, error);
  if (code == BEAMCAST_OK && !bc_verbs_wanted(q->id->verbs)) {
    code = beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                         "the server is reached from another RDMA device than the one that "
                         "BEAMCAST_RDMA_DEVICE names");
  }
  if (code == BEAMCAST_OK && rdma_resolve_route(q->id, RESOLVE_MS) != 0) {
    code = beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "no RDMA route to the server: %s",
                         strerror(errno));
  }
  return code == BEAMCAST_OK ? expect(q, RDMA_CM_EVENT_ROUTE_RESOLVED, deadline, error) : code;
}

static void set_limits(bc_verbs_queue *q) {
  struct ibv_device_attr device;
  struct ibv_port_attr port;
  q->depth = DEPTH;
  q->limits.sges = SGES_MAX;
  q->limits.message = bc_verbs_setting("BEAMCAST_RDMA_MESSAGE", 4096, 1 << 30, 1 << 20);
  if (ibv_query_device(q->id->verbs, &device) == 0) {
    q->limits.sges = device.max_sge < SGES_MAX ? (uint32_t)device.max_sge : SGES_MAX;
    q->depth = device.max_qp_wr < DEPTH ? (uint32_t)device.max_qp_wr : DEPTH;
    q->depth = device.max_cqe < DEPTH && (uint32_t)device.max_cqe < q->depth
                   ? (uint32_t)device.max_cqe
                   : q->depth;
  }
  q->batch_max = q->depth / 4 < BATCH ? q->depth / 4 : BATCH; /* a quarter: see make_room */
  if (ibv_query_port(q->id->verbs, q->id->port_num, &port) == 0 && port.max_msg_sz > 0 &&
      port.max_msg_sz < q->limits.message) {
    q->limits.message = port.max_msg_sz;
  }
}

static int make_queue_pair(bc_verbs_queue *q, beamcast_error *error) {
  set_limits(q);
  q->channel = ibv_create_comp_channel(q->id->verbs);
  q->cq = q->channel ? ibv_create_cq(q->id->verbs, (int)q->depth + 1, NULL, q->channel, 0) : NULL;
  struct ibv_qp_init_attr attributes = {.send_cq = q->cq,
                                        .recv_cq = q->cq,
                                        .qp_type = IBV_QPT_RC,
                                        .cap = {.max_send_wr = q->depth,
                                                .max_recv_wr = 1,
                                                .max_send_sge = q->limits.sges,
                                                .max_recv_sge = 1,
                                                .max_inline_data = INLINED}};
  int failed = q->cq == NULL ? -1 : rdma_create_qp(q->id, NULL, &attributes);
  if (failed != 0 && q->cq != NULL) { /* a device that takes nothing with its requests */
    attributes.cap.max_inline_data = 0;
    failed = rdma_create_qp(q->id, NULL, &attributes);
  }
  q->limits.inlined = attributes.cap.max_inline_data < INLINED ? 0 : INLINED;
  if (failed != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no RDMA queue pair can be made: %s%s",
                         strerror(errno),
                         errno == ENOMEM ? " (see RLIMIT_MEMLOCK, 'ulimit -l')" : "");
  }
  q->fence_region =
      ibv_reg_mr(q->id->pd, &q->fence_value, sizeof q->fence_value, IBV_ACCESS_LOCAL_WRITE);
  q->memory = bc_verbs_memory_new(error);
  return q->fence_region == NULL
             ? bc_verbs_no_registration(error, errno, sizeof q->fence_value, "a few bytes")
         : q->memory == NULL ? BEAMCAST_ERR_MEMORY
                             : BEAMCAST_OK;
}

static int connect_pair(bc_verbs_queue *q, const bc_verbs_at *at, uint32_t number, int64_t deadline,
                        beamcast_error *error) {
  unsigned char hello[BC_VERBS_HELLO_BYTES];
  bc_verbs_hello_write(at, number, hello);
  struct rdma_conn_param param = {.private_data = hello,
                                  .private_data_len = sizeof hello,
                                  .initiator_depth = 1,
                                  .retry_count = RETRIES,
                                  .rnr_retry_count = RETRIES};
  if (rdma_connect(q->id, &param) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "no RDMA connection to the server: %s",
                         strerror(errno));
  }
  int code = expect(q, RDMA_CM_EVENT_ESTABLISHED, deadline, error);
  q->connected = code == BEAMCAST_OK;
  (void)fcntl(q->events->fd, F_SETFL, O_NONBLOCK);
  (void)fcntl(q->channel->fd, F_SETFL, O_NONBLOCK);
  return code;
}

bc_verbs_queue *bc_verbs_dial(const bc_verbs_at *at, uint32_t number, struct sockaddr *to,
                              struct sockaddr *from, int lane, int64_t deadline,
                              beamcast_error *error) {
  bc_verbs_queue *q = calloc(1, sizeof *q);
  if (q == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  q->lane = lane;
  if (resolve(q, to, from, deadline, error) != BEAMCAST_OK || q->id == NULL ||
      make_queue_pair(q, error) != BEAMCAST_OK ||
      connect_pair(q, at, number, deadline, error) != BEAMCAST_OK) {
    bc_verbs_queue_close(q);
    return NULL;
  }
  return q;
}

/* Ends the connection while writes are under way: the server's answer says that its queue pair is
 * gone, and that nothing lands any more. */
static void say_goodbye(bc_verbs_queue *q) {
  int64_t deadline = bc_deadline(1e-3 * GOODBYE_MS);
  struct rdma_cm_event *event;
  bool over = false;
  while (!over && next_event(q, deadline, &event, NULL) == BEAMCAST_OK) {
    over =
        event->event == RDMA_CM_EVENT_DISCONNECTED || event->event == RDMA_CM_EVENT_DEVICE_REMOVAL;
    (void)rdma_ack_cm_event(event);
  }
}

void bc_verbs_queue_close(bc_verbs_queue *q) {
  if (q == NULL) {
    return;
  }
  if (q->connected && rdma_disconnect(q->id) == 0 && q->completed < q->added) {
    say_goodbye(q);
  }
  if (q->id != NULL && q->id->qp != NULL) {
    rdma_destroy_qp(q->id);
  }
  bc_verbs_memory_free(q->memory);
  if (q->fence_region != NULL) {
    (void)ibv_dereg_mr(q->fence_region);
  }
  if (q->cq != NULL) {
    (void)ibv_destroy_cq(q->cq);
  }
  if (q->channel != NULL) {
    (void)ibv_destroy_comp_channel(q->channel);
  }
  if (q->id != NULL) {
    (void)rdma_destroy_id(q->id);
  }
  if (q->events != NULL) {
    rdma_destroy_event_channel(q->events);
  }
  free(q);
}
