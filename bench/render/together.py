# SPDX-License-Identifier: BSD-3-Clause
"""pvbatch together.py PLUGIN [PIXELS [SIZE]]: what a frame costs with one, two and three volumes in a view, apart and
reaching into one another, through ParaView, kernel local; one JSON object a case."""
import json
import statistics
import sys
import time

from paraview import simple

plugin = sys.argv[1]
pixels, size = (int(sys.argv[i]) if len(sys.argv) > i else otherwise for i, otherwise in ((2, 1024), (3, 128)))
simple.LoadPlugin(plugin, remote=False, ns=globals())
half = size // 2


def frame_of(shifts):
    """Median seconds of a frame with a volume at each shift, in widths of a volume along x."""
    view = simple.CreateView("RenderView")
    view.ViewSize, view.UseFXAA, view.OrientationAxesVisibility = [pixels, pixels], 0, 0
    made = []
    for i, shift in enumerate(shifts):
        wavelet = simple.Wavelet(WholeExtent=[-half, half, -half, half, -half, half], XFreq=60 + 5 * i)
        display = simple.Show(wavelet, view)
        display.SetRepresentationType("XAC Volume")
        simple.ColorBy(display, ("POINTS", "RTData"))
        display.XACKernel = "local"
        setattr(display, "Translation" if hasattr(display, "Translation") else "Position", [shift * size, 0, 0])  # 5.13, 5.11
        made.append(wavelet)
    simple.GetOpacityTransferFunction("RTData").Points = [0, 0.002, 0.5, 0, 280, 0.01, 0.5, 0]
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = [size, -3 * size, size], [0.5 * size, 0, 0], [0, 0, 1]
    simple.Render(view)
    times = []
    for turn in range(5):
        view.CameraPosition = [size + turn, -3 * size, size]
        begin = time.perf_counter()
        simple.Render(view)
        times.append(time.perf_counter() - begin)
    simple.Delete(view)
    for source in made:
        simple.Delete(source)
    return statistics.median(times)


alone = frame_of([0])
for name, shifts in (("one", [0]), ("two, apart", [0, 1.1]), ("two, half of each shared", [0, 0.5]), ("two, in one place", [0, 0]),
                     ("three, half shared", [0, 0.5, 1])):
    seconds = frame_of(shifts)
    print(json.dumps({"case": "together", "volumes": name, "pixels": pixels, "size": size, "ms": round(1e3 * seconds, 1),
                      "times_one": round(seconds / alone, 2)}), flush=True)
