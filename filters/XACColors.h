// SPDX-License-Identifier: BSD-3-Clause
//
// From ParaView's colours and opacities to the renderer's table, the same on every rank.
#ifndef XACColors_h
#define XACColors_h

#include <vector>

class vtkMultiProcessController;
class vtkVolumeProperty;

struct XACColors {
  std::vector<float> Table; // [entries][4]
  double Range[2];          // values of the first and the last entry
  double UnitDistance;      // world length over which the opacities hold
};

XACColors XACTakeColors(vtkVolumeProperty *property, double unitDistance);

// Where every rank runs the script (pvbatch --symmetric), ParaView fits each rank's colours to the
// values of its own part. Then all take those of the lowest rank that has data, fitted to the
// values of all. Collective over the controller. data: this rank has some. True where ranks
// differed.
bool XACShareColors(XACColors *colors, bool data, vtkMultiProcessController *controller);

#endif
