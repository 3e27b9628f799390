/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Voxels that lie as they are in a file (contiguous datasets, raw files). Where a run of bytes is
 * the same in memory it is read into its place; where runs are short or voxels are converted, a
 * span of the file goes through a small buffer.
 */
#include "read.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPAN = 1 << 20, PIECE = 16 << 20, RUN_MIN = 64 << 10 };

typedef struct byte_job {
  read_job *job;
  const char *file_name;
  thread_files files;
  uint64_t offset;
  uint64_t stride[MAX_DIMS]; /* bytes in the file */
  int depth;        /* dimensions from here on are one span; those before are gone through */
  uint64_t group;   /* positions of dimension depth - 1 that share a span */
  uint64_t pieces;  /* of a run, when read straight into place */
  uint8_t **buffer; /* one span a thread */
  atomic_uint_fast64_t bytes;
} byte_job;

static int read_span(byte_job *b, int thread, void *to, size_t bytes, uint64_t offset,
                     beamcast_error *error) {
  if (pread_all(thread_files_get(&b->files, thread), to, bytes, b->offset + offset) != 0) {
    return errno == 0
               ? beamcast_fail(error, BEAMCAST_ERR_IO,
                               "%s ends before the voxels do; the file is cut off", b->file_name)
               : beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be read (%s)", b->file_name,
                               strerror(errno));
  }
  atomic_fetch_add_explicit(&b->bytes, bytes, memory_order_relaxed);
  return BEAMCAST_OK;
}

/* Positions of task in the dimensions before depth, each one position but for the last (a group).
 */
static void part_of(const byte_job *b, uint64_t task, selection_part *part) {
  const selection *s = &b->job->select;
  for (int d = 0; d < s->dimensions; d++) {
    part->first[d] = 0;
    part->count[d] = s->count[d];
  }
  for (int d = b->depth - 1; d >= 0; d--) {
    const uint64_t group = d == b->depth - 1 ? b->group : 1;
    const uint64_t groups = (s->count[d] + group - 1) / group;
    part->first[d] = task % groups * group;
    task /= groups;
    const uint64_t left = s->count[d] - part->first[d];
    part->count[d] = left < group ? left : group;
  }
}

static void corners(const byte_job *b, const selection_part *part, uint64_t origin[],
                    uint64_t *start, uint64_t *span) {
  const selection *s = &b->job->select;
  *start = 0;
  *span = s->convert.from.bytes;
  for (int d = 0; d < s->dimensions; d++) {
    const uint64_t *index = s->index[d] + part->first[d];
    origin[d] = index[0];
    *start += index[0] * b->stride[d];
    *span += (index[part->count[d] - 1] - index[0]) * b->stride[d];
  }
}

static int span_task(void *context, uint64_t task, int thread, beamcast_error *error) {
  byte_job *b = context;
  selection_part part;
  uint64_t origin[MAX_DIMS], start, span;
  part_of(b, task, &part);
  corners(b, &part, origin, &start, &span);
  const int result = read_span(b, thread, b->buffer[thread], (size_t)span, start, error);
  if (result == BEAMCAST_OK) {
    selection_copy(&b->job->select, &part, b->buffer[thread], origin, b->job->select.shape, NULL);
  }
  return result;
}

/* The run of the task, or a piece of it, goes to its place. */
static int run_task(void *context, uint64_t task, int thread, beamcast_error *error) {
  byte_job *b = context;
  const selection *s = &b->job->select;
  selection_part part;
  uint64_t origin[MAX_DIMS], start, span;
  part_of(b, task / b->pieces, &part);
  corners(b, &part, origin, &start, &span);
  uint8_t *to = s->out;
  for (int d = 0; d < s->dimensions; d++) {
    to += (int64_t)part.first[d] * s->step[d];
  }
  const uint64_t first = task % b->pieces * PIECE;
  if (first >= span) {
    return BEAMCAST_OK;
  }
  const uint64_t bytes = span - first < PIECE ? span - first : PIECE;
  return read_span(b, thread, to + first, (size_t)bytes, start + first, error);
}

/* The outermost dimension from which on everything wanted is one run of bytes in file and memory.
 */
static int run_depth(const byte_job *b, uint64_t *run) {
  const selection *s = &b->job->select;
  int d = s->dimensions - 1;
  if (!s->convert.identity || s->step[d] != (int64_t)s->convert.out_bytes) {
    *run = 0;
    return d + 1;
  }
  *run = s->convert.out_bytes;
  for (; d >= 0; d--) {
    const uint64_t *index = s->index[d];
    const uint64_t n = s->count[d];
    /* This dimension is in the run when its positions follow each other and those inside fill it.
     */
    if (index[n - 1] - index[0] != n - 1 || s->step[d] != (int64_t)*run || b->stride[d] != *run) {
      break;
    }
    *run *= n;
  }
  return d + 1;
}

static uint64_t span_from(const byte_job *b, int depth, uint64_t *useful) {
  const selection *s = &b->job->select;
  uint64_t span = s->convert.from.bytes;
  *useful = s->convert.from.bytes;
  for (int d = depth; d < s->dimensions; d++) {
    span += (s->index[d][s->count[d] - 1] - s->index[d][0]) * b->stride[d];
    *useful *= s->count[d];
  }
  return span;
}

/* Chooses spans of at most SPAN bytes of which at least a quarter is wanted; within a row every
 * span is taken, because many tiny reads cost more. */
static void choose_spans(byte_job *b) {
  const selection *s = &b->job->select;
  const int n = s->dimensions;
  uint64_t useful = 0, span = 0;
  int d = 0;
  for (; d < n; d++) {
    span = span_from(b, d, &useful);
    if (span <= SPAN && (d >= n - 1 || useful * 4 >= span)) {
      break;
    }
  }
  if (d == n) {
    span = useful = s->convert.from.bytes;
  }
  b->depth = d;
  b->group = 1;
  if (d == 0) {
    return;
  }
  const uint64_t *index = s->index[d - 1];
  const uint64_t count = s->count[d - 1];
  const uint64_t every = count > 1 ? (index[count - 1] - index[0] + count - 2) / (count - 1) : 1;
  const uint64_t pitch = every * b->stride[d - 1];
  if (useful * 4 >= pitch || d == n) {
    b->group = 1 + (SPAN - span) / pitch;
  }
  /* Positions picked by hand may lie wider apart than on average. */
  for (uint64_t i = 1; i < count; i++) {
    if (index[i] - index[i - 1] > every) {
      b->group = 1;
      break;
    }
  }
}

static uint64_t count_tasks(const byte_job *b) {
  uint64_t tasks = 1;
  for (int d = 0; d < b->depth; d++) {
    const uint64_t group = d == b->depth - 1 ? b->group : 1;
    tasks *= (b->job->select.count[d] + group - 1) / group;
  }
  return tasks;
}

static int read_through_buffers(byte_job *b, thread_job *work, beamcast_error *error) {
  choose_spans(b);
  work->task = span_task;
  work->tasks = count_tasks(b);
  const int most = SCRATCH_LIMIT / SPAN;
  work->threads = work->threads < most ? work->threads : most;
  b->buffer = calloc((size_t)work->threads, sizeof *b->buffer);
  int result = b->buffer != NULL ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
  for (int i = 0; i < work->threads && result == BEAMCAST_OK; i++) {
    b->buffer[i] = malloc(SPAN);
    result = b->buffer[i] != NULL ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
  }
  if (result != BEAMCAST_OK) {
    beamcast_fail(error, result, "No memory for the buffers of a read");
  } else {
    b->job->report->scratch_bytes = (uint64_t)work->threads * SPAN;
    result = threads_run(work, error);
  }
  for (int i = 0; i < work->threads && b->buffer != NULL; i++) {
    free(b->buffer[i]);
  }
  free(b->buffer);
  return result;
}

int read_bytes(read_job *job, const char *file_name, uint64_t offset, beamcast_error *error) {
  byte_job b = {.job = job, .file_name = file_name, .offset = offset, .group = 1};
  int result = thread_files_open(&b.files, file_name, job->threads, error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  uint64_t stride = job->select.convert.from.bytes, run;
  for (int d = job->select.dimensions - 1; d >= 0; d--) {
    b.stride[d] = stride;
    stride *= job->select.shape[d];
  }
  thread_job work = {.context = &b,
                     .threads = job->threads,
                     .apart = 1,
                     .progress = job->progress,
                     .progress_context = job->context};
  b.depth = run_depth(&b, &run);
  if (run >= RUN_MIN) {
    b.pieces = (run + PIECE - 1) / PIECE;
    work.task = run_task;
    work.tasks = count_tasks(&b) * b.pieces;
    result = threads_run(&work, error);
  } else {
    result = read_through_buffers(&b, &work, error);
  }
  thread_files_close(&b.files);
  job->report->bytes_read = atomic_load(&b.bytes);
  job->report->threads = work.threads;
  job->report->way = "pread";
  return result;
}
