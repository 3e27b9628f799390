// SPDX-License-Identifier: BSD-3-Clause
//
// The ghost arrays of an image. There is a mark for each point and each cell, which for a volume of
// bytes would be two more volumes; but all marks save those of a few planes are zero, and memory
// that was never written takes no place.
#ifndef BeamcastGhostMarks_h
#define BeamcastGhostMarks_h

#include "vtkCellData.h"
#include "vtkDataSetAttributes.h"
#include "vtkImageData.h"
#include "vtkPointData.h"
#include "vtkSmartPointer.h"
#include "vtkUnsignedCharArray.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace beamcast {

// Marks whose range is known, so that nobody has to read them all.
class GhostMarkArray : public vtkUnsignedCharArray {
public:
  static GhostMarkArray *New() {
    auto *made = new GhostMarkArray;
    made->InitializeObjectBase();
    return made;
  }
  unsigned char Least = 0, Greatest = 0;

protected:
  using vtkUnsignedCharArray::ComputeFiniteScalarRange;
  using vtkUnsignedCharArray::ComputeScalarRange;
  bool ComputeScalarRange(double *range, const unsigned char *ghosts,
                          unsigned char skipped) override {
    return ghosts == nullptr ? this->Tell(range)
                             : vtkUnsignedCharArray::ComputeScalarRange(range, ghosts, skipped);
  }
  bool ComputeFiniteScalarRange(double *range, const unsigned char *ghosts,
                                unsigned char skipped) override {
    return ghosts == nullptr
               ? this->Tell(range)
               : vtkUnsignedCharArray::ComputeFiniteScalarRange(range, ghosts, skipped);
  }

private:
  bool Tell(double *range) const {
    range[0] = this->Least;
    range[1] = this->Greatest;
    return true;
  }
};

// The marks of all points, or of the cells between them, along each axis: [Low, High) are own.
class GhostMarks {
public:
  GhostMarks(const int all[6], const int own[6], bool cells) {
    for (int axis = 0; axis < 3; axis++) {
      const int less = cells && all[2 * axis + 1] > all[2 * axis] ? 1 : 0;
      this->Size[axis] = static_cast<int64_t>(all[2 * axis + 1]) - all[2 * axis] + 1 - less;
      this->Low[axis] = static_cast<int64_t>(own[2 * axis]) - all[2 * axis];
      this->High[axis] = static_cast<int64_t>(own[2 * axis + 1]) - all[2 * axis] + 1 - less;
    }
  }

  vtkSmartPointer<vtkUnsignedCharArray> NewArray(unsigned char mark) const {
    const int64_t row = this->Size[0], plane = row * this->Size[1], count = plane * this->Size[2];
    auto *marks = static_cast<unsigned char *>(std::calloc(static_cast<size_t>(count), 1));
    if (marks == nullptr) {
      throw std::bad_alloc();
    }
    for (int64_t z = 0; z < this->Size[2]; z++) {
      if (!this->IsOwn(2, z)) {
        Set(marks + z * plane, plane, mark);
        continue;
      }
      for (int64_t y = 0; y < this->Size[1]; y++) {
        unsigned char *first = marks + z * plane + y * row;
        if (!this->IsOwn(1, y)) {
          Set(first, row, mark);
        } else {
          Set(first, this->Low[0], mark);
          Set(first + this->High[0], row - this->High[0], mark);
        }
      }
    }
    auto array = vtkSmartPointer<GhostMarkArray>::Take(GhostMarkArray::New());
    array->Least = this->HasOwn() ? 0 : mark;
    array->Greatest = this->HasGhosts() ? mark : 0;
    array->SetName(vtkDataSetAttributes::GhostArrayName());
    array->SetArray(marks, count, 0, vtkUnsignedCharArray::VTK_DATA_ARRAY_FREE);
    return array;
  }

private:
  bool IsOwn(int axis, int64_t at) const {
    return at >= this->Low[axis] && at < this->High[axis];
  }
  bool HasOwn() const {
    return this->Low[0] < this->High[0] && this->Low[1] < this->High[1] &&
           this->Low[2] < this->High[2];
  }
  bool HasGhosts() const {
    bool any = !this->HasOwn();
    for (int axis = 0; axis < 3; axis++) {
      any = any || this->Low[axis] > 0 || this->High[axis] < this->Size[axis];
    }
    return any;
  }
  static void Set(unsigned char *first, int64_t count, unsigned char mark) {
    if (count > 0) {
      std::memset(first, mark, static_cast<size_t>(count));
    }
  }

  int64_t Size[3], Low[3], High[3];
};

// Marks what is not within `own` as duplicates; the image's extent is set.
inline void MarkGhosts(vtkImageData *image, const int own[6]) {
  int all[6];
  image->GetExtent(all);
  image->GetPointData()->AddArray(
      GhostMarks(all, own, false).NewArray(vtkDataSetAttributes::DUPLICATEPOINT));
  image->GetCellData()->AddArray(
      GhostMarks(all, own, true).NewArray(vtkDataSetAttributes::DUPLICATECELL));
}

} // namespace beamcast

#endif
