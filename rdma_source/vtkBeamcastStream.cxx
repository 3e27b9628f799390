/* SPDX-License-Identifier: BSD-3-Clause */
#include "vtkBeamcastStream.h"

#include "BeamcastReceiver.h"
#include "GhostMarks.h"

#include "vtkDataArray.h"
#include "vtkDataObject.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkSmartPointer.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <iostream>
#include <jansson.h>

/* The source's place among the views of its stream. */
class vtkBeamcastStream::View : public BeamcastView {
public:
  View(vtkBeamcastStream *owner, std::string name) : Owner(owner), Name(std::move(name)) {
    BeamcastReceiver::Get()->AddView(this->Name, this);
  }
  ~View() override {
    if (BeamcastReceiver *receiver = BeamcastReceiver::Get()) {
      receiver->RemoveView(this->Name, this);
    }
  }
  void StepsChanged() override {
    this->Owner->Modified();
  }
  const std::string &GetName() const {
    return this->Name;
  }
  bool Joined = false; /* others show the stream already, and who drives them looks for new steps */
  bc_stream_settings Asked{}; /* by this source; others may have asked for other ones since */
  const BeamcastReceiver::Steps &GetSteps() const {
    static const BeamcastReceiver::Steps none;
    const BeamcastReceiver *receiver = BeamcastReceiver::Get();
    return receiver == nullptr ? none : receiver->GetSteps(this->Name);
  }
  bc_stream_status GetStatus() const {
    const BeamcastReceiver *receiver = BeamcastReceiver::Get();
    return receiver == nullptr ? bc_stream_status{} : receiver->GetStatus(this->Name);
  }

private:
  vtkBeamcastStream *Owner;
  std::string Name;
};

namespace {

/* The step for a time that was asked for: the one of exactly this time, else the newest. */
BeamcastStep *StepAt(const BeamcastReceiver::Steps &steps, vtkInformation *out, bool newest) {
  if (steps.empty()) {
    return nullptr;
  }
  if (!newest && steps.size() > 1 &&
      out->Has(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP())) {
    const double time = out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_TIME_STEP());
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      if ((*step)->GetInfo().time == time) {
        return step->get();
      }
    }
  }
  return steps.back().get();
}

/* Whether VTK's extents, which are ints, can express the volume. */
bool IsExpressible(const bc_frame_info &info) {
  return std::all_of(info.volume, info.volume + 3,
                     [](uint64_t voxels) { return voxels >= 1 && voxels <= VTK_INT_MAX; });
}

int ToCount(uint64_t number) {
  return static_cast<int>(std::min<uint64_t>(number, VTK_INT_MAX));
}

void ToExtent(const bc_box &box, int extent[6]) {
  for (int axis = 0; axis < 3; axis++) {
    extent[2 * axis] = static_cast<int>(box.start[axis]);
    extent[2 * axis + 1] = static_cast<int>(box.start[axis] + box.shape[axis]) - 1;
  }
}

/* Own points and up to `layers` ghost planes of those that memory has. */
bc_box WithGhosts(const bc_frame_info &info, uint64_t layers) {
  bc_box box = info.own;
  if (bc_box_is_empty(&box)) {
    return box;
  }
  for (int axis = 0; axis < 3; axis++) {
    const uint64_t below = std::min(layers, info.own.start[axis] - info.memory.start[axis]);
    const uint64_t own_end = info.own.start[axis] + info.own.shape[axis];
    const uint64_t above =
        std::min(layers, info.memory.start[axis] + info.memory.shape[axis] - own_end);
    box.start[axis] -= below;
    box.shape[axis] += below + above;
  }
  return box;
}

} // namespace

vtkStandardNewMacro(vtkBeamcastStream);

vtkBeamcastStream::vtkBeamcastStream() {
  this->SetNumberOfInputPorts(0);
}

vtkBeamcastStream::~vtkBeamcastStream() = default;

void vtkBeamcastStream::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "StreamName: " << this->StreamName << "\n"
     << indent << "Policy: " << this->Policy << "\n"
     << indent << "Slots: " << this->Slots << "\n"
     << indent << "Keep: " << this->Keep << "\n"
     << indent << "KeepMiB: " << this->KeepMiB << "\n"
     << indent << "GhostLayers: " << this->GhostLayers << "\n"
     << indent << "Split: " << this->Split << "\n"
     << indent << "FollowNewest: " << this->FollowNewest << "\n"
     << indent << "Progressive: " << this->Progressive << "\n";
}

void vtkBeamcastStream::SetStreamName(const char *name) {
  const std::string wanted = name != nullptr && *name != '\0' ? name : "volume";
  if (this->StreamName != wanted) {
    this->StreamName = wanted;
    this->Modified();
  }
}

const char *vtkBeamcastStream::GetStreamName() {
  return this->StreamName.c_str();
}

void vtkBeamcastStream::ApplySettings() {
  const bool fresh = this->Stream == nullptr || this->Stream->GetName() != this->StreamName;
  this->Configure();
  if (fresh && this->Stream != nullptr && !this->Stream->Joined) {
    this->GetNeedsUpdate(); /* what is there already is shown at once, by scripts and stock clients
                             */
  }
}

bc_stream_settings vtkBeamcastStream::GetSettings() const {
  bc_stream_settings settings{};
  settings.policy = this->Policy;
  settings.slots = this->Progressive ? 1 : this->Slots;
  settings.keep = this->Progressive ? 0 : this->Keep;
  settings.keep_bytes = static_cast<uint64_t>(this->KeepMiB) << 20;
  settings.split = this->Split;
  settings.ghosts = this->GhostLayers;
  return settings;
}

void vtkBeamcastStream::Configure() {
  std::string why;
  BeamcastReceiver *receiver = BeamcastReceiver::Open(why);
  if (receiver == nullptr) {
    if (!this->Failed) {
      vtkErrorMacro("No steps can be received: " << why << ".");
    }
    this->Failed = true;
    return;
  }
  if (this->Stream == nullptr || this->Stream->GetName() != this->StreamName) {
    this->Stream.reset();
    const bool joins = receiver->HasViews(this->StreamName);
    this->Stream = std::make_unique<View>(this, this->StreamName);
    /* ParaView makes a source with the name "volume" first, whatever stream it is for. */
    this->Stream->Joined = joins;
    if (joins) {
      this->Stream->Asked = vtkSmartPointer<vtkBeamcastStream>::New()->GetSettings();
    }
  }
  const bc_stream_settings settings = this->GetSettings();
  if (BeamcastReceiver::AreSame(settings, this->Stream->Asked)) {
    return;
  }
  this->Stream->Asked = settings;
  if (!receiver->Configure(this->StreamName, settings, why)) {
    vtkErrorMacro("The settings of stream \"" << this->StreamName << "\" were refused: " << why);
  }
}

bool vtkBeamcastStream::GetNeedsUpdate() {
  BeamcastReceiver *receiver = BeamcastReceiver::Get();
  if (receiver == nullptr || this->Stream == nullptr) {
    return false;
  }
  const std::string &name = this->Stream->GetName();
  return receiver->Poll(name) || (this->Progressive && receiver->ShowArriving(name));
}

void vtkBeamcastStream::Refresh() {
  this->GetNeedsUpdate();
}

void vtkBeamcastStream::SendRequest(const char *json) {
  if (json == nullptr || *json == '\0') {
    return;
  }
  std::string why;
  const BeamcastReceiver *receiver = BeamcastReceiver::Open(why);
  if (receiver != nullptr && receiver->GetRank() != 0) {
    return;
  }
  json_t *request = json_loads(json, 0, nullptr);
  beamcast_error error = {0, ""};
  if (!json_is_object(request)) {
    why = "it is no JSON object";
  } else if (receiver != nullptr &&
             bc_receiver_request(receiver->GetHandle(), this->GetStreamName(), json, &error) !=
                 BEAMCAST_OK) {
    why = error.message;
  }
  json_decref(request);
  if (!why.empty()) {
    vtkErrorMacro("The request was not sent: " << why << ".");
  }
}

void vtkBeamcastStream::RequestStop() {
  this->SendRequest("{\"stop\": true}");
}

const char *vtkBeamcastStream::GetContactFile() {
  const BeamcastReceiver *receiver = BeamcastReceiver::Get();
  return receiver == nullptr ? "" : receiver->GetContact();
}

const char *vtkBeamcastStream::GetWire() {
  this->Text = this->Stream == nullptr ? "" : this->Stream->GetStatus().wire;
  return this->Text.c_str();
}

const char *vtkBeamcastStream::GetLastDrop() {
  this->Text = this->Stream == nullptr ? "" : this->Stream->GetStatus().last_drop;
  return this->Text.c_str();
}

const char *vtkBeamcastStream::GetNotice() {
  return this->Notice.c_str();
}

int vtkBeamcastStream::GetProducers() {
  return this->Stream == nullptr ? 0 : this->Stream->GetStatus().producers;
}

int vtkBeamcastStream::GetStepsReceived() {
  return this->Stream == nullptr ? 0 : ToCount(this->Stream->GetStatus().steps_received);
}

int vtkBeamcastStream::GetStepsDropped() {
  return this->Stream == nullptr ? 0 : ToCount(this->Stream->GetStatus().steps_dropped);
}

int vtkBeamcastStream::GetStepsAborted() {
  return this->Stream == nullptr ? 0 : ToCount(this->Stream->GetStatus().steps_aborted);
}

double vtkBeamcastStream::GetRate() {
  return this->Stream == nullptr ? 0.0 : this->Stream->GetStatus().rate;
}

double vtkBeamcastStream::GetMemory() {
  return this->Stream == nullptr ? 0.0 : static_cast<double>(this->Stream->GetStatus().memory);
}

int vtkBeamcastStream::GetStepShown() {
  if (this->Stream == nullptr || this->Stream->GetSteps().empty()) {
    return -1;
  }
  return ToCount(this->Stream->GetSteps().back()->GetInfo().step);
}

double *vtkBeamcastStream::GetValueRange() {
  const BeamcastReceiver *receiver = BeamcastReceiver::Get();
  if (receiver != nullptr) {
    receiver->GetRange(this->StreamName, this->ValueRange);
  }
  return this->ValueRange;
}

int vtkBeamcastStream::RequestInformation(vtkInformation *, vtkInformationVector **,
                                          vtkInformationVector *outputs) {
  vtkInformation *out = outputs->GetInformationObject(0);
  if (this->Stream == nullptr) {
    this->Configure();
  }
  out->Set(vtkAlgorithm::CAN_HANDLE_PIECE_REQUEST(), 1);
  out->Remove(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
  out->Remove(vtkStreamingDemandDrivenPipeline::TIME_RANGE());
  static const BeamcastReceiver::Steps none;
  const BeamcastReceiver::Steps &steps = this->Stream == nullptr ? none : this->Stream->GetSteps();
  const BeamcastStep *step = StepAt(steps, out, this->FollowNewest);
  int whole[6] = {0, -1, 0, -1, 0, -1};
  if (step != nullptr) {
    const bc_frame_info &info = step->GetInfo();
    if (!IsExpressible(info)) {
      vtkErrorMacro("A volume of "
                    << info.volume[0] << " x " << info.volume[1] << " x " << info.volume[2]
                    << " voxels has a side of more than 2147483647 voxels, which VTK "
                       "can't express; push a part of it.");
      return 0;
    }
    const bc_box volume = {{0, 0, 0}, {info.volume[0], info.volume[1], info.volume[2]}};
    ToExtent(volume, whole);
    out->Set(vtkDataObject::SPACING(), info.spacing, 3);
    out->Set(vtkDataObject::ORIGIN(), info.origin, 3);
    out->Set(vtkDataObject::DIRECTION(), info.direction, 9);
  }
  out->Set(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), whole, 6);
  if (this->Keep > 0 && !this->Progressive && !steps.empty()) {
    std::vector<double> times;
    for (const auto &kept : steps) {
      times.push_back(kept->GetInfo().time);
    }
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    const double range[2] = {times.front(), times.back()};
    out->Set(vtkStreamingDemandDrivenPipeline::TIME_STEPS(), times.data(),
             static_cast<int>(times.size()));
    out->Set(vtkStreamingDemandDrivenPipeline::TIME_RANGE(), range, 2);
  }
  return 1;
}

int vtkBeamcastStream::RequestData(vtkInformation *, vtkInformationVector **,
                                   vtkInformationVector *outputs) {
  vtkInformation *out = outputs->GetInformationObject(0);
  vtkImageData *image = vtkImageData::GetData(out);
  image->Initialize();
  BeamcastStep *step =
      this->Stream == nullptr ? nullptr : StepAt(this->Stream->GetSteps(), out, this->FollowNewest);
  if (step == nullptr) {
    return 1;
  }
  const bc_frame_info &info = step->GetInfo();
  const int piece = out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_PIECE_NUMBER());
  const int pieces = out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_PIECES());
  const int layers =
      std::max(0, out->Get(vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_GHOST_LEVELS()));

  bc_box box = WithGhosts(info, static_cast<uint64_t>(layers));
  if (pieces > 1 && piece != BeamcastReceiver::Get()->GetRank()) {
    box = bc_box{}; /* cut more finely than the ranks are: each rank's piece has it all */
  }
  const bool empty = bc_box_is_empty(&box);
  int extent[6] = {0, -1, 0, -1, 0, -1};
  if (!empty) {
    ToExtent(box, extent);
  }
  image->SetExtent(extent);
  image->SetSpacing(info.spacing);
  image->SetOrigin(info.origin);
  image->SetDirectionMatrix(info.direction);

  for (int i = 0; i < info.arrays; i++) {
    vtkSmartPointer<vtkDataArray> array = step->NewDataArray(i, box);
    if (array == nullptr) {
      vtkErrorMacro("Array \"" << step->GetArray(i).name
                               << "\" can't be shown: no memory is left to "
                                  "convert it.");
      return 0;
    }
    if (step->GetArray(i).type == BEAMCAST_FLOAT16 && this->Notice.empty()) {
      this->Notice = "float16 values are shown as float32, in memory of their own";
      if (BeamcastReceiver::Get()->GetRank() == 0) {
        std::cerr << "Beamcast Stream: " << this->Notice << "." << std::endl;
      }
    }
    const int index = image->GetPointData()->AddArray(array);
    if (i == 0) {
      image->GetPointData()->SetActiveAttribute(index, vtkDataSetAttributes::SCALARS);
    }
  }
  if (layers > 0 && pieces > 1 && !empty) {
    int own[6];
    ToExtent(info.own, own);
    beamcast::MarkGhosts(image, own);
  }
  step->AddFieldData(image->GetFieldData());
  image->GetInformation()->Set(vtkDataObject::DATA_TIME_STEP(), info.time);
  return 1;
}
