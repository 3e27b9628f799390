# SPDX-License-Identifier: BSD-3-Clause
"""The plugin in ParaView's own programs: pvserver on 2 ranks, pvbatch with one script for all ranks and
with one script for each."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness

SHAPE = (40, 30, 50)


def wait_for(path):
    until = time.monotonic() + harness.LIMIT
    while not os.path.exists(path):
        assert time.monotonic() < until, path + " does not come"
        time.sleep(0.05)


def sees(port):
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == 3
    harness.check_voxels(simple, source, SHAPE, 2, ghosts=1)


def batch(mode):
    import numpy as np
    from paraview import simple
    from vtkmodules.util.numpy_support import vtk_to_numpy
    source = simple.BeamcastStream()
    turns = 0
    while harness.refresh(source) < 3:  # the same number of turns on every rank
        time.sleep(0.02)
        turns += 1
    assert source.StepShown == 3
    if mode == "root":
        harness.check_voxels(simple, source, SHAPE, 2, ghosts=1)
    else:
        source.UpdatePipeline()
        image = source.GetClientSideObject().GetOutputDataObject(0)
        e = image.GetExtent()
        z, y, x = np.mgrid[e[4]:e[5] + 1, e[2]:e[3] + 1, e[0]:e[1] + 1]
        assert e[5] - e[4] == (25 if e[4] == 0 else 24), e
        values = vtk_to_numpy(image.GetPointData().GetArray("volume"))
        assert np.array_equal(values, ((x + 7 * y + 13 * z + 31 * 3) % 100).ravel())
    # one write: what two ranks say is not to be mixed
    os.write(1, b"batch %s done, waited: %d\n" % (mode.encode(), turns > 0))


def run_pvserver(screen, folder):
    contact = os.path.join(folder, "server.json")
    env = harness.environment(screen, plugins=True, BEAMCAST_CONTACT_FILE=contact,
                              PYTHONUNBUFFERED="1")
    server = subprocess.Popen(["mpiexec", "-n", "2", "pvserver", "--server-port=0"], env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = ""
        while not (port := re.search(r"Accepting connection\(s\): \S+:(\d+)", said)):
            line = server.stdout.readline()
            assert line, said
            said += line
        assert contact in said, said
        assert harness.push(contact, first=3, producers=2) == ["step 3 OK"]
        client = subprocess.run([sys.executable, sys.argv[0], "sees", port.group(1)], text=True,
                                timeout=harness.LIMIT, env=harness.environment(screen),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert client.returncode == 0, client.stdout[-3000:]
        assert server.wait(harness.LIMIT) == 0
        assert not os.path.exists(contact), "pvserver left its contact file"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)


def run_pvbatch(screen, folder, mode):
    contact = os.path.join(folder, mode + ".json")
    options = ["--symmetric"] if mode == "all" else []
    script = subprocess.Popen(
        ["mpiexec", "-n", "2", "pvbatch", *options, os.path.abspath(sys.argv[0]), "batch", mode],
        env=harness.environment(screen, plugins=True, BEAMCAST_CONTACT_FILE=contact), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        wait_for(contact)
        assert harness.push(contact, first=3) == ["step 3 OK"]
        said, _ = script.communicate(timeout=harness.LIMIT)
        assert script.returncode == 0, said[-3000:]
        assert said.count("batch " + mode) == (2 if mode == "all" else 1), said[-3000:]
    finally:
        if script.poll() is None:
            os.killpg(script.pid, signal.SIGKILL)


def main():
    folder = tempfile.mkdtemp(prefix="beamcast-test-")
    try:
        with harness.Screen() as screen:
            run_pvserver(screen, folder)
            run_pvbatch(screen, folder, "root")
            run_pvbatch(screen, folder, "all")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    harness.main({"sees": sees, "batch": batch}, main)
