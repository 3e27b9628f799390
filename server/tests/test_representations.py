# SPDX-License-Identifier: BSD-3-Clause
"""A client without the plugin shows image data as ever; one with it has its representations, whether it
was loaded before or after the connection; one does not disturb the next."""
import os
import sys

import harness

REPRESENTATION = "XAC Volume"


def shows(port, when):
    simple = harness.connect(port)
    if when == "after":
        simple.LoadPlugin(os.path.join(harness.PLUGINS, "Beamcast.so"), remote=False)
    view = simple.GetActiveViewOrCreate("RenderView")
    view.ViewSize = [64, 64]
    display = simple.Show(simple.Wavelet(WholeExtent=[-3, 3, -3, 3, -3, 3]), view)
    simple.Render(view)
    has = REPRESENTATION in list(display.GetProperty("Representation").Available)
    assert has == (when != "never"), (has, when)
    display.Representation = REPRESENTATION if has else "Volume"
    simple.Render(view)


def main():
    with open(os.path.join(harness.BUILD, "plugin", "Beamcast", "BeamcastRepresentationsXML.h")) as stream:
        if REPRESENTATION not in stream.read():
            harness.skip("the plugin was built without filters/")
    with harness.Screen() as screen, harness.Server(screen, 2) as server:
        for when in ("never", "before", "never", "after", "never"):
            server.client("shows", when, plugins=when == "before")


if __name__ == "__main__":
    harness.main({"shows": shows}, main)
