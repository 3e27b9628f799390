/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef vtkBeamcastReceiver_h
#define vtkBeamcastReceiver_h

#include "vtkBeamcastRdmaSourceModule.h" // for export macro
#include "vtkObject.h"

class VTKBEAMCASTRDMASOURCE_EXPORT vtkBeamcastReceiver : public vtkObject {
public:
  static vtkBeamcastReceiver *New();
  vtkTypeMacro(vtkBeamcastReceiver, vtkObject);

  /* Opens the receiver where this process is a server's. Collective over the server's ranks. */
  static void OpenInServer();

protected:
  vtkBeamcastReceiver() = default;
  ~vtkBeamcastReceiver() override = default;

private:
  vtkBeamcastReceiver(const vtkBeamcastReceiver &) = delete;
  void operator=(const vtkBeamcastReceiver &) = delete;
};

#endif
