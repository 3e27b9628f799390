// SPDX-License-Identifier: BSD-3-Clause
/**
 * @class vtkBeamcastShadeVolume
 * @brief light and occlusion of a volume as arrays, for any representation
 *
 * Adds the point arrays "light" (what arrives from the light, 0 to 1) and "openness" (1: nothing in
 * the way), worked out across all ranks; or "shaded", RGBA as unsigned chars, which the stock
 * volume representation shows with Map Scalars off. Colours are a preset's over a window of values.
 */
#ifndef vtkBeamcastShadeVolume_h
#define vtkBeamcastShadeVolume_h

#include "vtkBeamcastFiltersModule.h"
#include "vtkImageAlgorithm.h"

#include <string>

class vtkMultiProcessController;

class VTKBEAMCASTFILTERS_EXPORT vtkBeamcastShadeVolume : public vtkImageAlgorithm {
public:
  static vtkBeamcastShadeVolume *New();
  vtkTypeMacro(vtkBeamcastShadeVolume, vtkImageAlgorithm);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  enum OutputType { ARRAYS = 0, SHADED = 1 };
  vtkSetClampMacro(OutputKind, int, ARRAYS, SHADED);
  vtkGetMacro(OutputKind, int);
  /// bone, rock, soft matter, labels
  vtkSetMacro(Preset, std::string);
  vtkGetMacro(Preset, std::string);
  /// Values of the window's ends; equal: the 0.1 and 99.9 percentiles of the finite values.
  vtkSetVector2Macro(Window, double);
  vtkGetVector2Macro(Window, double);
  /// The window that was used last.
  vtkGetVector2Macro(UsedWindow, double);
  vtkSetVector3Macro(LightVector, double);
  vtkGetVector3Macro(LightVector, double);
  vtkSetMacro(OcclusionRadius, double);
  vtkGetMacro(OcclusionRadius, double);
  vtkSetClampMacro(LightResolution, int, 8, 512);
  vtkGetMacro(LightResolution, int);
  vtkSetClampMacro(Ambient, double, 0.0, 1.0);
  vtkGetMacro(Ambient, double);

protected:
  vtkBeamcastShadeVolume();
  ~vtkBeamcastShadeVolume() override;
  int RequestInformation(vtkInformation *, vtkInformationVector **,
                         vtkInformationVector *) override;
  int RequestUpdateExtent(vtkInformation *, vtkInformationVector **,
                          vtkInformationVector *) override;
  int RequestData(vtkInformation *, vtkInformationVector **, vtkInformationVector *) override;

private:
  vtkBeamcastShadeVolume(const vtkBeamcastShadeVolume &) = delete;
  void operator=(const vtkBeamcastShadeVolume &) = delete;

  int OutputKind = ARRAYS;
  std::string Preset = "bone";
  double Window[2] = {0, 0}, UsedWindow[2] = {0, 0};
  double LightVector[3] = {-0.4, -0.6, 0.7};
  double OcclusionRadius = 0.0, Ambient = 0.4;
  int LightResolution = 128;
};

#endif
