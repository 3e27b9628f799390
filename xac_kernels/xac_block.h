/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The block of a macrocell: its points as float32, with gradients or light beside them, made just
 * before the macrocell is drawn and small enough for the caches. Types, strides, border planes and
 * voxels that are not finite are dealt with here, once per point and not once per sample.
 */
#ifndef XAC_BLOCK_H
#define XAC_BLOCK_H

#include "xac_cpu.h"
#include "xac_packet.h"

/* Raw values around a macrocell: points -1..16 in each axis, x in columns 0..17. */
enum { XAC_RAW_ROW = 24, XAC_RAW_PLANE = 18 * 24 };

XAC_INLINE float xac_half_to_float(uint16_t half) {
  uint32_t rest = (uint32_t)(half & 0x7fff) << 13;
  union {
    uint32_t u;
    float f;
  } value = {rest}, scale = {0x77800000u}; /* 2^112 */
  value.f *= scale.f;
  if ((half & 0x7c00) == 0x7c00) {
    value.u |= 0x7f800000u;
  }
  value.u |= (uint32_t)(half & 0x8000) << 16;
  return value.f;
}

/* Eight values side by side, by way of a type that converts to float in one instruction. */
#define XAC_READ_EIGHT(TYPE, WAY)                                                                  \
  {                                                                                                \
    typedef TYPE eight __attribute__((vector_size(8 * sizeof(TYPE))));                             \
    typedef eight loose __attribute__((aligned(sizeof(TYPE)), may_alias));                         \
    typedef WAY way __attribute__((vector_size(8 * sizeof(WAY))));                                 \
    for (int i = 0; i < count; i += 8) {                                                           \
      int at = i + 8 <= count ? i : count - 8; /* the last ones once more */                       \
      eight raw = *(const loose *)(in + at);                                                       \
      xf_store(out + at, __builtin_convertvector(__builtin_convertvector(raw, way), xf));          \
    }                                                                                              \
    break;                                                                                         \
  }

/* Copies count values, stride elements apart, into out as float32. */
static inline void xac_read_row(int type, const void *data, int64_t offset, int64_t stride,
                                int count, float *out) {
#define XAC_READ(NUMBER, TYPE, CONVERT, EIGHT)                                                     \
  case NUMBER: {                                                                                   \
    const TYPE *in = (const TYPE *)data + offset;                                                  \
    if (stride == 1 && count >= 8)                                                                 \
      EIGHT                                                                                        \
    if (stride == 1) {                                                                             \
      for (int i = 0; i < count; i++) {                                                            \
        out[i] = CONVERT(in[i]);                                                                   \
      }                                                                                            \
    } else {                                                                                       \
      for (int i = 0; i < count; i++) {                                                            \
        out[i] = CONVERT(in[i * stride]);                                                          \
      }                                                                                            \
    }                                                                                              \
    break;                                                                                         \
  }
  switch (type) {
    XAC_READ(BEAMCAST_UINT8, uint8_t, (float), XAC_READ_EIGHT(uint8_t, int))
    XAC_READ(BEAMCAST_INT8, int8_t, (float), XAC_READ_EIGHT(int8_t, int))
    XAC_READ(BEAMCAST_UINT16, uint16_t, (float), XAC_READ_EIGHT(uint16_t, int))
    XAC_READ(BEAMCAST_INT16, int16_t, (float), XAC_READ_EIGHT(int16_t, int))
    XAC_READ(BEAMCAST_UINT32, uint32_t, (float), {})
    XAC_READ(BEAMCAST_INT32, int32_t, (float), {})
    XAC_READ(BEAMCAST_FLOAT16, uint16_t, xac_half_to_float, {})
    XAC_READ(BEAMCAST_FLOAT32, float, (float), XAC_READ_EIGHT(float, float))
    XAC_READ(BEAMCAST_FLOAT64, double, (float), {})
  default:
    break;
  }
#undef XAC_READ
#undef XAC_READ_EIGHT
}

/* count points of the core from (x, y, z) on along x, wherever they lie, as float32. */
static inline void xac_read_points(const xac_volume *v, int64_t x, int64_t y, int64_t z, int count,
                                   float *out) {
  if (v->last[2] && z == v->dims[2] - 1) {
    const int64_t *s = v->last_stride[2];
    xac_read_row(v->type, v->last[2], x * s[0] + y * s[1], s[0], count, out);
    return;
  }
  if (v->last[1] && y == v->dims[1] - 1) {
    const int64_t *s = v->last_stride[1];
    xac_read_row(v->type, v->last[1], x * s[0] + z * s[1], s[0], count, out);
    return;
  }
  if (v->last[0] && x + count == v->dims[0] && count > 0) {
    const int64_t *s = v->last_stride[0];
    count--;
    xac_read_row(v->type, v->last[0], y * s[0] + z * s[1], 1, 1, out + count);
  }
  xac_read_row(v->type, v->data, x * v->stride[0] + y * v->stride[1] + z * v->stride[2],
               v->stride[0], count, out);
}

/* Puts the gap value where a value is not finite, or so great that sums would not be. */
static inline void xac_mark_gaps(const xac_frame *f, float *values, int count) {
  for (int i = 0; i < count; i++) {
    values[i] = __builtin_fabsf(values[i]) < 1e30f ? values[i] : f->gap;
  }
}

/* What stands for a point beyond the end: makes the central difference a one-sided one. */
static inline float xac_beyond(const xac_frame *f, float end, float inner) {
  return f->has_gaps && (end < f->lowest || inner < f->lowest) ? end : 2.0f * end - inner;
}

/* One row of the core, points first-halo..first+16 (clamped to the core) in x, into out, which has
 * room for 18 values; out[0] belongs to point first - 1. y and z are core indices. */
static inline void xac_core_row(const xac_frame *f, const xac_volume *v, int64_t first, int64_t y,
                                int64_t z, int halo, float *out) {
  int64_t lo = first - (halo && first > 0);
  int64_t hi = first + XAC_POINTS - 1 + halo;
  if (hi > v->dims[0] - 1) {
    hi = v->dims[0] - 1;
  }
  int at = (int)(lo - (first - 1));
  int count = (int)(hi - lo + 1);
  xac_read_points(v, lo, y, z, count, out + at);
  if (halo && first == 0 && v->border[0]) {
    xac_read_row(v->type, v->border[0], y * v->border_stride[0][0] + z * v->border_stride[0][1], 1,
                 1, out);
    at = 0;
  }
  int end = (int)(hi - (first - 1)) + 1; /* one behind the last that is known */
  if (halo && end < 18 && v->border[1]) {
    xac_read_row(v->type, v->border[1], y * v->border_stride[1][0] + z * v->border_stride[1][1], 1,
                 1, out + end);
    end++;
  }
  if (f->has_gaps) {
    xac_mark_gaps(f, out + at, end - at);
  }
  if (end < 18) {
    float last = out[end - 1];
    out[end] = end - at >= 2 ? xac_beyond(f, last, out[end - 2]) : last;
    for (int i = end + 1; i < 18; i++) {
      out[i] = out[end];
    }
  }
  if (at == 1) {
    out[0] = end >= 3 ? xac_beyond(f, out[1], out[2]) : out[1];
  }
}

/* A row of border plane face (2..5), points first..first+15 in x; j is the other core index. */
static inline void xac_border_row(const xac_frame *f, const xac_volume *v, int face, int64_t first,
                                  int64_t j, float *out) {
  int64_t count = v->dims[0] - first;
  count = count > XAC_POINTS ? XAC_POINTS : count;
  const int64_t *stride = v->border_stride[face];
  xac_read_row(v->type, v->border[face], first * stride[0] + j * stride[1], stride[0], (int)count,
               out + 1);
  if (f->has_gaps) {
    xac_mark_gaps(f, out + 1, (int)count);
  }
  for (int i = (int)count + 1; i < 18; i++) {
    out[i] = out[count];
  }
}

/* A row that lies beyond the core's end in y or z: from the border plane, or made up from the two
 * rows inside. */
static inline void xac_outer_row(const xac_frame *f, const xac_volume *v, int face, int64_t first,
                                 int64_t j, const float *end, const float *inner, float *out) {
  if (v->border[face]) {
    xac_border_row(f, v, face, first, j, out);
    return;
  }
  for (int i = 1; i < 17; i++) {
    out[i] = inner ? xac_beyond(f, end[i], inner[i]) : end[i];
  }
}

static inline int64_t xac_clamp64(int64_t a, int64_t lo, int64_t hi) {
  return a < lo ? lo : a > hi ? hi : a;
}

/* Reads a macrocell's points and those around it into raw [18][18][24]. */
static inline void xac_read_raw(const xac_frame *f, const xac_volume *v, const int64_t *first,
                                float *raw) {
  for (int z = -1; z < 17; z++) {
    int64_t cz = first[2] + z;
    int z_out = cz < 0 ? 4 : cz >= v->dims[2] ? 5 : 0;
    for (int y = -1; y < 17; y++) {
      int64_t cy = first[1] + y;
      int y_out = cy < 0 ? 2 : cy >= v->dims[1] ? 3 : 0;
      int corner = (z < 0 || z > 15) && (y < 0 || y > 15);
      if (corner || z_out || y_out) {
        continue;
      }
      int halo = z >= 0 && z < 16 && y >= 0 && y < 16;
      xac_core_row(f, v, first[0], cy, cz, halo,
                   raw + (z + 1) * XAC_RAW_PLANE + (y + 1) * XAC_RAW_ROW);
    }
  }
  /* Rows beyond the core, from the core outwards: first those in y, then those in z. */
  for (int pass = 0; pass < 2; pass++) {
    int axis = pass == 0 ? 1 : 2;
    int64_t step = pass == 0 ? XAC_RAW_ROW : XAC_RAW_PLANE;
    int64_t dims = v->dims[axis];
    for (int other = 0; other < 16; other++) {
      int64_t j = first[3 - axis] + other;
      if (j >= v->dims[3 - axis]) {
        break;
      }
      float *line = raw + (other + 1) * (pass == 0 ? XAC_RAW_PLANE : XAC_RAW_ROW);
      if (first[axis] == 0) {
        xac_outer_row(f, v, 2 * axis, first[0], j, line + step, dims > 1 ? line + 2 * step : NULL,
                      line);
      }
      int64_t end = dims - first[axis] + 1; /* raw index of the first point beyond */
      if (end < 18) {
        xac_outer_row(f, v, 2 * axis + 1, first[0], j, line + (end - 1) * step,
                      dims > 1 ? line + (end - 2) * step : NULL, line + end * step);
      }
    }
  }
}

/* Values alone: [16][16][16] with rows XAC_ROW and planes XAC_PLANE apart. */
static inline void xac_fill_values(const xac_frame *f, const xac_volume *v, const int64_t *first,
                                   float *block) {
  float row[32];
  for (int z = 0; z < XAC_POINTS; z++) {
    int64_t cz = xac_clamp64(first[2] + z, 0, v->dims[2] - 1);
    for (int y = 0; y < XAC_POINTS; y++) {
      int64_t cy = xac_clamp64(first[1] + y, 0, v->dims[1] - 1);
      float *out = block + z * XAC_PLANE + y * XAC_ROW;
      if (first[0] + XAC_POINTS <= v->dims[0]) {
        xac_read_points(v, first[0], cy, cz, XAC_POINTS, out);
        if (f->has_gaps) {
          xac_mark_gaps(f, out, XAC_POINTS);
        }
      } else {
        xac_core_row(f, v, first[0], cy, cz, 0, row);
        memcpy(out, row + 1, XAC_POINTS * sizeof(float));
      }
    }
  }
}

/* Central difference; one-sided beside a gap. */
XAC_INLINE xf xac_difference(const xac_frame *f, xf below, xf value, xf above) {
  if (f->has_gaps) {
    xf lowest = xf_set(f->lowest);
    xi gap_below = xf_lt(below, lowest);
    xi gap_above = xf_lt(above, lowest);
    xf one = xf_set(1.0f);
    xf half = xf_set(0.5f);
    below = xf_select(gap_below, value, below);
    above = xf_select(gap_above, value, above);
    xf d = (above - below) * xf_select(gap_below | gap_above, one, half);
    return xf_select(xf_lt(value, lowest), xf_set(0.0f), d);
  }
  return (above - below) * 0.5f;
}

/* Stores a, b, c, d of each lane side by side. */
XAC_INLINE void xac_store_four(float *out, xf a, xf b, xf c, xf d) {
#if defined(__AVX2__) && XAC_LANES == 8
  __m256 ab0 = _mm256_unpacklo_ps((__m256)a, (__m256)b),
         ab1 = _mm256_unpackhi_ps((__m256)a, (__m256)b);
  __m256 cd0 = _mm256_unpacklo_ps((__m256)c, (__m256)d),
         cd1 = _mm256_unpackhi_ps((__m256)c, (__m256)d);
  __m256 r[4] = {_mm256_shuffle_ps(ab0, cd0, 0x44), _mm256_shuffle_ps(ab0, cd0, 0xee),
                 _mm256_shuffle_ps(ab1, cd1, 0x44), _mm256_shuffle_ps(ab1, cd1, 0xee)};
  for (int i = 0; i < 4; i++) {
    _mm_storeu_ps(out + 4 * i, _mm256_castps256_ps128(r[i]));
    _mm_storeu_ps(out + 4 * i + 16, _mm256_extractf128_ps(r[i], 1));
  }
#else
  for (int i = 0; i < XAC_LANES; i++) {
    out[4 * i] = a[i];
    out[4 * i + 1] = b[i];
    out[4 * i + 2] = c[i];
    out[4 * i + 3] = d[i];
  }
#endif
}

/* Value and gradient in world space per point: [..][4]. raw is scratch. */
static inline void xac_fill_gradients(const xac_frame *f, const xac_volume *v, const int64_t *first,
                                      float *raw, float *block) {
  xac_read_raw(f, v, first, raw);
  int64_t ny = xac_clamp64(v->dims[1] - first[1], 1, XAC_POINTS);
  int64_t nz = xac_clamp64(v->dims[2] - first[2], 1, XAC_POINTS);
  const float *m = f->gradient;
  for (int64_t z = 0; z < nz; z++) {
    for (int64_t y = 0; y < ny; y++) {
      for (int x = 0; x < XAC_POINTS; x += XAC_LANES) {
        const float *at = raw + (z + 1) * XAC_RAW_PLANE + (y + 1) * XAC_RAW_ROW + x + 1;
        xf value = xf_load(at);
        xf dx = xac_difference(f, xf_load(at - 1), value, xf_load(at + 1));
        xf dy = xac_difference(f, xf_load(at - XAC_RAW_ROW), value, xf_load(at + XAC_RAW_ROW));
        xf dz = xac_difference(f, xf_load(at - XAC_RAW_PLANE), value, xf_load(at + XAC_RAW_PLANE));
        xac_store_four(block + 4 * (z * XAC_PLANE + y * XAC_ROW + x), value,
                       m[0] * dx + m[1] * dy + m[2] * dz, m[3] * dx + m[4] * dy + m[5] * dz,
                       m[6] * dx + m[7] * dy + m[8] * dz);
      }
    }
  }
  /* A whole volume one point thick: its only cell has the same point at both ends. */
  if (ny == 1) {
    for (int64_t z = 0; z < nz; z++) {
      memcpy(block + 4 * (z * XAC_PLANE + XAC_ROW), block + 4 * z * XAC_PLANE,
             4 * XAC_POINTS * sizeof(float));
    }
  }
  if (nz == 1) {
    memcpy(block + (size_t)4 * XAC_PLANE, block, (size_t)4 * XAC_PLANE * sizeof(float));
  }
}

/* One channel of a coarse grid at the points of a macrocell: out[index * pitch]. first is in the
 * whole volume's index space. */
static inline void xac_fill_coarse(const xac_frame *f, const float *grid, const int *first,
                                   int pitch, float *out) {
  int at[3][XAC_POINTS];
  float part[3][XAC_POINTS];
  int next[3];
  for (int a = 0; a < 3; a++) {
    int dims = f->coarse_dims[a];
    next[a] = dims > 1;
    for (int i = 0; i < XAC_POINTS; i++) {
      float c = (float)(first[a] + i) * f->coarse_scale + f->coarse_offset;
      c = c < 0.0f ? 0.0f : c > (float)(dims - 1) ? (float)(dims - 1) : c;
      int cell = (int)c;
      cell = cell > dims - 2 ? dims - 2 : cell;
      cell = cell < 0 ? 0 : cell;
      at[a][i] = cell;
      part[a][i] = c - (float)cell;
    }
  }
  int64_t row = f->coarse_dims[0];
  int64_t plane = row * f->coarse_dims[1];
  int columns = at[0][XAC_POINTS - 1] + next[0] - at[0][0] + 1;
  float line[XAC_POINTS + 2];
  for (int z = 0; z < XAC_POINTS; z++) {
    for (int y = 0; y < XAC_POINTS; y++) {
      const float *g = grid + at[2][z] * plane + at[1][y] * row + at[0][0];
      float wy = part[1][y], wz = part[2][z];
      int64_t dy = next[1] ? row : 0, dz = next[2] ? plane : 0;
      for (int i = 0; i < columns; i++) {
        float lower = g[i] + wy * (g[i + dy] - g[i]);
        float upper = g[i + dz] + wy * (g[i + dy + dz] - g[i + dz]);
        line[i] = lower + wz * (upper - lower);
      }
      line[columns] = line[columns - 1];
      float *o = out + (z * XAC_PLANE + y * XAC_ROW) * pitch;
      for (int x = 0; x < XAC_POINTS; x++) {
        int c = at[0][x] - at[0][0];
        o[x * pitch] = line[c] + part[0][x] * (line[c + 1] - line[c]);
      }
    }
  }
}

#endif
