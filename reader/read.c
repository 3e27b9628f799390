/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a plan and an extent to a selection of the dataset, and on to the way that suits its
 * storage.
 */
#include "read.h"

#include <stdlib.h>

size_t beamcast_hdf5_sample_bytes(const beamcast_hdf5_plan *plan) {
  return voxel_type_size(plan->type) * (size_t)plan->components;
}

static int check_extent(const beamcast_hdf5_plan *plan, const int64_t extent[6],
                        beamcast_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    if (extent[2 * axis] < 0 || extent[2 * axis + 1] < extent[2 * axis] ||
        (uint64_t)extent[2 * axis + 1] >= plan->samples[axis]) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "Samples %lld to %lld along %c were asked; there are 0 to %llu",
                           (long long)extent[2 * axis], (long long)extent[2 * axis + 1],
                           "xyz"[axis], (unsigned long long)plan -> samples[axis] - 1);
    }
  }
  return BEAMCAST_OK;
}

/* Positions along a spatial dimension. Those of an axis that runs down are listed from its end. */
static void fill_axis(const volume *v, const beamcast_hdf5_plan *plan, const int64_t extent[6],
                      int axis, selection *s, int d) {
  const uint64_t count = s->count[d], size = v->about.size[axis];
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t sample = (uint64_t)extent[2 * axis] + (v->flip[axis] ? count - 1 - i : i);
    uint64_t voxel = plan->region[2 * axis] + sample * plan->stride[axis];
    voxel = v->flip[axis] ? size - 1 - voxel : voxel;
    s->index[d][i] = axis == BEAMCAST_HDF5_Z && v->frames != NULL ? v->frames[voxel] : voxel;
  }
  if (v->flip[axis]) {
    s->out += (int64_t)(count - 1) * s->step[d];
    s->step[d] = -s->step[d];
  }
}

static int fill_selection(const volume *v, const beamcast_hdf5_plan *plan, const int64_t extent[6],
                          const beamcast_hdf5_read_options *options, const int64_t strides[3],
                          selection *s) {
  s->dimensions = v->about.dimensions;
  for (int d = 0; d < s->dimensions; d++) {
    const int role = v->about.role[d];
    s->shape[d] = v->about.shape[d];
    s->count[d] = role <= BEAMCAST_HDF5_Z ? (uint64_t)(extent[2 * role + 1] - extent[2 * role] + 1)
                  : role == BEAMCAST_HDF5_COMPONENT ? v->about.shape[d]
                                                    : 1;
    s->index[d] = malloc(s->count[d] * sizeof *s->index[d]);
    if (s->index[d] == NULL) {
      return -1;
    }
    if (role <= BEAMCAST_HDF5_Z) {
      s->step[d] = strides[role];
      fill_axis(v, plan, extent, role, s, d);
    } else if (role == BEAMCAST_HDF5_COMPONENT) {
      s->step[d] = (int64_t)s->convert.out_bytes;
      for (uint64_t i = 0; i < s->count[d]; i++) {
        s->index[d][i] = i;
      }
    } else {
      s->index[d][0] = role == BEAMCAST_HDF5_TIME ? options->time : options->channel;
    }
  }
  return 0;
}

static int read_prepared(read_job *job, beamcast_error *error) {
  volume *v = job->v;
  switch (v->kind) {
  case SOURCE_RAW:
    return read_bytes(job, v->data_file, v->data_offset, error);
  case SOURCE_PAGES:
    return read_pages(job, error);
  default:
    switch (v->open->way) {
    case WAY_BYTES:
      return read_bytes(job, v->open->file_name, v->open->offset, error);
    case WAY_CHUNKS:
      return read_chunks(job, error);
    case WAY_VIRTUAL:
      return read_virtual(job, error);
    default:
      return read_by_library(job, error);
    }
  }
}

/* A plan may come from elsewhere: another file of a series, or this one before it changed. */
static int check_plan(const volume *v, const beamcast_hdf5_plan *plan, beamcast_error *error) {
  int fits = plan->components == v->about.components;
  for (int axis = 0; axis < 3 && fits; axis++) {
    const uint64_t low = plan->region[2 * axis], high = plan->region[2 * axis + 1];
    fits = low < high && high <= v->about.size[axis] && plan->stride[axis] > 0 &&
           plan->samples[axis] == (high - low + plan->stride[axis] - 1) / plan->stride[axis];
  }
  return fits ? BEAMCAST_OK
              : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                              "%s is of another size than was planned for; plan again", v->path);
}

int beamcast_hdf5_read(beamcast_hdf5_file *file, const beamcast_hdf5_plan *plan,
                       const int64_t extent[6], const beamcast_hdf5_read_options *options,
                       void *memory, uint64_t memory_bytes, beamcast_hdf5_read_report *report,
                       beamcast_error *error) {
  static const beamcast_hdf5_read_options none = {0};
  beamcast_hdf5_read_report own = {0};
  options = options != NULL ? options : &none;
  report = report != NULL ? report : &own;
  memset(report, 0, sizeof *report);
  report->way = "";
  if (file == NULL || plan == NULL || plan->volume >= file->count) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "The plan is for no volume of this file");
  }
  volume *v = &file->volumes[plan->volume];
  int result = check_plan(v, plan, error);
  if (result == BEAMCAST_OK) {
    result = check_extent(plan, extent, error);
  }
  if (result != BEAMCAST_OK) {
    return result;
  }
  if (options->time >= v->about.times || options->channel >= v->about.channels) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "Time %llu, channel %llu of %s were asked; it has %llu times and %llu "
                         "channels",
                         (unsigned long long)options->time, (unsigned long long)options->channel,
                         v->path, (unsigned long long)v->about.times,
                         (unsigned long long)v->about.channels);
  }
  if (file->stamp != 0 && !file->swmr && !file->options.live &&
      file_stamp(file->path) != file->stamp) {
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%s was changed since it was opened; open it again (or refresh it)",
                         file->path);
  }
  const int64_t sample = (int64_t)beamcast_hdf5_sample_bytes(plan);
  int64_t strides[3] = {sample, 0, 0};
  uint64_t needed = (uint64_t)sample;
  for (int axis = 0; axis < 3; axis++) {
    const int64_t count = extent[2 * axis + 1] - extent[2 * axis] + 1;
    needed *= (uint64_t)count;
    if (axis < 2) {
      strides[axis + 1] = strides[axis] * count;
    }
  }
  if (options->strides[0] != 0) {
    memcpy(strides, options->strides, sizeof strides);
  } else if (needed > memory_bytes) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "The samples need %llu bytes; memory has room for %llu",
                         (unsigned long long)needed, (unsigned long long)memory_bytes);
  }
  read_job job = {.file = file,
                  .v = v,
                  .report = report,
                  .progress = options->progress,
                  .context = options->context};
  job.threads = options->threads > 0 ? options->threads : threads_cores();
  job.threads = job.threads < 256 ? job.threads : 256;
  job.select.out = memory;
  if (voxel_conversion_make(&job.select.convert, &v->element, plan->type, plan->window,
                            plan->complex_parts) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s of %s can't be read as %s",
                         voxel_type_name(v->element.type), v->path, voxel_type_name(plan->type));
  }
  if (fill_selection(v, plan, extent, options, strides, &job.select) != 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for the list of voxels");
  } else if ((result = open_for_reading(file, v, error)) == BEAMCAST_OK) {
    result = read_prepared(&job, error);
  }
  selection_free(&job.select);
  return result;
}
