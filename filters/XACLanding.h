// SPDX-License-Identifier: BSD-3-Clause
//
// Where to say what lands of a step that XAC Volume will draw. The renderer is in this library
// alone, so that others ask here.
#ifndef XACLanding_h
#define XACLanding_h

#include "vtkBeamcastFiltersModule.h" // for export macro

#include "beamcast_landing.h"

// nullptr: this build draws on no device, and nobody wants to know.
VTKBEAMCASTFILTERS_EXPORT const beamcast_landing_calls *XACLanding();

#endif
