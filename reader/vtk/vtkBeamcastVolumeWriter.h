/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @class vtkBeamcastVolumeWriter
 * @brief Writes image data from all ranks into one NeXus file (NXdata with axes and units).
 *
 * Write() is collective over the ranks of the controller; each writes its piece through MPI-IO.
 */
#ifndef vtkBeamcastVolumeWriter_h
#define vtkBeamcastVolumeWriter_h

#include "vtkAlgorithm.h"
#include "vtkBeamcastVolumeFilesModule.h" // for export macro

#include <string> // for names

class vtkDataArray;
class vtkImageData;
class vtkMultiProcessController;

class VTKBEAMCASTVOLUMEFILES_EXPORT vtkBeamcastVolumeWriter : public vtkAlgorithm {
public:
  static vtkBeamcastVolumeWriter *New();
  vtkTypeMacro(vtkBeamcastVolumeWriter, vtkAlgorithm);
  void PrintSelf(ostream &os, vtkIndent indent) override;

  ///@{
  /** The file; an old one is replaced once the new one is complete. */
  void SetFileName(const char *name);
  const char *GetFileName();
  ///@}

  ///@{
  /** The point array to write; empty: the scalars, else the first. */
  void SetArrayName(const char *name);
  const char *GetArrayName();
  ///@}

  ///@{
  /** 0: none, contiguous; 1 to 9: chunks with shuffle and deflate. */
  vtkSetClampMacro(Compression, int, 0, 9);
  vtkGetMacro(Compression, int);
  ///@}

  ///@{
  /** Voxels of a chunk along x, y, z; 0: chosen. */
  vtkSetVector3Macro(Chunk, int);
  vtkGetVector3Macro(Chunk, int);
  ///@}

  ///@{
  /** The unit of spacing and origin; empty: that of the input's field array "Unit". */
  void SetUnit(const char *unit);
  const char *GetUnit();
  ///@}

  /** Writes the input; 1 on success. Collective. */
  int Write();

  vtkBeamcastVolumeWriter(const vtkBeamcastVolumeWriter &) = delete;
  void operator=(const vtkBeamcastVolumeWriter &) = delete;

protected:
  vtkBeamcastVolumeWriter();
  ~vtkBeamcastVolumeWriter() override;

  int FillInputPortInformation(int port, vtkInformation *info) override;
  vtkTypeBool ProcessRequest(vtkInformation *, vtkInformationVector **,
                             vtkInformationVector *) override;

private:
  int WriteData(vtkImageData *image, const int whole[6]);

  std::string FileName, ArrayName, Unit;
  int Compression, Chunk[3];
  bool Written;
  vtkMultiProcessController *Controller;
};

#endif
