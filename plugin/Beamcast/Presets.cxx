/* SPDX-License-Identifier: BSD-3-Clause */
#include "Presets.h"

#include "vtkSMTransferFunctionPresets.h"
#include "xac_preset_table.h"

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
/* clang-format off */
#define BEGIN(name) {"CT " name, {
#define AT(at, red, green, blue, opacity) {at, red, green, blue, opacity},
#define END }},
  static const std::vector<Preset> presets = {XAC_PRESETS(BEGIN, AT, END)};
#undef BEGIN
#undef AT
#undef END
  /* clang-format on */
  return presets;
}

/* A colour for each value from 0 to 255. */
Preset Labels() {
  Preset labels = {"CT labels", {}};
  for (int i = 0; i < 256; i++) {
    float c[4];
    xac_label_color(i, c);
    labels.Controls.push_back({double(i), c[0], c[1], c[2], c[3]});
  }
  return labels;
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
  std::vector<Preset> presets = AllPresets();
  presets.push_back(Labels());
  for (const Preset &preset : presets) {
    if (!list->HasPreset(preset.Name)) {
      list->AddPreset(preset.Name, ToJSON(preset));
    }
  }
}
