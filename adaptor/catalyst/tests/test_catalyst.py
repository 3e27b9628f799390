# SPDX-License-Identifier: BSD-3-Clause
"""ParaView inside a producer: the same pictures and figures from any number of ranks and any way to cut the
volume, and from a server that they are streamed to; contiguous bricks where they are; nothing that a script does hurts
the producer.

BEAMCAST_BUILD names the build folder.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["BEAMCAST_BUILD"]
PRODUCE = os.path.join(BUILD, "bin", "catalyst_produce")
LIMIT = 500  # seconds for anything that must come to an end


def skip(what):
    print("skipped: " + what)
    sys.exit(77)


for program in ("Xvfb", "mpiexec"):
    if shutil.which(program) is None:
        skip(program + " is missing")
if not os.path.exists(os.path.join(BUILD, "lib", "libbeamcast_catalyst.so")):
    skip("libbeamcast_catalyst.so was not built")
try:
    import h5py
    import numpy as np
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkPNGReader
except ImportError as missing:
    skip(str(missing))
HAS_PLUGIN = os.path.exists(os.path.join(BUILD, "lib/beamcast/plugins/Beamcast/Beamcast.so"))
SCRIPTS = ["volume_picture", "slices", "statistics_csv", "orbit"] + (["save_hdf5", "save_when"] if HAS_PLUGIN else [])
OPTIONS = {"BEAMCAST_SIZE": "240,180", "BEAMCAST_VIEWS": "1", "BEAMCAST_ELEVATIONS": "10", "BEAMCAST_WHEN": "mean",
           "BEAMCAST_ABOVE": "0", "BEAMCAST_MOST": "1"}


# As ParaView exports them: the data under their name, by whatever reader the state had, and extractors.
EXPORTED = """
from paraview.simple import *
view = CreateView('RenderView')
view.UseFXAA = 0
view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = [40, -30, 30], [11, 11, 10], [0, 0, 1]
volume = XMLImageDataReader(registrationName='volume', FileName=['none.vti'])
contour = Contour(registrationName='Contour1', Input=volume)
contour.ContourBy, contour.Isosurfaces = ['POINTS', 'density'], [150.0]
Show(contour, view, 'GeometryRepresentation').ColorArrayName = [None, '']
png = CreateExtractor('PNG', view, registrationName='PNG1')
png.Trigger = 'TimeStep'
png.Writer.FileName, png.Writer.ImageResolution = 'exported_{timestep:06d}.png', [240, 180]
from paraview import catalyst
options = catalyst.Options()
options.ExtractsOutputDirectory = __import__('os').environ['BEAMCAST_OUTPUT']
"""


class Files:
    """What scripts have written."""

    def __init__(self, folder):
        self.folder = folder

    def names(self, pattern):
        return sorted(os.path.basename(path) for path in glob.glob(os.path.join(self.folder, pattern)))

    def picture(self, name):
        reader = vtkPNGReader()
        reader.SetFileName(os.path.join(self.folder, name))
        reader.Update()
        return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())[:, :3].astype(float)

    def file(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read()


class Run(Files):
    """A producer that has come to its end."""

    def __init__(self, screen, scripts, ranks, *arguments, backend="catalyst", **more):
        super().__init__(tempfile.mkdtemp(dir=WORK))
        env = dict(os.environ, DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE="1", BEAMCAST_BACKEND=backend,
                   BEAMCAST_CATALYST_SCRIPTS=":".join(scripts), BEAMCAST_OUTPUT=self.folder,
                   HWLOC_COMPONENTS="-gl", OMPI_MCA_mpi_yield_when_idle="1", **OPTIONS, **more)
        env.pop("PV_PLUGIN_PATH", None)
        command = ["mpiexec", "-n", str(ranks), PRODUCE, *map(str, arguments)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT)
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert re.search("^checksum", self.out, re.M), (command, self.out, self.err)
        self.checksum = re.search("^checksum (.*)$", self.out, re.M).group(1)
        self.peaks = [int(peak) for peak in re.findall("^peak (.*)$", self.out, re.M)]  # MiB, after each step
        self.said = [line for line in self.out.splitlines() if not line.startswith(("checksum", "peak"))]


def psnr(one, other):
    mean = ((one - other) ** 2).mean()
    return 10 * np.log10(255 ** 2 / mean) if mean else 99.0


def same(one, many, step, how):
    """The pictures and figures that another cut gives at a step are those of one rank at step 0."""
    for name in ("volume_%06d.png", "slices_%06d.png"):
        pictures = one.picture(name % 0), many.picture(name % step)
        quality, worst = psnr(*pictures), abs(pictures[0] - pictures[1]).max()
        print("%s, %s: %.1f dB, at most %d of 255" % (how, name % step, quality, worst))
        assert quality >= 45, (how, name, quality)
        # Without the neighbours' planes for its gradients a border is seen as a line, by 24 and more. Of a run's first
        # picture: ParaView smooths the edges of later ones on each rank, once the slices have been drawn.
        assert worst <= 12 or step > 0 or not HAS_PLUGIN or name.startswith("slices"), (how, name, worst)
    wanted = [float(x) for x in one.file("statistics.csv").splitlines()[1].split(",")[2:]]
    numbers = {line.split(",")[0]: [float(x) for x in line.split(",")[2:]]
               for line in many.file("statistics.csv").splitlines()[1:]}
    assert np.allclose(numbers[str(step)], wanted, rtol=1e-8), (how, numbers, wanted)


def any_number_of_ranks_gives_the_same(screen):
    """However the volume is cut, also where the cut changes from step to step, and where the first step shows
    nothing yet: the colours are then those of the second. All scripts."""
    exported = os.path.join(WORK, "exported.py")
    with open(exported, "w") as file:
        file.write(EXPORTED)
    one = Run(screen, [*SCRIPTS[:4], exported], 1, "slabs:40", 1)
    assert one.said == [] and one.err == "" and one.code == 0, (one.out, one.err)
    shown = one.picture("volume_000000.png")
    assert shown.max() > 100 and (shown.max(axis=1) > 40).mean() > 0.1
    for ranks, ways, scripts in ((2, "blank:40,slabs,halo,strided,pieces,empty", SCRIPTS),
                                 (3, "columns:40,rows", SCRIPTS[:3])):
        many = Run(screen, scripts, ranks, ways, 1)
        assert many.said == [] and many.err == "", (ranks, ways, many.out, many.err)
        for step, way in enumerate(ways.split(",")):
            if way.split(":")[0] != "blank":
                same(one, many, step, "%d ranks, %s" % (ranks, way))
        if scripts == SCRIPTS:
            rows = many.file("orbit.cdb/data.csv").splitlines()
            assert len(rows) == 1 + step + 1, rows
            for row in rows[1:]:
                assert os.path.exists(os.path.join(many.folder, "orbit.cdb", row.split(",")[-1])), row
        if HAS_PLUGIN and scripts == SCRIPTS:  # the first step's mean is 0
            assert many.names("*.h5") == ["event_000001.h5", "step_000000.h5"], many.names("*.h5")
    return one


def a_server_runs_the_scripts_alike(one):
    """Streamed by 2 ranks to a server of 2 that was started with the scripts: the same pictures, figures, files."""
    home = tempfile.mkdtemp(dir=WORK)
    done = Files(tempfile.mkdtemp(dir=WORK))
    gate, mine = os.path.join(home, "gate"), os.path.join(home, "mine.py")
    with open(mine, "w") as file:  # one from elsewhere that uses what Beamcast's share
        file.write("from beamcast_catalyst import output\n"
                   "def catalyst_execute(info):\n    open(output('mine_%d' % info.timestep), 'w').close()\n")
    env = dict(os.environ, HOME=home, BEAMCAST_OUTPUT=done.folder, BEAMCAST_EVERY="2", HWLOC_COMPONENTS="-gl",
               **OPTIONS)
    for name in ("DISPLAY", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "BEAMCAST_TOKEN", "PV_PLUGIN_PATH"):
        env.pop(name, None)

    def beamcast(*words):
        said = subprocess.run([os.path.join(BUILD, "bin", "beamcast"), *words, "--json"], env=env, capture_output=True,
                              text=True, timeout=LIMIT)
        assert said.returncode == 0, (words, said.stdout, said.stderr)
        return json.loads(said.stdout)

    def wait_for(name):
        until = time.monotonic() + LIMIT
        while not os.path.exists(os.path.join(done.folder, name)):
            with open(session["log"]) as log:
                text = log.read()
            assert "not run again" not in text and time.monotonic() < until, text
            time.sleep(0.1)

    session = beamcast("start", "--ranks", "2", "--script", ":".join([*SCRIPTS, os.path.join(WORK, "exported.py"), mine]))
    try:
        # Its last script has written a file of the first step, before the other two come.
        producer = subprocess.Popen(["mpiexec", "-n", "2", PRODUCE, "slabs:40,blank,slabs", "1"],
                                    env=dict(env, BEAMCAST_BACKEND="stream", BEAMCAST_CONTACT=session["contact"],
                                             PRODUCE_AFTER=gate), stdout=subprocess.PIPE, text=True)
        wait_for("mine_0")
        open(gate, "w").close()
        out, _ = producer.communicate(timeout=LIMIT)
        assert producer.returncode == 0 and "error" not in out and "dropped" not in out, out
        wait_for("mine_2")
    finally:
        beamcast("stop", session["id"])
    for step in (0, 2):
        same(one, done, step, "a server of 2 ranks")
        quality = psnr(one.picture("exported_000000.png"), done.picture("exported_%06d.png" % step))
        print("a server of 2 ranks, an exported script: %.1f dB" % quality)
        assert quality >= 45, quality
    assert len(done.file("orbit.cdb/data.csv").splitlines()) == 1 + 2
    found = done.names("*.h5") + done.names("volume*.png")
    assert found == ["event_000000.h5", "step_000000.h5", "step_000002.h5", "volume_000000.png", "volume_000002.png"], \
        found


def contiguous_bricks_are_not_copied(screen):
    if not HAS_PLUGIN:
        print("without the plugin ParaView's own renderer draws, which copies")
        return
    data = 256 * 224 * 205 * 4 / 2**20 / 2  # MiB per rank
    run = Run(screen, ["volume_picture"], 2, "slabs:40,slabs:256,slabs,strided,strided", 1, BEAMCAST_WINDOW="0,300")
    assert run.said == [], run.out
    for way, step, least, most in (("slabs", 2, 0.9, 1.4), ("strided", 4, 1.8, 3.6)):
        times = (run.peaks[step] - run.peaks[0]) / data
        print("%s: memory grows by %.2f times the data" % (way, times))
        assert least < times < most, (way, run.peaks, data)


def what_no_rank_has_is_the_fill_value_in_a_file(screen):
    if not HAS_PLUGIN:
        return
    run = Run(screen, ["save_hdf5"], 2, "partial:20,slabs,empty", 1, BEAMCAST_CATALYST_DRAW="0", BEAMCAST_EVERY="1")
    assert run.said == [], run.out
    partial, whole, alone = (read_volume(os.path.join(run.folder, "step_%06d.h5" % step)) for step in range(3))
    here = [z in (0, 1, 8, 9) for z in range(16)]  # the first two planes of each rank's eight
    assert (partial[~np.array(here)] == -7).all() and (whole != -7).all() and (whole == alone).all()
    assert (partial[here] == whole[here]).all()


def read_volume(path):
    with h5py.File(path) as file:
        return file["entry/data/density"][()]


def a_script_with_an_error_is_named_once(screen):
    scripts = {
        "name.py": "import sys\ndef catalyst_execute(info):\n    print('hello'); print('oh', file=sys.stderr)\n"
                   "    if info.timestep == 1:\n        nowhere()\n",
        "syntax.py": "def catalyst_execute(info):\n    )\n",
        "leaves.py": "import os, sys\ndef catalyst_execute(info):\n\n    sys.exit(3)\n",
        "last.py": "def catalyst_execute(info):\n    pass\ndef catalyst_finalize():\n    raise ValueError('at the end')\n",
        "good.py": "from beamcast_catalyst import output, is_root\ndef catalyst_execute(info):\n    if is_root():\n"
                   "        open(output('steps'), 'a').write('%d\\n' % info.timestep)\n",
    }
    paths = []
    for name, text in scripts.items():
        paths.append(os.path.join(WORK, name))
        with open(paths[-1], "w") as file:
            file.write(text)
    paths[0] = os.path.relpath(paths[0])
    log = os.path.join(WORK, "catalyst.log")
    run = Run(screen, paths, 2, "slabs:20", 3, BEAMCAST_CATALYST_LOG=log)
    with open(log) as stream:
        said = stream.read()
    assert "hello" in said and "NameError" in said and "IOCatalystConduit" not in said, said
    plain = Run(screen, [], 2, "slabs:20", 3, backend="none")
    assert run.checksum == plain.checksum and run.code == 0
    assert run.file("steps").split() == ["0", "1", "2"]
    assert run.err == "" and "hello" not in run.out and "oh" not in run.out, (run.out, run.err)
    for place in ("name.py:5: NameError", "syntax.py:2: SyntaxError", "leaves.py:4: SystemExit: 3"):
        assert run.out.count(place) == run.out.count(place.split(":")[0]) == 1, (place, run.out)
    assert len(run.said) == 2 and "step 0" in run.said[0] and "step 1" in run.said[1], run.said


PYTHON_PRODUCER = """
import sys, threading
import beamcast, numpy
from mpi4py import MPI
comm = MPI.COMM_WORLD
atexit = ctypes = "mine"
whole = numpy.random.default_rng(5).normal(size=(8, 9, 20)).astype("float32")
first, end = 8 * comm.rank // comm.size, 8 * (comm.rank + 1) // comm.size
stream = beamcast.connect(None, rank=comm.rank, ranks=comm.size, backend="catalyst", scripts=sys.argv[1:],
                          mpi_comm=comm.py2f())
def make(step):
    stream.begin_step(step)
    stream.put(whole[first:end, :, ::2] + step, start=(first, 0, 0), shape=(8, 9, 10))
    stream.end_step()
make(0)
make(1)
other = threading.Thread(target=make, args=(2,))
other.start()
other.join()
print("mine", atexit, ctypes, flush=True) if comm.rank == 0 else None
sys.exit(3)  # with the stream open
"""


def a_python_producer_keeps_its_interpreter(_):
    """Scripts run in it; what it prints, its names, its exit status stay its own, and a script's error is a warning."""
    modules = os.path.join(BUILD, "python")
    if not glob.glob(modules + "/beamcast/_core*.so"):
        return
    folder, broken = tempfile.mkdtemp(dir=WORK), os.path.join(WORK, "broken.py")
    with open(broken, "w") as file:
        file.write("def catalyst_execute(info):\n    print('not for others')\n    nowhere()\n")
    env = dict(os.environ, BEAMCAST_OUTPUT=folder, BEAMCAST_CATALYST_DRAW="0", HWLOC_COMPONENTS="-gl",
               PYTHONPATH=modules)
    done = subprocess.run(["mpiexec", "-n", "2", "/usr/bin/python3", "-c", PYTHON_PRODUCER, broken, "statistics_csv"],
                          env=env, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 3 and done.stdout == "mine mine mine\n", (done.stdout, done.stderr)
    assert done.stderr.count("RuntimeWarning: %s:3: NameError" % broken) == 1, done.stderr
    volume = np.random.default_rng(5).normal(size=(8, 9, 20)).astype("float32")[:, :, ::2]
    rows = Files(folder).file("statistics.csv").splitlines()[1:]
    assert len(rows) == 3, rows
    for step, row in enumerate(rows):
        data = (volume + step).astype(float)
        wanted = [data.size, data.min(), data.max(), data.mean(), data.std()]
        assert np.allclose([float(x) for x in row.split(",")[2:]], wanted, rtol=1e-8), (row, wanted)


def what_can_not_be_is_said(screen):
    missing = Run(screen, ["no_such_script"], 1, "slabs:20", 1)
    assert missing.code == 1 and "no_such_script" in missing.out, missing.out
    dark = Run(":7654", ["volume_picture"], 2, "slabs:20", 1)
    assert "none answers at DISPLAY=:7654" in dark.out and dark.code == 1, dark.out
    unseen = Run(":7654", ["statistics_csv"], 2, "slabs:20,apart", 2, BEAMCAST_CATALYST_DRAW="0")
    assert "must make up one box" in unseen.out and "rank 1 step 3 dropped" in unseen.out, unseen.out
    assert len(unseen.said) == 4 and len(unseen.file("statistics.csv").splitlines()) == 3, unseen.out
    wrong = Run(screen, [], 1, "slabs:20", 1, backend="catalist")
    assert "no back end" in wrong.out and wrong.code == 1, wrong.out


def main():
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x1024x24", "-nolisten", "tcp",
                               "-noreset"], pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as stream:
            screen = ":" + stream.readline().strip()
        if screen == ":":
            skip("Xvfb does not start")
        one = any_number_of_ranks_gives_the_same(screen)
        print("passed: the same however it is cut", flush=True)
        if os.path.exists(os.path.join(BUILD, "bin", "beamcast-viewer")):
            a_server_runs_the_scripts_alike(one)
            print("passed: a server runs the scripts alike", flush=True)
        for test in (contiguous_bricks_are_not_copied, what_no_rank_has_is_the_fill_value_in_a_file,
                     a_script_with_an_error_is_named_once, a_python_producer_keeps_its_interpreter,
                     what_can_not_be_is_said):
            test(screen)
            print("passed: " + test.__name__, flush=True)
    finally:
        server.terminate()
        server.wait()


WORK = tempfile.mkdtemp(prefix="beamcast-catalyst-")
try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
