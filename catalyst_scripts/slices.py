# SPDX-License-Identifier: BSD-3-Clause
"""Three slices and the histogram of all values: slices_<step>.png. In the plane of z, y goes down.

BEAMCAST_EVERY (1), BEAMCAST_SLICES (0.5,0.5,0.5): where, as parts of the whole in x, y, z,
BEAMCAST_WINDOW (nearly all of the first step), BEAMCAST_BINS (128), BEAMCAST_OUTPUT (.).
"""
from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import (array_name, due, histogram, new_view, option, output, set_colours, volume, whole_bounds,
                               window)

options = catalyst.Options()
data = volume()
layout = None
cuts = []


def catalyst_execute(info):
    global layout
    if not due(info, data):
        return
    if layout is None:
        layout = make_layout()
    low, high = window(data, layout)
    for cut in cuts:
        set_colours(cut, array_name(data), [low, 0, 0, 0, high, 1, 1, 1])
    for view in GetViewsInLayout(layout):
        Render(view)
    SaveScreenshot(output("slices_%06d.png" % info.timestep), layout, ImageResolution=[900, 900])


def make_layout():
    made = CreateLayout("Slices")
    made.SplitHorizontal(0, 0.5)
    made.SplitVertical(1, 0.5)
    made.SplitVertical(2, 0.5)
    bounds, parts, name = whole_bounds(data), option("SLICES", [0.5, 0.5, 0.5]), array_name(data)
    middle = [bounds[2 * a] + parts[a] * (bounds[2 * a + 1] - bounds[2 * a]) for a in range(3)]
    for axis, cell, side in ((2, 3, -1), (0, 6, 1), (1, 4, -1)):
        view = new_view(data)
        made.AssignView(cell, view)
        view.InteractionMode, view.UseFXAA = "2D", 1
        cut = Slice(Input=data, SliceType="Plane")
        cut.SliceType.Origin, cut.SliceType.Normal = middle, [float(a == axis) for a in range(3)]
        display = Show(cut, view)
        display.Ambient, display.Diffuse = 1, 0
        cuts.append(display)
        reach = max(bounds[2 * a + 1] - bounds[2 * a] for a in range(3))
        view.CameraFocalPoint = [(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)]
        view.CameraPosition = [c + (2 * reach * side if a == axis else 0) for a, c in enumerate(view.CameraFocalPoint)]
        view.CameraViewUp, view.CameraParallelScale = [0, -1, 0] if axis == 2 else [0, 0, 1], reach * 0.55
    chart = CreateView("XYBarChartView")
    made.AssignView(5, chart)
    chart.ChartTitle, chart.ChartTitleFontSize, chart.ShowLegend = "voxels", 12, 0
    chart.BottomAxisTitle, chart.BottomAxisTitleFontSize = name, 12
    bars = Show(histogram(data, option("BINS", 128)), chart)
    bars.AttributeType, bars.UseIndexForXAxis, bars.XArrayName = "Row Data", 0, "value"
    bars.SeriesVisibility = ["voxels", "1"]
    return made
