/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What to read: region, stride that fits memory, window, and the cut into pieces.
 */
#include "read.h"

#include <math.h>
#include <stdlib.h>

static uint64_t free_memory(void) {
  FILE *info = fopen("/proc/meminfo", "re");
  char line[200];
  unsigned long long kib = 0;
  while (info != NULL && fgets(line, sizeof line, info) != NULL) {
    if (sscanf(line, "MemAvailable: %llu", &kib) == 1) {
      break;
    }
  }
  if (info != NULL) {
    fclose(info);
  }
  return kib > 0 ? (uint64_t)kib * 1024 : (uint64_t)4 << 30;
}

static uint64_t samples_of(const beamcast_hdf5_plan *plan, int axis, uint64_t stride) {
  const uint64_t voxels = plan->region[2 * axis + 1] - plan->region[2 * axis];
  return stride < 2 ? voxels : (voxels - 1) / stride + 1; /* a region is never empty */
}

/* As a double: sizes of huge files times huge strides must not wrap. */
static double bytes_at(const beamcast_hdf5_plan *plan, const uint64_t stride[3]) {
  double bytes = (double)beamcast_hdf5_sample_bytes(plan);
  for (int axis = 0; axis < 3; axis++) {
    bytes *= (double)samples_of(plan, axis, stride[axis]);
  }
  return bytes;
}

static int take_region(const char *path, const uint64_t size[3], const beamcast_hdf5_wish *wish,
                       beamcast_hdf5_plan *plan, beamcast_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    uint64_t low = wish->region[2 * axis], high = wish->region[2 * axis + 1];
    if (high == 0) {
      low = 0;
      high = size[axis];
    }
    if (low >= high || high > size[axis]) {
      return beamcast_fail(
          error, BEAMCAST_ERR_ARGUMENT,
          "The region %llu:%llu along %c is not in %s, which has %llu voxels there",
          (unsigned long long)low, (unsigned long long)high, "xyz"[axis], path,
          (unsigned long long)size[axis]);
    }
    plan->region[2 * axis] = low;
    plan->region[2 * axis + 1] = high;
  }
  return BEAMCAST_OK;
}

/* stride along the axes that the wish leaves open, at most one sample there. */
static void set_stride(const beamcast_hdf5_wish *wish, beamcast_hdf5_plan *plan, uint64_t stride) {
  for (int axis = 0; axis < 3; axis++) {
    const uint64_t voxels = plan->region[2 * axis + 1] - plan->region[2 * axis];
    plan->stride[axis] = wish->stride[axis] > 0 ? wish->stride[axis]
                         : stride < voxels      ? stride
                                                : voxels;
  }
}

static int choose_stride(const beamcast_hdf5_wish *wish, beamcast_hdf5_plan *plan,
                         beamcast_error *error) {
  const double limit = (double)(wish->memory_limit > 0 ? wish->memory_limit : free_memory() / 2);
  const double gib = 1024.0 * 1024 * 1024;
  set_stride(wish, plan, 1);
  const double full = bytes_at(plan, plan->stride);
  if (full > limit) { /* the smallest stride of all open axes that fits; 1 does not */
    uint64_t low = 1, high = 1;
    for (int axis = 0; axis < 3; axis++) {
      const uint64_t voxels = plan->region[2 * axis + 1] - plan->region[2 * axis];
      high = wish->stride[axis] == 0 && voxels > high ? voxels : high;
    }
    plan->reduced = high > 1;
    while (low + 1 < high) {
      const uint64_t middle = low + (high - low) / 2;
      set_stride(wish, plan, middle);
      if (bytes_at(plan, plan->stride) > limit) {
        low = middle;
      } else {
        high = middle;
      }
    }
    set_stride(wish, plan, high);
  }
  const double bytes = bytes_at(plan, plan->stride);
  if (bytes > limit) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "%llu x %llu x %llu samples of %zu bytes are %.2f GiB, the limit is %.2f "
                         "GiB; take a larger stride, a smaller region or type, or raise the limit",
                         (unsigned long long)samples_of(plan, 0, plan->stride[0]),
                         (unsigned long long)samples_of(plan, 1, plan->stride[1]),
                         (unsigned long long)samples_of(plan, 2, plan->stride[2]),
                         beamcast_hdf5_sample_bytes(plan), bytes / gib, limit / gib);
  }
  if (plan->reduced) {
    snprintf(plan->note, sizeof plan->note,
             "Every %llu x %llu x %llu. voxel is shown (%.2f of %.2f GiB), as all of them are more "
             "than the limit of %.2f GiB; set a region, a stride or the limit",
             (unsigned long long)plan->stride[0], (unsigned long long)plan->stride[1],
             (unsigned long long)plan->stride[2], bytes / gib, full / gib, limit / gib);
  }
  plan->bytes = (uint64_t)bytes;
  for (int axis = 0; axis < 3; axis++) {
    plan->samples[axis] = samples_of(plan, axis, plan->stride[axis]);
  }
  return BEAMCAST_OK;
}

int beamcast_hdf5_plan_size(const char *name, const uint64_t size[3], int type, int components,
                            const beamcast_hdf5_wish *wish, beamcast_hdf5_plan *plan,
                            beamcast_error *error) {
  memset(plan, 0, sizeof *plan);
  plan->type = type;
  plan->components = components;
  const int result = take_region(name, size, wish, plan, error);
  return result == BEAMCAST_OK ? choose_stride(wish, plan, error) : result;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The 0.1 and 99.9 percentiles of about 16 planes of at most 128 x 128 samples. */
static int sample_window(beamcast_hdf5_file *file, beamcast_hdf5_plan *plan,
                         beamcast_error *error) {
  beamcast_hdf5_plan coarse = *plan;
  uint64_t count = 1;
  int64_t extent[6] = {0};
  static const uint64_t wanted[3] = {128, 128, 16};
  coarse.type = BEAMCAST_FLOAT64;
  coarse.window[0] = coarse.window[1] = 0;
  for (int axis = 0; axis < 3; axis++) {
    coarse.stride[axis] = samples_of(plan, axis, wanted[axis]);
    coarse.samples[axis] = samples_of(plan, axis, coarse.stride[axis]);
    extent[2 * axis + 1] = (int64_t)coarse.samples[axis] - 1;
    count *= coarse.samples[axis];
  }
  count *= (uint64_t)plan->components;
  double *values = malloc(count * sizeof *values);
  if (values == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for %llu samples",
                         (unsigned long long)count);
  }
  int result =
      beamcast_hdf5_read(file, &coarse, extent, NULL, values, count * sizeof *values, NULL, error);
  uint64_t finite = 0;
  for (uint64_t i = 0; i < count && result == BEAMCAST_OK; i++) {
    if (isfinite(values[i])) {
      values[finite++] = values[i];
    }
  }
  if (result == BEAMCAST_OK) {
    plan->window[0] = 0;
    plan->window[1] = 1;
  }
  if (result == BEAMCAST_OK && finite > 0) {
    qsort(values, finite, sizeof *values, compare);
    plan->window[0] = values[(uint64_t)(0.001 * (double)(finite - 1))];
    plan->window[1] = values[(uint64_t)ceil(0.999 * (double)(finite - 1))];
    if (plan->window[1] <= plan->window[0]) {
      plan->window[1] = plan->window[0] + 1;
    }
  }
  free(values);
  return result;
}

static int choose_type(beamcast_hdf5_file *file, const beamcast_hdf5_wish *wish,
                       beamcast_hdf5_plan *plan, beamcast_error *error) {
  const volume *v = &file->volumes[plan->volume];
  const int own = v->element.type;
  plan->type = wish->type != 0 ? wish->type : own;
  plan->complex_parts = wish->complex_parts;
  plan->components = v->about.components;
  if (wish->type == 0 && v->element.complex && own == BEAMCAST_FLOAT16) {
    plan->type = BEAMCAST_FLOAT32;
  }
  const int small = plan->type == BEAMCAST_UINT8 || plan->type == BEAMCAST_INT8 ||
                    plan->type == BEAMCAST_UINT16 || plan->type == BEAMCAST_INT16;
  const int given = wish->window[0] != wish->window[1];
  voxel_conversion conversion;
  static const double any[2] = {0, 1};
  if (small && (given || plan->type != own)) {
    memcpy(plan->window, given ? wish->window : any, sizeof any);
  }
  if (voxel_conversion_make(&conversion, &v->element, plan->type, plan->window,
                            plan->complex_parts) != 0 ||
      (v->element.complex && !plan->complex_parts && plan->type != BEAMCAST_FLOAT32 &&
       plan->type != BEAMCAST_FLOAT64)) {
    const char *name = voxel_type_name(plan->type);
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "%s%s of %s can't become %s; float32, float64 and (by a window of values) "
                         "8 and 16 bit integers can be had",
                         v->element.complex ? "Complex " : "", voxel_type_name(own), v->path,
                         name != NULL ? name : "a type of that number");
  }
  return BEAMCAST_OK;
}

/* How many chunk layers are decoded by all ranks together, for each of the volume's own, when it is
 * cut along axis: each cut shares a plane, so its layer is decoded on both sides. */
static double repeated(const beamcast_hdf5_plan *plan, uint64_t thick, int axis) {
  const double layers = ceil((double)(plan->region[2 * axis + 1] - plan->region[2 * axis]) /
                             (double)(thick > 0 ? thick : 1));
  return (layers + plan->ranks - 1) / layers;
}

static void choose_cut(const volume *v, beamcast_hdf5_plan *plan) {
  double best = INFINITY;
  plan->cut_axis = BEAMCAST_HDF5_Z;
  /* The slowest dimension of the file first: its pieces are runs of bytes. */
  for (int d = 0; d < v->about.dimensions; d++) {
    const int axis = v->about.role[d];
    if (axis > BEAMCAST_HDF5_Z || plan->samples[axis] <= (uint64_t)plan->ranks) {
      continue;
    }
    const double cost = repeated(plan, v->about.chunk[d], axis);
    if (cost < best / 1.3) {
      best = cost;
      plan->cut_axis = axis;
      plan->layer = v->about.chunk[d];
    }
  }
  if (isinf(best)) { /* few samples everywhere: the longest axis */
    for (int axis = 0; axis < 3; axis++) {
      plan->cut_axis = plan->samples[axis] > plan->samples[plan->cut_axis] ? axis : plan->cut_axis;
    }
  }
  if (v->frames != NULL && plan->cut_axis == BEAMCAST_HDF5_Z) {
    plan->layer = 0; /* picked frames are not in step with chunks */
  }
  if (plan->layer > 1 && v->flip[plan->cut_axis]) {
    plan->layer_0 = v->about.size[plan->cut_axis] % plan->layer;
  }
}

int beamcast_hdf5_plan_read(beamcast_hdf5_file *file, const beamcast_hdf5_wish *wish,
                            beamcast_hdf5_plan *plan, beamcast_error *error) {
  static const beamcast_hdf5_wish all = {0};
  wish = wish != NULL ? wish : &all;
  memset(plan, 0, sizeof *plan);
  if (wish->volume >= file->count) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "Volume %zu was asked; %s has %zu",
                         wish->volume, file->path, file->count);
  }
  const volume *v = &file->volumes[wish->volume];
  plan->volume = wish->volume;
  plan->ranks = wish->ranks > 1 ? wish->ranks : 1;
  int result = take_region(v->path, v->about.size, wish, plan, error);
  if (result == BEAMCAST_OK) {
    result = choose_type(file, wish, plan, error);
  }
  if (result == BEAMCAST_OK) {
    result = choose_stride(wish, plan, error);
  }
  if (result != BEAMCAST_OK) {
    return result;
  }
  for (int axis = 0; axis < 3; axis++) {
    plan->spacing[axis] = v->about.spacing[axis] * (double)plan->stride[axis];
    plan->origin[axis] =
        v->about.origin[axis] + v->about.spacing[axis] * (double)plan->region[2 * axis];
  }
  choose_cut(v, plan);
  const int windowed = plan->window[0] != plan->window[1];
  return windowed && wish->window[0] == wish->window[1] ? sample_window(file, plan, error)
                                                        : BEAMCAST_OK;
}

/* The sample at which piece number i begins. A cut moves, by at most a quarter of a piece, to where
 * it and its neighbours (ghost planes) lie in one chunk layer, which then is decoded twice, not
 * two of them. */
static int64_t cut_at(const beamcast_hdf5_plan *plan, int i, int pieces) {
  const int axis = plan->cut_axis;
  const int64_t last = (int64_t)plan->samples[axis] - 1;
  const int64_t even = (int64_t)llround((double)last * i / pieces);
  if (i == 0 || i == pieces || plan->layer < 3) {
    return even;
  }
  const int64_t reach = last / pieces / 4, layer = (int64_t)plan->layer;
  for (int64_t away = 0; away <= reach; away++) {
    for (int side = -1; side <= 1; side += 2) {
      const int64_t cut = even + side * away;
      const int64_t voxel = (int64_t)plan->region[2 * axis] + cut * (int64_t)plan->stride[axis];
      const int64_t within = (voxel + layer - (int64_t)plan->layer_0) % layer;
      const int64_t ghost = (int64_t)plan->stride[axis];
      if (within >= ghost && within + ghost < layer) {
        return cut;
      }
    }
  }
  return even;
}

void beamcast_hdf5_plan_piece(const beamcast_hdf5_plan *plan, int rank, int ghosts,
                              int64_t extent[6]) {
  const int axis = plan->cut_axis;
  const int64_t last = (int64_t)plan->samples[axis] - 1;
  int pieces = plan->ranks;
  pieces = last > 0 && pieces > last ? (int)last : pieces;
  pieces = last > 0 ? pieces : 1;
  for (int a = 0; a < 3; a++) {
    extent[2 * a] = 0;
    extent[2 * a + 1] = (int64_t)plan->samples[a] - 1;
  }
  if (rank < 0 || rank >= pieces) {
    for (int a = 0; a < 3; a++) {
      extent[2 * a] = 0;
      extent[2 * a + 1] = -1;
    }
    return;
  }
  const int64_t low = cut_at(plan, rank, pieces) - ghosts;
  const int64_t high = cut_at(plan, rank + 1, pieces) + ghosts;
  extent[2 * axis] = low > 0 ? low : 0;
  extent[2 * axis + 1] = high < last ? high : last;
}
