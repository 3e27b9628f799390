# SPDX-License-Identifier: BSD-3-Clause
"""Pictures as arrays (height, width, 4) of uint8, top row first, and as PNG files."""
import numpy
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.util import numpy_support


def from_vtk(image):
    """A window's picture, as VTK gives it: RGB or RGBA, bottom row first."""
    width, height, _ = image.GetDimensions()
    colours = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1]
    picture = numpy.full((height, width, 4), 255, "uint8")
    picture[..., :3] = colours[..., :3]
    return picture


def to_png(picture, notes=None):
    """The bytes of a PNG file. notes: a dict of texts that the file carries (tEXt)."""
    height, width = picture.shape[:2]
    image = vtkImageData()
    image.SetDimensions(width, height, 1)
    colours = numpy.ascontiguousarray(picture[::-1, :, :3]).reshape(-1, 3)
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(colours, deep=True))
    writer = vtkPNGWriter()
    writer.SetInputData(image)
    writer.SetCompressionLevel(5)
    writer.WriteToMemoryOn()
    for key, text in (notes or {}).items():
        writer.AddText(key, text)
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def fit(plane, spacing, size):
    """A plane of colours (rows, columns, 3) with voxels of spacing (rows, columns), as large as it
    fits into a picture of size (width, height), in the middle of black. Between voxels: the nearest.
    """
    rows, columns = plane.shape[:2]
    width, height = size
    scale = min(width / (columns * spacing[1]), height / (rows * spacing[0]))
    wide = max(1, min(width, round(columns * spacing[1] * scale)))
    high = max(1, min(height, round(rows * spacing[0] * scale)))
    row = numpy.minimum((numpy.arange(high) + 0.5) * rows / high, rows - 1).astype(int)
    column = numpy.minimum((numpy.arange(wide) + 0.5) * columns / wide, columns - 1).astype(int)
    picture = numpy.zeros((height, width, 4), "uint8")
    picture[..., 3] = 255
    top, left = (height - high) // 2, (width - wide) // 2
    picture[top:top + high, left:left + wide, :3] = plane[row][:, column]
    return picture
