/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Geometry: coordinates along the axes, their units, and which dimension is which.
 */
#include "inspect.h"

#include <math.h>
#include <stdlib.h>

enum { AXIS_MAX = 1 << 20 };

axis_scale read_axis(hid_t where, const char *path, uint64_t length) {
  axis_scale scale = {0};
  double *values = malloc(sizeof *values * (AXIS_MAX + 1));
  size_t count = 0;
  if (values != NULL && length < AXIS_MAX) {
    count = h5_dataset_numbers(where, path, values, AXIS_MAX);
  }
  if (count == length && count > 1) {
    scale.spacing = (values[count - 1] - values[0]) / (double)(count - 1);
    scale.origin = values[0];
  } else if (count == length + 1 && count > 1) { /* borders of the voxels, not their centres */
    scale.spacing = (values[count - 1] - values[0]) / (double)(count - 1);
    scale.origin = values[0] + scale.spacing / 2;
  } else if (count == 1) { /* the size of one voxel */
    scale.spacing = values[0];
  }
  free(values);
  scale.known = isfinite(scale.spacing) && scale.spacing != 0 && isfinite(scale.origin);
  scale.down = scale.known && scale.spacing < 0;
  hid_t dataset = scale.known ? H5Dopen2(where, path, H5P_DEFAULT) : -1;
  if (dataset >= 0) {
    char *unit = h5_attribute_text(dataset, "units");
    unit = unit != NULL ? unit : h5_attribute_text(dataset, "unit");
    scale.metres = unit_metres(unit, scale.unit);
    free(unit);
    H5Dclose(dataset);
  }
  return scale;
}

void apply_scales(volume *v, const axis_scale scale[3]) {
  int reference = -1;
  for (int axis = 0; axis < 3 && reference < 0; axis++) { /* a length, if there is any */
    reference = scale[axis].known && scale[axis].metres > 0 ? axis : -1;
  }
  for (int axis = 0; axis < 3 && reference < 0; axis++) {
    reference = scale[axis].known && scale[axis].unit[0] == 0 ? axis : -1;
  }
  if (reference < 0) {
    return;
  }
  const axis_scale *r = &scale[reference];
  v->about.spacing_known = 1;
  v->about.unit_metres = r->metres;
  snprintf(v->unit, sizeof v->unit, "%s", r->metres > 0 ? r->unit : "");
  for (int axis = 0; axis < 3; axis++) {
    const axis_scale *s = &scale[axis];
    const int alike =
        s->known && (s->metres > 0) == (r->metres > 0) && (s->metres > 0 || s->unit[0] == 0);
    double factor = alike && s->metres > 0 ? s->metres / r->metres : 1;
    v->about.spacing[axis] = alike ? fabs(s->spacing) * factor : fabs(r->spacing);
    v->about.origin[axis] = alike ? s->origin * factor : 0;
    v->flip[axis] = alike && s->down;
    const int dimension = volume_dimension(v, axis);
    if (v->flip[axis] && dimension >= 0) { /* the lowest coordinate is that of the last voxel */
      v->about.origin[axis] -= v->about.spacing[axis] * (double)(v->about.shape[dimension] - 1);
    }
  }
}

void roles_from_names(volume *v, const char *const *names) {
  const int n = v->about.dimensions;
  int role[MAX_DIMS], taken[6] = {0}, spatial = 0;
  for (int i = 0; i < n; i++) {
    spatial += v->about.role[i] != BEAMCAST_HDF5_COMPONENT;
  }
  for (int i = 0; i < n; i++) {
    role[i] = v->about.role[i] == BEAMCAST_HDF5_COMPONENT ? BEAMCAST_HDF5_COMPONENT
              : names[i] != NULL                          ? axis_role(names[i])
                                                          : -1;
    if (role[i] == BEAMCAST_HDF5_COMPONENT && v->about.shape[i] > 16) {
      role[i] = -1;
    }
    /* Up to three dimensions are the space that is shown, whatever they are called. */
    if (spatial <= 3 && (role[i] == BEAMCAST_HDF5_TIME || role[i] == BEAMCAST_HDF5_CHANNEL)) {
      role[i] = -1;
    }
    if (role[i] >= 0 && taken[role[i]]++) {
      return; /* two dimensions of one name: keep the usual order */
    }
  }
  if (spatial == 2 && taken[BEAMCAST_HDF5_Z]) {
    return;
  }
  static const int order[] = {BEAMCAST_HDF5_X, BEAMCAST_HDF5_Y, BEAMCAST_HDF5_Z, BEAMCAST_HDF5_TIME,
                              BEAMCAST_HDF5_CHANNEL};
  for (int i = n - 1; i >= 0; i--) {
    for (int k = 0; k < 5 && role[i] < 0; k++) {
      if (!taken[order[k]]) {
        role[i] = order[k];
        taken[order[k]] = 1;
      }
    }
    if (role[i] < 0) {
      return;
    }
  }
  if (taken[BEAMCAST_HDF5_X] && taken[BEAMCAST_HDF5_Y]) {
    memcpy(v->about.role, role, sizeof(int) * (size_t)n);
  }
}
