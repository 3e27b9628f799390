#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures reading of volumes; see README.md."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "reader", "tests"))
from probe import Probe  # noqa: E402

MAKE = """
import sys, h5py, numpy as np
path, size, dtype, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
try:
    import hdf5plugin
except ImportError:
    hdf5plugin = None
kw = {"contiguous": {}, "deflate+shuffle": dict(compression="gzip", compression_opts=4, shuffle=True)}.get(name)
if kw is None:
    kw = dict(hdf5plugin.Bitshuffle() if name == "bitshuffle/LZ4" else hdf5plugin.Blosc(cname="zstd", clevel=5))
if name != "contiguous":
    kw["chunks"] = (1, size, size)
# A ball with a texture and noise: what a detector or a reconstruction gives.
rng = np.random.default_rng(1)
y, x = np.mgrid[-1:1:size * 1j, -1:1:size * 1j]
with h5py.File(path, "w") as f:
    d = f.create_dataset("v", (size, size, size), dtype, **kw)
    for i, z in enumerate(np.linspace(-1, 1, size)):
        plane = 1000 + 500 * np.cos(9 * x + 7 * y * z) * (x * x + y * y + z * z < 0.8) + 8 * rng.normal(size=x.shape)
        d[i] = plane.astype(dtype) if dtype == "u2" else np.float32(np.round(plane, 1))
"""

H5PY = """
import sys, time, h5py, numpy as np
try:
    import hdf5plugin
except ImportError:
    pass
path, repeat, cold, part, parts = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1", int(sys.argv[4]), int(sys.argv[5])
import os
with h5py.File(path, "r") as f:
    n = f["v"].shape[0]
    low, high = n * part // parts, n * (part + 1) // parts
    out = np.ones((high - low,) + f["v"].shape[1:], f["v"].dtype)
best = 1e9
for _ in range(repeat):
    if cold:
        fd = os.open(path, os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED); os.close(fd)
    with h5py.File(path, "r") as f:
        start = time.perf_counter()
        f["v"].read_direct(out, np.s_[low:high])
        best = min(best, time.perf_counter() - start)
print(best)
"""

PREAD = """
import sys, os, time, mmap
path, repeat, cold, part, parts = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1", int(sys.argv[4]), int(sys.argv[5])
size = os.path.getsize(path)
low, high = size * part // parts, size * (part + 1) // parts
memory = mmap.mmap(-1, high - low)
for i in range(0, high - low, 4096):
    memory[i] = 1
view, best = memoryview(memory), 1e9
fd = os.open(path, os.O_RDONLY)
for _ in range(repeat):
    if cold:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    start, at = time.perf_counter(), 0
    while at < high - low:
        at += os.preadv(fd, [view[at:at + (4 << 20)]], low + at)
    best = min(best, time.perf_counter() - start)
print(best)
"""

PARAVIEW = """
import sys, time
from paraview.simple import *
best = 1e9
for _ in range(int(sys.argv[2])):
    r = XDMFReader(FileNames=[sys.argv[1]]); r.UpdatePipelineInformation()
    start = time.perf_counter(); r.UpdatePipeline(); best = min(best, time.perf_counter() - start); Delete(r)
print(best)
"""

XDMF = """<Xdmf Version="2.0"><Domain><Grid Name="g" GridType="Uniform">
<Topology TopologyType="3DCoRectMesh" Dimensions="{n} {n} {n}"/>
<Geometry GeometryType="ORIGIN_DXDYDZ"><DataItem Dimensions="3" Format="XML">0 0 0</DataItem>
<DataItem Dimensions="3" Format="XML">1 1 1</DataItem></Geometry>
<Attribute Name="v" Center="Node"><DataItem Format="HDF" Dimensions="{n} {n} {n}" NumberType="{kind}"
Precision="{bytes}">{path}:/v</DataItem></Attribute></Grid></Domain></Xdmf>
"""


def forget(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def scripts(python, code, parts, path, repeat, cold):
    """The slowest of parts processes that run the same script at the same time."""
    runs = [subprocess.Popen([python, "-c", code, path, str(repeat), str(int(cold)), str(i), str(parts)],
                             stdout=subprocess.PIPE, text=True) for i in range(parts)]
    return max(float(run.communicate()[0].split()[-1]) for run in runs)


def beamcast(program, plugins, parts, threads, path, repeat, cold):
    environment = dict(os.environ)
    if plugins:
        environment["HDF5_PLUGIN_PATH"] = plugins
    probes = [Probe(program, environment) for _ in range(parts)]
    best = 1e9
    for p in probes:
        p.ask("open", path, "z,y,x")
    words = [f"read\t-\t/v\tthreads={threads}\tranks={parts}\trank={i}\trepeat={1 if cold else repeat}\n"
             for i in range(parts)]
    answers = []
    for _ in range(repeat if cold else 1):
        if cold:
            forget(path)
        for p, word in zip(probes, words):  # all at once
            p.process.stdin.write(word.encode())
            p.process.stdin.flush()
        answers = [json.loads(p.process.stdout.readline()) for p in probes]
        best = min(best, max(a["seconds"] for a in answers))
    for p in probes:
        p.__exit__()
    return best, max(a["scratch"] for a in answers)


def paraview(folder, path, n, dtype, repeat):
    if shutil.which("pvpython") is None:
        return None
    xdmf = os.path.join(folder, "v.xmf")
    with open(xdmf, "w") as f:
        f.write(XDMF.format(n=n, path=path, kind="UShort" if dtype == "u2" else "Float", bytes=2 if dtype == "u2" else 4))
    run = subprocess.run(["pvpython", "/dev/stdin", xdmf, str(repeat)], input=PARAVIEW, capture_output=True, text=True)
    try:
        return float(run.stdout.split()[-1])
    except (IndexError, ValueError):
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    found = subprocess.run([arguments.python, "-c", "import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)"],
                           capture_output=True, text=True)
    plugins = found.stdout.strip() if found.returncode == 0 else None
    kinds = ["contiguous", "deflate+shuffle"] + (["bitshuffle/LZ4", "Blosc/Zstandard"] if plugins else [])
    if not plugins:
        print("left out: bitshuffle/LZ4 and Blosc/Zstandard, hdf5plugin is missing")
    cores = len(os.sched_getaffinity(0))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            for dtype in ("f4", "u2"):
                path = os.path.join(folder, "v.h5")
                subprocess.run([arguments.python, "-c", MAKE, path, str(arguments.size), dtype, kind], check=True)
                os.sync()
                size = arguments.size ** 3 * (2 if dtype == "u2" else 4)

                def row(who, ranks, threads, cold, seconds, **more):
                    if seconds is not None:
                        rows.append(dict(kind=kind, type=dtype, who=who, ranks=ranks, threads=threads, cold=cold,
                                         seconds=seconds, gb_per_s=size / seconds / 1e9,
                                         stored=os.path.getsize(path), **more))
                        print("{kind:16} {type} {who:9} {ranks} ranks {threads} threads {w:4} {gb_per_s:6.2f} GB/s".format(
                            w="cold" if cold else "warm", **rows[-1]), flush=True)

                for cold in (False, True):
                    for ranks in (1, 2):
                        if kind == "contiguous":
                            row("pread", ranks, 1, cold,
                                scripts("/usr/bin/python3", PREAD, ranks, path, arguments.repeat, cold))
                        row("h5py", ranks, 1, cold,
                            scripts(arguments.python, H5PY, ranks, path, arguments.repeat, cold))
                        for threads in sorted({1, 2, cores} if ranks == 1 else {1}):
                            seconds, scratch = beamcast(arguments.probe, plugins, ranks, threads, path,
                                                        arguments.repeat, cold)
                            row("beamcast", ranks, threads, cold, seconds, scratch=scratch)
                if kind == "contiguous":
                    row("XDMF", 1, 1, False, paraview(folder, path, arguments.size, dtype, 3))
    ratios = {}
    speed = {(r["kind"], r["type"], r["who"], r["ranks"], r["threads"], r["cold"]): r["gb_per_s"] for r in rows}
    for (kind, dtype, who, ranks, threads, cold), value in speed.items():
        peer = "pread" if kind == "contiguous" else "h5py"
        if who == "beamcast":
            ratios[f"{kind} {dtype} {ranks} ranks {threads} threads {'cold' if cold else 'warm'}: times {peer}"] = (
                value / speed[(kind, dtype, peer, ranks, 1, cold)])
    for name, value in ratios.items():
        print(f"{name} {value:.2f}")
    if arguments.json:
        with open(arguments.json, "w") as f:
            json.dump(dict(cores=cores, size=arguments.size, rows=rows, ratios=ratios), f, indent=1)


if __name__ == "__main__":
    main()
