/* SPDX-License-Identifier: BSD-3-Clause */
#include "BeamcastPluginStart.h"

#include "FirstPicture.h"
#include "Panel.h"
#include "Presets.h"
#include "Representations.h"

#include "vtkPVPluginLoader.h"
#include "vtkProcessModule.h"

#include <cstring>

#ifdef BEAMCAST_HAS_RECEIVER
#include "BeamcastReceiver.h"
#ifdef BEAMCAST_HAS_RENDERER
#include "XACLanding.h"
#endif
#endif

namespace {

/* ParaView asks every plugin whether it knows a name before it takes the name for a path. */
bool IsLoadedPlugin(const char *name) {
  return (name != nullptr && std::strcmp(name, "Beamcast") == 0) || AskedForRepresentations(name);
}

} // namespace

void BeamcastPluginStart() {
  vtkPVPluginLoader::RegisterLoadPluginCallback(IsLoadedPlugin);
  StartRepresentations();
#ifdef BEAMCAST_HAS_RECEIVER
#ifdef BEAMCAST_HAS_RENDERER
  BeamcastReceiver::SetLanding(XACLanding()); // the two know nothing of each other
#endif
  BeamcastReceiver::OpenInServer();
#endif
  const int type = vtkProcessModule::GetProcessType();
  if (type == vtkProcessModule::PROCESS_CLIENT || type == vtkProcessModule::PROCESS_BATCH) {
    OfferPresets();
  }
  if (type == vtkProcessModule::PROCESS_CLIENT) {
    WatchForFirstPictures();
    StartPanel();
  }
}
