/* SPDX-License-Identifier: BSD-3-Clause
 * The same from C++. */
#include <beamcast.h>

#include <iostream>

int main() {
  beamcast_error error = {};
  beamcast_connect_options options = {};
  options.time_limit = 0.2;
  beamcast_stream *stream = beamcast_connect("no-such-contact.json", &options, &error);
  std::cout << "beamcast " << beamcast_version() << ": " << error.message << "\n";
  return stream == nullptr && error.code != BEAMCAST_OK && error.message[0] != '\0' ? 0 : 1;
}
