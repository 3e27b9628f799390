/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Virtual datasets whose parts are plain blocks: each part is read from its own file in the way
 * that suits it. What has no part, or whose file is missing, has the fill value, as HDF5 itself
 * does it.
 */
#include "inspect.h"
#include "read.h"

#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

/* The block that a selection is; -1 when it is no block of known size. */
static int block_of(hid_t space, int dimensions, uint64_t start[], uint64_t count[]) {
  hsize_t first[MAX_DIMS], stride[MAX_DIMS], blocks[MAX_DIMS], block[MAX_DIMS];
  if (H5Sget_simple_extent_ndims(space) != dimensions) {
    return -1;
  }
  if (H5Sget_select_type(space) == H5S_SEL_ALL) {
    if (H5Sget_simple_extent_dims(space, blocks, NULL) != dimensions) {
      return -1;
    }
    for (int d = 0; d < dimensions; d++) {
      start[d] = 0;
      count[d] = blocks[d];
    }
    return 0;
  }
  if (H5Sget_select_type(space) != H5S_SEL_HYPERSLABS || H5Sis_regular_hyperslab(space) <= 0 ||
      H5Sget_regular_hyperslab(space, first, stride, blocks, block) < 0) {
    return -1;
  }
  for (int d = 0; d < dimensions; d++) {
    if (blocks[d] == H5S_UNLIMITED || block[d] == H5S_UNLIMITED ||
        (blocks[d] > 1 && stride[d] != block[d])) {
      return -1;
    }
    start[d] = first[d];
    count[d] = blocks[d] * block[d];
  }
  return 0;
}

static char *text_of(ssize_t (*get)(hid_t, size_t, char *, size_t), hid_t list, size_t index) {
  const ssize_t length = get(list, index, NULL, 0);
  char *text = length > 0 ? malloc((size_t)length + 1) : NULL;
  if (text != NULL && get(list, index, text, (size_t)length + 1) < 0) {
    free(text);
    text = NULL;
  }
  return text;
}

/* Where the part's file is: the virtual dataset's own ("."), by its path, or beside it. */
static char *source_path(const char *linking, char *name) {
  char folder[4096], path[8300];
  if (name == NULL) {
    return NULL;
  }
  snprintf(folder, sizeof folder, "%s", linking);
  const char *beside = dirname(folder), *base = strrchr(name, '/');
  if (strcmp(name, ".") == 0) {
    snprintf(path, sizeof path, "%s", linking);
  } else {
    snprintf(path, sizeof path, name[0] == '/' ? "%.0s%.4095s" : "%.4095s/%.4095s", beside, name);
    if (access(path, F_OK) != 0 && access(name, F_OK) == 0) {
      snprintf(path, sizeof path, "%.4095s", name);
    } else if (access(path, F_OK) != 0 && base != NULL) {
      snprintf(path, sizeof path, "%.4095s/%.4095s", beside, base + 1);
    }
  }
  free(name);
  return strdup(path);
}

static int take_part(hid_t list, size_t index, const volume *v, const char *linking,
                     virtual_part *part) {
  const int n = v->about.dimensions;
  uint64_t source_count[MAX_DIMS];
  hid_t here = H5Pget_virtual_vspace(list, index), there = H5Pget_virtual_srcspace(list, index);
  int failed = here < 0 || there < 0 || block_of(here, n, part->start, part->count) != 0 ||
               block_of(there, n, part->from, source_count) != 0;
  for (int d = 0; d < n && !failed; d++) {
    failed =
        part->count[d] != source_count[d] || part->start[d] + part->count[d] > v->about.shape[d];
  }
  H5Sclose(here);
  H5Sclose(there);
  if (failed) {
    return -1;
  }
  part->file = source_path(linking, text_of(H5Pget_virtual_filename, list, index));
  part->dataset = text_of(H5Pget_virtual_dsetname, list, index);
  return part->file == NULL || part->dataset == NULL || strchr(part->file, '%') != NULL ||
                 strchr(part->dataset, '%') != NULL
             ? -1
             : 0;
}

void virtual_parts_free(virtual_part *parts, size_t count) {
  for (size_t i = 0; parts != NULL && i < count; i++) {
    free(parts[i].file);
    free(parts[i].dataset);
  }
  free(parts);
}

virtual_part *virtual_parts(hid_t list, const volume *v, const char *linking, size_t *count) {
  if (H5Pget_virtual_count(list, count) < 0 || *count == 0 || *count > 1000000) {
    return NULL;
  }
  virtual_part *parts = calloc(*count, sizeof *parts);
  for (size_t i = 0; parts != NULL && i < *count; i++) {
    if (take_part(list, i, v, linking, &parts[i]) != 0) {
      virtual_parts_free(parts, *count);
      return NULL;
    }
  }
  return parts;
}

/* The positions of a list that lie in [start, start + count), moved to the source; 0 when none do.
 */
static uint64_t cut_list(const selection *s, int d, const virtual_part *part, uint64_t **index,
                         uint64_t *first) {
  uint64_t low = 0, high;
  while (low < s->count[d] && s->index[d][low] < part->start[d]) {
    low++;
  }
  for (high = low; high < s->count[d] && s->index[d][high] < part->start[d] + part->count[d];
       high++) {
  }
  *first = low;
  *index = malloc((high - low + 1) * sizeof **index);
  for (uint64_t i = low; i < high && *index != NULL; i++) {
    (*index)[i - low] = s->index[d][i] - part->start[d] + part->from[d];
  }
  return *index != NULL ? high - low : 0;
}

/* Reads the wanted voxels of one part from its file. */
static int read_source(read_job *job, const virtual_part *part, selection *sub,
                       beamcast_error *error) {
  beamcast_hdf5_file file = {.path = part->file, .id = -1};
  volume source = {.object = part->dataset, .path = part->dataset};
  beamcast_hdf5_read_report report = {.way = ""};
  read_job one = {.file = &file, .v = &source, .threads = job->threads, .report = &report};
  h5_lock();
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
  H5Pset_file_locking(access, 0, 1);
#endif
  file.id = H5Fopen(part->file, H5F_ACC_RDONLY, access);
  H5Pclose(access);
  int result = file.id < 0
                   ? beamcast_fail(error, BEAMCAST_ERR_IO, "%s, a part of %s, can't be opened (%s)",
                                   part->file, job->v->path, h5_last_message())
                   : inspect_dataset(&file, part->dataset, &source, error);
  h5_unlock();
  if (result == BEAMCAST_OK && (source.element.type != job->v->element.type ||
                                source.element.complex != job->v->element.complex ||
                                source.about.dimensions != job->v->about.dimensions)) {
    result = beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                           "%s in %s has another type or shape than the virtual dataset %s",
                           part->dataset, part->file, job->v->path);
  }
  for (int d = 0; d < sub->dimensions && result == BEAMCAST_OK; d++) {
    sub->shape[d] = source.about.shape[d];
    if (part->from[d] + part->count[d] > source.about.shape[d]) {
      result = beamcast_fail(error, BEAMCAST_ERR_IO, "%s in %s is smaller than %s says",
                             part->dataset, part->file, job->v->path);
    }
  }
  if (result == BEAMCAST_OK) {
    sub->convert.from = source.element;
    sub->convert.identity = sub->convert.to == source.element.type && !source.element.swap &&
                            !sub->convert.polar && !sub->convert.windowed;
    one.select = *sub;
    result = open_for_reading(&file, &source, error);
  }
  if (result == BEAMCAST_OK) {
    result = source.open->way == WAY_BYTES
                 ? read_bytes(&one, source.open->file_name, source.open->offset, error)
             : source.open->way == WAY_CHUNKS ? read_chunks(&one, error)
                                              : read_by_library(&one, error);
  }
  h5_lock();
  close_dataset(source.open);
  if (file.id >= 0) {
    H5Fclose(file.id);
  }
  h5_unlock();
  for (size_t i = 0; i < file.missing_count; i++) {
    free(file.missing[i]);
  }
  free(file.missing);
  job->report->bytes_read += report.bytes_read;
  job->report->chunks += report.chunks;
  job->report->threads =
      report.threads > job->report->threads ? report.threads : job->report->threads;
  if (report.scratch_bytes > job->report->scratch_bytes) {
    job->report->scratch_bytes = report.scratch_bytes;
  }
  return result;
}

static int read_part(read_job *job, const virtual_part *part, beamcast_error *error) {
  const selection *s = &job->select;
  selection sub = {.dimensions = s->dimensions, .out = s->out, .convert = s->convert};
  int wanted = 1, result = BEAMCAST_OK;
  for (int d = 0; d < s->dimensions; d++) {
    uint64_t first;
    sub.count[d] = cut_list(s, d, part, &sub.index[d], &first);
    sub.step[d] = s->step[d];
    sub.out += (int64_t)first * s->step[d];
    wanted = wanted && sub.count[d] > 0;
  }
  if (wanted && external_file(job->v->open->file_name, part->file) == 1) {
    result = read_source(job, part, &sub, error);
  }
  selection_free(&sub);
  return result;
}

int read_virtual(read_job *job, beamcast_error *error) {
  const open_dataset *open = job->v->open;
  const selection *s = &job->select;
  uint64_t covered = 0, whole = 1;
  for (int d = 0; d < s->dimensions; d++) {
    whole *= s->shape[d];
  }
  for (size_t i = 0; i < open->parts_count; i++) {
    uint64_t voxels = external_file(open->file_name, open->parts[i].file) == 1;
    for (int d = 0; d < s->dimensions; d++) {
      voxels *= open->parts[i].count[d];
    }
    covered += voxels;
  }
  if (covered < whole) { /* what has no part */
    selection_part all;
    const uint64_t origin[MAX_DIMS] = {0};
    for (int d = 0; d < s->dimensions; d++) {
      all.first[d] = 0;
      all.count[d] = s->count[d];
    }
    selection_copy(s, &all, NULL, origin, s->shape, open->fill);
  }
  int result = BEAMCAST_OK;
  for (size_t i = 0; i < open->parts_count && result == BEAMCAST_OK; i++) {
    result = read_part(job, &open->parts[i], error);
    if (result == BEAMCAST_OK && job->progress != NULL &&
        job->progress(job->context, (double)(i + 1) / (double)open->parts_count) != 0) {
      result = beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "The read was cancelled");
    }
  }
  job->report->way = "virtual";
  return result;
}
