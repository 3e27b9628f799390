/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one receiver of this process, as ParaView sees it. It belongs to the process and not to a
 * ParaView session: it takes steps before a client comes and keeps the shown one when it leaves.
 * All ranks show the same step of a stream: rank 0 picks it and tells the others by ParaView's own
 * remote calls, on the main thread, where nothing else is under way.
 * Every function is for the main thread only.
 */
#ifndef BeamcastReceiver_h
#define BeamcastReceiver_h

#include "BeamcastStep.h"
#include "vtkBeamcastRdmaSourceModule.h" // for export macro

#include <map>
#include <memory>
#include <string>
#include <vector>

class vtkMultiProcessController;

/* What is told when the steps of a stream have changed on this rank. */
class BeamcastView {
public:
  virtual ~BeamcastView() = default;
  virtual void StepsChanged() = 0;
};

class VTKBEAMCASTRDMASOURCE_EXPORT BeamcastReceiver {
public:
  using Steps = std::vector<std::shared_ptr<BeamcastStep>>;

  /* How the process's receiver is to be opened. Set before it is, or never. */
  struct Options {
    std::string Contact;  /* where rank 0 writes the contact file; "": $BEAMCAST_CONTACT_FILE, else
                             the per-user run folder */
    bool Announce = true; /* rank 0 prints a line with the contact file's path */
  };
  static void SetOptions(const Options &options);
  /* Who is to be told of voxels while they land (see receiver.h); nobody is, if this is not called
   * before the receiver is opened. */
  static void SetLanding(const beamcast_landing_calls *calls);

  /* In a server process (not a client's, not a batch script's) opens the receiver, so that
   * producers find it before any client. Collective over the server's ranks. */
  static void OpenInServer();

  /* The process's receiver, opened if need be: then collective over the ranks of a server or batch
   * job. nullptr and a sentence in why where it can't be. */
  static BeamcastReceiver *Open(std::string &why);

  /* The process's receiver if it is open, else nullptr. */
  static BeamcastReceiver *Get();

  /* Ends it; steps that VTK still holds stay valid. Safe after MPI's end. */
  static void Close();

  ~BeamcastReceiver();
  BeamcastReceiver(const BeamcastReceiver &) = delete;
  BeamcastReceiver &operator=(const BeamcastReceiver &) = delete;

  int GetRank() const {
    return this->Rank;
  }
  int GetRanks() const {
    return this->Ranks;
  }
  const char *GetContact() const;
  /* For what only transport/ knows; the receiver stays this object's. */
  bc_receiver *GetHandle() const {
    return this->Handle;
  }

  /* Counts what producers have done, so that an idle server can be told from a used one. Rank 0. */
  uint64_t GetActivity() const;

  /* How a stream is received from its next step on. Only rank 0's counts. false and a sentence in
   * why if the settings are refused. */
  bool Configure(const std::string &stream, const bc_stream_settings &settings, std::string &why);
  static bool AreSame(const bc_stream_settings &one, const bc_stream_settings &other);
  bc_stream_status GetStatus(const std::string &stream) const; /* zeros except on rank 0 */

  /* A view is told of new steps until it is removed; the receiver does not own it. */
  void AddView(const std::string &stream, BeamcastView *view);
  void RemoveView(const std::string &stream, BeamcastView *view);
  bool HasViews(const std::string &stream) const;

  /* Looks for a complete step that no rank shows yet; if there is one, has it shown on all ranks
   * and returns true. Collective in a symmetric batch job; elsewhere rank 0 does it, called by
   * whoever drives the server, and the other ranks return false. Never waits for a producer. */
  bool Poll(const std::string &stream);

  /* Has what is shown drawn again on all ranks while a later step arrives, in its memory if the
   * stream has one slot. false where none arrives or nothing is shown, and in symmetric batch jobs.
   */
  bool ShowArriving(const std::string &stream);

  /* The steps that can be shown on this rank, the same numbers on every rank, oldest first; the
   * last is the newest. More than one only where steps are kept. */
  const Steps &GetSteps(const std::string &stream) const;

  /* The 0.1 and 99.9 percentiles of the first array's finite values, sampled over all ranks in the
   * run's first step and then left as they are. (0, 1) before. */
  void GetRange(const std::string &stream, double range[2]) const;

private:
  struct Stream {
    bc_stream_settings Settings{};
    bool Configured = false;
    Steps Shown;
    std::vector<BeamcastView *> Views;
    uint64_t NewestSerial = 0;
    double Range[2] = {0.0, 1.0};
    uint64_t RangeRun = 0; /* run id of the step that gave the range */
    bool HasRange = false;
  };

  BeamcastReceiver() = default;
  bool Join(std::string &why);
  struct Choice;
  Choice Pick(const std::string &stream);
  void Take(const Choice &choice);
  void Show(const Choice &choice);
  void UpdateRange(Stream &stream);
  static void OnShow(void *self, void *message, int size, int rank);

  bc_receiver *Handle = nullptr;
  vtkMultiProcessController *Controller = nullptr;
  int Rank = 0, Ranks = 1;
  bool Symmetric = false; /* every rank runs the script, none waits for remote calls */
  std::map<std::string, Stream> Streams;
};

#endif
