/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names of units and of axes, as they are met in files.
 */
#include "volume.h"

#include <ctype.h>
#include <strings.h>

static const struct {
  const char *name, *spelling;
  double metres;
} units[] = {
    {"m", "m", 1},
    {"metre", "m", 1},
    {"meter", "m", 1},
    {"metres", "m", 1},
    {"meters", "m", 1},
    {"cm", "cm", 1e-2},
    {"centimeter", "cm", 1e-2},
    {"centimetre", "cm", 1e-2},
    {"mm", "mm", 1e-3},
    {"millimeter", "mm", 1e-3},
    {"millimetre", "mm", 1e-3},
    {"millimeters", "mm", 1e-3},
    {"um", "um", 1e-6},
    {"\xc2\xb5m", "um", 1e-6}, /* micro sign */
    {"\xce\xbcm", "um", 1e-6}, /* Greek mu */
    {"\xb5m", "um", 1e-6},     /* Latin-1 */
    {"micron", "um", 1e-6},
    {"microns", "um", 1e-6},
    {"micrometer", "um", 1e-6},
    {"micrometre", "um", 1e-6},
    {"micrometers", "um", 1e-6},
    {"nm", "nm", 1e-9},
    {"nanometer", "nm", 1e-9},
    {"nanometre", "nm", 1e-9},
    {"angstrom", "angstrom", 1e-10},
    {"\xc3\x85", "angstrom", 1e-10},
};

double unit_metres(const char *name, char *spelling) {
  if (spelling != NULL) {
    snprintf(spelling, 16, "%.15s", name != NULL ? name : "");
  }
  for (size_t i = 0; name != NULL && i < sizeof units / sizeof units[0]; i++) {
    /* "Mm" and "M" are no metres: one-letter and SI names are told apart by their case. */
    const int exact = strlen(units[i].name) <= 2;
    if ((exact ? strcmp(name, units[i].name) : strcasecmp(name, units[i].name)) == 0) {
      if (spelling != NULL) {
        snprintf(spelling, 16, "%s", units[i].spelling);
      }
      return units[i].metres;
    }
  }
  return 0;
}

static const struct {
  const char *word;
  int role;
} words[] = {
    {"x", BEAMCAST_HDF5_X},
    {"y", BEAMCAST_HDF5_Y},
    {"z", BEAMCAST_HDF5_Z},
    {"theta", BEAMCAST_HDF5_Z},
    {"angle", BEAMCAST_HDF5_Z},
    {"angles", BEAMCAST_HDF5_Z},
    {"slice", BEAMCAST_HDF5_Z},
    {"t", BEAMCAST_HDF5_TIME},
    {"time", BEAMCAST_HDF5_TIME},
    {"timestep", BEAMCAST_HDF5_TIME},
    {"step", BEAMCAST_HDF5_TIME},
    {"c", BEAMCAST_HDF5_CHANNEL},
    {"channel", BEAMCAST_HDF5_CHANNEL},
    {"e", BEAMCAST_HDF5_CHANNEL},
    {"energy", BEAMCAST_HDF5_CHANNEL},
    {"wavelength", BEAMCAST_HDF5_CHANNEL},
    {"lambda", BEAMCAST_HDF5_CHANNEL},
    {"spectrum", BEAMCAST_HDF5_CHANNEL},
    {"rgb", BEAMCAST_HDF5_COMPONENT},
    {"rgba", BEAMCAST_HDF5_COMPONENT},
    {"component", BEAMCAST_HDF5_COMPONENT},
    {"n", BEAMCAST_HDF5_COMPONENT},
};

static int word_role(const char *word, size_t length) {
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strlen(words[i].word) == length && strncasecmp(words[i].word, word, length) == 0) {
      return words[i].role;
    }
  }
  return -1;
}

/* "voxel_x", "detector_y", "rotation_angle", "time": the last word that says something decides. */
int axis_role(const char *name) {
  int role = -1;
  const char *word = name;
  while (*word != 0) {
    size_t length = 0;
    while (isalnum((unsigned char)word[length])) {
      length++;
    }
    int found = length > 0 ? word_role(word, length) : -1;
    role = found >= 0 ? found : role;
    word += length;
    word += *word != 0;
  }
  return role;
}
