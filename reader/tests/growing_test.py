#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A scan that is being written: opened while another program holds it, followed, and never wrong.

    growing_test.py PROBE"""

import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from bad_files_test import refuses
from probe import Probe

WRITER = """
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    d = f.create_dataset("frames", (0, 6, 7), "u2", maxshape=(None, 6, 7), chunks=(1, 6, 7), compression="gzip")
    k = f.create_dataset("whole", (20, 6, 7), "u2", chunks=(1, 6, 7), fillvalue=9)
    p = f.create_dataset("plain", (20, 6, 7), "u2", chunks=(1, 6, 7), fillvalue=9)  # HDF5 tells less about these
    f.swmr_mode = True
    print("ready", flush=True)
    n = 0
    for line in sys.stdin:
        for _ in range(int(line)):
            n += 1
            d.resize(n, 0)
            d[n - 1] = n
            if n <= len(k):
                k[n - 1] = p[n - 1] = n
        d.flush()
        k.flush()
        p.flush()
        print("flushed", flush=True)
"""


def frames(probe, out, dataset):
    answer = probe.ask("read", out, dataset)
    return np.fromfile(out, "u2").reshape(answer["extent"][5] + 1, 6, 7)[:, 0, 0].tolist()


def followed(folder, probe):
    path, out = os.path.join(folder, "scan.h5"), os.path.join(folder, "out.raw")
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, bufsize=1) as writer:
        def more(count):
            print(count, file=writer.stdin, flush=True)
            assert writer.stdout.readline() == "flushed\n"

        assert writer.stdout.readline() == "ready\n"
        more(3)
        probe.ask("open", path, "z,y,x", "live")
        size = {v["path"]: (v["size"][2], v["planes_written"]) for v in probe.ask("info")["volumes"]}
        assert size == {"/frames": (3, 3), "/whole": (20, 3), "/plain": (20, 3)}, size
        assert frames(probe, out, "/frames") == [1, 2, 3]
        assert probe.ask("refresh")["changed"] == 0
        more(4)
        assert probe.ask("refresh")["changed"] == 1
        assert frames(probe, out, "/frames") == [1, 2, 3, 4, 5, 6, 7]
        for dataset in ("/whole", "/plain"):
            assert frames(probe, out, dataset) == [1, 2, 3, 4, 5, 6, 7] + [9] * 13, dataset
        writer.stdin.close()
        assert writer.wait(30) == 0
    assert probe.ask("refresh")["changed"] == 0
    assert frames(probe, out, "/frames") == [1, 2, 3, 4, 5, 6, 7]
    print("SWMR: opened while it is written, followed, and after its end")


def locked(folder, probe):
    """A writer without SWMR locks the file: that is said; a reader doesn't keep others from writing."""
    path = os.path.join(folder, "locked.h5")
    with h5py.File(path, "w") as f:
        f["v"] = np.zeros((3, 4, 5))
        f.flush()
        assert "is being written" in refuses(probe, "open", path)
    probe.ask("open", path)
    with h5py.File(path, "a") as f:
        del f["v"]
        f["v"] = np.ones((4, 4, 5))
    assert "was changed since" in refuses(probe, "read", "-", "/v")
    assert probe.ask("refresh")["changed"] == 1
    probe.ask("read", "-", "/v")
    print("files that are locked, and files that change")


def main():
    with tempfile.TemporaryDirectory() as folder, Probe(sys.argv[1]) as probe:
        followed(folder, probe)
        locked(folder, probe)


if __name__ == "__main__":
    main()
