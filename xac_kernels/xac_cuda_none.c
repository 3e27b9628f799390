/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In the place of the cuda back end where the library is built without CUDA.
 */
#include "xac_cuda.h"

const xac_device_calls *const xac_cuda = NULL;
