// SPDX-License-Identifier: BSD-3-Clause
//
// Memory of somebody else's that arrays present without a copy: it stays for as long as any of them
// does.
#ifndef BeamcastLentMemory_h
#define BeamcastLentMemory_h

#include "vtkAbstractArray.h"

#include <map>
#include <memory>
#include <mutex>

namespace beamcast {

// VTK gives an array's memory back by its address alone, from any thread.
class LentMemory {
public:
  // values: as SetVoidArray counts them, tuples times components.
  static void Present(vtkAbstractArray *array, void *pointer, vtkIdType values,
                      const std::shared_ptr<void> &owner) {
    LentMemory &all = Get();
    {
      const std::lock_guard<std::mutex> hold(all.Lock);
      all.Owners.emplace(pointer, owner);
    }
    array->SetVoidArray(pointer, values, 0, vtkAbstractArray::VTK_DATA_ARRAY_USER_DEFINED);
    array->SetArrayFreeFunction(GiveBack);
  }

private:
  static void GiveBack(void *pointer) {
    LentMemory &all = Get();
    std::shared_ptr<void> last; // freed outside the lock
    const std::lock_guard<std::mutex> hold(all.Lock);
    const auto found = all.Owners.find(pointer);
    if (found != all.Owners.end()) {
      last = std::move(found->second);
      all.Owners.erase(found);
    }
  }

  // Never destroyed: arrays may outlive every other static object.
  static LentMemory &Get() {
    static auto *all = new LentMemory;
    return *all;
  }

  std::mutex Lock;
  std::multimap<void *, std::shared_ptr<void>> Owners;
};

} // namespace beamcast

#endif
