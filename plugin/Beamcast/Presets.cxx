/* SPDX-License-Identifier: BSD-3-Clause */
#include "Presets.h"

#include "vtkSMTransferFunctionPresets.h"

#include <sstream>
#include <string>
#include <vector>

namespace {

/* A place in the window of values, 0 to 1, its colour and its opacity. */
struct Control {
  double At, Red, Green, Blue, Opacity;
};

struct Preset {
  const char *Name;
  std::vector<Control> Controls;
};

const std::vector<Preset> &AllPresets() {
  static const std::vector<Preset> presets = {
      /* As a radiologist's film: what is denser is brighter, and hides more. */
      {"CT grey",
       {{0.0, 0.0, 0.0, 0.0, 0.0}, {0.3, 0.3, 0.3, 0.3, 0.0}, {1.0, 1.0, 1.0, 1.0, 0.8}}},
      /* The densest part of a body; what lies under it is hardly seen. */
      {"CT bone",
       {{0.0, 0.10, 0.05, 0.03, 0.0},
        {0.48, 0.55, 0.32, 0.22, 0.0},
        {0.58, 0.78, 0.60, 0.44, 0.12},
        {0.70, 0.92, 0.83, 0.70, 0.45},
        {0.85, 0.97, 0.93, 0.86, 0.80},
        {1.0, 1.0, 0.99, 0.96, 0.95}}},
      /* Grains against pores: everything above the air, brighter where denser. */
      {"CT rock",
       {{0.0, 0.10, 0.09, 0.08, 0.0},
        {0.30, 0.30, 0.24, 0.19, 0.0},
        {0.42, 0.55, 0.44, 0.33, 0.35},
        {0.62, 0.74, 0.63, 0.48, 0.75},
        {0.85, 0.90, 0.84, 0.72, 0.95},
        {1.0, 1.0, 0.97, 0.90, 1.0}}},
      /* Translucent, so that what lies inside is seen. */
      {"CT soft matter",
       {{0.0, 0.05, 0.05, 0.20, 0.0},
        {0.15, 0.20, 0.25, 0.55, 0.0},
        {0.35, 0.75, 0.40, 0.40, 0.015},
        {0.55, 0.92, 0.68, 0.50, 0.05},
        {0.80, 0.97, 0.88, 0.72, 0.15},
        {1.0, 1.0, 0.98, 0.94, 0.30}}},
  };
  return presets;
}

/* In the form that ParaView's preset files have. */
std::string ToJSON(const Preset &preset) {
  std::ostringstream colours, opacities;
  const char *comma = "";
  for (const Control &c : preset.Controls) {
    colours << comma << c.At << "," << c.Red << "," << c.Green << "," << c.Blue;
    opacities << comma << c.At << "," << c.Opacity << ",0.5,0";
    comma = ",";
  }
  return "{\"ColorSpace\":\"RGB\",\"Name\":\"" + std::string(preset.Name) + "\",\"Points\":[" +
         opacities.str() + "],\"RGBPoints\":[" + colours.str() + "]}";
}

} // namespace

void OfferPresets() {
  vtkSMTransferFunctionPresets *list = vtkSMTransferFunctionPresets::GetInstance();
  for (const Preset &preset : AllPresets()) {
    if (!list->HasPreset(preset.Name)) {
      list->AddPreset(preset.Name, ToJSON(preset));
    }
  }
}
