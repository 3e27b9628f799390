# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the server and the source share: a screen, servers, producers, clients.

A test is a Python file that is run twice over: as the test itself, and with the name of one of its
functions as a ParaView client in a process of its own (see Server.client). Configured by environment:
BEAMCAST_BUILD names the build folder.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BEAMCAST_BUILD", "")
SERVER = os.path.join(BUILD, "bin", "beamcast-server")
PUSH = os.path.join(BUILD, "bin", "push_pattern")
PLUGINS = os.path.join(BUILD, "lib", "beamcast", "plugins", "Beamcast")
LIMIT = 120  # seconds for anything that must come to an end


def skip(what):
    print("skipped: " + what)
    sys.exit(77)


def need_all():
    for program in ("Xvfb", "mpiexec", "paraview", "pvserver", "pvbatch"):
        if shutil.which(program) is None:
            skip(program + " is missing")
    for path in (SERVER, PUSH):
        if not os.path.exists(path):
            skip(path + " was not built")


class Screen:
    """An X server that nobody sees, with a number that it chooses itself."""

    def __init__(self):
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp",
             "-noreset"],
            pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        os.close(write)
        with os.fdopen(read) as stream:
            number = stream.readline().strip()
        if not number:
            skip("Xvfb does not start")
        self.name = ":" + number

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(LIMIT)


def environment(screen, plugins=False, **more):
    env = dict(os.environ, DISPLAY=screen.name, OMPI_ALLOW_RUN_AS_ROOT="1",
               OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1",
               PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe", LIBGL_ALWAYS_SOFTWARE="1")
    env.pop("PV_PLUGIN_PATH", None)
    env.pop("BEAMCAST_CONTACT_FILE", None)
    if plugins:
        env["PV_PLUGIN_PATH"] = PLUGINS
    env.update(more)
    return env


class Server:
    """A running beamcast-server. Leaving the block ends it and checks that it ended well."""

    def __init__(self, screen, ranks, *options, contact=True, **more):
        self.screen = screen
        self.folder = tempfile.mkdtemp(prefix="beamcast-test-")
        arguments = ["mpiexec", "-n", str(ranks), SERVER, "--json", *options]
        if contact:
            arguments += ["--contact", os.path.join(self.folder, "contact.json")]
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=environment(screen, **more), start_new_session=True)
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            raise AssertionError("the server did not get ready: " + line + self.messages())
        self.ready = json.loads(line)
        self.contact, self.port = self.ready["contact"], self.ready["port"]
        assert os.path.exists(self.contact)
        self.pids = self.find_ranks()
        assert len(self.pids) == ranks, self.pids

    def find_ranks(self):
        out = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)],
                             capture_output=True, text=True).stdout
        return [int(line.split()[0]) for line in out.splitlines() if "beamcast" in line]

    def messages(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def client(self, function, *arguments, plugins=False, timeout=LIMIT, check=True, wait=True):
        """Runs a function of the test as a client; what it prints comes back."""
        command = [sys.executable, sys.argv[0], function, str(self.port),
                   *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=environment(self.screen, plugins), start_new_session=True)
        if not wait:
            return process
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError("client %s hangs:\n%s\nserver:\n%s"
                                 % (function, process.communicate()[0], self.messages()))
        if check and process.returncode != 0:
            raise AssertionError("client %s failed:\n%s\nserver:\n%s"
                                 % (function, out, self.messages()))
        return out

    def stop(self, sign=signal.SIGTERM, pid=None):
        """Signals a rank, the root by default; the server must end by itself, on all ranks, and take its contact
        file away."""
        os.kill(pid or self.ready["pid"], sign)
        code = self.process.wait(LIMIT)
        assert code == 0, (code, self.messages())
        assert not os.path.exists(self.contact), "the contact file is still there"
        assert not [pid for pid in self.pids if os.path.exists("/proc/%d" % pid)]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if self.process.poll() is None:
                if kind is None:
                    self.stop()
                else:
                    sys.stderr.write(self.messages())
                    self.process.kill()
                    self.process.wait(LIMIT)
        finally:
            for pid in self.pids:
                if os.path.exists("/proc/%d" % pid):
                    os.kill(pid, signal.SIGKILL)
            self.log.close()
            shutil.rmtree(self.folder, ignore_errors=True)


def push(contact, wait=True, **options):
    """Runs push_pattern; returns its lines, or the process if it is not waited for."""
    command = [PUSH, contact] + ["%s=%s" % item for item in options.items()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not wait:
        return process
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out
    return out.splitlines()


def ticks(pid):
    """Clock ticks of CPU time that a process has used."""
    with open("/proc/%d/stat" % pid) as stream:
        fields = stream.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def cpu_share(pids, seconds):
    """The largest share of a core that one of the processes uses over the seconds."""
    before, start = [ticks(pid) for pid in pids], time.monotonic()
    time.sleep(seconds)
    span = (time.monotonic() - start) * os.sysconf("SC_CLK_TCK")
    return max((ticks(pid) - old) / span for pid, old in zip(pids, before))


# --- in a client ---------------------------------------------------------------------------------

# Runs on every rank of the server: one row that says what this rank holds and what of it is not what
# push_pattern put there.
CHECK = """
import numpy as np
image = inputs[0].VTKObject
e = image.GetExtent()
row = dict(x0=e[0], x1=e[1], y0=e[2], y1=e[3], z0=e[4], z1=e[5], points=0, wrong=0, step=-1,
           ghost_points=0, cells=0, ghost_cells=0, type=0)
if image.GetNumberOfPoints() > 0:
    points = inputs[0].PointData
    row['step'] = step = int(image.GetFieldData().GetArray('step').GetValue(0))
    z, y, x = np.mgrid[e[4]:e[5]+1, e[2]:e[3]+1, e[0]:e[1]+1]
    want = ((x + 7*y + 13*z + 31*step) % 100).ravel()
    wrong = np.asarray(points['volume']) != want
    wrong |= np.asarray(points['step']) != step
    row.update(points=want.size, wrong=int(wrong.sum()), cells=image.GetNumberOfCells(),
               type=image.GetPointData().GetScalars().GetDataType())
    if image.GetPointData().GetArray('vtkGhostType'):
        ghosts = np.asarray(points['vtkGhostType']).reshape(z.shape)
        row['ghost_points'] = int((ghosts != 0).sum())
        row['ghost_cells'] = int((np.asarray(inputs[0].CellData['vtkGhostType']) != 0).sum())
        planes = ghosts.any(axis=(1, 2))
        row['wrong'] += int((ghosts != planes[:, None, None]).sum())  # whole planes or none
for name, value in row.items():
    output.RowData.append(np.array([value]), name)
"""
ASK_FOR_GHOSTS = """
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as pipeline
self.GetExecutive().GetInputInformation(0, 0).Set(pipeline.UPDATE_NUMBER_OF_GHOST_LEVELS(), %d)
"""


def connect(port):
    from paraview import simple
    simple.Connect("127.0.0.1", int(port))
    return simple


def open_stream(simple, **properties):
    """The source, on a stock client: the server has told it of the proxy."""
    return simple.BeamcastStream(**properties)


def refresh(source):
    source.InvokeCommand("Refresh")
    source.UpdatePropertyInformation()
    return source.StepShown


def rows(simple, source, ranks, ghosts=0, at=None):
    """What the ranks hold: a list of dicts, see CHECK; those without points are left out."""
    check = simple.ProgrammableFilter(Input=source, OutputDataSetType="vtkTable")
    check.Script = CHECK
    if ghosts:
        check.RequestUpdateExtentScript = ASK_FOR_GHOSTS % ghosts
    check.UpdatePipeline() if at is None else check.UpdatePipeline(at)
    found = []
    for rank in range(ranks):
        table = simple.servermanager.Fetch(check, rank)
        names = [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())]
        found.append({name: int(table.GetValueByName(0, name).ToDouble()) for name in names})
    simple.Delete(check)
    return [row for row in found if row["points"] > 0]


def check_voxels(simple, source, shape, ranks, ghosts=0):
    """Fails unless the server's ranks hold the pushed values of the step that is shown: z-slabs that
    share a plane, and ghost planes beyond, marked, where asked for."""
    x, y, z = shape
    found = sorted(rows(simple, source, ranks, ghosts), key=lambda row: row["z0"])
    parts = max(1, min(ranks, z - 1))
    assert len(found) == parts, found
    assert [row["wrong"] for row in found] == [0] * parts, found
    assert [row["step"] for row in found] == [source.StepShown] * parts, (found, source.StepShown)
    assert [(row["x0"], row["x1"], row["y0"], row["y1"]) for row in found] == [(0, x - 1, 0, y - 1)] * parts
    ghost_points = sum(row["ghost_points"] for row in found)
    assert sum(row["points"] for row in found) - ghost_points == x * y * (z + parts - 1), found
    if ghosts:
        assert ghost_points >= 2 * (parts - 1) * x * y, found
        cells = sum(row["cells"] - row["ghost_cells"] for row in found)
        assert cells == max(1, x - 1) * max(1, y - 1) * max(1, z - 1), found
    for before, after in zip(found, found[1:]):
        assert after["z0"] <= before["z1"], found


def main(functions, test):
    """Runs the client function that is named on the command line, or the test itself."""
    if len(sys.argv) > 1:
        functions[sys.argv[1]](*sys.argv[2:])
        sys.stdout.flush()
        return  # no sys.exit: pvbatch has to end MPI
    if not BUILD:
        skip("BEAMCAST_BUILD does not name a build folder")
    need_all()
    test()
