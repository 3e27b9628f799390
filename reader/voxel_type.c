/* SPDX-License-Identifier: BSD-3-Clause */
#include "voxel_type.h"

#include <math.h>

size_t voxel_type_size(int type) {
  return type == BEAMCAST_HDF5_INT64 || type == BEAMCAST_HDF5_UINT64 ? 8 : beamcast_type_size(type);
}

const char *voxel_type_name(int type) {
  switch (type) {
  case BEAMCAST_HDF5_INT64:
    return "int64";
  case BEAMCAST_HDF5_UINT64:
    return "uint64";
  default:
    return beamcast_type_name(type);
  }
}

int voxel_type_from_name(const char *name) {
  if (strcmp(name, "int64") == 0) {
    return BEAMCAST_HDF5_INT64;
  }
  if (strcmp(name, "uint64") == 0) {
    return BEAMCAST_HDF5_UINT64;
  }
  return beamcast_type_from_name(name);
}

/* Largest value of a type that a window can map to, 0 for others. */
static double window_top(int type) {
  switch (type) {
  case BEAMCAST_UINT8:
    return 255;
  case BEAMCAST_INT8:
    return 127;
  case BEAMCAST_UINT16:
    return 65535;
  case BEAMCAST_INT16:
    return 32767;
  default:
    return 0;
  }
}

int voxel_conversion_make(voxel_conversion *conversion, const voxel_element *from, int to,
                          const double window[2], int complex_parts) {
  *conversion = (voxel_conversion){.from = *from, .to = to};
  size_t size = voxel_type_size(to);
  if (size == 0) {
    return -1;
  }
  conversion->out_bytes = from->complex ? 2 * size : size;
  conversion->polar = from->complex && !complex_parts;
  conversion->windowed = window[0] != window[1] && window_top(to) > 0;
  if (conversion->windowed) {
    conversion->low = window[0];
    conversion->scale = window_top(to) / (window[1] - window[0]);
  } else if (to != from->type && to != BEAMCAST_FLOAT32 && to != BEAMCAST_FLOAT64) {
    return -1;
  }
  if (from->complex && conversion->windowed) {
    return -1;
  }
  conversion->identity =
      to == from->type && !from->swap && !conversion->polar && !conversion->windowed;
  return 0;
}

/* IEEE 754 half to single precision: the exponent is moved by a multiplication, which also makes
 * subnormal numbers right; infinities and NaNs get the full exponent. */
static float half_to_float(uint16_t half) {
  union {
    uint32_t bits;
    float value;
  } u = {(uint32_t)(half & 0x7fffu) << 13};
  const union {
    uint32_t bits;
    float value;
  } move = {0x77800000u};
  u.value *= move.value;
  if (u.value >= 65536.0f) {
    u.bits |= 0x7f800000u;
  }
  u.bits |= (uint32_t)(half & 0x8000u) << 16;
  return u.value;
}

/* X(type number, C type, load expression) */
#define SOURCE_LIST(X)                                                                             \
  X(BEAMCAST_UINT8, uint8_t, v)                                                                    \
  X(BEAMCAST_INT8, int8_t, v)                                                                      \
  X(BEAMCAST_UINT16, uint16_t, v)                                                                  \
  X(BEAMCAST_INT16, int16_t, v)                                                                    \
  X(BEAMCAST_UINT32, uint32_t, v)                                                                  \
  X(BEAMCAST_INT32, int32_t, v)                                                                    \
  X(BEAMCAST_FLOAT16, uint16_t, half_to_float(v))                                                  \
  X(BEAMCAST_FLOAT32, float, v)                                                                    \
  X(BEAMCAST_FLOAT64, double, v)                                                                   \
  X(BEAMCAST_HDF5_INT64, int64_t, v)                                                               \
  X(BEAMCAST_HDF5_UINT64, uint64_t, v)

#define TO_FLOAT(NUMBER, TYPE, LOAD)                                                               \
  case NUMBER: {                                                                                   \
    const TYPE *in = from;                                                                         \
    for (size_t i = 0; i < count; i++) {                                                           \
      const TYPE v = in[i];                                                                        \
      to[i] = (float)(LOAD);                                                                       \
    }                                                                                              \
    break;                                                                                         \
  }

#define TO_DOUBLE(NUMBER, TYPE, LOAD)                                                              \
  case NUMBER: {                                                                                   \
    const TYPE *in = from;                                                                         \
    for (size_t i = 0; i < count; i++) {                                                           \
      const TYPE v = in[i];                                                                        \
      to[i] = (double)(LOAD);                                                                      \
    }                                                                                              \
    break;                                                                                         \
  }

static void to_float(int type, const void *from, float *to, size_t count) {
  switch (type) { SOURCE_LIST(TO_FLOAT) }
}

static void to_double(int type, const void *from, double *to, size_t count) {
  switch (type) { SOURCE_LIST(TO_DOUBLE) }
}

enum { BLOCK = 512 };

/* A NaN fails the first comparison and becomes 0. */
static void to_window(const voxel_conversion *c, const void *from, void *to, size_t count) {
  double values[BLOCK];
  const double low = c->low, scale = c->scale, top = window_top(c->to);
  to_double(c->from.type, from, values, count);
  for (size_t i = 0; i < count; i++) {
    double t = (values[i] - low) * scale + 0.5;
    t = t > 0 ? t : 0;
    values[i] = t < top ? t : top;
  }
  if (voxel_type_size(c->to) == 1) {
    uint8_t *out = to;
    for (size_t i = 0; i < count; i++) {
      out[i] = (uint8_t)(int)values[i];
    }
  } else {
    uint16_t *out = to;
    for (size_t i = 0; i < count; i++) {
      out[i] = (uint16_t)(int)values[i];
    }
  }
}

static void to_polar(const voxel_conversion *c, const void *from, void *to, size_t count) {
  double parts[2 * BLOCK];
  to_double(c->from.type, from, parts, 2 * count);
  for (size_t i = 0; i < count; i++) {
    double magnitude = hypot(parts[2 * i], parts[2 * i + 1]);
    double phase = atan2(parts[2 * i + 1], parts[2 * i]);
    if (c->to == BEAMCAST_FLOAT64) {
      ((double *)to)[2 * i] = magnitude;
      ((double *)to)[2 * i + 1] = phase;
    } else {
      ((float *)to)[2 * i] = (float)magnitude;
      ((float *)to)[2 * i + 1] = (float)phase;
    }
  }
}

/* Copies components of a size, from a step to packed, turning the bytes round if asked. */
#define GATHER(TYPE, SWAP)                                                                         \
  for (size_t i = 0; i < count; i++) {                                                             \
    for (size_t p = 0; p < parts; p++) {                                                           \
      TYPE v;                                                                                      \
      memcpy(&v, in + i * step + p * sizeof v, sizeof v);                                          \
      v = swap ? SWAP(v) : v;                                                                      \
      memcpy(out + (i * parts + p) * sizeof v, &v, sizeof v);                                      \
    }                                                                                              \
  }
#define SAME(v) (v)

static void gather(const uint8_t *in, size_t step, uint8_t *out, size_t size, size_t parts,
                   int swap, size_t count) {
  switch (size) {
  case 1:
    GATHER(uint8_t, SAME)
    break;
  case 2:
    GATHER(uint16_t, __builtin_bswap16)
    break;
  case 4:
    GATHER(uint32_t, __builtin_bswap32)
    break;
  case 8:
    GATHER(uint64_t, __builtin_bswap64)
    break;
  default:
    break;
  }
}

static void scatter(const uint8_t *in, size_t size, uint8_t *out, ptrdiff_t step, size_t count) {
  for (size_t i = 0; i < count; i++, out += step) {
    memcpy(out, in + i * size, size);
  }
}

/* Converts count <= BLOCK packed, native elements into packed ones. */
static void convert_block(const voxel_conversion *c, const void *from, void *to, size_t count) {
  size_t components = c->from.complex ? 2 * count : count;
  if (c->polar) {
    to_polar(c, from, to, count);
  } else if (c->windowed) {
    to_window(c, from, to, count);
  } else if (c->to == c->from.type) {
    memcpy(to, from, count * c->out_bytes);
  } else if (c->to == BEAMCAST_FLOAT32) {
    to_float(c->from.type, from, to, components);
  } else {
    to_double(c->from.type, from, to, components);
  }
}

void voxel_convert(const voxel_conversion *c, const void *from, size_t from_step, void *to,
                   ptrdiff_t to_step, size_t count) {
  const uint8_t *in = from;
  uint8_t *out = to;
  const size_t size = c->from.bytes;
  const int packed_in = from_step == size, packed_out = to_step == (ptrdiff_t)c->out_bytes;
  if (c->identity && packed_in && packed_out) {
    memcpy(out, in, count * size);
    return;
  }
  const size_t parts = c->from.complex ? 2 : 1;
  _Alignas(32) uint8_t native[BLOCK * 16];
  _Alignas(32) uint8_t ready[BLOCK * 16];
  while (count > 0) {
    size_t n = count < BLOCK ? count : BLOCK;
    const int aligned = (uintptr_t)in % (size / parts) == 0;
    const uint8_t *source = in;
    if (!packed_in || c->from.swap || !aligned) {
      gather(in, from_step, native, size / parts, parts, c->from.swap, n);
      source = native;
    }
    if (packed_out) {
      convert_block(c, source, out, n);
    } else {
      const uint8_t *result = source;
      if (!(c->to == c->from.type && !c->windowed && !c->polar)) {
        convert_block(c, source, ready, n);
        result = ready;
      }
      scatter(result, c->out_bytes, out, to_step, n);
    }
    in += n * from_step;
    out += (ptrdiff_t)n * to_step;
    count -= n;
  }
}
