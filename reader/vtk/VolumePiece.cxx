/* SPDX-License-Identifier: BSD-3-Clause */
#include "VolumePiece.h"

#include "LentMemory.h"
#include "RangedArray.h"
#include "VoxelType.h"

#include "vtkAbstractArray.h"
#include "vtkDataArray.h"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>

namespace {

/* Fresh pages are slow to touch: large ones are fewer. */
std::shared_ptr<void> NewMemory(uint64_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  madvise(memory, bytes, MADV_HUGEPAGE);
  return {memory, [bytes](void *pointer) { munmap(pointer, bytes); }};
}

bool Contains(const int64_t outer[6], const int64_t inner[6]) {
  for (int axis = 0; axis < 3; axis++) {
    if (inner[2 * axis] < outer[2 * axis] || inner[2 * axis + 1] > outer[2 * axis + 1]) {
      return false;
    }
  }
  return true;
}

} // namespace

int VtkTypeOf(int type) {
  switch (type) {
  case BEAMCAST_HDF5_INT64:
    return VTK_TYPE_INT64;
  case BEAMCAST_HDF5_UINT64:
    return VTK_TYPE_UINT64;
  default:
    return beamcast::VtkTypeOf(type);
  }
}

bool VolumePiece::Key::operator==(const Key &other) const {
  const beamcast_hdf5_plan &a = this->Plan, &b = other.Plan;
  return this->What == other.What && a.volume == b.volume &&
         std::equal(a.region, a.region + 6, b.region) &&
         std::equal(a.stride, a.stride + 3, b.stride) && a.type == b.type &&
         a.complex_parts == b.complex_parts && std::equal(a.window, a.window + 2, b.window) &&
         std::equal(this->Core, this->Core + 6, other.Core);
}

uint64_t VolumePiece::SamplesOf(const int64_t e[6]) const {
  uint64_t samples = 1;
  for (int axis = 0; axis < 3; axis++) {
    samples *= static_cast<uint64_t>(std::max<int64_t>(0, e[2 * axis + 1] - e[2 * axis] + 1));
  }
  return samples;
}

char *VolumePiece::At(int64_t x, int64_t y, int64_t z) const {
  const int64_t nx = this->Box[1] - this->Box[0] + 1, ny = this->Box[3] - this->Box[2] + 1;
  const int64_t sample = (x - this->Box[0]) + nx * ((y - this->Box[2]) + ny * (z - this->Box[4]));
  return static_cast<char *>(this->Memory.get()) + sample * static_cast<int64_t>(this->Sample);
}

void VolumePiece::Clear() {
  this->Filled = false;
  this->Memory.reset();
  this->MemoryBytes = 0;
}

int VolumePiece::Allocate(const Key &key, const int64_t extent[6], beamcast_error *error) {
  const beamcast_hdf5_plan &plan = key.Plan;
  std::copy(key.Core, key.Core + 6, this->Box);
  const int axis = plan.cut_axis;
  const int64_t last = static_cast<int64_t>(plan.samples[axis]) - 1;
  this->Box[2 * axis] = std::max<int64_t>(0, std::min(extent[2 * axis], key.Core[2 * axis] - Room));
  this->Box[2 * axis + 1] =
      std::min(last, std::max(extent[2 * axis + 1], key.Core[2 * axis + 1] + Room));
  this->Sample = beamcast_hdf5_sample_bytes(&plan);
  const uint64_t bytes = this->SamplesOf(this->Box) * this->Sample;
  /* Memory that nothing shows any more is taken again: its pages are there. */
  if (this->Memory == nullptr || this->Memory.use_count() > 1 || this->MemoryBytes != bytes) {
    this->Clear();
    this->Memory = NewMemory(bytes);
    this->MemoryBytes = bytes;
  }
  this->Filled = false;
  if (this->Memory == nullptr) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for %llu bytes of voxels",
                         static_cast<unsigned long long>(bytes));
  }
  return BEAMCAST_OK;
}

int VolumePiece::ReadPart(beamcast_hdf5_file *file, const int64_t extent[6],
                          const beamcast_hdf5_read_options &options, beamcast_error *error) {
  beamcast_hdf5_read_options placed = options;
  const int64_t nx = this->Box[1] - this->Box[0] + 1, ny = this->Box[3] - this->Box[2] + 1;
  placed.strides[0] = static_cast<int64_t>(this->Sample);
  placed.strides[1] = placed.strides[0] * nx;
  placed.strides[2] = placed.strides[1] * ny;
  this->SamplesRead += this->SamplesOf(extent);
  return beamcast_hdf5_read(file, &this->Have.Plan, extent, &placed,
                            this->At(extent[0], extent[2], extent[4]), this->MemoryBytes, nullptr,
                            error);
}

int VolumePiece::Read(beamcast_hdf5_file *file, const Key &key, const int64_t extent[6],
                      const beamcast_hdf5_read_options &options, beamcast_error *error) {
  if (this->Filled && this->Have == key && Contains(this->Present, extent)) {
    return BEAMCAST_OK;
  }
  int result = BEAMCAST_OK;
  if (!this->Filled || !(this->Have == key) || !Contains(this->Box, extent)) {
    result = this->Allocate(key, extent, error);
    if (result != BEAMCAST_OK) {
      return result;
    }
    this->Have = key;
    result = this->ReadPart(file, extent, options, error);
    std::copy(extent, extent + 6, this->Present);
    this->Filled = result == BEAMCAST_OK;
    return result;
  }
  /* The planes below and above what is there, along the cut. */
  const int axis = key.Plan.cut_axis;
  for (int side = 0; side < 2 && result == BEAMCAST_OK; side++) {
    int64_t part[6];
    std::copy(extent, extent + 6, part);
    if (side == 0) {
      part[2 * axis + 1] = this->Present[2 * axis] - 1;
    } else {
      part[2 * axis] = this->Present[2 * axis + 1] + 1;
    }
    if (part[2 * axis] <= part[2 * axis + 1]) {
      result = this->ReadPart(file, part, options, error);
      if (result == BEAMCAST_OK) {
        this->Present[2 * axis + side] = extent[2 * axis + side];
      }
    }
  }
  return result;
}

vtkSmartPointer<vtkDataArray> VolumePiece::NewArray(const int64_t e[6]) const {
  const int components = this->Have.Plan.components;
  const vtkIdType samples = static_cast<vtkIdType>(this->SamplesOf(e));
  auto array = beamcast::NewRangedArray(VtkTypeOf(this->Have.Plan.type));
  array->SetNumberOfComponents(components);
  const bool whole_planes =
      e[0] == this->Box[0] && e[1] == this->Box[1] && e[2] == this->Box[2] && e[3] == this->Box[3];
  if (whole_planes) {
    char *pointer = this->At(e[0], e[2], e[4]);
    beamcast::LentMemory::Present(array, pointer, samples * components, this->Memory);
    return array;
  }
  array->SetNumberOfTuples(samples); /* pieces cut along x or y are copied out */
  char *to = static_cast<char *>(array->GetVoidPointer(0));
  const size_t row = static_cast<size_t>(e[1] - e[0] + 1) * this->Sample;
  for (int64_t z = e[4]; z <= e[5]; z++) {
    for (int64_t y = e[2]; y <= e[3]; y++, to += row) {
      std::memcpy(to, this->At(e[0], y, z), row);
    }
  }
  return array;
}
