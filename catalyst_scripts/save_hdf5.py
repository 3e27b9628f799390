# SPDX-License-Identifier: BSD-3-Clause
"""Every k-th step as an HDF5 file, written in parallel by Beamcast's writer: step_<step>.h5.

BEAMCAST_EVERY (10): k. BEAMCAST_OUTPUT (.).
"""
from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import due, load_plugin, output, volume

options = catalyst.Options()
data = volume()


def catalyst_initialize():
    if not load_plugin():
        raise RuntimeError("the plugin Beamcast, which has the writer, is not found: set PV_PLUGIN_PATH")


def catalyst_execute(info):
    if due(info, data, 10):
        SaveData(output("step_%06d.h5" % info.timestep), proxy=data)
