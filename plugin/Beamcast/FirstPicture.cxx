/* SPDX-License-Identifier: BSD-3-Clause */
#include "FirstPicture.h"

#include "vtkCallbackCommand.h"
#include "vtkDataSetAttributes.h"
#include "vtkNew.h"
#include "vtkOutputWindow.h"
#include "vtkPVArrayInformation.h"
#include "vtkPVDataInformation.h"
#include "vtkPVDataSetAttributesInformation.h"
#include "vtkSMProperty.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxyManager.h"
#include "vtkSMRenderViewProxy.h"
#include "vtkSMRepresentationProxy.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSMSourceProxy.h"
#include "vtkSMStringListDomain.h"
#include "vtkSMTransferFunctionManager.h"
#include "vtkSMTransferFunctionProxy.h"
#include "vtkSmartPointer.h"

#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <string>

namespace {

/* What has been done for a representation is noted on its proxy, and so saved with a state. */
const char NOTE[] = "Beamcast.FirstPicture";
const char WAITING[] = "waiting";
const char DONE[] = "done";

const char LIT[] = "XAC Volume";
const char PRESET[] = "CT bone"; /* as in pictures of the headless viewer */

bool HasNote(vtkSMProxy *representation, const char *text) {
  return representation->HasAnnotation(NOTE) &&
         std::strcmp(representation->GetAnnotation(NOTE), text) == 0;
}

/* Qt is not linked: whether ParaView's application object is there is asked by its name. */
bool IsParaViewProgram() {
  using Instance = void *(*)();
  const auto instance =
      reinterpret_cast<Instance>(dlsym(RTLD_DEFAULT, "_ZN17pqApplicationCore8instanceEv"));
  return instance != nullptr && instance() != nullptr;
}

/* The source behind a representation if it is one of ours. */
vtkSMSourceProxy *SourceOf(vtkSMProxy *representation) {
  if (representation == nullptr || representation->GetProperty("Input") == nullptr) {
    return nullptr;
  }
  vtkSMSourceProxy *source =
      vtkSMSourceProxy::SafeDownCast(vtkSMPropertyHelper(representation, "Input").GetAsProxy());
  const char *name = source != nullptr ? source->GetXMLName() : nullptr;
  const bool ours = name != nullptr && (std::strcmp(name, "BeamcastStream") == 0 ||
                                        std::strcmp(name, "BeamcastVolumeReader") == 0);
  return ours ? source : nullptr;
}

/* A volume is drawn lit, by XAC Volume, where the server offers it, and in colours made for CT.
 * Whatever else somebody has chosen to see stays as it is. */
void LightUp(vtkSMProxy *representation, vtkSMProxy *colours, vtkSMProxy *opacities) {
  vtkSMProperty *kind = representation->GetProperty("Representation");
  auto *kinds = kind != nullptr ? kind->FindDomain<vtkSMStringListDomain>() : nullptr;
  if (kinds == nullptr || std::strcmp(vtkSMPropertyHelper(kind).GetAsString(), "Volume") != 0) {
    return;
  }
  unsigned int index = 0;
  if (kinds->IsInDomain(LIT, index) != 0) {
    vtkSMRepresentationProxy::SetRepresentationType(representation, LIT);
  }
  for (vtkSMProxy *function : {colours, opacities}) {
    vtkSMTransferFunctionProxy::ApplyPreset(function, PRESET, true);
  }
}

/* The window between the percentiles of the finite values: a stream knows it, for a file the
 * representation measures it while it draws. Returns false where neither is to be had. */
bool FindWindow(vtkSMRenderViewProxy *view, vtkSMProxy *representation, vtkSMSourceProxy *source,
                double window[2]) {
  if (source->GetProperty("ValueRange") != nullptr) {
    vtkSMPropertyHelper(source, "ValueRange").Get(window, 2);
    return window[0] < window[1];
  }
  vtkSMProperty *measured = representation->GetProperty("XACWindow");
  if (measured == nullptr ||
      std::strcmp(vtkSMPropertyHelper(representation, "Representation").GetAsString(), LIT) != 0) {
    return false;
  }
  representation->InvokeCommand("XACMeasure");
  view->StillRender();
  representation->UpdatePropertyInformation(measured);
  vtkSMPropertyHelper(measured, true).Get(window, 2);
  return window[0] < window[1];
}

/* Colours made for CT over the window between the percentiles, unless somebody has chosen another
 * window than the one that ParaView takes by itself, the whole range. */
void ColourBy(vtkSMRenderViewProxy *view, vtkSMProxy *representation, vtkSMSourceProxy *source,
              vtkPVArrayInformation *array) {
  vtkNew<vtkSMTransferFunctionManager> functions;
  vtkSMSessionProxyManager *proxies = source->GetSessionProxyManager();
  vtkSMProxy *colours = functions->GetColorTransferFunction(array->GetName(), proxies);
  vtkSMProxy *opacities = functions->GetOpacityTransferFunction(array->GetName(), proxies);
  vtkSMPropertyHelper chosen(representation, "ColorArrayName");
  const char *name = chosen.GetInputArrayNameToProcess();
  const bool coloured = name != nullptr && *name != '\0';
  if (coloured && std::strcmp(name, array->GetName()) != 0) {
    return;
  }
  double whole[2], now[2];
  array->GetComponentFiniteRange(0, whole);
  const bool automatic = !coloured || !vtkSMTransferFunctionProxy::GetRange(colours, now) ||
                         (now[0] == whole[0] && now[1] == whole[1]);
  if (!coloured) {
    chosen.SetInputArrayToProcess(vtkDataObject::FIELD_ASSOCIATION_POINTS, array->GetName());
    vtkSMPropertyHelper(representation, "LookupTable", true).Set(colours);
    vtkSMPropertyHelper(representation, "ScalarOpacityFunction", true).Set(opacities);
    representation->UpdateVTKObjects();
  }
  if (!automatic) {
    return;
  }
  if (array->GetNumberOfComponents() == 1) {
    LightUp(representation, colours, opacities);
  }
  double window[2];
  if (FindWindow(view, representation, source, window)) {
    vtkSMTransferFunctionProxy::RescaleTransferFunction(colours, window);
    vtkSMTransferFunctionProxy::RescaleTransferFunction(opacities, window);
  }
}

/* true if the view has to be drawn again. */
bool MakeFirstPicture(vtkSMRenderViewProxy *view, vtkSMProxy *representation,
                      vtkSMSourceProxy *source) {
  if (source->GetProperty("StepShown") != nullptr &&
      vtkSMPropertyHelper(source, "StepShown").GetAsIdType() < 0) {
    representation->SetAnnotation(NOTE, WAITING);
    return false;
  }
  vtkPVDataSetAttributesInformation *points =
      source->GetDataInformation(0)->GetPointDataInformation();
  vtkPVArrayInformation *array = points->GetAttributeInformation(vtkDataSetAttributes::SCALARS);
  if (array == nullptr) {
    return false;
  }
  const bool waited = HasNote(representation, WAITING);
  representation->SetAnnotation(NOTE, DONE);
  ColourBy(view, representation, source, array);
  if (waited && vtkSMPropertyHelper(view, "Representations").GetNumberOfElements() == 1) {
    view->ResetCamera();
  }
  return true;
}

/* What the colours are of is there no more: another file, another program. Nothing would be seen,
 * so the new array is taken, in the colours of the old one over a window of its own. Returns true
 * if the view has to be drawn again. */
bool FollowArray(vtkSMRenderViewProxy *view, vtkSMProxy *representation, vtkSMSourceProxy *source) {
  vtkSMPropertyHelper chosen(representation, "ColorArrayName");
  const char *name = chosen.GetInputArrayNameToProcess();
  vtkPVDataSetAttributesInformation *points =
      source->GetDataInformation(0)->GetPointDataInformation();
  vtkPVArrayInformation *array = points->GetAttributeInformation(vtkDataSetAttributes::SCALARS);
  if (name == nullptr || *name == '\0' || array == nullptr ||
      chosen.GetInputArrayAssociation() != vtkDataObject::FIELD_ASSOCIATION_POINTS ||
      points->GetArrayInformation(name) != nullptr) {
    return false;
  }
  const std::string old = name;
  vtkNew<vtkSMTransferFunctionManager> functions;
  vtkSMSessionProxyManager *proxies = source->GetSessionProxyManager();
  vtkSMProxy *fresh[2] = {functions->GetColorTransferFunction(array->GetName(), proxies),
                          functions->GetOpacityTransferFunction(array->GetName(), proxies)};
  const char *const names[2] = {"LookupTable", "ScalarOpacityFunction"};
  chosen.SetInputArrayToProcess(vtkDataObject::FIELD_ASSOCIATION_POINTS, array->GetName());
  for (int i = 0; i < 2; i++) {
    vtkSMPropertyHelper used(representation, names[i], true);
    if (used.GetAsProxy() != nullptr && used.GetAsProxy() != fresh[i]) {
      fresh[i]->Copy(used.GetAsProxy());
      fresh[i]->UpdateVTKObjects();
    }
    used.Set(fresh[i]);
  }
  representation->UpdateVTKObjects();
  double window[2];
  if (!FindWindow(view, representation, source, window)) {
    array->GetComponentFiniteRange(0, window);
  }
  for (vtkSMProxy *function : fresh) {
    vtkSMTransferFunctionProxy::RescaleTransferFunction(function, window);
  }
  const std::string says = "Beamcast: the array " + old + " is gone; " + array->GetName() +
                           " is shown, in the same colours.\n";
  vtkOutputWindowDisplayText(says.c_str());
  return true;
}

/* After a view has been drawn: looks after what is ours in it. */
void OnDrawn(vtkObject *caller, unsigned long, void *, void *) {
  using Clock = std::chrono::steady_clock;
  static bool busy = false;
  static Clock::time_point asked;
  vtkSMRenderViewProxy *view = vtkSMRenderViewProxy::SafeDownCast(caller);
  if (view == nullptr || busy) {
    return;
  }
  busy = true;
  bool again = false;
  const bool ask = Clock::now() - asked > std::chrono::milliseconds(500);
  vtkSMPropertyHelper representations(view, "Representations");
  for (unsigned int i = 0; i < representations.GetNumberOfElements(); i++) {
    vtkSMProxy *representation = representations.GetAsProxy(i);
    vtkSMSourceProxy *source = SourceOf(representation);
    if (source == nullptr) {
      continue;
    }
    const bool due = !HasNote(representation, DONE);
    if ((due || ask) && source->GetProperty("StepShown") !=
                            nullptr) { /* brings the panel's figures up to date, too */
      source->UpdatePropertyInformation();
      asked = Clock::now();
    }
    if (!due) {
      again = FollowArray(view, representation, source) || again;
    } else {
      again = MakeFirstPicture(view, representation, source) || again;
    }
  }
  if (again) {
    view->StillRender();
  }
  busy = false;
}

vtkCallbackCommand *WhenDrawn() {
  static const vtkSmartPointer<vtkCallbackCommand> command = [] {
    auto made = vtkSmartPointer<vtkCallbackCommand>::New();
    made->SetCallback(OnDrawn);
    return made;
  }();
  return command;
}

void Watch(vtkSMProxy *proxy) {
  if (vtkSMRenderViewProxy::SafeDownCast(proxy) != nullptr &&
      !proxy->HasObserver(vtkCommand::EndEvent, WhenDrawn())) {
    proxy->AddObserver(vtkCommand::EndEvent, WhenDrawn());
  }
}

void OnRegistered(vtkObject *, unsigned long, void *, void *data) {
  const auto *information = static_cast<vtkSMProxyManager::RegisteredProxyInformation *>(data);
  if (information == nullptr || information->GroupName == nullptr ||
      information->Proxy == nullptr || !IsParaViewProgram()) {
    return;
  }
  if (std::strcmp(information->GroupName, "views") == 0) {
    Watch(information->Proxy);
  } else if (std::strcmp(information->GroupName, "representations") == 0 &&
             information->Proxy->GetSessionProxyManager()->GetInLoadXMLState()) {
    information->Proxy->SetAnnotation(NOTE, DONE); /* a state says itself what it wants */
  }
}

} // namespace

void WatchForFirstPictures() {
  vtkSMProxyManager *manager = vtkSMProxyManager::GetProxyManager();
  vtkNew<vtkCallbackCommand> registered;
  registered->SetCallback(OnRegistered);
  manager->AddObserver(vtkCommand::RegisterEvent, registered);
  vtkSMSessionProxyManager *proxies =
      manager->GetActiveSession() != nullptr ? manager->GetActiveSessionProxyManager() : nullptr;
  if (proxies != nullptr && IsParaViewProgram()) {
    for (unsigned int i = 0; i < proxies->GetNumberOfProxies("views"); i++) {
      Watch(proxies->GetProxy("views", proxies->GetProxyName("views", i)));
    }
  }
}
