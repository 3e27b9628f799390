# SPDX-License-Identifier: BSD-3-Clause
"""However many producers push a volume into however many ranks of a server, its pictures are those of one
producer and one rank."""
import os
import subprocess
import sys
import tempfile
import threading

import harness

SHAPE = (61, 56, 47)  # z, y, x
SPLITS = ((1, 1), (3, 2), (2, 3), (5, 4))  # producers, ranks
COMPARE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "filters", "tests", "compare.py")


def volume():
    """Dense, and different everywhere: waves about a ball."""
    import numpy
    z, y, x = numpy.meshgrid(*(numpy.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return (numpy.sqrt(x * x + y * y + z * z) + 0.1 * numpy.sin(9 * x) * numpy.cos(7 * y + 5 * z)).astype("float32")


def produce(contact, producers):
    """Each has a slab along y, so that every one has voxels for every rank."""
    import beamcast
    whole, failed = volume(), []

    def push(rank):
        first, last = (SHAPE[1] * r // producers for r in (rank, rank + 1))
        try:
            with beamcast.connect(contact, "volume", rank, producers, run_id=5, time_limit=harness.LIMIT) as stream:
                assert stream.begin_step(0)
                stream.put(whole[:, first:last], start=(0, first, 0), shape=SHAPE, copy=True)
                assert stream.end_step()
        except Exception as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=push, args=(rank,)) for rank in range(producers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def draws(port, folder):
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == 0
    view = simple.CreateView("RenderView")
    view.ViewSize = [300, 300]
    view.Background, view.UseColorPaletteForBackground = [0, 0, 0], 0
    view.OrientationAxesVisibility = 0
    view.UseFXAA = 0  # it smooths each rank's part by itself, whatever draws it
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = [110, -80, 90], [23, 28, 30], [0, 0, 1]
    display = simple.Show(source, view)
    simple.ColorBy(display, ("POINTS", "volume"))
    colors, opacities = (get("volume") for get in (simple.GetColorTransferFunction, simple.GetOpacityTransferFunction))
    colors.RGBPoints = [0, 1, 0.9, 0.8, 0.7, 0.8, 0.4, 0.2, 1.7, 0.1, 0.2, 0.8]
    opacities.Points = [0, 0.9, 0.5, 0, 0.75, 0.4, 0.5, 0, 0.8, 0, 0.5, 0, 1.2, 0, 0.5, 0, 1.7, 0.05, 0.5, 0]
    display.SetRepresentationType("XAC Volume")
    for kernel in ("plain", "local", "scatter+occlusion"):
        display.XACKernel = kernel
        simple.SaveScreenshot("%s/%s.png" % (folder, kernel), view, ImageResolution=[300, 300])
    simple.Hide(source, view)
    cut = simple.Slice(Input=source)
    cut.SliceType.Origin, cut.SliceType.Normal = [23, 28, 30], [1, 0.4, 0.7]
    simple.Show(cut, view)
    simple.SaveScreenshot(folder + "/slice.png", view, ImageResolution=[300, 300])


def main():
    sys.path.insert(0, os.path.join(harness.BUILD, "python"))
    try:
        import beamcast  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as missing:
        harness.skip(str(missing))
    with open(os.path.join(harness.BUILD, "plugin", "Beamcast", "BeamcastRepresentationsXML.h")) as stream:
        if "XAC Volume" not in stream.read():
            harness.skip("the plugin was built without filters/")
    folders = []
    with tempfile.TemporaryDirectory(prefix="beamcast-test-") as work, harness.Screen() as screen:
        for producers, ranks in SPLITS:
            folders.append("%s/%d-producers-%d-ranks" % (work, producers, ranks))
            os.mkdir(folders[-1])
            with harness.Server(screen, ranks) as server:
                produce(server.contact, producers)
                server.client("draws", folders[-1], plugins=True)
        subprocess.run([sys.executable, COMPARE, *folders], check=True)


if __name__ == "__main__":
    harness.main({"draws": draws}, main)
