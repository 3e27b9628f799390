# SPDX-License-Identifier: BSD-3-Clause
"""Three slices through the middle and the histogram of all values, in one picture: slices_<step>.png.

BEAMCAST_EVERY (1), BEAMCAST_SLICES (0.5,0.5,0.5): where, as parts of the whole in x, y, z,
BEAMCAST_WINDOW (the first step's range), BEAMCAST_BINS (128), BEAMCAST_OUTPUT (.).
"""
from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import array_name, histogram, option, output, set_colours, volume, whole_bounds, window

options = catalyst.Options()
data = volume()
layout = None


def catalyst_execute(info):
    global layout
    if info.timestep % option("EVERY", 1) != 0:
        return
    data.UpdatePipeline()
    if layout is None:
        layout = make_layout()
    for view in GetViewsInLayout(layout):
        Render(view)
    SaveScreenshot(output("slices_%06d.png" % info.timestep), layout, ImageResolution=[900, 900])


def make_layout():
    made = CreateLayout("Slices")
    bounds, parts, name = whole_bounds(data), option("SLICES", [0.5, 0.5, 0.5]), array_name(data)
    low, high = window(data)
    middle = [bounds[2 * a] + parts[a] * (bounds[2 * a + 1] - bounds[2 * a]) for a in range(3)]
    for axis, cell in ((2, 1), (0, 2), (1, 5)):
        view = CreateView("RenderView")
        AssignViewToLayout(view, made, cell)
        view.ViewSize, view.OrientationAxesVisibility, view.InteractionMode = [450, 450], 0, "2D"
        cut = Slice(Input=data, SliceType="Plane")
        cut.SliceType.Origin, cut.SliceType.Normal = middle, [float(a == axis) for a in range(3)]
        set_colours(Show(cut, view), name, [low, 0, 0, 0, high, 1, 1, 1])
        view.CameraFocalPoint = middle
        view.CameraPosition = [middle[a] + (1000 if a == axis else 0) * (-1 if axis == 1 else 1) for a in range(3)]
        view.CameraViewUp = [0, 1, 0] if axis == 2 else [0, 0, 1]
        view.CameraParallelScale = max(bounds[2 * a + 1] - bounds[2 * a] for a in range(3)) * 0.55
    return made
