// SPDX-License-Identifier: BSD-3-Clause
#include <Python.h> // must be the first. VTK's own header has no lock where VTK was built without one

#include "OwnPython.h"

#include "vtkPythonInterpreter.h"

#include <cstdint>
#include <string>

namespace beamcast {

bool OwnPython() {
  static const bool own = Py_IsInitialized() != 0; // asked first before ParaView starts
  return own;
}

PythonLock::PythonLock()
    : Held(OwnPython() && Py_IsInitialized() != 0), State(Held ? PyGILState_Ensure() : 0) {}

PythonLock::~PythonLock() {
  if (this->Held && Py_IsInitialized() != 0) {
    PyGILState_Release(static_cast<PyGILState_STATE>(this->State));
  }
}

void KeepPythonOutput() {
  if (OwnPython()) {
    vtkPythonInterpreter::SetRedirectOutput(false);
  }
}

bool AtEndOfPython(void (*function)()) {
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  // In a function: the script's own names are in the same place.
  const std::string text = "def _beamcast_end(function):\n"
                           "    import atexit, ctypes\n"
                           "    atexit.register(ctypes.PYFUNCTYPE(None)(function))\n"
                           "_beamcast_end(" +
                           std::to_string(address) + ")\ndel _beamcast_end\n";
  return vtkPythonInterpreter::RunSimpleString(text.c_str()) == 0;
}

} // namespace beamcast
