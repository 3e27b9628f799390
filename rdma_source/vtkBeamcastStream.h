/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @class vtkBeamcastStream
 * @brief The newest complete step of a stream that producers push into this process.
 *
 * A view on the process's receiver: creating one opens the receiver where it is not yet (collective
 * over the ranks of a batch job), deleting one ends nothing. Handles piece requests only, and
 * delivers this rank's own points, or these with ghost planes where they are asked for; voxels are
 * VTK points, and the arrays are the receiver's memory, not copies. Without data the output is
 * empty.
 *
 * Each rank's RequestData works alone. The step changes in GetNeedsUpdate() and Refresh() only, on
 * all ranks together.
 */
#ifndef vtkBeamcastStream_h
#define vtkBeamcastStream_h

#include "vtkBeamcastRdmaSourceModule.h" // for export macro
#include "vtkImageAlgorithm.h"

#include <memory> // for the view
#include <string> // for the text

struct bc_stream_settings;

class VTKBEAMCASTRDMASOURCE_EXPORT vtkBeamcastStream : public vtkImageAlgorithm {
public:
  static vtkBeamcastStream *New();
  vtkTypeMacro(vtkBeamcastStream, vtkImageAlgorithm);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  ///@{
  /** The stream's name, as producers give it. "volume" by default. */
  void SetStreamName(const char *name);
  const char *GetStreamName();
  ///@}

  ///@{
  /** How the stream is received from its next step on; of several sources on a stream the one that
   * was changed last counts: one that comes with these as they are by default leaves them to the
   * others. Policy: 0 latest (producers never wait), 1 all (they do). Slots: steps that memory is
   * kept for. Keep: complete steps kept to go back in time, at most KeepMiB mebibytes per rank (0:
   * no bound). GhostLayers: planes beyond the shared one. Split: 0 slabs, 1 blocks. */
  vtkSetClampMacro(Policy, int, 0, 1);
  vtkGetMacro(Policy, int);
  vtkSetClampMacro(Slots, int, 1, 1024);
  vtkGetMacro(Slots, int);
  vtkSetClampMacro(Keep, int, 0, 1024);
  vtkGetMacro(Keep, int);
  vtkSetClampMacro(KeepMiB, int, 0, VTK_INT_MAX);
  vtkGetMacro(KeepMiB, int);
  vtkSetClampMacro(GhostLayers, int, 0, 8);
  vtkGetMacro(GhostLayers, int);
  vtkSetClampMacro(Split, int, 0, 1);
  vtkGetMacro(Split, int);
  ///@}

  ///@{
  /** Shows a step while it arrives, over the one before: one slot, drawn again whenever ParaView
   * asks for what is new. */
  vtkSetMacro(Progressive, bool);
  vtkGetMacro(Progressive, bool);
  vtkBooleanMacro(Progressive, bool);
  ///@}

  ///@{
  /** Whether the newest step is shown whatever time is asked for. Matters only where steps are
   * kept. */
  vtkSetMacro(FollowNewest, bool);
  vtkGetMacro(FollowNewest, bool);
  vtkBooleanMacro(FollowNewest, bool);
  ///@}

  /** Makes the settings above count. ParaView calls it after it has set properties. The first call
   * shows the newest step that is there already, if nothing shows the stream yet; as collective as
   * GetNeedsUpdate. */
  void ApplySettings();

  /** Looks for a new complete step and, if there is one, has it shown on all ranks. Collective in a
   * symmetric batch job, else rank 0 does it all. ParaView's live sources call it. */
  bool GetNeedsUpdate();
  void Refresh();

  ///@{
  /** Asks something of the stream's producers, which get it with their next step: a JSON object, in
   * words of theirs, such as {"region": [0, 99, 0, 99, 10, 40]} or {"stop": true}. Empty: nothing.
   * The second asks them to stop. Sent by rank 0. */
  void SendRequest(const char *json);
  void RequestStop();
  ///@}

  ///@{
  /** The state of the stream; known to rank 0, zero or empty elsewhere. Counts stop at VTK_INT_MAX:
   * ParaView's panel shows no larger integers. */
  const char *GetContactFile();
  const char *GetWire();
  const char *GetLastDrop();
  const char *GetNotice();
  int GetProducers();
  int GetStepsReceived();
  int GetStepsDropped();
  int GetStepsAborted();
  double GetRate();   // of the last complete step, bytes per second
  double GetMemory(); // of the slots on all ranks, bytes
  int GetStepShown(); // the producer's number of the newest step shown; -1: none
  double *GetValueRange() VTK_SIZEHINT(2); // 0.1 and 99.9 percentiles, see BeamcastReceiver
  ///@}

protected:
  vtkBeamcastStream();
  ~vtkBeamcastStream() override;

  int RequestInformation(vtkInformation *request, vtkInformationVector **inputs,
                         vtkInformationVector *outputs) override;
  int RequestData(vtkInformation *request, vtkInformationVector **inputs,
                  vtkInformationVector *outputs) override;

private:
  vtkBeamcastStream(const vtkBeamcastStream &) = delete;
  void operator=(const vtkBeamcastStream &) = delete;

  class View;

  bc_stream_settings GetSettings() const;
  void Configure();

  std::string StreamName = "volume";
  int Policy = 0;
  int Slots = 3;
  int Keep = 0;
  int KeepMiB = 0;
  int GhostLayers = 1;
  int Split = 0;
  bool FollowNewest = false;
  bool Progressive = false;
  bool Failed = false; // the receiver could not be opened; said once
  std::string Notice;
  std::string Text; // of the last text that was asked for
  double ValueRange[2] = {0.0, 1.0};
  std::unique_ptr<View> Stream;
};

#endif
