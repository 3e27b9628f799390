/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Python on rank 0 of the viewer, and the module _beamcast_viewer in it: what the receiver and the
 * ranks offer to the package beamcast_viewer, which documents it (receiver.pyi).
 */
#ifndef Module_h
#define Module_h

#include <string>

class Ranks;

/* Runs beamcast_viewer.main with these arguments; returns the exit status. Rank 0, once. bin: the
 * folder of this program. The interpreter is $BEAMCAST_PYTHON, such as that of a virtual
 * environment with more packages, else the system's. */
int RunPython(int argc, char **argv, Ranks &ranks, const std::string &bin);

#endif
