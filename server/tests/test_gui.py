# SPDX-License-Identifier: BSD-3-Clause
"""The ParaView program with a live source. Under policy `all` a producer waits until each of its steps is
shown, so that it comes to its end only if the window looks for steps by itself; and the picture is there
without a click. By itself, as a client of a parallel server, and as a client that lacks the plugin."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

import harness

STEPS = 20
SCRIPT = """
from paraview.simple import *
source = BeamcastStream(Policy='all')
view = GetActiveViewOrCreate('RenderView')
display = Show(source, view)
%s
Render(view)
count = 0

def drawn(caller, event):
    global count
    source.UpdatePropertyInformation()
    colours = GetColorTransferFunction('volume')
    count += 1
    with open(%r, 'w') as report:
        print(source.StepShown, display.ColorArrayName[1], colours.RGBPoints[0], colours.RGBPoints[-4],
              display.SMProxy.GetProperty("Representation").GetElement(0).replace(" ", "_"),
              len(colours.RGBPoints) // 4, count, file=report)

view.SMProxy.AddObserver('EndEvent', drawn)
drawn(None, None)
"""


def version():
    out = subprocess.run(["pvserver", "--version"], capture_output=True, text=True, check=True).stdout
    return out.split()[-1]


class Window:
    """The program on a screen of its own, with a home of its own; ends with the block."""

    def __init__(self, screen, *arguments, plugins, before_render="", **more):
        self.screen = screen
        self.folder = tempfile.mkdtemp(prefix="beamcast-test-")
        self.report = os.path.join(self.folder, "report")
        settings = os.path.join(self.folder, ".config", "ParaView")
        os.makedirs(settings)
        with open(os.path.join(settings, "ParaView%s.ini" % version()), "w") as stream:
            stream.write("[General]\nGeneralSettings.ShowWelcomeDialog=false\n")
        script = os.path.join(self.folder, "script.py")
        with open(script, "w") as stream:
            stream.write(SCRIPT % (before_render, self.report))
        env = harness.environment(screen, plugins=plugins, HOME=self.folder, **more)
        env.pop("XDG_CONFIG_HOME", None)
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(["paraview", *arguments, "--script=" + script], env=env,
                                        stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)

    def wait_for(self, found, what):
        """Waits until found() is true; returns it."""
        until = time.monotonic() + harness.LIMIT
        while not (value := found()):
            if self.process.poll() is not None or time.monotonic() > until:
                self.log.seek(0)
                raise AssertionError("no %s; last report: %s\n%s" % (what, self.reported(), self.log.read()))
            time.sleep(0.1)
        return value

    def reported(self):
        """Step shown, array, its colours' range, representation, points of the colour map, pictures so far: as
        text, of the last picture."""
        if not os.path.exists(self.report):
            return []
        with open(self.report) as stream:
            return stream.read().split()

    def colours(self):
        """How many colours the middle of the window shows: one while nothing is drawn."""
        pixels = subprocess.run(["import", "-window", "root", "-crop", "400x300+500+250", "-depth", "8", "rgb:-"],
                                env=harness.environment(self.screen), capture_output=True, check=True).stdout
        return len({pixels[i:i + 3] for i in range(0, len(pixels), 3)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(harness.LIMIT)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def see_all_steps(window, contact):
    """Empty first; then every step is shown, with colours, window and camera set by nobody."""
    window.wait_for(lambda: window.reported(), "empty picture")
    lines = harness.push(contact, steps=STEPS)
    assert lines == ["step %d OK" % step for step in range(STEPS)], lines
    wanted = [str(STEPS - 1), "volume", "0.0", "99.0", "XAC_Volume", "6"]  # the colours of CT bone have 6 points
    print("step, array, window, representation, colours, pictures:", *window.wait_for(
        lambda: window.reported()[:6] == wanted and window.reported(), "last step"))
    print("colours:", window.wait_for(lambda: window.colours() > 50 and window.colours(), "picture"))


def alone():
    with harness.Screen() as screen, tempfile.TemporaryDirectory(prefix="beamcast-test-") as folder:
        contact = os.path.join(folder, "contact.json")
        with Window(screen, plugins=True, BEAMCAST_CONTACT_FILE=contact) as window:
            window.wait_for(lambda: os.path.exists(contact), "contact file")
            see_all_steps(window, contact)
            another_array(window, contact)


def another_array(window, contact):
    """Where the next program calls its array something else, that is shown, in the same colours."""
    program = ("import beamcast, numpy\n"
               "with beamcast.connect(%r) as stream:\n"
               "    z, y, x = numpy.mgrid[-1:1:30j, -1:1:30j, -1:1:30j]\n"
               "    stream.begin_step(0) and stream.put((x * x + y * y + z * z).astype('f4'), name='density')\n"
               "    assert stream.end_step() and stream.wait()\n" % contact)
    subprocess.run(["/usr/bin/python3", "-c", program], check=True, timeout=harness.LIMIT,
                   env=dict(os.environ, PYTHONPATH=os.path.join(harness.BUILD, "python")))
    window.wait_for(lambda: window.reported()[1:2] == ["density"], "other array")
    print("colours:", window.wait_for(lambda: window.colours() > 50 and window.colours(), "picture"))
    window.log.flush()
    with open(window.log.name) as log:
        assert "the array volume is gone; density is shown" in log.read()


def as_client(ours, server):
    with Window(ours, "--server-url=cs://127.0.0.1:%d" % server.port, plugins=True) as window:
        see_all_steps(window, server.contact)


STOCK = """
assert display.ColorArrayName[1] and display.Representation == 'Volume'
ColorBy(display, ('POINTS', 'volume'))
ResetCamera(view)
"""


def as_stock_client(ours, server):
    """What was pushed before is a coloured volume at once, and later steps come by themselves."""
    harness.push(server.contact)
    with Window(ours, "--server-url=cs://127.0.0.1:%d" % server.port, plugins=False, before_render=STOCK) as window:
        window.wait_for(lambda: window.reported()[:2] == ["0", "volume"], "first step")
        print("colours:", window.wait_for(lambda: window.colours() > 50 and window.colours(), "picture"))
        harness.push(server.contact, first=1)
        window.wait_for(lambda: window.reported()[:2] == ["1", "volume"], "second step")


def main():
    alone()
    with harness.Screen() as its, harness.Screen() as ours, harness.Server(its, 2) as server:
        for case in (as_client, as_stock_client):
            print(case.__name__)
            case(ours, server)


if __name__ == "__main__":
    harness.main({}, main)
