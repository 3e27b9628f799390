# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the reconstruction share: a sample, its scans, runs, viewers. Configured by
environment: BEAMCAST_BIN is the folder of the programs."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

LIMIT = 120  # seconds for anything that must come to an end
BIN = os.environ.get("BEAMCAST_BIN", "")


def skip(what):
    print("skipped: " + what)
    sys.exit(77)


try:
    import h5py
    import numpy
except ImportError as missing:
    skip(f"{missing.name} of {sys.executable} is missing")


def program(name):
    path = os.path.join(BIN, name)
    if not os.path.exists(path):
        skip(path + " was not built")
    return path


def folder():
    return tempfile.TemporaryDirectory(prefix="beamcast-reconstruct-")


def sample(side=64, planes=24):
    """[z, y, x] attenuation per mm: a cylinder with things in it that no mirror maps to themselves."""
    z, y, x = numpy.meshgrid(numpy.linspace(-1, 1, planes), numpy.linspace(-1, 1, side), numpy.linspace(-1, 1, side),
                             indexing="ij")
    volume = numpy.where(numpy.hypot(x, y) < 0.8, 0.02, 0.0)
    volume[(x - 0.3) ** 2 + (y + 0.2) ** 2 + (z / 2) ** 2 < 0.09] = 0.05
    volume[(abs(x + 0.35) < 0.2) & (abs(y - 0.25) < 0.12) & (z > -0.3)] = 0.0
    volume[numpy.hypot(x + 0.1, y + 0.55) < 0.08] = 0.08
    return volume.astype("float32")


def write_sample(path, volume, spacing=(1.0, 1.0, 1.5)):
    """As path.raw with its MetaImage head; spacing x, y, z in mm."""
    volume.tofile(path + ".raw")
    nz, ny, nx = volume.shape
    with open(path + ".mhd", "w", encoding="utf-8") as head:
        head.write(f"NDims = 3\nDimSize = {nx} {ny} {nz}\nElementType = MET_FLOAT\n"
                   f"ElementSpacing = {' '.join(map(str, spacing))}\nElementDataFile = {os.path.basename(path)}.raw\n")
    return path + ".raw"


def take_scan(volume, scan, *options):
    subprocess.run([program("take_scan"), volume, scan, *map(str, options)], check=True, timeout=LIMIT)
    return scan


def command(scan, *options, ranks=1):
    own = [program("reconstruct"), scan, *map(str, options)]
    return own if ranks == 1 else ["mpiexec", "-n", str(ranks), *own]


def start(scan, *options, ranks=1, threads=1):
    return subprocess.Popen(command(scan, *options, ranks=ranks), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))


def finish(process):
    """What a run says about itself, as numbers; fails unless it ended well."""
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, (process.returncode, out, err)
    said = re.search(r"(\d+) of \d+ projections, axis at column ([-\d.]+),", out)
    steps = re.search(r"steps shown (\d+), not shown (\d+)", out)
    assert said and steps, out
    return {"projections": int(said[1]), "axis": float(said[2]), "shown": int(steps[1]), "missed": int(steps[2]),
            "errors": err}


def run(scan, *options, **how):
    return finish(start(scan, *options, **how))


def volume_of(path):
    with h5py.File(path, "r") as file:
        return file["entry/data/attenuation"][()]


class Watcher:
    """A viewer, see watcher.c. Leaving the block ends it, well or by force."""

    def __init__(self, contact, ranks=2, policy="latest", milliseconds=0, keep=None):
        words = [program("reconstruct_watcher"), contact, str(ranks), policy, str(milliseconds)]
        self.process = subprocess.Popen(words + ([keep] if keep else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def line(self):
        line = self.process.stdout.readline()
        assert line, "the watcher is gone"
        return line.strip()

    def wait_step(self, number):
        """Reads until that step was looked at; the numbers of all steps on the way."""
        seen = []
        while number not in seen:
            word, rest = (self.line() + " ").split(" ", 1)
            if word == "step":
                seen.append(int(rest))
        return seen

    def ask(self, json):
        self.process.stdin.write(json + "\n")
        self.process.stdin.flush()
        while self.line() != "asked":
            pass

    def end(self):
        """The rest of the steps that it has seen."""
        out, _ = self.process.communicate(timeout=LIMIT)
        assert self.process.returncode == 0
        return [int(line.split()[1]) for line in out.splitlines() if line.startswith("step ")]

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def need_mpi():
    if shutil.which("mpiexec") is None:
        skip("mpiexec is missing")
