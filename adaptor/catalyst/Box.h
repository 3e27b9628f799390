// SPDX-License-Identifier: BSD-3-Clause
//
// Boxes of points of the whole volume, and which of them each rank owns and draws. No MPI, no VTK:
// every rank works the same out of the same boxes.
#ifndef BeamcastCatalystBox_h
#define BeamcastCatalystBox_h

#include <cstdint>
#include <string>
#include <vector>

namespace beamcast {

// Points lo..hi, both included, in x, y, z. Empty where lo > hi in any axis.
struct Box {
  int64_t Lo[3] = {0, 0, 0};
  int64_t Hi[3] = {-1, -1, -1};
  bool Empty() const;
  int64_t Size(int axis) const {
    return this->Hi[axis] - this->Lo[axis] + 1;
  }
  int64_t Points() const; // 0 when empty
  bool Contains(const Box &other) const;
  bool operator==(const Box &other) const;
};

Box Intersect(const Box &a, const Box &b);
Box Union(const Box &a, const Box &b); // the box around both

// What ranks have put, made into parts. A point belongs to one rank. Neighbouring parts share a
// plane of points: what a rank draws ends with its upper neighbours' first planes, so that no
// layer of cells is missing between them, and none is there twice.
struct Parts {
  std::vector<Box> Put, Owned, Drawn; // per rank
  std::string Problem;                // not empty: the boxes can't be shared out
};

// volume: points of the whole.
Parts ShareOut(const std::vector<Box> &put, const int64_t volume[3]);

// The regions beyond what a rank has put that its picture needs: 0 to 2 are the last planes of what
// it draws, in x, y, z, where they are not its own; 3 to 8 the planes beyond its six faces, -x +x
// -y +y -z +z, for gradients. Empty where there is none, or where it is not owned entirely.
enum { Regions = 9 };
Box Region(const Parts &parts, int rank, int region);

} // namespace beamcast

#endif
