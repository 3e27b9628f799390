/* SPDX-License-Identifier: BSD-3-Clause */
#include "BeamcastReceiver.h"

#include "vtkCommunicator.h"
#include "vtkMultiProcessController.h"
#include "vtkProcessModule.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <unistd.h>

namespace {

constexpr int SHOW_RMI = 0x42434153; /* a tag of our own among ParaView's remote calls */
constexpr int HOST_BYTES = 256;
constexpr uint64_t SAMPLES = 1 << 17; /* over all ranks */

BeamcastReceiver::Options &TheOptions() {
  static BeamcastReceiver::Options options;
  return options;
}

const beamcast_landing_calls *&TheLanding() {
  static const beamcast_landing_calls *calls = nullptr;
  return calls;
}

/* Closed when the process ends. What VTK holds beyond that keeps its memory. */
std::unique_ptr<BeamcastReceiver> &TheReceiver() {
  static std::unique_ptr<BeamcastReceiver> receiver;
  return receiver;
}

/* How many ranks run on this host. Collective. */
int RanksOnHost(vtkMultiProcessController *controller, int ranks) {
  char host[HOST_BYTES] = "";
  gethostname(host, sizeof host - 1);
  std::vector<char> hosts(static_cast<size_t>(ranks) * HOST_BYTES);
  controller->AllGather(host, hosts.data(), HOST_BYTES);
  int count = 0;
  for (int i = 0; i < ranks; i++) {
    count += std::strcmp(host, &hosts[static_cast<size_t>(i) * HOST_BYTES]) == 0;
  }
  return count;
}

/* true on every rank if it is true on every rank. Collective. */
bool OnAllRanks(vtkMultiProcessController *controller, bool mine) {
  int here = mine, all = mine;
  controller->AllReduce(&here, &all, 1, vtkCommunicator::MIN_OP);
  return all != 0;
}

} // namespace

/* What rank 0 tells all ranks. */
struct BeamcastReceiver::Choice {
  std::vector<uint64_t> Picked; /* serials, each to be taken once for each time it is in here */
  std::vector<uint64_t> Shown;  /* serials to be shown, from old to new; empty: nothing is new */
  bool Range = false;           /* whether the range is to be found anew */
  std::string Stream;

  std::string Pack() const {
    std::vector<uint64_t> numbers{Picked.size(), Shown.size(), Range};
    numbers.insert(numbers.end(), Picked.begin(), Picked.end());
    numbers.insert(numbers.end(), Shown.begin(), Shown.end());
    std::string bytes(reinterpret_cast<const char *>(numbers.data()),
                      numbers.size() * sizeof numbers[0]);
    return bytes + Stream;
  }
  static Choice Unpack(const std::string &bytes) {
    uint64_t head[3];
    std::memcpy(head, bytes.data(), sizeof head);
    Choice choice;
    choice.Picked.resize(head[0]);
    choice.Shown.resize(head[1]);
    choice.Range = head[2] != 0;
    const char *at = bytes.data() + sizeof head;
    std::memcpy(choice.Picked.data(), at, head[0] * sizeof head[0]);
    at += head[0] * sizeof head[0];
    std::memcpy(choice.Shown.data(), at, head[1] * sizeof head[1]);
    at += head[1] * sizeof head[1];
    choice.Stream.assign(at, bytes.data() + bytes.size());
    return choice;
  }
};

void BeamcastReceiver::SetOptions(const Options &options) {
  TheOptions() = options;
}

void BeamcastReceiver::SetLanding(const beamcast_landing_calls *calls) {
  TheLanding() = calls;
}

void BeamcastReceiver::OpenInServer() {
  const auto type = vtkProcessModule::GetProcessType();
  if (type == vtkProcessModule::PROCESS_SERVER) {
    std::string why;
    const BeamcastReceiver *receiver = BeamcastReceiver::Open(why);
    if (receiver == nullptr) {
      std::cerr << "Beamcast: this server receives nothing: " << why << std::endl;
    } else if (receiver->Rank == 0 && TheOptions().Announce) {
      std::cout << "Beamcast receives steps at " << receiver->GetContact() << std::endl;
    }
  }
}

BeamcastReceiver *BeamcastReceiver::Get() {
  return TheReceiver().get();
}

BeamcastReceiver *BeamcastReceiver::Open(std::string &why) {
  if (TheReceiver() != nullptr) {
    return TheReceiver().get();
  }
  const auto type = vtkProcessModule::GetProcessType();
  if (type == vtkProcessModule::PROCESS_DATA_SERVER ||
      type == vtkProcessModule::PROCESS_RENDER_SERVER) {
    why = "a server split into pvdataserver and pvrenderserver is not supported; start pvserver or "
          "beamcast-server";
    return nullptr;
  }
  std::unique_ptr<BeamcastReceiver> receiver(new BeamcastReceiver);
  if (!receiver->Join(why)) {
    return nullptr;
  }
  TheReceiver() = std::move(receiver);
  return TheReceiver().get();
}

bool BeamcastReceiver::Join(std::string &why) {
  this->Controller = vtkMultiProcessController::GetGlobalController();
  vtkProcessModule *process = vtkProcessModule::GetProcessModule();
  this->Symmetric = process != nullptr && process->GetSymmetricMPIMode();
  if (this->Controller != nullptr) {
    this->Rank = this->Controller->GetLocalProcessId();
    this->Ranks = this->Controller->GetNumberOfProcesses();
  }

  bc_receiver_options options{};
  options.rank = this->Rank;
  options.ranks = this->Ranks;
  options.ranks_on_host = this->Ranks > 1 ? RanksOnHost(this->Controller, this->Ranks) : 1;
  const char *contact = std::getenv("BEAMCAST_CONTACT_FILE");
  if (!TheOptions().Contact.empty()) {
    contact = TheOptions().Contact.c_str();
  }
  options.contact = contact != nullptr && *contact != '\0' ? contact : nullptr;
  options.landing = TheLanding();

  beamcast_error error{};
  this->Handle = bc_receiver_open(&options, &error);
  bool good = this->Handle != nullptr;
  if (this->Ranks > 1) {
    good = OnAllRanks(this->Controller, good);
  }
  if (good) {
    std::vector<unsigned char> addresses(static_cast<size_t>(this->Ranks) * BC_ADDRESS_BYTES);
    unsigned char mine[BC_ADDRESS_BYTES];
    bc_receiver_address(this->Handle, mine);
    if (this->Ranks > 1) {
      this->Controller->AllGather(mine, addresses.data(), BC_ADDRESS_BYTES);
    } else {
      std::memcpy(addresses.data(), mine, sizeof mine);
    }
    good = bc_receiver_join(this->Handle, addresses.data(), &error) == BEAMCAST_OK;
    if (this->Ranks > 1) {
      good = OnAllRanks(this->Controller, good);
    }
  }
  if (!good) {
    why = error.code != BEAMCAST_OK ? error.message : "another rank could not open its receiver";
    return false;
  }
  if (this->Ranks > 1 && !this->Symmetric && this->Rank > 0) {
    this->Controller->AddRMICallback(&BeamcastReceiver::OnShow, this, SHOW_RMI);
  }
  return true;
}

void BeamcastReceiver::Close() {
  TheReceiver().reset();
}

BeamcastReceiver::~BeamcastReceiver() {
  this->Streams.clear();
  bc_receiver_close(this->Handle);
}

const char *BeamcastReceiver::GetContact() const {
  return bc_receiver_contact(this->Handle);
}

uint64_t BeamcastReceiver::GetActivity() const {
  return bc_receiver_activity(this->Handle);
}

bool BeamcastReceiver::Configure(const std::string &name, const bc_stream_settings &settings,
                                 std::string &why) {
  Stream &stream = this->Streams[name];
  if (stream.Configured && AreSame(stream.Settings, settings)) {
    return true;
  }
  stream.Settings = settings;
  stream.Configured = true;
  if (this->Rank > 0) {
    return true;
  }
  beamcast_error error{};
  if (bc_receiver_configure(this->Handle, name.c_str(), &settings, &error) != BEAMCAST_OK) {
    why = error.message;
    return false;
  }
  return true;
}

bool BeamcastReceiver::AreSame(const bc_stream_settings &one, const bc_stream_settings &other) {
  return one.policy == other.policy && one.slots == other.slots && one.keep == other.keep &&
         one.keep_bytes == other.keep_bytes && one.split == other.split &&
         one.ghosts == other.ghosts;
}

bc_stream_status BeamcastReceiver::GetStatus(const std::string &stream) const {
  bc_stream_status status{};
  bc_receiver_status(this->Handle, stream.c_str(), &status);
  return status;
}

void BeamcastReceiver::AddView(const std::string &name, BeamcastView *view) {
  Stream &stream = this->Streams[name];
  if (stream.Views.empty() && this->Rank == 0) {
    bc_receiver_view_open(this->Handle, name.c_str());
  }
  stream.Views.push_back(view);
}

void BeamcastReceiver::RemoveView(const std::string &name, BeamcastView *view) {
  Stream &stream = this->Streams[name];
  auto found = std::find(stream.Views.begin(), stream.Views.end(), view);
  if (found == stream.Views.end()) {
    return;
  }
  stream.Views.erase(found);
  if (stream.Views.empty() && this->Rank == 0) {
    bc_receiver_view_close(this->Handle, name.c_str());
  }
}

bool BeamcastReceiver::HasViews(const std::string &name) const {
  auto found = this->Streams.find(name);
  return found != this->Streams.end() && !found->second.Views.empty();
}

const BeamcastReceiver::Steps &BeamcastReceiver::GetSteps(const std::string &stream) const {
  static const Steps none;
  auto found = this->Streams.find(stream);
  return found == this->Streams.end() ? none : found->second.Shown;
}

void BeamcastReceiver::GetRange(const std::string &stream, double range[2]) const {
  auto found = this->Streams.find(stream);
  range[0] = found == this->Streams.end() ? 0.0 : found->second.Range[0];
  range[1] = found == this->Streams.end() ? 1.0 : found->second.Range[1];
}

/* Rank 0: picks what is new. */
BeamcastReceiver::Choice BeamcastReceiver::Pick(const std::string &name) {
  const Stream &stream = this->Streams[name];
  Choice choice;
  choice.Stream = name;
  const uint64_t next =
      bc_receiver_pick(this->Handle, name.c_str(), stream.NewestSerial, BC_PICK_NEXT);
  if (next == 0) {
    return choice;
  }
  choice.Picked.push_back(next);
  if (stream.Settings.keep > 0) {
    const int size = bc_receiver_kept(this->Handle, name.c_str(), nullptr, 0);
    std::vector<uint64_t> kept(static_cast<size_t>(size));
    const int found = bc_receiver_kept(this->Handle, name.c_str(), kept.data(), size);
    kept.resize(static_cast<size_t>(std::min(size, found)));
    /* Under policy `all` later steps may be kept already; the next one is the newest to be shown.
     */
    kept.erase(std::lower_bound(kept.begin(), kept.end(), next), kept.end());
    /* The newest ones, whatever their times: another run's begin anew. Slots may hold more complete
     * steps than are kept; those must stay free for new ones. */
    const size_t most = static_cast<size_t>(stream.Settings.keep - 1);
    kept.erase(kept.begin(), kept.end() - static_cast<std::ptrdiff_t>(std::min(most, kept.size())));
    for (const uint64_t serial : kept) {
      const bool known =
          std::any_of(stream.Shown.begin(), stream.Shown.end(),
                      [serial](const auto &step) { return step->GetInfo().serial == serial; });
      if (!known && bc_receiver_pick_kept(this->Handle, name.c_str(), serial) == 0) {
        continue;
      }
      if (!known) {
        choice.Picked.push_back(serial);
      }
      choice.Shown.push_back(serial);
    }
  }
  choice.Shown.push_back(next);
  return choice;
}

bool BeamcastReceiver::Poll(const std::string &name) {
  if (this->Rank > 0 && !this->Symmetric) {
    return false;
  }
  Choice choice;
  if (this->Rank == 0) {
    choice = this->Pick(name);
    if (!choice.Shown.empty()) {
      this->Take(choice);
      const Stream &stream = this->Streams[name];
      choice.Range = !stream.Shown.empty() &&
                     (!stream.HasRange || stream.RangeRun != stream.Shown.back()->GetInfo().run_id);
    }
  }
  if (this->Ranks > 1 && this->Symmetric) {
    std::string message = choice.Pack();
    vtkIdType size = static_cast<vtkIdType>(message.size());
    this->Controller->Broadcast(&size, 1, 0);
    message.resize(static_cast<size_t>(size));
    this->Controller->Broadcast(&message[0], size, 0);
    if (this->Rank > 0) {
      choice = Choice::Unpack(message);
      this->Take(choice);
    }
  }
  if (choice.Shown.empty()) {
    return false;
  }
  if (this->Ranks > 1 && !this->Symmetric) {
    std::string message = choice.Pack();
    this->Controller->TriggerRMIOnAllChildren(&message[0], static_cast<int>(message.size()),
                                              SHOW_RMI);
  }
  this->Show(choice);
  return true;
}

bool BeamcastReceiver::ShowArriving(const std::string &name) {
  const Steps &shown = this->Streams[name].Shown;
  if (this->Rank > 0 || this->Symmetric || shown.empty() || this->GetStatus(name).arriving == 0) {
    return false;
  }
  Choice choice;
  choice.Stream = name;
  choice.Shown.push_back(shown.back()->GetInfo().serial);
  if (this->Ranks > 1) {
    std::string message = choice.Pack();
    this->Controller->TriggerRMIOnAllChildren(&message[0], static_cast<int>(message.size()),
                                              SHOW_RMI);
  }
  this->Show(choice);
  return true;
}

void BeamcastReceiver::OnShow(void *self, void *message, int size, int) {
  const Choice choice =
      Choice::Unpack(std::string(static_cast<const char *>(message), static_cast<size_t>(size)));
  BeamcastReceiver *receiver = static_cast<BeamcastReceiver *>(self);
  receiver->Take(choice);
  receiver->Show(choice);
}

/* Every rank: takes the picked steps and keeps those that are to be shown. */
void BeamcastReceiver::Take(const Choice &choice) {
  if (choice.Shown.empty()) {
    return;
  }
  Stream &stream = this->Streams[choice.Stream];
  std::map<uint64_t, std::shared_ptr<BeamcastStep>> known;
  for (const auto &step : stream.Shown) {
    known[step->GetInfo().serial] = step;
  }
  for (const uint64_t serial : choice.Picked) {
    if (bc_frame *frame = bc_receiver_take(this->Handle, serial)) {
      known[serial] = BeamcastStep::Take(frame);
    } else {
      std::cerr << "Beamcast: rank " << this->Rank << " has lost step " << serial << " of stream \""
                << choice.Stream << "\" and shows nothing of it." << std::endl;
    }
  }
  stream.Shown.clear();
  for (const uint64_t serial : choice.Shown) {
    if (known[serial] != nullptr) {
      stream.Shown.push_back(known[serial]);
    }
  }
  stream.NewestSerial = choice.Shown.back();
}

void BeamcastReceiver::Show(const Choice &choice) {
  Stream &stream = this->Streams[choice.Stream];
  if (choice.Range) {
    this->UpdateRange(stream);
  }
  for (BeamcastView *view : stream.Views) {
    view->StepsChanged();
  }
}

/* Collective, also for ranks that have no voxels. */
void BeamcastReceiver::UpdateRange(Stream &stream) {
  std::vector<double> mine, all;
  if (!stream.Shown.empty()) {
    const bc_frame_info &info = stream.Shown.back()->GetInfo();
    uint64_t stride =
        std::max<uint64_t>(1, info.volume[0] * info.volume[1] * info.volume[2] / SAMPLES) | 1;
    while (stride > 1 && (info.volume[0] % stride == 0 || info.volume[1] % stride == 0)) {
      stride += 2; /* not always the same columns */
    }
    stream.Shown.back()->Sample(stride, mine);
    stream.RangeRun = info.run_id;
  }
  if (this->Ranks > 1) {
    const vtkIdType count = static_cast<vtkIdType>(mine.size());
    std::vector<vtkIdType> counts(static_cast<size_t>(this->Ranks)), offsets(counts.size());
    this->Controller->AllGather(&count, counts.data(), 1);
    vtkIdType total = 0;
    for (size_t i = 0; i < counts.size(); i++) {
      offsets[i] = total;
      total += counts[i];
    }
    all.resize(static_cast<size_t>(total) + 1);
    mine.resize(mine.size() + 1); /* never a null pointer */
    this->Controller->AllGatherV(mine.data(), all.data(), count, counts.data(), offsets.data());
    all.resize(static_cast<size_t>(total));
  } else {
    all = std::move(mine);
  }
  if (all.empty()) {
    return;
  }
  const double last = static_cast<double>(all.size() - 1);
  const double shares[2] = {0.001, 0.999};
  for (int i = 0; i < 2; i++) {
    auto nth = all.begin() + std::lround(shares[i] * last);
    std::nth_element(all.begin(), nth, all.end());
    stream.Range[i] = *nth;
  }
  stream.HasRange = true;
}
