/* SPDX-License-Identifier: BSD-3-Clause */
#include "vtkBeamcastStream.h"

#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkBeamcastStream);

vtkBeamcastStream::vtkBeamcastStream() {
  this->SetNumberOfInputPorts(0);
}
