/* SPDX-License-Identifier: BSD-3-Clause
 * Boxes and the cut of a volume over ranks; see layout.h. */
#include "layout.h"

#include <stdlib.h>
#include <string.h>

bool bc_box_is_empty(const bc_box *box) {
  return box->shape[0] == 0 || box->shape[1] == 0 || box->shape[2] == 0;
}

bool bc_box_equal(const bc_box *a, const bc_box *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

bool bc_box_contains(const bc_box *outer, const bc_box *inner) {
  if (bc_box_is_empty(inner)) {
    return true;
  }
  for (int axis = 0; axis < 3; axis++) {
    if (inner->start[axis] < outer->start[axis] || inner->shape[axis] > outer->shape[axis] ||
        inner->start[axis] - outer->start[axis] > outer->shape[axis] - inner->shape[axis]) {
      return false;
    }
  }
  return true;
}

bool bc_box_intersect(const bc_box *a, const bc_box *b, bc_box *out) {
  for (int axis = 0; axis < 3; axis++) {
    uint64_t a_end = a->start[axis] + a->shape[axis], b_end = b->start[axis] + b->shape[axis];
    uint64_t from = a->start[axis] > b->start[axis] ? a->start[axis] : b->start[axis];
    uint64_t to = a_end < b_end ? a_end : b_end;
    if (to <= from) {
      memset(out, 0, sizeof *out);
      return false;
    }
    out->start[axis] = from;
    out->shape[axis] = to - from;
  }
  return true;
}

uint64_t bc_box_count(const bc_box *box) {
  return box->shape[0] * box->shape[1] * box->shape[2];
}

uint64_t bc_volume_bytes(const uint64_t shape[3], uint64_t voxel_bytes) {
  uint64_t bytes = voxel_bytes;
  for (int axis = 0; axis < 3; axis++) {
    if (__builtin_mul_overflow(bytes, shape[axis], &bytes) || bytes > INT64_MAX) {
      return 0;
    }
  }
  return bytes;
}

/* Cells of one axis of a piece; points are cells + 1. */
typedef struct cells {
  uint64_t from[3], to[3];
} cells;

static void deal(uint64_t from, uint64_t to, uint64_t part, uint64_t parts, uint64_t *a,
                 uint64_t *b) {
  uint64_t length = to - from, each = length / parts, rest = length % parts;
  *a = from + part * each + (part < rest ? part : rest);
  *b = *a + each + (part < rest ? 1 : 0);
}

static int longest(const cells *piece) {
  int axis = 2;
  for (int i = 1; i >= 0; i--) {
    if (piece->to[i] - piece->from[i] > piece->to[axis] - piece->from[axis]) {
      axis = i;
    }
  }
  return axis;
}

/* Halves the piece for `ranks` ranks until only `rank` is left; false if nothing is left for it. */
static bool halve(cells *piece, int rank, int ranks) {
  while (ranks > 1) {
    int axis = longest(piece);
    uint64_t length = piece->to[axis] - piece->from[axis];
    if (length < 2) {
      return rank == 0;
    }
    int low = ranks / 2;
    uint64_t middle = piece->from[axis] + length / (uint64_t)ranks * (uint64_t)low +
                      length % (uint64_t)ranks * (uint64_t)low / (uint64_t)ranks;
    if (middle == piece->from[axis]) {
      middle++;
    }
    if (rank < low) {
      piece->to[axis] = middle;
      ranks = low;
    } else {
      piece->from[axis] = middle;
      rank -= low;
      ranks -= low;
    }
  }
  return true;
}

void bc_layout(const uint64_t volume[3], int split, int rank, int ranks, int ghosts, bc_box *own,
               bc_box *memory) {
  memset(own, 0, sizeof *own);
  memset(memory, 0, sizeof *memory);
  cells piece;
  for (int axis = 0; axis < 3; axis++) {
    if (volume[axis] == 0) {
      return;
    }
    piece.from[axis] = 0;
    piece.to[axis] = volume[axis] - 1;
  }
  if (split == BC_BLOCKS) {
    if (!halve(&piece, rank, ranks)) {
      return;
    }
  } else {
    int axis = volume[2] > 1 ? 2 : volume[1] > 1 ? 1 : 0;
    uint64_t length = piece.to[axis];
    uint64_t parts = (uint64_t)ranks < length ? (uint64_t)ranks : length > 0 ? length : 1;
    if ((uint64_t)rank >= parts) {
      return;
    }
    deal(0, length, (uint64_t)rank, parts, &piece.from[axis], &piece.to[axis]);
  }
  for (int axis = 0; axis < 3; axis++) {
    own->start[axis] = piece.from[axis];
    own->shape[axis] = piece.to[axis] - piece.from[axis] + 1;
    uint64_t last = volume[axis] - 1, more = (uint64_t)ghosts;
    uint64_t from = piece.from[axis] > more ? piece.from[axis] - more : 0;
    uint64_t to = last - piece.to[axis] > more ? piece.to[axis] + more : last;
    memory->start[axis] = from;
    memory->shape[axis] = to - from + 1;
  }
}

/* Makes `before` longer by `box` where that begins where it ends, and is as wide. */
static bool join_behind(bc_box *before, const bc_box *box) {
  int differs = -1, number = 0;
  for (int axis = 0; axis < 3; axis++) {
    if (before->start[axis] != box->start[axis] || before->shape[axis] != box->shape[axis]) {
      differs = axis;
      number++;
    }
  }
  if (number != 1 || before->start[differs] + before->shape[differs] != box->start[differs]) {
    return false;
  }
  before->shape[differs] += box->shape[differs];
  return true;
}

enum { JOIN_LOOK = 32 }; /* boxes that are looked at: more lanes than that have no link */

bool bc_boxes_add(bc_box *boxes, size_t *count, size_t capacity, const bc_box *box) {
  if (bc_box_is_empty(box)) {
    return true;
  }
  bc_box add = *box;
  for (size_t i = *count, looked = 0; i > 0 && looked < JOIN_LOOK;) {
    bc_box *joined = &boxes[--i];
    looked++;
    if (bc_box_equal(joined, &add)) {
      return true;
    }
    if (join_behind(joined, &add)) {
      /* what they make together may join another one: rows make planes, planes slabs */
      add = *joined;
      memmove(joined, joined + 1, (--*count - i) * sizeof *joined);
      i = *count;
      looked = 0;
    }
  }
  if (*count >= capacity) {
    return false;
  }
  boxes[(*count)++] = add;
  return true;
}

uint64_t bc_box_piece(const bc_box *box, uint64_t voxel_bytes, uint64_t bytes) {
  const uint64_t row = box->shape[0] * voxel_bytes;
  const uint64_t rows = row > 0 && row < bytes ? bytes / row : 1;
  return box->shape[1] > 0 && rows > box->shape[1] ? rows - rows % box->shape[1] : rows;
}

bool bc_box_rows(const bc_box *box, uint64_t *row, uint64_t end, bc_box *part) {
  uint64_t plane = box->shape[1];
  if (*row >= end || plane == 0) {
    return false;
  }
  uint64_t y = *row % plane, rows = end - *row;
  *part = *box;
  part->start[2] += *row / plane;
  if (y == 0 && rows >= plane) {
    part->shape[2] = rows / plane;
    *row += part->shape[2] * plane;
  } else {
    part->start[1] += y;
    part->shape[1] = rows < plane - y ? rows : plane - y;
    part->shape[2] = 1;
    *row += part->shape[1];
  }
  return true;
}

typedef struct box_list {
  bc_box *boxes;
  size_t count, capacity;
} box_list;

static bool push(box_list *list, const bc_box *box) {
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 64;
    bc_box *boxes = realloc(list->boxes, capacity * sizeof *boxes);
    if (boxes == NULL) {
      return false;
    }
    list->boxes = boxes;
    list->capacity = capacity;
  }
  list->boxes[list->count++] = *box;
  return true;
}

/* Adds what is left of `from` without `cut` to list: at most six boxes. */
static bool subtract(box_list *list, const bc_box *from, const bc_box *cut) {
  bc_box common, rest = *from;
  if (!bc_box_intersect(from, cut, &common)) {
    return push(list, from);
  }
  for (int axis = 2; axis >= 0; axis--) {
    bc_box part = rest;
    uint64_t end = rest.start[axis] + rest.shape[axis];
    uint64_t common_end = common.start[axis] + common.shape[axis];
    part.shape[axis] = common.start[axis] - rest.start[axis];
    if (part.shape[axis] > 0 && !push(list, &part)) {
      return false;
    }
    part.start[axis] = common_end;
    part.shape[axis] = end - common_end;
    if (part.shape[axis] > 0 && !push(list, &part)) {
      return false;
    }
    rest.start[axis] = common.start[axis];
    rest.shape[axis] = common.shape[axis];
  }
  return true;
}

bool bc_gaps(const bc_box *whole, const bc_box *boxes, size_t count,
             void (*visit)(void *context, const bc_box *gap), void *context) {
  if (bc_box_is_empty(whole)) {
    return true;
  }
  box_list open = {0}, next = {0};
  bool good = push(&open, whole);
  for (size_t i = 0; i < count && good && open.count > 0; i++) {
    next.count = 0;
    for (size_t k = 0; k < open.count && good; k++) {
      good = subtract(&next, &open.boxes[k], &boxes[i]);
    }
    box_list swap = open;
    open = next;
    next = swap;
  }
  for (size_t k = 0; k < open.count && good; k++) {
    visit(context, &open.boxes[k]);
  }
  free(open.boxes);
  free(next.boxes);
  return good;
}
