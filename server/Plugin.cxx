/* SPDX-License-Identifier: BSD-3-Clause */
#include "Plugin.h"

#include "vtkNew.h"
#include "vtkPVPluginLoader.h"
#include "vtkPVPluginTracker.h"
#include "vtkProcessModule.h"

#include <cstring>
#include <iostream>
#include <string>

namespace {

bool IsPluginLoaded() {
  vtkPVPluginTracker *tracker = vtkPVPluginTracker::GetInstance();
  for (unsigned int i = 0; i < tracker->GetNumberOfPlugins(); i++) {
    if (std::strcmp(tracker->GetPluginName(i), "Beamcast") == 0 && tracker->GetPluginLoaded(i)) {
      return true;
    }
  }
  return false;
}

} // namespace

bool LoadPlugin(const char *program) {
  if (IsPluginLoaded()) {
    return true;
  }
  const std::string path =
      vtkProcessModule::GetProcessModule()->GetSelfDir() + "/" + BEAMCAST_PLUGIN_FROM_HERE;
  vtkNew<vtkPVPluginLoader> loader;
  if (!loader->LoadPlugin(path.c_str())) {
    std::cerr << program << ": the plugin " << path << " can't be loaded." << std::endl;
    return false;
  }
  return true;
}
