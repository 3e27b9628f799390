/* SPDX-License-Identifier: BSD-3-Clause */
#include "vtkBeamcastReceiver.h"

#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkBeamcastReceiver);

void vtkBeamcastReceiver::OpenInServer() {
}
