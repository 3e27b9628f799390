# SPDX-License-Identifier: BSD-3-Clause
"""A client without the plugin shows image data as ever; one with it has its representations, whether it
was loaded before or after the connection; one does not disturb the next, however many there were."""
import os
import sys

import harness

REPRESENTATION = "XAC Volume"
AGAIN = 6


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


def draws_stream(port):
    """Whose end frees much on each rank, which the next one's session is then made of."""
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == 0
    view = simple.CreateView("RenderView")
    view.ViewSize = [64, 64]
    simple.Show(source, view).SetRepresentationType(REPRESENTATION)
    simple.Render(view)


def main():
    with open(os.path.join(harness.BUILD, "plugin", "Beamcast", "BeamcastRepresentationsXML.h")) as stream:
        if REPRESENTATION not in stream.read():
            harness.skip("the plugin was built without filters/")
    with harness.Screen() as screen, harness.Server(screen, 2) as server:
        for when in ("never", "before", "never", "after", "never"):
            server.client("shows", when, plugins=when == "before")
        assert harness.push(server.contact, shape="30,20,10") == ["step 0 OK"]
        for _ in range(AGAIN):
            server.client("draws_stream", plugins=True)


if __name__ == "__main__":
    harness.main({"shows": shows, "draws_stream": draws_stream}, main)
