/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames: a complete step on this rank, counted by reference. When the last taker lets go, the root
 * is told, so that the slot may be used again. */
#include <stdlib.h>
#include <string.h>

#include "server.h"

static void frame_free(bc_frame *frame) {
  for (int i = 0; i < frame->info.arrays; i++) {
    bc_memory_release(frame->memory[i]);
  }
  free(frame->header);
  free(frame);
}

bool bc_frame_drop(bc_receiver *r, bc_frame *frame) {
  if (--frame->references > 0) {
    return false;
  }
  for (bc_frame **at = &r->frames; *at != NULL; at = &(*at)->next) {
    if (*at == frame) {
      *at = frame->next;
      break;
    }
  }
  frame_free(frame);
  return --r->references == 0;
}

static void receiver_unlock(bc_receiver *r, bool last) {
  pthread_mutex_unlock(&r->lock);
  if (last) {
    pthread_mutex_destroy(&r->lock);
    free(r);
  }
}

void bc_frame_describe(const bc_frame *frame, bc_frame_info *info) {
  *info = frame->info;
}

void bc_frame_array(const bc_frame *frame, int index, bc_array *array) {
  const bc_array_spec *spec = &frame->spec[index];
  *array = (bc_array){.name = spec->name,
                      .unit = spec->unit,
                      .type = (int)spec->type,
                      .components = (int)spec->components,
                      .data = frame->memory[index] ? frame->memory[index]->data : NULL};
}

void bc_frame_retain(bc_frame *frame) {
  bc_receiver *r = frame->receiver;
  pthread_mutex_lock(&r->lock);
  frame->references++;
  frame->takers++;
  pthread_mutex_unlock(&r->lock);
}

void bc_frame_release(bc_frame *frame) {
  bc_receiver *r = frame->receiver;
  pthread_mutex_lock(&r->lock);
  if (--frame->takers == 0 && frame->taken > 0) {
    bc_writer writer = {0};
    bc_put_pair(&writer, BC_RELEASE, frame->info.serial, frame->taken);
    frame->taken = 0;
    if (!r->stop) {
      bc_to_root(r, &writer);
    }
    bc_writer_free(&writer);
  }
  receiver_unlock(r, bc_frame_drop(r, frame));
}

bc_frame *bc_receiver_take(bc_receiver *r, uint64_t serial) {
  pthread_mutex_lock(&r->lock);
  bc_slot *slot = bc_rank_slot(r, serial);
  bc_frame *frame = slot ? slot->frame : NULL;
  if (frame != NULL) {
    frame->references++;
    frame->takers++;
    frame->taken++;
  }
  pthread_mutex_unlock(&r->lock);
  return frame;
}

bc_frame *bc_frame_make(bc_receiver *r, bc_slot *slot, bc_reader *reader, uint64_t arrays) {
  bc_frame *frame = calloc(1, sizeof *frame);
  bc_plan plan;
  if (frame == NULL) {
    return NULL;
  }
  bc_frame_info *info = &frame->info;
  info->serial = slot->serial;
  info->step = bc_get_u64(reader);
  info->time = bc_get_f64(reader);
  info->run_id = bc_get_u64(reader);
  uint32_t length = bc_get_u32(reader);
  const unsigned char *header = bc_get_bytes(reader, length);
  frame->header = header ? strndup((const char *)header, length) : NULL;
  /* the grid may have been told anew (another spacing) since the slot was opened */
  if (frame->header == NULL || !bc_get_plan(reader, &plan)) {
    frame_free(frame);
    return NULL;
  }
  memcpy(info->volume, plan.grid.volume, sizeof info->volume);
  memcpy(info->spacing, plan.grid.spacing, sizeof info->spacing);
  memcpy(info->origin, plan.grid.origin, sizeof info->origin);
  memcpy(info->direction, plan.grid.direction, sizeof info->direction);
  memcpy(frame->length_unit, plan.grid.length_unit, sizeof frame->length_unit);
  info->length_unit = frame->length_unit;
  info->header = frame->header;
  info->own = slot->own;
  info->memory = slot->box;
  for (uint32_t i = 0; i < slot->plan.arrays; i++) {
    if ((arrays >> i & 1) != 0) {
      frame->spec[info->arrays] = slot->plan.array[i];
      frame->memory[info->arrays] = slot->array[i].memory;
      if (slot->array[i].memory != NULL) {
        bc_memory_retain(slot->array[i].memory);
      }
      info->arrays++;
    }
  }
  frame->receiver = r;
  frame->references = 1;
  frame->next = r->frames;
  r->frames = frame;
  r->references++;
  return frame;
}
