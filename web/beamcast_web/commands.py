# SPDX-License-Identifier: BSD-3-Clause
"""What pages may ask of the session, and what they are told without asking."""
import asyncio
import json
import time
import traceback

from beamcast_viewer import colours, errors

from . import access, files, job, looking, movie, steps

EVERY = 0.5  # seconds between looks whether the state is another one
WAIT_BEAT = 0.1  # seconds between words on how far something long is
BEAT = 10  # seconds: how often a page that is seen keeps the session from being idle


class Commands:
    """Takes one message after the other. One browser at a time steers: it turns and changes what all see."""

    def __init__(self, viewer, loop, server):
        self.viewer = viewer
        self.loop = loop
        self.server = server
        self.steers = None  # the browser that does
        self._told = None
        self._told_wait = 0.0
        self._verbs = {}  # name: (function, what it needs)
        self._slow = {}
        self._tasks = set()
        self.looking = looking.Looking(viewer, self)
        self.files = files.Files(viewer, self)
        self.steps = steps.Steps(viewer, self)
        self.movie = movie.Movie(viewer, self)
        self.job = job.Job()
        viewer.on_wait(self._wait)
        self.add("camera", self._camera, steers=True)
        self.add("size", self._size, steers=True)
        self.add("set", self._set, steers=True)
        self.add("steer", self._steer, full=True)
        self.add("link", self._link, full=True)
        self.add("cancel", lambda _: None, steers=True)  # of what is over by the time that it is taken

    def add(self, name, function, steers=False, full=False):
        """function(arguments) returns what the page gets as the answer: a dict, a dict and bytes, or None.
        full: not for those who may only view; steers: for the one who steers alone."""
        self._verbs[name] = (function, steers, full or steers)

    def add_slow(self, name, function):
        """The same for an async function(browser, arguments), which the session goes on beside."""
        self._slow[name] = function

    # --- who is there --------------------------------------------------------------------------

    def came(self, browser):
        if browser.rights == access.FULL and self.steers is None:
            self.steers = browser
        self.loop.used()
        browser.send(dict(self._state(), **self._place(browser), kernels=list(colours.KERNELS),
                          qualities=list(colours.QUALITIES), presets=list(colours.PRESETS)))
        self._tell_places()
        self.server.drawing.wake()

    def left(self, browser):
        if self.steers is browser:
            self.steers = next((one for one in self.server.browsers if one.rights == access.FULL), None)
        self._tell_places()

    def _place(self, browser):
        return {"rights": browser.rights, "steers": browser is self.steers, "viewers": len(self.server.browsers)}

    def _tell_places(self):
        for browser in self.server.browsers:
            browser.send(dict(self._place(browser), kind="place"))

    def _wait(self, doing, part):
        """Returns whether who steers no longer wants it."""
        if doing is not None and 0 < part < 1 and time.monotonic() - self._told_wait < WAIT_BEAT:
            return False
        self._told_wait = time.monotonic()
        for browser in self.server.browsers:
            browser.send_now({"kind": "busy", "doing": doing, "part": part})
        return doing is not None and self.steers is not None and self.steers.says_now("cancel")

    # --- messages ------------------------------------------------------------------------------

    def take(self, browser, message):
        number, what = message.pop("id", None), message.pop("do", None)
        if what in self._slow:
            task = asyncio.ensure_future(self._take_slow(browser, self._slow[what], number, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        try:
            function, steers, full = self._verbs.get(what, (None, False, False))
            if function is None:
                raise errors.Refused(errors.UNSUPPORTED, "the session does not know that")
            if full and browser.rights != access.FULL:
                raise errors.Refused(errors.REFUSED, "this link is for viewing only")
            if steers and browser is not self.steers:
                raise errors.Refused(errors.REFUSED, "somebody else steers now: take over first")
            self.loop.used()
            result = function(browser, **message)
        except Exception as wrong:
            result = {"error": _sentence(wrong)}
        self._answer(browser, number, result)

    async def _take_slow(self, browser, function, number, message):
        try:
            result = await function(browser, **message)
        except Exception as wrong:
            result = {"error": _sentence(wrong)}
        self._answer(browser, number, result)

    def _answer(self, browser, number, result):
        value, data = result if isinstance(result, tuple) else (result, None)
        if number is None:
            return
        if value and "error" in value:
            browser.send({"kind": "answer", "id": number, "error": value["error"]})
        else:
            browser.send({"kind": "answer", "id": number, "value": value}, data)

    def _camera(self, _, value, turn=None):
        self.server.drawing.turn(value, turn)

    def _size(self, _, width, height):
        self.server.drawing.resize(width, height)

    def _set(self, _, **values):
        if "window" in values:
            values["window"] = tuple(values["window"])
        if "kernel" in values and values["kernel"] not in colours.KERNELS:
            raise errors.Refused(errors.ARGUMENT, "this is no kernel's name")
        if set(values) - {"kernel", "preset", "window", "array", "curves", "quality"}:
            raise errors.Refused(errors.ARGUMENT, "a page sets kernel, quality, preset, curves, window and array")
        self.server.drawing.touched()
        self.viewer.set(**values)

    def _steer(self, browser):
        self.steers = browser
        self._tell_places()

    def _link(self, _, view=True):
        return {"token": self.server.access.link(access.VIEW if view else access.FULL)}

    # --- the state -----------------------------------------------------------------------------

    def _state(self):
        state = self.viewer.state()
        state.pop("changes")
        if state["shown"]:
            state["shown"].pop("header", None)
        if state["shown"]:
            state["shown"]["time_shown"] = self.viewer.time
        state["crop"], state["light"] = self.looking.crop(), self.looking.light()
        state["steps"] = self.steps.state()
        state["labels"], state["points"] = self.viewer.labels.state(), self.viewer.points.state()
        state["job"] = self.job.state()
        return {"kind": "state", "state": state}

    async def run(self):
        """Tells all pages the state when it is another one."""
        beat = 0.0
        while True:
            await asyncio.sleep(EVERY)
            try:
                if not self.server.browsers:
                    continue
                if time.monotonic() - beat > BEAT and any(one.visible for one in self.server.browsers):
                    beat = time.monotonic()
                    self.loop.used()
                state = self._state()
                told = json.dumps(state, sort_keys=True)
                if told != self._told:
                    self._told = told
                    for browser in self.server.browsers:
                        browser.send(state)
            except Exception:  # the session goes on
                traceback.print_exc()


def _sentence(wrong):
    """What a page is told of it. Whatever a page asks, the session goes on."""
    if isinstance(wrong, errors.Refused):
        return str(wrong)
    if isinstance(wrong, (KeyError, TypeError, ValueError)):
        return "the call makes no sense: %s" % wrong
    traceback.print_exception(wrong)
    return "the session failed: %s" % wrong
