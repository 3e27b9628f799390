// SPDX-License-Identifier: BSD-3-Clause
//
// What all ranks know of a step: its grid, its arrays, and who has which box.
#ifndef BeamcastCatalystStepData_h
#define BeamcastCatalystStepData_h

#include "Brick.h"

class vtkImageData;

namespace beamcast {

// The whole volume. Plain numbers, so that it travels as bytes.
struct Grid {
  int64_t Points[3] = {0, 0, 0};
  double Spacing[3] = {1, 1, 1}, Origin[3] = {0, 0, 0};
  double Direction[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  char LengthUnit[64] = "";
  bool Same(const Grid &other) const;
  void Describe(const Box &box, vtkImageData *image) const; // box may be empty
};

// Collective: ranks tell each other their boxes, and whether all goes well. A rank without bricks
// takes grid and arrays from the others. mine: what went wrong on this rank; it is returned there,
// and BEAMCAST_DROPPED on the others.
int Agree(MPI_Comm communicator, const beamcast_error *mine, Grid *grid, std::vector<Brick> *bricks,
          Parts *parts, beamcast_error *error);

// As in a stream's steps: time, step, units, and the producer's annotations; <array>_fill, too,
// where there are voxels that no rank has.
void AddFieldData(vtkImageData *image, uint64_t step, double time, const Grid &grid,
                  const std::vector<Brick> &bricks, const Parts &parts, const char *header);

} // namespace beamcast

#endif
