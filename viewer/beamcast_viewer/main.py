# SPDX-License-Identifier: BSD-3-Clause
"""Options, the event loop, the end. Everything runs on this one thread, an asyncio loop: steps that
come, calls, signals, and what front ends add (see Front in viewer/README.md)."""
import argparse
import asyncio
import importlib
import json
import os
import sys
import time
import traceback

import _beamcast_viewer as receiver

from . import script

POLL = 0.05  # seconds between looks for a new step
LOOK_AROUND = 0.5  # seconds between looks whether it is time to end
FINISH = 2  # seconds that a front end gets at the end


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="beamcast-viewer", allow_abbrev=False,
        description="Shows what is pushed, to nobody at a screen: answers calls for pictures. "
                    "Started by `beamcast start`: mpiexec -n RANKS beamcast-viewer [OPTIONS]")
    parser.add_argument("--contact", metavar="FILE", help="where to write the contact file")
    parser.add_argument("--stream", default="volume", help="the stream that is shown")
    parser.add_argument("--idle", type=float, default=60, metavar="MINUTES",
                        help="end after so long without push and call; 60; 0: never")
    parser.add_argument("--front", action="append", default=[], metavar="MODULE",
                        help="a Python module with start(viewer, loop), for front ends")
    parser.add_argument("--keep", type=int, default=0, metavar="N", help="steps to keep beside the newest")
    parser.add_argument("--slots", type=int, default=3, metavar="N", help="steps that memory is for beside these; 3")
    parser.add_argument("--script", metavar="FILE[:...]", default="",
                        help="Python scripts that are run at each step")
    parser.add_argument("--json", action="store_true", help="print where it is as a JSON object")
    return parser.parse_args(arguments)


def say(line):
    os.write(2, ("beamcast-viewer: %s\n" % line).encode())


class Loop:
    """What drives the viewer. Front ends get it: used() says that somebody is there, end() ends."""

    def __init__(self, options, viewer, calls):
        self.options = options
        self.viewer = viewer
        self.calls = calls
        self.scripts = [script.Script(path, viewer.live, say) for path in options.script.split(":") if path]
        self._used = time.monotonic()
        self._activity = 0
        self._ended = asyncio.Event()
        self._finishers = []

    def at_end(self, finish):
        """await finish() when the viewer ends, for FINISH seconds at most."""
        self._finishers.append(finish)

    def used(self):
        """Somebody uses the viewer: it is not idle."""
        self._used = time.monotonic()

    def end(self):
        self._ended.set()

    async def run(self):
        events = asyncio.get_running_loop()
        events.add_reader(self.calls.descriptor, self._take_calls)
        events.add_reader(receiver.signal_descriptor(), self.end)
        ready = {"contact": receiver.contact(), "pid": os.getpid(), "ranks": receiver.ranks,
                 "paraview": receiver.paraview}
        for name in self.options.front:
            ready.update(await importlib.import_module(name).start(self.viewer, self) or {})
        line = json.dumps(ready) if self.options.json else \
            "beamcast-viewer: contact file " + ready["contact"]
        os.write(1, (line + "\n").encode())
        watch = asyncio.ensure_future(self._watch())
        await self._ended.wait()
        watch.cancel()
        for finish in self._finishers:
            try:
                await asyncio.wait_for(finish(), FINISH)
            except Exception as wrong:  # it ends all the same
                say("a front end does not end well: %s" % (wrong or type(wrong).__name__))
        for one in self.scripts:
            one.end()

    def _take_step(self):
        try:
            if self.viewer.poll():
                self.used()
                for one in self.scripts:
                    shown = receiver.step(self.viewer.stream)
                    one.step(shown["step"], shown["time"])
        except Exception as wrong:  # a step that can't be shown must not end the session
            say("a step can't be shown: %s" % wrong)

    def _take_calls(self):
        """Calls see what was complete before they came."""
        self._take_step()
        self.calls.take()

    async def _watch(self):
        looked = 0.0
        while True:
            self._take_step()
            if time.monotonic() - looked > LOOK_AROUND:
                looked = time.monotonic()
                self._look_around()
            await asyncio.sleep(POLL)

    def _look_around(self):
        if receiver.is_to_end():
            self.end()
        activity = receiver.activity()
        if activity != self._activity:
            self._activity = activity
            self.used()
        if 0 < 60 * self.options.idle < time.monotonic() - self._used:
            say("idle for too long (see --idle), ending.")
            self.end()


def main():
    """Returns the exit status."""
    try:
        options = parse(sys.argv[1:])
    except SystemExit as wrong:
        return wrong.code or 0
    from . import calls, viewer
    try:
        shown = viewer.Viewer(receiver, options.stream, options.keep, options.slots)
        asyncio.run(Loop(options, shown, calls.Calls(shown, receiver)).run())
    except Exception as wrong:
        traceback.print_exc()
        say("it does not run: %s" % wrong)
        return 1
    return 0
