#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the ParaView program a .nxs file opens through File > Open, with nothing to pick, and is shown; the panel says
what a read will take while it is edited; the cross beside the progress bar ends a read, in the program itself and on
a server of two ranks; and a file that grows is followed on that server.

    gui_test.py PLUGIN_FOLDER [PICTURE]

Keys and clicks go to a screen that nobody sees; what is on it is looked at as a user would."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

from growing_test import WRITER
from probe import skip_names

WIDTH, HEIGHT = 1500, 1000
VIEW = np.s_[250:950, 400:1300]  # the middle of the render view, of the screen's rows and columns


def skip(text):
    print("skipped:", text)
    sys.exit(77)


def no_welcome(home):
    """ParaView opens with no dialog that waits for somebody."""
    version = subprocess.run(["pvserver", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    settings = os.path.join(home, ".config", "ParaView")
    os.makedirs(settings)
    with open(os.path.join(settings, f"ParaView{version}.ini"), "w") as f:
        f.write("[General]\nGeneralSettings.ShowWelcomeDialog=false\n")


def make_file(path):
    z, y, x = np.mgrid[-1:1:40j, -1:1:50j, -1:1:60j]
    with h5py.File(path, "w") as f:
        f.attrs["default"] = "entry"
        f.create_group("entry").attrs["default"] = "data"
        d = f.create_group("entry/data")
        d.attrs.update(NX_class="NXdata", signal="density")
        d["density"] = (np.cos(6 * x + 3 * y * z) * 100 * (x * x + y * y + z * z < 0.8)).astype("f4")


class Screen:
    """A screen of its own, found by the number that Xvfb itself picks."""

    def __init__(self, home):
        read, write = os.pipe()
        self.server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-noreset"],
                                       pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        self.environment = dict(os.environ, DISPLAY=":" + number, HOME=home)
        self.environment.pop("XDG_CONFIG_HOME", None)

    def do(self, *words):
        return subprocess.run(["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True)

    def picture(self):
        raw = subprocess.run(["import", "-window", "root", "-depth", "8", "rgb:-"], env=self.environment,
                             capture_output=True).stdout
        return np.frombuffer(raw, "u1").reshape(HEIGHT, WIDTH, 3)

    def colours(self):
        return len(np.unique(self.picture()[VIEW].reshape(-1, 3), axis=0))


def wait(what, condition, seconds=150):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not seen: {what}"
        time.sleep(0.5)


def play(screen, path):
    def window(name):
        found = screen.do("search", "--onlyvisible", "--name", name).stdout.split()
        return found[0] if found else None

    wait("ParaView's window", lambda: window("ParaView 5"))
    main = window("ParaView 5")

    screen.do("windowmove", main, 0, 0, "windowsize", main, WIDTH, HEIGHT)
    wait("the empty view", lambda: 0 < screen.colours() < 300)
    screen.do("windowfocus", main, "key", "ctrl+o")
    wait("the file dialog", lambda: window("Open File"))

    def opened():
        """Keys that come before the dialog takes them are lost: the path is typed until it is gone."""
        dialog = window("Open File")
        if dialog and screen.do("windowfocus", "--sync", dialog).returncode == 0:
            screen.do("key", "ctrl+a")
            screen.do("type", "--delay", 20, path)
            screen.do("key", "Return")
            time.sleep(3)
        return not window("Open File")

    wait("the dialog's end", opened)
    time.sleep(2)
    assert not window("Open Data With"), "ParaView asks which reader to use"

    def shown():
        screen.do("windowfocus", main, "key", "alt+a")  # Apply; where its button lies differs between ParaViews
        return screen.colours() > 1000

    wait("the volume", shown)


# Run by the ParaView program, which says how far it is in files of its own.
BEGIN = """
import importlib, json, os, time, traceback
from paraview.simple import *

def say(word, **more):
    with open("{folder}/said.new", "w") as f:
        json.dump(more, f)
    os.rename("{folder}/said.new", "{folder}/said " + word)

def wait(what, condition):
    until = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < until, "not seen: " + what
        app.processEvents()
        time.sleep(0.02)

def panel():
    def row():
        found = [w for w in app.allWidgets() if w.metaObject().className() == "ReadSize" and w.isVisible()]
        return found[0].findChild(widgets.QLabel, "Text").text() if found else ""
    def edit(name, number, text):
        lines = [w.findChildren(widgets.QLineEdit) for w in app.allWidgets() if w.objectName() == name and w.isVisible()]
        line = next(found for found in lines if found)[number]
        line.selectAll()
        test.QTest.keyClicks(line, text)
        test.QTest.keyClick(line, core.Qt.Key.Key_Return)
    reader = BeamcastVolumeReader(FileName=["{small}"])
    Show(reader)
    SetActiveSource(reader)
    wait("the panel's row", lambda: row() == "0.5 MiB: 60 x 50 x 40 of 60 x 50 x 40 voxels")
    edit("Stride", 2, "4")
    wait("a stride in the row", lambda: row() == "0.1 MiB: 60 x 50 x 10 of 60 x 50 x 40 voxels")
    edit("Region", 1, "61")
    wait("a region too large", lambda: "61" in row() and "MiB" not in row())
    edit("Region", 1, "30")
    wait("a region in the row", lambda: row() == "0.1 MiB: 30 x 50 x 10 of 60 x 50 x 40 voxels")
    reader.UpdatePropertyInformation()
    assert list(reader.Size) == [60, 50, 40], "nothing is read before Apply"
    Delete(reader)

def cancel(word):
    cross = [w for w in app.allWidgets() if w.objectName() == "AbortButton"][0]
    wait("the cross", cross.isVisible)
    place = cross.mapToGlobal(cross.rect().center())
    reader = BeamcastVolumeReader(FileName=["{large}"], Threads=1)
    reader.UpdatePipelineInformation()
    say("reads " + word, place=[place.x(), place.y()])
    reader.UpdatePipeline()
    arrays = [a.GetName() for a in reader.PointData]
    reader.UpdatePropertyInformation()
    read = int(reader.SamplesRead)
    view = GetActiveViewOrCreate("RenderView")
    Show(reader, view)
    Render(view)  # asks again, and is not read again
    reader.UpdatePropertyInformation()
    say("ended " + word, arrays=arrays, again=int(reader.SamplesRead) - read)
    Delete(reader)

def qt_modules():
    version = GetParaViewVersion()
    names = "PyQt6.Qt%s" if (version.major, version.minor) >= (5, 13) else "PyQt5.Qt%s"
    try:
        return [importlib.import_module(names % part) for part in ("Core", "Test", "Widgets")]
    except ImportError:
        return None

try:
    qt = qt_modules()
    if qt:
        core, test, widgets = qt
        app = widgets.QApplication.instance()
        panel()
        cancel("here")
    Connect("localhost", {port})
    if qt:
        cancel("there")
        app.processEvents()
        for dock in app.allWidgets():  # the messages of the ended reads lie over the view
            if dock.inherits("QDockWidget") and dock.isVisible() and "output" in dock.objectName().lower():
                dock.close()
    say("done", clicked=bool(qt))
except BaseException:
    say("failed", why=traceback.format_exc())
"""

FOLLOW = """
view = GetActiveViewOrCreate("RenderView")
reader = BeamcastVolumeReader(FileName=["{path}"], Dataset="/frames", Live=1, Unit="voxel")
Show(reader, view).SetRepresentationType("Surface")
view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = [120, 90, 20], [3, 3, 20], [0, 0, 1]
Render()
"""


class Server:
    """pvserver on two ranks, at a port that was free."""

    def __init__(self, environment):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(["mpiexec", "--oversubscribe", "-n", "2", "pvserver", f"--server-port={self.port}"],
                                        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if "Accepting connection" in line:
                return
        raise AssertionError("pvserver did not start")

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def make_large(path):
    """Takes a while to read, and little to write: one block stands for all."""
    noise = np.random.default_rng(1).integers(0, 99, (64, 1000, 1000), "u1")
    with h5py.File(path, "w") as f:
        f.create_dataset("part", data=noise, chunks=(1, 1000, 1000), compression="gzip", compression_opts=1)
        layout = h5py.VirtualLayout((64 * 40, 1000, 1000), "u1")
        for i in range(40):
            layout[64 * i:64 * i + 64] = h5py.VirtualSource(".", "part", noise.shape)
        f.create_virtual_dataset("v", layout)


def said(folder, word):
    """What the script in the ParaView program has said, None as long as it has not."""
    if os.path.exists(os.path.join(folder, "said failed")):
        with open(os.path.join(folder, "said failed")) as f:
            raise AssertionError(json.load(f)["why"])
    try:
        with open(os.path.join(folder, "said " + word)) as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def press(folder, screen, where):
    """Presses the cross while the volume is read."""
    wait("a read " + where, lambda: said(folder, "reads " + where) or said(folder, "done"), 300)
    if not said(folder, "reads " + where):
        return
    x, y = said(folder, "reads " + where)["place"]

    def ended():
        screen.do("mousemove", x, y, "click", 1)
        return said(folder, "ended " + where)

    wait("the end of the read " + where, ended)
    answer = said(folder, "ended " + where)
    assert answer["arrays"] == [] and answer["again"] == 0, answer
    print("the cross ends a read", where, flush=True)


def more(folder, screen, environment):
    """What the panel says, the cross, and without a click what a writer adds."""
    path, script = os.path.join(folder, "scan.h5"), os.path.join(folder, "follow.py")
    large = os.path.join(folder, "large.h5")
    make_large(large)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True, bufsize=1)

    def add(count):
        print(count, file=writer.stdin, flush=True)
        assert writer.stdout.readline() == "flushed\n"

    assert writer.stdout.readline() == "ready\n"
    add(4)
    server = Server(environment)
    with open(script, "w") as f:
        f.write((BEGIN + FOLLOW).format(port=server.port, path=path, folder=folder, large=large,
                                        small=os.path.join(folder, "volume.nxs")))
    with open(os.path.join(folder, "log"), "ab") as log:
        paraview = subprocess.Popen(["paraview", "--script=" + script], env=environment, stdout=log, stderr=log)
    try:
        press(folder, screen, "here")
        press(folder, screen, "there")
        wait("the server", lambda: said(folder, "done"))
        if said(folder, "done")["clicked"]:
            print("the panel says what a read takes", flush=True)
        else:
            skip_names("python3-pyqt5 (python3-pyqt6) is missing: panel and cross were left out")
        wait("the first frames", lambda: covered(screen) > 0.001)
        before = covered(screen)
        add(36)
        wait("the frames that came", lambda: covered(screen) > 3 * before)
        assert covered(screen) < 0.9
        print("a file that grows is followed on two ranks")
    finally:
        paraview.kill()
        paraview.wait()
        server.stop()
        writer.kill()
        writer.communicate()


def covered(screen):
    """The part of the view that has the colours of the frames' map, not of its background."""
    picture = screen.picture()[VIEW].astype(int)
    return float(np.mean(np.abs(picture[..., 0] - picture[..., 2]) > 60))


def main():
    for program in ("paraview", "pvserver", "mpiexec", "Xvfb", "xdotool", "import"):
        if shutil.which(program) is None:
            skip(f"{program} is missing")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "volume.nxs")
        make_file(path)
        no_welcome(folder)
        screen = Screen(folder)
        environment = dict(screen.environment, PV_PLUGIN_PATH=sys.argv[1])
        with open(os.path.join(folder, "log"), "wb") as log:
            paraview = subprocess.Popen(["paraview"], env=environment, stdout=log, stderr=log)
        try:
            play(screen, path)
            print("a .nxs file opens through File > Open and is shown", flush=True)
            if len(sys.argv) > 2:
                subprocess.run(["import", "-window", "root", sys.argv[2]], env=screen.environment)
            paraview.kill()
            paraview.wait()
            more(folder, screen, environment)
        finally:
            paraview.kill()
            paraview.wait()
            screen.server.terminate()
            screen.server.wait()


if __name__ == "__main__":
    main()
