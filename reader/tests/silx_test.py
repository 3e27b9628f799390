#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the writer writes is opened by silx (and h5py under it) without loss: values, axes, units, provenance.

    silx_test.py PROBE FOLDER

PyPI's silx is installed into FOLDER; where that is not possible the test is skipped."""

import os
import subprocess
import sys
import tempfile

import numpy as np

from probe import Probe
from pypi import python_with


def write_all(probe, folder):
    """One file for each type, plain and compressed; the values beside it."""
    rng = np.random.default_rng(7)
    for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
        values = rng.integers(0, 120, (5, 6, 7)).astype(dtype)
        for compression in (0, 4):
            stem = os.path.join(folder, f"{dtype}-{compression}")
            values.tofile(stem + ".raw")
            np.save(stem + ".npy", values)
            probe.ask("write", stem + ".raw", stem + ".nxs", type=np.dtype(dtype).name, size="7,6,5", spacing="0.5,0.25,2",
                      unit="um", value_unit="1/cm", name="absorption", source="scan.nxs:/entry/data", step=3, compression=compression)
    colours = rng.integers(0, 255, (4, 20, 30, 3)).astype("u1")
    stem = os.path.join(folder, "colours")
    colours.tofile(stem + ".raw")
    np.save(stem + ".npy", colours)
    probe.ask("write", stem + ".raw", stem + ".nxs", type="uint8", size="30,20,4", spacing="1,1,1", components=3)


def look(folder):
    """In the Python that has silx."""
    import silx
    import silx.io
    from silx.io import nxdata

    files = sorted(f for f in os.listdir(folder) if f.endswith(".nxs"))
    for name in files:
        values = np.load(os.path.join(folder, name[:-4] + ".npy"))
        with silx.io.open(os.path.join(folder, name)) as f:
            assert silx.io.is_file(f) and nxdata.get_default(f) is not None, name
            data = nxdata.get_default(f, validate=True)
            assert data.is_valid and np.array_equal(data.signal[()], values), name
            assert data.signal.dtype == values.dtype, name
            if name == "colours.nxs":
                assert data.interpretation == "rgb-image", data.interpretation
                continue
            assert data.signal_name == "absorption" and data.axes_dataset_names == ["z", "y", "x"], name
            for axis, step, count in zip(data.axes, (2, 0.25, 0.5), values.shape):
                assert np.array_equal(axis[()], step * np.arange(count)), name
                assert silx.io.utils.get_h5_class(axis) is not None and axis.attrs["units"] == "um", name
            assert data.signal.attrs["units"] == "1/cm", name
            process = f["entry/process"]
            text = {k: process[k][()].decode() for k in ("program", "version", "source", "date")}
            assert text["program"] == "Beamcast" and text["source"] == "scan.nxs:/entry/data" and text["version"], text
            assert process["step"][()] == 3, name
    assert len(files) == 21
    print(f"silx {silx.version} opens {len(files)} files without loss")


def main():
    if sys.argv[1] == "look":
        return look(sys.argv[2])
    probe_program, place = sys.argv[1:3]
    python = python_with(os.path.join(place, "silx"), ["silx", "packaging"], "silx.io.nxdata")
    if python is None:
        print("skipped: silx (PyPI) can't be installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        with Probe(probe_program) as probe:
            write_all(probe, folder)
        sys.exit(subprocess.run([python, os.path.abspath(__file__), "look", folder]).returncode)


if __name__ == "__main__":
    main()
