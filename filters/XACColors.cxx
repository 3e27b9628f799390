// SPDX-License-Identifier: BSD-3-Clause
#include "XACColors.h"

#include "vtkColorTransferFunction.h"
#include "vtkCommunicator.h"
#include "vtkMultiProcessController.h"
#include "vtkPiecewiseFunction.h"
#include "vtkVolumeProperty.h"

#include <algorithm>
#include <cstdint>

namespace {
constexpr int Entries = 4096;

uint64_t Fold(uint64_t sum, const void *data, size_t size) { // Fowler, Noll and Vo's FNV-1a
  const auto *bytes = static_cast<const unsigned char *>(data);
  for (size_t i = 0; i < size; i++) {
    sum = (sum ^ bytes[i]) * 1099511628211u;
  }
  return sum;
}
} // namespace

XACColors XACTakeColors(vtkVolumeProperty *property, double unitDistance) {
  vtkColorTransferFunction *color = property->GetRGBTransferFunction(0);
  vtkPiecewiseFunction *opacity = property->GetScalarOpacity(0);
  double a[2], b[2];
  color->GetRange(a);
  opacity->GetRange(b);
  XACColors colors;
  colors.Range[0] = std::min(a[0], b[0]);
  colors.Range[1] = std::max(a[1], b[1]);
  colors.UnitDistance = unitDistance;
  colors.Table.resize(4 * Entries);
  std::vector<float> rgb(3 * Entries), alpha(Entries);
  if (colors.Range[1] > colors.Range[0]) {
    color->GetTable(colors.Range[0], colors.Range[1], Entries, rgb.data());
    opacity->GetTable(colors.Range[0], colors.Range[1], Entries, alpha.data());
  } else {
    double c[3];
    color->GetColor(colors.Range[0], c);
    for (size_t i = 0; i < Entries; i++) {
      std::copy(c, c + 3, rgb.begin() + 3 * static_cast<ptrdiff_t>(i));
      alpha[i] = static_cast<float>(opacity->GetValue(colors.Range[0]));
    }
  }
  for (size_t i = 0; i < Entries; i++) {
    std::copy(rgb.begin() + 3 * static_cast<ptrdiff_t>(i),
              rgb.begin() + 3 * static_cast<ptrdiff_t>(i) + 3,
              colors.Table.begin() + 4 * static_cast<ptrdiff_t>(i));
    colors.Table[4 * i + 3] = alpha[i];
  }
  return colors;
}

bool XACShareColors(XACColors *colors, bool data, vtkMultiProcessController *controller) {
  if (!controller || controller->GetNumberOfProcesses() < 2) {
    return false;
  }
  uint64_t sum = Fold(14695981039346656037u, colors->Table.data(), 4 * sizeof(float) * Entries);
  sum = Fold(sum, colors->Range, sizeof colors->Range);
  sum = Fold(sum, &colors->UnitDistance, sizeof colors->UnitDistance);
  const auto number = static_cast<int64_t>(sum);
  const int ranks = controller->GetNumberOfProcesses();
  const int64_t mine[3] = {number, ~number, data ? controller->GetLocalProcessId() : ranks};
  int64_t least[3];
  controller->AllReduce(mine, least, 3, vtkCommunicator::MIN_OP);
  if (least[0] == ~least[1] || least[2] == ranks) {
    return false;
  }
  const double ends[2] = {data ? colors->Range[0] : VTK_DOUBLE_MAX,
                          data ? -colors->Range[1] : VTK_DOUBLE_MAX};
  double all[2];
  controller->AllReduce(ends, all, 2, vtkCommunicator::MIN_OP);
  const int root = static_cast<int>(least[2]);
  controller->Broadcast(colors->Table.data(), 4 * Entries, root);
  controller->Broadcast(&colors->UnitDistance, 1, root);
  colors->Range[0] = all[0];
  colors->Range[1] = -all[1];
  return true;
}
