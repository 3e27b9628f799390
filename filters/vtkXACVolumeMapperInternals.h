// SPDX-License-Identifier: BSD-3-Clause
//
// What the mapper keeps: what the user wants, and what the renderer has been given of it.
#ifndef vtkXACVolumeMapperInternals_h
#define vtkXACVolumeMapperInternals_h

#include "XACImage.h"
#include "XACPicture.h"
#include "XACTogether.h"
#include "vtkXACVolumeMapper.h"

#include "vtkDataArray.h"
#include "vtkSmartPointer.h"

#include <string>
#include <vector>

struct vtkXACVolumeMapper::Internals {
  xac_renderer *Renderer = nullptr;
  std::string Backend = "auto", Kernel = "local", Parameters;
  std::string LoadedBackend, LoadedKernel;
  bool KernelChanged = true, KernelFailed = false, KernelRefused = false;
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
  std::string Problem, KernelProblem, ParameterProblem, CutProblem, StepProblem, Stopped, Converted,
      ColorsNotice;
  std::vector<double> Bounds; // of every rank
  vtkVolume *Prop = nullptr;
  bool WindowWanted = false;
  bool ColorsGiven = false, ShadingGiven = false; // the renderer has some that it can draw with
};

#endif
