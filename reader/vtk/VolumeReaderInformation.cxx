/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What vtkBeamcastVolumeReader finds in the file and says about its output. Collective: all ranks
 * open the file, the root plans, and a problem of one is a problem of all. */
#include "VolumeReaderState.h"

#include "vtkCommunicator.h"
#include "vtkDataObject.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkMultiProcessController.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>

#include <sys/stat.h>
#include <unistd.h>

namespace {

bool EndsWith(const std::string &name, const char *ending) {
  const size_t length = std::strlen(ending);
  return name.size() > length && strcasecmp(name.c_str() + name.size() - length, ending) == 0;
}

/* The unit that users know by a name of ASCII letters, and how many metres it has. */
double MetresOf(const std::string &unit) {
  static const struct {
    const char *name;
    double metres;
  } units[] = {{"m", 1},     {"cm", 1e-2}, {"mm", 1e-3},
               {"um", 1e-6}, {"nm", 1e-9}, {"angstrom", 1e-10}};
  for (const auto &known : units) {
    if (unit == known.name) {
      return known.metres;
    }
  }
  return 0;
}

/* VTK has no float16. */
int TypeInMemory(const beamcast_hdf5_volume &v) {
  return v.type == BEAMCAST_FLOAT16 ? BEAMCAST_FLOAT32 : v.type;
}

uint64_t FreeMemory() {
  std::ifstream info("/proc/meminfo");
  std::string word;
  uint64_t kib = 0;
  while (info >> word) {
    if (word == "MemAvailable:" && info >> kib) {
      return kib * 1024;
    }
  }
  return uint64_t{4} << 30;
}

void CopyStrings(vtkStringArray *to, const std::vector<std::string> &from) {
  to->SetNumberOfValues(static_cast<vtkIdType>(from.size()));
  for (size_t i = 0; i < from.size(); i++) {
    to->SetValue(static_cast<vtkIdType>(i), from[i]);
  }
}

} // namespace

bool IsTiff(const std::string &name) {
  return EndsWith(name, ".tif") || EndsWith(name, ".tiff");
}

uint64_t StampOf(const std::string &name) {
  const size_t slash = name.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : name.substr(0, slash + 1);
  uint64_t stamp = 0;
  for (const std::string &path : {name, folder}) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0) {
      return 0;
    }
    stamp = stamp * 1000003u + static_cast<uint64_t>(status.st_mtim.tv_nsec) +
            1000000007u * static_cast<uint64_t>(status.st_mtim.tv_sec) +
            static_cast<uint64_t>(status.st_size);
    if (!IsTiff(name)) {
      break;
    }
  }
  return stamp;
}

/* --- all ranks together ------------------------------------------------------------------------
 */

/* If any rank has a problem all have it, in the words of the first such rank. */
bool vtkBeamcastVolumeReader::Agree(bool well, std::string &problem) {
  const int ranks = this->Controller != nullptr ? this->Controller->GetNumberOfProcesses() : 1;
  if (ranks < 2) {
    return well;
  }
  const int rank = this->Controller->GetLocalProcessId();
  const int mine = well ? ranks : rank;
  int first = ranks;
  this->Controller->AllReduce(&mine, &first, 1, vtkCommunicator::MIN_OP);
  if (first == ranks) {
    return true;
  }
  char text[512] = {};
  std::strncpy(text, problem.c_str(), sizeof text - 1);
  this->Controller->Broadcast(text, sizeof text, first);
  problem = text;
  return false;
}

/* Half of the free memory of the poorest rank's share, times the ranks: the same on all of them. */
uint64_t vtkBeamcastVolumeReader::SharedMemoryLimit() const {
  if (this->MemoryLimit > 0) {
    return static_cast<uint64_t>(this->MemoryLimit) << 20;
  }
  const int ranks = this->Controller != nullptr ? this->Controller->GetNumberOfProcesses() : 1;
  const uint64_t free_bytes = FreeMemory() / 2;
  if (ranks < 2) {
    return free_bytes;
  }
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  const vtkTypeInt64 hash = static_cast<vtkTypeInt64>(std::hash<std::string>{}(host) >> 1);
  std::vector<vtkTypeInt64> all(static_cast<size_t>(ranks));
  this->Controller->AllGather(&hash, all.data(), 1);
  const auto here = std::count(all.begin(), all.end(), hash);
  const vtkTypeInt64 share = static_cast<vtkTypeInt64>(free_bytes / static_cast<uint64_t>(here));
  vtkTypeInt64 least = share;
  this->Controller->AllReduce(&share, &least, 1, vtkCommunicator::MIN_OP);
  return static_cast<uint64_t>(least) * static_cast<uint64_t>(ranks);
}

/* --- information -------------------------------------------------------------------------------
 */

/* look_again: a file that was changed since is opened anew. */
bool vtkBeamcastVolumeReader::Open(size_t index, bool look_again, std::string &problem) {
  State &state = *this->Internal;
  beamcast_error error = {};
  const std::string name = this->FileNames[index];
  const std::string key = name + "\n" + this->DimensionNames + (this->Live ? "\nlive" : "");
  const uint64_t stamp = StampOf(name);
  if (state.File != nullptr && state.OpenName == key && (!look_again || stamp == state.Stamp)) {
    return true;
  }
  beamcast_hdf5_close(state.File);
  state.File = nullptr;
  state.Name = name;
  state.Stamp = stamp;
  state.Changes++;
  beamcast_hdf5_open_options options = {};
  options.dimensions = this->DimensionNames.c_str();
  options.live = this->Live ? 1 : 0;
  options.trusted = this->Controller != nullptr && this->Controller->GetLocalProcessId() > 0;
  if (beamcast_hdf5_open(name.c_str(), &options, &state.File, &error) != BEAMCAST_OK) {
    problem = error.message;
    state.OpenName.clear();
    return false;
  }
  state.OpenName = key;
  size_t count;
  const beamcast_hdf5_volume *list = beamcast_hdf5_list(state.File, &count);
  std::vector<std::string> names, sizes;
  for (size_t i = 0; i < count; i++) {
    char text[120];
    std::snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d", list[i].size[0],
                  list[i].size[1], list[i].size[2], TypeInMemory(list[i]), list[i].components);
    names.emplace_back(list[i].path);
    sizes.emplace_back(text);
  }
  CopyStrings(state.Datasets, names);
  CopyStrings(state.Sizes, sizes);
  const char *const *missing = beamcast_hdf5_missing(state.File, &count);
  const std::vector<std::string> sentences(missing, missing + count);
  CopyStrings(state.Missing, sentences);
  const bool root = this->Controller == nullptr || this->Controller->GetLocalProcessId() == 0;
  if (root && !sentences.empty() && !this->Live) {
    std::string text;
    for (const std::string &sentence : sentences) {
      text += "\n  " + sentence;
    }
    vtkWarningMacro("Some of " << name << " is not there:" << text);
  }
  return true;
}

/* The root plans, as free memory and the sampled window may differ between ranks. */
bool vtkBeamcastVolumeReader::Plan(std::string &problem) {
  State &state = *this->Internal;
  beamcast_error error = {};
  beamcast_hdf5_wish wish = {};
  const int ranks = this->Controller != nullptr ? this->Controller->GetNumberOfProcesses() : 1;
  const bool root = this->Controller == nullptr || this->Controller->GetLocalProcessId() == 0;
  wish.memory_limit = this->SharedMemoryLimit();
  this->Limit = static_cast<double>(wish.memory_limit);
  bool well =
      beamcast_hdf5_find(state.File, this->Dataset.c_str(), &wish.volume, &error) == BEAMCAST_OK;
  size_t count;
  const beamcast_hdf5_volume *list = beamcast_hdf5_list(state.File, &count);
  for (int i = 0; i < 6; i++) {
    wish.region[i] = static_cast<uint64_t>(std::max(0, this->Region[i]));
  }
  for (int axis = 0; axis < 3; axis++) {
    wish.stride[axis] = static_cast<uint64_t>(std::max(0, this->Stride[axis]));
  }
  if (well && this->Live && wish.region[5] == 0) { /* what is not there yet is left out */
    wish.region[5] = list[wish.volume].planes_written;
  }
  wish.type = this->OutputType;
  if (well && wish.type == 0 && list[wish.volume].type == BEAMCAST_FLOAT16) {
    wish.type = TypeInMemory(list[wish.volume]);
  }
  std::copy(this->Window, this->Window + 2, wish.window);
  wish.ranks = ranks;
  wish.complex_parts = this->ComplexParts ? 1 : 0;
  beamcast_hdf5_plan plan = {};
  if (well && root) {
    well = beamcast_hdf5_plan_read(state.File, &wish, &plan, &error) == BEAMCAST_OK;
  }
  problem = error.message;
  if (!this->Agree(well, problem)) {
    return false;
  }
  if (ranks > 1) {
    this->Controller->Broadcast(reinterpret_cast<char *>(&plan), sizeof plan, 0);
  }
  for (int axis = 0; axis < 3; axis++) {
    if (plan.samples[axis] > VTK_INT_MAX) {
      problem =
          "The volume has a side of more than 2147483647 voxels, which VTK can't express; set "
          "a region or a stride";
      return false;
    }
  }
  state.Plan = plan;
  state.Planned = true;
  return true;
}

void vtkBeamcastVolumeReader::Geometry(size_t volume, double spacing[3], double origin[3],
                                       std::string &unit) const {
  const beamcast_hdf5_plan &plan = this->Internal->Plan;
  const beamcast_hdf5_volume &v = this->Internal->Volume(volume);
  const double wanted = MetresOf(this->Unit);
  double factor = 1;
  unit = v.unit;
  if (wanted > 0) {
    factor = v.unit_metres > 0 ? v.unit_metres / wanted : 1;
    unit = this->Unit;
  }
  for (int axis = 0; axis < 3; axis++) {
    const double stride = static_cast<double>(plan.stride[axis]);
    const double first = static_cast<double>(plan.region[2 * axis]);
    spacing[axis] = plan.spacing[axis] * factor;
    origin[axis] = plan.origin[axis] * factor;
    if (this->Unit == "voxel") {
      spacing[axis] = stride;
      origin[axis] = first;
    }
    if (this->Spacing[axis] > 0) {
      spacing[axis] = this->Spacing[axis] * stride;
      origin[axis] = this->Origin[axis] + this->Spacing[axis] * first;
    }
  }
  if (this->Unit == "voxel") {
    unit.clear();
  }
}

int vtkBeamcastVolumeReader::RequestInformation(vtkInformation *, vtkInformationVector **,
                                                vtkInformationVector *outputs) {
  vtkInformation *out = outputs->GetInformationObject(0);
  State &state = *this->Internal;
  std::string problem = "No file was named";
  state.Planned = false;
  if (this->Live) {
    this->Follow();
  }
  const bool root = this->Controller == nullptr || this->Controller->GetLocalProcessId() == 0;
  /* The root tries the file first, and the others trust what it found. */
  bool well =
      this->Agree(!root || (!this->FileNames.empty() && this->Open(0, true, problem)), problem);
  well = well && this->Agree(this->Open(0, true, problem), problem);
  if (well) {
    well = this->Plan(problem);
  }
  if (!well) {
    this->Notice = problem;
    vtkErrorMacro(<< problem << ".");
    return 0;
  }
  const beamcast_hdf5_plan &plan = state.Plan;
  const beamcast_hdf5_volume &v = state.Volume(plan.volume);
  int whole[6];
  for (int axis = 0; axis < 3; axis++) {
    this->Size[axis] = static_cast<int>(plan.samples[axis]);
    this->FullSize[axis] = static_cast<int>(std::min<uint64_t>(v.size[axis], VTK_INT_MAX));
    whole[2 * axis] = 0;
    whole[2 * axis + 1] = this->Size[axis] - 1;
  }
  this->Memory = static_cast<double>(plan.bytes);
  this->Notice = plan.note;
  this->Storage = std::string(v.convention) + ", " + v.storage +
                  (*v.filters != 0 ? std::string(", ") + v.filters : "");
  this->ValueUnit = v.value_unit;
  double spacing[3], origin[3];
  this->Geometry(plan.volume, spacing, origin, this->OutputUnit);
  char text[200];
  std::snprintf(text, sizeof text, "%.1f MiB: %d x %d x %d of %d x %d x %d voxels%s%s",
                this->Memory / (1024 * 1024), this->Size[0], this->Size[1], this->Size[2],
                this->FullSize[0], this->FullSize[1], this->FullSize[2],
                this->OutputUnit.empty() ? "" : ", in ", this->OutputUnit.c_str());
  this->Summary = text;
  out->Set(vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT(), whole, 6);
  out->Set(vtkDataObject::SPACING(), spacing, 3);
  out->Set(vtkDataObject::ORIGIN(), origin, 3);
  out->Set(vtkAlgorithm::CAN_HANDLE_PIECE_REQUEST(), 1);
  out->Remove(vtkStreamingDemandDrivenPipeline::TIME_STEPS());
  out->Remove(vtkStreamingDemandDrivenPipeline::TIME_RANGE());

  const bool series = this->FileNames.size() > 1 && !IsTiff(this->FileNames[0]);
  std::vector<double> times(series ? this->FileNames.size() : static_cast<size_t>(v.times));
  for (size_t i = 0; i < times.size(); i++) {
    times[i] = !series && v.time_values != nullptr ? v.time_values[i] : static_cast<double>(i);
  }
  if (!std::is_sorted(times.begin(), times.end(), std::less_equal<double>())) {
    for (size_t i = 0; i < times.size(); i++) { /* times that don't rise are no times */
      times[i] = static_cast<double>(i);
    }
  }
  if (times.size() > 1) {
    const double range[2] = {times.front(), times.back()};
    out->Set(vtkStreamingDemandDrivenPipeline::TIME_STEPS(), times.data(),
             static_cast<int>(times.size()));
    out->Set(vtkStreamingDemandDrivenPipeline::TIME_RANGE(), range, 2);
  }
  if (plan.reduced && root) {
    vtkWarningMacro(<< this->Notice << ".");
  }
  return 1;
}
