# SPDX-License-Identifier: BSD-3-Clause
"""A user's Python script, run at each step that is shown."""
import contextlib
import os
import sys
import traceback

from paraview import servermanager, simple
from paraview.catalyst import detail


def own_folder():
    """Where Beamcast's own scripts are, and what they share; None if they are not installed."""
    here = os.path.dirname(os.path.realpath(__file__))
    for up in ("../../../..", "../../../../.."):
        folder = os.path.normpath(os.path.join(here, up, "share/beamcast/catalyst_scripts"))
        if os.path.isdir(folder):
            return folder
    return None


class Info:
    """What catalyst_execute is given, as ParaView's Catalyst gives it."""

    def __init__(self, step, time):
        self.timestep = self.cycle = step
        self.time = time


@contextlib.contextmanager
def stream_as_producer(name, source):
    """Meanwhile a source that a script makes under the stream's name, whatever it is, is the stream, as it is a
    producer's channel in Catalyst: scripts that ParaView exports ask for their data in this way."""
    def create(_):
        proxy = servermanager.filters.PassThrough(no_update=True)
        proxy.IgnoreUnknownSetRequests = True  # such as the file's name of a reader
        simple.SetActiveSource(source)  # the input of what is made without one
        return proxy

    before = detail.IsInsituInput, detail.CreateProducer
    detail.IsInsituInput, detail.CreateProducer = (lambda wanted: wanted == name), create
    try:
        yield
    finally:
        detail.IsInsituInput, detail.CreateProducer = before


class Script:
    """A script of ParaView's Catalyst (version 2) has catalyst_execute(info), and may have
    catalyst_initialize() and catalyst_finalize(), or makes extractors, which are then triggered at
    each step. A file without either is run as a whole at each step, with `info` among its names.
    `volume` is the stream's proxy in all. After an error, which is told once with file and line, a
    script is not run again; the viewer goes on."""

    def __init__(self, path, source, tell):
        self.path = path
        self.tell = tell
        self.source = source
        self.extractors = []
        self.names = {"__name__": os.path.splitext(os.path.basename(path))[0], "__file__": path,
                      "volume": source}
        self.code = None
        self.begun = self.failed = False
        sys.path.insert(1, os.path.dirname(path))
        if own_folder() not in [None, *sys.path]:
            sys.path.append(own_folder())  # for scripts elsewhere that import beamcast_catalyst

    def step(self, step, time):
        self._attempt(self._step, Info(step, time))

    def end(self):
        if self.begun:
            self._attempt(self._call, "catalyst_finalize")

    def _step(self, info):
        if self.code is None:
            with open(self.path, "rb") as stream:
                self.code = compile(stream.read(), self.path, "exec")
        if not self.begun:
            self.names["info"] = info
            before = simple.GetExtractors()
            with stream_as_producer(self.source.StreamName, self.source):
                exec(self.code, self.names)  # the user's own script, with the user's rights
            self.extractors = [each for each in simple.GetExtractors() if each not in before]
            self.begun = "catalyst_execute" in self.names or bool(self.extractors)
            if self.begun:
                self._call("catalyst_initialize")
        if self.begun:
            self._call("catalyst_execute", info)
            self._extract(info)

    def _extract(self, info):
        controller = servermanager.vtkSMExtractsController()
        controller.SetTimeStep(info.timestep)
        controller.SetTime(info.time)
        options = self.names.get("options")
        controller.SetExtractsOutputDirectory(getattr(options, "ExtractsOutputDirectory", "."))
        for extractor in self.extractors:
            controller.Extract(extractor.SMProxy)

    def _call(self, name, *arguments):
        if name in self.names:
            self.names[name](*arguments)

    def _attempt(self, function, *arguments):
        if self.failed:
            return
        try:
            function(*arguments)
        except (Exception, SystemExit) as error:
            self.failed = True
            place = self.path
            for frame in traceback.extract_tb(error.__traceback__):
                place = "%s:%d" % (self.path, frame.lineno) if frame.filename == self.path else place
            if isinstance(error, SyntaxError):
                place = "%s:%s" % (error.filename, error.lineno)
            self.tell("%s: %s: %s; the script is not run again" % (place, type(error).__name__, error))
