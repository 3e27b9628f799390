/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ending a read before it is done. Scripts and the ParaView program on its built-in server set
 * AbortExecute. A client's wish reaches a server that reads as a message that waits in the socket,
 * as the server answers nobody meanwhile: the root looks for it there without taking it, and tells
 * the other ranks. */
#include "VolumeReaderState.h"

#include "vtkClientSocket.h"
#include "vtkCommunicator.h"
#include "vtkCompositeMultiProcessController.h"
#include "vtkMPIController.h"
#include "vtkPVSession.h"
#include "vtkProcessModule.h"
#include "vtkSocketCommunicator.h"

#include <cstring>

#include <sys/socket.h>

namespace {

constexpr int CANCEL_TAG = 0x42434341;
constexpr auto LOOK_EVERY = std::chrono::milliseconds(50);

/* The name of the method that the client calls: it stands in the message as it is. */
constexpr char METHOD[] = "CancelVolumeRead";

bool Waits(vtkMultiProcessController *client) {
  auto *communicator =
      client != nullptr ? vtkSocketCommunicator::SafeDownCast(client->GetCommunicator()) : nullptr;
  if (communicator == nullptr || communicator->GetSocket() == nullptr) {
    return false;
  }
  std::vector<char> bytes(64 << 10);
  const ssize_t got = recv(communicator->GetSocket()->GetSocketDescriptor(), bytes.data(),
                           bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  return got > 0 && memmem(bytes.data(), static_cast<size_t>(got), METHOD, sizeof METHOD - 1);
}

/* Only the root of a server has clients. */
bool ClientCancels() {
  vtkProcessModule *module = vtkProcessModule::GetProcessModule();
  auto *session =
      module != nullptr ? vtkPVSession::SafeDownCast(module->GetActiveSession()) : nullptr;
  auto *clients = session != nullptr ? vtkCompositeMultiProcessController::SafeDownCast(
                                           session->GetController(vtkPVSession::CLIENT))
                                     : nullptr;
  for (int i = 0; clients != nullptr && i < clients->GetNumberOfControllers(); i++) {
    if (Waits(clients->GetController(i))) {
      return true;
    }
  }
  return false;
}

} // namespace

void vtkBeamcastVolumeReader::CancelVolumeRead() {
  this->Internal->Cancelled = true;
}

/* Called from the thread that may use MPI, now and then during a read. */
bool vtkBeamcastVolumeReader::CancelAsked() {
  State &state = *this->Internal;
  const auto now = std::chrono::steady_clock::now();
  if (state.Cancelled || this->GetAbortExecute()) {
    state.Cancelled = true;
  } else if (now - state.CancelLooked >= LOOK_EVERY) {
    state.CancelLooked = now;
    auto *ranks = vtkMPIController::SafeDownCast(this->Controller);
    const bool several = ranks != nullptr && ranks->GetNumberOfProcesses() > 1;
    if (!several || ranks->GetLocalProcessId() == 0) {
      state.Cancelled = ClientCancels();
    } else {
      int there = 0, from;
      ranks->Iprobe(0, CANCEL_TAG, &there, &from);
      state.Cancelled = there != 0;
    }
  }
  if (state.Cancelled) {
    this->TellCancel();
  }
  return state.Cancelled;
}

/* The root to the others, once a read. */
void vtkBeamcastVolumeReader::TellCancel() {
  State &state = *this->Internal;
  const int ranks = this->Controller != nullptr ? this->Controller->GetNumberOfProcesses() : 1;
  if (state.CancelTold || ranks < 2 || this->Controller->GetLocalProcessId() > 0) {
    return;
  }
  state.CancelTold = true;
  const int word = 1;
  for (int rank = 1; rank < ranks; rank++) {
    this->Controller->Send(&word, 1, rank, CANCEL_TAG);
  }
}

/* Collective, after a read: whether any rank ended before it was done. */
bool vtkBeamcastVolumeReader::AnyCancelled() {
  State &state = *this->Internal;
  if (this->Controller == nullptr || this->Controller->GetNumberOfProcesses() < 2) {
    return state.Cancelled;
  }
  const int mine = state.CancelTold ? 2 : state.Cancelled ? 1 : 0;
  int most = mine;
  this->Controller->AllReduce(&mine, &most, 1, vtkCommunicator::MAX_OP);
  if (most == 2 && this->Controller->GetLocalProcessId() > 0) { /* what was told, in time or not */
    int word;
    this->Controller->Receive(&word, 1, 0, CANCEL_TAG);
  }
  return most > 0;
}

/* Views ask again at once for what they did not get; what: the file and step that was read. */
void vtkBeamcastVolumeReader::RememberCancel(const std::string &what) {
  State &state = *this->Internal;
  state.Piece.Clear();
  this->SetAbortExecute(0); /* which changes the time */
  state.CancelWhat = what;
  state.CancelTime = this->GetMTime();
  if (this->Controller == nullptr || this->Controller->GetLocalProcessId() == 0) {
    vtkWarningMacro("The read was cancelled. Refresh, or any change, reads again.");
  }
}
