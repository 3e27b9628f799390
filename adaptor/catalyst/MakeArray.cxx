// SPDX-License-Identifier: BSD-3-Clause
//
// A rank's brick and the planes that came to it, as a VTK array.
#include "Brick.h"
#include "BrickArray.h"
#include "VoxelType.h"

#include <algorithm>
#include <cstring>

namespace beamcast {

namespace {

void Widen(std::vector<char> &data) {
  std::vector<char> wide(data.size() * 2);
  for (size_t i = 0; i < data.size() / 2; i++) {
    uint16_t half;
    std::memcpy(&half, data.data() + 2 * i, 2);
    const float value = FromHalf(half);
    std::memcpy(wide.data() + 4 * i, &value, 4);
  }
  data.swap(wide);
}

Brick Widened(const Brick &brick) {
  Brick wide = Packed(brick);
  Widen(*wide.Kept);
  wide.Type = BEAMCAST_FLOAT32;
  wide.Data = wide.Kept->data();
  for (int64_t &stride : wide.Stride) {
    stride *= 2;
  }
  return wide;
}

// Packed strides, in components, of a region's two other axes.
void PlaneStride(const Box &plane, int axis, int64_t components, int64_t stride[2]) {
  const int low = axis == 0 ? 1 : 0;
  stride[0] = components;
  stride[1] = components * plane.Size(low);
}

void FillBorders(const Parts &parts, int rank, const Brick &brick, const Planes &planes,
                 XACParts *to) {
  for (int face = 0; face < 6; face++) {
    const Box plane = Region(parts, rank, 3 + face);
    if (!plane.Empty()) {
      to->Border[face] = planes.Data[3 + face].data();
      PlaneStride(plane, face / 2, brick.Components, to->BorderStride[face]);
    }
  }
}

// All points in one block: the producer's own where it has them in order, else a copy.
template <class Value>
vtkSmartPointer<vtkDataArray> MakeWhole(const Box &drawn, const Brick &brick, const Planes &planes,
                                        const Parts &parts, int rank) {
  auto array = vtkSmartPointer<WholeBrickArray<Value>>::New();
  array->SetNumberOfComponents(brick.Components);
  const auto count = static_cast<vtkIdType>(drawn.Points()) * brick.Components;
  const bool rows = drawn.Lo[0] == brick.Put.Lo[0] && drawn.Hi[0] == brick.Put.Hi[0];
  const bool slabs = rows && drawn.Lo[1] == brick.Put.Lo[1] && drawn.Hi[1] == brick.Put.Hi[1];
  if (brick.Contiguous() && brick.Put.Contains(drawn) &&
      (slabs || (rows && drawn.Lo[2] == drawn.Hi[2]))) {
    // VTK's arrays have no const; no filter writes to its input.
    auto *data = reinterpret_cast<Value *>(const_cast<char *>(brick.At(drawn.Lo)));
    array->SetArray(data, count, 1);
  } else {
    array->SetNumberOfTuples(drawn.Points());
    Value *to = array->GetPointer(0);
    const int64_t row = drawn.Size(0), column = drawn.Size(1);
    auto copy = [&](const Box &box, const char *from, const int64_t stride[3]) {
      for (int64_t z = box.Lo[2]; z <= box.Hi[2]; z++) {
        for (int64_t y = box.Lo[1]; y <= box.Hi[1]; y++) {
          Value *out =
              to + brick.Components * (box.Lo[0] - drawn.Lo[0] +
                                       row * (y - drawn.Lo[1] + column * (z - drawn.Lo[2])));
          const char *in = from + (y - box.Lo[1]) * stride[1] + (z - box.Lo[2]) * stride[2];
          for (int64_t x = box.Lo[0]; x <= box.Hi[0]; x++, in += stride[0]) {
            std::memcpy(out, in, brick.PointBytes());
            out += brick.Components;
          }
        }
      }
    };
    const Box own = Intersect(drawn, brick.Put);
    copy(own, brick.At(own.Lo), brick.Stride);
    for (int region = 0; region < 3; region++) {
      const Box plane = Region(parts, rank, region);
      if (!plane.Empty()) {
        const auto size = static_cast<int64_t>(brick.PointBytes());
        const int64_t stride[3] = {size, size * plane.Size(0),
                                   size * plane.Size(0) * plane.Size(1)};
        copy(plane, planes.Data[region].data(), stride);
      }
    }
  }
  array->Core = array->GetPointer(0);
  for (int a = 0; a < 3; a++) {
    array->Stride[a] = a == 0 ? brick.Components : array->Stride[a - 1] * drawn.Size(a - 1);
  }
  FillBorders(parts, rank, brick, planes, array);
  return array;
}

template <class Value>
vtkSmartPointer<vtkDataArray> MakeParted(const Box &drawn, const Brick &brick, const Planes &planes,
                                         const Parts &parts, int rank) {
  auto array = vtkSmartPointer<PartedBrickArray<Value>>::New();
  array->SetNumberOfComponents(brick.Components);
  array->Core = brick.At(drawn.Lo);
  int64_t points[3];
  for (int a = 0; a < 3; a++) {
    points[a] = drawn.Size(a);
    array->Stride[a] = brick.Stride[a] / static_cast<int64_t>(sizeof(Value));
    const Box plane = Region(parts, rank, a);
    if (!plane.Empty()) {
      array->Last[a] = planes.Data[a].data();
      PlaneStride(plane, a, brick.Components, array->LastStride[a]);
    }
  }
  array->SetShape(points);
  FillBorders(parts, rank, brick, planes, array);
  return array;
}

template <class Value>
vtkSmartPointer<vtkDataArray> Make(const Parts &parts, int rank, const Brick &brick,
                                   const Planes &planes) {
  const Box &drawn = parts.Drawn[rank];
  vtkSmartPointer<vtkDataArray> array;
  if (drawn.Empty()) {
    array.TakeReference(vtkDataArray::CreateDataArray(vtkTypeTraits<Value>::VTK_TYPE_ID));
    array->SetNumberOfComponents(brick.Components);
  } else if (brick.Contiguous() && !brick.Put.Contains(drawn)) {
    array = MakeParted<Value>(drawn, brick, planes, parts, rank);
  } else {
    array = MakeWhole<Value>(drawn, brick, planes, parts, rank);
  }
  array->SetName(brick.Name.c_str());
  return array;
}

} // namespace

vtkSmartPointer<vtkDataArray> MakeArray(const Parts &parts, int rank, const Brick &brick,
                                        Planes *planes) {
  switch (brick.Type) {
  case BEAMCAST_UINT8:
    return Make<unsigned char>(parts, rank, brick, *planes);
  case BEAMCAST_INT8:
    return Make<signed char>(parts, rank, brick, *planes);
  case BEAMCAST_UINT16:
    return Make<unsigned short>(parts, rank, brick, *planes);
  case BEAMCAST_INT16:
    return Make<short>(parts, rank, brick, *planes);
  case BEAMCAST_UINT32:
    return Make<unsigned int>(parts, rank, brick, *planes);
  case BEAMCAST_INT32:
    return Make<int>(parts, rank, brick, *planes);
  case BEAMCAST_FLOAT64:
    return Make<double>(parts, rank, brick, *planes);
  case BEAMCAST_FLOAT16:
    for (std::vector<char> &data : planes->Data) {
      Widen(data);
    }
    return Make<float>(parts, rank, Widened(brick), *planes);
  default:
    return Make<float>(parts, rank, brick, *planes);
  }
}

} // namespace beamcast
