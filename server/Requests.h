/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a holder of the contact asks of the server itself, by calls over the wire
 * (transport/calls.h):
 * {"verb": "connect", "host": ..., "port": ...}, to connect to a ParaView client that listens
 * there.
 */
#ifndef Requests_h
#define Requests_h

#include <cstdint>
#include <string>

struct ClientRequest {
  uint64_t Id = 0;
  std::string Host;
  int Port = 0;
};

class Requests {
public:
  /* Rank 0. false and a sentence in why on failure. */
  bool Open(std::string &why);

  /* Readable while one waits. */
  int GetDescriptor() const {
    return this->Descriptor;
  }

  /* The next one that makes sense; false if there is none. Others are refused on the way; while a
   * client is being served all are. */
  bool Next(bool isServing, ClientRequest &request);

  /* Tells who asked what has become of it. */
  static void Answer(const ClientRequest &request, bool isConnected);

private:
  int Descriptor = -1;
};

#endif
