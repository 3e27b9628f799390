// SPDX-License-Identifier: BSD-3-Clause
#include "vtkXACReport.h"

#include "vtkObjectFactory.h"
#include "vtkXACVolumeRepresentation.h"

vtkStandardNewMacro(vtkXACReport);

vtkXACReport::vtkXACReport() = default;
vtkXACReport::~vtkXACReport() = default;

void vtkXACReport::PrintSelf(ostream &os, vtkIndent indent) {
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Status: " << this->GetXACStatus() << "\n";
}

void vtkXACReport::SetRepresentation(vtkXACVolumeRepresentation *representation) {
  this->Representation = representation;
}

const char *vtkXACReport::GetXACStatus() {
  return this->Representation ? this->Representation->GetXACStatus() : "";
}

const char *vtkXACReport::GetXACKernelProblem() {
  return this->Representation ? this->Representation->GetXACKernelProblem() : "";
}

const char *vtkXACReport::GetXACDeclaredParameters() {
  return this->Representation ? this->Representation->GetXACDeclaredParameters() : "";
}

double *vtkXACReport::GetXACWindow() {
  return this->Representation ? this->Representation->GetXACWindow() : this->Nothing;
}
