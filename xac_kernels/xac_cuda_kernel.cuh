/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What runs on the device: reading the brick and the coarse grids, and one thread per ray around
 * the kernel source that both back ends share. A thread walks its ray from macrocell to macrocell;
 * values and gradients are read from the brick in device memory, which holds the core and its
 * border planes in the voxels' own type. Included by xac_cuda.cu, and by xac_user_unit.cu, which
 * NVRTC compiles: no header of the system's.
 */
#ifndef XAC_CUDA_KERNEL_CUH
#define XAC_CUDA_KERNEL_CUH

#define XAC_LANES 1
#include "xac_packet.h"
#include "xac_shared.h"

enum { XAC_BLOCK_X = 16, XAC_BLOCK_Y = 8 }; /* threads of a block, one a pixel */

struct xk_sample {
  float value, g[3], light, open;
  float position[3], distance; /* for users' kernels */
};

struct xk_color {
  float r, g, b, a;
};

/* The brick on the device, and where the macrocell being drawn begins. */
struct xk_source {
  int type;
  const void *core;
  const void *border[6];
  int dims[3], start[3];
  const float4 *table;
  const float *light, *open; /* coarse grids, or NULL */
  const xac_frame *frame;
  int first[3]; /* of the macrocell, core index */
};

/* What the threads say of a picture. */
struct xk_report {
  unsigned long long samples, begun; /* begun: a clock's nanoseconds, of users' kernels */
  int stopped;                       /* why a user's kernel was */
};

XAC_INLINE float device_read(int type, const void *data, long long at) {
  switch (type) {
  case 1:
    return (float)__ldg((const unsigned char *)data + at);
  case 2:
    return (float)__ldg((const signed char *)data + at);
  case 3:
    return (float)__ldg((const unsigned short *)data + at);
  case 4:
    return (float)__ldg((const short *)data + at);
  case 5:
    return (float)__ldg((const unsigned int *)data + at);
  case 6:
    return (float)__ldg((const int *)data + at);
  case 7: {
    unsigned half = __ldg((const unsigned short *)data + at);
    float value = __uint_as_float((half & 0x7fffu) << 13) * __uint_as_float(0x77800000u);
    value = (half & 0x7c00u) == 0x7c00u ? __uint_as_float(0x7fc00000u) : value;
    return half & 0x8000u ? -value : value;
  }
  case 8:
    return __ldg((const float *)data + at);
  default:
    return (float)__ldg((const double *)data + at);
  }
}

XAC_INLINE float device_gap(const xac_frame *f, float value) {
  return f->has_gaps && !(fabsf(value) < 1e30f) ? f->gap : value;
}

XAC_INLINE float device_point(const xk_source *s, int x, int y, int z) {
  long long at = x + (long long)s->dims[0] * (y + (long long)s->dims[1] * z);
  return device_gap(s->frame, device_read(s->type, s->core, at));
}

/* A point of a border plane. */
XAC_INLINE float device_border(const xk_source *s, int face, int i, int j) {
  long long at = i + (long long)s->dims[face < 2 ? 1 : 0] * j;
  return device_gap(s->frame, device_read(s->type, s->border[face], at));
}

/* The neighbour of point p one step up or down an axis; made up beyond the whole volume's end, so
 * that the central difference becomes a one-sided one. */
XAC_INLINE float device_neighbour(const xk_source *s, const int *p, int axis, int step,
                                  float value) {
  int q[3] = {p[0], p[1], p[2]};
  q[axis] += step;
  if (q[axis] >= 0 && q[axis] < s->dims[axis]) {
    return device_point(s, q[0], q[1], q[2]);
  }
  int face = 2 * axis + (step > 0);
  if (s->border[face]) {
    return device_border(s, face, axis == 0 ? p[1] : p[0], axis == 2 ? p[1] : p[2]);
  }
  if (s->dims[axis] == 1) {
    return value;
  }
  q[axis] -= 2 * step;
  float inner = device_point(s, q[0], q[1], q[2]);
  const xac_frame *f = s->frame;
  return f->has_gaps && (inner < f->lowest || value < f->lowest) ? value : 2.0f * value - inner;
}

XAC_INLINE void device_gradient(const xk_source *s, const int *p, float value, float *g) {
  const xac_frame *f = s->frame;
  float d[3];
  for (int a = 0; a < 3; a++) {
    float below = device_neighbour(s, p, a, -1, value), above = device_neighbour(s, p, a, 1, value);
    float scale = 0.5f;
    if (f->has_gaps) {
      int gap_below = below < f->lowest, gap_above = above < f->lowest;
      below = gap_below ? value : below;
      above = gap_above ? value : above;
      scale = value < f->lowest ? 0.0f : gap_below || gap_above ? 1.0f : 0.5f;
    }
    d[a] = (above - below) * scale;
  }
  for (int a = 0; a < 3; a++) {
    const float *m = f->gradient + 3 * a;
    g[a] = m[0] * d[0] + m[1] * d[1] + m[2] * d[2];
  }
}

/* One coarse grid at a place in the whole volume's index space. */
XAC_INLINE float device_coarse(const xac_frame *f, const float *grid, const float *p) {
  int at[3], next[3];
  float part[3];
  for (int a = 0; a < 3; a++) {
    int dims = f->coarse_dims[a];
    float c = fminf(fmaxf(p[a] * f->coarse_scale + f->coarse_offset, 0.0f), (float)(dims - 1));
    at[a] = max(min((int)c, dims - 2), 0);
    next[a] = dims > 1;
    part[a] = c - (float)at[a];
  }
  float sum = 0.0f;
  for (int i = 0; i < 8; i++) {
    int x = at[0] + (i & 1 ? next[0] : 0), y = at[1] + (i & 2 ? next[1] : 0);
    int z = at[2] + (i & 4 ? next[2] : 0);
    float w = (i & 1 ? part[0] : 1.0f - part[0]) * (i & 2 ? part[1] : 1.0f - part[1]) *
              (i & 4 ? part[2] : 1.0f - part[2]);
    sum +=
        w * __ldg(grid + x + (long long)f->coarse_dims[0] * (y + (long long)f->coarse_dims[1] * z));
  }
  return sum;
}

XAC_INLINE xk_sample xk_fetch(const xk_source *s, int x, int y, int z, float fx, float fy, float fz,
                              int kernel, int nearest) {
  xk_sample sample = {0.0f, {0.0f, 0.0f, 0.0f}, 1.0f, 1.0f, {0.0f, 0.0f, 0.0f}, 0.0f};
  const int cell[3] = {s->first[0] + x, s->first[1] + y, s->first[2] + z};
  const float part[3] = {fx, fy, fz};
  for (int i = 0; i < 8; i++) {
    int p[3];
    float w = 1.0f;
    for (int a = 0; a < 3; a++) {
      int up = i >> a & 1;
      p[a] = min(cell[a] + up, s->dims[a] - 1);
      w *= up ? part[a] : 1.0f - part[a];
    }
    float value = device_point(s, p[0], p[1], p[2]);
    sample.value += w * value;
    if (kernel & (1 | 8)) {
      float g[3];
      device_gradient(s, p, value, g);
      for (int a = 0; a < 3; a++) {
        sample.g[a] += w * g[a];
      }
    }
  }
  if (nearest) {
    int p[3];
    for (int a = 0; a < 3; a++) {
      p[a] = min(cell[a] + (part[a] >= 0.5f), s->dims[a] - 1);
    }
    sample.value = device_point(s, p[0], p[1], p[2]);
  }
  if (kernel & (2 | 4)) {
    float at[3];
    for (int a = 0; a < 3; a++) {
      at[a] = (float)(cell[a] + s->start[a]) + part[a];
    }
    sample.light = kernel & 2 && s->light ? device_coarse(s->frame, s->light, at) : 1.0f;
    sample.open = kernel & 4 && s->open ? device_coarse(s->frame, s->open, at) : 1.0f;
  }
  return sample;
}

XAC_INLINE xk_color xk_lookup(const xk_source *s, int entry) {
  float4 t = __ldg(s->table + entry);
  xk_color color = {t.x, t.y, t.z, t.w};
  return color;
}

#ifdef XAC_CALLS_USER
/* xac_user_unit.cu has it. */
XAC_INLINE xk_color xk_user(const xac_frame *f, const xk_source *source, const xk_sample *s,
                            const float *eye, const float *light, int live);
#endif

#include "xac_kernel.h"

struct xk_grid {
  int dims[3];
  const uint2 *visible;
  int whole[3]; /* points of the whole volume */
};

/* Faces on the whole volume's end are open: what lies there by rounding has no other home. */
XAC_INLINE void open_faces(int first, int last, int whole, float *lo, float *hi) {
  *lo = first <= 0 ? -1e9f : (float)first;
  *hi = last >= whole - 1 ? 1e9f : (float)last;
}

/* The macrocell where the ray's part from sample k on begins. One that the ray has left by then, or
 * only touches, does no harm; one before which it has samples would lose them. */
XAC_INLINE void first_macrocell(const xk_ray *ray, float k, const xk_source *s, const int *grid,
                                int *cell) {
  const float rounding = 0.01f; /* of a voxel */
  for (int a = 0; a < 3; a++) {
    float step = ray->step[a];
    float back = step > 1e-18f ? -rounding : step < -1e-18f ? rounding : 0.0f;
    float at = ray->base[a] + (k + ray->c) * step + back - (float)s->start[a];
    int c = min(max((int)floorf(at * (1.0f / XAC_CELLS)), 0), grid[a] - 1);
    c -= c > 0 && at < (float)(c * XAC_CELLS);
    c += c < grid[a] - 1 && at >= (float)((c + 1) * XAC_CELLS);
    cell[a] = c;
  }
}

/* Goes on to the macrocell behind the face through which the ray leaves this one; 0 when there is
 * none. */
XAC_INLINE int next_macrocell(const xk_ray *ray, const xac_macrocell *m, const int *grid,
                              int *cell) {
  float soonest = 1e30f;
  int axis = 0, up = 0;
  for (int a = 0; a < 3; a++) {
    int rises = ray->step[a] > 0.0f;
    float distance = (rises ? m->hi[a] : m->lo[a]) - ray->base[a];
    float at = fabsf(ray->step[a]) > 1e-18f ? distance / ray->step[a] : 2e30f;
    if (at < soonest) {
      soonest = at;
      axis = a;
      up = rises;
    }
  }
  cell[axis] += up ? 1 : -1;
  return soonest < 1e30f && cell[axis] >= 0 && cell[axis] < grid[axis];
}

template <int KERNEL>
XAC_INLINE void draw_ray(const xac_frame *frame, xk_source *source, const xk_grid *grid,
                         const float *limit, float4 *rgba, float *depth, xk_report *report) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= frame->width || y >= frame->height) {
    return;
  }
  size_t pixel = (size_t)y * frame->width + x;
  source->frame = frame;
  xk_ray ray;
  xk_ray_setup(frame, (float)x, (float)y, limit ? limit[pixel] : 1e30f, &ray);
  if (frame->under) {
    const float4 c = rgba[pixel];
    xk_ray_under(frame, c.x, c.y, c.z, c.w, &ray);
  }
  float lo[3], hi[3];
  for (int a = 0; a < 3; a++) {
    open_faces(source->start[a], source->start[a] + source->dims[a] - 1, grid->whole[a], &lo[a],
               &hi[a]);
  }
  float k, end;
  xk_range(&ray, lo, hi, &k, &end);
  unsigned evaluated = 0;
  int cell[3];
  first_macrocell(&ray, k, source, grid->dims, cell);
  for (int inside = 1; inside && k < end && ray.length > 0.0f;) {
    xac_macrocell m;
    for (int a = 0; a < 3; a++) {
      int first = cell[a] * XAC_CELLS;
      source->first[a] = first;
      m.first[a] = source->start[a] + first;
      m.cells[a] = max(min(source->dims[a] - 1 - first, (int)XAC_CELLS), 1);
      open_faces(m.first[a], m.first[a] + m.cells[a], grid->whole[a], &m.lo[a], &m.hi[a]);
    }
    uint2 bits = __ldg(grid->visible + cell[0] +
                       (size_t)grid->dims[0] * (cell[1] + (size_t)grid->dims[1] * cell[2]));
    m.visible[0] = bits.x;
    m.visible[1] = bits.y;
    if (bits.x | bits.y) {
      evaluated += xk_march(frame, &m, source, &ray, KERNEL, depth != nullptr);
    }
    float from, to;
    xk_range(&ray, m.lo, m.hi, &from, &to);
    k = fmaxf(k, to);
    inside = next_macrocell(&ray, &m, grid->dims, cell);
  }
  rgba[pixel] = make_float4(ray.r, ray.g, ray.b, 1.0f - ray.through);
  if (depth) {
    depth[pixel] = ray.depth < 1e30f ? ray.depth : __uint_as_float(0x7f800000u); /* infinity */
  }
  if (evaluated) {
    atomicAdd(&report->samples, (unsigned long long)evaluated);
  }
}

template <int KERNEL>
__global__ void __launch_bounds__(XAC_BLOCK_X *XAC_BLOCK_Y)
    draw_rays(const __grid_constant__ xac_frame frame, xk_source source, const xk_grid grid,
              const float *limit, float4 *rgba, float *depth, xk_report *report) {
  draw_ray<KERNEL>(&frame, &source, &grid, limit, rgba, depth, report);
}

/* What a thread of a user's kernel ends with, and the clock that it looks at. */
#ifndef XAC_END_THREAD
#define XAC_END_THREAD() asm volatile("exit;")
XAC_INLINE unsigned long long XAC_CLOCK() {
  unsigned long long nanoseconds;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(nanoseconds));
  return nanoseconds;
}
#endif

#endif
