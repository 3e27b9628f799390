#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures reading of volumes; see README.md."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "reader", "tests"))
from probe import Probe  # noqa: E402
from pypi import python_with  # noqa: E402

KINDS = ("contiguous", "deflate+shuffle", "bitshuffle/LZ4", "Blosc/Zstandard")

MAKE = """
import sys, h5py, numpy as np
path, size, dtype, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
kw = {"contiguous": {}, "deflate+shuffle": dict(compression="gzip", compression_opts=4, shuffle=True)}.get(name)
if kw is None:
    import hdf5plugin
    kw = dict(hdf5plugin.Bitshuffle(cname="lz4") if name == "bitshuffle/LZ4" else hdf5plugin.Blosc(cname="zstd", clevel=5))
if name != "contiguous":
    kw["chunks"] = (1, size, size)
# A ball with a texture and noise: what a detector or a reconstruction gives.
rng = np.random.default_rng(1)
y, x = np.mgrid[-1:1:size * 1j, -1:1:size * 1j]
noise = 8 * rng.normal(size=(4,) + x.shape)
with h5py.File(path, "w") as f:
    d = f.create_dataset("v", (size, size, size), dtype, **kw)
    for i, z in enumerate(np.linspace(-1, 1, size)):
        plane = 1000 + 500 * np.cos(9 * x + 7 * y * z) * (x * x + y * y + z * z < 0.8) + noise[i % 4]
        d[i] = plane.astype(dtype) if dtype == "u2" else np.float32(np.round(plane, 1))
"""

# The peers are programs that read once for each line of their input and answer with the seconds.
H5PY = """
import sys, time, h5py, numpy as np
try:
    import hdf5plugin
except ImportError:
    pass
path, part, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with h5py.File(path, "r") as f:
    n = f["v"].shape[0]
    low, high = n * part // parts, n * (part + 1) // parts
    out = np.ones((high - low,) + f["v"].shape[1:], f["v"].dtype)
for line in sys.stdin:
    with h5py.File(path, "r") as f:
        start = time.perf_counter()
        f["v"].read_direct(out, np.s_[low:high])
        print("seconds", time.perf_counter() - start, flush=True)
"""

PREAD = """
import sys, os, time, mmap
path, part, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
size = os.path.getsize(path)
low, high = size * part // parts, size * (part + 1) // parts
memory = mmap.mmap(-1, high - low)
for i in range(0, high - low, 4096):
    memory[i] = 1
view = memoryview(memory)
fd = os.open(path, os.O_RDONLY)
for line in sys.stdin:
    start, at = time.perf_counter(), 0
    while at < high - low:
        at += os.preadv(fd, [view[at:at + (4 << 20)]], low + at)
    print("seconds", time.perf_counter() - start, flush=True)
"""

PARAVIEW = """
import sys, time
from paraview.simple import *
for line in open(0):  # ParaView puts something else in the place of sys.stdin
    r = (XDMFReader(FileNames=[sys.argv[1]]) if sys.argv[1].endswith(".xmf") else
         BeamcastVolumeReader(FileName=[sys.argv[1]], Dataset="/v", DimensionNames="z,y,x", Stride=[1, 1, 1]))
    r.UpdatePipelineInformation()
    start = time.perf_counter(); r.UpdatePipeline(); print("seconds", time.perf_counter() - start, flush=True); Delete(r)
"""

XDMF = """<Xdmf Version="2.0"><Domain><Grid Name="g" GridType="Uniform">
<Topology TopologyType="3DCoRectMesh" Dimensions="{n} {n} {n}"/>
<Geometry GeometryType="ORIGIN_DXDYDZ"><DataItem Dimensions="3" Format="XML">0 0 0</DataItem>
<DataItem Dimensions="3" Format="XML">1 1 1</DataItem></Geometry>
<Attribute Name="v" Center="Node"><DataItem Format="HDF" Dimensions="{n} {n} {n}" NumberType="{kind}"
Precision="{bytes}">{path}:/v</DataItem></Attribute></Grid></Domain></Xdmf>
"""


class Peer:
    """A reader in as many processes as there are ranks, which begin together; the slowest counts."""

    def __init__(self, name, commands, environment=None):
        self.name, self.ranks, self.threads, self.scratch = name, len(commands), 1, None
        self.processes = [subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                           stderr=subprocess.DEVNULL, env=environment) for c in commands]

    def read(self):
        for p in self.processes:
            p.stdin.write("\n")
        return max(self.answer(p) for p in self.processes)

    def answer(self, process):
        for line in process.stdout:  # ParaView says this and that in between
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError(f"{self.name} ended: {process.args}")

    def close(self):
        for p in self.processes:
            p.stdin.close()
        for p in self.processes:
            p.wait()


class Beamcast:
    """The library, in one process a rank."""

    def __init__(self, program, plugins, path, ranks, threads):
        environment = dict(os.environ)
        if plugins:
            environment["HDF5_PLUGIN_PATH"] = plugins
        self.name, self.path, self.ranks, self.threads, self.scratch = "beamcast", path, ranks, threads, 0
        self.processes = [Probe(program, environment) for _ in range(ranks)]

    def read(self):
        for p in self.processes:  # opened anew, so that nothing of the last time is known
            p.ask("open", self.path, "z,y,x")
        for i, p in enumerate(self.processes):
            p.process.stdin.write(f"read\t-\t/v\tthreads={self.threads}\tranks={self.ranks}\trank={i}\n".encode())
            p.process.stdin.flush()
        answers = [json.loads(p.process.stdout.readline()) for p in self.processes]
        self.scratch = max([self.scratch] + [a["scratch"] for a in answers])
        return max(a["seconds"] for a in answers)

    def close(self):
        for p in self.processes:
            p.__exit__()


def forget(path):
    """Asks the kernel to forget the file's pages."""
    with open(path, "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peers(arguments, folder, path, kind, dtype, python, plugins, cores):
    """All that read the file, in the order of each round."""
    for ranks in (1, 2):
        for name, program, code in (("pread", sys.executable, PREAD), ("h5py", python, H5PY)):
            yield Peer(name, [[program, "-c", code, path, str(i), str(ranks)] for i in range(ranks)])
        for threads in range(1, max(1, cores // ranks) + 1) if cores <= 4 else sorted({1, 2, 4, cores // ranks}):
            yield Beamcast(arguments.probe, plugins, path, ranks, threads)
    if shutil.which("pvpython") is None or kind in ("bitshuffle/LZ4", "Blosc/Zstandard"):
        return
    script, xdmf = os.path.join(folder, "through_paraview.py"), os.path.join(folder, "v.xmf")
    with open(script, "w") as f:
        f.write(PARAVIEW)
    with open(xdmf, "w") as f:
        f.write(XDMF.format(n=arguments.size, path=path, kind="UShort" if dtype == "u2" else "Float",
                            bytes=2 if dtype == "u2" else 4))
    environment = dict(os.environ)
    environment.pop("DISPLAY", None)
    yield Peer("ParaView, XDMF", [["pvpython", script, xdmf]], environment)
    if arguments.plugin:
        yield Peer("ParaView, Beamcast", [["pvpython", script, path]], dict(environment, PV_PLUGIN_PATH=arguments.plugin))


def measure(contenders, path, repeat, cold):
    """Medians of alternated runs: every round has each of them once. One round before does not count."""
    times = [[] for _ in contenders]
    for number in range(repeat + (0 if cold else 1)):
        for contender, seconds in zip(contenders, times):
            if cold:
                forget(path)
            took = contender.read()
            if cold or number > 0:
                seconds.append(took)
    return times


def listing(program, folder, python, repeat):
    """Seconds to open a file of 10,000 datasets and list them."""
    path = os.path.join(folder, "many.h5")
    code = ("import sys, h5py\nwith h5py.File(sys.argv[1], 'w') as f:\n for i in range(100):\n  g = f.create_group(f'g{i}')\n"
            "  for k in range(100): g.create_dataset(f'd{k}', (4, 5, 6), 'u2')")
    subprocess.run([python, "-c", code, path], check=True)
    with Probe(program) as probe:
        times = [probe.ask("open", path)["seconds"] for _ in range(repeat)]
        assert len(probe.ask("info")["volumes"]) == 10000
    return statistics.median(times)


def one_file(arguments, folder, kind, dtype, python, plugins, cores, rows):
    path = os.path.join(folder, "v.h5")
    subprocess.run([python, "-c", MAKE, path, str(arguments.size), dtype, kind], check=True)
    os.sync()
    size = arguments.size ** 3 * (2 if dtype == "u2" else 4)
    contenders = list(peers(arguments, folder, path, kind, dtype, python, plugins, cores))
    for cold in (False, True):
        for contender, seconds in zip(contenders, measure(contenders, path, arguments.repeat, cold)):
            stored = os.path.getsize(path)
            median = statistics.median(seconds)
            # pread reads what is stored: in terms of the same volume as the others
            row = dict(kind=kind, type=dtype, who=contender.name, ranks=contender.ranks, threads=contender.threads,
                       cold=cold, seconds=median, all_seconds=seconds, gb_per_s=size / median / 1e9, bytes=size,
                       stored=stored, scratch=contender.scratch)
            rows.append(row)
            print("{kind:16} {type} {who:18} {ranks} ranks {threads} threads {w:4} {gb_per_s:6.2f} GB/s".format(
                w="cold" if cold else "warm", **row), flush=True)
    for contender in contenders:
        contender.close()


def compare(rows):
    """Ratios to the limit and to the peers under the same conditions."""
    speed = {(r["kind"], r["type"], r["cold"], r["who"], r["ranks"], r["threads"]): r["gb_per_s"] for r in rows}
    ratios = []
    for (kind, dtype, cold, who, ranks, threads), value in speed.items():
        pairs = {"beamcast": [("pread", ranks), ("h5py", ranks), ("h5py", 1)],
                 "ParaView, Beamcast": [("ParaView, XDMF", 1)]}.get(who, [])
        for peer, peer_ranks in dict.fromkeys(pairs):
            other = speed[(kind, dtype, cold, peer, peer_ranks, 1)]
            ratios.append(dict(kind=kind, type=dtype, cold=cold, who=who, ranks=ranks, threads=threads, peer=peer,
                               peer_ranks=peer_ranks, ratio=value / other))
    return ratios


def promises(ratios, rows, seconds, cores):
    """What the reader promises, and what was measured."""
    def of(kinds, peer, cores_used):
        return {f"{r['kind']} {r['type']} {'cold' if r['cold'] else 'warm'} {r['ranks']} ranks": r["ratio"]
                for r in ratios if r["kind"] in kinds and r["peer"] == peer and r["who"] == "beamcast" and
                r["peer_ranks"] == (r["ranks"] if peer == "pread" else 1) and
                r["threads"] * r["ranks"] == cores_used(r)}

    yield "of pread, contiguous", 0.9, of(["contiguous"], "pread", lambda r: max(cores, r["ranks"]))
    if cores >= 2:
        yield "times h5py, on 2 cores", 1.8, {n: v for n, v in of(KINDS[1:3], "h5py", lambda r: 2).items()
                                              if n.endswith("1 ranks")}
    yield "MiB beyond the output at most", -64, {"largest": -max(r["scratch"] or 0 for r in rows) / 2 ** 20}
    yield "seconds for a list of 10000 datasets at most", -1, {"list": -seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", required=True, help="the program volume_probe of the build")
    parser.add_argument("--plugin", help="folder of the ParaView plugin, to measure it through ParaView, too")
    parser.add_argument("--python", help="a Python that has h5py and hdf5plugin; without, one is made")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help="only these: " + ", ".join(KINDS))
    parser.add_argument("--json")
    arguments = parser.parse_args()
    began = time.monotonic()
    place = os.path.join(os.path.dirname(os.path.abspath(arguments.probe)), "..", "bench-python")
    python = arguments.python or python_with(place, ["hdf5plugin"], "hdf5plugin, h5py") or "/usr/bin/python3"
    found = subprocess.run([python, "-c", "import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)"], capture_output=True, text=True)
    plugins = found.stdout.strip() if found.returncode == 0 else None
    if not plugins:
        print("left out: bitshuffle/LZ4 and Blosc/Zstandard, hdf5plugin is missing")
    cores = len(os.sched_getaffinity(0))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in [k for k in arguments.kinds if plugins or k in KINDS[:2]]:
            for dtype in ("f4", "u2"):
                one_file(arguments, folder, kind, dtype, python, plugins, cores, rows)
        seconds = listing(arguments.probe, folder, python, arguments.repeat)
    ratios = compare(rows)
    print()
    for r in ratios:
        print("{kind:16} {type} {w} {who}, {ranks} ranks, {threads} threads: {ratio:.2f} x {peer} ({peer_ranks} processes)".format(
            w="cold" if r["cold"] else "warm", **r))
    print()
    results = list(promises(ratios, rows, seconds, cores))
    for what, least, values in results:
        for name, value in values.items():
            print(f"{'holds ' if value >= least else 'MISSED'} {abs(value):5.2f} {what} ({abs(least)}): {name}")
    print(f"{time.monotonic() - began:.0f} s in all")
    if arguments.json:
        with open(arguments.json, "w") as f:
            json.dump(dict(cores=cores, size=arguments.size, repeat=arguments.repeat, rows=rows, ratios=ratios,
                           list_seconds=seconds, promises=[dict(what=w, least=a, values=v) for w, a, v in results]), f, indent=1)


if __name__ == "__main__":
    main()
