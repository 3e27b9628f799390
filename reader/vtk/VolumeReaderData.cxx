/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The output of vtkBeamcastVolumeReader: this rank's piece at a step of time. */
#include "VolumeReaderState.h"

#include "GhostMarks.h"

#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkTypeInt64Array.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>

namespace {

void AddText(vtkFieldData *field, const char *name, const std::string &text) {
  vtkNew<vtkStringArray> array;
  array->SetName(name);
  array->InsertNextValue(text);
  field->AddArray(array);
}

} // namespace

/* Steps of time: the file's own, or the files of a series. */
size_t vtkBeamcastVolumeReader::FileOfTime(vtkInformation *out, double &time,
                                           uint64_t &step) const {
  time = 0;
  step = 0;
  const double *times = out->Get(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
  const int count = out->Length(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
  if (times == nullptr || count < 1) {
    return 0;
  }
  size_t nearest = 0;
  if (out->Has(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP())) {
    const double wanted = out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP());
    for (int i = 0; i < count && times[i] <= wanted; i++) {
      nearest = static_cast<size_t>(i);
    }
  }
  time = times[nearest];
  if (this->FileNames.size() > 1 && !IsTiff(this->FileNames[0])) {
    return nearest;
  }
  step = nearest;
  return 0;
}

int vtkBeamcastVolumeReader::RequestData(vtkInformation *, vtkInformationVector **,
                                         vtkInformationVector *outputs) {
  vtkInformation *out = outputs->GetInformationObject(0);
  vtkImageData *image = vtkImageData::GetData(out);
  State &state = *this->Internal;
  image->Initialize();
  if (!state.Planned) {
    return 0;
  }
  const int piece = out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER());
  const int pieces = out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_PIECES());
  const int ghosts =
      std::max(0, out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_GHOST_LEVELS()));
  double time;
  uint64_t step;
  const size_t file = this->FileOfTime(out, time, step);
  std::string problem;
  const std::string what = std::to_string(file) + "#" + std::to_string(step);
  if (state.CancelTime == this->GetMTime() && state.CancelWhat == what) {
    return 1; /* who cancelled a read does not want it again at once */
  }
  bool well = this->Agree(this->Open(file, false, problem), problem);
  state.Cancelled = state.CancelTold = false;

  VolumePiece::Key key = {state.OpenName + "#" + std::to_string(state.Changes) + "#" +
                              std::to_string(step) + "#" + std::to_string(this->Channel),
                          state.Plan,
                          {}};
  key.Plan.ranks = std::max(1, pieces);
  int64_t extent[6];
  beamcast_hdf5_plan_piece(&key.Plan, piece, 0, key.Core);
  beamcast_hdf5_plan_piece(&key.Plan, piece, ghosts, extent);
  const bool empty = extent[1] < extent[0];
  if (well) {
    beamcast_error error = {};
    beamcast_hdf5_read_options options = {};
    options.time = step;
    options.channel = static_cast<uint64_t>(this->Channel);
    options.threads = this->Threads;
    options.context = this;
    options.progress = [](void *context, double done) {
      auto *self = static_cast<vtkBeamcastVolumeReader *>(context);
      self->UpdateProgress(done);
      return self->CancelAsked() ? 1 : 0;
    };
    if (file > 0 || this->FileNames.size() > 1) { /* later files must be like the first */
      well = beamcast_hdf5_find(state.File, this->Dataset.c_str(), &key.Plan.volume, &error) ==
             BEAMCAST_OK;
    }
    const auto start = std::chrono::steady_clock::now();
    well = well &&
           (empty || state.Piece.Read(state.File, key, extent, options, &error) == BEAMCAST_OK);
    state.ReadTime = std::chrono::steady_clock::now() - start;
    problem = error.message;
  }
  if (this->AnyCancelled()) {
    this->RememberCancel(what);
    return 1;
  }
  if (!this->Agree(well, problem)) {
    state.Piece.Clear();
    vtkErrorMacro(<< problem << ".");
    return 0;
  }

  double spacing[3], origin[3];
  std::string unit;
  this->Geometry(key.Plan.volume, spacing, origin, unit);
  int box[6] = {0, -1, 0, -1, 0, -1};
  if (!empty) {
    std::copy(extent, extent + 6, box);
  }
  image->SetExtent(box);
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  const beamcast_hdf5_volume &v = state.Volume(key.Plan.volume);
  if (!empty) {
    vtkSmartPointer<vtkDataArray> array = state.Piece.NewArray(extent);
    array->SetName(v.name);
    if (v.kind == BEAMCAST_HDF5_COMPLEX) {
      array->SetComponentName(0, this->ComplexParts ? "real" : "magnitude");
      array->SetComponentName(1, this->ComplexParts ? "imaginary" : "phase");
    }
    image->GetPointData()->SetScalars(array);
    if (ghosts > 0 && pieces > 1) {
      int own[6];
      std::copy(key.Core, key.Core + 6, own);
      beamcast::MarkGhosts(image, own);
    }
  }
  AddText(image->GetFieldData(), "Unit", unit);
  AddText(image->GetFieldData(), "Source", this->FileNames[file] + ":" + v.path);
  if (out->Has(vtkStreamingDemandDrivenPipeline::TIME_STEPS())) {
    vtkNew<vtkTypeInt64Array> number;
    number->SetName("step");
    number->InsertNextValue(static_cast<vtkTypeInt64>(std::max<uint64_t>(file, step)));
    image->GetFieldData()->AddArray(number);
    image->GetInformation()->Set(vtkDataObject::DATA_TIME_STEP(), time);
  }
  return 1;
}
