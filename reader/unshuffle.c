/* SPDX-License-Identifier: BSD-3-Clause */
#include "unshuffle.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Interleaves byte planes 0, 1, ... of stride bytes each, for the elements from first on. */
static void interleave_plain(const uint8_t *in, size_t stride, uint8_t *out, size_t first,
                             size_t elements, size_t element_bytes) {
  for (size_t i = first; i < elements; i++) {
    for (size_t b = 0; b < element_bytes; b++) {
      out[i * element_bytes + b] = in[b * stride + i];
    }
  }
}

#if defined(__SSE2__)
/* 2, 4 or 8 planes, 16 elements at a time: each round joins a plane with the one half the planes
 * further on, so that after log2(planes) rounds the bytes of an element stand together. */
static size_t interleave_simd(const uint8_t *in, size_t stride, uint8_t *out, size_t elements,
                              size_t element_bytes) {
  size_t i = 0;
  for (; i + 16 <= elements; i += 16) {
    __m128i v[8], w[8];
    for (size_t b = 0; b < element_bytes; b++) {
      v[b] = _mm_loadu_si128((const __m128i *)(const void *)(in + b * stride + i));
    }
    const size_t half = element_bytes / 2;
    for (size_t round = 1; round < element_bytes; round *= 2) {
      for (size_t b = 0; b < half; b++) {
        w[2 * b] = _mm_unpacklo_epi8(v[b], v[b + half]);
        w[2 * b + 1] = _mm_unpackhi_epi8(v[b], v[b + half]);
      }
      for (size_t b = 0; b < element_bytes; b++) {
        v[b] = w[b];
      }
    }
    for (size_t b = 0; b < element_bytes; b++) {
      _mm_storeu_si128((__m128i *)(void *)(out + i * element_bytes + 16 * b), v[b]);
    }
  }
  return i;
}
#endif

static void interleave(const uint8_t *in, size_t stride, uint8_t *out, size_t elements,
                       size_t element_bytes) {
  size_t first = 0;
  if (element_bytes == 1) {
    memcpy(out, in, elements);
    return;
  }
#if defined(__SSE2__)
  /* Constant sizes let the compiler keep all in registers. */
  if (element_bytes == 2) {
    first = interleave_simd(in, stride, out, elements, 2);
  } else if (element_bytes == 4) {
    first = interleave_simd(in, stride, out, elements, 4);
  } else if (element_bytes == 8) {
    first = interleave_simd(in, stride, out, elements, 8);
  }
#endif
  interleave_plain(in, stride, out, first, elements, element_bytes);
}

void unshuffle_bytes(const uint8_t *in, uint8_t *out, size_t bytes, size_t element_bytes) {
  if (element_bytes < 2) {
    memcpy(out, in, bytes);
    return;
  }
  const size_t elements = bytes / element_bytes, whole = elements * element_bytes;
  interleave(in, elements, out, elements, element_bytes);
  memcpy(out + whole, in + whole, bytes - whole);
}

/* Turns an 8 x 8 matrix of bits (byte = row) about its diagonal, by swapping ever larger blocks
 * (Warren, Hacker's Delight, 7-3). */
static uint64_t turn_8x8(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
  return x ^ t ^ (t << 28);
}

/* Eight bit planes of groups bytes each become 8 * groups bytes, from group first on. */
static void join_bits_plain(const uint8_t *in, uint8_t *out, size_t first, size_t groups) {
  for (size_t g = first; g < groups; g++) {
    uint64_t x = 0;
    for (unsigned j = 0; j < 8; j++) {
      x |= (uint64_t)in[j * groups + g] << (8 * j);
    }
    x = turn_8x8(x);
    for (unsigned i = 0; i < 8; i++) {
      out[8 * g + i] = (uint8_t)(x >> (8 * i));
    }
  }
}

#if defined(__SSE2__)
static __m128i turn_8x8_pair(__m128i x) {
  const __m128i m1 = _mm_set1_epi64x(0x00aa00aa00aa00aall);
  const __m128i m2 = _mm_set1_epi64x(0x0000cccc0000ccccll);
  const __m128i m3 = _mm_set1_epi64x(0x00000000f0f0f0f0ll);
  __m128i t = _mm_and_si128(_mm_xor_si128(x, _mm_srli_epi64(x, 7)), m1);
  x = _mm_xor_si128(x, _mm_xor_si128(t, _mm_slli_epi64(t, 7)));
  t = _mm_and_si128(_mm_xor_si128(x, _mm_srli_epi64(x, 14)), m2);
  x = _mm_xor_si128(x, _mm_xor_si128(t, _mm_slli_epi64(t, 14)));
  t = _mm_and_si128(_mm_xor_si128(x, _mm_srli_epi64(x, 28)), m3);
  return _mm_xor_si128(x, _mm_xor_si128(t, _mm_slli_epi64(t, 28)));
}

static size_t join_bits_simd(const uint8_t *in, uint8_t *out, size_t groups) {
  size_t g = 0;
  for (; g + 16 <= groups; g += 16) {
    __m128i v[8], w[8];
    for (size_t j = 0; j < 8; j++) {
      v[j] = _mm_loadu_si128((const __m128i *)(const void *)(in + j * groups + g));
    }
    for (int round = 0; round < 3; round++) {
      for (size_t j = 0; j < 4; j++) {
        w[2 * j] = _mm_unpacklo_epi8(v[j], v[j + 4]);
        w[2 * j + 1] = _mm_unpackhi_epi8(v[j], v[j + 4]);
      }
      for (size_t j = 0; j < 8; j++) {
        v[j] = w[j];
      }
    }
    for (size_t j = 0; j < 8; j++) {
      _mm_storeu_si128((__m128i *)(void *)(out + 8 * g + 16 * j), turn_8x8_pair(v[j]));
    }
  }
  return g;
}
#endif

void unshuffle_bits(const uint8_t *in, uint8_t *out, size_t elements, size_t element_bytes,
                    uint8_t *work) {
  const size_t groups = elements / 8;
  uint8_t *planes = element_bytes == 1 ? out : work;
  for (size_t b = 0; b < element_bytes; b++) {
    const uint8_t *bits = in + b * elements;
    size_t first = 0;
#if defined(__SSE2__)
    first = join_bits_simd(bits, planes + b * elements, groups);
#endif
    join_bits_plain(bits, planes + b * elements, first, groups);
  }
  if (element_bytes > 1) {
    interleave(planes, elements, out, elements, element_bytes);
  }
}
