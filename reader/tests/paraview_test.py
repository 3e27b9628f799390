#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The reader and the writer in ParaView, on 1 to 4 ranks: the same voxels as h5py, at the right place.

    paraview_test.py PLUGIN_FOLDER"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from growing_test import WRITER

HERE = os.path.dirname(os.path.abspath(__file__))
INNER, MORE = os.path.join(HERE, "paraview_inner.py"), os.path.join(HERE, "paraview_more.py")


def skip(text):
    print("skipped:", text)
    sys.exit(77)


def pvbatch(ranks, plugins, check=True, script=INNER, **what):
    environment = dict(os.environ, PV_PLUGIN_PATH=plugins, OMPI_MCA_mpi_yield_when_idle="1",
                       OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    environment.pop("DISPLAY", None)
    command = ["mpiexec", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
    run = subprocess.run(command + ["pvbatch", script, json.dumps(what)], env=environment, capture_output=True,
                         text=True, timeout=150)
    answers = [line[7:] for line in run.stdout.splitlines() if line.startswith("ANSWER ")]
    if check:
        assert run.returncode == 0 and len(answers) == 1, f"{what}: {run.returncode}\n{run.stdout}\n{run.stderr}"
        return json.loads(answers[0])
    return run


def asymmetric(shape):
    """Every voxel has a value of its own, and no mirror image is the same."""
    z, y, x = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return (x + 100 * y + 10000 * z).astype("f4")


def near(answer, *values):
    """A probe interpolates with rounding errors; neighbouring voxels differ by 1 or more."""
    return np.allclose(answer["probe"], [float(v) for v in values], rtol=0, atol=0.1)


def axes_file(path, values, **kw):
    with h5py.File(path, "w") as f:
        f.attrs["default"] = "entry"
        entry = f.create_group("entry")
        entry.attrs["default"] = "recon"
        data = entry.create_group("recon")
        data.attrs.update(NX_class="NXdata", signal="absorption", axes=["z", "y", "x"])
        data.create_dataset("absorption", data=values, **kw)
        nz, ny, nx = values.shape
        data["x"] = 2.0 + 0.5 * np.arange(nx)
        data["y"] = (10.0 - 0.25 * np.arange(ny)) * 1e-3  # falls; in mm
        data["z"] = 0.75 * np.arange(nz)
        data["x"].attrs["units"] = "um"
        data["y"].attrs["units"] = "mm"
        data["z"].attrs["units"] = "\u00b5m"


def test_ranks(folder, plugins):
    """1 to 4 ranks, contiguous and chunked: every voxel, shared planes read for ghosts only, places in um."""
    values = asymmetric((23, 17, 11))
    whole = values.size
    for ranks, kw in [(1, {}), (2, {}), (3, dict(chunks=(4, 5, 6), compression="gzip", shuffle=True)),
                      (4, dict(chunks=(23, 3, 11), compression="gzip"))]:
        path, out = os.path.join(folder, f"in{ranks}.nxs"), os.path.join(folder, f"out{ranks}.nxs")
        axes_file(path, values, **kw)
        # voxel (x, y, z) = (3, 4, 5) lies at x = 3.5, y = 9 (the axis falls), z = 3.75 um
        points = [[2.0 + 0.5 * 3, 10.0 - 0.25 * 4, 0.75 * 5], [2.0, 10.0, 0.0]]
        answer = pvbatch(ranks, plugins, files=[path], contour=30000.5, probe=points, write=out,
                         writer=dict(Compression=4 if ranks % 2 else 0))
        assert answer["arrays"] == ["absorption"] and answer["unit"] == "um", answer
        assert answer["extent"] == [0, 10, 0, 16, 0, 22], answer
        assert np.allclose(answer["bounds"], [2, 7, 6, 10, 0, 16.5]), answer
        assert near(answer, values[5, 4, 3], values[0, 0, 0]), answer
        if ranks > 1:
            extra = answer["samples_with_ghosts"] - answer["samples"]
            assert answer["samples"] < whole and 0 < extra <= answer["samples"] / 2, answer
        else:
            assert answer["samples_with_ghosts"] == whole, answer
        check_written(out, values[:, ::-1, :], [0.75, 0.25, 0.5], [0, 6, 2])
        again = pvbatch(2, plugins, files=[out], probe=points)
        assert near(again, *answer["probe"]) and np.allclose(again["bounds"], answer["bounds"]), again
    print("1 to 4 ranks: voxels, places, ghost planes, writer")


def check_written(path, values, spacing, origin):
    """h5py follows default and signal to the same values, axes and units."""
    with h5py.File(path, "r") as f:
        entry = f[f.attrs["default"]]
        data = entry[entry.attrs["default"]]
        signal = data.attrs["signal"]
        assert np.array_equal(data[signal][()], values), path
        for name, step, first, count in zip("zyx", spacing, origin, values.shape):
            assert np.allclose(data[name][()], first + step * np.arange(count)), name
            assert data[name].attrs["units"] == "um", name
        assert [a.decode() if isinstance(a, bytes) else a for a in data.attrs["axes"]] == ["z", "y", "x"]
        assert entry["process/program"][()] == b"Beamcast" and b".nxs" in entry["process/source"][()]


def test_choices(folder, plugins):
    """Dataset, region, stride, window, unit, dimension names, state files."""
    path, state = os.path.join(folder, "choice.h5"), os.path.join(folder, "state.pvsm")
    values = asymmetric((12, 10, 8))
    with h5py.File(path, "w") as f:
        f["big"] = np.zeros((20, 20, 20), "u2")
        f["small"] = values
        f["small"].attrs["element_size_um"] = [3.0, 2.0, 1.0]
    answer = pvbatch(1, plugins, files=[path], state=state, probe=[[2.0, 2.0, 6.0]],
                     properties=dict(Dataset="/small", Region=[2, 8, 1, 10, 0, 12], Stride=[2, 3, 2]))
    assert answer["datasets"][0] == "/big" and "/small" in answer["datasets"], answer
    assert answer["size"] == [3, 3, 6] and near(answer, values[2, 1, 2]), answer
    assert answer["again"] == [[3, 3, 6], "/small", [2, 8, 1, 10, 0, 12], [2, 3, 2]], answer
    answer = pvbatch(2, plugins, files=[path], properties=dict(Dataset="/small", OutputType="uint8",
                                                               Window=[0, 255], Unit="mm"), probe=[[0.003, 0, 0]])
    assert near(answer, 3) and answer["unit"] == "mm", answer
    answer = pvbatch(1, plugins, files=[path], properties=dict(Dataset="/small", DimensionNames="x,y,z", Unit="voxel"),
                     probe=[[5, 4, 3]])
    assert near(answer, values[5, 4, 3]), answer
    print("choices and state files")


def test_memory(folder, plugins):
    """What does not fit comes at a stride, and says so."""
    path = os.path.join(folder, "large.h5")
    with h5py.File(path, "w") as f:
        f["v"] = np.zeros((64, 128, 128), "f4")
    answer = pvbatch(2, plugins, files=[path], properties=dict(MemoryLimit=1))
    assert answer["size"] == [64, 64, 32] and "Every 2 x 2 x 2" in answer["notice"], answer
    print("a stride that fits memory")


def test_time(folder, plugins):
    """4-D data and series of files are steps of time."""
    path, out = os.path.join(folder, "time.nxs"), os.path.join(folder, "time_out.nxs")
    values = np.stack([asymmetric((5, 6, 7)) + 1000000 * t for t in range(3)])
    with h5py.File(path, "w") as f:
        g = f.create_group("entry/data")
        f["entry"].attrs["default"] = "data"
        f.attrs["default"] = "entry"
        g.attrs.update(NX_class="NXdata", signal="v", axes=["time", "z", "y", "x"])
        g["v"], g["time"] = values, [0.5, 1.5, 4.0]
    answer = pvbatch(2, plugins, files=[path], time=4.0, write=out)
    assert answer["times"] == [0.5, 1.5, 4.0], answer
    with h5py.File(out, "r") as f:
        assert np.array_equal(f["entry/data/v"][()], values[2]) and f["entry/process/time"][()] == 4.0
        assert f["entry/process/step"][()] == 2
    files = []
    for t in range(3):
        files.append(os.path.join(folder, f"series_{t}.h5"))
        with h5py.File(files[-1], "w") as f:
            f["v"] = values[t]
    answer = pvbatch(2, plugins, files=files, time=1.0, write=out)
    assert answer["times"] == [0.0, 1.0, 2.0], answer
    with h5py.File(out, "r") as f:
        assert np.array_equal(f["entry/data/v"][()], values[1]) and f["entry/process/step"][()] == 1
    print("time in the file, and a series of files")


def test_together(folder, plugins):
    """A chunk that only one rank reads is damaged: all ranks end, with a sentence, without a picture."""
    path = os.path.join(folder, "damaged.h5")
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as f:
        d = f.create_dataset("v", data=rng.integers(0, 99, (32, 16, 16), "u1"), chunks=(1, 16, 16), compression="gzip")
        place = d.id.get_chunk_info(30)
    with open(path, "r+b") as f:
        f.seek(place.byte_offset + 5)
        f.write(b"\xff" * 20)
    run = pvbatch(3, plugins, files=[path], check=False)
    assert "The chunk at (30, 0, 0) of /v" in run.stdout + run.stderr, run.stderr
    assert '"arrays": []' in run.stdout, run.stdout + run.stderr
    print("a damaged chunk ends the read on all ranks")


def test_cancel(folder, plugins):
    """A read says how far it is, and ends when it is told to, with a sentence and without a picture."""
    path = os.path.join(folder, "cancel.h5")
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=np.zeros((200, 300, 300), "u1"), chunks=(1, 300, 300), compression="gzip")
    for ranks in (1, 2):
        answer = pvbatch(ranks, plugins, script=MORE, what="cancel", file=path)
        assert any(0 < p < 1 for p in answer["progress"]), answer
        assert answer["cancelled"] == [] and answer["again"] == ["v"], answer
        assert answer["samples"] == answer["samples_asked_again"], answer  # not read again behind one's back
    print("progress, and an end on request")


def test_follow(folder, plugins):
    """Scripts poll a scan that is being written; what is not there is left out."""
    for ranks, dataset in ((1, "/frames"), (2, "/whole"), (2, "/frames")):
        path = os.path.join(folder, f"scan{ranks}{dataset[1]}.h5")
        answer = pvbatch(ranks, plugins, script=MORE, what="follow", file=path, dataset=dataset,
                         writer=[sys.executable, "-c", WRITER, path])
        assert answer["planes"] == [3, 7, 11, 15], answer
        assert answer["ranges"] == [[1, n] for n in answer["planes"]], answer
    print("a file that grows, followed by scripts")


def test_states(folder, plugins):
    """A state file brings back the reader and the writer."""
    path, out = os.path.join(folder, "state.nxs"), os.path.join(folder, "state_out.nxs")
    axes_file(path, asymmetric((6, 7, 8)))
    stream = os.path.join(folder, "stream_out.nxs")
    answer = pvbatch(1, plugins, script=MORE, what="states", file=path, out=out, stream=stream,
                     state=os.path.join(folder, "s.pvsm"))
    assert answer == {"stride": [1, 2, 1], "unit": "mm", "compression": 3, "chunk": [4, 5, 6], "written": True}, answer
    with h5py.File(out, "r") as f:
        assert f["entry/data/absorption"].shape == (6, 4, 8) and f["entry/data/absorption"].chunks == (6, 4, 4)
        assert f["entry/data/absorption"].compression_opts == 3 and f["entry/data/x"].attrs["units"] == "mm"
    with h5py.File(stream, "r") as f:  # what a stream says of its steps is written, too
        assert f["entry/data/x"].attrs["units"] == "nm" and f["entry/data/absorption"].attrs["units"] == "1/cm"
        assert f["entry/process/step"][()] == 7 and f["entry/process/time"][()] == 2.5
    print("a state file with reader and writer; a stream's units and step")


def test_scan(folder, plugins):
    """The real scan, where it is."""
    path = os.environ.get("BEAMCAST_SCAN", "")
    if not os.path.exists(path):
        print("skipped: the scan k11-18014.nxs (BEAMCAST_SCAN) is missing")
        return
    out = os.path.join(folder, "scan.nxs")
    answer = pvbatch(2, plugins, files=[path], write=out)
    assert answer["datasets"][0].endswith("[projections]") and answer["size"] == [26, 22, 3001], answer
    assert len(answer["missing"]) == len(set(answer["missing"])) >= 3, answer
    with h5py.File(path, "r") as f, h5py.File(out, "r") as g:
        keys = f["entry/instrument/imaging/image_key"][()]
        assert np.array_equal(g["entry/data/projections"][()], f["entry/imaging/data"][()][keys == 0])
    print("the real scan: projections, and what is missing")


def main():
    for program in ("pvbatch", "mpiexec"):
        if shutil.which(program) is None:
            skip(f"{program} is missing")
    plugins = sys.argv[1]
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        for test in (test_ranks, test_choices, test_memory, test_time, test_together, test_cancel, test_follow,
                     test_states, test_scan):
            if not wanted or test.__name__ in wanted:
                test(folder, plugins)


if __name__ == "__main__":
    main()
