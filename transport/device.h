/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arrays in the memory of a CUDA device. The driver library is used where the program has loaded it
 * already (it has, where such arrays exist), never loaded by us, and not needed to build.
 */
#ifndef BEAMCAST_DEVICE_H
#define BEAMCAST_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "beamcast_types.h"

enum { BC_DEVICE_LANES = 2 };

/* The way to one device: copies on two lanes run beside each other and beside the caller. */
typedef struct bc_device bc_device;

/* Whether data lies in a device's memory, which the processor can't read. Managed and pinned memory
 * is host memory here. */
bool bc_device_has(const void *data);
/* A descriptor under which an RDMA device finds the memory, at *offset behind its beginning; the
 * caller's to close. -1 where this driver or this memory has none. */
int bc_device_share(const void *data, uint64_t bytes, uint64_t *offset);
/* For the device that data lies on. before: one that was opened earlier, which is used again or
 * closed; or NULL. NULL and a sentence on failure. */
bc_device *bc_device_open(bc_device *before, const void *data, beamcast_error *error);
/* Host memory that the device copies into at full speed, bytes of it for each lane. */
unsigned char *bc_device_buffer(bc_device *device, int lane, size_t bytes, beamcast_error *error);
/* Starts to copy; what earlier work of the program does to the array must be done. */
int bc_device_copy(bc_device *device, int lane, void *to, const void *from, size_t bytes,
                   beamcast_error *error);
/* Returns when the lane's copies are done. */
int bc_device_wait(bc_device *device, int lane, beamcast_error *error);
/* Waits for all copies, frees the buffers. NULL is allowed. */
void bc_device_close(bc_device *device);

#endif
