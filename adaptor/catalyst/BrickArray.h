// SPDX-License-Identifier: BSD-3-Clause
//
// VTK arrays over a producer's voxels, which stay where they are.
//   WholeBrickArray   all points of the image lie in one block of memory
//   PartedBrickArray  the image's last planes, shared with the next ranks, lie apart. Reads like
//   any
//                     array; a filter that wants one block (GetVoidPointer) gets a copy, made then.
// Both tell XAC Volume where the planes beyond the faces are (XACParts), and know their ranges
// fast.
#ifndef BeamcastCatalystBrickArray_h
#define BeamcastCatalystBrickArray_h

#include "RangedArray.h"
#include "XACParts.h"

#include "vtkAOSDataArrayTemplate.h"
#include "vtkGenericDataArray.h"

#include <algorithm>
#include <cstddef>
#include <memory>

namespace beamcast {

// What a filter makes of such an array by NewInstance is an ordinary one.
template <class Value> vtkObjectBase *NewOrdinaryArray() {
  return vtkDataArray::CreateDataArray(vtkTypeTraits<Value>::VTK_TYPE_ID);
}

// Arrays whose memory is the producer's again after the step.
struct BorrowedArray {
  virtual ~BorrowedArray() = default;
  virtual void Release() = 0; // frees what was copied for filters
};

template <class Value>
class WholeBrickArray : public RangedArray<vtkAOSDataArrayTemplate<Value>>, public XACParts {
public:
  static WholeBrickArray *New() {
    auto *made = new WholeBrickArray;
    made->InitializeObjectBase();
    return made;
  }

protected:
  vtkObjectBase *NewInstanceInternal() const override {
    return NewOrdinaryArray<Value>();
  }
};

template <class Value>
class PartedBrickArray : public vtkGenericDataArray<PartedBrickArray<Value>, Value>,
                         public XACParts,
                         public BorrowedArray {
  using Generic = vtkGenericDataArray<PartedBrickArray<Value>, Value>;
  friend Generic;

public:
  using ValueType = Value;
  vtkAbstractTemplateTypeMacro(PartedBrickArray, Generic);
  static PartedBrickArray *New() {
    auto *made = new PartedBrickArray;
    made->InitializeObjectBase();
    return made;
  }

  // points: of the image in x, y, z. XACParts is filled by the caller.
  void SetShape(const int64_t points[3]) {
    std::copy(points, points + 3, this->Points);
    this->Size = points[0] * points[1] * points[2] * this->NumberOfComponents;
    this->MaxId = this->Size - 1;
  }

  Value GetTypedComponent(vtkIdType tuple, int component) const {
    return *(this->Find(tuple) + component);
  }
  Value GetValue(vtkIdType value) const {
    return this->GetTypedComponent(value / this->NumberOfComponents,
                                   static_cast<int>(value % this->NumberOfComponents));
  }
  void GetTypedTuple(vtkIdType tuple, Value *values) const {
    const Value *from = this->Find(tuple);
    std::copy(from, from + this->NumberOfComponents, values);
  }

  // The producer's voxels are never written to.
  void SetValue(vtkIdType, Value) {}
  void SetTypedTuple(vtkIdType, const Value *) {}
  void SetTypedComponent(vtkIdType, int, Value) {}

  void *GetVoidPointer(vtkIdType value) override {
    if (!this->Copy) {
      this->Copy.reset(new Value[static_cast<size_t>(this->Size)]); // not zeroed first
      this->CopyTo(0, this->GetNumberOfTuples() - 1, this->Copy.get());
    }
    return this->Copy.get() + value;
  }
  using Generic::GetTuples;
  void GetTuples(vtkIdType first, vtkIdType last, vtkAbstractArray *to) override {
    auto *plain = vtkArrayDownCast<vtkAOSDataArrayTemplate<Value>>(to);
    if (plain == nullptr || plain->GetNumberOfComponents() != this->NumberOfComponents) {
      this->Generic::GetTuples(first, last, to);
      return;
    }
    this->CopyTo(first, last, plain->GetPointer(0));
  }
  void ExportToVoidPointer(void *to) override {
    if (to) {
      this->CopyTo(0, this->GetNumberOfTuples() - 1, static_cast<Value *>(to));
    }
  }
  bool HasStandardMemoryLayout() const override {
    return false;
  }
  int GetArrayType() const override {
    return vtkAbstractArray::DataArray;
  }
  void Release() override {
    this->Copy.reset();
  }

protected:
  vtkObjectBase *NewInstanceInternal() const override {
    return NewOrdinaryArray<Value>();
  }
  bool AllocateTuples(vtkIdType) {
    return false;
  }
  bool ReallocateTuples(vtkIdType) {
    return false;
  }
  using Generic::ComputeFiniteScalarRange;
  using Generic::ComputeScalarRange;
  bool ComputeScalarRange(double *ranges) override {
    return this->Range(false, ranges);
  }
  bool ComputeFiniteScalarRange(double *ranges) override {
    return this->Range(true, ranges);
  }

private:
  // Where a tuple is, and how many follow it there without a gap, itself included.
  const Value *Find(vtkIdType tuple, int64_t *count = nullptr) const {
    const int64_t row = tuple / this->Points[0];
    const int64_t x = tuple - row * this->Points[0];
    const int64_t z = row / this->Points[1];
    const int64_t y = row - z * this->Points[1];
    int64_t follow = this->Points[0] - x;
    const Value *at = nullptr;
    if (this->Last[2] && z == this->Points[2] - 1) {
      at = At(this->Last[2], x * this->LastStride[2][0] + y * this->LastStride[2][1]);
    } else if (this->Last[1] && y == this->Points[1] - 1) {
      at = At(this->Last[1], x * this->LastStride[1][0] + z * this->LastStride[1][1]);
    } else if (this->Last[0] && follow == 1) {
      at = At(this->Last[0], y * this->LastStride[0][0] + z * this->LastStride[0][1]);
    } else {
      follow -= this->Last[0] ? 1 : 0;
      at = At(this->Core, x * this->Stride[0] + y * this->Stride[1] + z * this->Stride[2]);
    }
    if (count) {
      *count = follow;
    }
    return at;
  }
  // Rows are packed in every part.
  template <class Call> void ForRuns(vtkIdType first, vtkIdType last, Call call) const {
    while (first <= last) {
      int64_t count = 0;
      const Value *values = this->Find(first, &count);
      count = std::min<int64_t>(count, last + 1 - first);
      call(values, count);
      first += count;
    }
  }
  void CopyTo(vtkIdType first, vtkIdType last, Value *to) const {
    this->ForRuns(first, last, [&](const Value *values, int64_t count) {
      to = std::copy(values, values + count * this->NumberOfComponents, to);
    });
  }
  bool Range(bool finite, double *ranges) const {
    ValueRange<Value> range(this->NumberOfComponents);
    this->ForRuns(0, this->GetNumberOfTuples() - 1,
                  [&](const Value *values, int64_t count) { range.Add(values, count); });
    range.Report(finite, ranges);
    return this->GetNumberOfTuples() > 0;
  }
  static const Value *At(const void *data, int64_t offset) {
    return static_cast<const Value *>(data) + offset;
  }

  int64_t Points[3] = {1, 1, 1};
  std::unique_ptr<Value[]> Copy;
};

} // namespace beamcast

#endif
