/* SPDX-License-Identifier: BSD-3-Clause */
#include "Door.h"

#include "vtkClientSocket.h"
#include "vtkObjectFactory.h"
#include "vtkPVVersion.h"
#include "vtkSocketCommunicator.h"
#include "vtkSocketController.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <iostream>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace {

constexpr int GREETING_SECONDS = 5; /* what a client has for the handshake */

/* ParaView's handshake: tags of its two messages, and what it answers. */
constexpr int GREETING_TAG = 99991;
constexpr int ANSWER_TAG = 99990;
constexpr int GREETING_MAX = 1024;
enum { ANSWER_GOOD = 0, ANSWER_VERSION = 2, ANSWER_CONNECT_ID = 3 };

/* A VTK socket around a descriptor that was accepted or connected elsewhere. */
class AdoptedSocket : public vtkClientSocket {
public:
  static AdoptedSocket *New();
  vtkTypeMacro(AdoptedSocket, vtkClientSocket);
  void Adopt(int descriptor, bool connecting) {
    this->SocketDescriptor = descriptor;
    this->SetConnectingSide(connecting);
  }
};
vtkStandardNewMacro(AdoptedSocket);

/* Ends a connection's traffic if it is not told in time that all is well. VTK's sockets know no
 * time limit, not even the system's own. */
class Deadline {
public:
  Deadline(int descriptor, int seconds) {
    this->Waiting = std::thread([this, descriptor, seconds] {
      std::unique_lock<std::mutex> hold(this->Lock);
      if (!this->Told.wait_for(hold, std::chrono::seconds(seconds),
                               [this] { return this->Well; })) {
        shutdown(descriptor, SHUT_RDWR);
      }
    });
  }
  ~Deadline() {
    {
      std::lock_guard<std::mutex> hold(this->Lock);
      this->Well = true;
    }
    this->Told.notify_one();
    this->Waiting.join();
  }
  Deadline(const Deadline &) = delete;
  Deadline &operator=(const Deadline &) = delete;

private:
  std::mutex Lock;
  std::condition_variable Told;
  bool Well = false;
  std::thread Waiting;
};

/* A client whose machine went to sleep or off is noticed within a minute or two. */
void SetForSession(int descriptor) {
  const timeval none = {0, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
  const int on = 1, idle = 30, interval = 15, count = 4;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

addrinfo *Lookup(const std::string &host, int port, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo *found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return nullptr;
  }
  return found;
}

int PortOf(int descriptor) {
  sockaddr_storage address;
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr *>(&address), &size) != 0) {
    return 0;
  }
  return address.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6 *>(&address)->sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in *>(&address)->sin_port);
}

/* Connects within the time limit; -1 if nobody listens there. */
int ConnectTo(const std::string &host, int port) {
  addrinfo *addresses = Lookup(host, port, false);
  int descriptor = -1;
  for (const addrinfo *at = addresses; at != nullptr && descriptor < 0; at = at->ai_next) {
    descriptor = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (descriptor >= 0) {
      const timeval limit = {GREETING_SECONDS, 0}; /* connect's, too; VTK's socket ignores it */
      setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      if (connect(descriptor, at->ai_addr, at->ai_addrlen) != 0) {
        close(descriptor);
        descriptor = -1;
      }
    }
  }
  if (addresses != nullptr) {
    freeaddrinfo(addresses);
  }
  return descriptor;
}

} // namespace

Door::~Door() {
  if (this->Listening >= 0) {
    close(this->Listening);
  }
}

bool Door::Open(std::string &why) {
  this->Port = this->Options.ServerPort;
  if (this->Options.Reverse) {
    return true;
  }
  addrinfo *addresses = Lookup(this->Options.BindAddress, this->Options.ServerPort, true);
  if (addresses == nullptr) {
    why = "\"" + this->Options.BindAddress +
          "\" is not an address of this machine; see --bind-address";
    return false;
  }
  int failure = 0;
  for (const addrinfo *at = addresses; at != nullptr && this->Listening < 0; at = at->ai_next) {
    const int on = 1;
    const int descriptor = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (descriptor >= 0) {
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (descriptor >= 0 && bind(descriptor, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(descriptor, 8) == 0) {
      this->Listening = descriptor;
    } else {
      failure = errno;
      if (descriptor >= 0) {
        close(descriptor);
      }
    }
  }
  freeaddrinfo(addresses);
  if (this->Listening < 0) {
    why = "can't listen at " + this->Options.BindAddress + " port " +
          std::to_string(this->Options.ServerPort) + ": " + std::strerror(failure) +
          "; choose another with --server-port, or 0 for any";
    return false;
  }
  this->Port = PortOf(this->Listening);
  return true;
}

std::string Door::GetGreeting() const {
  std::string greeting = std::string("paraview-") + PARAVIEW_VERSION;
  if (this->Options.ConnectId != 0) {
    greeting += ".connect_id." + std::to_string(this->Options.ConnectId);
  }
  return greeting + ".renderingbackend.opengl2";
}

/* ParaView's own handshake: who connects says its version, connect id and rendering; who listens
 * answers whether they are the same. */
bool Door::Greet(vtkSocketController *controller, bool calling) const {
  const std::string mine = this->GetGreeting();
  if (calling) {
    const int size = static_cast<int>(mine.size()) + 1;
    int answer = -1;
    return controller->Send(&size, 1, 1, GREETING_TAG) &&
           controller->Send(mine.c_str(), size, 1, GREETING_TAG) &&
           controller->Receive(&answer, 1, 1, ANSWER_TAG) && answer == ANSWER_GOOD;
  }
  int size = 0;
  if (!controller->Receive(&size, 1, 1, GREETING_TAG) || size < 1 || size > GREETING_MAX) {
    return false;
  }
  std::string theirs(static_cast<size_t>(size), '\0');
  if (!controller->Receive(&theirs[0], size, 1, GREETING_TAG)) {
    return false;
  }
  theirs.resize(std::strlen(theirs.c_str()));
  const std::string version = std::string("paraview-") + PARAVIEW_VERSION + ".";
  const int answer = theirs == mine                  ? ANSWER_GOOD
                     : theirs.rfind(version, 0) != 0 ? ANSWER_VERSION
                                                     : ANSWER_CONNECT_ID;
  controller->Send(&answer, 1, 1, ANSWER_TAG);
  if (answer == ANSWER_VERSION) {
    std::cerr << "beamcast-server: a client was refused that is not ParaView " PARAVIEW_VERSION "."
              << std::endl;
  } else if (answer == ANSWER_CONNECT_ID) {
    std::cerr << "beamcast-server: a client was refused that has not the connect id." << std::endl;
  }
  return answer == ANSWER_GOOD;
}

vtkSmartPointer<vtkSocketController> Door::Admit() {
  if (this->Options.Reverse) {
    return this->CallOn(this->Options.ClientHost, this->Options.ServerPort);
  }
  return this->Welcome(accept4(this->Listening, nullptr, nullptr, SOCK_CLOEXEC), false);
}

vtkSmartPointer<vtkSocketController> Door::CallOn(const std::string &host, int port) const {
  return this->Welcome(ConnectTo(host, port), true);
}

vtkSmartPointer<vtkSocketController> Door::Welcome(int descriptor, bool calling) const {
  if (descriptor < 0) {
    return nullptr;
  }
  vtkNew<AdoptedSocket> socket;
  socket->Adopt(descriptor, calling);
  vtkNew<vtkSocketController> controller;
  vtkSocketCommunicator *communicator =
      vtkSocketCommunicator::SafeDownCast(controller->GetCommunicator());
  communicator->SetSocket(socket);
  communicator->SetReportErrors(0); /* a stranger is no error of ours */
  vtkObject::GlobalWarningDisplayOff();
  bool known = false;
  {
    const Deadline deadline(descriptor, GREETING_SECONDS);
    known = communicator->Handshake() && this->Greet(controller, calling);
  }
  vtkObject::GlobalWarningDisplayOn();
  communicator->SetReportErrors(1);
  if (!known) {
    return nullptr;
  }
  SetForSession(descriptor);
  return controller;
}

void Door::Refuse() {
  const int descriptor = accept4(this->Listening, nullptr, nullptr, SOCK_CLOEXEC);
  if (descriptor >= 0) {
    close(descriptor);
    std::cerr << "beamcast-server: a second client was refused; one at a time." << std::endl;
  }
}
