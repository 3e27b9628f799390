/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The built-in decoders. Sources of the formats: the HDF5 file format specification (shuffle,
 * fletcher32), and the public descriptions of the registered filters 32000 (LZF), 32004 (LZ4),
 * 32008 (bitshuffle), 32015 (Zstandard) and 32001 (Blosc). All sizes in a chunk are checked before
 * they are used.
 */
#include "filters.h"

#include <pthread.h>
#include <stdlib.h>

#include <libdeflate.h>
#include <lz4.h>
#include <zstd.h>
#ifdef BEAMCAST_HAVE_BLOSC
#include <blosc.h>
#endif

#include "unshuffle.h"

enum {
  ID_DEFLATE = 1,
  ID_SHUFFLE = 2,
  ID_FLETCHER32 = 3,
  ID_LZF = 32000,
  ID_BLOSC = 32001,
  ID_LZ4 = 32004,
  ID_BITSHUFFLE = 32008,
  ID_ZSTD = 32015
};

static uint32_t big32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t big64(const uint8_t *p) {
  return (uint64_t)big32(p) << 32 | big32(p + 4);
}

/* Decoders give 0 on success, -1 when the bytes make no sense. */

/* A decompressor belongs to a thread; it is freed when the thread ends. */
static pthread_key_t inflate_key;
static pthread_once_t inflate_once = PTHREAD_ONCE_INIT;

static void free_decompressor(void *decompressor) {
  libdeflate_free_decompressor(decompressor);
}

static void make_inflate_key(void) {
  pthread_key_create(&inflate_key, free_decompressor);
}

static int decode_deflate(const filter_step *step, const uint8_t *in, size_t in_bytes, uint8_t *out,
                          size_t capacity, size_t *size) {
  (void)step;
  pthread_once(&inflate_once, make_inflate_key);
  struct libdeflate_decompressor *decompressor = pthread_getspecific(inflate_key);
  if (decompressor == NULL) {
    decompressor = libdeflate_alloc_decompressor();
    if (decompressor == NULL || pthread_setspecific(inflate_key, decompressor) != 0) {
      return -1;
    }
  }
  return libdeflate_zlib_decompress(decompressor, in, in_bytes, out, capacity, size) ==
                 LIBDEFLATE_SUCCESS
             ? 0
             : -1;
}

static int decode_shuffle(const filter_step *step, const uint8_t *in, size_t in_bytes, uint8_t *out,
                          size_t capacity, size_t *size) {
  if (in_bytes > capacity || step->count < 1) {
    return -1;
  }
  *size = in_bytes;
  unshuffle_bytes(in, out, in_bytes, step->values[0]);
  return 0;
}

/* Fletcher's checksum as HDF5 defines it: sums of big-endian 16 bit words modulo 65535. Files of
 * HDF5 before 1.6.3 have its bytes swapped in pairs; both are accepted, as the library does. */
static int fletcher32_fits(const uint8_t *data, size_t bytes, const uint8_t stored[4]) {
  uint32_t sum1 = 0, sum2 = 0;
  size_t words = bytes / 2;
  const uint8_t *p = data;
  while (words > 0) {
    size_t block = words < 360 ? words : 360;
    words -= block;
    for (; block > 0; block--, p += 2) {
      sum1 += (uint32_t)p[0] << 8 | p[1];
      sum2 += sum1;
    }
    sum1 = (sum1 & 0xffff) + (sum1 >> 16);
    sum2 = (sum2 & 0xffff) + (sum2 >> 16);
  }
  if (bytes % 2 != 0) {
    sum1 += (uint32_t)*p << 8;
    sum2 += sum1;
    sum1 = (sum1 & 0xffff) + (sum1 >> 16);
    sum2 = (sum2 & 0xffff) + (sum2 >> 16);
  }
  sum1 = (sum1 & 0xffff) + (sum1 >> 16);
  sum2 = (sum2 & 0xffff) + (sum2 >> 16);
  const uint32_t sum = sum2 << 16 | sum1;
  const uint32_t here =
      (uint32_t)stored[3] << 24 | (uint32_t)stored[2] << 16 | (uint32_t)stored[1] << 8 | stored[0];
  const uint32_t swapped = (sum & 0x00ff00ffu) << 8 | (sum & 0xff00ff00u) >> 8;
  return here == sum || here == swapped;
}

static int decode_fletcher32(const filter_step *step, const uint8_t *in, size_t in_bytes,
                             uint8_t *out, size_t capacity, size_t *size) {
  (void)step;
  if (in_bytes < 4 || in_bytes - 4 > capacity ||
      !fletcher32_fits(in, in_bytes - 4, in + in_bytes - 4)) {
    return -1;
  }
  *size = in_bytes - 4;
  memcpy(out, in, *size);
  return 0;
}

static int decode_lzf(const filter_step *step, const uint8_t *in, size_t in_bytes, uint8_t *out,
                      size_t capacity, size_t *size) {
  (void)step;
  size_t i = 0, o = 0;
  while (i < in_bytes) {
    unsigned control = in[i++];
    if (control < 32) { /* that many plus one bytes as they are */
      size_t run = control + 1;
      if (run > in_bytes - i || run > capacity - o) {
        return -1;
      }
      memcpy(out + o, in + i, run);
      i += run;
      o += run;
      continue;
    }
    size_t length = control >> 5; /* a copy of what came before */
    if (length == 7) {
      if (i >= in_bytes) {
        return -1;
      }
      length += in[i++];
    }
    if (i >= in_bytes) {
      return -1;
    }
    size_t distance = ((size_t)(control & 31) << 8 | in[i++]) + 1;
    length += 2;
    if (distance > o || length > capacity - o) {
      return -1;
    }
    for (; length > 0; length--, o++) {
      out[o] = out[o - distance];
    }
  }
  *size = o;
  return 0;
}

/* Blocks of equal size, each with its compressed size; one that did not shrink is stored. */
static int decode_lz4(const filter_step *step, const uint8_t *in, size_t in_bytes, uint8_t *out,
                      size_t capacity, size_t *size) {
  (void)step;
  if (in_bytes < 12) {
    return -1;
  }
  uint64_t total = big64(in);
  size_t block = big32(in + 8), i = 12, o = 0;
  if (total > capacity || block == 0) {
    return -1;
  }
  while (o < total) {
    size_t want = total - o < block ? (size_t)total - o : block;
    if (in_bytes - i < 4) {
      return -1;
    }
    size_t have = big32(in + i);
    i += 4;
    if (have > in_bytes - i || want > INT32_MAX || have > INT32_MAX) {
      return -1;
    }
    if (have == want) {
      memcpy(out + o, in + i, want);
    } else if (LZ4_decompress_safe((const char *)in + i, (char *)out + o, (int)have, (int)want) !=
               (int)want) {
      return -1;
    }
    i += have;
    o += want;
  }
  *size = o;
  return 0;
}

static int decode_zstd(const filter_step *step, const uint8_t *in, size_t in_bytes, uint8_t *out,
                       size_t capacity, size_t *size) {
  (void)step;
  size_t got = ZSTD_decompress(out, capacity, in, in_bytes);
  if (ZSTD_isError(got)) {
    return -1;
  }
  *size = got;
  return 0;
}

/* One block of bitshuffle: compressed or not, into out. */
static int bitshuffle_block(unsigned compression, const uint8_t *in, size_t in_bytes, uint8_t *out,
                            size_t elements, size_t element_bytes, uint8_t *work) {
  const size_t bytes = elements * element_bytes;
  const uint8_t *bits = in;
  if (compression == 2) {
    if (in_bytes > INT32_MAX || LZ4_decompress_safe((const char *)in, (char *)work, (int)in_bytes,
                                                    (int)bytes) != (int)bytes) {
      return -1;
    }
    bits = work;
  } else if (compression == 3) {
    if (ZSTD_decompress(work, bytes, in, in_bytes) != bytes) {
      return -1;
    }
    bits = work;
  }
  unshuffle_bits(bits, out, elements, element_bytes, work + bytes);
  return 0;
}

enum { BITSHUFFLE_BLOCK_MAX = 4 << 20 };

/* values: version, version, bytes of an element, elements of a block (0: 8192 bytes' worth),
 * compression (0 none, 2 LZ4, 3 Zstandard). A compressed chunk begins with its size and the bytes
 * of a block; elements that don't make up eight stand at the end as they are. */
static int decode_bitshuffle(const filter_step *step, const uint8_t *in, size_t in_bytes,
                             uint8_t *out, size_t capacity, size_t *size) {
  const size_t element_bytes = step->count > 2 ? step->values[2] : 0;
  const unsigned compression = step->count > 4 ? step->values[4] : 0;
  if (element_bytes == 0 || element_bytes > 4096 ||
      !(compression == 0 || compression == 2 || compression == 3)) {
    return -1;
  }
  uint64_t total = in_bytes;
  size_t block = step->count > 3 ? step->values[3] : 0, i = 0, o = 0;
  if (compression != 0) {
    if (in_bytes < 12) {
      return -1;
    }
    total = big64(in);
    block = big32(in + 8) / element_bytes;
    i = 12;
  }
  if (block == 0) {
    block = 8192 / element_bytes / 8 * 8;
    block = block < 128 ? 128 : block;
  }
  if (total > capacity || block % 8 != 0 || block > BITSHUFFLE_BLOCK_MAX / element_bytes) {
    return -1;
  }
  uint8_t *work = malloc(2 * block * element_bytes);
  if (work == NULL) {
    return -1;
  }
  const size_t elements = (size_t)total / element_bytes;
  size_t left = elements / 8 * 8;
  int result = 0;
  while (left > 0 && result == 0) {
    const size_t now = left < block ? left : block;
    size_t have = now * element_bytes;
    if (compression != 0) {
      if (in_bytes - i < 4) {
        result = -1;
        break;
      }
      have = big32(in + i);
      i += 4;
    }
    if (have > in_bytes - i) {
      result = -1;
      break;
    }
    result = bitshuffle_block(compression, in + i, have, out + o, now, element_bytes, work);
    i += have;
    o += now * element_bytes;
    left -= now;
  }
  free(work);
  if (result != 0 || in_bytes - i < total - o) {
    return -1;
  }
  memcpy(out + o, in + i, (size_t)total - o);
  *size = (size_t)total;
  return 0;
}

#ifdef BEAMCAST_HAVE_BLOSC
static int decode_blosc(const filter_step *step, const uint8_t *in, size_t in_bytes, uint8_t *out,
                        size_t capacity, size_t *size) {
  (void)step;
  size_t bytes = 0;
  if (in_bytes < BLOSC_MIN_HEADER_LENGTH || blosc_cbuffer_validate(in, in_bytes, &bytes) < 0 ||
      bytes > capacity || blosc_decompress_ctx(in, out, capacity, 1) != (int)bytes) {
    return -1;
  }
  *size = bytes;
  return 0;
}
#endif

filter_function filter_decoder(int id) {
  switch (id) {
  case ID_DEFLATE:
    return decode_deflate;
  case ID_SHUFFLE:
    return decode_shuffle;
  case ID_FLETCHER32:
    return decode_fletcher32;
  case ID_LZF:
    return decode_lzf;
  case ID_LZ4:
    return decode_lz4;
  case ID_BITSHUFFLE:
    return decode_bitshuffle;
  case ID_ZSTD:
    return decode_zstd;
#ifdef BEAMCAST_HAVE_BLOSC
  case ID_BLOSC:
    return decode_blosc;
#endif
  default:
    return NULL;
  }
}
