# SPDX-License-Identifier: BSD-3-Clause
"""A film of the view that turns once."""
import asyncio
import tempfile

from beamcast_viewer import camera, errors

from . import access, drawing, film

QUALITY = 92
MOST = 720  # frames


class Movie:
    def __init__(self, viewer, commands):
        self.viewer = viewer
        self.commands = commands
        self._running = None  # whose film is being made
        commands.add_slow("movie", self._make)
        commands.add("movie_stop", self._stop, steers=True)

    def _stop(self, browser):
        self._running = None

    async def _make(self, browser, frames=120, rate=24):
        if browser.rights != access.FULL or browser is not self.commands.steers:
            raise errors.Refused(errors.REFUSED, "a film is made by the one who steers")
        if self._running is not None:
            raise errors.Refused(errors.REFUSED, "a film is being made already")
        if not self.viewer.draws():
            raise errors.Refused(errors.REFUSED, "there is nothing to show yet")
        frames, rate = max(2, min(MOST, int(frames))), max(1, min(60, int(rate)))
        self._running = browser
        try:
            pictures, size = await self._draw(browser, frames)
            with tempfile.TemporaryDirectory(prefix="beamcast-film-") as folder:
                made = await film.encode(pictures, rate, folder)
            if made is not None:
                return {"type": "video/mp4", "name": "beamcast.mp4"}, made
            return {"type": "video/x-msvideo", "name": "beamcast.avi"}, film.to_avi(pictures, size, rate)
        finally:
            self._running = None

    async def _draw(self, browser, frames):
        """A JPEG picture for each step of one turn, and their size; others are served in between."""
        viewer, pictures, size = self.viewer, [], None
        for i in range(frames):
            if self._running is not browser or browser not in self.commands.server.browsers:
                raise errors.Refused(errors.REFUSED, "the film was stopped")
            self.commands.loop.used()
            stood, view_size = camera.save(viewer.view), list(viewer.view.ViewSize)
            try:
                if size is None:
                    size = [max(2, side - side % 2) for side in view_size]  # H.264 wants even ones
                viewer.view.ViewSize = size
                place = dict({"azimuth": 0.0}, **viewer.camera)
                place["azimuth"] += 360.0 * i / frames
                camera.place(viewer.view, viewer.bounds(), **place)
                viewer.render()
                pictures.append(drawing.grab(viewer.view, QUALITY)[0])
            finally:
                viewer.view.ViewSize = view_size
                camera.restore(viewer.view, stood)
            browser.send({"kind": "movie", "done": i + 1, "of": frames})
            await asyncio.sleep(0.002)
        viewer.changed()
        return pictures, size
