/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @class vtkBeamcastVolumeReader
 * @brief Volumes in HDF5 files (NeXus and others), TIFF stacks and raw files, read in parallel.
 *
 * Each rank opens the file and reads its own piece, with the plane that it shares with its
 * neighbour, and ghost planes where they are asked for. Voxels are VTK points. What does not fit
 * memory comes at a stride that does. Files added one after the other are steps of time.
 *
 * RequestInformation and RequestData are collective over the ranks of the controller: the root
 * plans for all, and a read that fails on one rank fails on all.
 */
#ifndef vtkBeamcastVolumeReader_h
#define vtkBeamcastVolumeReader_h

#include "vtkBeamcastVolumeFilesModule.h" // for export macro
#include "vtkImageAlgorithm.h"

#include <memory> // for the state
#include <string> // for names
#include <vector> // for files

class vtkMultiProcessController;
class vtkStringArray;

class VTKBEAMCASTVOLUMEFILES_EXPORT vtkBeamcastVolumeReader : public vtkImageAlgorithm {
public:
  static vtkBeamcastVolumeReader *New();
  vtkTypeMacro(vtkBeamcastVolumeReader, vtkImageAlgorithm);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  ///@{
  /** The file; more files are later steps of time. The files of a TIFF series are one volume. */
  void SetFileName(const char *name);
  const char *GetFileName();
  void AddFileName(const char *name);
  void RemoveAllFileNames();
  ///@}

  /** Whether the file is one that this reader shows a volume of. */
  static int CanReadFile(const char *name);

  ///@{
  /** Which of the file's volumes; empty: the most likely. GetDatasetList has them all. */
  void SetDataset(const char *path);
  const char *GetDataset();
  vtkStringArray *GetDatasetList();
  ///@}

  /** For each of GetDatasetList "X Y Z TYPE COMPONENTS": voxels along x, y, z, the type of a number
   * in memory (as for OutputType) and how many a voxel has. */
  vtkStringArray *GetDatasetSizes();

  ///@{
  /** What the dataset's dimensions are, slowest first: "t,z,y,x" (c: channel, n: components).
   * Empty: as the file says. */
  void SetDimensionNames(const char *names);
  const char *GetDimensionNames();
  ///@}

  ///@{
  /** The voxels wanted, as first and one past the last along x, y, z; a last of 0 means all. */
  vtkSetVector6Macro(Region, int);
  vtkGetVector6Macro(Region, int);
  ///@}

  ///@{
  /** Every how many voxels along x, y, z; 0: as many as fit memory. */
  vtkSetVector3Macro(Stride, int);
  vtkGetVector3Macro(Stride, int);
  ///@}

  ///@{
  /** The voxels' type in memory: 0 as in the file (float16 becomes float32), else the number of a
   * beamcast_type. Window: the values that become 0 and the largest of an 8 or 16 bit type; both
   * equal: the 0.1 and 99.9 percentiles of a sample. */
  vtkSetMacro(OutputType, int);
  vtkGetMacro(OutputType, int);
  vtkSetVector2Macro(Window, double);
  vtkGetVector2Macro(Window, double);
  ///@}

  ///@{
  /** Of volumes with channels (energies): which one. */
  vtkSetClampMacro(Channel, int, 0, VTK_INT_MAX);
  vtkGetMacro(Channel, int);
  ///@}

  ///@{
  /** Complex numbers as real and imaginary part, not as magnitude and phase. */
  vtkSetMacro(ComplexParts, bool);
  vtkGetMacro(ComplexParts, bool);
  vtkBooleanMacro(ComplexParts, bool);
  ///@}

  ///@{
  /** Mebibytes that the voxels of all ranks may take; 0: half of what the ranks' machines have
   * free.
   */
  vtkSetClampMacro(MemoryLimit, int, 0, VTK_INT_MAX);
  vtkGetMacro(MemoryLimit, int);
  ///@}

  ///@{
  /** The unit of the output's coordinates: "" as in the file, "voxel" for 1 x 1 x 1, or a length
   * such as "um". Spacing and Origin, where given (a spacing that is not 0), replace the file's and
   * are in this unit. */
  void SetUnit(const char *unit);
  const char *GetUnit();
  vtkSetVector3Macro(Spacing, double);
  vtkGetVector3Macro(Spacing, double);
  vtkSetVector3Macro(Origin, double);
  vtkGetVector3Macro(Origin, double);
  ///@}

  ///@{
  /** Threads of each rank; 0: as many as it may use cores. */
  vtkSetClampMacro(Threads, int, 0, 256);
  vtkGetMacro(Threads, int);
  ///@}

  ///@{
  /** Whether the file may be growing: what is not written yet is left out. Refresh looks again, on
   * each rank. GetNeedsUpdate is for the root alone, called while the other ranks wait for remote
   * calls: it says whether the file has changed since, and has all ranks look again. It looks once
   * a second at most, less often where a read takes long. */
  vtkSetMacro(Live, bool);
  vtkGetMacro(Live, bool);
  vtkBooleanMacro(Live, bool);
  void Refresh();
  bool GetNeedsUpdate();
  ///@}

  ///@{
  /** What was found: valid after UpdateInformation. Size: samples of the whole output; FullSize:
   * voxels of the dataset; Memory: bytes of the output on all ranks; Limit: what they may be;
   * Missing: sentences on links
   * that lead nowhere; Notice: what was changed to fit memory. */
  vtkGetVector3Macro(Size, int);
  vtkGetVector3Macro(FullSize, int);
  vtkGetMacro(Memory, double);
  vtkGetMacro(Limit, double);
  const char *GetStorage();
  const char *GetSummary(); // all of that in a line
  const char *GetOutputUnit();
  const char *GetValueUnit();
  const char *GetNotice();
  vtkStringArray *GetMissing();
  ///@}

  /** Ends a read that is going on, without a picture; what was cancelled is not read again before
   * something is changed, or Refresh is called. A client that calls it while the server reads is
   * heard (see VolumeReaderCancel.cxx); AbortExecute does the same from within the process. */
  void CancelVolumeRead();

  /** Samples read by this rank since the reader was made (for tests of what is read again). */
  vtkIdType GetSamplesRead();

  vtkBeamcastVolumeReader(const vtkBeamcastVolumeReader &) = delete;
  void operator=(const vtkBeamcastVolumeReader &) = delete;

protected:
  vtkBeamcastVolumeReader();
  ~vtkBeamcastVolumeReader() override;

  int FillOutputPortInformation(int port, vtkInformation *info) override;
  int RequestInformation(vtkInformation *, vtkInformationVector **,
                         vtkInformationVector *) override;
  int RequestData(vtkInformation *, vtkInformationVector **, vtkInformationVector *) override;

private:
  struct State; // what the C library has, kept out of this header
  bool Open(size_t file, bool look_again, std::string &problem);
  bool Plan(std::string &problem);
  bool Agree(bool well, std::string &problem);
  bool CancelAsked();
  void TellCancel();
  bool AnyCancelled();
  void RememberCancel(const std::string &what);
  void Follow();
  void Unfollow();
  size_t FileOfTime(vtkInformation *out, double &time, uint64_t &step) const;
  void Geometry(size_t volume, double spacing[3], double origin[3], std::string &unit) const;
  uint64_t SharedMemoryLimit() const;

  std::vector<std::string> FileNames;
  std::string Dataset, DimensionNames, Unit, OutputUnit, ValueUnit, Notice, Storage, Summary;
  int Region[6], Stride[3], OutputType, Channel, MemoryLimit, Threads;
  double Window[2], Spacing[3], Origin[3];
  bool ComplexParts, Live;
  int Size[3], FullSize[3];
  double Memory, Limit;
  vtkMultiProcessController *Controller;
  std::unique_ptr<State> Internal;
};

#endif
