/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which graphics device a rank computes on and draws on. CUDA and EGL number devices each in its
 * own order, and batch systems hide some from the one and not from the other: the number that is
 * the same to both is the device's UUID.
 */
#ifndef BEAMCAST_KEEPER_DEVICES_H
#define BEAMCAST_KEEPER_DEVICES_H

/* Puts into the environment, for the program that is executed next: CUDA_VISIBLE_DEVICES, one
 * device for this rank, where CUDA sees several; VTK_DEFAULT_EGL_DEVICE_INDEX, that same device as
 * EGL numbers it, unless the user has set it. No effect where either is missing. Initialises both
 * in this process. */
void bs_choose_devices(void);

#endif
