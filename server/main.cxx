/* SPDX-License-Identifier: BSD-3-Clause
 *
 * beamcast-server: what pvserver does, with the receiver outside the client's session. Steps may
 * come before a client and stay when it leaves; the next client sees them.
 */
#include "BeamcastReceiver.h"
#include "Door.h"
#include "Options.h"
#include "Plugin.h"
#include "Ranks.h"
#include "Requests.h"
#include "Screen.h"
#include "Signals.h"

#include "vtkClientServerInterpreter.h"
#include "vtkClientSocket.h"
#include "vtkCompositeMultiProcessController.h"
#include "vtkInitializationHelper.h"
#include "vtkMPIController.h"
#include "vtkPVSessionCore.h"
#include "vtkPVSessionServer.h"
#include "vtkPVVersion.h"
#include "vtkProcessModule.h"
#include "vtkRemotingCoreConfiguration.h"
#include "vtkSocketCommunicator.h"
#include "vtkSocketController.h"

#include <chrono>
#include <iostream>
#include <jansson.h>
#include <poll.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int LOOK_AROUND_MS = 250; /* how often rank 0 looks whether another rank wants to end */
constexpr int CALL_AGAIN_MS = 2000; /* between attempts to reach a client that listens */

/* Counts a client's session as use of the server, beside what the receiver counts. */
class IdleTime {
public:
  explicit IdleTime(double minutes) : Minutes(minutes) {}
  void Used() {
    this->Last = Clock::now();
  }
  bool IsOver(uint64_t activity) {
    if (activity != this->Activity) {
      this->Activity = activity;
      this->Used();
    }
    return this->Minutes > 0.0 &&
           std::chrono::duration<double>(Clock::now() - this->Last).count() > this->Minutes * 60.0;
  }

private:
  double Minutes;
  Clock::time_point Last = Clock::now();
  uint64_t Activity = 0;
};

void SayReady(const ServerOptions &options, const Door &door, int ranks) {
  const char *contact = BeamcastReceiver::Get()->GetContact();
  const std::string host = options.Reverse ? options.ClientHost : options.BindAddress;
  if (options.Json) {
    json_t *line =
        json_pack("{s:s, s:s, s:i, s:b, s:i, s:i, s:s}", "contact", contact, "host", host.c_str(),
                  "port", door.GetPort(), "reverse", options.Reverse, "ranks", ranks, "pid",
                  static_cast<int>(getpid()), "paraview", PARAVIEW_VERSION);
    char *text = json_dumps(line, JSON_COMPACT);
    std::cout << text << std::endl;
    std::free(text);
    json_decref(line);
  } else {
    std::cout << "beamcast-server: contact file " << contact
              << (options.Reverse ? ", connecting to a ParaView client at "
                                  : ", ParaView clients at ")
              << host << ":" << door.GetPort() << std::endl;
  }
}

/* Rank 0: waits until there is a client; nullptr when the server is to end. */
vtkSmartPointer<vtkSocketController> WaitForClient(Door &door, Ranks &ranks, Requests &requests,
                                                   IdleTime &idle, bool reverse) {
  Clock::time_point call = Clock::now();
  while (!IsEndRequested() && !ranks.IsAskedToEnd()) {
    if (idle.IsOver(BeamcastReceiver::Get()->GetActivity())) {
      std::cerr << "beamcast-server: idle for too long (see --idle), ending." << std::endl;
      return nullptr;
    }
    /* in reverse there is no door, which poll passes over */
    pollfd fds[3] = {{GetSignalDescriptor(), POLLIN, 0},
                     {requests.GetDescriptor(), POLLIN, 0},
                     {door.GetDescriptor(), POLLIN, 0}};
    poll(fds, 3, LOOK_AROUND_MS);
    ClientRequest request;
    while (requests.Next(false, request)) {
      auto client = door.CallOn(request.Host, request.Port);
      Requests::Answer(request, client != nullptr);
      if (client != nullptr) {
        return client;
      }
    }
    bool knocks = (fds[2].revents & POLLIN) != 0;
    if (reverse && Clock::now() >= call) {
      knocks = true;
      call = Clock::now() + std::chrono::milliseconds(CALL_AGAIN_MS);
    }
    if (knocks) {
      if (vtkSmartPointer<vtkSocketController> client = door.Admit()) {
        return client;
      }
    }
  }
  return nullptr;
}

/* Makes a rank's sessions, one after another. The wrappers of ParaView's classes know the
 * interpreter that they were registered with last by its address alone, and would leave a new one
 * that has this address without any class. So the last one is kept until there is another. */
class Sessions {
public:
  vtkSmartPointer<vtkPVSessionServer> New() {
    auto session = vtkSmartPointer<vtkPVSessionServer>::New();
    this->LastInterpreter = session->GetSessionCore()->GetInterpreter();
    return session;
  }

private:
  vtkSmartPointer<vtkClientServerInterpreter> LastInterpreter;
};

/* Rank 0: one client's session, from its first message until it has left or the server is to end.
 */
void ServeClient(vtkSocketController *client, Sessions &sessions, Door &door, Ranks &ranks,
                 Requests &requests) {
  vtkProcessModule *process = vtkProcessModule::GetProcessModule();
  vtkSocketCommunicator *communicator =
      vtkSocketCommunicator::SafeDownCast(client->GetCommunicator());
  ranks.Tell(ServerCall::BeginSession);
  auto session = sessions.New();
  auto *clients = vtkCompositeMultiProcessController::SafeDownCast(
      session->GetController(vtkPVSession::CLIENT));
  clients->RegisterController(client);
  process->RegisterSession(session);

  /* Closing the session takes the client off the list; a broken connection ends its socket. */
  while (clients->GetNumberOfControllers() > 0 && !IsEndRequested() && !ranks.IsAskedToEnd()) {
    vtkSocket *socket = communicator->GetSocket();
    if (socket == nullptr || !socket->GetConnected()) {
      break;
    }
    if (!communicator->HasBufferredMessages()) {
      pollfd fds[4] = {{socket->GetSocketDescriptor(), POLLIN | POLLRDHUP, 0},
                       {GetSignalDescriptor(), POLLIN, 0},
                       {requests.GetDescriptor(), POLLIN, 0},
                       {door.GetDescriptor(), POLLIN, 0}};
      poll(fds, 4, LOOK_AROUND_MS);
      /* who comes after a client that has left waits until that is dealt with */
      if ((fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0) {
        ClientRequest request;
        (void)requests.Next(true, request);
        if ((fds[3].revents & POLLIN) != 0) {
          door.Refuse();
        }
      }
      if (fds[0].revents == 0) {
        continue;
      }
    }
    if (client->ProcessRMIs(0, 1) != vtkMultiProcessController::RMI_NO_ERROR) {
      break;
    }
    CatchSignalsAgain();
  }
  communicator->CloseConnection();
  process->UnRegisterSession(session);
  session = nullptr;
  ranks.Tell(ServerCall::EndSession);
}

void RunRoot(const ServerOptions &options, Door &door, Ranks &ranks, Requests &requests) {
  IdleTime idle(options.IdleMinutes);
  Sessions sessions;
  while (auto client = WaitForClient(door, ranks, requests, idle, options.Reverse)) {
    std::cerr << "beamcast-server: client connected." << std::endl;
    ServeClient(client, sessions, door, ranks, requests);
    client = nullptr;
    idle.Used();
    std::cerr << "beamcast-server: client left." << std::endl;
  }
  ranks.Tell(ServerCall::EndServer);
}

void RunOther(Ranks &ranks) {
  vtkProcessModule *process = vtkProcessModule::GetProcessModule();
  Sessions sessions;
  vtkSmartPointer<vtkPVSessionServer> session;
  for (;;) {
    const ServerCall call = ranks.Next();
    CatchSignalsAgain();
    switch (call) {
    case ServerCall::BeginSession:
      session = sessions.New();
      process->RegisterSession(session);
      break;
    case ServerCall::EndSession:
      process->UnRegisterSession(session);
      session = nullptr;
      break;
    case ServerCall::EndServer:
      return;
    case ServerCall::None:
      break;
    }
  }
}

int Run(const ServerOptions &options) {
  auto *controller =
      vtkMPIController::SafeDownCast(vtkProcessModule::GetProcessModule()->GetGlobalController());
  if (controller == nullptr) {
    std::cerr << "beamcast-server: this ParaView has no MPI." << std::endl;
    return EXIT_FAILURE;
  }
  vtkRemotingCoreConfiguration::GetInstance()->SetConnectID(options.ConnectId);
  Ranks ranks(controller);
  std::string why;
  bool good = LoadPlugin("beamcast-server");
  if (good && BeamcastReceiver::Open(why) == nullptr) {
    std::cerr << "beamcast-server: " << why << "." << std::endl;
    good = false;
  }
  Door door(options);
  Requests requests;
  if (good && ranks.GetRank() == 0 && !(door.Open(why) && requests.Open(why))) {
    std::cerr << "beamcast-server: " << why << "." << std::endl;
    good = false;
  }
  int here = good, all = good;
  controller->AllReduce(&here, &all, 1, vtkCommunicator::MIN_OP);
  if (all == 0) {
    return EXIT_FAILURE;
  }
  WarnWithoutScreen("beamcast-server", controller);
  CatchSignals(ranks.GetRank() == 0 ? BeamcastReceiver::Get()->GetContact() : "");
  if (ranks.GetRank() == 0) {
    SayReady(options, door, ranks.GetCount());
    RunRoot(options, door, ranks, requests);
  } else {
    RunOther(ranks);
  }
  return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char **argv) {
  ServerOptions options;
  switch (ParseOptions(argc, argv, options)) {
  case ParseResult::Done:
    return EXIT_SUCCESS;
  case ParseResult::Wrong:
    return 2;
  case ParseResult::Run:
    break;
  }
  BeamcastReceiver::Options receiver;
  receiver.Contact = options.Contact;
  receiver.Announce = false;
  BeamcastReceiver::SetOptions(receiver);

  std::vector<char *> arguments{argv[0]};
  for (std::string &argument : options.ParaView) {
    arguments.push_back(&argument[0]);
  }
  arguments.push_back(nullptr);
  if (!vtkInitializationHelper::Initialize(static_cast<int>(arguments.size()) - 1, arguments.data(),
                                           vtkProcessModule::PROCESS_SERVER)) {
    return vtkInitializationHelper::GetExitCode();
  }
  const int status = Run(options);
  BeamcastReceiver::Close();
  vtkInitializationHelper::Finalize();
  return status;
}
