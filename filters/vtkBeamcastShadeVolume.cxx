// SPDX-License-Identifier: BSD-3-Clause
#include "vtkBeamcastShadeVolume.h"

#include "XACImage.h"

#include "vtkCommunicator.h"
#include "vtkFloatArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkSMPTools.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkUnsignedCharArray.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

vtkStandardNewMacro(vtkBeamcastShadeVolume);

vtkBeamcastShadeVolume::vtkBeamcastShadeVolume() {
  this->SetInputArrayToProcess(0, 0, 0, vtkDataObject::FIELD_ASSOCIATION_POINTS,
                               vtkDataSetAttributes::SCALARS);
}

vtkBeamcastShadeVolume::~vtkBeamcastShadeVolume() = default;

void vtkBeamcastShadeVolume::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Preset: " << this->Preset << "\n";
}

int vtkBeamcastShadeVolume::RequestInformation(vtkInformation *, vtkInformationVector **,
                                               vtkInformationVector *) {
  return 1; // extent, spacing and origin are the input's
}

// A piece as it is asked for, with no ghost layers of its own: light needs no neighbours' voxels.
int vtkBeamcastShadeVolume::RequestUpdateExtent(vtkInformation *, vtkInformationVector **,
                                                vtkInformationVector *) {
  return 1;
}

namespace {
struct RendererDeleter {
  void operator()(xac_renderer *r) const {
    xac_destroy(r);
  }
};
} // namespace

int vtkBeamcastShadeVolume::RequestData(vtkInformation *, vtkInformationVector **inputVector,
                                        vtkInformationVector *outputVector) {
  vtkImageData *input = vtkImageData::GetData(inputVector[0]);
  vtkImageData *output = vtkImageData::GetData(outputVector);
  output->ShallowCopy(input);
  auto controller = vtkMultiProcessController::GetGlobalController();
  int owned[6];
  XACOwnedExtent(input, owned);
  XACWhole whole = XACGatherWhole(input, owned, controller);
  if (!whole.Valid()) {
    return 1;
  }
  vtkDataArray *array = this->GetInputArrayToProcess(0, input);
  if (!array) { // none was chosen: scripts need not
    array = input->GetPointData()->GetScalars() ? input->GetPointData()->GetScalars()
                                                : input->GetPointData()->GetArray(0);
  }
  beamcast_error error = {0, ""};
  xac_volume volume;
  std::string converted;
  vtkSmartPointer<vtkDataArray> drawn = XACDrawable(array, &converted);
  if (XACMakeVolume(input, drawn, 0, owned, whole, nullptr, false, &volume, &error) !=
      BEAMCAST_OK) {
    vtkErrorMacro(<< error.message);
    XACMakeVolume(nullptr, nullptr, 0, owned, whole, nullptr, false, &volume, nullptr);
    array = nullptr;
  }
  std::unique_ptr<xac_renderer, RendererDeleter> r(xac_create(XAC_CPU, XACThreads(), &error));
  std::vector<float> colors(4 * 1024);
  const int entries = this->Preset == "labels" ? 256 : 1024;
  bool fine = r && xac_set_volume(r.get(), &volume, &error) == BEAMCAST_OK &&
              xac_preset(this->Preset.c_str(), colors.data(), entries, &error) == BEAMCAST_OK;
  int mine = fine, all = fine;
  if (controller && controller->GetNumberOfProcesses() > 1) {
    controller->AllReduce(&mine, &all, 1, vtkCommunicator::MIN_OP);
  }
  if (!all) {
    vtkErrorMacro(<< (fine ? "another rank can't take part" : error.message));
    return 0;
  }
  std::copy(this->Window, this->Window + 2, this->UsedWindow);
  if (this->Preset == "labels") {
    this->UsedWindow[0] = 0.0;
    this->UsedWindow[1] = 255.0;
  } else if (this->Window[0] >= this->Window[1]) {
    XACFindWindow(r.get(), controller, 0.001, 0.999, this->UsedWindow);
  }
  double voxel = std::min(
      {std::fabs(whole.Spacing[0]), std::fabs(whole.Spacing[1]), std::fabs(whole.Spacing[2])});
  xac_transfer transfer = {
      colors.data(), entries, {this->UsedWindow[0], this->UsedWindow[1]}, voxel};
  xac_shading shading;
  xac_shading_default(&shading);
  shading.kernel = XAC_SCATTER | XAC_OCCLUSION;
  shading.light = XAC_LIGHT_DIRECTIONAL;
  std::copy(this->LightVector, this->LightVector + 3, shading.vector);
  shading.occlusion_radius = this->OcclusionRadius;
  shading.light_resolution = this->LightResolution;
  if (xac_set_transfer(r.get(), &transfer, &error) != BEAMCAST_OK ||
      xac_set_shading(r.get(), &shading, &error) != BEAMCAST_OK ||
      XACShareLight(r.get(), controller, &error) != BEAMCAST_OK) {
    vtkErrorMacro(<< error.message);
    return 0;
  }
  if (!array) {
    return 1;
  }

  const vtkIdType points = output->GetNumberOfPoints();
  vtkNew<vtkFloatArray> light, openness;
  vtkNew<vtkUnsignedCharArray> shaded;
  const bool rgba = this->OutputKind == SHADED;
  light->SetName("light");
  openness->SetName("openness");
  shaded->SetName("shaded");
  shaded->SetNumberOfComponents(4);
  if (rgba) {
    shaded->SetNumberOfTuples(points);
  } else {
    light->SetNumberOfTuples(points);
    openness->SetNumberOfTuples(points);
  }
  const double width = std::max(this->UsedWindow[1] - this->UsedWindow[0], 1e-30);
  vtkSMPTools::For(0, points, [&](vtkIdType begin, vtkIdType end) {
    for (vtkIdType i = begin; i < end; i++) {
      double p[3];
      float lit, open;
      output->GetPoint(i, p);
      xac_light_at(r.get(), p, &lit, &open);
      if (!rgba) {
        light->SetValue(i, lit);
        openness->SetValue(i, open);
        continue;
      }
      double at = (array->GetComponent(i, 0) - this->UsedWindow[0]) / width * (entries - 1);
      int entry = at >= 0.0 ? static_cast<int>(std::min(at + 0.5, entries - 1.0)) : 0;
      const float *color = colors.data() + 4 * static_cast<size_t>(entry);
      double factor = this->Ambient * std::min(1.0, 2.0 * open) + (1.0 - this->Ambient) * lit;
      for (int c = 0; c < 4; c++) {
        double value = c < 3 ? color[c] * factor : color[3];
        shaded->SetValue(4 * i + c, static_cast<unsigned char>(std::lround(255.0 * value)));
      }
    }
  });
  if (rgba) {
    output->GetPointData()->AddArray(shaded);
    output->GetPointData()->SetActiveScalars("shaded");
  } else {
    output->GetPointData()->AddArray(light);
    output->GetPointData()->AddArray(openness);
  }
  return 1;
}
