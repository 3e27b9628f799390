/* SPDX-License-Identifier: BSD-3-Clause */
#include "Screen.h"

#include "vtkCommunicator.h"
#include "vtkMPIController.h"

#include <cstdlib>
#include <dlfcn.h>
#include <iostream>

namespace {

#ifdef BEAMCAST_PARAVIEW_HAS_EGL
bool HasScreen() {
  return true;
}
#else
/* Through the library that VTK draws with, which this program does not link itself. */
bool HasScreen() {
  const char *display = std::getenv("DISPLAY");
  if (display == nullptr || *display == '\0') {
    return false;
  }
  void *library = dlopen("libX11.so.6", RTLD_NOW);
  if (library == nullptr) {
    return true; /* this VTK draws in another way */
  }
  const auto open = reinterpret_cast<void *(*)(const char *)>(dlsym(library, "XOpenDisplay"));
  const auto close = reinterpret_cast<int (*)(void *)>(dlsym(library, "XCloseDisplay"));
  void *screen = open != nullptr ? open(nullptr) : nullptr;
  if (screen != nullptr && close != nullptr) {
    close(screen);
  }
  return screen != nullptr;
}
#endif

} // namespace

void WarnWithoutScreen(const char *program, vtkMPIController *controller) {
  int here = HasScreen() ? 1 : 0, all = here;
  controller->AllReduce(&here, &all, 1, vtkCommunicator::MIN_OP);
  if (all != 0 || controller->GetLocalProcessId() != 0) {
    return;
  }
  const char *display = std::getenv("DISPLAY");
  std::cerr << program << ": warning: it can't draw: "
            << (here != 0 ? "another rank has no X server"
                : display == nullptr || *display == '\0'
                    ? "DISPLAY is not set"
                    : std::string("no X server answers at DISPLAY=") + display)
            << ", and this ParaView has no EGL. It takes volumes, but the first picture ends it. "
               "Start it under `xvfb-run -a`, or by `beamcast start`, which brings an X server."
            << std::endl;
}
