/* SPDX-License-Identifier: BSD-3-Clause */
#include "Requests.h"

#include "BeamcastReceiver.h"

#include "calls.h"
#include "contact.h"

#include <jansson.h>

namespace {

bc_receiver *Handle() {
  return BeamcastReceiver::Get()->GetHandle();
}

void Reply(uint64_t id, int code, const std::string &sentence) {
  bc_receiver_reply(Handle(), id, code, sentence.c_str(), nullptr, nullptr, 0, nullptr);
}

/* beamcast_retrieve takes another way where it hears this code. */
void RefuseOthers(uint64_t id) {
  Reply(
      id, BEAMCAST_ERR_UNSUPPORTED,
      "this server is for ParaView clients: pictures and opening files need the headless viewer, a "
      "session started without --paraview");
}

} // namespace

bool Requests::Open(std::string &why) {
  beamcast_error error{};
  this->Descriptor = bc_receiver_serve_calls(Handle(), &error);
  why = error.message;
  return this->Descriptor >= 0;
}

bool Requests::Next(bool isServing, ClientRequest &request) {
  bc_call_info call{};
  while (bc_receiver_next_call(Handle(), &call)) {
    json_t *json = json_loads(call.json, 0, nullptr);
    const char *verb = json_string_value(json_object_get(json, "verb"));
    const char *host = json_string_value(json_object_get(json, "host"));
    const json_int_t port = json_integer_value(json_object_get(json, "port"));
    const bool connects = verb != nullptr && std::string(verb) == "connect";
    request = {call.id, host != nullptr ? host : "", static_cast<int>(port)};
    json_decref(json);
    if (!connects) {
      RefuseOthers(call.id);
    } else if (call.rights != BC_RIGHTS_FULL) {
      Reply(call.id, BEAMCAST_ERR_REFUSED, "this contact is for viewing only");
    } else if (request.Host.empty() || port < 1 || port > 65535) {
      Reply(call.id, BEAMCAST_ERR_ARGUMENT, "a client listens at a host and a port");
    } else if (isServing) {
      Reply(call.id, BEAMCAST_ERR_REFUSED, "another ParaView client is connected; one at a time");
    } else {
      return true;
    }
  }
  return false;
}

void Requests::Answer(const ClientRequest &request, bool isConnected) {
  if (isConnected) {
    Reply(request.Id, BEAMCAST_OK, "");
  } else {
    Reply(request.Id, BEAMCAST_ERR_CONNECTION,
          "no ParaView client of this version and connect id answers at " + request.Host +
              " port " + std::to_string(request.Port));
  }
}
