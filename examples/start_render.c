/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Four calls: start a parallel viewer, put a volume into it, take a picture of it, get it back.
 *   cc start_render.c -lbeamcast_session -lbeamcast
 *   cranium ct.raw; ./a.out ct.raw head.png */
#include <beamcast_session.h>
#include <stdlib.h>

enum { NX = 256, NY = 256, NZ = 108 }; /* the CT that examples/cranium writes: int16, x fastest */

static int failed(const char *what) {
  fprintf(stderr, "start_render: %s\n", what);
  return EXIT_FAILURE;
}
static int read_volume(const char *path, int16_t *voxels) {
  FILE *file = fopen(path, "rb");
  return file != NULL && fread(voxels, sizeof *voxels, (size_t)NX * NY * NZ, file) > 0 &&
         fclose(file) == 0;
}

int main(int argc, char **argv) {
  static int16_t voxels[NX * NY * NZ];
  if (argc != 3 || !read_volume(argv[1], voxels)) {
    return failed("start_render CT.raw PICTURE.png, the CT as examples/cranium writes it");
  }
  beamcast_error error = {0};
  beamcast_session *session = beamcast_start(&(beamcast_start_options){.ranks = 2}, &error);
  if (session == NULL) {
    return failed(error.message);
  }

  beamcast_volume volume = {.data = voxels,
                            .type = BEAMCAST_INT16,
                            .shape = {NX, NY, NZ},
                            .spacing = {0.957, 0.957, 1.5},
                            .length_unit = "mm"};
  beamcast_picture_options look = {.width = 800, .height = 600, .camera = {30, 15, 1}, .png = 1};
  beamcast_picture picture = {0};
  beamcast_volume_data back = {0};
  FILE *out = fopen(argv[2], "wb");
  int status = EXIT_SUCCESS;
  if (beamcast_render_volume(session, &volume, &error) != BEAMCAST_OK ||
      beamcast_screenshot(session, &look, &picture, &error) != BEAMCAST_OK ||
      beamcast_retrieve(session, NULL, NULL, NULL, &back, &error) != BEAMCAST_OK) {
    status = failed(error.message);
  } else if (out == NULL || fwrite(picture.data, 1, picture.size, out) != picture.size) {
    status = failed("the picture can't be written");
  } else {
    printf("What came back is %s\n",
           memcmp(back.data, voxels, sizeof voxels) ? "not equal" : "equal");
  }
  beamcast_picture_free(&picture);
  beamcast_volume_free(&back);
  if ((out != NULL && fclose(out) != 0) || beamcast_stop(session, &error) != BEAMCAST_OK) {
    status = failed(error.message);
  }
  beamcast_session_close(session);
  return status;
}
