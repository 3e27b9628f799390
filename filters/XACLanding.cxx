// SPDX-License-Identifier: BSD-3-Clause
#include "XACLanding.h"

#include "xac.h"

const beamcast_landing_calls *XACLanding() {
  return xac_landing();
}
