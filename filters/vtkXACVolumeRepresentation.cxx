// SPDX-License-Identifier: BSD-3-Clause
#include "vtkXACVolumeRepresentation.h"

#include "XACImage.h"
#include "vtkXACReport.h"
#include "vtkXACVolumeMapper.h"

#include "vtkColorTransferFunction.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMath.h"
#include "vtkMatrix4x4.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"
#include "vtkOutlineSource.h"
#include "vtkPVLODVolume.h"
#include "vtkPVRenderView.h"
#include "vtkRenderer.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkVolumeProperty.h"

#include <algorithm>
#include <sstream>
#include <vector>

vtkStandardNewMacro(vtkXACVolumeRepresentation);

vtkXACVolumeRepresentation::vtkXACVolumeRepresentation() {
  this->VolumeMapper.TakeReference(vtkXACVolumeMapper::New());
}

vtkXACVolumeRepresentation::~vtkXACVolumeRepresentation() = default;

vtkXACVolumeMapper *vtkXACVolumeRepresentation::Mapper() {
  return static_cast<vtkXACVolumeMapper *>(this->VolumeMapper.Get());
}

void vtkXACVolumeRepresentation::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "XAC kernel: " << this->KernelName << "\n";
}

int vtkXACVolumeRepresentation::RequestUpdateExtent(vtkInformation *request,
                                                    vtkInformationVector **input,
                                                    vtkInformationVector *output) {
  int result = this->Superclass::RequestUpdateExtent(request, input, output);
  auto controller = vtkMultiProcessController::GetGlobalController();
  if (controller && controller->GetNumberOfProcesses() > 1) {
    // One plane beyond each cut, for exact gradients.
    for (int i = 0; i < input[0]->GetNumberOfInformationObjects(); i++) {
      vtkInformation *info = input[0]->GetInformationObject(i);
      auto key = vtkStreamingDemandDrivenPipeline::UPDATE_NUMBER_OF_GHOST_LEVELS();
      info->Set(key, std::max(info->Has(key) ? info->Get(key) : 0, 1));
    }
  }
  return result;
}

int vtkXACVolumeRepresentation::RequestData(vtkInformation *request, vtkInformationVector **input,
                                            vtkInformationVector *output) {
  vtkMath::UninitializeBounds(this->DataBounds);
  this->DataSize = 0;
  this->Cache = nullptr;
  this->HasInput = input[0]->GetNumberOfInformationObjects() == 1;
  vtkImageData *image = this->HasInput ? vtkImageData::GetData(input[0], 0) : nullptr;
  if (image) {
    vtkNew<vtkImageData> cache;
    cache->ShallowCopy(image); // arrays are shared, ghost layers stay
    this->Cache = cache.Get();
    this->DataSize = cache->GetActualMemorySize();
    this->VolumeMapper->SetInputData(cache);
    XACOwnedExtent(cache, this->Owned);
    if (this->Owned[1] >= this->Owned[0]) {
      XACWhole mine = XACGatherWhole(cache, this->Owned, nullptr);
      mine.GetBounds(this->DataBounds);
      this->OutlineSource->SetBounds(this->DataBounds);
      this->OutlineSource->Update();
    }
    vtkStreamingDemandDrivenPipeline::GetWholeExtent(input[0]->GetInformationObject(0),
                                                     this->WholeExtent);
    this->Actor->SetEnableLOD(0);
  } else {
    XACOwnedExtent(nullptr, this->Owned);
    this->VolumeMapper->RemoveAllInputs();
    this->Actor->SetEnableLOD(!this->HasInput);
  }
  // Past the superclass, which would copy the data to crop the ghost layers off.
  // NOLINTNEXTLINE(bugprone-parent-virtual-call)
  return this->vtkVolumeRepresentation::RequestData(request, input, output);
}

void vtkXACVolumeRepresentation::UpdateMapperParameters() {
  this->Superclass::UpdateMapperParameters();
  const double *origin = this->XACCropping ? this->XACCroppingOrigin : this->CroppingOrigin;
  const double *scale = this->XACCropping ? this->XACCroppingScale : this->CroppingScale;
  if (this->XACCropping) {
    this->VolumeMapper->SetCropping(true);
  }
  if (this->VolumeMapper->GetCropping() && this->WholeBounds[0] <= this->WholeBounds[1]) {
    double planes[6];
    for (int i = 0; i < 6; i++) {
      planes[i] = origin[i / 2] + this->WholeBounds[i] * scale[i / 2];
    }
    this->VolumeMapper->SetCroppingRegionPlanes(planes);
  }
  vtkColorTransferFunction *color = this->Property->GetRGBTransferFunction(0);
  const bool component = color->GetVectorMode() == vtkScalarsToColors::COMPONENT;
  this->Mapper()->SetComponent(component ? color->GetVectorComponent() : 0);
}

int vtkXACVolumeRepresentation::ProcessViewRequest(vtkInformationRequestKey *request,
                                                   vtkInformation *in, vtkInformation *out) {
  if (!this->Superclass::ProcessViewRequest(request, in, out)) {
    return 0;
  }
  // Every rank of a server comes through here, also those that will have nothing to draw.
  auto controller = vtkMultiProcessController::GetGlobalController();
  if (request == vtkPVView::REQUEST_UPDATE() && this->HasInput) {
    XACWhole whole =
        XACGatherWhole(vtkImageData::SafeDownCast(this->Cache), this->Owned, controller);
    whole.GetBounds(this->WholeBounds);
    // The order of the ranks follows from where their parts are, so from the prop's place, too. The
    // view would leave a matrix out that it is given.
    double placed[6];
    double drawn[6];
    whole.Thicken(this->DataBounds, drawn);
    XACPlaceBounds(this->Actor->GetMatrix()->GetData(), drawn, placed);
    vtkPVRenderView::SetGeometryBounds(in, this, placed);
    const int ranks = controller ? controller->GetNumberOfProcesses() : 1;
    std::vector<double> bounds(placed, placed + 6);
    if (ranks > 1) {
      bounds.resize(6 * static_cast<size_t>(ranks));
      controller->AllGather(placed, bounds.data(), 6);
    }
    this->Mapper()->SetBrick(this->Owned, whole, bounds);
  } else if (request == vtkPVView::REQUEST_RENDER() && this->HasInput) {
    this->Mapper()->Prepare(this->Actor, controller);
    auto view = vtkPVRenderView::SafeDownCast(in->Get(vtkPVView::VIEW()));
    if (view) {
      // While the view turns, what several ranks composite has fewer pixels.
      const bool several = controller && controller->GetNumberOfProcesses() > 1;
      this->Mapper()->SetImageReduction(several ? view->GetInteractiveRenderImageReductionFactor()
                                                : 1);
      this->TakePeeling(view);
      this->Mapper()->CheckCut(view->GetRenderer());
    }
  }
  return 1;
}

// With depth peeling for volumes VTK has each volume drawn once per layer of translucent geometry,
// into buffers of its own, by shaders that take part. Ours is no shader: it comes after.
void vtkXACVolumeRepresentation::TakePeeling(vtkPVRenderView *view) {
  if (view->GetRenderer()->GetUseDepthPeelingForVolumes()) {
    view->GetRenderer()->SetUseDepthPeelingForVolumes(false);
    this->Peeled = view;
  }
}

void vtkXACVolumeRepresentation::GiveBackPeeling() {
  if (this->Peeled) {
    this->Peeled->GetRenderer()->SetUseDepthPeelingForVolumes(true);
    this->Peeled = nullptr;
  }
}

void vtkXACVolumeRepresentation::SetVisibility(bool visible) {
  this->Superclass::SetVisibility(visible);
  if (!visible) {
    this->GiveBackPeeling();
  }
}

bool vtkXACVolumeRepresentation::RemoveFromView(vtkView *view) {
  this->GiveBackPeeling();
  return this->Superclass::RemoveFromView(view);
}

void vtkXACVolumeRepresentation::SetReport(vtkXACReport *report) {
  if (report) {
    report->SetRepresentation(this);
  }
}

// --- forwarded ---------------------------------------------------------------------------------

void vtkXACVolumeRepresentation::SetXACKernel(const char *name) {
  this->KernelName = name ? name : "";
  this->Mapper()->SetKernel(name);
}

void vtkXACVolumeRepresentation::ReloadXACKernel() {
  this->Mapper()->SetKernel(this->KernelName.c_str());
}

void vtkXACVolumeRepresentation::SetXACBackend(const char *name) {
  this->Mapper()->SetBackend(name);
}

void vtkXACVolumeRepresentation::SetXACParameters(const char *parameters) {
  this->Mapper()->SetParameters(parameters ? parameters : "");
}

void vtkXACVolumeRepresentation::SetXACLightVector(double x, double y, double z) {
  this->Mapper()->SetLightVector(x, y, z);
}

// The view takes new bounds, and with them a new order of the ranks, only with new data.
void vtkXACVolumeRepresentation::SetOrientation(double x, double y, double z) {
  this->Superclass::SetOrientation(x, y, z);
  this->MarkModified();
}

void vtkXACVolumeRepresentation::SetOrigin(double x, double y, double z) {
  this->Superclass::SetOrigin(x, y, z);
  this->MarkModified();
}

void vtkXACVolumeRepresentation::SetPosition(double x, double y, double z) {
  this->Superclass::SetPosition(x, y, z);
  this->MarkModified();
}

void vtkXACVolumeRepresentation::SetScale(double x, double y, double z) {
  this->Superclass::SetScale(x, y, z);
  this->MarkModified();
}

void vtkXACVolumeRepresentation::NoteLimits(const char *name, double value, double least,
                                            double most) {
  this->Notes.erase(name);
  if (!(value >= least && value <= most)) {
    std::ostringstream text;
    text << "; " << name << " of " << value << " is not from " << least << " to " << most;
    this->Notes[name] = text.str();
  }
}

// Limits as in the mapper's setters, and in the plugin's XML for the panel.
#define XAC_FORWARD(Name, Type, Least, Most)                                                       \
  void vtkXACVolumeRepresentation::SetXAC##Name(Type value) {                                      \
    this->NoteLimits("XAC" #Name, static_cast<double>(value), Least, Most);                        \
    this->Mapper()->Set##Name(value);                                                              \
  }
XAC_FORWARD(UnitDistance, double, 0.0, VTK_FLOAT_MAX)
XAC_FORWARD(InteractiveCoarseness, int, 1, 8)
XAC_FORWARD(Ambient, double, 0.0, 1.0)
XAC_FORWARD(Diffuse, double, 0.0, 1.0)
XAC_FORWARD(Specular, double, 0.0, 1.0)
XAC_FORWARD(SpecularPower, double, 1.0, 1000.0)
XAC_FORWARD(Anisotropy, double, -0.9, 0.9)
XAC_FORWARD(OcclusionStrength, double, 0.0, 1.0)
XAC_FORWARD(OcclusionRadius, double, 0.0, VTK_FLOAT_MAX)
XAC_FORWARD(LightKind, int, 0, 2)
XAC_FORWARD(LightResolution, int, 8, 512)
#undef XAC_FORWARD

void vtkXACVolumeRepresentation::SetXACSampleDistance(double distance) {
  this->Mapper()->SetSampleDistance(distance);
}

void vtkXACVolumeRepresentation::SetXACJitter(bool on) {
  this->Mapper()->SetJitter(on);
}

void vtkXACVolumeRepresentation::SetXACLabels(bool on) {
  this->Mapper()->SetNearest(on);
}

void vtkXACVolumeRepresentation::MeasureXACWindow() {
  this->Mapper()->RequestWindow();
}

double *vtkXACVolumeRepresentation::GetXACWindow() {
  return this->Mapper()->GetWindow();
}

const char *vtkXACVolumeRepresentation::GetXACStatus() {
  this->Status = this->Mapper()->GetStatus();
  for (const auto &note : this->Notes) {
    this->Status += note.second;
  }
  return this->Status.c_str();
}

const char *vtkXACVolumeRepresentation::GetXACKernelProblem() {
  this->KernelProblem = this->Mapper()->GetKernelProblem();
  return this->KernelProblem.c_str();
}

const char *vtkXACVolumeRepresentation::GetXACDeclaredParameters() {
  this->Declared = this->Mapper()->GetDeclaredParameters();
  return this->Declared.c_str();
}
