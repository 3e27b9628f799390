/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cpu back end's inner part: draws one tile of the picture, macrocell by macrocell from front
 * to back, packets of 4 x 2 pixels within each. Compiled once per instruction set (XAC_ISA names
 * the function). Must not call into the rest of the library.
 */
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "xac_cpu.h"

#include "xac_packet.h"

#include "xac_block.h"

typedef struct xk_sample {
  xf value, g[3], light, open;
  xf position[3], distance; /* for users' kernels */
} xk_sample;

typedef struct xk_color {
  xf r, g, b, a;
} xk_color;

/* Blocks of the macrocell being drawn; which of them are filled depends on the kernel. */
typedef struct xk_source {
  const float *value; /* [..]: values */
  const float *four;  /* [..][4]: value and gradient, or value, light, openness */
  const float *extra; /* [..][4] for users' kernels: light, openness; [..]: openness beside S1 */
  const float *table;
  xac_cpu_job *job;
} xk_source;

/* --- reading a block ------------------------------------------------------------------------- */

/* Lanes' numbers as an array in memory: compilers would take them out of the vector one by one,
 * which costs more than storing it once. */
#define XK_SPILL(NAME, PACKET)                                                                     \
  union {                                                                                          \
    xi packet;                                                                                     \
    unsigned lane[XAC_LANES];                                                                      \
  } NAME##_memory;                                                                                 \
  NAME##_memory.packet = (PACKET);                                                                 \
  __asm__("" : "+m"(NAME##_memory));                                                               \
  const unsigned *NAME = NAME##_memory.lane

#if defined(__AVX2__)

/* Two floats side by side, anywhere. */
typedef double xk_pair __attribute__((aligned(4), may_alias));

XAC_INLINE __m128d xk_two_pairs(const float *p, const float *q) {
  return _mm_set_pd(*(const xk_pair *)q, *(const xk_pair *)p);
}

/* Loads lanes' pairs (x, x + 1) at p + index and parts them. */
XAC_INLINE void xk_pairs(const float *p, const unsigned *index, xf *x0, xf *x1) {
  __m128d a = xk_two_pairs(p + index[0], p + index[1]);
  __m128d b = xk_two_pairs(p + index[2], p + index[3]);
  __m128d c = xk_two_pairs(p + index[4], p + index[5]);
  __m128d d = xk_two_pairs(p + index[6], p + index[7]);
  __m256 ac = _mm256_set_m128(_mm_castpd_ps(c), _mm_castpd_ps(a));
  __m256 bd = _mm256_set_m128(_mm_castpd_ps(d), _mm_castpd_ps(b));
  *x0 = (xf)_mm256_shuffle_ps(ac, bd, 0x88);
  *x1 = (xf)_mm256_shuffle_ps(ac, bd, 0xdd);
}

/* y[i] holds four channels of lane i and of lane i + 4: gives the channels as packets. */
XAC_INLINE void xk_transpose(const __m256 *y, xf *out) {
  __m256 t0 = _mm256_unpacklo_ps(y[0], y[1]), t1 = _mm256_unpackhi_ps(y[0], y[1]);
  __m256 t2 = _mm256_unpacklo_ps(y[2], y[3]), t3 = _mm256_unpackhi_ps(y[2], y[3]);
  out[0] = (xf)_mm256_shuffle_ps(t0, t2, 0x44);
  out[1] = (xf)_mm256_shuffle_ps(t0, t2, 0xee);
  out[2] = (xf)_mm256_shuffle_ps(t1, t3, 0x44);
  out[3] = (xf)_mm256_shuffle_ps(t1, t3, 0xee);
}

/* The weighted sum of the four rows of one lane's cell: x in the low half, x + 1 in the high. */
XAC_INLINE __m256 xk_rows(const float *p, const float (*w)[8], int lane) {
  __m256 sum = _mm256_mul_ps(_mm256_loadu_ps(p), _mm256_broadcast_ss(&w[0][lane]));
  sum = _mm256_fmadd_ps(_mm256_loadu_ps(p + 4 * XAC_ROW), _mm256_broadcast_ss(&w[1][lane]), sum);
  sum = _mm256_fmadd_ps(_mm256_loadu_ps(p + 4 * XAC_PLANE), _mm256_broadcast_ss(&w[2][lane]), sum);
  return _mm256_fmadd_ps(_mm256_loadu_ps(p + 4 * (XAC_PLANE + XAC_ROW)),
                         _mm256_broadcast_ss(&w[3][lane]), sum);
}

#define XK_LANE_PAIR(I)                                                                            \
  {                                                                                                \
    __m256 a = xk_rows(block + index[I], w, I);                                                    \
    __m256 b = xk_rows(block + index[I + 4], w, I + 4);                                            \
    __m256 x0 = _mm256_permute2f128_ps(a, b, 0x20), x1 = _mm256_permute2f128_ps(a, b, 0x31);       \
    __m256 f = _mm256_permute_ps((__m256)fx, (I)*0x55);                                            \
    y[I] = _mm256_fmadd_ps(f, _mm256_sub_ps(x1, x0), x0);                                          \
  }

XAC_INLINE void xk_four(const float *block, xi cell, xf fx, xf fy, xf fz, xf *out) {
  xi offset = cell * 4;
  XK_SPILL(index, offset);
  _Alignas(32) float w[4][8];
  xf gy = 1.0f - fy, gz = 1.0f - fz;
  _mm256_store_ps(w[0], (__m256)(gy * gz));
  _mm256_store_ps(w[1], (__m256)(fy * gz));
  _mm256_store_ps(w[2], (__m256)(gy * fz));
  _mm256_store_ps(w[3], (__m256)(fy * fz));
  __m256 y[4];
  XK_LANE_PAIR(0)
  XK_LANE_PAIR(1)
  XK_LANE_PAIR(2)
  XK_LANE_PAIR(3)
  xk_transpose(y, out);
}

XAC_INLINE xk_color xk_lookup(const xk_source *source, xi entry) {
  xi offset = entry * 4;
  XK_SPILL(index, offset);
  __m256 y[4];
  for (int i = 0; i < 4; i++) {
    y[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(source->table + index[i])),
                                _mm_load_ps(source->table + index[i + 4]), 1);
  }
  xf c[4];
  xk_transpose(y, c);
  xk_color color = {c[0], c[1], c[2], c[3]};
  return color;
}

#else /* any processor: the compiler makes of it what it can */

XAC_INLINE void xk_pairs(const float *p, const unsigned *index, xf *x0, xf *x1) {
  for (int i = 0; i < XAC_LANES; i++) {
    (*x0)[i] = p[index[i]];
    (*x1)[i] = p[index[i] + 1];
  }
}

typedef float xk_quad __attribute__((vector_size(16)));

XAC_INLINE void xk_four(const float *block, xi cell, xf fx, xf fy, xf fz, xf *out) {
  for (int i = 0; i < XAC_LANES; i++) {
    const float *p = block + 4 * (int64_t)cell[i];
    float x1 = fx[i], y1 = fy[i], z1 = fz[i];
    float x0 = 1.0f - x1, y0 = 1.0f - y1, z0 = 1.0f - z1;
    const int row[4] = {0, 4 * XAC_ROW, 4 * XAC_PLANE, 4 * (XAC_ROW + XAC_PLANE)};
    const float w[4] = {y0 * z0, y1 * z0, y0 * z1, y1 * z1};
    xk_quad low = {0}, high = {0};
    for (int r = 0; r < 4; r++) {
      xk_quad a, b;
      memcpy(&a, p + row[r], sizeof a);
      memcpy(&b, p + row[r] + 4, sizeof b);
      low += w[r] * a;
      high += w[r] * b;
    }
    xk_quad sum = x0 * low + x1 * high;
    for (int c = 0; c < 4; c++) {
      out[c][i] = sum[c];
    }
  }
}

XAC_INLINE xk_color xk_lookup(const xk_source *source, xi entry) {
  xk_color color;
  for (int i = 0; i < XAC_LANES; i++) {
    const float *t = source->table + 4 * (int64_t)entry[i];
    color.r[i] = t[0];
    color.g[i] = t[1];
    color.b[i] = t[2];
    color.a[i] = t[3];
  }
  return color;
}

#endif

XAC_INLINE xf xk_mix(xf a, xf b, xf part) {
  return a + part * (b - a);
}

XAC_INLINE xf xk_one(const float *block, const unsigned *index, xf fx, xf fy, xf fz) {
  xf a[4];
  const int row[4] = {0, XAC_ROW, XAC_PLANE, XAC_PLANE + XAC_ROW};
  for (int r = 0; r < 4; r++) {
    xf x0, x1;
    xk_pairs(block + row[r], index, &x0, &x1);
    a[r] = xk_mix(x0, x1, fx);
  }
  return xk_mix(xk_mix(a[0], a[1], fy), xk_mix(a[2], a[3], fy), fz);
}

XAC_INLINE xf xk_nearest(const float *block, xi index, xf fx, xf fy, xf fz) {
  xf half = xf_set(0.5f);
  index += (xf_le(half, fx) & 1) + (xf_le(half, fy) & XAC_ROW) + (xf_le(half, fz) & XAC_PLANE);
  xf value;
  for (int i = 0; i < XAC_LANES; i++) {
    value[i] = block[index[i]];
  }
  return value;
}

XAC_INLINE xk_sample xk_fetch(const xk_source *source, xi x, xi y, xi z, xf fx, xf fy, xf fz,
                              int kernel, int nearest) {
  xk_sample s;
  xi cell = x + y * XAC_ROW + z * XAC_PLANE;
  XK_SPILL(index, cell);
  s.light = s.open = xf_set(1.0f);
  if (kernel == 0) {
    s.value = nearest ? xk_nearest(source->value, cell, fx, fy, fz)
                      : xk_one(source->value, index, fx, fy, fz);
    return s;
  }
  xf four[4];
  xk_four(source->four, cell, fx, fy, fz, four);
  s.value = four[0];
  if (kernel & (1 | 8)) {
    s.g[0] = four[1];
    s.g[1] = four[2];
    s.g[2] = four[3];
    if (kernel == (1 | 4)) {
      s.open = xk_one(source->extra, index, fx, fy, fz);
    } else if (kernel & (2 | 4)) {
      xk_four(source->extra, cell, fx, fy, fz, four);
      s.light = four[0];
      s.open = four[1];
    }
  } else {
    s.light = four[1];
    s.open = four[2];
  }
  if (nearest) {
    s.value = xk_nearest(source->value, cell, fx, fy, fz);
  }
  return s;
}

#include "xac_user_cpu.h"

#define XAC_CALLS_USER
#include "xac_kernel.h"

/* --- a tile ---------------------------------------------------------------------------------- */

typedef struct xk_scratch {
  float value[XAC_BLOCK], four[4 * XAC_BLOCK], extra[4 * XAC_BLOCK];
  float raw[18 * XAC_RAW_PLANE];
  float spare[64];
} xk_scratch;

static void fill_block(const xac_cpu_job *job, const xac_macrocell *m, xk_scratch *s) {
  const xac_frame *f = job->frame;
  const xac_volume *v = job->volume;
  int64_t first[3];
  for (int a = 0; a < 3; a++) {
    first[a] = m->first[a] - v->start[a];
  }
  if (f->kernel == 0 || f->nearest || !(f->kernel & (1 | 8))) {
    xac_fill_values(f, v, first, s->value);
  }
  if (f->kernel & (1 | 8)) {
    xac_fill_gradients(f, v, first, s->raw, s->four);
    if (f->kernel == (1 | 4)) {
      xac_fill_coarse(f, job->open, m->first, 1, s->extra);
    } else if (f->kernel & (2 | 4)) {
      xac_fill_coarse(f, job->light, m->first, 4, s->extra);
      xac_fill_coarse(f, job->open, m->first, 4, s->extra + 1);
    }
  } else if (f->kernel & (2 | 4)) {
    for (int i = 0; i < XAC_PLANE * XAC_POINTS; i++) {
      s->four[4 * i] = s->value[i];
    }
    xac_fill_coarse(f, job->light, m->first, 4, s->four + 1);
    xac_fill_coarse(f, job->open, m->first, 4, s->four + 2);
  }
}

/* Pixels are taken in packets of four columns and two rows. */
enum { PACKET_X = 4, PACKET_Y = XAC_LANES / PACKET_X };

static void pixels(int x, int y, xf *px, xf *py) {
  for (int i = 0; i < XAC_LANES; i++) {
    (*px)[i] = (float)(x + i % PACKET_X);
    (*py)[i] = (float)(y + i / PACKET_X);
  }
}

static void take_picture(const xac_cpu_job *job, int x, int y, xk_ray *ray) {
  const xac_frame *f = job->frame;
  xf c[4] = {xf_set(0.0f), xf_set(0.0f), xf_set(0.0f), xf_set(0.0f)};
  for (int l = 0; l < XAC_LANES; l++) {
    int lx = x + l % PACKET_X, ly = y + l / PACKET_X;
    if (lx < f->width && ly < f->height) {
      const float *p = job->image.rgba + 4 * ((size_t)ly * (size_t)f->width + (size_t)lx);
      for (int i = 0; i < 4; i++) {
        c[i][l] = p[i];
      }
    }
  }
  xk_ray_under(f, c[0], c[1], c[2], c[3], ray);
}

static void start_rays(const xac_cpu_job *job, int columns, int rows, xk_ray *rays) {
  const xac_frame *f = job->frame;
  for (int j = 0; j < rows; j++) {
    for (int i = 0; i < columns; i++) {
      int x = job->tile.x0 + i * PACKET_X, y = job->tile.y0 + j * PACKET_Y;
      xf px, py, limit;
      pixels(x, y, &px, &py);
      for (int l = 0; l < XAC_LANES; l++) {
        int lx = x + l % PACKET_X, ly = y + l / PACKET_X;
        int inside = lx < f->width && ly < f->height;
        limit[l] = !inside                  ? 0.0f
                   : job->image.depth_limit ? job->image.depth_limit[(size_t)ly * f->width + lx]
                                            : 1e30f;
      }
      xk_ray_setup(f, px, py, limit, &rays[j * columns + i]);
      if (f->under) {
        take_picture(job, x, y, &rays[j * columns + i]);
      }
    }
  }
}

static void store_rays(const xac_cpu_job *job, int columns, int rows, const xk_ray *rays) {
  const xac_frame *f = job->frame;
  for (int j = 0; j < rows; j++) {
    for (int i = 0; i < columns; i++) {
      const xk_ray *ray = &rays[j * columns + i];
      for (int l = 0; l < XAC_LANES; l++) {
        int x = job->tile.x0 + i * PACKET_X + l % PACKET_X;
        int y = job->tile.y0 + j * PACKET_Y + l / PACKET_X;
        if (x >= f->width || y >= f->height) {
          continue;
        }
        size_t at = (size_t)y * (size_t)f->width + (size_t)x;
        float *p = job->image.rgba + 4 * at;
        p[0] = ray->r[l];
        p[1] = ray->g[l];
        p[2] = ray->b[l];
        p[3] = 1.0f - ray->through[l];
        if (job->image.depth) {
          job->image.depth[at] = ray->depth[l] < 1e30f ? ray->depth[l] : INFINITY;
        }
      }
    }
  }
}

/* Draws one macrocell into the part of the tile where it may be seen. */
XAC_INLINE uint64_t draw_macrocell(xac_cpu_job *job, const xac_macrocell *m, const xac_rectangle *r,
                                   int columns, xk_scratch *scratch, xk_ray *rays, int kernel) {
  const xac_rectangle *t = &job->tile;
  int i0 = r->x0 <= t->x0 ? 0 : (r->x0 - t->x0) / PACKET_X;
  int j0 = r->y0 <= t->y0 ? 0 : (r->y0 - t->y0) / PACKET_Y;
  int i1 = ((r->x1 < t->x1 ? r->x1 : t->x1) - t->x0 + PACKET_X - 1) / PACKET_X;
  int j1 = ((r->y1 < t->y1 ? r->y1 : t->y1) - t->y0 + PACKET_Y - 1) / PACKET_Y;
  const xk_source source = {scratch->value, scratch->four, scratch->extra, job->table, job};
  uint64_t samples = 0;
  int filled = 0;
  for (int j = j0; j < j1; j++) {
    for (int i = i0; i < i1; i++) {
      xk_ray *ray = &rays[j * columns + i];
      if (!xi_any(xf_lt(xf_set(0.0f), ray->length))) {
        continue;
      }
      if (!filled) {
        xf first, end;
        xk_range(ray, m->lo, m->hi, &first, &end);
        if (!(xf_greatest(end - first) > 0.0f)) {
          continue; /* it may be that no ray has samples in it */
        }
        fill_block(job, m, scratch);
        filled = 1;
      }
      samples += xk_march(job->frame, m, &source, ray, kernel, job->image.depth != NULL);
    }
  }
  return samples;
}

#define DRAW(KERNEL)                                                                               \
  static uint64_t draw_##KERNEL(xac_cpu_job *job, const xac_macrocell *m, const xac_rectangle *r,  \
                                int columns, xk_scratch *s, xk_ray *rays) {                        \
    return draw_macrocell(job, m, r, columns, s, rays, KERNEL);                                    \
  }
DRAW(0)
DRAW(1)
DRAW(2)
DRAW(4)
DRAW(5)
DRAW(6)
DRAW(8)
DRAW(14)

typedef uint64_t (*draw_function)(xac_cpu_job *, const xac_macrocell *, const xac_rectangle *, int,
                                  xk_scratch *, xk_ray *);

static draw_function draw_for(int kernel) {
  if (kernel & 8) {
    return kernel & (2 | 4) ? draw_14 : draw_8;
  }
  switch (kernel) {
  case 1:
    return draw_1;
  case 2:
    return draw_2;
  case 4:
    return draw_4;
  case 5:
    return draw_5;
  case 6:
    return draw_6;
  default:
    return draw_0;
  }
}

static __attribute__((noinline)) void draw_tile(xac_cpu_job *job) {
  int columns = (job->tile.x1 - job->tile.x0 + PACKET_X - 1) / PACKET_X;
  int rows = (job->tile.y1 - job->tile.y0 + PACKET_Y - 1) / PACKET_Y;
  xk_scratch *scratch = job->scratch;
  xk_ray *rays =
      (xk_ray *)(void *)((char *)job->scratch + ((sizeof(xk_scratch) + 63) & ~(size_t)63));
  _Static_assert(sizeof(xk_scratch) + 64 + sizeof(xk_ray) * (XAC_TILE * XAC_TILE / XAC_LANES) <=
                     XAC_CPU_SCRATCH,
                 "scratch of a worker");
  start_rays(job, columns, rows, rays);
  draw_function draw = draw_for(job->frame->kernel);
  for (size_t n = 0; n < job->listed; n++) {
    uint32_t i = job->list[n];
    job->samples += draw(job, &job->macrocells[i], &job->rectangles[i], columns, scratch, rays);
  }
  store_rays(job, columns, rows, rays);
}

void XAC_ISA(xac_cpu_job *job) {
  if (!(job->frame->kernel & 8)) {
    draw_tile(job);
    return;
  }
  jmp_buf jump;
  job->jump = &jump;
  xk_user_begin(job);
  if (setjmp(jump) == 0) {
    draw_tile(job);
  }
}

#include "xac_cpu_together.h"
