/* SPDX-License-Identifier: BSD-3-Clause */
#include "Ranks.h"

#include "Signals.h"

#include "vtkMPICommunicator.h"
#include "vtkMPIController.h"

#include <algorithm>
#include <chrono>
#include <sched.h>
#include <thread>

namespace {

constexpr int SERVER_RMI = 0x42435356; /* tags of our own among ParaView's */
constexpr int END_TAG = 0x42434544;

/* Awake this long after a call, since calls come in bursts; then asleep for longer and longer. */
constexpr std::chrono::milliseconds AWAKE(5);
constexpr std::chrono::microseconds SHORTEST(500);
constexpr std::chrono::microseconds LONGEST(4000);

/* Remote calls have a communicator of their own, which VTK has no public name for. */
struct RemoteCalls : vtkMPIController {
  static vtkMPICommunicator *Of(vtkMPIController *controller) {
    return vtkMPICommunicator::SafeDownCast(controller->*(&RemoteCalls::RMICommunicator));
  }
};

} // namespace

Ranks::Ranks(vtkMPIController *controller) : Controller(controller) {
  /* ParaView broadcasts its calls, which can only be waited for in MPI. Sent from rank to rank in a
   * tree they can be asked for. */
  controller->BroadcastTriggerRMIOff();
  controller->AddRMICallback(&Ranks::OnCall, this, SERVER_RMI);
}

int Ranks::GetRank() const {
  return this->Controller->GetLocalProcessId();
}

int Ranks::GetCount() const {
  return this->Controller->GetNumberOfProcesses();
}

void Ranks::Tell(ServerCall call) {
  int number = static_cast<int>(call);
  this->Controller->TriggerRMIOnAllChildren(&number, sizeof number, SERVER_RMI);
}

void Ranks::OnCall(void *self, void *argument, int, int) {
  static_cast<Ranks *>(self)->Told = static_cast<ServerCall>(*static_cast<const int *>(argument));
}

bool Ranks::IsCallWaiting() {
  int waiting = 0, source = 0;
  RemoteCalls::Of(this->Controller)
      ->Iprobe(vtkMultiProcessController::ANY_SOURCE, vtkMultiProcessController::GetRMITag(),
               &waiting, &source);
  return waiting != 0;
}

ServerCall Ranks::Next() {
  const auto since = std::chrono::steady_clock::now();
  std::chrono::microseconds nap = SHORTEST;
  while (!this->IsCallWaiting()) {
    if (IsEndRequested() && !this->HasAsked) {
      int nothing = 0;
      this->Controller->Send(&nothing, 1, 0, END_TAG);
      this->HasAsked = true;
    }
    if (std::chrono::steady_clock::now() - since < AWAKE) {
      sched_yield();
    } else {
      std::this_thread::sleep_for(nap);
      nap = std::min(LONGEST, nap + nap / 16);
    }
  }
  this->Told = ServerCall::None;
  if (this->Controller->ProcessRMIs(0, 1) != vtkMultiProcessController::RMI_NO_ERROR) {
    return ServerCall::EndServer; /* rank 0 is gone */
  }
  return this->Told;
}

bool Ranks::IsAskedToEnd() {
  int waiting = 0, source = 0;
  this->Controller->Iprobe(vtkMultiProcessController::ANY_SOURCE, END_TAG, &waiting, &source);
  if (waiting != 0) {
    int nothing = 0;
    this->Controller->Receive(&nothing, 1, source, END_TAG);
  }
  return waiting != 0;
}
