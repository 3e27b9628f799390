// SPDX-License-Identifier: BSD-3-Clause
//
// Arrays that find their ranges fast find those that VTK's own find, ghosts left out or not; the
// marks of ghosts lie where they should, and those that are zero take no memory; memory that was
// lent stays until the last array is gone; types and halves are what they were.
#include "GhostMarks.h"
#include "LentMemory.h"
#include "RangedArray.h"
#include "VoxelType.h"

#include "vtkLongLongArray.h"
#include "vtkNew.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

using namespace beamcast;

namespace {

constexpr vtkIdType Count = 3 * 4096 + 77;

void Check(bool fine, const std::string &what) {
  if (!fine) {
    std::printf("failed: %s\n", what.c_str());
    std::exit(1);
  }
}

// Of one component, or of the vectors' lengths (-1).
void SameRange(vtkDataArray *array, vtkDataArray *plain, int component, const unsigned char *ghosts,
               unsigned char skipped) {
  double mine[2], wanted[2];
  array->GetRange(mine, component, ghosts, skipped);
  plain->GetRange(wanted, component, ghosts, skipped);
  Check(mine[0] == wanted[0] && mine[1] == wanted[1], "the range");
  array->GetFiniteRange(mine, component, ghosts, skipped);
  plain->GetFiniteRange(wanted, component, ghosts, skipped);
  Check(mine[0] == wanted[0] && mine[1] == wanted[1], "the range of what is finite");
}

template <class Plain> void Compare(Plain *plain) {
  const int components = plain->GetNumberOfComponents();
  const vtkIdType tuples = plain->GetNumberOfTuples();
  vtkSmartPointer<vtkDataArray> ranged = NewRangedArray(plain->GetDataType());
  ranged->SetNumberOfComponents(components);
  ranged->SetVoidArray(plain->GetPointer(0), tuples * components, 1);
  Check(dynamic_cast<RangedArray<Plain> *>(ranged.GetPointer()) != nullptr, "a fast array");
  Check(Plain::SafeDownCast(ranged) != nullptr, "an array of the ordinary class");
  Check(std::strcmp(ranged->GetClassName(), plain->GetClassName()) == 0, "the class's name");

  std::vector<unsigned char> ghosts(static_cast<size_t>(tuples));
  for (const vtkIdType run : {vtkIdType(0), vtkIdType(1), vtkIdType(50), vtkIdType(5000), tuples}) {
    std::fill(ghosts.begin(), ghosts.end(),
              static_cast<unsigned char>(2)); // another mark than is skipped
    std::fill(ghosts.begin(), ghosts.begin() + run, static_cast<unsigned char>(1));
    std::fill(ghosts.end() - run, ghosts.end(), static_cast<unsigned char>(3));
    for (vtkIdType i = 7; run == 1 && i < tuples; i += 4096) {
      ghosts[static_cast<size_t>(i)] = 1;
    }
    for (int component = 0; component < components; component++) {
      plain->Modified(); // both keep what they found
      ranged->Modified();
      SameRange(ranged, plain, component, run == 0 ? nullptr : ghosts.data(), 1);
    }
  }
  plain->Modified();
  ranged->Modified();
  double mine[2], wanted[2];
  ranged->GetRange(mine, 0);
  plain->GetRange(wanted, 0);
  Check(mine[0] == wanted[0] && mine[1] == wanted[1], "the range, ghosts unknown");
}

template <class Value, class Plain> void Numbers() {
  using Limits = std::numeric_limits<Value>;
  for (const int components : {1, 3}) {
    vtkNew<Plain> plain;
    plain->SetNumberOfComponents(components);
    plain->SetNumberOfTuples(Count);
    std::srand(7);
    for (vtkIdType i = 0; i < Count * components; i++) {
      plain->SetValue(i, static_cast<Value>(std::rand() % 2000 - 1000));
    }
    Compare(plain.GetPointer());
    plain->SetValue(3 * 17, Limits::max());
    plain->SetValue(Count * components - 3, Limits::lowest());
    Compare(plain.GetPointer());
    if (Limits::has_infinity) {
      plain->SetValue(3 * 17, Limits::infinity());
      plain->SetValue(3 * 40, Limits::quiet_NaN());
      Compare(plain.GetPointer());
      plain->Fill(Limits::quiet_NaN());
      Compare(plain.GetPointer());
    }
  }
}

void MarksAreRight(const int all[6], const int own[6]) {
  vtkNew<vtkImageData> image;
  image->SetExtent(all[0], all[1], all[2], all[3], all[4], all[5]);
  MarkGhosts(image, own);
  vtkUnsignedCharArray *points = image->GetPointGhostArray(), *cells = image->GetCellGhostArray();
  Check(points && points->GetNumberOfTuples() == image->GetNumberOfPoints(),
        "a mark for each point");
  Check(cells && cells->GetNumberOfTuples() == image->GetNumberOfCells(), "a mark for each cell");
  for (vtkUnsignedCharArray *marks : {points, cells}) {
    double range[2];
    marks->GetRange(range, 0);
    const unsigned char *first = marks->GetPointer(0), *end = first + marks->GetNumberOfTuples();
    Check(range[0] == *std::min_element(first, end) && range[1] == *std::max_element(first, end),
          "the marks' range");
  }
  vtkIdType point = 0, cell = 0;
  for (int z = all[4]; z <= all[5]; z++) {
    for (int y = all[2]; y <= all[3]; y++) {
      for (int x = all[0]; x <= all[1]; x++) {
        const int at[3] = {x, y, z};
        bool own_point = true, own_cell = true, is_cell = true;
        for (int axis = 0; axis < 3; axis++) {
          const int low = own[2 * axis], high = own[2 * axis + 1];
          const bool flat = all[2 * axis] == all[2 * axis + 1];
          own_point = own_point && at[axis] >= low && at[axis] <= high;
          own_cell = own_cell && (flat || (at[axis] >= low && at[axis] < high));
          is_cell = is_cell && (flat || at[axis] < all[2 * axis + 1]);
        }
        Check(points->GetValue(point++) == (own_point ? 0 : vtkDataSetAttributes::DUPLICATEPOINT),
              "a point's mark");
        if (is_cell) {
          Check(cells->GetValue(cell++) == (own_cell ? 0 : vtkDataSetAttributes::DUPLICATECELL),
                "a cell's mark");
        }
      }
    }
  }
}

// Bytes of memory that this process really has.
size_t Resident() {
  size_t pages = 0;
  FILE *file = std::fopen("/proc/self/statm", "r");
  Check(file != nullptr && std::fscanf(file, "%*u %zu", &pages) == 1, "/proc/self/statm");
  std::fclose(file);
  return pages * 4096;
}

void MarksAreSmall() {
  const int all[6] = {0, 1023, 0, 1023, 0, 511}, own[6] = {0, 1023, 0, 1023, 1, 510};
  const size_t before = Resident();
  vtkNew<vtkImageData> image;
  image->SetExtent(all[0], all[1], all[2], all[3], all[4], all[5]);
  MarkGhosts(image, own);
  Check(image->GetPointGhostArray()->GetValue(1 << 19) == vtkDataSetAttributes::DUPLICATEPOINT,
        "a mark");
  const size_t grown = Resident() - before;
  std::printf("two arrays of 512 MiB of marks take %zu KiB\n", grown >> 10);
  Check(grown < (size_t(32) << 20), "marks that are zero take memory");
}

void CheckLent() {
  bool freed = false;
  short values[6] = {5, 1, 2, 3, 4, 9};
  std::shared_ptr<void> owner(values, [&freed](void *) { freed = true; });
  auto first = NewRangedArray(VTK_SHORT), second = NewRangedArray(VTK_SHORT);
  LentMemory::Present(first, values, 6, owner);
  LentMemory::Present(second, values, 6, owner);
  owner.reset();
  Check(first->GetVoidPointer(0) == values && first->GetRange()[1] == 9, "what was lent");
  first = nullptr;
  Check(!freed, "memory that another array has");
  second->SetNumberOfTuples(100); // memory of its own now
  Check(freed, "memory that no array has any more");
}

void CheckTypes() {
  for (int type = 1; beamcast_type_size(type) > 0; type++) {
    const int back = VoxelTypeOf(VtkTypeOf(type));
    Check(back == (type == BEAMCAST_FLOAT16 ? BEAMCAST_FLOAT32 : type), "a type");
  }
  Check(VtkTypeOf(0) == 0 && VoxelTypeOf(VTK_STRING) == 0, "no type");
  // 1, -2, the greatest, the least normal one, the least one, minus zero
  const uint16_t halves[] = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000};
  const float floats[] = {1, -2, 65504, 0x1p-14F, 0x1p-24F, 0};
  for (size_t i = 0; i < 6; i++) {
    Check(FromHalf(halves[i]) == floats[i], "a half");
  }
  Check(std::signbit(FromHalf(0x8000)) && FromHalf(0x7c00) > 1e38F && std::isnan(FromHalf(0x7e00)),
        "a half that is no common number");
}

} // namespace

int main() {
  Numbers<float, vtkFloatArray>();
  Numbers<double, vtkDoubleArray>();
  Numbers<unsigned char, vtkUnsignedCharArray>();
  Numbers<signed char, vtkSignedCharArray>();
  Numbers<unsigned short, vtkUnsignedShortArray>();
  Numbers<short, vtkShortArray>();
  Numbers<unsigned, vtkUnsignedIntArray>();
  Numbers<int, vtkIntArray>();
  Check(NewRangedArray(VTK_LONG_LONG)->GetDataType() == VTK_LONG_LONG,
        "an array of 64-bit integers");

  const int all[6] = {3, 8, 0, 5, 10, 16}, slab[6] = {3, 8, 0, 5, 11, 15},
            block[6] = {4, 8, 0, 4, 11, 16};
  MarksAreRight(all, all);
  MarksAreRight(all, slab);
  MarksAreRight(all, block);
  const int flat[6] = {0, 4, 0, 0, 0, 4}, half[6] = {0, 4, 0, 0, 0, 2};
  MarksAreRight(flat, half);
  MarksAreSmall();
  CheckLent();
  CheckTypes();
}
