/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where ParaView clients come in: rank 0's listening socket, or the connection back to a client
 * that listens. ParaView's own network manager would do for one client; it closes its socket then,
 * gives a silent stranger all the time it wants, knows no address to bind to before 5.13, and waits
 * without looking at anything else.
 */
#ifndef Door_h
#define Door_h

#include "Options.h"

#include "vtkSmartPointer.h"

class vtkSocketController;

class Door {
public:
  explicit Door(const ServerOptions &options) : Options(options) {}
  ~Door();
  Door(const Door &) = delete;
  Door &operator=(const Door &) = delete;

  /* Opens the listening socket. false and a sentence in why on failure. Nothing to do in reverse.
   */
  bool Open(std::string &why);

  /* The port that clients connect to; in reverse, the client's. */
  int GetPort() const {
    return this->Port;
  }

  /* Descriptor that is readable when a client knocks; -1 in reverse. */
  int GetDescriptor() const {
    return this->Listening;
  }

  /* Takes the client that knocks, or in reverse tries to reach it; nullptr if there is none or it
   * is not one of ours. Takes a few seconds at most. */
  vtkSmartPointer<vtkSocketController> Admit();

  /* Connects to a client that listens at this address; nullptr as above. */
  vtkSmartPointer<vtkSocketController> CallOn(const std::string &host, int port) const;

  /* Turns away who knocks while a client is being served. */
  void Refuse();

private:
  std::string GetGreeting() const;
  bool Greet(vtkSocketController *controller, bool calling) const;
  vtkSmartPointer<vtkSocketController> Welcome(int descriptor, bool calling) const;

  const ServerOptions &Options;
  int Listening = -1;
  int Port = 0;
};

#endif
