# SPDX-License-Identifier: BSD-3-Clause
"""The way without Beamcast: a volume written as a raw .vti file, then opened by ParaView's reader.

usage: pvpython file_way.py FOLDER BYTES      prints {"rate": bytes per second, both together}
"""
import json
import os
import sys
import time

import numpy

from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.util.numpy_support import numpy_to_vtk

folder, size = sys.argv[1], int(sys.argv[2])
shape = (size // (4 * 512 * 512), 512, 512)
voxels = numpy.full(shape, 1.5, dtype=numpy.float32)
path = os.path.join(folder, "volume.vti")

begin = time.perf_counter()
image = vtkImageData()
image.SetDimensions(shape[2], shape[1], shape[0])
array = numpy_to_vtk(voxels.reshape(-1))
array.SetName("volume")
image.GetPointData().SetScalars(array)
writer = vtkXMLImageDataWriter()
writer.SetInputData(image)
writer.SetFileName(path)
writer.SetDataModeToAppended()
writer.EncodeAppendedDataOff()
writer.SetCompressorTypeToNone()
writer.Write()
reader = vtkXMLImageDataReader()
reader.SetFileName(path)
reader.Update()
seconds = time.perf_counter() - begin
assert reader.GetOutput().GetNumberOfPoints() == voxels.size
print(json.dumps({"rate": voxels.nbytes / seconds}))
