// SPDX-License-Identifier: BSD-3-Clause
#include "Engine.h"

#include "Output.h"
#include "OwnPython.h"
#include "Scripts.h"

#include "vtkImageData.h"
#include "vtkInSituInitializationHelper.h"
#include "vtkNew.h"
#include "vtkPVTrivialProducer.h"
#include "vtkRenderingOpenGLConfigure.h"
#include "vtkSMProxyManager.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSMSourceProxy.h"
#include "vtkVersionMacros.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <signal.h>

namespace beamcast {

namespace {

Engine *TheEngine = nullptr;
bool Ended = false;

// Whether all ranks say so.
bool All(MPI_Comm communicator, bool mine) {
  int one = mine, all = mine;
  MPI_Allreduce(&one, &all, 1, MPI_INT, MPI_MIN, communicator);
  return all != 0;
}

// VTK ends the process where it draws through X and there is no X server, so that is looked for
// beforehand.
bool CanDraw() {
#if defined(VTK_USE_X) && !defined(VTK_OPENGL_HAS_EGL) && !defined(VTK_OPENGL_HAS_OSMESA) &&       \
    VTK_VERSION_NUMBER < VTK_VERSION_CHECK(9, 4, 0)
  const char *wanted = std::getenv("BEAMCAST_CATALYST_DRAW");
  if (wanted != nullptr && std::strcmp(wanted, "0") == 0) {
    return true;
  }
  void *library = dlopen("libX11.so.6", RTLD_NOW);
  using Open = void *(*)(const char *);
  using Close = int (*)(void *);
  const auto open = library ? reinterpret_cast<Open>(dlsym(library, "XOpenDisplay")) : nullptr;
  const auto close = library ? reinterpret_cast<Close>(dlsym(library, "XCloseDisplay")) : nullptr;
  void *display = open ? open(nullptr) : nullptr;
  if (display != nullptr && close != nullptr) {
    close(display);
  }
  return display != nullptr;
#else
  return true;
#endif
}

} // namespace

Engine *Engine::Get(MPI_Comm communicator, const char *scripts, beamcast_error *error) {
  if (Ended) {
    beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "ParaView has ended in this process");
    return nullptr;
  }
  if (TheEngine == nullptr) {
    auto *engine = new Engine;
    if (engine->Start(communicator, error) != BEAMCAST_OK) {
      delete engine;
      return nullptr;
    }
    TheEngine = engine;
  } else {
    int same = MPI_UNEQUAL;
    MPI_Comm_compare(communicator, TheEngine->Comm, &same);
    if (same != MPI_IDENT && same != MPI_CONGRUENT) {
      beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                    "ParaView runs in this process already, in a communicator of other ranks");
      return nullptr;
    }
  }
  const std::string missing = TheEngine->Pipelines->Add(scripts ? scripts : "");
  if (!All(TheEngine->Comm, missing.empty())) {
    beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                  "the Catalyst script %.300s is neither a file nor one of Beamcast's (in %.100s)",
                  missing.empty() ? "of another rank" : missing.c_str(), ScriptFolder().c_str());
    if (TheEngine->Channels.empty()) {
      TheEngine->Pipelines->End();
    }
    return nullptr;
  }
  return TheEngine;
}

int Engine::Start(MPI_Comm communicator, beamcast_error *error) {
  if (!All(communicator, CanDraw())) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "ParaView draws through an X server, and none answers at DISPLAY=%.60s: "
                         "start one (Xvfb :7 -noreset, then DISPLAY=:7), or set "
                         "BEAMCAST_CATALYST_DRAW=0 for scripts that draw nothing",
                         std::getenv("DISPLAY") ? std::getenv("DISPLAY") : "");
  }
  MPI_Comm_dup(communicator, &this->Comm);
  int rank = 0;
  MPI_Comm_rank(this->Comm, &rank);
  CatchOutput(rank);
  KeepPythonOutput();
  struct sigaction interrupt;
  sigaction(SIGINT, nullptr, &interrupt); // VTK puts the default in its place
  vtkInSituInitializationHelper::Initialize(static_cast<vtkTypeUInt64>(MPI_Comm_c2f(this->Comm)));
  CatchOutput(rank); // ParaView has put its own window in the place of ours
  const bool fine = PreparePython() && (!OwnPython() || AtEndOfPython(&Engine::Stop));
  sigaction(SIGINT, &interrupt, nullptr);
  if (!All(this->Comm, fine)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "ParaView's Python does not start: %.300s", TakeOutput().c_str());
  }
  this->Pipelines = vtkSmartPointer<Scripts>::New();
  this->Pipelines->SetCommunicator(this->Comm);
  vtkInSituInitializationHelper::AddPipeline(this->Pipelines);
  // MPI tells of its end by deleting what hangs on MPI_COMM_SELF, before anything else of it ends.
  int key = MPI_KEYVAL_INVALID;
  MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, &Engine::AtEndOfMpi, &key, nullptr);
  MPI_Comm_set_attr(MPI_COMM_SELF, key, nullptr);
  return BEAMCAST_OK;
}

int Engine::AtEndOfMpi(MPI_Comm, int, void *, void *) {
  Engine::Stop();
  return MPI_SUCCESS;
}

void Engine::Stop() {
  const PythonLock lock;
  Ended = true;
  if (TheEngine != nullptr) {
    TheEngine->Pipelines->End();
    vtkInSituInitializationHelper::Finalize();
    delete TheEngine;
    TheEngine = nullptr;
  }
}

bool Engine::Runs() {
  return TheEngine != nullptr;
}

bool Engine::AddChannel(const std::string &name) {
  if (std::find(this->Channels.begin(), this->Channels.end(), name) != this->Channels.end()) {
    return false;
  }
  this->Channels.push_back(name);
  if (vtkInSituInitializationHelper::GetProducer(name) == nullptr) {
    vtkSMSessionProxyManager *proxies =
        vtkSMProxyManager::GetProxyManager()->GetActiveSessionProxyManager();
    vtkSmartPointer<vtkSMSourceProxy> producer;
    producer.TakeReference(
        vtkSMSourceProxy::SafeDownCast(proxies->NewProxy("sources", "PVTrivialProducer")));
    vtkInSituInitializationHelper::SetProducer(name, producer);
  }
  return true;
}

void Engine::RemoveChannel(const std::string &name) {
  this->Channels.erase(std::remove(this->Channels.begin(), this->Channels.end(), name),
                       this->Channels.end());
  if (this->Channels.empty()) {
    this->Pipelines->End();
  }
}

int Engine::Run(const std::string &channel, vtkDataObject *data, const int wholeExtent[6],
                uint64_t step, double time, beamcast_error *error) {
  vtkSMSourceProxy *proxy = vtkInSituInitializationHelper::GetProducer(channel);
  auto *producer = vtkPVTrivialProducer::SafeDownCast(proxy->GetClientSideObject());
  int extent[6];
  std::copy(wholeExtent, wholeExtent + 6, extent);
  producer->SetWholeExtent(extent);
  producer->SetOutput(data, time);
  vtkInSituInitializationHelper::MarkProducerModified(proxy);
  const int number = static_cast<int>(std::min<uint64_t>(step, INT_MAX));
  vtkInSituInitializationHelper::ExecutePipelines(number, time);
  // The arrays are the producer's again: whoever looks later sees nothing.
  vtkNew<vtkImageData> nothing;
  producer->SetOutput(nothing);
  vtkInSituInitializationHelper::MarkProducerModified(proxy);
  const std::string problem = this->Pipelines->TakeProblem();
  if (!problem.empty()) {
    return beamcast_fail(error, BEAMCAST_ERR_SCRIPT, "%.400s; it is not run again",
                         problem.c_str());
  }
  return BEAMCAST_OK;
}

} // namespace beamcast
