// SPDX-License-Identifier: BSD-3-Clause
//
// The mapper's part before a picture: gives the renderer what changed of back end, kernel, data,
// colours and light. The ranks pass here together.
#include "XACColors.h"
#include "vtkXACVolumeMapperInternals.h"

#include "vtkImageData.h"
#include "vtkMatrix4x4.h"
#include "vtkMultiProcessController.h"
#include "vtkVolume.h"
#include "vtkVolumeProperty.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

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

namespace {
// A word "name=value"; what is wrong with it, or "".
std::string SetKernelParameter(xac_renderer *renderer, const std::string &word) {
  const size_t equals = word.find('=');
  char *end = nullptr;
  const double value =
      equals == std::string::npos ? 0.0 : std::strtod(word.c_str() + equals + 1, &end);
  if (end == nullptr || *end != 0 || end == word.c_str() + equals + 1) {
    return "a parameter is given as name=number, not as " + word;
  }
  const std::string name = word.substr(0, equals);
  beamcast_error error = {0, ""};
  if (xac_user_set(renderer, name.c_str(), value, &error) != BEAMCAST_OK) {
    return error.message;
  }
  for (int i = 0; i < xac_user_parameters(renderer); i++) {
    const xac_parameter *p = xac_user_parameter(renderer, i);
    if (name == p->name && !(value >= p->minimum && value <= p->maximum)) {
      std::ostringstream text;
      text << name << " of " << value << " is not from " << p->minimum << " to " << p->maximum;
      return text.str();
    }
  }
  return "";
}
} // namespace

void vtkXACVolumeMapper::PrepareKernel() {
  Internals &in = *this->Internal;
  int bits = XACKernelBits(in.Kernel.c_str());
  in.KernelFailed = false;
  if (bits >= 0) {
    in.Bits = bits;
    in.KernelProblem.clear();
    in.KernelRefused = false;
  } else if (in.KernelChanged) {
    beamcast_error error = {0, ""};
    if (xac_user_load(in.Renderer, in.Kernel.c_str(), &error) == BEAMCAST_OK) {
      in.Bits = xac_user_kernel_bits(in.Renderer);
      in.KernelProblem.clear();
      in.KernelRefused = false;
    } else {
      in.KernelProblem = error.message; // the last good kernel draws on
      in.KernelFailed = in.KernelRefused = true;
      vtkWarningMacro(<< error.message);
    }
  }
  in.KernelChanged = false;
  in.ParameterProblem.clear();
  if ((in.Bits & XAC_USER) && !*xac_user_stopped(in.Renderer)) {
    std::istringstream words(in.Parameters);
    for (std::string word; words >> word;) {
      const std::string wrong = SetKernelParameter(in.Renderer, word);
      in.ParameterProblem = wrong.empty() ? in.ParameterProblem : wrong;
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
  const vtkSmartPointer<vtkDataArray> before = in.Drawn; // read until the renderer has another
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

bool vtkXACVolumeMapper::PrepareColors(const XACColors &colors) {
  Internals &in = *this->Internal;
  xac_transfer transfer;
  std::copy(colors.Range, colors.Range + 2, transfer.range);
  transfer.entries = static_cast<int>(colors.Table.size() / 4);
  transfer.unit_distance = colors.UnitDistance;
  transfer.rgba = colors.Table.data();
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
    fine = this->PrepareData(prop);
  }
  vtkVolumeProperty *property = prop->GetProperty();
  XACColors colors =
      XACTakeColors(property, this->UnitDistance > 0.0 ? this->UnitDistance
                                                       : property->GetScalarOpacityUnitDistance(0));
  const bool differed = XACShareColors(&colors, fine && in.Array, controller);
  in.ColorsNotice =
      differed ? "ranks had colours of their own: all take one rank's, over the values of all" : "";
  fine = fine && this->PrepareColors(colors) && this->PrepareShading();
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
