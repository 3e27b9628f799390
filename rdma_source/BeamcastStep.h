/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One complete step on this rank, and its voxels as VTK arrays that copy nothing.
 * Relies on the receiver's frames; knows nothing of pipelines.
 */
#ifndef BeamcastStep_h
#define BeamcastStep_h

#include "receiver.h"
#include "vtkSmartPointer.h"

#include <memory>
#include <vector>

class vtkDataArray;
class vtkFieldData;

class BeamcastStep : public std::enable_shared_from_this<BeamcastStep> {
public:
  /* Takes over the caller's reference to the frame, which must not be null. */
  static std::shared_ptr<BeamcastStep> Take(bc_frame *frame);
  ~BeamcastStep();
  BeamcastStep(const BeamcastStep &) = delete;
  BeamcastStep &operator=(const BeamcastStep &) = delete;

  const bc_frame_info &GetInfo() const {
    return this->Info;
  }
  int GetNumberOfArrays() const {
    return this->Info.arrays;
  }
  bc_array GetArray(int index) const;

  /* The values of an array in box, which lies in the frame's memory; [z][y][x], x fastest. The
   * result points into the slot, which stays as it is until the last VTK object has let go of it.
   * Copied only where box is not one run of the memory; float16 is converted once, to float32. */
  vtkSmartPointer<vtkDataArray> NewDataArray(int index, const bc_box &box);

  /* Adds what came with the step: its number and time, units, and each entry of its header. */
  void AddFieldData(vtkFieldData *fields) const;

  /* Appends every stride-th finite value of the first array's first component in own points. */
  void Sample(uint64_t stride, std::vector<double> &values) const;

private:
  explicit BeamcastStep(bc_frame *frame);
  std::shared_ptr<float> GetConverted(int index, const bc_array &array);

  bc_frame *Frame;
  bc_frame_info Info;
  std::vector<std::shared_ptr<float>> Converted; /* float32 of float16 arrays, by index */
};

#endif
