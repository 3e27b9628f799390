// SPDX-License-Identifier: BSD-3-Clause
/**
 * @class vtkXACVolumeRepresentation
 * @brief the representation XAC Volume of image data
 *
 * As vtkImageVolumeRepresentation, but keeps ghost layers in place (the renderer uses them as
 * border planes), copies nothing, and shares light between ranks in the view's render request.
 */
#ifndef vtkXACVolumeRepresentation_h
#define vtkXACVolumeRepresentation_h

#include "vtkBeamcastFiltersModule.h"
#include "vtkImageVolumeRepresentation.h"
#include "vtkWeakPointer.h"

#include <map>
#include <string>

class vtkPVRenderView;
class vtkXACReport;
class vtkXACVolumeMapper;

class VTKBEAMCASTFILTERS_EXPORT vtkXACVolumeRepresentation : public vtkImageVolumeRepresentation {
public:
  static vtkXACVolumeRepresentation *New();
  vtkTypeMacro(vtkXACVolumeRepresentation, vtkImageVolumeRepresentation);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  /// Tells it which representation it reports of.
  void SetReport(vtkXACReport *report);

  ///@{ See vtkXACVolumeMapper.
  void SetXACKernel(const char *name);
  void ReloadXACKernel();
  void SetXACBackend(const char *name);
  void SetXACParameters(const char *parameters);
  void SetXACSampleDistance(double distance);
  void SetXACInteractiveCoarseness(int times);
  void SetXACJitter(bool on);
  void SetXACLabels(bool on);
  void SetXACAmbient(double value);
  void SetXACDiffuse(double value);
  void SetXACSpecular(double value);
  void SetXACSpecularPower(double value);
  void SetXACAnisotropy(double value);
  void SetXACOcclusionStrength(double value);
  void SetXACOcclusionRadius(double length);
  void SetXACLightKind(int kind);
  void SetXACLightVector(double x, double y, double z);
  void SetXACLightResolution(int cells);
  void SetXACUnitDistance(double length);
  /// Finds the window of values when the view is drawn next; see GetXACWindow.
  void MeasureXACWindow();
  double *GetXACWindow() VTK_SIZEHINT(2);
  const char *GetXACStatus();
  const char *GetXACKernelProblem();
  const char *GetXACDeclaredParameters();
  ///@}
  ///@{ A crop box beside that of the stock volume representation, in the same terms.
  vtkSetMacro(XACCropping, bool);
  vtkSetVector3Macro(XACCroppingOrigin, double);
  vtkSetVector3Macro(XACCroppingScale, double);
  ///@}

  ///@{ Where the volume is.
  void SetOrientation(double x, double y, double z);
  void SetOrigin(double x, double y, double z);
  void SetPosition(double x, double y, double z);
  void SetScale(double x, double y, double z);
  ///@}

  void SetVisibility(bool visible) override;
  int ProcessViewRequest(vtkInformationRequestKey *request, vtkInformation *in,
                         vtkInformation *out) override;

protected:
  vtkXACVolumeRepresentation();
  ~vtkXACVolumeRepresentation() override;

  int RequestUpdateExtent(vtkInformation *, vtkInformationVector **,
                          vtkInformationVector *) override;
  int RequestData(vtkInformation *, vtkInformationVector **, vtkInformationVector *) override;
  void UpdateMapperParameters() override;
  bool RemoveFromView(vtkView *view) override;

private:
  vtkXACVolumeRepresentation(const vtkXACVolumeRepresentation &) = delete;
  void operator=(const vtkXACVolumeRepresentation &) = delete;

  vtkXACVolumeMapper *Mapper();
  /// The status says so while a value lies outside its limits, or is none.
  void NoteLimits(const char *name, double value, double least, double most);
  void TakePeeling(vtkPVRenderView *view);
  void GiveBackPeeling();
  vtkWeakPointer<vtkPVRenderView> Peeled;
  bool XACCropping = false;
  double XACCroppingOrigin[3] = {0, 0, 0}, XACCroppingScale[3] = {1, 1, 1};
  int Owned[6] = {0, -1, 0, -1, 0, -1};
  double WholeBounds[6] = {1, -1, 1, -1, 1, -1};
  bool HasInput = false;
  std::string KernelName = "local", Status, KernelProblem, Declared;
  std::map<std::string, std::string> Notes;
};

#endif
