// SPDX-License-Identifier: BSD-3-Clause
//
// What VTK, ParaView and Python would print: kept for error sentences and for a log, if
// BEAMCAST_CATALYST_LOG names a file ("-": standard error).
#ifndef BeamcastCatalystOutput_h
#define BeamcastCatalystOutput_h

#include <string>

namespace beamcast {

// From now on nothing of theirs reaches standard output or standard error. May be called again.
void CatchOutput(int rank);

// What was said since the last call.
std::string TakeOutput();

} // namespace beamcast

#endif
