// SPDX-License-Identifier: BSD-3-Clause
#include "XACImage.h"

#include "VoxelType.h"
#include "XACParts.h"

#include "vtkCellData.h"
#include "vtkCommunicator.h"
#include "vtkDataArray.h"
#include "vtkDataSetAttributes.h"
#include "vtkFloatArray.h"
#include "vtkImageData.h"
#include "vtkMatrix3x3.h"
#include "vtkMultiProcessController.h"
#include "vtkPointData.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <vector>

void XACWhole::GetBounds(double bounds[6]) const {
  for (int a = 0; a < 3; a++) {
    bounds[2 * a] = this->Valid() ? VTK_DOUBLE_MAX : 1.0;
    bounds[2 * a + 1] = this->Valid() ? -VTK_DOUBLE_MAX : -1.0;
  }
  for (int corner = 0; this->Valid() && corner < 8; corner++) {
    for (int a = 0; a < 3; a++) {
      double x = this->Origin[a];
      for (int j = 0; j < 3; j++) {
        x +=
            this->Direction[3 * a + j] * this->Spacing[j] * this->Extent[2 * j + (corner >> j & 1)];
      }
      bounds[2 * a] = std::min(bounds[2 * a], x);
      bounds[2 * a + 1] = std::max(bounds[2 * a + 1], x);
    }
  }
}

void XACWhole::Thicken(const double bounds[6], double thick[6]) const {
  std::copy(bounds, bounds + 6, thick);
  for (int j = 0; j < 3 && bounds[0] <= bounds[1]; j++) {
    for (int a = 0; a < 3 && this->Extent[2 * j] == this->Extent[2 * j + 1]; a++) {
      const double half = 0.5 * std::fabs(this->Direction[3 * a + j] * this->Spacing[j]);
      thick[2 * a] -= half;
      thick[2 * a + 1] += half;
    }
  }
}

namespace {
// Cells lo..hi-1 along one axis that are not ghosts, found by walking from the middle of one that
// is not: ghost layers of a structured piece are whole planes.
void TrimAxis(vtkUnsignedCharArray *ghosts, const int cells[3], const vtkIdType at[3], int axis,
              int *lo, int *hi) {
  vtkIdType step = axis == 0   ? 1
                   : axis == 1 ? cells[0]
                               : static_cast<vtkIdType>(cells[0]) * cells[1];
  vtkIdType here = at[0] + cells[0] * (at[1] + static_cast<vtkIdType>(cells[1]) * at[2]);
  const unsigned char duplicate = vtkDataSetAttributes::DUPLICATECELL;
  vtkIdType a = at[axis], b = at[axis];
  while (a > 0 && !(ghosts->GetValue(here + (a - 1 - at[axis]) * step) & duplicate)) {
    a--;
  }
  while (b < cells[axis] - 1 && !(ghosts->GetValue(here + (b + 1 - at[axis]) * step) & duplicate)) {
    b++;
  }
  *lo = static_cast<int>(a);
  *hi = static_cast<int>(b) + 1;
}
} // namespace

void XACOwnedExtent(vtkImageData *image, int owned[6]) {
  const int none[6] = {0, -1, 0, -1, 0, -1};
  std::copy(none, none + 6, owned);
  if (!image || image->GetNumberOfPoints() == 0) {
    return;
  }
  image->GetExtent(owned);
  auto ghosts = vtkUnsignedCharArray::SafeDownCast(
      image->GetCellData()->GetArray(vtkDataSetAttributes::GhostArrayName()));
  if (!ghosts) {
    return;
  }
  int cells[3];
  for (int a = 0; a < 3; a++) {
    cells[a] = std::max(owned[2 * a + 1] - owned[2 * a], 1);
  }
  vtkIdType count = static_cast<vtkIdType>(cells[0]) * cells[1] * cells[2];
  vtkIdType first = 0;
  while (first < count && first < ghosts->GetNumberOfTuples() &&
         (ghosts->GetValue(first) & vtkDataSetAttributes::DUPLICATECELL)) {
    first++;
  }
  if (ghosts->GetNumberOfTuples() < count) {
    return;
  }
  if (first == count) { // where there are fewer cells than ranks, some have ghosts alone
    std::copy(none, none + 6, owned);
    return;
  }
  const vtkIdType at[3] = {first % cells[0], first / cells[0] % cells[1],
                           first / (static_cast<vtkIdType>(cells[0]) * cells[1])};
  for (int a = 0; a < 3; a++) {
    int lo, hi, start = owned[2 * a];
    if (owned[2 * a] == owned[2 * a + 1]) {
      continue;
    }
    TrimAxis(ghosts, cells, at, a, &lo, &hi);
    owned[2 * a] = start + lo;
    owned[2 * a + 1] = start + hi;
  }
}

XACWhole XACGatherWhole(vtkImageData *image, const int owned[6],
                        vtkMultiProcessController *controller) {
  constexpr int Numbers = 1 + 6 + 3 + 3 + 9;
  double mine[Numbers] = {0};
  if (image && owned[1] >= owned[0]) {
    mine[0] = 1;
    std::copy(owned, owned + 6, mine + 1);
    image->GetOrigin(mine + 7);
    image->GetSpacing(mine + 10);
    std::copy(image->GetDirectionMatrix()->GetData(), image->GetDirectionMatrix()->GetData() + 9,
              mine + 13);
  }
  int ranks = controller ? controller->GetNumberOfProcesses() : 1;
  std::vector<double> all(mine, mine + Numbers);
  if (ranks > 1) {
    all.resize(static_cast<size_t>(ranks) * Numbers);
    controller->AllGather(mine, all.data(), Numbers);
  }
  XACWhole whole;
  for (int r = ranks - 1; r >= 0; r--) // the lowest rank with data has the last word
  {
    const double *d = all.data() + static_cast<size_t>(r) * Numbers;
    if (d[0] == 0) {
      continue;
    }
    bool first = !whole.Valid();
    for (int a = 0; a < 3; a++) {
      int lo = static_cast<int>(d[1 + 2 * a]), hi = static_cast<int>(d[2 + 2 * a]);
      whole.Extent[2 * a] = first ? lo : std::min(whole.Extent[2 * a], lo);
      whole.Extent[2 * a + 1] = first ? hi : std::max(whole.Extent[2 * a + 1], hi);
      whole.Origin[a] = d[7 + a];
      whole.Spacing[a] = d[10 + a];
    }
    std::copy(d + 13, d + 22, whole.Direction);
  }
  return whole;
}

namespace {
void IndexToWorld(const XACWhole &whole, const double *matrix, double *m) {
  double local[12];
  for (int i = 0; i < 3; i++) {
    local[4 * i + 3] = whole.Origin[i];
    for (int j = 0; j < 3; j++) {
      local[4 * i + j] = whole.Direction[3 * i + j] * whole.Spacing[j];
      local[4 * i + 3] += local[4 * i + j] * whole.Extent[2 * j];
    }
  }
  std::copy(local, local + 12, m);
  for (int i = 0; matrix && i < 3; i++) {
    for (int j = 0; j < 4; j++) {
      m[4 * i + j] = matrix[4 * i] * local[j] + matrix[4 * i + 1] * local[4 + j] +
                     matrix[4 * i + 2] * local[8 + j] + (j == 3 ? matrix[4 * i + 3] : 0.0);
    }
  }
}

// Everything stays where it is; skip: bytes from a point's first component to the one to be drawn.
void TakeParts(const XACParts &parts, int64_t skip, xac_volume *v) {
  auto at = [skip](const void *data) {
    return data ? static_cast<const void *>(static_cast<const char *>(data) + skip) : nullptr;
  };
  v->data = at(parts.Core);
  for (int a = 0; a < 3; a++) {
    v->stride[a] = parts.Stride[a];
    v->last[a] = at(parts.Last[a]);
    std::copy(parts.LastStride[a], parts.LastStride[a] + 2, v->last_stride[a]);
  }
  for (int face = 0; face < 6; face++) {
    v->border[face] = at(parts.Border[face]);
    std::copy(parts.BorderStride[face], parts.BorderStride[face] + 2, v->border_stride[face]);
  }
}
} // namespace

vtkSmartPointer<vtkDataArray> XACDrawable(vtkDataArray *array, std::string *notice) {
  notice->clear();
  if (!array || dynamic_cast<const XACParts *>(array) ||
      (beamcast::VoxelTypeOf(array->GetDataType()) != 0 && array->HasStandardMemoryLayout())) {
    return array;
  }
  vtkNew<vtkFloatArray> copy;
  copy->DeepCopy(array);
  copy->SetName(array->GetName());
  *notice = std::string("values of type ") + array->GetDataTypeAsString() +
            " are drawn from a copy in float";
  return copy.Get();
}

int XACMakeVolume(vtkImageData *image, vtkDataArray *array, int component, const int owned[6],
                  const XACWhole &whole, const double *matrix, bool nearest, xac_volume *v,
                  beamcast_error *error) {
  std::memset(v, 0, sizeof *v);
  v->type = BEAMCAST_FLOAT32;
  v->nearest = nearest;
  IndexToWorld(whole, matrix, v->index_to_world);
  for (int a = 0; a < 3; a++) {
    v->whole[a] = whole.Extent[2 * a + 1] - whole.Extent[2 * a] + 1;
  }
  if (!image || !array || owned[1] < owned[0]) {
    return BEAMCAST_OK;
  }
  v->type = beamcast::VoxelTypeOf(array->GetDataType());
  const auto *parts = dynamic_cast<const XACParts *>(array);
  if (v->type == 0 || (!parts && !array->HasStandardMemoryLayout())) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "array %s of type %s can't be drawn in place; convert it to float or an "
                         "integer of up to 32 bits",
                         array->GetName() ? array->GetName() : "", array->GetDataTypeAsString());
  }
  const int *extent = image->GetExtent();
  const int64_t components = array->GetNumberOfComponents();
  const int64_t dims[3] = {extent[1] - extent[0] + 1, extent[3] - extent[2] + 1,
                           extent[5] - extent[4] + 1};
  if (array->GetNumberOfTuples() != dims[0] * dims[1] * dims[2]) {
    return beamcast_fail(
        error, BEAMCAST_ERR_UNSUPPORTED,
        "array %s does not have a value per point; use Cell Data to Point Data first",
        array->GetName() ? array->GetName() : "");
  }
  const int64_t stride[3] = {components, components * dims[0], components * dims[0] * dims[1]};
  const size_t size = beamcast_type_size(v->type);
  if (parts && std::equal(owned, owned + 6, extent)) {
    const int64_t skip = std::min<int64_t>(std::max(component, 0), components - 1);
    TakeParts(*parts, skip * static_cast<int64_t>(size), v);
    for (int a = 0; a < 3; a++) {
      v->dims[a] = dims[a];
      v->start[a] = owned[2 * a] - whole.Extent[2 * a];
    }
    return BEAMCAST_OK;
  }
  const char *data = static_cast<const char *>(array->GetVoidPointer(0));
  auto point = [&](int64_t x, int64_t y, int64_t z) -> const void * {
    int64_t at = x * stride[0] + y * stride[1] + z * stride[2] +
                 std::min<int64_t>(std::max(component, 0), components - 1);
    return data + at * static_cast<int64_t>(size);
  };
  int64_t first[3];
  for (int a = 0; a < 3; a++) {
    first[a] = owned[2 * a] - extent[2 * a];
    v->dims[a] = owned[2 * a + 1] - owned[2 * a] + 1;
    v->start[a] = owned[2 * a] - whole.Extent[2 * a];
    v->stride[a] = stride[a];
  }
  v->data = point(first[0], first[1], first[2]);
  for (int a = 0; a < 3; a++) {
    const int low = a == 0 ? 1 : 0, high = a == 2 ? 1 : 2;
    for (int side = 0; side < 2; side++) {
      int64_t at[3] = {first[0], first[1], first[2]};
      at[a] += side ? v->dims[a] : -1;
      if (at[a] >= 0 && at[a] < dims[a]) {
        v->border[2 * a + side] = point(at[0], at[1], at[2]);
        v->border_stride[2 * a + side][0] = stride[low];
        v->border_stride[2 * a + side][1] = stride[high];
      }
    }
  }
  return BEAMCAST_OK;
}

int XACShareLight(xac_renderer *r, vtkMultiProcessController *controller, beamcast_error *error) {
  const bool alone = !controller || controller->GetNumberOfProcesses() < 2;
  int needed = xac_light_needed(r), anywhere = needed;
  if (!alone) {
    controller->AllReduce(&needed, &anywhere, 1, vtkCommunicator::MAX_OP);
  }
  if (!anywhere) {
    return BEAMCAST_OK;
  }
  int64_t *cells = nullptr;
  size_t count = 0;
  int code = xac_light_contribute(r, &cells, &count, error);
  if (!alone) {
    // A rank that could not contribute keeps the others from waiting for it.
    int64_t mine[2] = {code, static_cast<int64_t>(count)}, most[2];
    controller->AllReduce(mine, most, 2, vtkCommunicator::MAX_OP);
    if (most[0] != BEAMCAST_OK) {
      return code != BEAMCAST_OK ? code
                                 : beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                                                 "another rank has no memory for light");
    }
    std::vector<int64_t> sums(count);
    controller->AllReduce(cells, sums.data(), static_cast<vtkIdType>(count),
                          vtkCommunicator::SUM_OP);
    std::copy(sums.begin(), sums.end(), cells);
  }
  return code == BEAMCAST_OK ? xac_light_finish(r, error) : code;
}

void XACPlaceBounds(const double *matrix, const double box[6], double bounds[6]) {
  std::copy(box, box + 6, bounds);
  for (int a = 0; a < 3 && box[0] <= box[1]; a++) {
    const double *m = matrix + 4 * a;
    bounds[2 * a] = bounds[2 * a + 1] = m[3];
    for (int j = 0; j < 3; j++) {
      const double p = m[j] * box[2 * j], q = m[j] * box[2 * j + 1];
      bounds[2 * a] += std::min(p, q);
      bounds[2 * a + 1] += std::max(p, q);
    }
  }
}

void XACFindWindow(xac_renderer *r, vtkMultiProcessController *controller, double lo, double hi,
                   double window[2]) {
  const bool parallel = controller && controller->GetNumberOfProcesses() > 1;
  double range[2], least = 1e300, most = -1e300;
  if (xac_value_range(r, range)) {
    least = range[0];
    most = range[1];
  }
  if (parallel) {
    double a = least, b = most;
    controller->AllReduce(&a, &least, 1, vtkCommunicator::MIN_OP);
    controller->AllReduce(&b, &most, 1, vtkCommunicator::MAX_OP);
  }
  window[0] = window[1] = 0.0;
  if (!(least <= most)) {
    return;
  }
  // Bins over the whole range first, then over what lies between the percentiles and one bin more,
  // until the window is wide in bins. Values beyond the range count into its end bins.
  const int count = 16384;
  std::vector<int64_t> bins(count), sums(count);
  for (int round = 0; round < 6; round++) {
    xac_histogram(r, least, most, bins.data(), count, nullptr);
    if (parallel) {
      controller->AllReduce(bins.data(), sums.data(), count, vtkCommunicator::SUM_OP);
      bins.swap(sums);
    }
    window[0] = xac_percentile(bins.data(), count, least, most, lo);
    window[1] = xac_percentile(bins.data(), count, least, most, hi);
    const double bin = (most - least) / count;
    if (window[1] - window[0] > 64.0 * bin || !(bin > 0.0)) {
      return;
    }
    least = std::max(least, window[0] - bin);
    most = std::min(most, window[1] + bin);
  }
}

int XACThreads() {
  cpu_set_t set;
  int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  int ranks = 1;
  for (const char *name :
       {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"}) {
    const char *text = std::getenv(name);
    if (text && std::atoi(text) > 0) {
      ranks = std::atoi(text);
      break;
    }
  }
  return std::max(1, processors / ranks);
}

int XACKernelBits(const char *name) {
  static const struct {
    const char *Name;
    int Bits;
  } kernels[] = {{"plain", XAC_PLAIN},
                 {"local", XAC_LOCAL},
                 {"scatter", XAC_SCATTER},
                 {"occlusion", XAC_OCCLUSION},
                 {"local+occlusion", XAC_LOCAL | XAC_OCCLUSION},
                 {"scatter+occlusion", XAC_SCATTER | XAC_OCCLUSION}};
  for (const auto &k : kernels) {
    if (name && std::strcmp(name, k.Name) == 0) {
      return k.Bits;
    }
  }
  return -1;
}
