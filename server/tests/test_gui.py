# SPDX-License-Identifier: BSD-3-Clause
"""The ParaView program with a live source: under policy `all` a producer waits until each of its steps is
shown, so that it comes to its end only if the window looks for steps by itself; and the picture is there
without a click."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness

STEPS = 20
SCRIPT = """
from paraview.simple import *
from paraview import servermanager
source = BeamcastStream(Policy='all')
view = GetActiveViewOrCreate('RenderView')
display = Show(source, view)
Render(view)
count = 0

def drawn(caller, event):
    # The picture is not empty and windowed once steps have come.
    global count
    source.UpdatePropertyInformation()
    colours = GetColorTransferFunction('volume')
    count += 1
    with open(%r, 'w') as report:
        print(source.StepShown, display.ColorArrayName[1], colours.RGBPoints[0], colours.RGBPoints[-4],
              count, file=report)

view.SMProxy.AddObserver('EndEvent', drawn)
"""


def main():
    folder = tempfile.mkdtemp(prefix="beamcast-test-")
    contact, report = os.path.join(folder, "contact.json"), os.path.join(folder, "report")
    settings = os.path.join(folder, ".config", "ParaView")
    os.makedirs(settings)
    with open(os.path.join(settings, "ParaView-UserSettings.json"), "w") as stream:
        json.dump({"settings": {"GeneralSettings": {"ShowWelcomeDialog": 0}}}, stream)
    script = os.path.join(folder, "script.py")
    with open(script, "w") as stream:
        stream.write(SCRIPT % report)
    with harness.Screen() as screen:
        env = harness.environment(screen, plugins=True, BEAMCAST_CONTACT_FILE=contact, HOME=folder)
        env.pop("XDG_CONFIG_HOME", None)
        program = subprocess.Popen(["paraview", "--script=" + script], env=env, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            until = time.monotonic() + harness.LIMIT
            while not os.path.exists(contact):
                assert program.poll() is None and time.monotonic() < until, "no contact file"
                time.sleep(0.1)
            lines = harness.push(contact, steps=STEPS)
            assert lines == ["step %d OK" % step for step in range(STEPS)], lines
            found = []
            while found[:4] != [str(STEPS - 1), "volume", "0.0", "99.0"]:
                assert time.monotonic() < until, found
                time.sleep(0.1)
                if os.path.exists(report):
                    with open(report) as stream:
                        found = stream.read().split()
            print("step, array, window, pictures:", *found)
        finally:
            os.killpg(program.pid, signal.SIGTERM)
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    harness.main({}, main)
