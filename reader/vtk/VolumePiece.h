/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * One rank's piece of a volume in memory. It is kept between ParaView's requests: the first asks
 * without ghost planes, a later one with them, and then only the planes are read. Memory has room
 * for them from the start where pieces are slabs of z, so that what was given out stays where it
 * is.
 */
#ifndef VolumePiece_h
#define VolumePiece_h

#include "beamcast_hdf5.h"

#include "vtkSmartPointer.h"

#include <memory>
#include <string>

class vtkDataArray;

class VolumePiece {
public:
  /** What the memory holds; another key makes it be read anew. */
  struct Key {
    std::string What; // file, dataset, time, change of the file
    beamcast_hdf5_plan Plan;
    int64_t Core[6]; // the piece without ghosts

    bool operator==(const Key &other) const;
  };

  /** Makes the samples of `extent` present; `extent` has the core in it. */
  int Read(beamcast_hdf5_file *file, const Key &key, const int64_t extent[6],
           const beamcast_hdf5_read_options &options, beamcast_error *error);

  /** The samples of `extent` (read before) as an array of VTK, which keeps the memory as long as it
   * lives. */
  vtkSmartPointer<vtkDataArray> NewArray(const int64_t extent[6]) const;

  /** Forgets what was read; memory that is still shown stays until it is not. */
  void Clear();

  /** Samples read since the object was made, for tests of what is read again. */
  uint64_t GetSamplesRead() const {
    return this->SamplesRead;
  }

private:
  enum { Room = 2 }; // ghost planes at each end that memory has room for at least

  int Allocate(const Key &key, const int64_t extent[6], beamcast_error *error);
  int ReadPart(beamcast_hdf5_file *file, const int64_t extent[6],
               const beamcast_hdf5_read_options &options, beamcast_error *error);
  char *At(int64_t x, int64_t y, int64_t z) const;
  uint64_t SamplesOf(const int64_t extent[6]) const;

  bool Filled = false;
  Key Have{};
  int64_t Present[6]{}; // samples that were read
  int64_t Box[6]{};     // samples that memory has room for
  std::shared_ptr<void> Memory;
  uint64_t MemoryBytes = 0;
  size_t Sample = 0; // bytes of one
  uint64_t SamplesRead = 0;
};

/** VTK's number for a type of the reader, 0 where there is none. */
int VtkTypeOf(int type);

#endif
