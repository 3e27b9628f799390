/* SPDX-License-Identifier: BSD-3-Clause */
#include "vtkBeamcastVolumeWriter.h"

#include "VoxelType.h"
#include "beamcast_hdf5_mpi.h"

#include "vtkDataArray.h"
#include "vtkDemandDrivenPipeline.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMPI.h"
#include "vtkMPICommunicator.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkStringArray.h"

#include <algorithm>
#include <cstring>
#include <vector>

vtkStandardNewMacro(vtkBeamcastVolumeWriter);

namespace {

int TypeOf(const vtkDataArray *array) {
  switch (array->GetDataType()) {
  case VTK_LONG:
  case VTK_LONG_LONG:
  case VTK_ID_TYPE:
    return BEAMCAST_HDF5_INT64;
  case VTK_UNSIGNED_LONG:
  case VTK_UNSIGNED_LONG_LONG:
    return BEAMCAST_HDF5_UINT64;
  default:
    return beamcast::VoxelTypeOf(array->GetDataType());
  }
}

std::string FieldText(vtkImageData *image, const char *name) {
  auto *array = vtkStringArray::SafeDownCast(image->GetFieldData()->GetAbstractArray(name));
  return array != nullptr && array->GetNumberOfValues() > 0 ? array->GetValue(0) : std::string();
}

/* What Beamcast Volume Reader calls by the first name, and Beamcast Stream by the second. */
std::string EitherText(vtkImageData *image, const char *name, const std::string &other) {
  const std::string text = FieldText(image, name);
  return !text.empty() ? text : FieldText(image, other.c_str());
}

int64_t StepOf(vtkImageData *image) {
  auto *array = image->GetFieldData()->GetArray("step");
  return array != nullptr && array->GetNumberOfTuples() > 0
             ? static_cast<int64_t>(array->GetTuple1(0))
             : 0;
}

/* The communicator of ParaView's ranks; that of this process alone where there is only one. */
MPI_Comm CommunicatorOf(vtkMultiProcessController *controller) {
  auto *own = controller != nullptr
                  ? vtkMPICommunicator::SafeDownCast(controller->GetCommunicator())
                  : nullptr;
  return own != nullptr && own->GetMPIComm() != nullptr ? *own->GetMPIComm()->GetHandle()
                                                        : MPI_COMM_NULL;
}

} // namespace

vtkBeamcastVolumeWriter::vtkBeamcastVolumeWriter()
    : Compression(0), Chunk{}, Written(false),
      Controller(vtkMultiProcessController::GetGlobalController()) {
  this->SetNumberOfInputPorts(1);
  this->SetNumberOfOutputPorts(0);
}

vtkBeamcastVolumeWriter::~vtkBeamcastVolumeWriter() = default;

void vtkBeamcastVolumeWriter::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << this->FileName << "\n"
     << indent << "Compression: " << this->Compression << "\n";
}

#define TEXT_PROPERTY(NAME)                                                                        \
  void vtkBeamcastVolumeWriter::Set##NAME(const char *text) {                                      \
    const std::string value = text != nullptr ? text : "";                                         \
    if (value != this->NAME) {                                                                     \
      this->NAME = value;                                                                          \
      this->Modified();                                                                            \
    }                                                                                              \
  }                                                                                                \
  const char *vtkBeamcastVolumeWriter::Get##NAME() {                                               \
    return this->NAME.c_str();                                                                     \
  }
TEXT_PROPERTY(FileName)
TEXT_PROPERTY(ArrayName)
TEXT_PROPERTY(Unit)
#undef TEXT_PROPERTY

int vtkBeamcastVolumeWriter::FillInputPortInformation(int, vtkInformation *info) {
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkImageData");
  return 1;
}

vtkTypeBool vtkBeamcastVolumeWriter::ProcessRequest(vtkInformation *request,
                                                    vtkInformationVector **inputs,
                                                    vtkInformationVector *outputs) {
  vtkInformation *in = inputs[0]->GetInformationObject(0);
  if (request->Has(vtkStreamingDemandDrivenPipeline::REQUEST_UPDATE_EXTENT())) {
    const bool many = this->Controller != nullptr;
    in->Set(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_PIECES(),
            many ? this->Controller->GetNumberOfProcesses() : 1);
    in->Set(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER(),
            many ? this->Controller->GetLocalProcessId() : 0);
    in->Set(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_GHOST_LEVELS(), 0);
    return 1;
  }
  if (request->Has(vtkDemandDrivenPipeline::REQUEST_DATA())) {
    int whole[6] = {0, -1, 0, -1, 0, -1};
    in->Get(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), whole);
    this->Written = this->WriteData(vtkImageData::GetData(in), whole) != 0;
    return this->Written ? 1 : 0;
  }
  return this->Superclass::ProcessRequest(request, inputs, outputs);
}

int vtkBeamcastVolumeWriter::Write() {
  this->Written = false;
  if (this->GetNumberOfInputConnections(0) == 0) {
    vtkErrorMacro("Nothing to write: there is no input.");
    return 0;
  }
  this->Modified();
  this->Update();
  return this->Written ? 1 : 0;
}

int vtkBeamcastVolumeWriter::WriteData(vtkImageData *image, const int whole[6]) {
  beamcast_error error = {};
  beamcast_hdf5_output output = {};
  const int ranks = this->Controller != nullptr ? this->Controller->GetNumberOfProcesses() : 1;
  vtkDataArray *array = nullptr;
  if (image != nullptr && image->GetNumberOfPoints() > 0) {
    vtkPointData *points = image->GetPointData();
    array = !this->ArrayName.empty() ? points->GetArray(this->ArrayName.c_str())
            : points->GetScalars()   ? points->GetScalars()
                                     : points->GetArray(0);
  }
  /* What a rank without voxels doesn't know it has from the others: the largest of all is theirs.
   */
  long long about[2] = {array != nullptr ? TypeOf(array) : 0,
                        array != nullptr ? array->GetNumberOfComponents() : 0};
  if (ranks > 1) {
    const long long own[2] = {about[0], about[1]};
    this->Controller->AllReduce(own, about, 2, vtkCommunicator::MAX_OP);
  }
  output.type = static_cast<int>(about[0]);
  output.components = static_cast<int>(about[1]);
  if (output.components == 0 || output.type == 0) {
    vtkErrorMacro("Nothing to write: the input has no point array "
                  << (this->ArrayName.empty() ? "of numbers" : this->ArrayName.c_str()) << ".");
    return 0;
  }
  const std::string unit =
      !this->Unit.empty() ? this->Unit : EitherText(image, "Unit", "length_unit");
  const std::string source = EitherText(image, "Source", "source");
  double spacing[3], origin[3];
  char texts[4][256] = {};
  if (array != nullptr && array->GetName() != nullptr) {
    std::strncpy(texts[0], array->GetName(), sizeof texts[0] - 1);
  }
  std::strncpy(texts[1], unit.c_str(), sizeof texts[1] - 1);
  std::strncpy(texts[2], source.c_str(), sizeof texts[2] - 1);
  std::strncpy(texts[3], FieldText(image, (std::string(texts[0]) + "_unit").c_str()).c_str(),
               sizeof texts[3] - 1);
  if (ranks > 1) { /* one rank's words for all: rank 0 always has voxels */
    this->Controller->Broadcast(&texts[0][0], sizeof texts, 0);
  }
  image->GetSpacing(spacing);
  image->GetOrigin(origin);
  int64_t extent[6];
  int own[6];
  image->GetExtent(own);
  for (int axis = 0; axis < 3; axis++) {
    output.size[axis] = static_cast<uint64_t>(whole[2 * axis + 1] - whole[2 * axis]) + 1;
    output.spacing[axis] = spacing[axis];
    output.origin[axis] = origin[axis] + spacing[axis] * whole[2 * axis];
    output.chunk[axis] = static_cast<uint64_t>(std::max(0, this->Chunk[axis]));
    extent[2 * axis] = own[2 * axis] - whole[2 * axis];
    extent[2 * axis + 1] = own[2 * axis + 1] - whole[2 * axis];
  }
  output.name = texts[0];
  output.unit = texts[1];
  output.source = texts[2];
  output.value_unit = texts[3];
  output.compression = this->Compression;
  output.step = -1;
  if (image->GetInformation()->Has(vtkDataObject::DATA_TIME_STEP())) {
    output.step = StepOf(image);
    output.time = image->GetInformation()->Get(vtkDataObject::DATA_TIME_STEP());
  }
  if (ranks > 1) { /* a rank without voxels lacks the geometry, too */
    this->Controller->Broadcast(output.spacing, 3, 0);
    this->Controller->Broadcast(output.origin, 3, 0);
    vtkTypeInt64 step[2] = {output.step, 0};
    this->Controller->Broadcast(step, 2, 0);
    output.step = step[0];
    this->Controller->Broadcast(&output.time, 1, 0);
  }
  /* Says of an array that parts of it are nowhere, and what they are to be. */
  vtkDataArray *fill = image->GetFieldData()->GetArray((std::string(texts[0]) + "_fill").c_str());
  output.partial = fill != nullptr && fill->GetNumberOfTuples() > 0;
  output.fill = output.partial ? fill->GetTuple1(0) : 0;
  if (ranks > 1) { /* as rank 0 knows it */
    this->Controller->Broadcast(&output.partial, 1, 0);
    this->Controller->Broadcast(&output.fill, 1, 0);
  }
  const void *memory = array != nullptr ? array->GetVoidPointer(0) : nullptr;
  const MPI_Comm communicator = CommunicatorOf(this->Controller);
  int code;
  if (ranks > 1 && communicator != MPI_COMM_NULL) {
    code = beamcast_hdf5_write_together(communicator, this->FileName.c_str(), &output, extent,
                                        memory, &error);
  } else {
    code = beamcast_hdf5_write(this->FileName.c_str(), &output, memory, &error);
  }
  if (code != BEAMCAST_OK) {
    vtkErrorMacro(<< error.message << ".");
    return 0;
  }
  return 1;
}
