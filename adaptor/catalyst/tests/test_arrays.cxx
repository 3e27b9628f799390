// SPDX-License-Identifier: BSD-3-Clause
//
// What VTK reads from a brick whose last planes lie apart, and from a whole one, is what it reads
// from a plain array of the same points: values, blocks of them, ranges.
#include "BrickArray.h"

#include "vtkDoubleArray.h"
#include "vtkFloatArray.h"
#include "vtkNew.h"
#include "vtkShortArray.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

using namespace beamcast;

namespace {

constexpr int64_t Points[3] = {37, 5, 4};
constexpr int64_t Count = Points[0] * Points[1] * Points[2];

void Check(bool fine, const char *what) {
  if (!fine) {
    std::printf("failed: %s\n", what);
    std::exit(1);
  }
}

template <class Plain> void SameRanges(vtkDataArray *array, Plain *plain) {
  for (int component = 0; component < plain->GetNumberOfComponents(); component++) {
    double mine[2], wanted[2];
    array->GetRange(mine, component);
    plain->GetRange(wanted, component);
    Check(mine[0] == wanted[0] && mine[1] == wanted[1], "the range");
    array->GetFiniteRange(mine, component);
    plain->GetFiniteRange(wanted, component);
    Check(mine[0] == wanted[0] && mine[1] == wanted[1], "the range of what is finite");
  }
}

// The points of the plain array in four pieces: last plane along x, y and z each, and the rest.
template <class Value, class Plain> void Compare(Plain *plain) {
  const int components = plain->GetNumberOfComponents();
  Value *values = plain->GetPointer(0);
  plain->Modified(); // it keeps its ranges
  vtkNew<WholeBrickArray<Value>> whole;
  whole->SetNumberOfComponents(components);
  whole->SetArray(values, Count * components, 1);
  SameRanges(whole.GetPointer(), plain);

  std::vector<Value> core, last[3];
  for (int64_t i = 0; i < Count; i++) {
    const int64_t x = i % Points[0], y = i / Points[0] % Points[1], z = i / Points[0] / Points[1];
    std::vector<Value> &to = z == Points[2] - 1   ? last[2]
                             : y == Points[1] - 1 ? last[1]
                             : x == Points[0] - 1 ? last[0]
                                                  : core;
    to.insert(to.end(), values + i * components, values + (i + 1) * components);
  }
  vtkNew<PartedBrickArray<Value>> parted;
  parted->SetNumberOfComponents(components);
  parted->Core = core.data();
  parted->Stride[0] = components;
  parted->Stride[1] = components * (Points[0] - 1);
  parted->Stride[2] = parted->Stride[1] * (Points[1] - 1);
  for (int axis = 0; axis < 3; axis++) {
    parted->Last[axis] = last[axis].data();
    parted->LastStride[axis][0] = components;
    parted->LastStride[axis][1] = components * (axis == 0 ? Points[1] - 1 : Points[0]);
  }
  parted->SetShape(Points);
  SameRanges(parted.GetPointer(), plain);
  vtkNew<Plain> part;
  part->SetNumberOfComponents(components);
  part->SetNumberOfTuples(100);
  parted->GetTuples(30, 129, part.GetPointer());
  const size_t size = sizeof(Value) * static_cast<size_t>(components);
  Check(std::memcmp(part->GetPointer(0), plain->GetPointer(30 * components), 100 * size) == 0,
        "a block of tuples");
  Check(std::memcmp(parted->GetVoidPointer(0), values, Count * size) == 0, "all as one block");
  for (int64_t i = 0; i < Count; i++) {
    Value tuple[3];
    parted->GetTypedTuple(i, tuple);
    Check(std::memcmp(tuple, values + i * components, size) == 0, "a tuple");
  }
}

template <class Value, class Plain> void Fill(Plain *plain, int components) {
  plain->SetNumberOfComponents(components);
  plain->SetNumberOfTuples(Count);
  std::srand(7);
  for (int64_t i = 0; i < Count * components; i++) {
    plain->SetValue(i, static_cast<Value>(std::rand() % 2000 - 1000));
  }
}

template <class Value, class Plain> void Numbers() {
  using Limits = std::numeric_limits<Value>;
  for (int components : {1, 3}) {
    vtkNew<Plain> plain;
    Fill<Value>(plain.GetPointer(), components);
    Compare<Value>(plain.GetPointer());
    plain->SetValue(17, Limits::max()); // in the first rows, in the last plane
    plain->SetValue(Count * components - 3, Limits::lowest());
    Compare<Value>(plain.GetPointer());
    if (Limits::has_infinity) {
      plain->SetValue(17, Limits::infinity());
      plain->SetValue(40, Limits::quiet_NaN());
      Compare<Value>(plain.GetPointer());
      plain->SetValue(Count * components - 3, -Limits::infinity());
      Compare<Value>(plain.GetPointer());
      plain->Fill(Limits::quiet_NaN());
      Compare<Value>(plain.GetPointer());
    }
  }
}

} // namespace

int main() {
  Numbers<float, vtkFloatArray>();
  Numbers<double, vtkDoubleArray>();
  Numbers<short, vtkShortArray>();
}
