/* SPDX-License-Identifier: BSD-3-Clause
 * A C program outside Beamcast: a server that is not there must give an error and a sentence. */
#include <beamcast.h>

int main(void) {
  beamcast_error error = {0};
  beamcast_connect_options options = {.time_limit = 0.2};
  beamcast_stream *stream = beamcast_connect("no-such-contact.json", &options, &error);
  printf("beamcast %s: %s\n", beamcast_version(), error.message);
  return stream == NULL && error.code != BEAMCAST_OK && error.message[0] != '\0' ? 0 : 1;
}
