# SPDX-License-Identifier: BSD-3-Clause
"""The stock ParaView program with a session from the list in its Connect dialog: to one it connects, for the other
it listens and is connected to. It has no plugin of ours, sees what was pushed, and leaves; both sessions stay.

With a file's name as argument, a picture of the window is kept there."""
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np

import sessions

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server", "tests"))
from harness import Screen  # noqa: E402

SCRIPT = """
from paraview.simple import *
stream = FindSource("stream") or BeamcastStream(registrationName="stream")
view = GetActiveViewOrCreate("RenderView")
display = Show(stream, view)
display.SetRepresentationType("Volume")
ColorBy(display, ("POINTS", stream.PointData[0].Name))
colours, opacity = GetColorTransferFunction(stream.PointData[0].Name), GetOpacityTransferFunction(stream.PointData[0].Name)
for function in (colours, opacity):
    function.RescaleTransferFunction(-100, 1500)
GetActiveCamera().SetPosition(0, -1, 0.3)
GetActiveCamera().SetFocalPoint(0, 0, 0)
GetActiveCamera().SetViewUp(0, 0, 1)
ResetCamera(view)
Render(view)
with open(%r, "w") as report:
    print(stream.GetDataInformation().GetExtent(), stream.PointData[0].GetRange(), file=report)
"""


def volume(home):
    """Debian's CT, or something like it."""
    cranium = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "cranium")
    raw = os.path.join(home.path, "ct.raw")
    if subprocess.run([cranium, raw], capture_output=True, check=False).returncode == 0:
        return np.fromfile(raw, "<i2").reshape(108, 256, 256)
    z, y, x = np.mgrid[-1:1:54j, -1:1:64j, -1:1:64j]
    return (1500 - 2000 * (x * x + y * y + z * z)).astype("<i2")


def see(home, screen, session, want, keep=None):
    report = os.path.join(home.path, "report")
    script = os.path.join(home.path, "script.py")
    with open(script, "w") as stream:
        stream.write(SCRIPT % report)
    environment = dict(home.environment, DISPLAY=screen.name, TMPDIR=os.path.join(home.path, "gui"))
    os.makedirs(environment["TMPDIR"], exist_ok=True)
    environment.pop("PV_PLUGIN_PATH", None)

    def keys(*words):
        return subprocess.run(["xdotool", *words], env=environment, capture_output=True, text=True, check=False).stdout

    with open(os.path.join(home.path, "log"), "w+") as log:
        window = subprocess.Popen(["paraview", "--server=Beamcast " + session["id"], "--script=" + script],
                                  env=environment, stdout=log, stderr=log, start_new_session=True, cwd=home.path)

        def messages():
            log.seek(0)
            return log.read()

        def seen():
            """ParaView asks with the connect id before it connects; the number is there."""
            asked = keys("search", "--onlyvisible", "--name", "Connection Options").split()
            if asked:
                keys("windowfocus", "--sync", asked[0], "key", "Return")
                time.sleep(1)
            return os.path.exists(report)

        try:
            sessions.wait_until(seen, messages)
            with open(report) as stream:
                assert stream.read().strip() == want, messages()
            assert "deprecated" not in messages(), messages()  # it would open a window of messages
            if keep:
                time.sleep(2)
                subprocess.run(["import", "-window", "root", keep], env=environment, check=True)
        finally:
            os.killpg(window.pid, signal.SIGKILL)
            window.wait(sessions.LIMIT)
    os.unlink(report)


def main():
    sessions.need("Xvfb", "mpiexec", "paraview", "pvserver", "xdotool", "import")
    with sessions.Home() as home, Screen() as screen:
        settings = os.path.join(home.path, ".config", "ParaView")
        os.makedirs(settings)
        version = subprocess.run(["pvserver", "--version"], env=home.environment, capture_output=True, text=True,
                                 check=True).stdout.split()[-1]
        with open(os.path.join(settings, "ParaView%s.ini" % version), "w") as stream:
            stream.write("[General]\nGeneralSettings.ShowWelcomeDialog=false\n")
        array = volume(home)
        np.save(os.path.join(home.path, "ct.npy"), array)
        want = "%s (%.1f, %.1f)" % ((0, array.shape[2] - 1, 0, array.shape[1] - 1, 0, array.shape[0] - 1),
                                    array.min(), array.max())
        connected, called = home.start("--ranks", 2), home.start("--client", "localhost")
        assert connected["client"] is None and called["client"].startswith("csrc://localhost:"), called
        for session in (connected, called):
            home.run("push", "ct.npy", "--to", session["id"], "--spacing", "0.957,0.957,1.5")
        see(home, screen, connected, want, *sys.argv[1:])
        see(home, screen, called, want)
        for session in (connected, called):
            assert home.json("status", session["id"])["state"] == "running"
            home.run("stop", session["id"])
        shutil.rmtree(settings)
        home.check_nothing_left()


if __name__ == "__main__":
    main()
