// SPDX-License-Identifier: BSD-3-Clause
#include "vtkXACVolumeMapper.h"

#include "XACImage.h"
#include "XACPicture.h"
#include "XACTogether.h"

#include "vtkCamera.h"
#include "vtkColorTransferFunction.h"
#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkMatrix4x4.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"
#include "vtkPiecewiseFunction.h"
#include "vtkPlane.h"
#include "vtkPlaneCollection.h"
#include "vtkPropCollection.h"
#include "vtkRenderWindow.h"
#include "vtkRenderer.h"
#include "vtkVolume.h"
#include "vtkVolumeProperty.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

vtkStandardNewMacro(vtkXACVolumeMapper);

struct vtkXACVolumeMapper::Internals {
  xac_renderer *Renderer = nullptr;
  std::string Backend = "auto", Kernel = "local", Parameters;
  std::string LoadedBackend, LoadedKernel;
  bool KernelChanged = true, KernelFailed = false;
  int Bits = XAC_LOCAL;
  int Owned[6] = {0, -1, 0, -1, 0, -1};
  XACWhole Whole;
  bool BrickChanged = true;
  // What the renderer was given last.
  vtkDataArray *Array = nullptr;
  vtkSmartPointer<vtkDataArray> Drawn; // it, or a copy of a type that can be drawn
  vtkMTimeType ArrayTime = 0;
  double Matrix[16] = {0};
  int GivenComponent = -1;
  bool GivenNearest = false;
  bool Ready = false;
  XACPicture Picture;
  xac_stats Stats = {};
  std::string Problem, KernelProblem, CutProblem, Stopped, Converted;
  std::vector<double> Bounds; // of every rank
  vtkVolume *Prop = nullptr;
  bool WindowWanted = false;
  bool ColorsGiven = false, ShadingGiven = false; // the renderer has some that it can draw with
};

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

bool vtkXACVolumeMapper::PrepareRenderer() {
  Internals &in = *this->Internal;
  if (in.Renderer && in.LoadedBackend == in.Backend) {
    return true;
  }
  xac_policy policy = in.Backend == "cpu" ? XAC_CPU : in.Backend == "cuda" ? XAC_CUDA : XAC_AUTO;
  beamcast_error error = {0, ""};
  xac_renderer *made = xac_create(policy, XACThreads(), &error);
  if (!made && policy == XAC_CUDA) {
    in.Problem = std::string("the CPU draws: ") + error.message;
    made = xac_create(XAC_CPU, XACThreads(), &error);
  }
  if (!made) {
    in.Problem = error.message;
    return false;
  }
  xac_destroy(in.Renderer);
  in.Renderer = made;
  in.LoadedBackend = in.Backend;
  in.BrickChanged = true;
  in.KernelChanged = true;
  in.ColorsGiven = in.ShadingGiven = false;
  return true;
}

void vtkXACVolumeMapper::PrepareKernel() {
  Internals &in = *this->Internal;
  int bits = XACKernelBits(in.Kernel.c_str());
  in.KernelFailed = false;
  if (bits >= 0) {
    in.Bits = bits;
    in.KernelProblem.clear();
  } else if (in.KernelChanged) {
    beamcast_error error = {0, ""};
    if (xac_user_load(in.Renderer, in.Kernel.c_str(), &error) == BEAMCAST_OK) {
      in.Bits = xac_user_kernel_bits(in.Renderer);
      in.KernelProblem.clear();
    } else {
      in.KernelProblem = error.message; // the last good kernel draws on
      in.KernelFailed = true;
      vtkWarningMacro(<< error.message);
    }
  }
  in.KernelChanged = false;
  if ((in.Bits & XAC_USER) && !*xac_user_stopped(in.Renderer)) {
    std::istringstream words(in.Parameters);
    for (std::string word; words >> word;) {
      size_t equals = word.find('=');
      beamcast_error error = {0, ""};
      if (equals != std::string::npos &&
          xac_user_set(in.Renderer, word.substr(0, equals).c_str(),
                       std::atof(word.c_str() + equals + 1), &error) != BEAMCAST_OK) {
        in.KernelProblem = error.message;
      }
    }
  }
}

bool vtkXACVolumeMapper::PrepareData(vtkVolume *prop) {
  Internals &in = *this->Internal;
  if (!in.Whole.Valid()) {
    in.Problem = "there is no volume yet";
    return false;
  }
  vtkImageData *image = vtkImageData::SafeDownCast(this->GetDataSetInput());
  int cells = 0;
  vtkDataArray *array =
      image ? vtkAbstractMapper::GetScalars(image, this->ScalarMode, this->ArrayAccessMode,
                                            this->ArrayId, this->ArrayName, cells)
            : nullptr;
  if (array && cells) {
    in.Problem = "XAC Volume draws point arrays; use Cell Data to Point Data first";
    array = nullptr;
  }
  const double *matrix = prop->GetMatrix()->GetData();
  vtkMTimeType time = array ? array->GetMTime() : 0;
  const bool same = !in.BrickChanged && array == in.Array && time == in.ArrayTime &&
                    std::equal(matrix, matrix + 16, in.Matrix) &&
                    this->Component == in.GivenComponent && this->Nearest == in.GivenNearest;
  if (same) {
    return true;
  }
  xac_volume volume;
  beamcast_error error = {0, ""};
  in.Drawn = XACDrawable(array, &in.Converted);
  int code = XACMakeVolume(image, in.Drawn, this->Component, in.Owned, in.Whole, matrix,
                           this->Nearest, &volume, &error);
  if (code != BEAMCAST_OK) {
    in.Problem = error.message; // take part in what is collective with an empty brick
    XACMakeVolume(nullptr, nullptr, 0, in.Owned, in.Whole, matrix, false, &volume, nullptr);
  }
  if (xac_set_volume(in.Renderer, &volume, &error) != BEAMCAST_OK) {
    in.Problem = error.message;
    return false;
  }
  in.Array = array;
  in.ArrayTime = time;
  std::copy(matrix, matrix + 16, in.Matrix);
  in.GivenComponent = this->Component;
  in.GivenNearest = this->Nearest;
  in.BrickChanged = false;
  return true;
}

bool vtkXACVolumeMapper::PrepareColors(vtkVolume *prop) {
  Internals &in = *this->Internal;
  vtkVolumeProperty *property = prop->GetProperty();
  vtkColorTransferFunction *color = property->GetRGBTransferFunction(0);
  vtkPiecewiseFunction *opacity = property->GetScalarOpacity(0);
  double a[2], b[2];
  color->GetRange(a);
  opacity->GetRange(b);
  xac_transfer transfer;
  transfer.range[0] = std::min(a[0], b[0]);
  transfer.range[1] = std::max(a[1], b[1]);
  transfer.entries = 4096;
  transfer.unit_distance =
      this->UnitDistance > 0.0 ? this->UnitDistance : property->GetScalarOpacityUnitDistance(0);
  std::vector<float> rgb(3 * 4096), alpha(4096), rgba(4 * 4096);
  if (transfer.range[1] > transfer.range[0]) {
    color->GetTable(transfer.range[0], transfer.range[1], 4096, rgb.data());
    opacity->GetTable(transfer.range[0], transfer.range[1], 4096, alpha.data());
  } else {
    double c[3];
    color->GetColor(transfer.range[0], c);
    for (size_t i = 0; i < 4096; i++) {
      std::copy(c, c + 3, rgb.begin() + 3 * static_cast<ptrdiff_t>(i));
      alpha[i] = static_cast<float>(opacity->GetValue(transfer.range[0]));
    }
  }
  for (size_t i = 0; i < 4096; i++) {
    std::copy(rgb.begin() + 3 * static_cast<ptrdiff_t>(i),
              rgb.begin() + 3 * static_cast<ptrdiff_t>(i) + 3,
              rgba.begin() + 4 * static_cast<ptrdiff_t>(i));
    rgba[4 * i + 3] = alpha[i];
  }
  transfer.rgba = rgba.data();
  beamcast_error error = {0, ""};
  if (xac_set_transfer(in.Renderer, &transfer, &error) != BEAMCAST_OK) {
    in.Problem = error.message; // the last good colours stay
    return in.ColorsGiven;
  }
  in.ColorsGiven = true;
  return true;
}

bool vtkXACVolumeMapper::PrepareShading() {
  Internals &in = *this->Internal;
  xac_shading s;
  xac_shading_default(&s);
  s.kernel = in.Bits;
  s.light = static_cast<xac_light_kind>(this->LightKind);
  std::copy(this->LightVector, this->LightVector + 3, s.vector);
  s.ambient = static_cast<float>(this->Ambient);
  s.diffuse = static_cast<float>(this->Diffuse);
  s.specular = static_cast<float>(this->Specular);
  s.specular_power = static_cast<float>(this->SpecularPower);
  s.anisotropy = static_cast<float>(this->Anisotropy);
  s.occlusion_strength = static_cast<float>(this->OcclusionStrength);
  s.occlusion_radius = this->OcclusionRadius;
  s.light_resolution = this->LightResolution;
  beamcast_error error = {0, ""};
  if (xac_set_shading(in.Renderer, &s, &error) != BEAMCAST_OK) {
    in.Problem = error.message; // the last good light stays
    return in.ShadingGiven;
  }
  in.ShadingGiven = true;
  return true;
}

void vtkXACVolumeMapper::Prepare(vtkVolume *prop, vtkMultiProcessController *controller) {
  Internals &in = *this->Internal;
  in.Problem.clear();
  in.Ready = false;
  in.Prop = prop;
  bool fine = this->PrepareRenderer();
  if (fine) {
    this->PrepareKernel();
    fine = this->PrepareData(prop) && this->PrepareColors(prop) && this->PrepareShading();
  }
  // Light is worked out together, so all ranks must be ready, or none; and all have one kernel.
  const bool user = fine && (in.Bits & XAC_USER) != 0;
  const int mine[2] = {fine, !in.KernelFailed && !(user && *xac_user_stopped(in.Renderer))};
  int all[2] = {mine[0], mine[1]};
  if (controller && controller->GetNumberOfProcesses() > 1) {
    controller->AllReduce(mine, all, 2, vtkCommunicator::MIN_OP);
  }
  if (user && mine[1] && !all[1]) {
    xac_user_stop(in.Renderer);
  }
  if (!all[0]) {
    if (fine) {
      in.Problem = "another rank can't draw its part";
    }
    return;
  }
  beamcast_error error = {0, ""};
  if ((in.Bits & (XAC_SCATTER | XAC_OCCLUSION)) &&
      XACShareLight(in.Renderer, controller, &error) != BEAMCAST_OK) {
    in.Problem = error.message;
  }
  if (in.WindowWanted) {
    XACFindWindow(in.Renderer, controller, 0.001, 0.999, this->Window);
    in.WindowWanted = false;
  }
  in.Ready = true;
}

void vtkXACVolumeMapper::RequestWindow() {
  this->Internal->WindowWanted = true;
}

std::string vtkXACVolumeMapper::GetStatus() {
  Internals &in = *this->Internal;
  std::ostringstream text;
  text << (in.Renderer ? xac_describe(in.Renderer) : "not started") << "; kernel " << in.Kernel;
  if (in.Stats.milliseconds > 0.0) {
    char line[160];
    std::snprintf(line, sizeof line, "; %.1f ms a frame, %.0f million samples/s",
                  in.Stats.milliseconds,
                  static_cast<double>(in.Stats.samples) / in.Stats.milliseconds * 1e-3);
    text << line;
  }
  for (const std::string &more :
       {in.Problem, in.KernelProblem, in.CutProblem, in.Converted, std::string(in.Stats.notice)}) {
    text << (more.empty() ? "" : "; ") << more;
  }
  return text.str();
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
  const Internals &in = *this->Internal;
  const double *s = in.Whole.Spacing;
  double step = this->SampleDistance > 0.0 && std::isfinite(this->SampleDistance)
                    ? this->SampleDistance
                    : 0.5 * std::min({std::fabs(s[0]), std::fabs(s[1]), std::fabs(s[2])});
  xac_quality_default(quality, step * coarse);
  quality->jitter = this->Jitter;
  if (this->Cropping) {
    SetCrop(in.Whole, this->CroppingRegionPlanes, quality);
  }
  SetPlanes(this->ClippingPlanes, quality);
}

namespace {
// The whole volume's ends along a direction, matrix being the prop's.
void FindEnds(const XACWhole &whole, const double *matrix, const double *direction,
              const double *reference, XACLayer *layer) {
  double b[6];
  whole.GetBounds(b);
  layer->Near = VTK_DOUBLE_MAX;
  layer->Far = -VTK_DOUBLE_MAX;
  for (int corner = 0; corner < 8; corner++) {
    const double p[3] = {b[corner & 1], b[2 + (corner >> 1 & 1)], b[4 + (corner >> 2 & 1)]};
    double at = 0.0;
    for (int a = 0; a < 3; a++) {
      const double *m = matrix + 4 * a;
      at += direction[a] * (m[0] * p[0] + m[1] * p[1] + m[2] * p[2] + m[3] - reference[a]);
    }
    layer->Near = std::min(layer->Near, at);
    layer->Far = std::max(layer->Far, at);
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
  if (!in.Picture.Begin(renderer, coarse)) {
    return;
  }
  double direction[3], reference[3];
  renderer->GetActiveCamera()->GetDirectionOfProjection(direction);
  renderer->GetActiveCamera()->GetPosition(reference);
  std::vector<XACLayer> layers;
  for (vtkXACVolumeMapper *mapper : shown) {
    Internals &its = *mapper->Internal;
    XACLayer layer = {its.Renderer, {}, &its.Stats, 0.0, 0.0};
    mapper->FillQuality(coarse, &layer.Quality);
    FindEnds(its.Whole, its.Matrix, direction, reference, &layer);
    layers.push_back(layer);
  }
  xac_image image = in.Picture.Image(renderer, true);
  beamcast_error error = {0, ""};
  const int code = layers.size() == 1
                       ? xac_render(in.Renderer, &in.Picture.Camera(), &layers[0].Quality, &image,
                                    &in.Stats, &error)
                       : XACDrawTogether(layers, in.Picture.Camera(), direction, reference,
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
