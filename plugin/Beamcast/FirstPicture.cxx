/* SPDX-License-Identifier: BSD-3-Clause */
#include "FirstPicture.h"

#include "vtkCallbackCommand.h"
#include "vtkDataSetAttributes.h"
#include "vtkNew.h"
#include "vtkPVArrayInformation.h"
#include "vtkPVDataInformation.h"
#include "vtkPVDataSetAttributesInformation.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxyManager.h"
#include "vtkSMRenderViewProxy.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSMSourceProxy.h"
#include "vtkSMTransferFunctionManager.h"
#include "vtkSMTransferFunctionProxy.h"
#include "vtkSmartPointer.h"

#include <chrono>
#include <cstring>
#include <dlfcn.h>

namespace {

/* What has been done for a representation is noted on its proxy, and so saved with a state. */
const char NOTE[] = "Beamcast.FirstPicture";
const char WAITING[] = "waiting";
const char DONE[] = "done";

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

vtkSMSourceProxy *StreamOf(vtkSMProxy *representation) {
  if (representation == nullptr || representation->GetProperty("Input") == nullptr) {
    return nullptr;
  }
  vtkSMSourceProxy *source =
      vtkSMSourceProxy::SafeDownCast(vtkSMPropertyHelper(representation, "Input").GetAsProxy());
  return source != nullptr && std::strcmp(source->GetXMLName(), "BeamcastStream") == 0 ? source
                                                                                       : nullptr;
}

/* Colours by the array with the window between the percentiles, unless somebody has chosen another
 * window than the one that ParaView takes by itself, the whole range. */
void ColourBy(vtkSMProxy *representation, vtkSMSourceProxy *source, vtkPVArrayInformation *array) {
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
  double window[2];
  vtkSMPropertyHelper(source, "ValueRange").Get(window, 2);
  if (automatic && window[0] < window[1]) {
    vtkSMTransferFunctionProxy::RescaleTransferFunction(colours, window);
    vtkSMTransferFunctionProxy::RescaleTransferFunction(opacities, window);
  }
  if (!coloured) {
    chosen.SetInputArrayToProcess(vtkDataObject::FIELD_ASSOCIATION_POINTS, array->GetName());
    vtkSMPropertyHelper(representation, "LookupTable", true).Set(colours);
    vtkSMPropertyHelper(representation, "ScalarOpacityFunction", true).Set(opacities);
    representation->UpdateVTKObjects();
  }
}

/* true if the view has to be drawn again. */
bool MakeFirstPicture(vtkSMRenderViewProxy *view, vtkSMProxy *representation,
                      vtkSMSourceProxy *source) {
  if (vtkSMPropertyHelper(source, "StepShown").GetAsIdType() < 0) {
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
  ColourBy(representation, source, array);
  if (waited && vtkSMPropertyHelper(view, "Representations").GetNumberOfElements() == 1) {
    view->ResetCamera();
  }
  return true;
}

/* After a view has been drawn: looks after the streams in it. */
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
    vtkSMSourceProxy *source = StreamOf(representation);
    if (source == nullptr) {
      continue;
    }
    const bool due = !HasNote(representation, DONE);
    if (due || ask) { /* brings the panel's figures up to date, too */
      source->UpdatePropertyInformation();
      asked = Clock::now();
    }
    if (due) {
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
  if (information != nullptr && information->GroupName != nullptr &&
      std::strcmp(information->GroupName, "views") == 0 && IsParaViewProgram()) {
    Watch(information->Proxy);
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
