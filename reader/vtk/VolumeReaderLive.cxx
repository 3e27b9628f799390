/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Following a file that grows: ParaView's program asks the root now and then whether there is
 * something new (LiveSource), and the root tells the other ranks, whose pipelines would otherwise
 * keep what they have. */
#include "VolumeReaderState.h"

#include "vtkMultiProcessController.h"

#include <algorithm>
#include <map>

namespace {

constexpr int GROWN_RMI = 0x42434756; /* a tag of our own among ParaView's remote calls */

/* Readers that follow a file, by the number that all ranks know them by. */
std::map<int, vtkBeamcastVolumeReader *> &Followers() {
  static std::map<int, vtkBeamcastVolumeReader *> followers;
  return followers;
}

void OnGrown(void *, void *message, int size, int) {
  const auto *number = static_cast<const int *>(message);
  const auto found = size == sizeof *number ? Followers().find(*number) : Followers().end();
  if (found != Followers().end()) {
    found->second->Refresh();
  }
}

} // namespace

/* The root's count decides: ranks may have made different numbers of readers. Collective. */
void vtkBeamcastVolumeReader::Follow() {
  State &state = *this->Internal;
  const int ranks = this->Controller != nullptr ? this->Controller->GetNumberOfProcesses() : 1;
  if (ranks < 2 || state.Number > 0) {
    return;
  }
  static int count = 0;
  state.Number = ++count;
  this->Controller->Broadcast(&state.Number, 1, 0);
  if (this->Controller->GetLocalProcessId() == 0) {
    return;
  }
  static bool listening = false;
  if (!listening) {
    this->Controller->AddRMICallback(OnGrown, nullptr, GROWN_RMI);
    listening = true;
  }
  Followers()[state.Number] = this;
}

void vtkBeamcastVolumeReader::Unfollow() {
  const auto found = Followers().find(this->Internal->Number);
  if (found != Followers().end() && found->second == this) {
    Followers().erase(found);
  }
}

void vtkBeamcastVolumeReader::Refresh() {
  this->Internal->OpenName.clear(); /* opened anew with the next request */
  this->Modified();
}

bool vtkBeamcastVolumeReader::GetNeedsUpdate() {
  State &state = *this->Internal;
  const auto now = std::chrono::steady_clock::now();
  /* Most of the time is left to the user, however long a read takes. */
  const auto pause =
      std::max<std::chrono::duration<double>>(std::chrono::seconds(1), 4 * state.ReadTime);
  if (!this->Live || state.Name.empty() || now - state.Looked < pause) {
    return false;
  }
  state.Looked = now;
  if (StampOf(state.Name) == state.Stamp) {
    return false;
  }
  if (state.Number > 0) {
    this->Controller->TriggerRMIOnAllChildren(&state.Number, sizeof state.Number, GROWN_RMI);
  }
  this->Refresh();
  return true;
}
