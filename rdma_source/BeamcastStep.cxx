/* SPDX-License-Identifier: BSD-3-Clause */
#include "BeamcastStep.h"

#include "LentMemory.h"
#include "RangedArray.h"
#include "VoxelType.h"

#include "vtkDataArray.h"

#include <cstdlib>
#include <cstring>

namespace {

double ValueAt(const bc_array &array, uint64_t index) {
  switch (array.type) {
  case BEAMCAST_UINT8:
    return static_cast<const uint8_t *>(array.data)[index];
  case BEAMCAST_INT8:
    return static_cast<const int8_t *>(array.data)[index];
  case BEAMCAST_UINT16:
    return static_cast<const uint16_t *>(array.data)[index];
  case BEAMCAST_INT16:
    return static_cast<const int16_t *>(array.data)[index];
  case BEAMCAST_UINT32:
    return static_cast<const uint32_t *>(array.data)[index];
  case BEAMCAST_INT32:
    return static_cast<const int32_t *>(array.data)[index];
  case BEAMCAST_FLOAT16:
    return static_cast<double>(
        beamcast::FromHalf(static_cast<const uint16_t *>(array.data)[index]));
  case BEAMCAST_FLOAT32:
    return static_cast<double>(static_cast<const float *>(array.data)[index]);
  case BEAMCAST_FLOAT64:
    return static_cast<const double *>(array.data)[index];
  default:
    return 0;
  }
}

/* Voxel (x, y, z) of the volume as an index into memory. */
uint64_t IndexOf(const bc_box &memory, uint64_t x, uint64_t y, uint64_t z) {
  return ((z - memory.start[2]) * memory.shape[1] + (y - memory.start[1])) * memory.shape[0] +
         (x - memory.start[0]);
}

} // namespace

std::shared_ptr<BeamcastStep> BeamcastStep::Take(bc_frame *frame) {
  return std::shared_ptr<BeamcastStep>(new BeamcastStep(frame));
}

BeamcastStep::BeamcastStep(bc_frame *frame) : Frame(frame) {
  bc_frame_describe(frame, &this->Info);
  this->Converted.resize(static_cast<size_t>(this->Info.arrays));
}

BeamcastStep::~BeamcastStep() {
  bc_frame_release(this->Frame);
}

bc_array BeamcastStep::GetArray(int index) const {
  bc_array array;
  bc_frame_array(this->Frame, index, &array);
  return array;
}

std::shared_ptr<float> BeamcastStep::GetConverted(int index, const bc_array &array) {
  std::shared_ptr<float> &converted = this->Converted[static_cast<size_t>(index)];
  if (converted == nullptr) {
    const uint64_t count =
        bc_box_count(&this->Info.memory) * static_cast<uint64_t>(array.components);
    converted.reset(static_cast<float *>(std::malloc(count * sizeof(float))), std::free);
    if (converted != nullptr) {
      const uint16_t *halves = static_cast<const uint16_t *>(array.data);
      for (uint64_t i = 0; i < count; i++) {
        converted.get()[i] = beamcast::FromHalf(halves[i]);
      }
    }
  }
  return converted;
}

vtkSmartPointer<vtkDataArray> BeamcastStep::NewDataArray(int index, const bc_box &box) {
  const bc_array array = this->GetArray(index);
  const int type = beamcast::VtkTypeOf(array.type);
  if (type == 0) {
    return nullptr;
  }
  auto result = beamcast::NewRangedArray(type);
  result->SetName(array.name);
  result->SetNumberOfComponents(array.components);
  if (bc_box_is_empty(&box)) {
    return result;
  }

  void *values = array.data;
  std::shared_ptr<void> owner = this->shared_from_this();
  if (array.type == BEAMCAST_FLOAT16) {
    owner = this->GetConverted(index, array);
    values = owner.get();
    if (values == nullptr) {
      return nullptr;
    }
  }
  const bc_box &memory = this->Info.memory;
  const size_t voxel =
      static_cast<size_t>(result->GetDataTypeSize()) * static_cast<size_t>(array.components);
  const uint64_t first = IndexOf(memory, box.start[0], box.start[1], box.start[2]);
  const uint64_t count = bc_box_count(&box);
  const bool rows = box.shape[0] == memory.shape[0];
  if ((rows && box.shape[1] == memory.shape[1]) || (rows && box.shape[2] == 1)) {
    void *pointer = static_cast<char *>(values) + first * voxel;
    beamcast::LentMemory::Present(result, pointer, static_cast<vtkIdType>(count) * array.components,
                                  owner);
    return result;
  }
  result->SetNumberOfTuples(static_cast<vtkIdType>(count));
  char *to = static_cast<char *>(result->GetVoidPointer(0));
  for (uint64_t z = 0; z < box.shape[2]; z++) {
    for (uint64_t y = 0; y < box.shape[1]; y++) {
      const uint64_t from = IndexOf(memory, box.start[0], box.start[1] + y, box.start[2] + z);
      std::memcpy(to, static_cast<char *>(values) + from * voxel, box.shape[0] * voxel);
      to += box.shape[0] * voxel;
    }
  }
  return result;
}

void BeamcastStep::Sample(uint64_t stride, std::vector<double> &values) const {
  if (this->Info.arrays == 0 || bc_box_is_empty(&this->Info.own)) {
    return;
  }
  const bc_array array = this->GetArray(0);
  const bc_box &own = this->Info.own;
  const uint64_t count = bc_box_count(&own);
  for (uint64_t i = 0; i < count; i += stride) {
    const uint64_t x = own.start[0] + i % own.shape[0];
    const uint64_t y = own.start[1] + i / own.shape[0] % own.shape[1];
    const uint64_t z = own.start[2] + i / own.shape[0] / own.shape[1];
    const double value = ValueAt(array, IndexOf(this->Info.memory, x, y, z) *
                                            static_cast<uint64_t>(array.components));
    if (std::isfinite(value)) {
      values.push_back(value);
    }
  }
}
