/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of a file's volumes as bytes: the process that tried the file (trial.c) hands over what
 * it found, so that nobody looks twice. Both are of one build. The other process may have come to
 * harm without dying: what it hands over is checked before it is believed.
 */
#include "handover.h"

#include "volume.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef struct heading {
  char magic[8];
  uint64_t volume_bytes, volumes, sentences;
} heading;

static const char magic[8] = "volumes";

enum { VOLUMES_MAX = 1000000 };

/* --- out --------------------------------------------------------------------------------------
 */

static void put_text(FILE *to, const char *text) {
  const uint64_t length = strlen(text);
  fwrite(&length, sizeof length, 1, to);
  fwrite(text, 1, length, to);
}

int beamcast_hdf5_hand_over(const beamcast_hdf5_file *file, FILE *to) {
  heading h = {
      .volume_bytes = sizeof(volume), .volumes = file->count, .sentences = file->missing_count};
  memcpy(h.magic, magic, sizeof magic);
  fwrite(&h, sizeof h, 1, to);
  for (size_t i = 0; i < file->missing_count; i++) {
    put_text(to, file->missing[i]);
  }
  for (size_t i = 0; i < file->count; i++) {
    const volume *v = &file->volumes[i];
    fwrite(v, sizeof *v, 1, to);
    put_text(to, v->path);
    put_text(to, v->name);
    put_text(to, v->object);
    if (v->time_values != NULL) {
      fwrite(v->time_values, sizeof *v->time_values, v->time_count, to);
    }
    if (v->frames != NULL) {
      fwrite(v->frames, sizeof *v->frames, v->frame_count, to);
    }
  }
  return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}

/* --- in ---------------------------------------------------------------------------------------
 */

typedef struct bytes {
  const uint8_t *next;
  size_t left;
} bytes;

static const void *take(bytes *from, size_t size) {
  const uint8_t *taken = from->next;
  if (size > from->left) {
    return NULL;
  }
  from->next += size;
  from->left -= size;
  return taken;
}

static char *take_text(bytes *from) {
  const void *size = take(from, sizeof(uint64_t));
  uint64_t length = UINT64_MAX;
  if (size != NULL) {
    memcpy(&length, size, sizeof length);
  }
  const char *text = size != NULL && length < 1u << 20 ? take(from, (size_t)length) : NULL;
  return text != NULL ? strndup(text, (size_t)length) : NULL;
}

/* A copy of count elements of 8 bytes, NULL when they are not there. */
static void *take_list(bytes *from, size_t count) {
  const void *list = count <= from->left / 8 ? take(from, 8 * count) : NULL;
  void *copy = list != NULL ? malloc(8 * count + 1) : NULL;
  if (copy != NULL) {
    memcpy(copy, list, 8 * count);
  }
  return copy;
}

#define END_TEXT(array) ((array)[sizeof(array) - 1] = 0)

/* Whether v is one that a look at a dataset could have given; ends its texts. */
static int is_sound(volume *v) {
  double elements = 1;
  const size_t size = voxel_type_size(v->element.type);
  if (v->kind != SOURCE_HDF5 || v->about.dimensions < 2 || v->about.dimensions > MAX_DIMS ||
      size == 0 || v->element.bytes != size * (v->element.complex ? 2 : 1)) {
    return 0;
  }
  for (int i = 0; i < v->about.dimensions; i++) {
    elements *= (double)v->about.shape[i];
    if (v->about.shape[i] == 0 || v->about.role[i] < BEAMCAST_HDF5_X ||
        v->about.role[i] > BEAMCAST_HDF5_COMPONENT) {
      return 0;
    }
  }
  END_TEXT(v->convention);
  END_TEXT(v->unit);
  END_TEXT(v->value_unit);
  END_TEXT(v->filters);
  END_TEXT(v->storage);
  for (int i = 0; i < 3; i++) {
    END_TEXT(v->axis[i]);
  }
  return elements * 16 <= 4e18;
}

static int frames_are_sound(const volume *v) {
  for (size_t i = 0; i < v->frame_count; i++) {
    if (v->frames[i] >= v->about.shape[0] || (i > 0 && v->frames[i] <= v->frames[i - 1])) {
      return 0;
    }
  }
  return v->frame_count > 0;
}

static int take_volume(beamcast_hdf5_file *file, bytes *from) {
  volume v;
  const void *raw = take(from, sizeof v);
  if (raw == NULL) {
    return -1;
  }
  memcpy(&v, raw, sizeof v);
  const int timed = v.time_values != NULL, framed = v.frames != NULL;
  v.open = NULL; /* none of its addresses means anything here */
  v.data_file = NULL;
  memset(&v.pages, 0, sizeof v.pages);
  v.path = take_text(from);
  v.name = take_text(from);
  v.object = take_text(from);
  v.time_values = timed ? take_list(from, v.time_count) : NULL;
  v.frames = framed ? take_list(from, v.frame_count) : NULL;
  volume *added = NULL;
  if (v.path != NULL && v.name != NULL && v.object != NULL && is_sound(&v) &&
      (!timed || v.time_values != NULL) &&
      (!framed || (v.frames != NULL && frames_are_sound(&v)))) {
    added = volumes_add(file, "", "");
  }
  if (added == NULL) {
    free(v.path);
    free(v.name);
    free(v.object);
    free(v.time_values);
    free(v.frames);
    return -1;
  }
  free(added->path);
  free(added->name);
  free(added->object);
  *added = v;
  return 0;
}

static int take_all(beamcast_hdf5_file *file, bytes from) {
  heading h;
  const void *raw = take(&from, sizeof h);
  if (raw == NULL) {
    return -1;
  }
  memcpy(&h, raw, sizeof h);
  if (memcmp(h.magic, magic, sizeof magic) != 0 || h.volume_bytes != sizeof(volume) ||
      h.volumes == 0 || h.volumes > VOLUMES_MAX) {
    return -1;
  }
  for (uint64_t i = 0; i < h.sentences; i++) {
    char *sentence = take_text(&from);
    if (sentence == NULL) {
      return -1;
    }
    volumes_miss(file, "%s", sentence);
    free(sentence);
  }
  for (uint64_t i = 0; i < h.volumes; i++) {
    if (take_volume(file, &from) != 0) {
      return -1;
    }
  }
  return from.left == 0 ? 0 : -1;
}

int handover_take(beamcast_hdf5_file *file, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || status.st_size <= 0) {
    return -1;
  }
  const size_t size = (size_t)status.st_size;
  void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (memory == MAP_FAILED) {
    return -1;
  }
  const int result = take_all(file, (bytes){memory, size});
  munmap(memory, size);
  if (result != 0) {
    volumes_clear(file);
  }
  return result;
}
