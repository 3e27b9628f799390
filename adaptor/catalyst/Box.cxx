// SPDX-License-Identifier: BSD-3-Clause
#include "Box.h"

#include <algorithm>

namespace beamcast {

bool Box::Empty() const {
  return this->Lo[0] > this->Hi[0] || this->Lo[1] > this->Hi[1] || this->Lo[2] > this->Hi[2];
}

int64_t Box::Points() const {
  if (this->Empty()) {
    return 0;
  }
  return this->Size(0) * this->Size(1) * this->Size(2);
}

bool Box::Contains(const Box &other) const {
  return other.Empty() || Intersect(*this, other) == other;
}

bool Box::operator==(const Box &other) const {
  return std::equal(this->Lo, this->Lo + 3, other.Lo) &&
         std::equal(this->Hi, this->Hi + 3, other.Hi);
}

Box Intersect(const Box &a, const Box &b) {
  Box both;
  for (int i = 0; i < 3; i++) {
    both.Lo[i] = std::max(a.Lo[i], b.Lo[i]);
    both.Hi[i] = std::min(a.Hi[i], b.Hi[i]);
  }
  return both;
}

Box Union(const Box &a, const Box &b) {
  Box both;
  for (int i = 0; i < 3; i++) {
    both.Lo[i] = std::min(a.Lo[i], b.Lo[i]);
    both.Hi[i] = std::max(a.Hi[i], b.Hi[i]);
  }
  return both;
}

namespace {

// Owned boxes don't overlap, so a box is covered when the parts' points add up.
bool Covered(const std::vector<Box> &owned, const Box &box) {
  int64_t points = 0;
  for (const Box &other : owned) {
    points += Intersect(other, box).Points();
  }
  return points == box.Points();
}

// Bricks that overlap agree there: the one that begins later has the points, up to its end.
void TrimTo(Box &box, const Box &put, const Box &other) {
  for (int a = 0; a < 3; a++) {
    if (other.Lo[a] > put.Lo[a] && other.Lo[a] <= box.Hi[a] && other.Hi[a] >= put.Hi[a]) {
      const int b = (a + 1) % 3, c = (a + 2) % 3;
      if (std::max(put.Lo[b], other.Lo[b]) <= std::min(put.Hi[b], other.Hi[b]) &&
          std::max(put.Lo[c], other.Lo[c]) <= std::min(put.Hi[c], other.Hi[c])) {
        box.Hi[a] = other.Lo[a] - 1;
      }
    }
  }
}

} // namespace

Parts ShareOut(const std::vector<Box> &put, const int64_t volume[3]) {
  Parts parts;
  parts.Put = parts.Owned = put;
  const size_t ranks = put.size();
  for (size_t r = 0; r < ranks; r++) {
    for (size_t s = 0; s < ranks; s++) {
      if (s != r && !put[s].Empty() && !put[r].Empty()) {
        TrimTo(parts.Owned[r], put[r], put[s]);
      }
    }
  }
  for (size_t r = 0; r < ranks; r++) {
    for (size_t s = 0; s < r; s++) {
      if (!Intersect(parts.Owned[r], parts.Owned[s]).Empty()) {
        parts.Problem = "the boxes of ranks " + std::to_string(s) + " and " + std::to_string(r) +
                        " overlap in a way that leaves open which of them has which points";
      }
    }
  }
  parts.Drawn = parts.Owned;
  for (size_t r = 0; r < ranks; r++) {
    Box &drawn = parts.Drawn[r];
    for (int a = 0; a < 3 && !drawn.Empty(); a++) {
      Box next = drawn;
      next.Lo[a] = next.Hi[a] = drawn.Hi[a] + 1;
      if (next.Hi[a] < volume[a] && Covered(parts.Owned, next)) {
        drawn.Hi[a]++;
      }
    }
  }
  return parts;
}

Box Region(const Parts &parts, int rank, int region) {
  const Box &put = parts.Put[rank], &drawn = parts.Drawn[rank];
  Box box = drawn;
  if (drawn.Empty()) {
    return Box();
  }
  if (region < 3) {
    if (drawn.Hi[region] <= put.Hi[region]) {
      return Box();
    }
    box.Lo[region] = box.Hi[region];
    for (int a = 0; a < region; a++) {
      box.Hi[a] = drawn.Hi[a];
    }
    for (int a = region + 1; a < 3; a++) {
      box.Hi[a] = std::min(drawn.Hi[a], put.Hi[a]);
    }
    return box;
  }
  const int axis = (region - 3) / 2;
  const bool above = (region - 3) % 2 != 0;
  box.Lo[axis] = box.Hi[axis] = above ? drawn.Hi[axis] + 1 : drawn.Lo[axis] - 1;
  return Covered(parts.Owned, box) ? box : Box();
}

} // namespace beamcast
