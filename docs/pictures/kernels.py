# SPDX-License-Identifier: BSD-3-Clause
"""pvbatch kernels.py PLUGIN HEAD FOLDER kernels|ranks: the pictures of docs/kernels.md; kernels.sh runs it."""
import os
import sys

from paraview.simple import *

plugin, head_file, folder, what = sys.argv[1:5]
samples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "xac_kernels", "kernels")
LoadPlugin(plugin, remote=False, ns=globals())

FACE = [108, 103, 84]  # the face looks towards -y
BONE = ([-1000, 0.3, 0.1, 0.05, 150, 0.7, 0.45, 0.3, 1500, 1, 1, 0.95],
        [-1000, 0, 0.5, 0, 120, 0, 0.5, 0, 300, 0.35, 0.5, 0, 1500, 0.9, 0.5, 0])


def open_head():
    head = ImageReader(FileNames=[head_file], DataScalarType="short", DataByteOrder="LittleEndian",
                       DataExtent=[0, 255, 0, 255, 0, 107], DataSpacing=[0.957, 0.957, 1.5], FileDimensionality=3)
    head.UpdatePipeline()
    return head


def look(side, eye, focus, angle=30):
    view = CreateView("RenderView")
    view.ViewSize = [side, side]
    view.Background = [0, 0, 0]
    view.UseColorPaletteForBackground = 0
    view.OrientationAxesVisibility = 0
    view.UseFXAA = 0
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = eye, focus, [0, 0, 1]
    view.CameraViewAngle = angle
    return view


def show(source, view, array, points, representation="XAC Volume"):
    display = Show(source, view)
    display.SetRepresentationType(representation)
    ColorBy(display, ("POINTS", array))
    display.SetScalarBarVisibility(view, False)
    GetColorTransferFunction(array).RGBPoints, GetOpacityTransferFunction(array).Points = points
    display.ScalarOpacityUnitDistance = 1.0
    return display


def take_picture(view, name):
    SaveScreenshot(os.path.join(folder, name + ".png"), view, ImageResolution=list(view.ViewSize))


# Grains of a polished rod: a label for each, none between them.
GRAINS = """
import numpy as np
n = 120
rng = np.random.default_rng(5)
seeds = rng.uniform(0, n, (60, 3)).astype(np.float32)
z, y, x = np.meshgrid(*[np.arange(n, dtype=np.float32)] * 3, indexing="ij")
first = np.full((n, n, n), 1e9, np.float32)
second = first.copy()
label = np.zeros((n, n, n), np.uint16)
for i, (a, b, c) in enumerate(seeds):
    d = np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2)
    nearer = d < first
    second = np.where(nearer, first, np.minimum(second, d))
    label[nearer] = i + 1
    first = np.minimum(first, d)
middle = (n - 1) / 2
label[(x - middle) ** 2 + (y - middle) ** 2 > 54 ** 2] = 0
label[second - first < 2.5] = 0
label[(z < 4) | (z > n - 5)] = 0
output.SetDimensions(n, n, n)
output.PointData.append(label.ravel(), "grain")
"""


def draw_kernels():
    head = open_head()
    view = look(400, [-130, -316, 230], FACE, 28)
    display = show(head, view, "ImageFile", BONE)
    display.XACLightKind = "Directional"
    display.XACLightVector = [0.5, -0.8, 0.6]
    for kernel in ["local", "local+occlusion", "scatter", "scatter+occlusion"]:
        display.XACKernel = kernel
        take_picture(view, "kernel_" + kernel.replace("+", "_"))
    display.XACKernel = os.path.join(samples, "iso_edges.c")
    display.XACParameters = "level=300 thickness=1.5 edges=0.9"
    GetColorTransferFunction("ImageFile").RGBPoints = [0, 1, 0.95, 0.85, 1500, 1, 0.95, 0.85]
    GetOpacityTransferFunction("ImageFile").Points = [-1000, 0, 0.5, 0, -200, 1, 0.5, 0, 1500, 1, 0.5, 0]
    take_picture(view, "kernel_iso_edges")
    display.XACKernel = os.path.join(samples, "depth_density.c")
    display.XACParameters = "near=430 far=580 density=0.05"
    GetOpacityTransferFunction("ImageFile").Points = [-1000, 0, 0.5, 0, 0, 0, 0.5, 0, 200, 1, 0.5, 0, 1500, 1, 0.5, 0]
    take_picture(view, "kernel_depth_density")
    Delete(view)

    grains = ProgrammableSource(OutputDataSetType="vtkImageData", Script=GRAINS,
                                ScriptRequestInformation="""
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as pipeline
self.GetExecutive().GetOutputInformation(0).Set(pipeline.WHOLE_EXTENT(), 0, 119, 0, 119, 0, 119)
""")
    grains.UpdatePipeline()
    view = look(400, [330, 260, 230], [60, 60, 58], 27)
    display = show(grains, view, "grain", ([0, 1, 1, 1, 60, 1, 1, 1], [0, 0, 0.5, 0, 60, 1, 0.5, 0]))
    display.XACLabels = 1
    display.XACOcclusionRadius = 20
    display.XACKernel = os.path.join(samples, "label_colors.c")
    take_picture(view, "kernel_label_colors")


def draw_ranks():
    head = open_head()
    for representation, name in [("Volume", "ranks_stock2"), ("XAC Volume", "ranks_xac2")]:
        view = look(400, [-130, -316, 150], FACE, 29)
        display = show(head, view, "ImageFile", BONE, representation)
        display.Shade = 1
        if representation == "Volume":
            display.VolumeRenderingMode = "GPU Based"
        else:
            display.XACKernel = "local"
        take_picture(view, name)
        Delete(view)


draw_kernels() if what == "kernels" else draw_ranks()
