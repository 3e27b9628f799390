/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * What a reader has of the file it shows, for the parts of vtkBeamcastVolumeReader: its settings
 * (vtkBeamcastVolumeReader.cxx), what it says about the output (VolumeReaderInformation.cxx), the
 * output (VolumeReaderData.cxx), its end before time (VolumeReaderCancel.cxx), and files that grow
 * (VolumeReaderLive.cxx).
 */
#ifndef VolumeReaderState_h
#define VolumeReaderState_h

#include "VolumePiece.h"
#include "vtkBeamcastVolumeReader.h"

#include "vtkNew.h"
#include "vtkStringArray.h"

#include <chrono>

struct vtkBeamcastVolumeReader::State {
  beamcast_hdf5_file *File = nullptr;
  std::string OpenName; // file and options it was opened with
  std::string Name;     // of the file that was opened last, well or not
  uint64_t Stamp = 0;   // of the file then: another one means that it was changed
  uint64_t Changes = 0; // how often the file was opened anew
  beamcast_hdf5_plan Plan{};
  bool Planned = false;
  VolumePiece Piece;
  bool Cancelled = false;                             // the read that is going on
  bool CancelTold = false;                            // the root has told the other ranks
  std::chrono::steady_clock::time_point CancelLooked; // when a wish to cancel was last looked for
  vtkMTimeType CancelTime = 0; // of the reader when a read was cancelled, 0: none was
  std::string CancelWhat;      // that read's file and step
  int Number = 0; // of a reader that follows a file; 0: none, or there is one rank only
  std::chrono::steady_clock::time_point Looked; // when the file was last asked whether it grew
  std::chrono::duration<double> ReadTime{0};    // of the last read
  vtkNew<vtkStringArray> Datasets, Sizes, Missing;

  ~State() {
    beamcast_hdf5_close(this->File);
  }

  const beamcast_hdf5_volume &Volume(size_t index) const {
    size_t count;
    return beamcast_hdf5_list(this->File, &count)[index];
  }
};

/** A number that changes when the file does (of a TIFF series: its folder); 0 when there is none.
 */
uint64_t StampOf(const std::string &file);

/** The files of a TIFF series are planes, not steps of time. */
bool IsTiff(const std::string &file);

#endif
