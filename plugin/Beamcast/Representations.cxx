/* SPDX-License-Identifier: BSD-3-Clause */
#include "Representations.h"

#include "BeamcastRepresentationsXML.h"

#include "vtkCallbackCommand.h"
#include "vtkNew.h"
#include "vtkPVPlugin.h"
#include "vtkPVPluginTracker.h"
#include "vtkPVPluginsInformation.h"
#include "vtkPVServerManagerPluginInterface.h"
#include "vtkProcessModule.h"
#include "vtkSMPluginManager.h"
#include "vtkSMProxyManager.h"
#include "vtkSMSession.h"

#include <cstring>
#include <set>

namespace {

const char NAME[] = "BeamcastRepresentations";

/* A plugin within the plugin: nothing but definitions, and only while they are granted. ParaView
 * asks for them when this is registered and at the beginning of each session. */
class RepresentationsPlugin : public vtkPVPlugin, public vtkPVServerManagerPluginInterface {
public:
  bool Granted = false;

  const char *GetPluginName() override {
    return NAME;
  }
  const char *GetPluginVersionString() override {
    return "1.0";
  }
  bool GetRequiredOnServer() override {
    return false;
  }
  bool GetRequiredOnClient() override {
    return false;
  }
  const char *GetRequiredPlugins() override {
    return "";
  }
  const char *GetDescription() override {
    return "Representations of the plugin Beamcast, for clients that have it.";
  }
  const char *GetEULA() override {
    return nullptr;
  }
  void GetXMLs(std::vector<std::string> &definitions) override {
    if (this->Granted) {
      definitions.emplace_back(BEAMCAST_REPRESENTATIONS_XML);
    }
  }
  vtkClientServerInterpreterInitializer::InterpreterInitializationCallback
  GetInitializeInterpreterCallback() override {
    return nullptr;
  }
};

/* Never destroyed: ParaView's list of plugins points to it to the end. */
RepresentationsPlugin &ThePlugin() {
  static RepresentationsPlugin *plugin = new RepresentationsPlugin;
  return *plugin;
}

void Grant() {
  if (!ThePlugin().Granted) {
    ThePlugin().Granted = true;
    vtkPVPluginTracker::GetInstance()->RegisterPlugin(&ThePlugin());
  }
}

/* In a server: what was granted to one client is not granted to the next. */
void OnSessionClosed(vtkObject *, unsigned long, void *, void *) {
  ThePlugin().Granted = false;
}

bool HasPlugin(vtkPVPluginsInformation *information) {
  for (unsigned int i = 0; information != nullptr && i < information->GetNumberOfPlugins(); i++) {
    if (std::strcmp(information->GetPluginName(i), "Beamcast") == 0) {
      return information->GetPluginLoaded(i);
    }
  }
  return false;
}

/* In a client: asks the server of a session, once, if it has the plugin. */
void Ask(vtkIdType id) {
  static std::set<vtkIdType> asked;
  vtkSMSession *session =
      vtkSMSession::SafeDownCast(vtkProcessModule::GetProcessModule()->GetSession(id));
  if (session == nullptr || !session->IsA("vtkSMSessionClient") || asked.count(id) != 0) {
    return;
  }
  vtkSMPluginManager *plugins = vtkSMProxyManager::GetProxyManager()->GetPluginManager();
  if (HasPlugin(plugins->GetRemoteInformation(session))) {
    asked.insert(id);
    plugins->LoadRemotePlugin(NAME, session);
  }
}

void AskActiveSession() {
  vtkSMProxyManager *manager = vtkSMProxyManager::GetProxyManager();
  if (vtkSMSession *session = manager->GetActiveSession()) {
    Ask(vtkProcessModule::GetProcessModule()->GetSessionID(session));
  }
}

void OnChange(vtkObject *, unsigned long, void *, void *) {
  AskActiveSession();
}

void Observe(vtkObject *object, unsigned long event,
             void (*callback)(vtkObject *, unsigned long, void *, void *)) {
  vtkNew<vtkCallbackCommand> command;
  command->SetCallback(callback);
  object->AddObserver(event, command, -10.0F); /* after ParaView's own */
}

} // namespace

void StartRepresentations() {
  vtkProcessModule *process = vtkProcessModule::GetProcessModule();
  switch (vtkProcessModule::GetProcessType()) {
  case vtkProcessModule::PROCESS_CLIENT: {
    Grant(); /* for sessions without a server */
    /* Not ConnectionCreatedEvent: to ask a server then crashes the program of ParaView 5.13. */
    vtkSMProxyManager *manager = vtkSMProxyManager::GetProxyManager();
    Observe(manager, vtkSMProxyManager::ActiveSessionChanged, OnChange);
    Observe(manager->GetPluginManager(), vtkSMPluginManager::RemotePluginLoadedEvent, OnChange);
    AskActiveSession();
    break;
  }
  case vtkProcessModule::PROCESS_BATCH:
    Grant();
    break;
  default:
    Observe(process, vtkCommand::ConnectionClosedEvent, OnSessionClosed);
  }
}

bool AskedForRepresentations(const char *name) {
  if (name == nullptr || std::strcmp(name, NAME) != 0) {
    return false;
  }
  Grant();
  return true;
}
