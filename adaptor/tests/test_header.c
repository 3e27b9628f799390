/* SPDX-License-Identifier: BSD-3-Clause
 * beamcast.h stands alone in C11, and its example works as it is written there. */
#include "beamcast.h"

#include "server_here.h"

int main(void) {
  server_here here = server_here_open();
  beamcast_error error = {0};
  float voxels[3][4][5] = {{{0}}};
  voxels[2][1][0] = 42;
  beamcast_brick brick = {
      .data = voxels, .type = BEAMCAST_FLOAT32, .volume = {5, 4, 3}, .shape = {5, 4, 3}};
  beamcast_stream *stream = beamcast_connect(here.contact, NULL, &error);
  int code = stream ? BEAMCAST_OK : error.code;
  code = code == BEAMCAST_OK ? beamcast_begin_step(stream, 0, 0.0, &error) : code;
  code = code == BEAMCAST_OK ? beamcast_put(stream, &brick, &error) : code;
  code = code == BEAMCAST_OK ? beamcast_end_step(stream, &error) : code;
  beamcast_close(stream);
  beamcast_volume_data got = {0};
  if (code == BEAMCAST_OK && server_here_has(&here, "volume", 1)) {
    const uint64_t start[3] = {0, 1, 2}, shape[3] = {1, 1, 1};
    code = beamcast_stream_retrieve(here.contact, NULL, NULL, start, shape, 60, &got, &error);
  }
  int good = code == BEAMCAST_OK && got.data != NULL && *(float *)got.data == 42 &&
             strcmp(beamcast_version(), "") != 0;
  beamcast_volume_free(&got);
  server_here_close(&here);
  (void)printf("%s\n", good ? "good" : error.message);
  return good ? 0 : 1;
}
