/* SPDX-License-Identifier: BSD-3-Clause
 * Slot memory and runs; see memory.h. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Touching fresh pages is slow on one core, so a few threads share it. */
typedef struct touching {
  unsigned char *data;
  uint64_t size;
  int bad; /* errno */
} touching;

enum { TOUCHERS_MAX = 8, TOUCH_BYTES = 64 << 20 };

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void *touch(void *argument) {
  touching *part = argument;
  for (uint64_t at = 0; at < part->size && part->bad == 0; at += TOUCH_BYTES) {
    uint64_t bytes = part->size - at < TOUCH_BYTES ? part->size - at : TOUCH_BYTES;
    while (madvise(part->data + at, bytes, MADV_POPULATE_WRITE) != 0) {
      if (errno != EINTR && errno != EAGAIN) {
        part->bad = errno;
        break;
      }
    }
  }
  return NULL;
}

/* Gives every page of the mapping its memory. Returns 0 or an errno. */
static int touch_all(unsigned char *data, uint64_t size) {
  touching parts[TOUCHERS_MAX];
  pthread_t threads[TOUCHERS_MAX];
  bool started[TOUCHERS_MAX] = {false};
  long online = sysconf(_SC_NPROCESSORS_ONLN), cores = online < 1 ? 1 : online;
  uint64_t count = size / TOUCH_BYTES + 1, page = (uint64_t)sysconf(_SC_PAGESIZE);
  count = count > (uint64_t)cores ? (uint64_t)cores : count;
  count = count > TOUCHERS_MAX ? TOUCHERS_MAX : count;
  uint64_t each = (size / count / page + 1) * page;
  int bad = 0;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t from = i * each < size ? i * each : size;
    uint64_t to = from + each < size ? from + each : size;
    parts[i] = (touching){.data = data + from, .size = to - from};
    started[i] = i > 0 && pthread_create(&threads[i], NULL, touch, &parts[i]) == 0;
  }
  for (uint64_t i = 0; i < count; i++) {
    if (started[i]) {
      (void)pthread_join(threads[i], NULL);
    } else {
      (void)touch(&parts[i]);
    }
    bad = parts[i].bad != 0 ? parts[i].bad : bad;
  }
  return bad;
}

static int fill_pages(int fd, uint64_t size) {
  int bad;
  do {
    bad = fallocate(fd, 0, 0, (off_t)size) == 0 ? 0 : errno;
  } while (bad == EINTR);
  return bad;
}

/* Maps the memory and makes all of it be there. Returns 0 or an errno. */
static int make_pages(bc_memory *memory, uint64_t size) {
  if (ftruncate(memory->fd, (off_t)size) != 0) {
    return errno;
  }
  void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
  if (data == MAP_FAILED) {
    return errno;
  }
  memory->data = data;
  memory->size = size;
  (void)madvise(data, size, MADV_HUGEPAGE);
  int bad = touch_all(data, size);
  if (bad == EINVAL) { /* a kernel before 5.14 */
    bad = fill_pages(memory->fd, size);
  }
  if (bad == 0 && fchmod(memory->fd, 0400) != 0) { /* who got it to read can't open it to write */
    bad = errno;
  }
  if (bad == 0 && fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    bad = errno;
  }
  return bad;
}

bc_memory *bc_memory_new(uint64_t size, beamcast_error *error) {
  uint64_t available = bc_memory_available();
  if (size > available) { /* asking the system for it would end other processes first */
    beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                  "a slot needs %.2f GiB of memory, the system has %.2f GiB left",
                  (double)size / (1 << 30), (double)available / (1 << 30));
    return NULL;
  }
  bc_memory *memory = calloc(1, sizeof *memory);
  if (memory == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  atomic_init(&memory->references, 1);
  memory->fd = memfd_create("beamcast-slot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int bad = memory->fd < 0 ? errno : make_pages(memory, size);
  if (bad != 0) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no %.2f GiB of memory for a slot: %s",
                  (double)size / (1 << 30), strerror(bad));
    bc_memory_release(memory);
    return NULL;
  }
  return memory;
}

void bc_memory_retain(bc_memory *memory) {
  atomic_fetch_add(&memory->references, 1);
}

void bc_memory_release(bc_memory *memory) {
  if (memory == NULL || atomic_fetch_sub(&memory->references, 1) != 1) {
    return;
  }
  void *wired = atomic_load(&memory->wired);
  if (wired != NULL) {
    memory->unwire(wired);
  }
  if (memory->data != NULL) {
    (void)munmap(memory->data, memory->size);
  }
  if (memory->fd >= 0) {
    (void)close(memory->fd);
  }
  free(memory);
}

uint64_t bc_memory_piece(void) {
  const char *text = getenv("BEAMCAST_PIECE");
  uint64_t bytes = text != NULL ? strtoull(text, NULL, 10) : 0;
  return bytes > 0 ? bytes : (uint64_t)32 << 20;
}

bc_runs bc_runs_of(const uint64_t shape[3], const int64_t stride[3], uint64_t voxel_bytes) {
  bc_runs runs = {.bytes = voxel_bytes};
  bool joined = true;
  for (int axis = 0; axis < 3; axis++) {
    runs.count[axis] = shape[axis];
    runs.stride[axis] = stride[axis];
    if (joined && (stride[axis] == (int64_t)runs.bytes || shape[axis] == 1)) {
      runs.bytes *= shape[axis];
      runs.count[axis] = 1;
      runs.stride[axis] = 0;
    } else {
      joined = false;
    }
  }
  return runs;
}

uint64_t bc_runs_number(const bc_runs *runs) {
  return runs->bytes == 0 ? 0 : runs->count[0] * runs->count[1] * runs->count[2];
}

int64_t bc_runs_at(const bc_runs *runs, uint64_t index) {
  uint64_t i = index % runs->count[0], rest = index / runs->count[0];
  uint64_t j = rest % runs->count[1], k = rest / runs->count[1];
  return (int64_t)i * runs->stride[0] + (int64_t)j * runs->stride[1] + (int64_t)k * runs->stride[2];
}

void bc_strides_of(const uint64_t shape[3], uint64_t voxel_bytes, int64_t stride[3]) {
  stride[0] = (int64_t)voxel_bytes;
  stride[1] = stride[0] * (int64_t)shape[0];
  stride[2] = stride[1] * (int64_t)shape[1];
}

uint64_t bc_offset_of(const bc_box *array, const bc_box *box, uint64_t voxel_bytes) {
  uint64_t x = box->start[0] - array->start[0], y = box->start[1] - array->start[1],
           z = box->start[2] - array->start[2];
  return ((z * array->shape[1] + y) * array->shape[0] + x) * voxel_bytes;
}

enum { STREAM_BOX = 8 << 20, STREAM_RUN = 4096 };

/* As memcpy; the bytes go to memory without the lines that they replace being read first, which
 * memcpy does for what is larger than all caches only. */
static void stream(void *to, const void *from, uint64_t bytes) {
#ifdef __SSE2__
  uint64_t head = -(uintptr_t)to & 63, at = head;
  memcpy(to, from, head);
  for (; at + 64 <= bytes; at += 64) {
    __m128i *out = (__m128i *)(void *)((char *)to + at);
    const __m128i *in = (const __m128i *)(const void *)((const char *)from + at);
    const __m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1);
    const __m128i c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
    _mm_stream_si128(out, a);
    _mm_stream_si128(out + 1, b);
    _mm_stream_si128(out + 2, c);
    _mm_stream_si128(out + 3, d);
  }
  memcpy((char *)to + at, (const char *)from + at, bytes - at);
  _mm_sfence(); /* before anybody is told */
#else
  memcpy(to, from, bytes);
#endif
}

void bc_copy_box(void *to, const int64_t to_stride[3], const void *from,
                 const int64_t from_stride[3], const uint64_t shape[3], uint64_t voxel_bytes) {
  bc_runs out = bc_runs_of(shape, to_stride, voxel_bytes);
  bc_runs in = bc_runs_of(shape, from_stride, voxel_bytes);
  const bc_runs *fine = out.bytes < in.bytes ? &out : &in;
  const bool large = fine->bytes >= STREAM_RUN && bc_volume_bytes(shape, voxel_bytes) >= STREAM_BOX;
  uint64_t number = bc_runs_number(fine);
  uint64_t out_part = 0, in_part = 0, out_index = 0, in_index = 0;
  for (uint64_t i = 0; i < number; i++) {
    char *here = (char *)to + bc_runs_at(&out, out_index) + out_part;
    const char *there = (const char *)from + bc_runs_at(&in, in_index) + in_part;
    if (large) {
      stream(here, there, fine->bytes);
    } else {
      memcpy(here, there, fine->bytes);
    }
    out_part += fine->bytes;
    if (out_part == out.bytes) {
      out_part = 0;
      out_index++;
    }
    in_part += fine->bytes;
    if (in_part == in.bytes) {
      in_part = 0;
      in_index++;
    }
  }
}

/* IEEE binary16 of a double: rounded to nearest even, too large becomes infinite. */
static uint16_t half_of(double value) {
  uint16_t sign = signbit(value) ? 0x8000 : 0;
  double size = fabs(value);
  if (isnan(value)) {
    return 0x7e00;
  }
  if (size >= 65520.0) {
    return sign | 0x7c00;
  }
  int exponent;
  (void)frexp(size, &exponent);
  int scale = size < 0x1p-14 ? -24 : exponent - 11; /* below: steps of the subnormal numbers */
  double steps = nearbyint(ldexp(size, -scale));
  if (steps >= 2048.0) {
    steps /= 2;
    scale++;
  }
  uint16_t bits = (uint16_t)steps;
  return scale == -24 ? sign | bits : (uint16_t)(sign | ((scale + 25) << 10) | (bits & 0x3ff));
}

static double clamp(double value, double low, double high) {
  return isnan(value) ? 0 : value < low ? low : value > high ? high : value;
}

static void one_value(int type, double value, unsigned char bytes[8]) {
  union {
    uint8_t u8;
    int8_t i8;
    uint16_t u16;
    int16_t i16;
    uint32_t u32;
    int32_t i32;
    float f32;
    double f64;
  } as = {0};
  switch (type) {
  case BEAMCAST_UINT8:
    as.u8 = (uint8_t)clamp(value, 0, UINT8_MAX);
    break;
  case BEAMCAST_INT8:
    as.i8 = (int8_t)clamp(value, INT8_MIN, INT8_MAX);
    break;
  case BEAMCAST_UINT16:
    as.u16 = (uint16_t)clamp(value, 0, UINT16_MAX);
    break;
  case BEAMCAST_INT16:
    as.i16 = (int16_t)clamp(value, INT16_MIN, INT16_MAX);
    break;
  case BEAMCAST_UINT32:
    as.u32 = (uint32_t)clamp(value, 0, UINT32_MAX);
    break;
  case BEAMCAST_INT32:
    as.i32 = (int32_t)clamp(value, INT32_MIN, INT32_MAX);
    break;
  case BEAMCAST_FLOAT16:
    as.u16 = half_of(value);
    break;
  case BEAMCAST_FLOAT32:
    as.f32 = (float)value;
    break;
  default:
    as.f64 = value;
    break;
  }
  memcpy(bytes, &as, 8);
}

void bc_fill_box(void *data, const bc_box *array, const bc_box *box, int type, int components,
                 double value) {
  size_t size = beamcast_type_size(type);
  uint64_t voxel = size * (uint64_t)components;
  unsigned char bytes[8];
  int64_t stride[3];
  one_value(type, value, bytes);
  bc_strides_of(array->shape, voxel, stride);
  bc_runs runs = bc_runs_of(box->shape, stride, voxel);
  unsigned char *begin = (unsigned char *)data + bc_offset_of(array, box, voxel);
  for (uint64_t run = 0; run < bc_runs_number(&runs); run++) {
    unsigned char *to = begin + bc_runs_at(&runs, run);
    for (uint64_t at = 0; at < runs.bytes; at += size) {
      memcpy(to + at, bytes, size);
    }
  }
}
