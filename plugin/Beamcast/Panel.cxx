/* SPDX-License-Identifier: BSD-3-Clause */
#include "Panel.h"

#include "vtkCallbackCommand.h"
#include "vtkNew.h"
#include "vtkProcessModule.h"

#include <dlfcn.h>
#include <string>

namespace {

/* Qt is not linked: whether ParaView's application object is there is asked by its name. */
bool IsParaViewProgram() {
  using Instance = void *(*)();
  const auto instance =
      reinterpret_cast<Instance>(dlsym(RTLD_DEFAULT, "_ZN17pqApplicationCore8instanceEv"));
  return instance != nullptr && instance() != nullptr;
}

/* Two folders above that of the plugin. */
std::string Library() {
  Dl_info here;
  if (dladdr(reinterpret_cast<void *>(&StartPanel), &here) == 0 || here.dli_fname == nullptr) {
    return "";
  }
  const std::string file = here.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash) + "/../../BeamcastPanel.so";
}

bool Open() {
  static bool opened = false;
  if (opened || !IsParaViewProgram()) {
    return opened;
  }
  opened = true;
  void *library = dlopen(Library().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) {
    using Start = void (*)();
    if (const auto start = reinterpret_cast<Start>(dlsym(library, "BeamcastPanelStart"))) {
      start();
    }
  }
  return true;
}

void OnSessionCreated(vtkObject *, unsigned long, void *, void *) {
  Open();
}

} // namespace

void StartPanel() {
  if (!Open()) { /* loaded before ParaView's application object was there */
    vtkNew<vtkCallbackCommand> command;
    command->SetCallback(OnSessionCreated);
    vtkProcessModule::GetProcessModule()->AddObserver(vtkCommand::ConnectionCreatedEvent, command);
  }
}
