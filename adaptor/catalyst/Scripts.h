// SPDX-License-Identifier: BSD-3-Clause
//
// The Python scripts of a run, as one Catalyst pipeline: each is run after the other, and one that
// fails on any rank is left out on all from then on.
#ifndef BeamcastCatalystScripts_h
#define BeamcastCatalystScripts_h

#include "vtkInSituPipeline.h"
#include "vtkInSituPipelinePython.h"
#include "vtkSmartPointer.h"

#include <mpi.h>
#include <string>
#include <vector>

namespace beamcast {

class Scripts : public vtkInSituPipeline {
public:
  static Scripts *New();
  vtkTypeMacro(Scripts, vtkInSituPipeline);

  void SetCommunicator(MPI_Comm communicator) {
    this->Comm = communicator;
  }

  // Adds the scripts of a list, ':' between them: a path, or the name of one of ours with or
  // without
  // ".py". Returns the first that can't be read, empty when all can.
  std::string Add(const std::string &list);

  // Collective. Never false: a script's failure is told by TakeProblem.
  bool Execute(int timestep, double time) override;
  // Collective: each script's last words. Scripts may be added anew then.
  void End();

  // What failed since the last call, one sentence per script, on the lowest rank where it did.
  std::string TakeProblem();

private:
  struct Script {
    std::string Path;
    vtkSmartPointer<vtkInSituPipelinePython> Pipeline;
    bool Begun, Failed;
  };
  template <class Call> void Try(Script &script, Call call);

  MPI_Comm Comm = MPI_COMM_NULL;
  std::vector<Script> List;
  std::string Problem;
};

// Where Beamcast's own scripts are: beside this library's installation, or the build's.
std::string ScriptFolder();

// Readies the Python interpreter: scripts find the module beamcast_catalyst, and an error or exit()
// in one becomes one line with its file and line number.
bool PreparePython();

} // namespace beamcast

#endif
