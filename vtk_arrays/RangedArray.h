// SPDX-License-Identifier: BSD-3-Clause
//
// An ordinary array (vtkFloatArray and so on, by class name, too) whose ranges are found in one
// pass over its memory: ParaView asks for both of them whenever there is another step.
#ifndef BeamcastRangedArray_h
#define BeamcastRangedArray_h

#include "ValueRange.h"

#include "vtkDoubleArray.h"
#include "vtkFloatArray.h"
#include "vtkIntArray.h"
#include "vtkShortArray.h"
#include "vtkSignedCharArray.h"
#include "vtkSmartPointer.h"
#include "vtkUnsignedCharArray.h"
#include "vtkUnsignedIntArray.h"
#include "vtkUnsignedShortArray.h"

namespace beamcast {

template <class Ordinary> class RangedArray : public Ordinary {
public:
  static RangedArray *New() {
    auto *made = new RangedArray;
    made->InitializeObjectBase();
    return made;
  }

protected:
  using Ordinary::ComputeFiniteScalarRange;
  using Ordinary::ComputeScalarRange;
  // Without ghosts, VTK calls these, too.
  bool ComputeScalarRange(double *ranges, const unsigned char *ghosts,
                          unsigned char skipped) override {
    return this->Find(false, ranges, ghosts, skipped);
  }
  bool ComputeFiniteScalarRange(double *ranges, const unsigned char *ghosts,
                                unsigned char skipped) override {
    return this->Find(true, ranges, ghosts, skipped);
  }

private:
  bool Find(bool finite, double *ranges, const unsigned char *ghosts, unsigned char skipped) {
    ValueRange<typename Ordinary::ValueType> range(this->GetNumberOfComponents());
    const vtkIdType count = this->GetNumberOfTuples();
    vtkIdType from = 0;
    while (from < count) {
      const vtkIdType to = ghosts == nullptr ? count : EndOfRun(ghosts, skipped, from, count);
      range.Add(this->GetPointer(from * this->GetNumberOfComponents()), to - from);
      for (from = to; from < count && (ghosts[from] & skipped) != 0;) {
        from++;
      }
    }
    range.Report(finite, ranges);
    return count > 0;
  }

  // Up to where no tuple is skipped, found in blocks of which the compiler makes vectors.
  static vtkIdType EndOfRun(const unsigned char *ghosts, unsigned char skipped, vtkIdType at,
                            vtkIdType count) {
    constexpr vtkIdType Block = 4096;
    for (; at + Block <= count; at += Block) {
      unsigned char any = 0;
      for (vtkIdType i = 0; i < Block; i++) {
        any |= ghosts[at + i];
      }
      if ((any & skipped) != 0) {
        break;
      }
    }
    while (at < count && (ghosts[at] & skipped) == 0) {
      at++;
    }
    return at;
  }
};

// An empty array of a VTK type; the caller owns it.
inline vtkSmartPointer<vtkDataArray> NewRangedArray(int type) {
  vtkDataArray *made = nullptr;
  switch (type) {
  case VTK_UNSIGNED_CHAR:
    made = RangedArray<vtkUnsignedCharArray>::New();
    break;
  case VTK_SIGNED_CHAR:
    made = RangedArray<vtkSignedCharArray>::New();
    break;
  case VTK_UNSIGNED_SHORT:
    made = RangedArray<vtkUnsignedShortArray>::New();
    break;
  case VTK_SHORT:
    made = RangedArray<vtkShortArray>::New();
    break;
  case VTK_UNSIGNED_INT:
    made = RangedArray<vtkUnsignedIntArray>::New();
    break;
  case VTK_INT:
    made = RangedArray<vtkIntArray>::New();
    break;
  case VTK_FLOAT:
    made = RangedArray<vtkFloatArray>::New();
    break;
  case VTK_DOUBLE:
    made = RangedArray<vtkDoubleArray>::New();
    break;
  default: // 64-bit integers are rare, and have a way of their own to tell their range
    made = vtkDataArray::CreateDataArray(type);
  }
  return vtkSmartPointer<vtkDataArray>::Take(made);
}

} // namespace beamcast

#endif
