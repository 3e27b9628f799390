// SPDX-License-Identifier: BSD-3-Clause
#include "Brick.h"

#include <algorithm>
#include <climits>
#include <cstring>

namespace beamcast {

namespace {

// Calls row(first point of the row, points) for every row of the box in x.
template <class Row> void ForRows(const Box &box, Row row) {
  if (box.Empty()) {
    return;
  }
  for (int64_t z = box.Lo[2]; z <= box.Hi[2]; z++) {
    for (int64_t y = box.Lo[1]; y <= box.Hi[1]; y++) {
      const int64_t first[3] = {box.Lo[0], y, z};
      row(first, box.Size(0));
    }
  }
}

// Copies box out of a brick, packed; returns the end of what was written.
char *Pack(const Brick &brick, const Box &box, char *to) {
  const size_t size = brick.PointBytes();
  ForRows(box, [&](const int64_t first[3], int64_t count) {
    const char *from = brick.At(first);
    if (brick.Stride[0] == static_cast<int64_t>(size)) {
      std::memcpy(to, from, static_cast<size_t>(count) * size);
    } else {
      for (int64_t i = 0; i < count; i++) {
        std::memcpy(to + static_cast<size_t>(i) * size, from + i * brick.Stride[0], size);
      }
    }
    to += static_cast<size_t>(count) * size;
  });
  return to;
}

// The reverse: packed points of part into their places in whole, packed too.
void Place(const char *from, const Box &part, const Box &whole, size_t size, char *to) {
  const int64_t row = whole.Size(0), rows = whole.Size(1);
  ForRows(part, [&](const int64_t first[3], int64_t count) {
    const int64_t at =
        first[0] - whole.Lo[0] + row * (first[1] - whole.Lo[1] + rows * (first[2] - whole.Lo[2]));
    std::memcpy(to + static_cast<size_t>(at) * size, from, static_cast<size_t>(count) * size);
    from += static_cast<size_t>(count) * size;
  });
}

// Whether the bricks are one strided block that begins at first.Data.
bool OneBlock(const std::vector<Brick> &bricks, const Brick &first) {
  return std::all_of(bricks.begin(), bricks.end(), [&](const Brick &brick) {
    return !brick.Kept && std::equal(brick.Stride, brick.Stride + 3, first.Stride) &&
           brick.Data == first.At(brick.Put.Lo);
  });
}

// Memory of the brick's own for all its points, one after the other.
char *OwnMemory(Brick *brick) {
  const size_t size = brick->PointBytes();
  brick->Kept =
      std::make_shared<std::vector<char>>(static_cast<size_t>(brick->Put.Points()) * size);
  brick->Data = brick->Kept->data();
  brick->Stride[0] = static_cast<int64_t>(size);
  for (int a = 1; a < 3; a++) {
    brick->Stride[a] = brick->Stride[a - 1] * brick->Put.Size(a - 1);
  }
  return brick->Kept->data();
}

} // namespace

const char *Brick::At(const int64_t point[3]) const {
  const char *at = this->Data;
  for (int a = 0; a < 3; a++) {
    at += (point[a] - this->Put.Lo[a]) * this->Stride[a];
  }
  return at;
}

bool Brick::Contiguous() const {
  const size_t value = std::max<size_t>(1, beamcast_type_size(this->Type));
  if (reinterpret_cast<uintptr_t>(this->Data) % value != 0) {
    return false; // VTK reads whole values
  }
  int64_t expected = static_cast<int64_t>(this->PointBytes());
  for (int a = 0; a < 3; a++) {
    const int64_t points = this->Put.Size(a);
    if (points > 1 && this->Stride[a] != expected) {
      return false;
    }
    expected *= points;
  }
  return true;
}

Brick Packed(const Brick &brick) {
  Brick packed = brick;
  Pack(brick, brick.Put, OwnMemory(&packed));
  return packed;
}

int Merge(const std::vector<Brick> &bricks, Brick *merged, beamcast_error *error) {
  Box whole = bricks[0].Put;
  int64_t points = 0;
  const Brick *first = &bricks[0];
  for (size_t i = 0; i < bricks.size(); i++) {
    whole = Union(whole, bricks[i].Put);
    points += bricks[i].Put.Points();
    for (size_t j = 0; j < i; j++) {
      if (!Intersect(bricks[i].Put, bricks[j].Put).Empty()) {
        return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                             "in process a rank's bricks of %.60s must not overlap: put each voxel "
                             "once in a step",
                             bricks[0].Name.c_str());
      }
    }
    if (std::equal(bricks[i].Put.Lo, bricks[i].Put.Lo + 3, whole.Lo)) {
      first = &bricks[i];
    }
  }
  if (points != whole.Points()) {
    return beamcast_fail(
        error, BEAMCAST_ERR_UNSUPPORTED,
        "in process a rank's bricks must make up one box, and those of %.60s don't "
        "(%lld of the %lld voxels of the box around them): put a box per rank, or "
        "stream to a server",
        bricks[0].Name.c_str(), static_cast<long long>(points),
        static_cast<long long>(whole.Points()));
  }
  *merged = *first;
  merged->Put = whole;
  if (bricks.size() == 1) {
    return BEAMCAST_OK;
  }
  if (OneBlock(bricks, *first)) {
    return BEAMCAST_OK;
  }
  char *to = OwnMemory(merged);
  for (const Brick &brick : bricks) {
    const Brick packed = Packed(brick);
    Place(packed.Data, packed.Put, whole, merged->PointBytes(), to);
  }
  return BEAMCAST_OK;
}

int Exchange(const Parts &parts, const Brick &brick, MPI_Comm communicator, Planes *planes,
             beamcast_error *error) {
  int me = 0, ranks = 1;
  MPI_Comm_rank(communicator, &me);
  MPI_Comm_size(communicator, &ranks);
  const size_t size = std::max<size_t>(1, brick.PointBytes());
  for (int r = 0; r < ranks; r++) { // the same answer on every rank
    for (int region = 0; region < Regions; region++) {
      if (Region(parts, r, region).Points() > static_cast<int64_t>(INT_MAX / size)) {
        return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                             "a plane between two ranks has over 2 GiB: use more ranks, or cut the "
                             "volume along another axis");
      }
    }
  }
  struct Arrival {
    int Rank, Region;
    Box Part;
    std::vector<char> Data;
  };
  std::vector<Arrival> arrivals;
  std::vector<std::vector<char>> sent;
  std::vector<MPI_Request> requests;
  for (int region = 0; region < Regions; region++) {
    const Box mine = Region(parts, me, region);
    planes->Data[region].assign(static_cast<size_t>(mine.Points()) * size, 0);
    for (int r = 0; r < ranks; r++) {
      const Box part = Intersect(mine, parts.Owned[r]);
      if (!mine.Empty() && !part.Empty()) {
        arrivals.push_back(
            {r, region, part, std::vector<char>(static_cast<size_t>(part.Points()) * size)});
      }
    }
  }
  for (Arrival &arrival : arrivals) {
    if (arrival.Rank == me) {
      Pack(brick, arrival.Part, arrival.Data.data());
    } else {
      requests.emplace_back();
      MPI_Irecv(arrival.Data.data(), static_cast<int>(arrival.Data.size()), MPI_BYTE, arrival.Rank,
                arrival.Region, communicator, &requests.back());
    }
  }
  for (int r = 0; r < ranks; r++) {
    for (int region = 0; r != me && region < Regions; region++) {
      const Box theirs = Region(parts, r, region);
      const Box part = Intersect(theirs, parts.Owned[me]);
      if (theirs.Empty() || part.Empty()) {
        continue;
      }
      sent.emplace_back(static_cast<size_t>(part.Points()) * size);
      Pack(brick, part, sent.back().data());
      requests.emplace_back();
      MPI_Isend(sent.back().data(), static_cast<int>(sent.back().size()), MPI_BYTE, r, region,
                communicator, &requests.back());
    }
  }
  MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  for (const Arrival &arrival : arrivals) {
    Place(arrival.Data.data(), arrival.Part, Region(parts, me, arrival.Region), size,
          planes->Data[arrival.Region].data());
  }
  return BEAMCAST_OK;
}

} // namespace beamcast
