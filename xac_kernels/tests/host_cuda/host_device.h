/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The device that is played by the host, for tests: how much memory it has (1 GiB at first), how
 * much of it is taken, and how many bytes of bricks have been copied there.
 */
#ifndef HOST_DEVICE_H
#define HOST_DEVICE_H

#include <stddef.h>
#include <stdint.h>

void host_device_resize(size_t bytes);
size_t host_device_used(void);
uint64_t host_device_copied(void);

#endif
