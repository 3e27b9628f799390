# SPDX-License-Identifier: BSD-3-Clause
"""Saves a step when a figure of it passes a threshold: event_<step>.h5, by Beamcast's writer.

BEAMCAST_WHEN (maximum): minimum, maximum, mean or deviation. BEAMCAST_ABOVE (no limit), BEAMCAST_BELOW (no
limit): saved when the figure is beyond either. BEAMCAST_MOST (10): files of a run. BEAMCAST_OUTPUT (.).
"""
from math import inf

from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import histogram, load_plugin, option, output, statistics, volume

options = catalyst.Options()
data = volume()
table = None
saved = 0


def catalyst_initialize():
    if not load_plugin():
        raise RuntimeError("the plugin Beamcast, which has the writer, is not found: set PV_PLUGIN_PATH")
    if option("ABOVE", inf) == inf and option("BELOW", -inf) == -inf:
        raise RuntimeError("set BEAMCAST_ABOVE or BEAMCAST_BELOW, or nothing is ever saved")


def catalyst_execute(info):
    global table, saved
    data.UpdatePipeline()
    if table is None:
        table = histogram(data, 16)
    figure = statistics(table)[option("WHEN", "maximum")]
    if saved < option("MOST", 10) and (figure > option("ABOVE", inf) or figure < option("BELOW", -inf)):
        saved += 1
        SaveData(output("event_%06d.h5" % info.timestep), proxy=data)
