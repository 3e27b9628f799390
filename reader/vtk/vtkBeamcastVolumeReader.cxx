/* SPDX-License-Identifier: BSD-3-Clause */
#include "vtkBeamcastVolumeReader.h"

#include "VolumeReaderState.h"

#include "vtkDataObject.h"
#include "vtkInformation.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkBeamcastVolumeReader);

vtkBeamcastVolumeReader::vtkBeamcastVolumeReader()
    : Region{}, Stride{}, OutputType(0), Channel(0), MemoryLimit(0),
      Threads(0), Window{}, Spacing{}, Origin{}, ComplexParts(false),
      Live(false), Size{}, FullSize{}, Memory(0), Limit(0),
      Controller(vtkMultiProcessController::GetGlobalController()), Internal(new State) {
  this->SetNumberOfInputPorts(0);
}

vtkBeamcastVolumeReader::~vtkBeamcastVolumeReader() {
  this->Unfollow();
}

void vtkBeamcastVolumeReader::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << this->GetFileName() << "\n"
     << indent << "Dataset: " << this->Dataset << "\n"
     << indent << "Stride: " << this->Stride[0] << " " << this->Stride[1] << " " << this->Stride[2]
     << "\n"
     << indent << "OutputType: " << this->OutputType << "\n"
     << indent << "Notice: " << this->Notice << "\n";
}

int vtkBeamcastVolumeReader::FillOutputPortInformation(int, vtkInformation *info) {
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkImageData");
  return 1;
}

/* --- what users set -------------------------------------------------------------------------- */

void vtkBeamcastVolumeReader::SetFileName(const char *name) {
  const std::vector<std::string> names(name != nullptr && *name != 0 ? 1 : 0,
                                       name != nullptr ? name : "");
  if (names != this->FileNames) {
    this->FileNames = names;
    this->Modified();
  }
}

const char *vtkBeamcastVolumeReader::GetFileName() {
  return this->FileNames.empty() ? "" : this->FileNames[0].c_str();
}

void vtkBeamcastVolumeReader::AddFileName(const char *name) {
  if (name != nullptr && *name != 0) {
    this->FileNames.emplace_back(name);
    this->Modified();
  }
}

void vtkBeamcastVolumeReader::RemoveAllFileNames() {
  if (!this->FileNames.empty()) {
    this->FileNames.clear();
    this->Modified();
  }
}

#define TEXT_PROPERTY(NAME)                                                                        \
  void vtkBeamcastVolumeReader::Set##NAME(const char *text) {                                      \
    const std::string value = text != nullptr ? text : "";                                         \
    if (value != this->NAME) {                                                                     \
      this->NAME = value;                                                                          \
      this->Modified();                                                                            \
    }                                                                                              \
  }                                                                                                \
  const char *vtkBeamcastVolumeReader::Get##NAME() {                                               \
    return this->NAME.c_str();                                                                     \
  }
TEXT_PROPERTY(Dataset)
TEXT_PROPERTY(DimensionNames)
TEXT_PROPERTY(Unit)
#undef TEXT_PROPERTY

vtkStringArray *vtkBeamcastVolumeReader::GetDatasetList() {
  return this->Internal->Datasets;
}

vtkStringArray *vtkBeamcastVolumeReader::GetDatasetSizes() {
  return this->Internal->Sizes;
}

vtkStringArray *vtkBeamcastVolumeReader::GetMissing() {
  return this->Internal->Missing;
}

const char *vtkBeamcastVolumeReader::GetStorage() {
  return this->Storage.c_str();
}

const char *vtkBeamcastVolumeReader::GetSummary() {
  return this->Summary.c_str();
}

const char *vtkBeamcastVolumeReader::GetOutputUnit() {
  return this->OutputUnit.c_str();
}

const char *vtkBeamcastVolumeReader::GetValueUnit() {
  return this->ValueUnit.c_str();
}

const char *vtkBeamcastVolumeReader::GetNotice() {
  return this->Notice.c_str();
}

vtkIdType vtkBeamcastVolumeReader::GetSamplesRead() {
  return static_cast<vtkIdType>(this->Internal->Piece.GetSamplesRead());
}

int vtkBeamcastVolumeReader::CanReadFile(const char *name) {
  beamcast_hdf5_file *file = nullptr;
  if (name == nullptr || beamcast_hdf5_open(name, nullptr, &file, nullptr) != BEAMCAST_OK) {
    return 0;
  }
  beamcast_hdf5_close(file);
  return 1;
}
