// SPDX-License-Identifier: BSD-3-Clause
// beamcast.h stands alone in C++17, and links and works from there.
#include "beamcast.h"

#include "server_here.h"

#include <vector>

int main() {
  server_here here = server_here_open();
  beamcast_error error{};
  std::vector<double> voxels(5 * 4 * 3, 1.5);
  beamcast_brick brick{};
  brick.data = voxels.data();
  brick.type = BEAMCAST_FLOAT64;
  brick.volume[0] = brick.shape[0] = 5;
  brick.volume[1] = brick.shape[1] = 4;
  brick.volume[2] = brick.shape[2] = 3;
  beamcast_connect_options options{};
  options.name = "from C++";
  beamcast_stream *stream = beamcast_connect(here.contact, &options, &error);
  bool good = stream != nullptr && beamcast_begin_step(stream, 7, 0.5, &error) == BEAMCAST_OK &&
              beamcast_put(stream, &brick, &error) == BEAMCAST_OK &&
              beamcast_end_step(stream, &error) == BEAMCAST_OK;
  beamcast_close(stream);
  beamcast_volume_data got{};
  good = good && server_here_has(&here, "from C++", 1) &&
         beamcast_stream_retrieve(here.contact, "from C++", nullptr, nullptr, nullptr, 60, &got,
                                  &error) == BEAMCAST_OK;
  good = good && got.step == 7 && got.time == 0.5 &&
         memcmp(got.data, voxels.data(), voxels.size() * sizeof voxels[0]) == 0;
  beamcast_volume_free(&got);
  server_here_close(&here);
  (void)printf("%s\n", good ? "good" : error.message);
  return good ? 0 : 1;
}
