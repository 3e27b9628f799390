// SPDX-License-Identifier: BSD-3-Clause
//
// One array of one rank in one step, and the planes around it that other ranks have.
#ifndef BeamcastCatalystBrick_h
#define BeamcastCatalystBrick_h

#include "Box.h"
#include "beamcast.h"

#include "vtkSmartPointer.h"

#include <memory>
#include <mpi.h>
#include <string>
#include <vector>

class vtkDataArray;

namespace beamcast {

struct Brick {
  std::string Name, Unit;
  int Type = BEAMCAST_FLOAT32;
  int Components = 1;
  double Fill = 0; // of the voxels that no rank has
  Box Put;
  const char *Data = nullptr;              // the point Put.Lo
  int64_t Stride[3] = {0, 0, 0};           // bytes
  std::shared_ptr<std::vector<char>> Kept; // where Data lies, unless it is the producer's
  size_t PointBytes() const {
    return beamcast_type_size(this->Type) * static_cast<size_t>(this->Components);
  }
  const char *At(const int64_t point[3]) const;
  bool Contiguous() const;
};

// A brick of the same points, in one block of memory of ours.
Brick Packed(const Brick &brick);

// Several bricks of one array made into one: in place where they follow each other in memory, else
// copied. Error: they don't make up a box, or overlap.
int Merge(const std::vector<Brick> &bricks, Brick *merged, beamcast_error *error);

// The planes of Region(), each packed; empty where there is none.
struct Planes {
  std::vector<char> Data[Regions];
};

// Collective over the communicator: every rank gets the planes it needs from those that own them.
// All ranks have the same type and components; brick is not looked at on ranks that own nothing.
int Exchange(const Parts &parts, const Brick &brick, MPI_Comm communicator, Planes *planes,
             beamcast_error *error);

// The brick as a VTK array of the points parts.Drawn[rank], over the producer's memory where that
// is contiguous, else a copy. planes must outlive it. Float16 becomes float32, in a copy.
vtkSmartPointer<vtkDataArray> MakeArray(const Parts &parts, int rank, const Brick &brick,
                                        Planes *planes);

} // namespace beamcast

#endif
