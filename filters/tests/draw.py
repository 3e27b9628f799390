# SPDX-License-Identifier: BSD-3-Clause
"""pvbatch draw.py PLUGIN FOLDER [HEAD]: draws a dense volume, tiny ones, and the head CT where given, with each kernel.
pvbatch --symmetric draw.py PLUGIN FOLDER: draws only what ParaView gives colours fitted to each rank's own values."""
import sys
from paraview.simple import *
from paraview.servermanager import vtkProcessModule
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

plugin, folder = sys.argv[1:3]
LoadPlugin(plugin, remote=False, ns=globals())


def view_of(eye, focus):
    view = CreateView("RenderView")
    view.ViewSize = [300, 300]
    view.Background = [0, 0, 0]
    view.UseColorPaletteForBackground = 0
    view.OrientationAxesVisibility = 0
    view.ImageReductionFactor = 1  # of several ranks while the view turns, on top of our own
    view.UseFXAA = 0  # it smooths each rank's part by itself, whatever draws it
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = eye, focus, [0, 0, 1]
    return view


def grab(view, path):
    """The picture as it stands, not drawn anew."""
    image, writer = vtkWindowToImageFilter(), vtkPNGWriter()
    image.SetInput(view.GetRenderWindow())
    image.ShouldRerenderOff()
    image.ReadFrontBufferOff()
    writer.SetInputConnection(image.GetOutputPort())
    writer.SetFileName(path)
    writer.Write()


def draw(source, array, colors, opacities, eye, focus, name, kernels, near=None):
    view = view_of(eye, focus)
    display = Show(source, view)
    display.SetRepresentationType("XAC Volume")
    ColorBy(display, ("POINTS", array))
    if colors:
        GetColorTransferFunction(array).RGBPoints = colors
        GetOpacityTransferFunction(array).Points = opacities
    display.ScalarOpacityUnitDistance = 1.0
    for kernel in kernels:
        display.XACKernel = kernel
        SaveScreenshot("%s/%s-%s.png" % (folder, name, kernel), view, ImageResolution=[300, 300])
    display.UpdatePropertyInformation()
    status = str(display.GetProperty("XACStatus"))
    print(status)
    assert "cpu" in status or "cuda" in status, status
    if near:
        # Coarse, as while the view turns; opaque, so that nothing is seen through a border of ranks.
        display.XACInteractiveCoarseness, display.XACKernel = 4, "plain"
        GetOpacityTransferFunction(array).Points = [0, 1, 0.5, 0, 300, 1, 0.5, 0]
        Render(view)
        view.SMProxy.InteractiveRender()
        grab(view, "%s/%s-turning.png" % (folder, name))
        display.XACKernel = kernels[-1]
        GetOpacityTransferFunction(array).Points = opacities
        view.CameraPosition, view.CameraFocalPoint = near
        for kernel in kernels:  # what lies below 0 is off screen, and with it a rank
            display.XACKernel = kernel
            SaveScreenshot("%s/%s-near-%s.png" % (folder, name, kernel), view, ImageResolution=[300, 300])
        ball = Sphere(Center=focus, Radius=25)
        Show(ball, view)
        view.CameraPosition, view.CameraFocalPoint = eye, focus
        SaveScreenshot("%s/%s-ball.png" % (folder, name), view, ImageResolution=[300, 300])
    Delete(view)


def everything():
    wavelet = Wavelet(WholeExtent=[-30, 30, -30, 30, -30, 30])
    wavelet.UpdatePipeline()
    draw(wavelet, "RTData", [30, 0.9, 0.2, 0.1, 150, 0.3, 0.8, 0.4, 280, 0.2, 0.4, 1], [30, 0.01, 0.5, 0, 280, 0.12, 0.5, 0],
         [120, -90, 60], [0, 0, 0], "dense", kernels, near=([10, -45, 22], [9, 30, 24]))
    thin = Wavelet(WholeExtent=[-30, 30, -30, 30, 0, 1])  # fewer planes than ranks: some are empty
    draw(thin, "RTData", [30, 0.9, 0.2, 0.1, 280, 0.2, 0.4, 1], [30, 0.3, 0.5, 0, 280, 0.9, 0.5, 0],
         [60, -60, 90], [0, 0, 0], "thin", kernels)
    # One point thick in one, two and three axes, and fewer cells than ranks: what is drawn is wider than the points.
    for size in ([1, 1, 1], [2, 1, 1], [1, 1, 5], [1, 4, 3], [4, 3, 1], [3, 3, 3]):
        few = Wavelet(WholeExtent=sum(([0, n - 1] for n in size), []))
        draw(few, "RTData", [0, 0.9, 0.2, 0.1, 280, 0.2, 0.4, 1], [0, 0.5, 0.5, 0, 280, 0.7, 0.5, 0],
             [6, -12, 9], [0.5 * n - 0.5 for n in size], "few-%d-%d-%d" % tuple(size), ["local", "scatter+occlusion"])
    if len(sys.argv) > 3:
        head = ImageReader(FileNames=[sys.argv[3]], DataScalarType="short", DataByteOrder="LittleEndian",
                           DataExtent=[0, 255, 0, 255, 0, 107], DataSpacing=[0.957, 0.957, 1.5], FileDimensionality=3)
        draw(head, "ImageFile", [-1000, 0.3, 0.1, 0.05, 150, 0.7, 0.45, 0.3, 1500, 1, 1, 0.95],
             [-1000, 0, 0.5, 0, 120, 0, 0.5, 0, 300, 0.35, 0.5, 0, 1500, 0.9, 0.5, 0],
             [122, -420, 110], [122, 122, 80], "head", kernels)


kernels = ["plain", "local", "scatter", "occlusion", "local+occlusion", "scatter+occlusion"]
# Its values lie elsewhere from rank to rank.
uneven = Wavelet(WholeExtent=[-20, 20, -20, 20, -20, 20], Center=[0, 0, 12])
draw(uneven, "RTData", None, None, [80, -60, 40], [0, 0, 0], "uneven", ["plain", "local+occlusion"])
if not vtkProcessModule.GetProcessModule().GetSymmetricMPIMode():
    everything()
