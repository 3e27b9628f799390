/* SPDX-License-Identifier: BSD-3-Clause
 * Telling what has landed; see landing.h.
 *
 * A producer that lies, and says that a box is there in which it has written nothing or writes
 * later, spoils what is copied of this box early, and so the step that it may write anyhow. Not
 * others' voxels for good: these tell of them after they have written them, and what is told later
 * is copied later. The memory itself, and what is counted as landed, are as without anybody who
 * listens.
 */
#include "landing.h"

static void retain(void *owner) {
  bc_memory_retain(owner);
}

static void release(void *owner) {
  bc_memory_release(owner);
}

void bc_landing_begin(const bc_receiver *r, const bc_slot *slot) {
  for (uint32_t i = 0; r->options.landing != NULL && i < slot->plan.arrays; i++) {
    if (slot->array[i].memory != NULL) {
      beamcast_landing landing = {.source = r,
                                  .stream = slot->stream,
                                  .array = i,
                                  .serial = slot->serial,
                                  .data = slot->array[i].memory->data,
                                  .voxel_bytes = bc_plan_voxel_bytes(&slot->plan, i),
                                  .owner = slot->array[i].memory,
                                  .retain = retain,
                                  .release = release};
      memcpy(landing.shape, slot->box.shape, sizeof landing.shape);
      r->options.landing->begin(&landing);
    }
  }
}

void bc_landing_tell(const bc_receiver *r, const bc_slot *slot, uint32_t array, const bc_box *box) {
  if (r->options.landing != NULL) {
    uint64_t start[3];
    for (int axis = 0; axis < 3; axis++) {
      start[axis] = box->start[axis] - slot->box.start[axis];
    }
    r->options.landing->landed(slot->array[array].memory->data, start, box->shape);
  }
}

void bc_landing_forget_array(const bc_receiver *r, const bc_slot *slot, uint32_t array) {
  if (r->options.landing != NULL && slot->array[array].memory != NULL) {
    r->options.landing->forget(slot->array[array].memory->data);
  }
}

void bc_landing_forget(const bc_receiver *r, const bc_slot *slot) {
  for (uint32_t i = 0; i < BC_ARRAYS_MAX; i++) {
    bc_landing_forget_array(r, slot, i);
  }
}
