// SPDX-License-Identifier: BSD-3-Clause
//
// The least and the greatest value of an array, in one pass over its memory. ParaView asks for them
// at every step, and its own way through an array takes up to a hundred times as long.
#ifndef BeamcastValueRange_h
#define BeamcastValueRange_h

#include "vtkTypeTraits.h"

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace beamcast {

// Of each component: all values but those that are no number, and all finite ones.
template <class Value> class ValueRange {
public:
  explicit ValueRange(int components)
      : All(static_cast<size_t>(components)), Finite(static_cast<size_t>(components)) {}

  // count tuples, one after the other.
  void Add(const Value *values, int64_t count) {
    const auto components = static_cast<int64_t>(this->All.size());
    if (components == 1) {
      this->AddScalars(values, count);
      return;
    }
    for (int64_t i = 0; i < count * components; i++) {
      Widen(values[i], this->All[static_cast<size_t>(i % components)],
            this->Finite[static_cast<size_t>(i % components)]);
    }
  }

  // As VTK gives it: least, greatest of each component; the other way round where there is none.
  void Report(bool finite, double *ranges) const {
    for (const Ends &ends : finite ? this->Finite : this->All) {
      const bool any = ends.Low <= ends.High;
      *ranges++ = any ? static_cast<double>(ends.Low) : vtkTypeTraits<Value>::Max();
      *ranges++ = any ? static_cast<double>(ends.High) : vtkTypeTraits<Value>::Min();
    }
  }

private:
  using Limits = std::numeric_limits<Value>;
  static constexpr Value Top = Limits::has_infinity ? Limits::infinity() : Limits::max();
  static constexpr Value Bottom = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();

  struct Ends {
    Value Low = Top, High = Bottom;
    void Widen(Value value) { // comparisons with what is no number are false
      this->Low = value < this->Low ? value : this->Low;
      this->High = value > this->High ? value : this->High;
    }
  };

  static bool IsFinite(Value value) {
    return value >= Limits::lowest() && value <= Limits::max();
  }

  static void Widen(Value value, Ends &all, Ends &finite) {
    all.Widen(value);
    if (IsFinite(value)) {
      finite.Widen(value);
    }
  }

  // Several at once, so that the compiler makes vectors of them.
  void AddScalars(const Value *values, int64_t count) {
    constexpr int Lanes = 32;
    std::array<Value, Lanes> low, high;
    low.fill(Top);
    high.fill(Bottom);
    int64_t i = 0;
    for (; i + Lanes <= count; i += Lanes) {
      for (int lane = 0; lane < Lanes; lane++) {
        const Value value = values[i + lane];
        low[lane] = value < low[lane] ? value : low[lane];
        high[lane] = value > high[lane] ? value : high[lane];
      }
    }
    Ends run;
    for (int lane = 0; i > 0 && lane < Lanes; lane++) {
      run.Low = low[lane] < run.Low ? low[lane] : run.Low;
      run.High = high[lane] > run.High ? high[lane] : run.High;
    }
    for (; i < count; i++) {
      run.Widen(values[i]);
    }
    Join(run, this->All[0]);
    if (run.Low >= Limits::lowest() && run.High <= Limits::max()) {
      Join(run, this->Finite[0]);
      return;
    }
    for (i = 0; i < count; i++) {
      if (IsFinite(values[i])) {
        this->Finite[0].Widen(values[i]);
      }
    }
  }

  static void Join(const Ends &part, Ends &whole) {
    whole.Low = part.Low < whole.Low ? part.Low : whole.Low;
    whole.High = part.High > whole.High ? part.High : whole.High;
  }

  std::vector<Ends> All, Finite;
};

} // namespace beamcast

#endif
