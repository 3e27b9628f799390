// SPDX-License-Identifier: BSD-3-Clause
/**
 * @class vtkXACReport
 * @brief what a representation XAC Volume says about itself, asked for on the server
 *
 * ParaView asks a representation's client part for information. The client draws nothing when there
 * is a server, so what is in use is reported by this object, which only servers have.
 */
#ifndef vtkXACReport_h
#define vtkXACReport_h

#include "vtkBeamcastFiltersModule.h"
#include "vtkObject.h"
#include "vtkWeakPointer.h"

#include <string>

class vtkXACVolumeRepresentation;

class VTKBEAMCASTFILTERS_EXPORT vtkXACReport : public vtkObject {
public:
  static vtkXACReport *New();
  vtkTypeMacro(vtkXACReport, vtkObject);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  void SetRepresentation(vtkXACVolumeRepresentation *representation);

  ///@{ See vtkXACVolumeMapper; valid until the next call. Empty without a representation.
  const char *GetXACStatus();
  const char *GetXACKernelProblem();
  const char *GetXACDeclaredParameters();
  double *GetXACWindow() VTK_SIZEHINT(2);
  ///@}

protected:
  vtkXACReport();
  ~vtkXACReport() override;

private:
  vtkXACReport(const vtkXACReport &) = delete;
  void operator=(const vtkXACReport &) = delete;

  vtkWeakPointer<vtkXACVolumeRepresentation> Representation;
  double Nothing[2] = {0, 0};
};

#endif
