# SPDX-License-Identifier: BSD-3-Clause
"""Pictures from all around the volume as a Cinema database: orbit.cdb/data.csv lists them by time, azimuth
and elevation, for any Cinema viewer.

BEAMCAST_EVERY (1), BEAMCAST_VIEWS (12): pictures in a circle, BEAMCAST_ELEVATIONS (0,30); the others as in
volume_picture.py.
"""
import os

from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import due, is_root, look, new_view, option, output, show_volume, volume

options = catalyst.Options()
data = volume()
view = None
rows = []


def catalyst_execute(info):
    global view
    if not due(info, data):
        return
    if view is None:
        view = new_view(data, (400, 300))
    show_volume(data, view)
    views = option("VIEWS", 12)
    for elevation in option("ELEVATIONS", [0.0, 30.0]):
        for number in range(views):
            azimuth = 360.0 * number / views
            look(data, view, azimuth, elevation)
            name = "%06d_%03d_%+03d.png" % (info.timestep, azimuth, elevation)
            SaveScreenshot(output(os.path.join("orbit.cdb", name)), view, ImageResolution=view.ViewSize)
            rows.append("%d,%r,%g,%g,%s\n" % (info.timestep, info.time, azimuth, elevation, name))
    write_table()


def write_table():
    """After every step, so that the database is whole whenever the producer stops."""
    if is_root():
        path = output("orbit.cdb/data.csv")
        with open(path + ".new", "w") as table:
            table.write("step,time,azimuth,elevation,FILE\n")
            table.writelines(rows)
        os.replace(path + ".new", path)
