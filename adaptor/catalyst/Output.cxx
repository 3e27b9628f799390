// SPDX-License-Identifier: BSD-3-Clause
#include "Output.h"

#include "vtkLogger.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkOutputWindow.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace beamcast {

namespace {

constexpr size_t MostKept = 1 << 16;

std::string &Said() {
  static std::string said;
  return said;
}

FILE *&Log() {
  static FILE *log = nullptr;
  return log;
}

/* ParaView says it for every step where it was built without that module, which nothing here needs.
 */
bool IsChatter(const char *text) {
  return std::strstr(text, "IOCatalystConduit is disabled") != nullptr;
}

void Take(const char *text) {
  if (text == nullptr || IsChatter(text)) {
    return;
  }
  if (Log() != nullptr) {
    std::fputs(text, Log());
    std::fflush(Log());
  }
  std::string &said = Said();
  said += text;
  if (said.size() > MostKept) {
    said.erase(0, said.size() - MostKept);
  }
}

class Window : public vtkOutputWindow {
public:
  static Window *New();
  vtkTypeMacro(Window, vtkOutputWindow);
  void DisplayText(const char *text) override {
    Take(text);
  }
};

vtkStandardNewMacro(Window);

void TakeMessage(void *, const vtkLogger::Message &message) {
  Take((std::string(message.message) + "\n").c_str());
}

} // namespace

void CatchOutput(int rank) {
  vtkNew<Window> window;
  vtkOutputWindow::SetInstance(window);
  vtkLogger::SetStderrVerbosity(vtkLogger::VERBOSITY_OFF);
  const char *path = std::getenv("BEAMCAST_CATALYST_LOG");
  if (Log() != nullptr) {
    return;
  }
  if (path != nullptr && std::strcmp(path, "-") == 0) {
    Log() = stderr;
  } else if (path != nullptr && path[0] != '\0') {
    Log() = std::fopen((rank == 0 ? path : path + ("." + std::to_string(rank))).c_str(), "a");
  }
  if (Log() != nullptr) {
    vtkLogger::AddCallback("beamcast", TakeMessage, nullptr, vtkLogger::VERBOSITY_WARNING);
  }
}

std::string TakeOutput() {
  std::string said;
  said.swap(Said());
  return said;
}

} // namespace beamcast
