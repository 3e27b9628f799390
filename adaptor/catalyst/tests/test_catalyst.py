# SPDX-License-Identifier: BSD-3-Clause
"""ParaView inside a producer: the same pictures and figures from any number of ranks and any way to cut the
volume, contiguous bricks where they are, and nothing that a script does hurts the producer.

BEAMCAST_BUILD names the build folder.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

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
    import numpy as np
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkPNGReader
except ImportError as missing:
    skip(str(missing))
HAS_PLUGIN = os.path.exists(os.path.join(BUILD, "lib/beamcast/plugins/Beamcast/Beamcast.so"))


class Run:
    def __init__(self, screen, scripts, ranks, *arguments, backend="catalyst", **more):
        self.folder = tempfile.mkdtemp(dir=WORK)
        env = dict(os.environ, DISPLAY=screen, LIBGL_ALWAYS_SOFTWARE="1", BEAMCAST_BACKEND=backend,
                   BEAMCAST_CATALYST_SCRIPTS=":".join(scripts), BEAMCAST_OUTPUT=self.folder,
                   BEAMCAST_SIZE="240,180", HWLOC_COMPONENTS="-gl", OMPI_MCA_mpi_yield_when_idle="1", **more)
        env.pop("PV_PLUGIN_PATH", None)
        command = ["mpiexec", "-n", str(ranks), PRODUCE, *map(str, arguments)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT)
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert re.search("^checksum", self.out, re.M), (command, self.out, self.err)
        self.checksum = re.search("^checksum (.*)$", self.out, re.M).group(1)
        self.peaks = [int(peak) for peak in re.findall("^peak (.*)$", self.out, re.M)]  # MiB, after each step
        self.said = [line for line in self.out.splitlines() if not line.startswith(("checksum", "peak"))]

    def picture(self, name):
        reader = vtkPNGReader()
        reader.SetFileName(os.path.join(self.folder, name))
        reader.Update()
        return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())[:, :3].astype(float)

    def file(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read()


def psnr(one, other):
    mean = ((one - other) ** 2).mean()
    return 10 * np.log10(255 ** 2 / mean) if mean else 99.0


def any_number_of_ranks_gives_the_same(screen):
    """However the volume is cut, also where the cut changes from step to step, and where the first step shows
    nothing yet: the colours are then those of the second."""
    scripts = ["volume_picture", "slices", "statistics_csv"]
    one = Run(screen, scripts, 1, "slabs:40", 1)
    assert one.said == [] and one.err == "" and one.code == 0, (one.out, one.err)
    shown = one.picture("volume_000000.png")
    assert shown.max() > 100 and (shown.max(axis=1) > 40).mean() > 0.1
    wanted = [float(x) for x in one.file("statistics.csv").splitlines()[1].split(",")[2:]]
    for ranks, ways, some in ((2, "blank:40,slabs,halo,strided,pieces,empty", scripts), (3, "columns:40", scripts),
                              (4, "rows:40", scripts[2:])):
        many = Run(screen, some, ranks, ways, 1)
        assert many.said == [] and many.err == "", (ranks, ways, many.out, many.err)
        for step, way in enumerate(ways.split(",")):
            if way.startswith("blank"):
                continue
            for name in ["volume_%06d.png", "slices_%06d.png"] if len(some) > 1 else []:
                quality = psnr(one.picture(name % 0), many.picture(name % step))
                print("%d ranks, %s, %s: %.1f dB" % (ranks, way, name % step, quality))
                assert quality >= 45, (ranks, way, name, quality)
            numbers = [float(x) for x in many.file("statistics.csv").splitlines()[step + 1].split(",")]
            assert numbers[0] == step and np.allclose(numbers[2:], wanted, rtol=1e-8), (way, numbers, wanted)


def contiguous_bricks_are_not_copied(screen):
    if not HAS_PLUGIN:
        print("without the plugin ParaView's own renderer draws, which copies")
        return
    data = 320 * 280 * 256 * 4 / 2**20 / 2  # MiB per rank
    run = Run(screen, ["volume_picture"], 2, "slabs:40,slabs:320,slabs,strided,strided", 1, BEAMCAST_WINDOW="0,300")
    assert run.said == [], run.out
    for way, step, least, most in (("slabs", 2, 0.9, 1.4), ("strided", 4, 1.8, 3.6)):
        times = (run.peaks[step] - run.peaks[0]) / data
        print("%s: memory grows by %.2f times the data" % (way, times))
        assert least < times < most, (way, run.peaks, data)


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
    run = Run(screen, paths, 2, "slabs:20", 3)
    plain = Run(screen, [], 2, "slabs:20", 3, backend="none")
    assert run.checksum == plain.checksum and run.code == 0
    assert run.file("steps").split() == ["0", "1", "2"]
    assert run.err == "" and "hello" not in run.out and "oh" not in run.out, (run.out, run.err)
    for place in ("name.py:5: NameError", "syntax.py:2: SyntaxError", "leaves.py:4: SystemExit: 3"):
        assert run.out.count(place) == 1, (place, run.out)
    assert len(run.said) == 2 and "step 0" in run.said[0] and "step 1" in run.said[1], run.said


def what_can_not_be_is_said(screen):
    apart = Run(screen, ["statistics_csv"], 2, "apart:20", 2)
    assert "must make up one box" in apart.out and "rank 1 step 1 dropped" in apart.out, apart.out
    missing = Run(screen, ["no_such_script"], 1, "slabs:20", 1)
    assert missing.code == 1 and "no_such_script" in missing.out, missing.out
    dark = Run(":7654", ["volume_picture"], 2, "slabs:20", 1)
    assert "none answers at DISPLAY=:7654" in dark.out and dark.code == 1, dark.out
    unseen = Run(":7654", ["statistics_csv"], 2, "slabs:20", 2, BEAMCAST_CATALYST_DRAW="0")
    assert unseen.said == [] and len(unseen.file("statistics.csv").splitlines()) == 3, unseen.out
    wrong = Run(screen, [], 1, "slabs:20", 1, backend="catalist")
    assert "no back end" in wrong.out and wrong.code == 1, wrong.out


def every_script_does_its_work(screen):
    scripts = ["orbit"] + (["save_hdf5", "save_when"] if HAS_PLUGIN else [])
    run = Run(screen, scripts, 2, "slabs:30", 3, BEAMCAST_VIEWS="3", BEAMCAST_ELEVATIONS="10", BEAMCAST_EVERY="2",
              BEAMCAST_WHEN="mean", BEAMCAST_ABOVE="0", BEAMCAST_MOST="1")
    assert run.said == [], run.out
    rows = run.file("orbit.cdb/data.csv").splitlines()
    assert len(rows) == 1 + 2 * 3, rows
    for row in rows[1:]:
        assert os.path.exists(os.path.join(run.folder, "orbit.cdb", row.split(",")[-1])), row
    if HAS_PLUGIN:
        found = sorted(os.path.basename(p) for p in glob.glob(run.folder + "/*.h5"))
        assert found == ["event_000000.h5", "step_000000.h5", "step_000002.h5"], found


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
        tests = [any_number_of_ranks_gives_the_same, contiguous_bricks_are_not_copied,
                 a_script_with_an_error_is_named_once, what_can_not_be_is_said, every_script_does_its_work]
        for test in [t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]]:
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
