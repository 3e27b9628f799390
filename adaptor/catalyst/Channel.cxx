// SPDX-License-Identifier: BSD-3-Clause
//
// One stream of a producer as a channel of Catalyst: collects a step's bricks, makes them an image
// with the planes that neighbouring ranks have, and runs the scripts on it. The table of functions
// that libbeamcast calls is at the end.
#include "catalyst_backend.h"

#include "Brick.h"
#include "BrickArray.h"
#include "Engine.h"
#include "OwnPython.h"
#include "StepData.h"

#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkNew.h"
#include "vtkPointData.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <map>

using namespace beamcast;

struct bc_catalyst {
  Engine *ParaView = nullptr;
  std::string Name;
  bool Open = false; // between begin and end
  uint64_t Step = 0;
  double Time = 0;
  Grid Whole;
  std::vector<Brick> Bricks;
  std::vector<Planes> Around; // of the last step, per array: VTK may still point to them
};

namespace {

int Begin(bc_catalyst *c, uint64_t step, double time, beamcast_error *error) {
  if (c->Open) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the step before was not ended");
  }
  c->Open = true;
  c->Step = step;
  c->Time = time;
  c->Whole = Grid();
  c->Bricks.clear();
  return BEAMCAST_OK;
}

Grid GridOf(const beamcast_brick *b) {
  Grid grid;
  for (int a = 0; a < 3; a++) {
    grid.Points[a] = static_cast<int64_t>(b->volume[a]);
    grid.Spacing[a] = b->spacing[a];
    grid.Origin[a] = b->origin[a];
  }
  std::copy(b->direction, b->direction + 9, grid.Direction);
  std::snprintf(grid.LengthUnit, sizeof grid.LengthUnit, "%s",
                b->length_unit ? b->length_unit : "");
  return grid;
}

int Put(bc_catalyst *c, const beamcast_brick *b, beamcast_error *error) {
  if (!c->Open) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "put needs a step that was begun");
  }
  const Grid grid = GridOf(b);
  if (c->Whole.Points[0] > 0 && !c->Whole.Same(grid)) {
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "brick %.60s: all arrays of a stream have the same volume, spacing, origin "
        "and direction in a step",
        b->name);
  }
  for (int64_t points : grid.Points) {
    if (points > INT_MAX) {
      return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "VTK counts up to 2^31 points an axis");
    }
  }
  c->Whole = grid;
  Brick brick;
  brick.Name = b->name;
  brick.Unit = b->unit ? b->unit : "";
  brick.Type = b->type;
  brick.Components = b->components;
  brick.Fill = b->fill;
  brick.Data = static_cast<const char *>(b->data);
  for (int a = 0; a < 3; a++) {
    brick.Put.Lo[a] = static_cast<int64_t>(b->start[a]);
    brick.Put.Hi[a] = static_cast<int64_t>(b->start[a] + b->shape[a]) - 1;
    brick.Stride[a] = b->stride[a];
  }
  if (brick.Put.Empty()) {
    brick.Put = Box();
  } else if (b->copy) {
    brick = Packed(brick);
  }
  c->Bricks.push_back(brick);
  return BEAMCAST_OK;
}

// One brick per array, all of one box. Arrays in the order of their names, the same on all ranks.
int MergeBricks(const std::vector<Brick> &bricks, std::vector<Brick> *merged,
                beamcast_error *error) {
  std::map<std::string, std::vector<Brick>> arrays, known;
  for (const Brick &brick : bricks) {
    known[brick.Name].push_back(brick);
    if (!brick.Put.Empty()) {
      arrays[brick.Name].push_back(brick);
    }
  }
  for (const auto &array : known) {
    const Brick &first = array.second.front();
    for (const Brick &brick : array.second) {
      if (brick.Type != first.Type || brick.Components != first.Components) {
        return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                             "brick %.60s: its type changes within the step", first.Name.c_str());
      }
    }
    merged->push_back(first);
    if (arrays.count(array.first)) {
      const int code = Merge(arrays[array.first], &merged->back(), error);
      if (code != BEAMCAST_OK) {
        return code;
      }
    }
    if (!(merged->back().Put == merged->front().Put)) {
      return beamcast_fail(
          error, BEAMCAST_ERR_UNSUPPORTED,
          "in process all arrays of a step have one box on a rank; %.60s and %.60s "
          "have two",
          merged->front().Name.c_str(), merged->back().Name.c_str());
    }
  }
  return BEAMCAST_OK;
}

int End(bc_catalyst *c, const char *header, beamcast_error *error) {
  if (!c->Open) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "end_step needs a step that was begun");
  }
  c->Open = false;
  if (!Engine::Runs()) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "ParaView has ended in this process");
  }
  MPI_Comm communicator = c->ParaView->Communicator();
  int rank = 0;
  MPI_Comm_rank(communicator, &rank);
  std::vector<Brick> bricks;
  beamcast_error mine = {0, ""};
  MergeBricks(c->Bricks, &bricks, &mine);
  c->Bricks.clear();
  Parts parts;
  int code = Agree(communicator, &mine, &c->Whole, &bricks, &parts, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  std::vector<Planes> around(bricks.size());
  vtkNew<vtkImageData> image;
  const Box &drawn = parts.Drawn[rank];
  c->Whole.Describe(drawn, image);
  for (size_t i = 0; i < bricks.size(); i++) {
    code = Exchange(parts, bricks[i], communicator, &around[i], error);
    if (code != BEAMCAST_OK) {
      return code; // on all ranks
    }
    vtkSmartPointer<vtkDataArray> array = MakeArray(parts, rank, bricks[i], &around[i]);
    image->GetPointData()->AddArray(array);
    if (i == 0) {
      image->GetPointData()->SetActiveScalars(bricks[i].Name.c_str());
    }
  }
  AddFieldData(image, c->Step, c->Time, c->Whole, bricks, parts, header);
  int extent[6];
  for (int a = 0; a < 3; a++) {
    extent[2 * a] = 0;
    extent[2 * a + 1] = static_cast<int>(c->Whole.Points[a] - 1);
  }
  code = c->ParaView->Run(c->Name, image, extent, c->Step, c->Time, error);
  for (int i = 0; i < image->GetPointData()->GetNumberOfArrays(); i++) {
    if (auto *array = dynamic_cast<BorrowedArray *>(image->GetPointData()->GetArray(i))) {
      array->Release();
    }
  }
  c->Around.swap(around);
  return code;
}

void Close(bc_catalyst *c) {
  if (Engine::Runs()) {
    c->ParaView->RemoveChannel(c->Name);
  }
  delete c;
}

// A producer without MPI is alone.
int FindCommunicator(const bc_catalyst_options *options, MPI_Comm *communicator,
                     beamcast_error *error) {
  int begun = 0, ended = 0;
  MPI_Initialized(&begun);
  MPI_Finalized(&ended);
  if (ended) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "MPI has ended in this process");
  }
  if (!begun && options->ranks > 1) {
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "the back end catalyst joins several producers by MPI: call MPI_Init before "
        "beamcast_connect");
  }
  if (!begun) {
    int given = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given);
    std::atexit([] {
      int over = 0;
      MPI_Finalized(&over);
      if (!over) {
        MPI_Finalize();
      }
    });
  }
  *communicator = options->communicator == 0 ? MPI_COMM_WORLD : MPI_Comm_f2c(options->communicator);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(*communicator, &rank);
  MPI_Comm_size(*communicator, &ranks);
  int wrong = rank != options->rank || ranks != options->ranks, any = wrong;
  MPI_Allreduce(&wrong, &any, 1, MPI_INT, MPI_MAX, *communicator);
  if (any) {
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "rank %d of %d is rank %d of %d in the communicator: give mpi_comm, rank and "
        "ranks that belong together",
        options->rank, options->ranks, rank, ranks);
  }
  return BEAMCAST_OK;
}

bc_catalyst *Open(const bc_catalyst_options *options, beamcast_error *error) {
  MPI_Comm communicator = MPI_COMM_NULL;
  if (FindCommunicator(options, &communicator, error) != BEAMCAST_OK) {
    return nullptr;
  }
  int ready = options->ready, all = ready;
  MPI_Allreduce(&ready, &all, 1, MPI_INT, MPI_MIN, communicator);
  if (!all) {
    beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "another producer could not connect");
    return nullptr;
  }
  Engine *engine = Engine::Get(communicator, options->scripts, error);
  if (engine == nullptr) {
    return nullptr;
  }
  if (!engine->AddChannel(options->channel)) {
    beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the stream %.60s is open in this process already",
                  options->channel);
    return nullptr;
  }
  auto *made = new bc_catalyst;
  made->ParaView = engine;
  made->Name = options->channel;
  return made;
}

// No exception leaves this library: memory is what runs out.
template <class Call> int Guarded(beamcast_error *error, Call call) {
  const PythonLock lock;
  try {
    return call();
  } catch (const std::exception &problem) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "in process: %.200s", problem.what());
  }
}

const bc_catalyst_api TheApi = {
    BC_CATALYST_VERSION,
    [](const bc_catalyst_options *options, beamcast_error *error) {
      bc_catalyst *made = nullptr;
      Guarded(error, [&] {
        made = Open(options, error);
        return 0;
      });
      return made;
    },
    [](bc_catalyst *c, uint64_t step, double time, beamcast_error *error) {
      return Guarded(error, [&] { return Begin(c, step, time, error); });
    },
    [](bc_catalyst *c, const beamcast_brick *brick, beamcast_error *error) {
      return Guarded(error, [&] { return Put(c, brick, error); });
    },
    [](bc_catalyst *c, const char *header, beamcast_error *error) {
      return Guarded(error, [&] { return End(c, header, error); });
    },
    [](bc_catalyst *c) {
      Guarded(nullptr, [&] {
        Close(c);
        return 0;
      });
    }};

} // namespace

extern "C" BEAMCAST_API const bc_catalyst_api *beamcast_catalyst_api(void);

extern "C" const bc_catalyst_api *beamcast_catalyst_api(void) {
  return &TheApi;
}
