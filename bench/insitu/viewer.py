# SPDX-License-Identifier: BSD-3-Clause
"""The viewer of bench/insitu/run.py, a stock ParaView client of a running server:

    pvpython viewer.py stream HOST:PORT STEP    looks at the stream "volume" until STEP
    pvpython viewer.py files HOST:PORT STEP FOLDER    loads each .pvti that appears in FOLDER
    pvpython viewer.py live HOST:PORT STEP PORT    listens on PORT for a producer's Live connection

Prints "picture STEP TIME" for each step it shows, 400 x 400.
"""
import glob
import os
import sys
import time

from paraview import live, simple


def say(line):
    os.write(1, f"{line}\n".encode())


class Picture:
    """A cut through the middle of the volume, at right angles to z."""

    def __init__(self):
        self.view = simple.CreateView("RenderView")
        self.view.ViewSize = [400, 400]
        self.source = self.cut = None
        self.shown = False
        # The first picture of a server takes longer: a screen is opened, shaders are compiled.
        first = simple.Wavelet(WholeExtent=[-8, 8] * 3)
        self.show(first, "RTData")
        simple.Hide(self.cut, self.view)

    def show(self, source, array):
        source.UpdatePipeline()
        bounds = source.GetDataInformation().GetBounds()
        self.cut = simple.Slice(Input=source, SliceType="Plane")
        self.cut.SliceType.Normal = [0, 0, 1]
        self.cut.SliceType.Origin = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        simple.ColorBy(simple.Show(self.cut, self.view), ("POINTS", array))
        self.view.ResetCamera()
        simple.Render(self.view)

    def take(self, step):
        if not self.shown:
            self.show(self.source, "volume")
            self.shown = True
        else:
            self.source.UpdatePipeline()
            simple.Render(self.view)
        if self.source.PointData.GetNumberOfArrays() > 0:  # else its files are gone: that is no picture of it
            say(f"picture {step} {time.time():.6f}")


class Stream:
    def __init__(self, picture):
        self.source = picture.source = simple.BeamcastStream()

    def newest(self):
        self.source.InvokeCommand("Refresh")
        self.source.UpdatePropertyInformation()
        return self.source.StepShown


class Files:
    """Each step's .pvti is a file that the same reader is pointed at."""

    def __init__(self, picture, folder):
        self.picture, self.folder = picture, folder

    def newest(self):
        step = max((int(os.path.basename(path)[:-5]) for path in glob.glob(self.folder + "/*.pvti")), default=-1)
        name = [f"{self.folder}/{step}.pvti"]
        if step >= 0 and self.picture.source is None:
            self.picture.source = simple.XMLPartitionedImageDataReader(FileName=name)
        elif step >= 0:
            self.picture.source.FileName = name
        return step


class Live:
    """The producer delivers what is extracted with each step; it waits while the server does anything else."""

    def __init__(self, picture, port):
        self.picture, self.step, self.connected = picture, -1, False
        self.link = live.ConnectToCatalyst("localhost", int(port))
        self.link.AddObserver("ConnectionCreatedEvent", self.connect)
        self.link.AddObserver("UpdateEvent", self.update)

    def connect(self, *_):
        self.connected = True

    def update(self, *_):
        if self.picture.source is not None:
            self.step = self.link.GetTimeStep()

    def newest(self):
        live.ProcessServerNotifications()
        if self.connected and self.picture.source is None:
            self.picture.source = live.ExtractCatalystData(self.link, "volume")
        return self.step


def main(way, address, last, *place):
    host, port = address.rsplit(":", 1)
    simple.Connect(host, int(port))
    picture = Picture()
    source = {"stream": Stream, "files": Files, "live": Live}[way](picture, *place)
    say("ready")
    shown = -1
    while shown < int(last):  # or until run.py ends it
        step = source.newest()
        if step <= shown:
            time.sleep(0.005)
            continue
        shown = step
        picture.take(step)
    say("done")
    sys.stdin.read()  # a stock server ends with its client, and its memory is still to be read


main(*sys.argv[1:])
