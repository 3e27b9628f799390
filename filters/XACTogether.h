// SPDX-License-Identifier: BSD-3-Clause
//
// Several volumes in one picture, which may reach into one another.
#ifndef XACTogether_h
#define XACTogether_h

#include "xac.h"

#include <vector>

// One of the volumes, with what its rays are sampled by.
struct XACLayer {
  xac_renderer *Renderer;
  xac_quality Quality;
  xac_stats *Stats;
  double Corner[8][3]; // of the whole volume, in the world; bit a of the number: the upper end in a
};

// Draws them front to back. Volumes between which a plane fits come one after the other; those that
// may reach into one another are drawn sample by sample on the CPU. Where a device draws, or there
// are more than the renderer takes, they are cut into slabs across the view direction and take
// turns in the slabs that they share. slabs: how many the shared part is cut into. Order and slabs
// depend on the whole volumes and the camera only, so they are the same on every rank. direction:
// the unit view direction. Returns a beamcast_code.
int XACDrawTogether(std::vector<XACLayer> &layers, const xac_camera &camera,
                    const double direction[3], int slabs, xac_image image, beamcast_error *error);

// True where the boxes of two volumes, six world bounds a rank (empty ranks: 1 below 0), can be put
// in one order of the ranks: no rank's part of one reaches into another rank's part of the other.
bool XACSameCut(const std::vector<double> &a, const std::vector<double> &b);

#endif
