/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef vtkBeamcastStream_h
#define vtkBeamcastStream_h

#include "vtkBeamcastRdmaSourceModule.h" // for export macro
#include "vtkImageAlgorithm.h"

class VTKBEAMCASTRDMASOURCE_EXPORT vtkBeamcastStream : public vtkImageAlgorithm {
public:
  static vtkBeamcastStream *New();
  vtkTypeMacro(vtkBeamcastStream, vtkImageAlgorithm);

protected:
  vtkBeamcastStream();
  ~vtkBeamcastStream() override = default;

private:
  vtkBeamcastStream(const vtkBeamcastStream &) = delete;
  void operator=(const vtkBeamcastStream &) = delete;
};

#endif
