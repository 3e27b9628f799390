#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""In the ParaView program a .nxs file opens through File > Open, with nothing to pick, and is shown; and a file
that grows is followed, here on a server of two ranks.

    gui_test.py PLUGIN_FOLDER [PICTURE]

Keys and clicks go to a screen that nobody sees; what is on it is looked at as a user would."""

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

WIDTH, HEIGHT = 1500, 1000
VIEW = np.s_[250:950, 400:1300]  # the middle of the render view, of the screen's rows and columns


def skip(text):
    print("skipped:", text)
    sys.exit(77)


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
        self.server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"],
                                       pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        self.environment = dict(os.environ, DISPLAY=":" + number, HOME=home)

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

    quiet = []

    def empty():
        """The empty view for some seconds: the welcome dialog may come late, and goes with Escape."""
        if 0 < screen.colours() < 300:
            quiet.append(1)
        else:
            quiet.clear()
            screen.do("key", "Escape")
        return len(quiet) >= 10

    screen.do("windowmove", main, 0, 0, "windowsize", main, WIDTH, HEIGHT)
    wait("the empty view", empty)
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


FOLLOW = """
from paraview.simple import *
Connect("localhost", {port})
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


def follow(folder, screen, environment):
    """What the writer adds is shown, without a click."""
    path, script = os.path.join(folder, "scan.h5"), os.path.join(folder, "follow.py")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True, bufsize=1)

    def more(count):
        print(count, file=writer.stdin, flush=True)
        assert writer.stdout.readline() == "flushed\n"

    assert writer.stdout.readline() == "ready\n"
    more(4)
    server = Server(environment)
    with open(script, "w") as f:
        f.write(FOLLOW.format(port=server.port, path=path))
    with open(os.path.join(folder, "log"), "ab") as log:
        paraview = subprocess.Popen(["paraview", "--script=" + script], env=environment, stdout=log, stderr=log)
    try:
        wait("the first frames", lambda: covered(screen) > 0.001)
        before = covered(screen)
        more(36)
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
    """The part of the view that has the colours of the frames' map, not of its background or the dialogs."""
    screen.do("key", "Escape")  # the welcome dialog may come late
    picture = screen.picture()[VIEW].astype(int)
    return float(np.mean(np.abs(picture[..., 0] - picture[..., 2]) > 60))


def main():
    for program in ("paraview", "pvserver", "mpiexec", "Xvfb", "xdotool", "import"):
        if shutil.which(program) is None:
            skip(f"{program} is missing")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "volume.nxs")
        make_file(path)
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
            follow(folder, screen, environment)
        finally:
            paraview.kill()
            paraview.wait()
            screen.server.terminate()
            screen.server.wait()


if __name__ == "__main__":
    main()
