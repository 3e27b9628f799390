/* SPDX-License-Identifier: BSD-3-Clause */
#include "selection.h"

#include <stdlib.h>

/* Whether the wanted positions of the part follow each other in dimension d. */
static int dense(const selection *s, const selection_part *part, int d) {
  const uint64_t *index = s->index[d] + part->first[d];
  return index[part->count[d] - 1] - index[0] == part->count[d] - 1;
}

/* The number of innermost dimensions that are one run of bytes in the block and in memory, beyond
 * the last; *run is the length of that run in elements. */
static int merge(const selection *s, const selection_part *part, const uint64_t shape[],
                 uint64_t *run) {
  int d = s->dimensions - 1;
  *run = part->count[d];
  if (s->step[d] != (int64_t)s->convert.out_bytes || !dense(s, part, d)) {
    return 0;
  }
  int merged = 0;
  while (d > 0 && part->count[d] == shape[d] && dense(s, part, d - 1) &&
         s->step[d - 1] == s->step[d] * (int64_t)part->count[d]) {
    d--;
    merged++;
    *run *= part->count[d];
  }
  return merged;
}

typedef struct copier {
  const selection *s;
  const selection_part *part;
  const uint64_t *origin;
  uint64_t stride[MAX_DIMS]; /* bytes in the block */
  int last;                  /* the dimension in which runs lie */
  uint64_t run;
} copier;

static void copy_run(const copier *c, const uint8_t *from, uint8_t *to) {
  const selection *s = c->s;
  const int d = c->last;
  const uint64_t *index = s->index[d] + c->part->first[d];
  const uint64_t n = c->part->count[d];
  to += (int64_t)c->part->first[d] * s->step[d];
  if (d < s->dimensions - 1) { /* merged: one run */
    voxel_convert(&s->convert, from + (index[0] - c->origin[d]) * c->stride[d],
                  c->stride[s->dimensions - 1], to, (ptrdiff_t)s->convert.out_bytes, c->run);
    return;
  }
  const uint64_t every = n > 1 ? index[1] - index[0] : 1;
  if (index[n - 1] - index[0] == every * (n - 1)) {
    voxel_convert(&s->convert, from + (index[0] - c->origin[d]) * c->stride[d],
                  every * c->stride[d], to, s->step[d], n);
    return;
  }
  for (uint64_t i = 0; i < n; i++) {
    voxel_convert(&s->convert, from + (index[i] - c->origin[d]) * c->stride[d], c->stride[d],
                  to + (int64_t)i * s->step[d], s->step[d], 1);
  }
}

static void copy_dimension(const copier *c, int d, const uint8_t *from, uint8_t *to) {
  if (d == c->last) {
    copy_run(c, from, to);
    return;
  }
  const uint64_t first = c->part->first[d];
  for (uint64_t i = first; i < first + c->part->count[d]; i++) {
    copy_dimension(c, d + 1, from + (c->s->index[d][i] - c->origin[d]) * c->stride[d],
                   to + (int64_t)i * c->s->step[d]);
  }
}

void selection_copy(const selection *s, const selection_part *part, const uint8_t *block,
                    const uint64_t origin[], const uint64_t shape[], const uint8_t *fill) {
  copier c = {.s = s, .part = part, .origin = origin};
  uint64_t stride = block != NULL ? s->convert.from.bytes : 0;
  for (int d = s->dimensions - 1; d >= 0; d--) {
    c.stride[d] = stride;
    stride *= shape[d];
  }
  c.last = s->dimensions - 1 - merge(s, part, shape, &c.run);
  copy_dimension(&c, 0, block != NULL ? block : fill, s->out);
}

uint8_t *selection_direct(const selection *s, const selection_part *part, const uint64_t origin[],
                          const uint64_t shape[]) {
  uint64_t run, whole = 1;
  if (!s->convert.identity) {
    return NULL;
  }
  merge(s, part, shape, &run);
  uint8_t *to = s->out;
  for (int d = 0; d < s->dimensions; d++) {
    whole *= shape[d];
    to += (int64_t)part->first[d] * s->step[d];
    if (s->index[d][part->first[d]] != origin[d]) {
      return NULL;
    }
  }
  return run == whole && s->step[s->dimensions - 1] == (int64_t)s->convert.out_bytes ? to : NULL;
}

int selection_grid_make(selection_grid *grid, const selection *s, const uint64_t block[]) {
  memset(grid, 0, sizeof *grid);
  grid->dimensions = s->dimensions;
  grid->tasks = 1;
  for (int d = 0; d < s->dimensions; d++) {
    grid->block[d] = block[d];
    grid->at[d] = malloc((s->count[d] + 1) * sizeof(uint64_t));
    grid->first[d] = malloc((s->count[d] + 1) * sizeof(uint64_t));
    if (grid->at[d] == NULL || grid->first[d] == NULL) {
      selection_grid_free(grid);
      return -1;
    }
    uint64_t n = 0;
    for (uint64_t i = 0; i < s->count[d]; i++) {
      const uint64_t number = s->index[d][i] / block[d];
      if (n == 0 || grid->at[d][n - 1] != number) {
        grid->at[d][n] = number;
        grid->first[d][n++] = i;
      }
    }
    grid->first[d][n] = s->count[d];
    grid->count[d] = n;
    grid->tasks *= n;
  }
  return 0;
}

void selection_grid_free(selection_grid *grid) {
  for (int d = 0; d < MAX_DIMS; d++) {
    free(grid->at[d]);
    free(grid->first[d]);
  }
  memset(grid, 0, sizeof *grid);
}

void selection_grid_part(const selection_grid *grid, uint64_t task, uint64_t at[],
                         selection_part *part) {
  for (int d = grid->dimensions - 1; d >= 0; d--) {
    const uint64_t i = task % grid->count[d];
    task /= grid->count[d];
    at[d] = grid->at[d][i];
    part->first[d] = grid->first[d][i];
    part->count[d] = grid->first[d][i + 1] - grid->first[d][i];
  }
}

void selection_free(selection *s) {
  for (int d = 0; d < MAX_DIMS; d++) {
    free(s->index[d]);
    s->index[d] = NULL;
  }
}
