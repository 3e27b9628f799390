// SPDX-License-Identifier: BSD-3-Clause
#include "StepData.h"

#include "vtkDoubleArray.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkNew.h"
#include "vtkStringArray.h"
#include "vtkTypeUInt64Array.h"

#include <algorithm>
#include <cstring>
#include <jansson.h>

namespace beamcast {

bool Grid::Same(const Grid &other) const {
  return std::equal(this->Points, this->Points + 3, other.Points) &&
         std::equal(this->Spacing, this->Spacing + 3, other.Spacing) &&
         std::equal(this->Origin, this->Origin + 3, other.Origin) &&
         std::equal(this->Direction, this->Direction + 9, other.Direction);
}

void Grid::Describe(const Box &box, vtkImageData *image) const {
  image->SetSpacing(this->Spacing);
  image->SetOrigin(this->Origin);
  image->SetDirectionMatrix(this->Direction);
  int extent[6] = {0, -1, 0, -1, 0, -1};
  for (int a = 0; a < 3 && !box.Empty(); a++) {
    extent[2 * a] = static_cast<int>(box.Lo[a]);
    extent[2 * a + 1] = static_cast<int>(box.Hi[a]);
  }
  image->SetExtent(extent);
}

namespace {

struct ArrayName {
  char Name[256], Unit[64];
  int32_t Type, Components;
};

// What a rank tells of itself.
struct Report {
  int32_t Failed, Arrays; // Arrays: 0 where nothing was put
  uint64_t Hash;          // of the arrays' names and types
  Box Put;
  Grid Whole;
};

uint64_t HashOf(const std::vector<ArrayName> &names) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv
  const auto *bytes = reinterpret_cast<const unsigned char *>(names.data());
  for (size_t i = 0; i < names.size() * sizeof(ArrayName); i++) {
    hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
  }
  return hash;
}

std::vector<ArrayName> NamesOf(const std::vector<Brick> &bricks) {
  std::vector<ArrayName> names(bricks.size());
  for (size_t i = 0; i < bricks.size(); i++) {
    std::memset(&names[i], 0, sizeof names[i]);
    bricks[i].Name.copy(names[i].Name, sizeof names[i].Name - 1);
    bricks[i].Unit.copy(names[i].Unit, sizeof names[i].Unit - 1);
    names[i].Type = bricks[i].Type;
    names[i].Components = bricks[i].Components;
  }
  return names;
}

} // namespace

int Agree(MPI_Comm communicator, const beamcast_error *mine, Grid *grid, std::vector<Brick> *bricks,
          Parts *parts, beamcast_error *error) {
  int rank = 0, ranks = 1;
  MPI_Comm_rank(communicator, &rank);
  MPI_Comm_size(communicator, &ranks);
  std::vector<ArrayName> names = NamesOf(*bricks);
  Report report;
  std::memset(static_cast<void *>(&report), 0, sizeof report);
  report.Failed = mine->code != BEAMCAST_OK;
  report.Arrays = static_cast<int32_t>(names.size());
  report.Hash = HashOf(names);
  report.Put = bricks->empty() ? Box() : bricks->front().Put;
  report.Whole = *grid;
  std::vector<Report> all(static_cast<size_t>(ranks));
  MPI_Allgather(&report, sizeof report, MPI_BYTE, all.data(), sizeof report, MPI_BYTE,
                communicator);

  int failed = -1, first = -1, other = -1;
  std::vector<Box> put;
  for (int r = 0; r < ranks; r++) {
    failed = failed < 0 && all[r].Failed ? r : failed;
    first = first < 0 && all[r].Arrays > 0 ? r : first;
    other = first >= 0 && all[r].Arrays > 0 &&
                    (all[r].Hash != all[first].Hash || !all[r].Whole.Same(all[first].Whole))
                ? r
                : other;
    put.push_back(all[r].Put);
  }
  if (mine->code != BEAMCAST_OK) {
    return beamcast_fail(error, mine->code, "%s", mine->message);
  }
  if (failed >= 0) {
    return beamcast_fail(error, BEAMCAST_DROPPED, "rank %d could not give its part of the step",
                         failed);
  }
  if (first < 0) {
    return beamcast_fail(error, BEAMCAST_DROPPED, "no rank has put anything in this step");
  }
  if (other >= 0) {
    return beamcast_fail(
        error, BEAMCAST_ERR_ARGUMENT,
        "ranks %d and %d have put other arrays, types, units or grids: all ranks put "
        "the same in a step",
        first, other);
  }
  *grid = all[first].Whole;
  *parts = ShareOut(put, grid->Points);
  if (!parts->Problem.empty()) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED, "in process %s", parts->Problem.c_str());
  }
  names.resize(static_cast<size_t>(all[first].Arrays));
  MPI_Bcast(names.data(), static_cast<int>(names.size() * sizeof(ArrayName)), MPI_BYTE, first,
            communicator);
  if (bricks->empty()) {
    for (const ArrayName &name : names) {
      Brick brick;
      brick.Name = name.Name;
      brick.Unit = name.Unit;
      brick.Type = name.Type;
      brick.Components = name.Components;
      bricks->push_back(brick);
    }
  }
  for (Brick &brick : *bricks) {
    MPI_Bcast(&brick.Fill, 1, MPI_DOUBLE, first, communicator);
  }
  return BEAMCAST_OK;
}

namespace {

void AddText(vtkFieldData *fields, const std::string &name, const char *text) {
  vtkNew<vtkStringArray> array;
  array->SetName(name.c_str());
  array->InsertNextValue(text);
  fields->AddArray(array);
}

void AddNumbers(vtkFieldData *fields, const char *name, const std::vector<double> &numbers) {
  vtkNew<vtkDoubleArray> array;
  array->SetName(name);
  for (double number : numbers) {
    array->InsertNextValue(number);
  }
  fields->AddArray(array);
}

// A number is an array of one value, a list of numbers an array of them, anything else text.
void AddEntry(vtkFieldData *fields, const char *key, const json_t *value) {
  std::vector<double> numbers;
  bool plain = json_is_number(value) || json_is_boolean(value);
  if (plain) {
    numbers.push_back(json_is_number(value) ? json_number_value(value) : json_is_true(value));
  } else if (json_is_array(value) && json_array_size(value) > 0) {
    plain = true;
    for (size_t i = 0; i < json_array_size(value); i++) {
      plain = plain && json_is_number(json_array_get(value, i));
      numbers.push_back(json_number_value(json_array_get(value, i)));
    }
  }
  if (plain) {
    AddNumbers(fields, key, numbers);
  } else if (json_is_string(value)) {
    AddText(fields, key, json_string_value(value));
  } else if (char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)) {
    AddText(fields, key, text);
    std::free(text);
  }
}

} // namespace

void AddFieldData(vtkImageData *image, uint64_t step, double time, const Grid &grid,
                  const std::vector<Brick> &bricks, const Parts &parts, const char *header) {
  int64_t missing = grid.Points[0] * grid.Points[1] * grid.Points[2];
  for (const Box &owned : parts.Owned) {
    missing -= owned.Points();
  }
  vtkFieldData *fields = image->GetFieldData();
  AddNumbers(fields, "TimeValue", {time});
  vtkNew<vtkTypeUInt64Array> number;
  number->SetName("step");
  number->InsertNextValue(step);
  fields->AddArray(number);
  if (grid.LengthUnit[0] != '\0') {
    AddText(fields, "length_unit", grid.LengthUnit);
  }
  for (const Brick &brick : bricks) {
    if (!brick.Unit.empty()) {
      AddText(fields, brick.Name + "_unit", brick.Unit.c_str());
    }
    if (missing > 0) {
      AddNumbers(fields, (brick.Name + "_fill").c_str(), {brick.Fill});
    }
  }
  json_t *entries = json_loads(header, JSON_REJECT_DUPLICATES, nullptr);
  const char *key;
  json_t *value;
  json_object_foreach(entries, key, value) {
    AddEntry(fields, key, value);
  }
  json_decref(entries);
}

} // namespace beamcast
