/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In the place of the cuda back end where the library is built without CUDA.
 */
#include "xac_cuda.h"

xac_device *xac_device_open(char *description, size_t size, beamcast_error *error) {
  (void)description;
  (void)size;
  beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                "this build has no cuda back end; build where nvcc is found, or use cpu");
  return NULL;
}

void xac_device_close(xac_device *device) {
  (void)device;
}

int xac_device_architecture(const xac_device *device) {
  (void)device;
  return 0;
}

int xac_device_load(xac_device *device, const void *image, void **module, beamcast_error *error) {
  (void)device;
  (void)image;
  *module = NULL;
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "this build has no cuda back end");
}

void xac_device_unload(void *module) {
  (void)module;
}

void xac_device_upload(xac_device *device, const xac_volume *volume, uint64_t version) {
  (void)device;
  (void)volume;
  (void)version;
}

int xac_device_draw(xac_device *device, xac_renderer *r, const xac_frame *frame,
                    const xac_image *image, xac_stats *stats, int *stopped, beamcast_error *error) {
  (void)device;
  (void)r;
  (void)frame;
  (void)image;
  (void)stats;
  (void)stopped;
  return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "this build has no cuda back end");
}
