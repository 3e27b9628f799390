// SPDX-License-Identifier: BSD-3-Clause
//
// A producer that is a Python program: ParaView's scripts run in its interpreter. Its lock, which
// it gives up while it calls us, is held for as long as ParaView works; its output stays its own;
// and ParaView ends before the interpreter does.
#ifndef BeamcastCatalystOwnPython_h
#define BeamcastCatalystOwnPython_h

namespace beamcast {

// Whether the interpreter was there before ParaView.
bool OwnPython();

// Held in every call that may come to Python, nested or not. Does nothing where the producer is no
// Python program, and once its interpreter has ended.
class PythonLock {
public:
  PythonLock();
  ~PythonLock();
  PythonLock(const PythonLock &) = delete;
  PythonLock &operator=(const PythonLock &) = delete;

private:
  bool Held;
  int State; // a PyGILState_STATE
};

// Before ParaView starts: it must not take the producer's sys.stdout for itself.
void KeepPythonOutput();

// Has the interpreter call a function at its end, with the lock held.
bool AtEndOfPython(void (*function)());

} // namespace beamcast

#endif
