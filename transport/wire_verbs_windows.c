/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server's end of one queue pair, and the memory that is open to it alone: memory windows of
 * type 2, bound on the queue pair itself; see wire_verbs.h.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "wire_verbs.h"

enum { BINDS = 4, BIND_SECONDS = 5 };

struct bc_verbs_window {
  bc_verbs_window *next;
  struct ibv_mw *mw;
  bc_memory *memory; /* retained: its registration must outlive the window */
};

bool bc_verbs_has_windows(struct ibv_context *context) {
  struct ibv_device_attr attributes;
  return bc_verbs_setting("BEAMCAST_RDMA_WINDOWS", 0, 1, 1) != 0 &&
         ibv_query_device(context, &attributes) == 0 &&
         (attributes.device_cap_flags &
          (IBV_DEVICE_MEM_WINDOW_TYPE_2A | IBV_DEVICE_MEM_WINDOW_TYPE_2B)) != 0;
}

bool bc_verbs_pair_make(bc_verbs_pair *pair, struct rdma_cm_id *id, struct ibv_pd *pd,
                        uint32_t number) {
  struct ibv_cq *cq = ibv_create_cq(id->verbs, BINDS, NULL, NULL, 0);
  struct ibv_qp_init_attr attributes = {
      .send_cq = cq,
      .recv_cq = cq,
      .qp_type = IBV_QPT_RC,
      .cap = {.max_send_wr = BINDS, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1}};
  if (cq == NULL) {
    return false;
  }
  if (rdma_create_qp(id, pd, &attributes) != 0) {
    (void)ibv_destroy_cq(cq);
    return false;
  }
  *pair = (bc_verbs_pair){.id = id, .cq = cq, .number = number};
  return true;
}

void bc_verbs_pair_unmake(bc_verbs_pair *pair) {
  bc_verbs_close_windows(pair, NULL);
  rdma_destroy_qp(pair->id);
  (void)ibv_destroy_cq(pair->cq);
}

void bc_verbs_pair_end(bc_verbs_pair *pair) {
  (void)rdma_disconnect(pair->id);
  bc_verbs_pair_unmake(pair);
  (void)rdma_destroy_id(pair->id);
}

/* Waits for the one request that is under way: it never leaves this host. */
static bool bound(const bc_verbs_pair *pair) {
  int64_t deadline = bc_deadline(BIND_SECONDS);
  struct ibv_wc wc;
  int count;
  while ((count = ibv_poll_cq(pair->cq, 1, &wc)) == 0 && bc_now() < deadline) {
    (void)sched_yield();
  }
  return count == 1 && wc.status == IBV_WC_SUCCESS;
}

int bc_verbs_open_window(bc_verbs_pair *pair, bc_memory *memory, struct ibv_mr *region,
                         uint32_t *key, beamcast_error *error) {
  bc_verbs_window *w = calloc(1, sizeof *w);
  struct ibv_send_wr *bad = NULL;
  if (w == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  w->mw = ibv_alloc_mw(region->pd, IBV_MW_TYPE_2);
  if (w->mw == NULL) {
    int reason = errno;
    free(w);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no RDMA memory window can be made: %s",
                         strerror(reason));
  }
  struct ibv_send_wr request = {
      .opcode = IBV_WR_BIND_MW,
      .send_flags = IBV_SEND_SIGNALED,
      .bind_mw = {.mw = w->mw,
                  .rkey = ibv_inc_rkey(w->mw->rkey),
                  .bind_info = {.mr = region,
                                .addr = (uintptr_t)memory->data,
                                .length = memory->size,
                                .mw_access_flags = IBV_ACCESS_REMOTE_WRITE}}};
  *key = request.bind_mw.rkey;
  bc_memory_retain(memory);
  w->memory = memory;
  w->next = pair->windows;
  pair->windows = w;
  if (ibv_post_send(pair->id->qp, &request, &bad) != 0 || !bound(pair)) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the RDMA connection broke");
  }
  return BEAMCAST_OK;
}

void bc_verbs_close_windows(bc_verbs_pair *pair, const bc_memory *memory) {
  for (bc_verbs_window **at = &pair->windows; *at != NULL;) {
    bc_verbs_window *w = *at;
    if (memory == NULL || w->memory == memory) {
      *at = w->next;
      (void)ibv_dealloc_mw(w->mw);
      bc_memory_release(w->memory);
      free(w);
    } else {
      at = &w->next;
    }
  }
}
