# SPDX-License-Identifier: BSD-3-Clause
"""A line of figures per step, written at once: statistics.csv with step, time, voxels, minimum, maximum, mean
and deviation of the finite values.

BEAMCAST_EVERY (1), BEAMCAST_OUTPUT (.), BEAMCAST_ARRAY (the first).
"""
from paraview.simple import *
from paraview import catalyst
from beamcast_catalyst import due, histogram, is_root, output, statistics, volume

options = catalyst.Options()
data = volume()
table = None
NAMES = ["voxels", "minimum", "maximum", "mean", "deviation"]


def catalyst_execute(info):
    global table
    if not due(info, data):
        return
    first = table is None
    if first:
        table = histogram(data, 16)
    found = statistics(table)
    if is_root():
        with open(output("statistics.csv"), "w" if first else "a") as file:
            if first:
                file.write("step,time," + ",".join(NAMES) + "\n")
            file.write("%d,%r,%s\n" % (info.timestep, info.time, ",".join("%.9g" % found[n] for n in NAMES)))
