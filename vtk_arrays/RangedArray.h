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
  bool ComputeScalarRange(double *ranges) override {
    return this->Find(false, ranges);
  }
  bool ComputeFiniteScalarRange(double *ranges) override {
    return this->Find(true, ranges);
  }

private:
  bool Find(bool finite, double *ranges) {
    ValueRange<typename Ordinary::ValueType> range(this->GetNumberOfComponents());
    range.Add(this->GetPointer(0), this->GetNumberOfTuples());
    range.Report(finite, ranges);
    return this->GetNumberOfTuples() > 0;
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
