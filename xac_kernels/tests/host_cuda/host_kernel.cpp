/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's kernel in the unit that NVRTC compiles, here compiled for the host: XAC_USER_KERNEL is
 * its file, HOST_KERNEL its name; parameters.h is the build's.
 */
#include <cuda_runtime.h>

#define xac_draw_user HOST_KERNEL
#include "xac_user_unit.cu"
