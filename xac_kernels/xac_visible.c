/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which subcells of the macrocells show something with these colours; kept from picture to picture.
 */
#include <stdlib.h>

#include "xac_internal.h"

enum { ITEM = 1024 }; /* macrocells that a thread takes at once */

typedef struct look {
  const xac_renderer *renderer;
  float scale, bias;
} look;

static void look_at(void *argument, size_t item, int worker) {
  (void)worker;
  const look *l = argument;
  const xac_renderer *r = l->renderer;
  const size_t end = (item + 1) * ITEM < r->ranges.count ? (item + 1) * ITEM : r->ranges.count;
  for (size_t macrocell = item * ITEM; macrocell < end; macrocell++) {
    const float *lo = r->ranges.lo + macrocell * XAC_SUBCELLS;
    const float *hi = r->ranges.hi + macrocell * XAC_SUBCELLS;
    unsigned *bits = r->visible.bits + 2 * macrocell;
    bits[0] = bits[1] = 0;
    for (int i = 0; i < XAC_SUBCELLS; i++) {
      if (!(lo[i] <= hi[i])) {
        continue;
      }
      /* One entry to either side allows for rounding in the kernels. */
      float a = lo[i] * l->scale + l->bias - 1.0f, b = hi[i] * l->scale + l->bias + 1.0f;
      int first = a > 0.0f ? (a < XAC_TABLE - 1 ? (int)a : XAC_TABLE - 1) : 0;
      int last = b > 0.0f ? (b < XAC_TABLE - 1 ? (int)b : XAC_TABLE - 1) : 0;
      if (r->visible.everywhere || r->shown_before[last + 1] != r->shown_before[first]) {
        bits[i >> 5] |= 1u << (i & 31);
      }
    }
  }
}

int xac_visible_build(xac_renderer *r, beamcast_error *error) {
  xac_visible *v = &r->visible;
  const int everywhere = (r->shading.kernel & XAC_USER) && r->user && xac_user_everywhere(r->user);
  if (v->version > 0 && v->volume == r->volume_version && v->colors == r->colors_version &&
      v->everywhere == everywhere) {
    return BEAMCAST_OK;
  }
  if (r->ranges.count > v->capacity) {
    unsigned *bits = realloc(v->bits, 2 * r->ranges.count * sizeof *bits);
    if (bits == NULL) {
      return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory to list %zu macrocells",
                           r->ranges.count);
    }
    v->bits = bits;
    v->capacity = r->ranges.count;
  }
  v->volume = r->volume_version;
  v->colors = r->colors_version;
  v->everywhere = everywhere;
  v->version++;
  look l = {.renderer = r};
  xac_table_mapping(r, &l.scale, &l.bias);
  xac_pool_run(r->pool, (r->ranges.count + ITEM - 1) / ITEM, look_at, &l);
  return BEAMCAST_OK;
}
