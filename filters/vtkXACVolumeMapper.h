// SPDX-License-Identifier: BSD-3-Clause
/**
 * @class vtkXACVolumeMapper
 * @brief draws one rank's brick of image data with Beamcast's own renderer
 *
 * Points to the image's array, never copies it. Prepare() does what all ranks must do together
 * (light across ranks), Render() only draws and may be called on some ranks alone.
 */
#ifndef vtkXACVolumeMapper_h
#define vtkXACVolumeMapper_h

#include "vtkBeamcastFiltersModule.h"
#include "vtkVolumeMapper.h"

#include <memory>
#include <string>
#include <vector>

class vtkMultiProcessController;
struct XACColors;
struct XACWhole;
struct xac_quality;

class VTKBEAMCASTFILTERS_EXPORT vtkXACVolumeMapper : public vtkVolumeMapper {
public:
  static vtkXACVolumeMapper *New();
  vtkTypeMacro(vtkXACVolumeMapper, vtkVolumeMapper);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  /// Kernel: plain, local, scatter, occlusion, local+occlusion, scatter+occlusion, or the path of a
  /// kernel file. Set a path again to load an edited file.
  void SetKernel(const char *name);
  /// auto, cpu or cuda.
  void SetBackend(const char *name);
  /// Values of a user's kernel's parameters: "name=value" each.
  void SetParameters(const std::string &parameters);

  ///@{ World length between samples; 0: the shortest spacing.
  vtkSetMacro(SampleDistance, double);
  vtkGetMacro(SampleDistance, double);
  ///@}
  /// Times coarser in picture and step while interacting, 1..8; of the picture's, what is
  /// composited is so already by ImageReduction.
  vtkSetClampMacro(InteractiveCoarseness, int, 1, 8);
  vtkSetClampMacro(ImageReduction, int, 1, 20);
  vtkSetMacro(Jitter, bool);
  vtkSetMacro(Nearest, bool);
  vtkSetClampMacro(Ambient, double, 0.0, 1.0);
  vtkSetClampMacro(Diffuse, double, 0.0, 1.0);
  vtkSetClampMacro(Specular, double, 0.0, 1.0);
  vtkSetClampMacro(SpecularPower, double, 1.0, 1000.0);
  vtkSetClampMacro(Anisotropy, double, -0.9, 0.9);
  vtkSetClampMacro(OcclusionStrength, double, 0.0, 1.0);
  vtkSetMacro(OcclusionRadius, double);
  vtkSetClampMacro(LightResolution, int, 8, 512);
  /// 0: with the camera, 1: directional, 2: point.
  vtkSetClampMacro(LightKind, int, 0, 2);
  vtkSetVector3Macro(LightVector, double);
  vtkSetMacro(Component, int);

  /// World length over which a table opacity holds; 0: the property's scalar opacity unit distance.
  vtkSetMacro(UnitDistance, double);

  /// The brick: what the rank owns of its input, the whole volume, and every rank's bounds.
  void SetBrick(const int owned[6], const XACWhole &whole, const std::vector<double> &bounds);

  /// Collective over the controller: hands data, colours and settings to the renderer, and shares
  /// light with the other ranks. volume: the prop with property and matrix.
  void Prepare(vtkVolume *volume, vtkMultiProcessController *controller);
  /// The 0.1 and 99.9 percentiles of all ranks' finite values are found by the next Prepare.
  void RequestWindow();
  vtkGetVector2Macro(Window, double);
  /// Says so when another volume that this renderer shows is cut differently over the ranks.
  void CheckCut(vtkRenderer *renderer);

  /// What is in use: back end, kernel, time of the last frame, and notices.
  std::string GetStatus();
  /// Why the last picture was not drawn with the kernel that was set: what the compiler said, or
  /// why it was stopped. Empty where it was.
  std::string GetKernelProblem();
  /// Parameters that the loaded kernel declares, one a line: name, range, value, help.
  std::string GetDeclaredParameters();

  ///@{ As drawn: where the whole volume is one point thick, a cell thick. What lies beyond is not
  /// composited.
  double *GetBounds() VTK_SIZEHINT(6) override;
  void GetBounds(double bounds[6]) override {
    this->Superclass::GetBounds(bounds);
  }
  ///@}

  void Render(vtkRenderer *renderer, vtkVolume *volume) override;
  void ReleaseGraphicsResources(vtkWindow *window) override;

protected:
  vtkXACVolumeMapper();
  ~vtkXACVolumeMapper() override;

private:
  vtkXACVolumeMapper(const vtkXACVolumeMapper &) = delete;
  void operator=(const vtkXACVolumeMapper &) = delete;

  bool PrepareRenderer();
  void PrepareKernel();
  bool PrepareData(vtkVolume *volume);
  bool PrepareColors(const XACColors &colors);
  bool PrepareShading();
  /// Those that draw in the renderer now, in its order.
  static std::vector<vtkXACVolumeMapper *> Shown(vtkRenderer *renderer);
  /// Once for each kernel that had to be stopped.
  void WarnOfStop();
  void FillQuality(int coarse, xac_quality *quality);

  struct Internals;
  std::unique_ptr<Internals> Internal;
  double SampleDistance = 0.0;
  int InteractiveCoarseness = 2, ImageReduction = 1;
  bool Jitter = false, Nearest = false;
  double Ambient = 0.25, Diffuse = 0.75, Specular = 0.25, SpecularPower = 20.0, Anisotropy = 0.0;
  double OcclusionStrength = 1.0, OcclusionRadius = 0.0;
  int LightResolution = 128, LightKind = 0, Component = 0;
  double UnitDistance = 0.0, Window[2] = {0, 0};
  double LightVector[3] = {-0.4, -0.6, 0.7};
};

#endif
