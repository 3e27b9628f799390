# SPDX-License-Identifier: BSD-3-Clause
"""Draws the view for the browsers: quickly while somebody turns it, sharply when it is still.

Cameras and pictures are never queued. A camera that comes while the view is drawn replaces the one
before it, and a browser that has not shown its last pictures yet gets the newest one when it has.
"""
import asyncio
import math
import time
import traceback

from vtkmodules.vtkIOImage import vtkJPEGWriter
from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter
from vtkmodules.util.numpy_support import vtk_to_numpy

from beamcast_viewer import camera

STILL = 0.3  # seconds after the last camera until the view counts as still
QUICK, SHARP = 70, 92  # qualities of JPEG pictures
SMALLEST, LARGEST = 64, 2560  # pixels along a side of the view


class Drawing:
    """browsers: those that see the view, a set; each has ready() and show(picture)."""

    def __init__(self, viewer, browsers):
        self.viewer = viewer
        self.browsers = browsers
        self.count = self.drawn = 0  # of pictures that were drawn
        self._size = None
        self._moved = 0.0  # when a camera came last
        self._turn = None  # what came with it
        self._outdated, self._sharp = True, False  # the newest picture; whether it is a sharp one
        self._last = None
        self._wake = asyncio.Event()
        viewer.on_change(self._changed)

    # --- what is to be drawn -------------------------------------------------------------------

    def _changed(self):
        self._outdated = True
        self._wake.set()

    def turn(self, wanted, turn=None):
        """Takes a camera: the newest counts. turn: [page, number], which tells that page what a picture answers."""
        limits = (("azimuth", -1e9, 1e9), ("elevation", -90.0, 90.0), ("zoom", 0.05, 200.0))
        place = {name: max(low, min(high, float(wanted[name]))) for name, low, high in limits}
        place["pan"] = [max(-10.0, min(10.0, float(part))) for part in wanted["pan"][:2]]
        if not all(math.isfinite(value) for value in (place["azimuth"], *place["pan"])):
            raise ValueError("a camera is made of numbers")
        if turn is not None:
            turn = [str(turn[0])[:32], int(turn[1])]
        self.viewer.turn(**place)
        self._moved, self._turn = time.monotonic(), turn

    def touched(self):
        """What is drawn is being changed by hand: quick pictures first."""
        self._moved = time.monotonic()

    def resize(self, width, height):
        wide, high = (max(SMALLEST, min(LARGEST, int(side))) for side in (width, height))
        if self._size != (wide, high):
            self._size = (wide, high)
            self._moved = time.monotonic()
            self._changed()

    def wake(self):
        """A browser has come, or has room for a picture."""
        self._wake.set()

    # --- drawing -------------------------------------------------------------------------------

    async def run(self):
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), self._until_sharp())
            except asyncio.TimeoutError:
                pass
            self._wake.clear()
            try:
                self.step()
            except Exception:  # the session goes on
                traceback.print_exc()
            await asyncio.sleep(0.001)  # what has come meanwhile is taken first

    def _watched(self):
        return self.viewer.draws() and any(browser.ready() for browser in self.browsers)

    def _until_sharp(self):
        """Seconds until a sharp picture is due, 0 if it is already; None: it is there, or nobody could take it."""
        if self._sharp or not self._watched():
            return None
        return max(0.0, STILL - (time.monotonic() - self._moved))

    def step(self):
        """Draws if that makes sense now, and hands out the newest picture."""
        moving = time.monotonic() - self._moved < STILL
        if self._watched() and (self._outdated or not self._sharp and not moving):
            self._draw(not moving)
        if self._last is not None:
            for browser in list(self.browsers):
                if browser.ready() and browser.seen != self._last[0]["number"]:
                    browser.show(*self._last)

    def _draw(self, sharp):
        begun = time.monotonic()
        self._outdated, self._sharp = False, sharp
        viewer = self.viewer
        if self._size is not None and list(viewer.view.ViewSize) != list(self._size):
            viewer.view.ViewSize = list(self._size)
            camera.place(viewer.view, viewer.bounds(), **viewer.camera)  # a narrow view is looked at from farther away
        viewer.render(quick=not sharp)
        data, width, height = grab(viewer.view, SHARP if sharp else QUICK)
        self.count += 1
        state = viewer.receiver.step(viewer.stream) if viewer.source is viewer.live else None
        self._last = ({"kind": "picture", "number": self.count, "sharp": sharp, "width": width,
                       "height": height, "camera": viewer.camera, "turn": self._turn, "step": state and state["step"],
                       "seconds": round(time.monotonic() - begun, 4)}, data)


def grab(view, quality):
    """What a view's window shows now, as a JPEG file, and its width and height."""
    window = view.SMProxy.GetRenderWindow()
    taken = vtkWindowToImageFilter()
    taken.SetInput(window)
    taken.ReadFrontBufferOff()
    taken.ShouldRerenderOff()
    taken.Update()
    writer = vtkJPEGWriter()
    writer.SetInputData(taken.GetOutput())
    writer.SetQuality(quality)
    writer.ProgressiveOff()
    writer.WriteToMemoryOn()
    writer.Write()
    width, height, _ = taken.GetOutput().GetDimensions()
    return vtk_to_numpy(writer.GetResult()).tobytes(), width, height
