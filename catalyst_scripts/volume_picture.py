# SPDX-License-Identifier: BSD-3-Clause
"""A picture of the volume at every step: volume_<step>.png, with XAC Volume where the plugin is.

BEAMCAST_EVERY (1): steps from picture to picture. BEAMCAST_SIZE (800,600), BEAMCAST_KERNEL (local),
BEAMCAST_WINDOW (nearly all of the first step), BEAMCAST_OUTPUT (.), BEAMCAST_AZIMUTH (30), BEAMCAST_ELEVATION (25),
BEAMCAST_ZOOM (1).
"""
from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import due, new_view, option, output, show_volume, volume

options = catalyst.Options()
data = volume()
view = None


def catalyst_execute(info):
    global view
    if not due(info, data):
        return
    if view is None:
        view = new_view(data, (800, 600), option("AZIMUTH", 30.0), option("ELEVATION", 25.0))
    show_volume(data, view)
    SaveScreenshot(output("volume_%06d.png" % info.timestep), view, ImageResolution=view.ViewSize)
