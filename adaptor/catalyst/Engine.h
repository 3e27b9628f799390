// SPDX-License-Identifier: BSD-3-Clause
//
// ParaView's in-situ engine: one per process, started by the first stream that wants it, ended when
// MPI ends, or before that the producer's own Python. What ParaView and scripts print is caught
// here; nothing reaches the producer's output.
#ifndef BeamcastCatalystEngine_h
#define BeamcastCatalystEngine_h

#include "beamcast.h"

#include "vtkSmartPointer.h"

#include <mpi.h>
#include <string>
#include <vector>

class vtkDataObject;

namespace beamcast {

class Scripts;

class Engine {
public:
  // Collective. The first call starts ParaView in a duplicate of the communicator; later calls must
  // come with one of the same ranks. Scripts that are not there yet are added. NULL and an error on
  // all ranks when it fails on one.
  static Engine *Get(MPI_Comm communicator, const char *scripts, beamcast_error *error);

  // False once MPI, or the producer's Python, has come to its end: no engine is left.
  static bool Runs();

  MPI_Comm Communicator() const {
    return this->Comm;
  }

  // Makes a channel; false: there is one of this name that is in use.
  bool AddChannel(const std::string &name);
  // Collective: the last one to go ends the scripts. A channel of the same name may come again.
  void RemoveChannel(const std::string &name);

  // Collective: hands a step's data to a channel, runs all scripts, and takes the data back.
  // Returns BEAMCAST_OK, or on one rank BEAMCAST_ERR_SCRIPT with the sentence of scripts that
  // failed now.
  int Run(const std::string &channel, vtkDataObject *data, const int wholeExtent[6], uint64_t step,
          double time, beamcast_error *error);

private:
  Engine() = default;
  int Start(MPI_Comm communicator, beamcast_error *error);
  static void Stop();
  static int AtEndOfMpi(MPI_Comm, int, void *, void *);

  MPI_Comm Comm = MPI_COMM_NULL;
  vtkSmartPointer<Scripts> Pipelines;
  std::vector<std::string> Channels;
};

} // namespace beamcast

#endif
