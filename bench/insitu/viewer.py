# SPDX-License-Identifier: BSD-3-Clause
"""The viewer of bench/insitu/run.py, a stock ParaView client of a running server:

    pvpython viewer.py stream HOST:PORT STEP    looks at the stream "volume" until STEP
    pvpython viewer.py files HOST:PORT STEP FOLDER    loads each .pvti that appears in FOLDER

Prints "picture STEP TIME" for each step it shows, as a slice, 400 x 400.
"""
import glob
import os
import sys
import time

from paraview import simple


def say(line):
    os.write(1, f"{line}\n".encode())


class Picture:
    def __init__(self, source):
        self.view = simple.CreateView("RenderView")
        self.view.ViewSize = [400, 400]
        self.source, self.display = source, None

    def take(self, step):
        self.source.UpdatePipeline()
        if self.display is None:
            self.display = simple.Show(self.source, self.view)
            self.display.SetRepresentationType("Slice")
            simple.ColorBy(self.display, ("POINTS", "volume"))
            self.view.ResetCamera()
        simple.Render(self.view)
        say(f"picture {step} {time.time():.6f}")


def newest_of_stream(source):
    source.InvokeCommand("Refresh")
    source.UpdatePropertyInformation()
    return source.StepShown


def newest_file(folder):
    return max((int(os.path.basename(path)[:-5]) for path in glob.glob(folder + "/*.pvti")), default=-1)


def main(way, address, last, folder=None):
    host, port = address.rsplit(":", 1)
    simple.Connect(host, int(port))
    source = simple.BeamcastStream() if way == "stream" else None
    picture = Picture(source) if source else None
    say("ready")
    shown, until = -1, time.time() + 120
    while shown < int(last) and time.time() < until:
        step = newest_of_stream(source) if source else newest_file(folder)
        if step <= shown:
            time.sleep(0.005)
            continue
        shown = step
        if way == "files":
            if picture is None:
                picture = Picture(simple.XMLPartitionedImageDataReader(FileName=[f"{folder}/{step}.pvti"]))
            picture.source.FileName = [f"{folder}/{step}.pvti"]
        picture.take(step)


main(*sys.argv[1:])
