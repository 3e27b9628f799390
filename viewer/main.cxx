/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast-viewer: ParaView in batch on N ranks with nobody at a screen. Rank 0 runs the Python
 * package beamcast_viewer, which says what is shown and answers calls; the other ranks do what
 * ParaView asks of them, and sleep when that is nothing.
 */
#include "Module.h"

#include "BeamcastReceiver.h"
#include "Plugin.h"
#include "Ranks.h"
#include "Screen.h"
#include "Signals.h"

#include "vtkCommunicator.h"
#include "vtkInitializationHelper.h"
#include "vtkMPIController.h"
#include "vtkProcessModule.h"
#include "vtkSMSession.h"

#include <cstdlib>
#include <cstring>
#include <iostream>

namespace {

/* Where the receiver writes the contact file; the other options are Python's to read. */
std::string FindContact(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (std::strcmp(argv[i], "--contact") == 0 && i + 1 < argc) {
      return argv[i + 1];
    }
    if (std::strncmp(argv[i], "--contact=", 10) == 0) {
      return argv[i] + 10;
    }
  }
  return "";
}

void RunOther(Ranks &ranks) {
  const vtkIdType session = vtkSMSession::ConnectToSelf();
  while (ranks.Next() != ServerCall::EndServer) {
  }
  vtkProcessModule::GetProcessModule()->UnRegisterSession(session);
}

int Run(int argc, char **argv) {
  vtkProcessModule *process = vtkProcessModule::GetProcessModule();
  auto *controller = vtkMPIController::SafeDownCast(process->GetGlobalController());
  if (controller == nullptr) {
    std::cerr << "beamcast-viewer: this ParaView has no MPI." << std::endl;
    return EXIT_FAILURE;
  }
  Ranks ranks(controller);
  std::string why;
  bool good = LoadPlugin("beamcast-viewer");
  if (good && BeamcastReceiver::Open(why) == nullptr) {
    std::cerr << "beamcast-viewer: " << why << "." << std::endl;
    good = false;
  }
  int here = good, all = good;
  controller->AllReduce(&here, &all, 1, vtkCommunicator::MIN_OP);
  if (all == 0) {
    return EXIT_FAILURE;
  }
  WarnWithoutScreen("beamcast-viewer", controller);
  CatchSignals(ranks.GetRank() == 0 ? BeamcastReceiver::Get()->GetContact() : "");
  if (ranks.GetRank() > 0) {
    RunOther(ranks);
    return EXIT_SUCCESS;
  }
  const int status = RunPython(argc, argv, ranks, process->GetSelfDir());
  ranks.Tell(ServerCall::EndServer);
  return status;
}

} // namespace

int main(int argc, char **argv) {
  BeamcastReceiver::Options receiver;
  receiver.Contact = FindContact(argc, argv);
  receiver.Announce = false;
  BeamcastReceiver::SetOptions(receiver);
  char offscreen[] = "--force-offscreen-rendering";
  /* the user's settings are for programs with a window: not read, and not written at the end */
  char plain[] = "--disable-registry";
  char *arguments[] = {argv[0], offscreen, plain, nullptr};
  if (!vtkInitializationHelper::Initialize(3, arguments, vtkProcessModule::PROCESS_BATCH)) {
    return vtkInitializationHelper::GetExitCode();
  }
  const int status = Run(argc, argv);
  BeamcastReceiver::Close();
  vtkInitializationHelper::Finalize();
  return status;
}
