/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A tile of several volumes that may reach into one another. Rays are taken in stretches of
 * XAC_TOGETHER_BINS samples: each volume's samples of a stretch are put into bins, macrocell by
 * macrocell, and then all volumes' bins are laid over one another in the order of depth. Samples of
 * all volumes lie at whole steps from where the ray meets the first of them, so that a bin holds at
 * most one of each. Included by xac_cpu_tile.c.
 */
#ifndef XAC_CPU_TOGETHER_H
#define XAC_CPU_TOGETHER_H

enum {
  TOGETHER_PACKETS = XAC_TOGETHER_SIDE * XAC_TOGETHER_SIDE / XAC_LANES,
  BIN_FLOATS = 4 * XAC_LANES
};

/* A volume's part of a worker's scratch. */
typedef struct xk_binned {
  xk_ray rays[TOGETHER_PACKETS]; /* through: what its own samples of this stretch let through */
  xf offset[TOGETHER_PACKETS]; /* number of its first sample, in its steps from the common start */
  float bins[TOGETHER_PACKETS][XAC_TOGETHER_BINS][BIN_FLOATS]; /* r g b a */
  unsigned filled[TOGETHER_PACKETS];                           /* which bins are */
} xk_binned;

_Static_assert(sizeof(xk_binned) <= XAC_TOGETHER_SCRATCH, "scratch of a volume");
_Static_assert(XAC_TOGETHER_BINS <= 32, "a bit each");

/* Moves the samples of a volume's rays to whole steps from t0, a world distance. */
XAC_INLINE xf xk_place(const xac_frame *f, xf t0, xk_ray *ray) {
  xf zero = xf_set(0.0f);
  xf from = (ray->entry - t0) * (1.0f / f->step);
  xf first = xf_max(xf_ceil(from - 0.001f), zero);
  ray->c = xf_min(xf_max(first - from, zero), 0.5f * ray->length);
  return xf_select(xf_lt(zero, ray->length), first, zero);
}

/* Lays colours, nothing where a lane is not live, under what a bin has already. */
XAC_INLINE void xk_lay_under(xk_color *sum, xk_color c, xi live) {
  xf through = xf_select(live, 1.0f - sum->a, xf_set(0.0f));
  sum->r += through * c.r;
  sum->g += through * c.g;
  sum->b += through * c.b;
  sum->a += through * c.a;
}

XAC_INLINE xk_color xk_in_bin(const float *bin) {
  xk_color c = {xf_load(bin), xf_load(bin + XAC_LANES), xf_load(bin + 2 * XAC_LANES),
                xf_load(bin + 3 * XAC_LANES)};
  return c;
}

/* Nothing where a lane is not live. */
XAC_INLINE void xk_put_into_bin(int bin, xk_color c, xi live, float (*bins)[BIN_FLOATS],
                                unsigned *filled) {
  const xf zero = xf_set(0.0f);
  xk_color sum = {zero, zero, zero, zero};
  if (*filled >> bin & 1) { /* by lanes in another macrocell, or the same, which are nearer then */
    sum = xk_in_bin(bins[bin]);
  }
  xk_lay_under(&sum, c, live);
  xf_store(bins[bin], sum.r);
  xf_store(bins[bin] + XAC_LANES, sum.g);
  xf_store(bins[bin] + 2 * XAC_LANES, sum.b);
  xf_store(bins[bin] + 3 * XAC_LANES, sum.a);
  *filled |= 1u << bin;
}

/* Puts the rays' samples in a macrocell, of numbers j0 to j1 - 1 from the common start, into bins:
 * number j0 into the bin `bin`, each next one `stride` further. */
XAC_INLINE unsigned xk_march_bins(const xac_frame *f, const xac_macrocell *m,
                                  const xk_source *source, xk_ray *ray, xf offset, float j0,
                                  float j1, int bin, int stride, int kernel,
                                  float (*bins)[BIN_FLOATS], unsigned *filled) {
  xf first, end;
  xk_range(ray, m->lo, m->hi, &first, &end);
  first = xf_max(first, j0 - offset);
  end = xf_min(end, j1 - offset);
  xi any = xf_lt(first, end);
  if (!xi_any(any)) {
    return 0;
  }
  xk_walk walk;
  xk_walk_setup(f, m, ray, kernel, first, end, &walk);
  const xf zero = xf_set(0.0f);
  float j = -xf_greatest(xf_select(any, -(first + offset), xf_set(-1e30f)));
  const float last = xf_greatest(xf_select(any, end + offset, zero));
  bin += (int)(j - j0) * stride;
  unsigned evaluated = 0;
  for (; j < last; j += 1.0f, bin += stride) {
    xf k = j - offset;
    xk_color c;
    xi live = xk_evaluate(f, m, source, ray, &walk, kernel, k, xf_le(first, k) & xf_lt(k, end), &c);
    if (!xi_any(live)) {
      continue;
    }
    xk_put_into_bin(bin, c, live, bins, filled);
    evaluated += (unsigned)xi_count(live);
    ray->through -= xf_select(live, ray->through * c.a, zero);
    if (!xi_any(xf_le(xf_set(f->terminate), ray->through) & xf_lt(k + 1.0f, end))) {
      break;
    }
  }
  ray->length = xf_select(xf_lt(ray->through, xf_set(f->terminate)), zero, ray->length);
  return evaluated;
}

/* A macrocell's samples of a stretch, for all rays of the tile. */
XAC_INLINE void bin_macrocell(xac_cpu_job *job, uint32_t i, int columns, xk_scratch *scratch,
                              xk_binned *b, int from, int stride, int kernel) {
  const xac_macrocell *m = &job->macrocells[i];
  const xac_rectangle *r = &job->rectangles[i], *t = &job->tile;
  int i0 = r->x0 <= t->x0 ? 0 : (r->x0 - t->x0) / PACKET_X;
  int j0 = r->y0 <= t->y0 ? 0 : (r->y0 - t->y0) / PACKET_Y;
  int i1 = ((r->x1 < t->x1 ? r->x1 : t->x1) - t->x0 + PACKET_X - 1) / PACKET_X;
  int j1 = ((r->y1 < t->y1 ? r->y1 : t->y1) - t->y0 + PACKET_Y - 1) / PACKET_Y;
  const xk_source source = {scratch->value, scratch->four, scratch->extra, job->table, job};
  const int least = (from + stride - 1) / stride,
            most = (from + XAC_TOGETHER_BINS + stride - 1) / stride;
  int filled = 0;
  for (int j = j0; j < j1; j++) {
    for (int n = j * columns + i0; n < j * columns + i1; n++) {
      xk_ray *ray = &b->rays[n];
      if (!xi_any(xf_lt(xf_set(0.0f), ray->length))) {
        continue;
      }
      if (!filled) {
        xf first, end;
        xk_range(ray, m->lo, m->hi, &first, &end);
        first = xf_max(first, (float)least - b->offset[n]);
        end = xf_min(end, (float)most - b->offset[n]);
        if (!xi_any(xf_lt(first, end))) {
          continue;
        }
        fill_block(job, m, scratch);
        filled = 1;
      }
      job->samples +=
          xk_march_bins(job->frame, m, &source, ray, b->offset[n], (float)least, (float)most,
                        least * stride - from, stride, kernel, b->bins[n], &b->filled[n]);
    }
  }
}

#define BIN(KERNEL)                                                                                \
  static void bin_##KERNEL(xac_cpu_job *job, uint32_t i, int columns, xk_scratch *s, xk_binned *b, \
                           int from, int stride) {                                                 \
    bin_macrocell(job, i, columns, s, b, from, stride, KERNEL);                                    \
  }
BIN(0)
BIN(1)
BIN(2)
BIN(4)
BIN(5)
BIN(6)
BIN(8)
BIN(14)

typedef void (*bin_function)(xac_cpu_job *, uint32_t, int, xk_scratch *, xk_binned *, int, int);

static bin_function bin_for(int kernel) {
  static const bin_function functions[8] = {bin_0, bin_1, bin_2, bin_0, bin_4, bin_5, bin_6, bin_0};
  return kernel & 8 ? (kernel & (2 | 4) ? bin_14 : bin_8) : functions[kernel & 7];
}

/* Lays the bins of a packet over one another; from: the first bin's number of steps. */
XAC_INLINE void merge_bins(const xac_together *t, xk_binned *const *b, int n, float from, int depth,
                           xk_ray *ray) {
  unsigned filled = 0;
  for (int v = 0; v < t->count; v++) {
    filled |= b[v]->filled[n];
  }
  xk_ray sum = *ray; /* in registers: what b holds might be it, for all that the compiler knows */
  for (; filled; filled &= filled - 1) {
    const int bin = __builtin_ctz(filled);
    for (int i = 0; i < t->count; i++) {
      /* To and fro: what a bin has of two volumes is as often the one before the other. */
      const int v = bin & 1 ? t->count - 1 - i : i;
      if (!(b[v]->filled[n] >> bin & 1)) {
        continue;
      }
      const xk_color c = xk_in_bin(b[v]->bins[n][bin]);
      sum.r += sum.through * c.r;
      sum.g += sum.through * c.g;
      sum.b += sum.through * c.b;
      xf after = sum.through - sum.through * c.a;
      if (depth) {
        xi crosses = xf_le(after, xf_set(0.5f)) & xf_lt(xf_set(0.5f), sum.through);
        sum.depth = xf_select(crosses, sum.entry + (from + (float)bin) * t->step, sum.depth);
      }
      sum.through = after;
    }
  }
  ray->r = sum.r;
  ray->g = sum.g;
  ray->b = sum.b;
  ray->through = sum.through;
  ray->depth = sum.depth;
  xi done = xf_lt(ray->through, xf_set(t->volumes[0].job.frame->terminate));
  for (int v = 0; v < t->count; v++) {
    b[v]->filled[n] = 0;
    b[v]->rays[n].through = ray->through;
    b[v]->rays[n].length = xf_select(done, xf_set(0.0f), b[v]->rays[n].length);
  }
}

/* Sets up the rays; entry of the common ones: where steps are counted from. Returns how many steps
 * the longest has, and the least and greatest entry. */
static float start_together(const xac_together *t, xk_binned *const *b, int columns, int rows,
                            xk_ray *rays, float entries[2]) {
  const xf zero = xf_set(0.0f);
  const xf never = xf_set(1e30f);
  float longest = 0.0f;
  entries[0] = 1e30f;
  entries[1] = -1e30f;
  for (int v = 0; v < t->count; v++) {
    start_rays(&t->volumes[v].job, columns, rows, b[v]->rays);
  }
  memcpy(rays, b[0]->rays, sizeof *rays * (size_t)columns * (size_t)rows);
  for (int n = 0; n < columns * rows; n++) {
    xf entry = never;
    for (int v = 0; v < t->count; v++) {
      const xk_ray *ray = &b[v]->rays[n];
      entry = xf_min(entry, xf_select(xf_lt(zero, ray->length), ray->entry, never));
    }
    if (t->volumes[0].job.frame->jitter) {
      xf px, py;
      pixels(t->volumes[0].job.tile.x0 + n % columns * PACKET_X,
             t->volumes[0].job.tile.y0 + n / columns * PACKET_Y, &px, &py);
      entry -= xk_random(px, py) * t->step;
    }
    xi some = xf_lt(entry, xf_set(1e29f));
    rays[n].entry = entry;
    entries[0] = -xf_greatest(xf_max(-entry, xf_set(-entries[0])));
    entries[1] = xf_greatest(xf_max(xf_select(some, entry, -never), xf_set(entries[1])));
    for (int v = 0; v < t->count; v++) {
      xk_ray *ray = &b[v]->rays[n];
      b[v]->offset[n] = xk_place(t->volumes[v].job.frame, entry, ray);
      b[v]->filled[n] = 0;
      xf steps = xf_select(xf_lt(zero, ray->length), b[v]->offset[n] + xk_samples(ray), zero);
      longest = fmaxf(longest, xf_greatest(steps) * (float)t->volumes[v].stride);
    }
  }
  return longest;
}

static __attribute__((noinline)) void draw_together(xac_together *t) {
  const xac_rectangle *tile = &t->volumes[0].job.tile;
  int columns = (tile->x1 - tile->x0 + PACKET_X - 1) / PACKET_X;
  int rows = (tile->y1 - tile->y0 + PACKET_Y - 1) / PACKET_Y;
  xk_scratch *scratch = t->volumes[0].job.scratch;
  xk_ray *rays =
      (xk_ray *)(void *)((char *)(void *)scratch + ((sizeof *scratch + 63) & ~(size_t)63));
  xk_binned *b[XAC_TOGETHER_MOST];
  bin_function put[XAC_TOGETHER_MOST];
  for (int v = 0; v < t->count; v++) {
    b[v] = (xk_binned *)(void *)((char *)t->scratch + (size_t)v * XAC_TOGETHER_SCRATCH);
    put[v] = bin_for(t->volumes[v].job.frame->kernel);
  }
  float entries[2];
  const float longest = start_together(t, b, columns, rows, rays, entries);
  for (int from = 0, alive = 1; alive && (float)from < longest; from += XAC_TOGETHER_BINS) {
    const float near_ = entries[0] + (float)from * t->step,
                far_ = entries[1] + (float)(from + XAC_TOGETHER_BINS) * t->step;
    for (int v = 0; v < t->count; v++) {
      xac_together_volume *volume = &t->volumes[v];
      for (size_t n = 0; n < volume->job.listed; n++) {
        const uint32_t i = volume->job.list[n];
        if (volume->ends[i][1] >= near_ && volume->ends[i][0] <= far_) {
          put[v](&volume->job, i, columns, scratch, b[v], from, volume->stride);
        }
      }
    }
    alive = 0;
    for (int n = 0; n < columns * rows; n++) {
      merge_bins(t, b, n, (float)from, t->volumes[0].job.image.depth != NULL, &rays[n]);
      for (int v = 0; v < t->count; v++) {
        alive |= xi_any(xf_lt(xf_set(0.0f), b[v]->rays[n].length));
      }
    }
  }
  store_rays(&t->volumes[0].job, columns, rows, rays);
}

void XAC_ISA_TOGETHER(xac_together *t) {
  jmp_buf jump;
  for (int v = 0; v < t->count; v++) {
    if (t->volumes[v].job.frame->kernel & 8) {
      t->volumes[v].job.jump = &jump;
      xk_user_begin(&t->volumes[v].job);
    }
  }
  if (setjmp(jump) == 0) {
    draw_together(t);
  }
}

#endif
