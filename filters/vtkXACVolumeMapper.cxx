// SPDX-License-Identifier: BSD-3-Clause
//
// The mapper's life, what it says of itself, and the picture. Before one:
// vtkXACVolumeMapperPrepare.
#include "vtkXACVolumeMapperInternals.h"

#include "vtkCamera.h"
#include "vtkObjectFactory.h"
#include "vtkPlane.h"
#include "vtkPlaneCollection.h"
#include "vtkPropCollection.h"
#include "vtkRenderWindow.h"
#include "vtkRenderer.h"
#include "vtkVolume.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <vector>

vtkStandardNewMacro(vtkXACVolumeMapper);

namespace {
std::vector<vtkXACVolumeMapper *> &AllMappers() {
  static std::vector<vtkXACVolumeMapper *> mappers;
  return mappers;
}
} // namespace

vtkXACVolumeMapper::vtkXACVolumeMapper() : Internal(new Internals) {
  AllMappers().push_back(this);
}

vtkXACVolumeMapper::~vtkXACVolumeMapper() {
  std::vector<vtkXACVolumeMapper *> &all = AllMappers();
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
  xac_destroy(this->Internal->Renderer);
}

void vtkXACVolumeMapper::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Status: " << this->GetStatus() << "\n";
}

void vtkXACVolumeMapper::SetKernel(const char *name) {
  this->Internal->Kernel = name ? name : "";
  this->Internal->KernelChanged = true;
  this->Modified();
}

void vtkXACVolumeMapper::SetBackend(const char *name) {
  this->Internal->Backend = name ? name : "";
  this->Modified();
}

void vtkXACVolumeMapper::SetParameters(const std::string &parameters) {
  this->Internal->Parameters = parameters;
  this->Modified();
}

void vtkXACVolumeMapper::SetBrick(const int owned[6], const XACWhole &whole,
                                  const std::vector<double> &bounds) {
  this->Internal->Bounds = bounds;
  std::copy(owned, owned + 6, this->Internal->Owned);
  this->Internal->Whole = whole;
  this->Internal->BrickChanged = true;
}

double *vtkXACVolumeMapper::GetBounds() {
  double *bounds = this->Superclass::GetBounds();
  if (bounds == this->Bounds) {
    this->Internal->Whole.Thicken(bounds, bounds);
  }
  return bounds;
}

std::string vtkXACVolumeMapper::GetStatus() {
  Internals &in = *this->Internal;
  std::ostringstream text;
  text << (in.Renderer ? xac_describe(in.Renderer) : "not started") << "; kernel "
       << (in.KernelRefused ? "before " : "") << in.Kernel;
  if (in.Stats.milliseconds > 0.0) {
    char line[160];
    std::snprintf(line, sizeof line, "; %.1f ms a frame, %.0f million samples/s",
                  in.Stats.milliseconds,
                  static_cast<double>(in.Stats.samples) / in.Stats.milliseconds * 1e-3);
    text << line;
  }
  if (in.Stats.copied_early > 0) {
    text << "; copied to the device while it landed: "
         << 100 * in.Stats.copied_early / (in.Stats.copied_early + in.Stats.copied_late) << " %";
  }
  for (const std::string &more :
       {in.Problem, in.KernelProblem, in.ParameterProblem, in.CutProblem, in.StepProblem,
        in.ColorsNotice, in.Converted, std::string(in.Stats.notice)}) {
    text << (more.empty() ? "" : "; ") << more;
  }
  return text.str();
}

std::string vtkXACVolumeMapper::GetKernelProblem() {
  Internals &in = *this->Internal;
  const bool stopped =
      in.Renderer && in.KernelProblem.empty() && XACKernelBits(in.Kernel.c_str()) < 0;
  return stopped ? xac_user_stopped(in.Renderer) : in.KernelProblem;
}

std::string vtkXACVolumeMapper::GetDeclaredParameters() {
  Internals &in = *this->Internal;
  std::ostringstream text;
  for (int i = 0; in.Renderer && i < xac_user_parameters(in.Renderer); i++) {
    const xac_parameter *p = xac_user_parameter(in.Renderer, i);
    text << p->name << "=" << p->value << " (" << p->type << ", " << p->minimum << " to "
         << p->maximum << "): " << p->help << "\n";
  }
  return text.str();
}

namespace {
// Cropping planes are in the data's coordinates, along its axes.
void SetCrop(const XACWhole &whole, const double planes[6], xac_quality *quality) {
  quality->crop = 1;
  for (int a = 0; a < 3; a++) {
    for (int side = 0; side < 2; side++) {
      quality->crop_box[2 * a + side] =
          (planes[2 * a + side] - whole.Origin[a]) / whole.Spacing[a] - whole.Extent[2 * a];
    }
  }
}

void SetPlanes(vtkPlaneCollection *planes, xac_quality *quality) {
  for (int i = 0; planes && i < planes->GetNumberOfItems() && i < XAC_PLANES_MAX; i++) {
    vtkPlane *plane = planes->GetItem(i);
    const double *n = plane->GetNormal(), *o = plane->GetOrigin();
    double *p = quality->plane[quality->planes++];
    std::copy(n, n + 3, p);
    p[3] = -(n[0] * o[0] + n[1] * o[1] + n[2] * o[2]);
  }
}
} // namespace

std::vector<vtkXACVolumeMapper *> vtkXACVolumeMapper::Shown(vtkRenderer *renderer) {
  std::vector<vtkXACVolumeMapper *> shown;
  vtkPropCollection *props = renderer->GetViewProps();
  vtkCollectionSimpleIterator at;
  props->InitTraversal(at);
  while (vtkProp *prop = props->GetNextProp(at)) {
    for (vtkXACVolumeMapper *mapper : AllMappers()) {
      const Internals &in = *mapper->Internal;
      if (in.Prop == prop && prop->GetVisibility() && in.Ready && in.Array) {
        shown.push_back(mapper);
      }
    }
  }
  return shown;
}

void vtkXACVolumeMapper::CheckCut(vtkRenderer *renderer) {
  Internals &in = *this->Internal;
  bool same = true;
  vtkPropCollection *props = renderer->GetViewProps();
  for (vtkXACVolumeMapper *other : AllMappers()) {
    const Internals &its = *other->Internal;
    same = same && (other == this || !its.Prop || !props->IsItemPresent(its.Prop) ||
                    !its.Prop->GetVisibility() || XACSameCut(in.Bounds, its.Bounds));
  }
  const bool said = !in.CutProblem.empty();
  in.CutProblem = same ? ""
                       : "another volume in this view is cut differently over the ranks: where "
                         "they overlap, what is in front may be wrong; resample one to the other, "
                         "or show them on one rank";
  if (!same && !said) {
    vtkWarningMacro(<< in.CutProblem);
  }
}

void vtkXACVolumeMapper::FillQuality(int coarse, xac_quality *quality) {
  Internals &in = *this->Internal;
  const double *s = in.Whole.Spacing;
  const double voxel = std::min({std::fabs(s[0]), std::fabs(s[1]), std::fabs(s[2])});
  double size = 0.0;
  for (int a = 0; a < 3; a++) {
    size += std::fabs(s[a]) * (in.Whole.Extent[2 * a + 1] - in.Whole.Extent[2 * a] + 1);
  }
  double step = 0.5 * voxel;
  in.StepProblem.clear();
  if (this->SampleDistance >= voxel / 64.0 && this->SampleDistance <= size) {
    step = this->SampleDistance;
  } else if (this->SampleDistance != 0.0) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "a sample distance of %g is not from %g to %g: half a voxel is taken",
                  this->SampleDistance, voxel / 64.0, size);
    in.StepProblem = line;
  }
  xac_quality_default(quality, step * coarse);
  quality->jitter = this->Jitter;
  if (this->Cropping) {
    SetCrop(in.Whole, this->CroppingRegionPlanes, quality);
  }
  SetPlanes(this->ClippingPlanes, quality);
}

namespace {
// The whole volume's corners in the world, matrix being the prop's.
void SetCorners(const XACWhole &whole, const double *matrix, XACLayer *layer) {
  for (int corner = 0; corner < 8; corner++) {
    double p[3];
    for (int a = 0; a < 3; a++) {
      p[a] = whole.Origin[a];
      for (int j = 0; j < 3; j++) {
        const int side = corner >> j & 1; // a single plane of points is drawn a cell thick
        const double thick = whole.Extent[2 * j] == whole.Extent[2 * j + 1] ? side - 0.5 : 0.0;
        p[a] +=
            whole.Direction[3 * a + j] * whole.Spacing[j] * (whole.Extent[2 * j + side] + thick);
      }
    }
    for (int a = 0; a < 3; a++) {
      const double *m = matrix + 4 * a;
      layer->Corner[corner][a] = m[0] * p[0] + m[1] * p[1] + m[2] * p[2] + m[3];
    }
  }
}
} // namespace

void vtkXACVolumeMapper::WarnOfStop() {
  Internals &in = *this->Internal;
  const bool news = in.Stopped != xac_user_stopped(in.Renderer);
  in.Stopped = xac_user_stopped(in.Renderer);
  if (news && !in.Stopped.empty()) {
    vtkWarningMacro(<< in.Stopped);
  }
}

void vtkXACVolumeMapper::Render(vtkRenderer *renderer, vtkVolume *vtkNotUsed(volume)) {
  Internals &in = *this->Internal;
  vtkRenderWindow *window = renderer->GetRenderWindow();
  if (!in.Ready || !window || renderer->GetSelector()) {
    return;
  }
  // The first of several draws them all, in the order of depth.
  std::vector<vtkXACVolumeMapper *> shown = Shown(renderer);
  if (std::find(shown.begin(), shown.end(), this) == shown.end()) {
    shown = {this};
  } else if (shown.front() != this) {
    return;
  }
  const bool turning = window->GetDesiredUpdateRate() >= 1.0;
  int coarse = 1;
  for (vtkXACVolumeMapper *mapper : shown) {
    coarse = turning ? std::max(coarse, mapper->InteractiveCoarseness) : 1;
  }
  const int reduction = this->ImageReduction;
  if (!in.Picture.Begin(renderer, turning ? (coarse + reduction - 1) / reduction : 1)) {
    return;
  }
  double direction[3];
  renderer->GetActiveCamera()->GetDirectionOfProjection(direction);
  std::vector<XACLayer> layers;
  for (vtkXACVolumeMapper *mapper : shown) {
    Internals &its = *mapper->Internal;
    XACLayer layer = {its.Renderer, {}, &its.Stats, {}};
    mapper->FillQuality(coarse, &layer.Quality);
    SetCorners(its.Whole, its.Matrix, &layer);
    layers.push_back(layer);
  }
  xac_image image = in.Picture.Image(renderer, true);
  beamcast_error error = {0, ""};
  const int code = layers.size() == 1 ? xac_render(in.Renderer, &in.Picture.Camera(),
                                                   &layers[0].Quality, &image, &in.Stats, &error)
                                      : XACDrawTogether(layers, in.Picture.Camera(), direction,
                                                        turning ? 16 : 48, image, &error);
  if (code != BEAMCAST_OK) {
    in.Problem = error.message;
    vtkWarningMacro(<< error.message);
    return;
  }
  for (vtkXACVolumeMapper *mapper : shown) {
    mapper->WarnOfStop();
  }
  in.Picture.Show(renderer);
}

void vtkXACVolumeMapper::ReleaseGraphicsResources(vtkWindow *window) {
  this->Internal->Picture.ReleaseGraphicsResources(window);
  this->Superclass::ReleaseGraphicsResources(window);
}
