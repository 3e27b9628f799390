/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the ranks of a server tell each other about its life, by ParaView's remote calls: that a
 * session begins and ends, that the server ends. A rank with nothing to do sleeps. It does not wait
 * in MPI, which would take all of a core: it asks MPI whether a call has come, often at first and
 * then every few milliseconds. Nothing has to wake it, so that nothing can be lost.
 */
#ifndef Ranks_h
#define Ranks_h

class vtkMPIController;

enum class ServerCall { None, BeginSession, EndSession, EndServer };

class Ranks {
public:
  /* Collective; before any remote call. The controller must outlive this. */
  explicit Ranks(vtkMPIController *controller);
  Ranks(const Ranks &) = delete;
  Ranks &operator=(const Ranks &) = delete;

  int GetRank() const;
  int GetCount() const;

  /* Rank 0: tells all others. */
  void Tell(ServerCall call);

  /* The others: handles the next remote call, whoever it is for, and returns what rank 0 has told
   * with it; None after one of ParaView's own. A signal to end is passed on to rank 0, which ends
   * all. */
  ServerCall Next();

  /* Rank 0: whether one of the others has had a signal to end. */
  bool IsAskedToEnd();

private:
  bool IsCallWaiting();
  static void OnCall(void *self, void *argument, int size, int rank);

  vtkMPIController *Controller;
  ServerCall Told = ServerCall::None;
  bool HasAsked = false; /* the others: rank 0 knows of the signal */
};

#endif
