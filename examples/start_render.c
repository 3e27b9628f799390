/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two calls show a volume: one starts a parallel ParaView server, one puts the volume into it. Then
 * the volume is fetched back, compared, and the server is stopped.
 *   cc start_render.c -lbeamcast_session -lbeamcast -lm */
#include <beamcast_session.h>
#include <math.h>
#include <stdlib.h>

enum { NX = 128, NY = 128, NZ = 128 };

static int failed(const beamcast_error *error) {
  fprintf(stderr, "start_render: %s\n", error->message);
  return EXIT_FAILURE;
}

int main(void) {
  static float values[NZ][NY][NX]; /* x fastest */
  for (int z = 0; z < NZ; z++) {
    for (int y = 0; y < NY; y++) {
      for (int x = 0; x < NX; x++) {
        values[z][y][x] = sinf(0.1f * (float)x) * cosf(0.07f * (float)y) + 0.01f * (float)z;
      }
    }
  }

  beamcast_error error = {0};
  beamcast_start_options options = {.paraview = 1, .ranks = 2};
  beamcast_session *session = beamcast_start(&options, &error);
  if (session == NULL) {
    return failed(&error);
  }
  beamcast_session_info info;
  if (beamcast_status(session, &info, &error) == BEAMCAST_OK) {
    printf("ParaView clients connect to %s\n", info.paraview);
  }

  beamcast_volume volume = {
      .data = values, .type = BEAMCAST_FLOAT32, .shape = {NX, NY, NZ}, .length_unit = "mm"};
  beamcast_volume_data back;
  int status = EXIT_SUCCESS;
  if (beamcast_render_volume(session, &volume, &error) != BEAMCAST_OK ||
      beamcast_retrieve(session, NULL, NULL, NULL, &back, &error) != BEAMCAST_OK) {
    status = failed(&error);
  } else {
    int equal = 1;
    for (size_t i = 0; i < (size_t)NX * NY * NZ; i++) {
      equal = equal && ((const float *)back.data)[i] == ((const float *)values)[i];
    }
    printf("What came back is %s\n", equal ? "equal" : "not equal");
    beamcast_volume_free(&back);
  }

  if (beamcast_stop(session, &error) != BEAMCAST_OK) {
    status = failed(&error);
  }
  beamcast_session_close(session);
  return status;
}
