/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compressed chunks: raw bytes from the file, decoded by a few threads outside the HDF5 lock, and
 * copied once, while they are in the cache. Where the places of the chunks in the file are known
 * the threads read for themselves, neighbouring chunks in one request, and announce what comes next
 * to a kernel that reads little ahead by itself; else the library is asked for each chunk's raw
 * bytes.
 */
#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { REQUEST = 1 << 20, GAP = 16 << 10, BATCH_MAX = 64, AHEAD_KIB = 2048 };

/* What one thread has. */
typedef struct chunk_worker {
  uint8_t *raw;
  size_t raw_bytes;
  uint8_t *block; /* a decoded chunk */
  filter_scratch scratch;
} chunk_worker;

typedef struct chunk_job {
  read_job *job;
  const open_dataset *open;
  selection_grid grid;
  uint64_t chunk_bytes;
  uint64_t batch;     /* chunks a task */
  thread_files files; /* none where the places of chunks are not known */
  int announces;      /* what comes next is told to the kernel */
  chunk_worker *worker;
  atomic_uint_fast64_t read, decoded, absent;
} chunk_job;

typedef struct wanted_chunk {
  uint64_t at[MAX_DIMS];
  selection_part part;
  chunk_place place;
} wanted_chunk;

static int chunk_fail(const chunk_job *c, const uint64_t at[], int code, beamcast_error *error,
                      const char *reason) {
  char where[120] = "";
  for (int d = 0; d < c->grid.dimensions; d++) {
    const size_t used = strlen(where);
    snprintf(where + used, sizeof where - used, "%s%llu", d > 0 ? ", " : "",
             (unsigned long long)at[d] * c->open->chunk[d]);
  }
  return beamcast_fail(error, code, "The chunk at (%s) of %s in %s can't be read: %s", where,
                       c->job->v->object, c->open->file_name, reason);
}

static uint64_t chunk_number(const chunk_job *c, const uint64_t at[]) {
  uint64_t number = 0;
  for (int d = 0; d < c->grid.dimensions; d++) {
    number = number * ((c->open->shape[d] + c->open->chunk[d] - 1) / c->open->chunk[d]) + at[d];
  }
  return number;
}

static int at_border(const chunk_job *c, const uint64_t at[]) {
  for (int d = 0; d < c->grid.dimensions; d++) {
    if ((at[d] + 1) * c->open->chunk[d] > c->open->shape[d]) {
      return 1;
    }
  }
  return 0;
}

static int grow(chunk_worker *w, size_t bytes) {
  if (bytes > w->raw_bytes) {
    free(w->raw);
    w->raw = malloc(bytes);
    w->raw_bytes = w->raw != NULL ? bytes : 0;
  }
  return w->raw != NULL ? 0 : -1;
}

/* Puts the chunk whose stored bytes are at raw into memory. */
static int put_chunk(chunk_job *c, const wanted_chunk *want, uint8_t *raw, chunk_worker *w,
                     beamcast_error *error) {
  uint64_t origin[MAX_DIMS];
  for (int d = 0; d < c->grid.dimensions; d++) {
    origin[d] = want->at[d] * c->open->chunk[d];
  }
  const selection *s = &c->job->select;
  uint32_t mask = want->place.mask;
  if (c->open->partial_unfiltered && at_border(c, want->at)) {
    mask = UINT32_MAX;
  }
  uint8_t *direct = selection_direct(s, &want->part, origin, c->open->chunk);
  uint8_t *block = direct != NULL ? direct : w->block;
  beamcast_error reason = {0};
  if (direct == NULL && c->open->pipeline.count == 0 && want->place.bytes == c->chunk_bytes) {
    block = raw;
  } else if (filters_decode(&c->open->pipeline, mask, raw, want->place.bytes, block, c->chunk_bytes,
                            &w->scratch, &reason) != BEAMCAST_OK) {
    return chunk_fail(c, want->at, reason.code, error, reason.message);
  }
  if (direct == NULL) {
    selection_copy(s, &want->part, block, origin, c->open->chunk, NULL);
  }
  atomic_fetch_add_explicit(&c->decoded, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&c->read, want->place.bytes, memory_order_relaxed);
  return BEAMCAST_OK;
}

static void put_fill(chunk_job *c, const wanted_chunk *want) {
  uint64_t origin[MAX_DIMS];
  for (int d = 0; d < c->grid.dimensions; d++) {
    origin[d] = want->at[d] * c->open->chunk[d];
  }
  selection_copy(&c->job->select, &want->part, NULL, origin, c->open->chunk, c->open->fill);
  atomic_fetch_add_explicit(&c->absent, 1, memory_order_relaxed);
}

/* Sizes in a damaged file may be anything. */
static int sane(const chunk_job *c, uint64_t bytes) {
  return bytes <= 2 * c->chunk_bytes + 65536;
}

/* HDF5 1.10 fails for the size of a chunk that was never written, as it does for damaged ones. */
static int is_absent(hid_t dataset, const hsize_t offset[]) {
  if (strstr(h5_last_message(), "not allocated") != NULL) {
    return 1;
  }
  unsigned mask;
  haddr_t address = 0;
  hsize_t bytes = 0;
  return H5Dget_chunk_info_by_coord(dataset, offset, &mask, &address, &bytes) >= 0 &&
         address == HADDR_UNDEF;
}

/* A chunk that has no filters, as the library reads it: with the fill value where it is not there.
 * Its raw bytes may be more than the library says beforehand. */
static int plain_by_library(chunk_job *c, const wanted_chunk *want, chunk_worker *w,
                            beamcast_error *error) {
  const int n = c->grid.dimensions;
  hsize_t start[MAX_DIMS], count[MAX_DIMS], size[MAX_DIMS], zero[MAX_DIMS] = {0};
  uint64_t origin[MAX_DIMS];
  for (int d = 0; d < n; d++) {
    start[d] = origin[d] = want->at[d] * c->open->chunk[d];
    size[d] = c->open->chunk[d];
    const hsize_t left = c->open->shape[d] - start[d];
    count[d] = left < size[d] ? left : size[d];
  }
  char reason[240] = "";
  h5_lock();
  hid_t file = H5Dget_space(c->open->id), memory = H5Screate_simple(n, size, NULL);
  const int failed =
      H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
      H5Sselect_hyperslab(memory, H5S_SELECT_SET, zero, NULL, count, NULL) < 0 ||
      H5Dread(c->open->id, c->open->memory_type, memory, file, H5P_DEFAULT, w->block) < 0;
  if (failed) {
    snprintf(reason, sizeof reason, "%s", h5_last_message());
  }
  H5Sclose(memory);
  H5Sclose(file);
  h5_unlock();
  if (failed) {
    return chunk_fail(c, want->at, BEAMCAST_ERR_IO, error, reason);
  }
  selection_copy(&c->job->select, &want->part, w->block, origin, c->open->chunk, NULL);
  atomic_fetch_add_explicit(&c->decoded, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&c->read, c->chunk_bytes, memory_order_relaxed);
  return BEAMCAST_OK;
}

/* Asks the library for the raw bytes of one chunk. */
static int chunk_by_library(chunk_job *c, wanted_chunk *want, chunk_worker *w,
                            beamcast_error *error) {
  hsize_t offset[MAX_DIMS] = {0}, bytes = 0;
  for (int d = 0; d < c->grid.dimensions; d++) {
    offset[d] = want->at[d] * c->open->chunk[d];
  }
  h5_lock();
  const int known =
      H5Dget_chunk_storage_size(c->open->id, offset, &bytes) >= 0 || is_absent(c->open->id, offset);
  int failed = !known;
  char reason[240] = "";
  if (known && bytes > 0) {
    failed = !sane(c, bytes) || grow(w, (size_t)bytes) != 0 ||
             H5Dread_chunk(c->open->id, H5P_DEFAULT, offset, &want->place.mask, w->raw) < 0;
  }
  if (failed) {
    snprintf(reason, sizeof reason, "%s", h5_last_message());
  }
  h5_unlock();
  if (failed) {
    return chunk_fail(c, want->at, BEAMCAST_ERR_IO, error,
                      reason[0] != 0 ? reason : "its size makes no sense");
  }
  if (bytes == 0) {
    put_fill(c, want);
    return BEAMCAST_OK;
  }
  want->place.bytes = (uint32_t)bytes;
  return put_chunk(c, want, w->raw, w, error);
}

/* Reads count chunks that lie near each other with one request, and decodes them. */
static int read_together(chunk_job *c, wanted_chunk *want, size_t count, int thread,
                         beamcast_error *error) {
  chunk_worker *w = &c->worker[thread];
  const uint64_t start = want[0].place.address;
  const uint64_t end = want[count - 1].place.address + want[count - 1].place.bytes;
  if (grow(w, (size_t)(end - start)) != 0) {
    return chunk_fail(c, want[0].at, BEAMCAST_ERR_MEMORY, error, "no memory");
  }
  if (pread_all(thread_files_get(&c->files, thread), w->raw, (size_t)(end - start), start) != 0) {
    return chunk_fail(c, want[0].at, BEAMCAST_ERR_IO, error,
                      errno == 0 ? "the file is cut off" : strerror(errno));
  }
  int result = BEAMCAST_OK;
  for (size_t i = 0; i < count && result == BEAMCAST_OK; i++) {
    result = put_chunk(c, &want[i], w->raw + (want[i].place.address - start), w, error);
  }
  return result;
}

/* Whether the kernel reads as far ahead on the file's device as a task or two: to be told would
 * cost it more than it gains. */
static int kernel_reads_ahead(int fd) {
  struct stat state;
  char path[80];
  unsigned long kib = 0;
  if (fstat(fd, &state) != 0) {
    return 0;
  }
  snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(state.st_dev),
           minor(state.st_dev));
  FILE *file = fopen(path, "re");
  if (file != NULL) {
    char line[32] = "";
    kib = fgets(line, sizeof line, file) != NULL ? strtoul(line, NULL, 10) : 0;
    fclose(file);
  }
  return kib >= AHEAD_KIB;
}

/* Tells the kernel about the bytes of a task that comes later. */
static void announce(const chunk_job *c, int fd, uint64_t task) {
  wanted_chunk want;
  const uint64_t first = task * c->batch;
  for (uint64_t i = first; i < first + c->batch && i < c->grid.tasks; i++) {
    selection_grid_part(&c->grid, i, want.at, &want.part);
    const chunk_place *place = &c->open->places[chunk_number(c, want.at)];
    if (place->address != UINT64_MAX) {
      posix_fadvise(fd, (off_t)place->address, (off_t)place->bytes, POSIX_FADV_WILLNEED);
    }
  }
}

static int chunk_task(void *context, uint64_t task, int thread, beamcast_error *error) {
  chunk_job *c = context;
  chunk_worker *w = &c->worker[thread];
  wanted_chunk want[BATCH_MAX];
  const uint64_t first = task * c->batch;
  size_t held = 0; /* chunks in want that wait to be read with the next */
  int result = BEAMCAST_OK;
  if (c->announces) {
    announce(c, thread_files_get(&c->files, thread), task + 2);
  }
  for (uint64_t i = first; i < first + c->batch && i < c->grid.tasks && result == BEAMCAST_OK;
       i++) {
    wanted_chunk *next = &want[held];
    selection_grid_part(&c->grid, i, next->at, &next->part);
    if (c->open->places == NULL) {
      result = c->open->pipeline.count == 0 ? plain_by_library(c, next, w, error)
                                            : chunk_by_library(c, next, w, error);
      continue;
    }
    next->place = c->open->places[chunk_number(c, next->at)];
    if (next->place.address == UINT64_MAX) {
      put_fill(c, next);
      continue;
    }
    if (!sane(c, next->place.bytes)) {
      result = chunk_fail(c, next->at, BEAMCAST_ERR_IO, error, "its size makes no sense");
      continue;
    }
    const chunk_place *last = held > 0 ? &want[held - 1].place : NULL;
    if (last != NULL &&
        (next->place.address < last->address + last->bytes ||
         next->place.address > last->address + last->bytes + GAP ||
         next->place.address + next->place.bytes - want[0].place.address > REQUEST)) {
      const wanted_chunk keep = *next;
      result = read_together(c, want, held, thread, error);
      want[0] = keep;
      held = 0;
    }
    held++;
  }
  if (held > 0 && result == BEAMCAST_OK) {
    result = read_together(c, want, held, thread, error);
  }
  return result;
}

/* How many small chunks one task takes, so that requests are large and all threads have work. */
static uint64_t choose_batch(const chunk_job *c) {
  uint64_t batch = REQUEST / (c->chunk_bytes + 1) + 1;
  const uint64_t fair = c->grid.tasks / (4 * (uint64_t)c->job->threads) + 1;
  batch = batch < fair ? batch : fair;
  return batch < BATCH_MAX ? batch : BATCH_MAX;
}

/* Decoded chunk, an intermediate result, raw bytes (and what a plug-in allocates). */
static uint64_t worker_bytes(const chunk_job *c) {
  return 3 * c->chunk_bytes + (c->chunk_bytes < REQUEST ? REQUEST : 0);
}

int read_chunks(read_job *job, beamcast_error *error) {
  const open_dataset *open_set = job->v->open;
  chunk_job c = {.job = job, .open = open_set, .chunk_bytes = job->v->element.bytes};
  for (int d = 0; d < job->select.dimensions; d++) {
    c.chunk_bytes *= open_set->chunk[d];
  }
  if (c.chunk_bytes > UINT32_MAX) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "A chunk of %s has %llu bytes",
                         job->v->path, (unsigned long long)c.chunk_bytes);
  }
  if (selection_grid_make(&c.grid, &job->select, open_set->chunk) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for the list of chunks");
  }
  const uint64_t most = SCRATCH_LIMIT / worker_bytes(&c);
  if ((uint64_t)job->threads > most) {
    job->threads = most > 1 ? (int)most : 1;
  }
  c.batch = choose_batch(&c);
  c.worker = calloc((size_t)job->threads, sizeof *c.worker);
  int result = c.worker != NULL ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
  for (int i = 0; i < job->threads && result == BEAMCAST_OK; i++) {
    c.worker[i].block = malloc(c.chunk_bytes);
    result = c.worker[i].block != NULL ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
  }
  if (result != BEAMCAST_OK) {
    beamcast_fail(error, result, "No memory for chunks of %llu bytes",
                  (unsigned long long)c.chunk_bytes);
  } else if (open_set->places != NULL) {
    result = thread_files_open(&c.files, open_set->file_name, job->threads, error);
  }
  if (result == BEAMCAST_OK) {
    c.announces = c.files.fd != NULL && !kernel_reads_ahead(c.files.fd[0]);
    thread_job work = {.task = chunk_task,
                       .context = &c,
                       .tasks = (c.grid.tasks + c.batch - 1) / c.batch,
                       .threads = job->threads,
                       .apart = 1,
                       .progress = job->progress,
                       .progress_context = job->context};
    result = threads_run(&work, error);
  }
  for (int i = 0; i < job->threads && c.worker != NULL; i++) {
    free(c.worker[i].raw);
    free(c.worker[i].block);
    filters_free(&c.worker[i].scratch);
  }
  free(c.worker);
  selection_grid_free(&c.grid);
  thread_files_close(&c.files);
  job->report->bytes_read = atomic_load(&c.read);
  job->report->chunks = atomic_load(&c.decoded);
  job->report->chunks_absent = atomic_load(&c.absent);
  job->report->bytes_decoded = job->report->chunks * c.chunk_bytes;
  job->report->scratch_bytes = (uint64_t)job->threads * worker_bytes(&c);
  job->report->threads = job->threads;
  job->report->way = "chunks";
  return result;
}
