// SPDX-License-Identifier: BSD-3-Clause
//
// Between vtkImageData and xac_volume: which points a rank owns, and where they lie in memory.
#ifndef XACImage_h
#define XACImage_h

#include "vtkSmartPointer.h"
#include "xac.h"

#include <string>

class vtkDataArray;
class vtkImageData;
class vtkMultiProcessController;

// The whole volume, the same on every rank.
struct XACWhole {
  int Extent[6] = {0, -1, 0, -1, 0, -1}; // of all owned points
  double Origin[3] = {0, 0, 0};
  double Spacing[3] = {1, 1, 1};
  double Direction[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  bool Valid() const {
    return this->Extent[1] >= this->Extent[0];
  }
  // World bounds of the points; not valid when there are none.
  void GetBounds(double bounds[6]) const;
  // The bounds of a part of it as they are drawn: a whole one point thick is drawn a cell thick.
  void Thicken(const double bounds[6], double thick[6]) const;
};

// Extent of the image's points without ghost layers; empty (1 below 0) for a null image.
void XACOwnedExtent(vtkImageData *image, int owned[6]);

// Collective over the controller (may be null): the union of what all ranks own.
XACWhole XACGatherWhole(vtkImageData *image, const int owned[6],
                        vtkMultiProcessController *controller);

// The array itself where it can be drawn in place, else a copy of float, and a sentence about it.
vtkSmartPointer<vtkDataArray> XACDrawable(vtkDataArray *array, std::string *notice);

// The brick that a rank's image is, colours taken from a component of array. Ghost planes become
// border planes, in place. matrix: of the prop, row-major 4 x 4, or null. Without image or array
// the brick is empty. Returns a beamcast_code.
int XACMakeVolume(vtkImageData *image, vtkDataArray *array, int component, const int owned[6],
                  const XACWhole &whole, const double *matrix, bool nearest, xac_volume *volume,
                  beamcast_error *error);

// Sums the coarse grid over all ranks and finishes the light; collective where light is needed on
// any rank. Returns a beamcast_code.
int XACShareLight(xac_renderer *renderer, vtkMultiProcessController *controller,
                  beamcast_error *error);

// Bounds of a box that a prop's matrix has put into the world; a box of nothing stays.
void XACPlaceBounds(const double *matrix, const double box[6], double bounds[6]);

// The values under which the parts lo and hi (0 to 1) of all ranks' finite values lie; 0, 0 where
// there are none. Outliers do not matter: the bins follow what they hold. Collective.
void XACFindWindow(xac_renderer *renderer, vtkMultiProcessController *controller, double lo,
                   double hi, double window[2]);

// Worker threads for a rank: the processors it may use, shared with the other ranks of its host.
int XACThreads();

// Kernel bits of a name ("local+occlusion"), -1 when it is none: then it is a file's path.
int XACKernelBits(const char *name);

#endif
