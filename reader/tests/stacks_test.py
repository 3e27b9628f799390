#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""TIFF stacks and raw files: the voxels, the shapes from sidecars, what goes wrong.

    stacks_test.py PROBE"""

import json
import os
import struct
import sys
import tempfile

import numpy as np

from bad_files_test import refuses
from probe import Probe


def write_tiff(path, pages, big=False, rows=None, description=None, resolution=None, tiled=None):
    """A plain TIFF writer: little or big endian, strips or tiles, several pages."""
    order = ">" if big else "<"
    out = bytearray((b"MM" if big else b"II") + struct.pack(order + "HI", 42, 0))
    link = 4
    for page in pages:
        samples = page.shape[2] if page.ndim == 3 else 1
        height, width = page.shape[:2]
        data = page.astype(page.dtype.newbyteorder(order))
        if tiled:
            blocks = []
            for y in range(0, height, tiled):
                for x in range(0, width, tiled):
                    block = np.zeros((tiled, tiled) + page.shape[2:], data.dtype)
                    part = data[y:y + tiled, x:x + tiled]
                    block[:part.shape[0], :part.shape[1]] = part
                    blocks.append(block.tobytes())
        else:
            step = rows or height
            blocks = [data[y:y + step].tobytes() for y in range(0, height, step)]
        places = []
        for block in blocks:
            places.append(len(out))
            out += block
        out += b"\0" * (len(out) % 2)

        def array(kind, values):
            place = len(out)
            out.extend(struct.pack(order + str(len(values)) + kind, *values))
            return place

        form = {"u": 1, "i": 2, "f": 3}[page.dtype.kind]
        tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, page.dtype.itemsize * 8), (259, 3, 1, 1),
                (262, 3, 1, 2 if samples > 1 else 1), (277, 3, 1, samples), (339, 3, 1, form)]
        if samples > 1:
            tags[2] = (258, 3, samples, array("H", [page.dtype.itemsize * 8] * samples))
            tags[6] = (339, 3, samples, array("H", [form] * samples))
        if description:
            text = description.encode() + b"\0"
            place = len(out)
            out += text + b"\0" * (len(text) % 2)
            tags.append((270, 2, len(text), place))
        if resolution:
            tags.append((282, 5, 1, array("I", resolution)))
            tags.append((283, 5, 1, array("I", resolution)))
        sizes = [len(b) for b in blocks]
        offsets = places[0] if len(places) == 1 else array("I", places)
        counts = sizes[0] if len(sizes) == 1 else array("I", sizes)
        if tiled:
            tags += [(322, 4, 1, tiled), (323, 4, 1, tiled), (324, 4, len(places), offsets),
                     (325, 4, len(sizes), counts)]
        else:
            tags += [(273, 4, len(places), offsets), (278, 4, 1, rows or height), (279, 4, len(sizes), counts)]
        struct.pack_into(order + "I", out, link, len(out))
        out += struct.pack(order + "H", len(tags))
        for tag, kind, count, value in sorted(tags):
            out += struct.pack(order + "HHI", tag, kind, count)
            out += struct.pack(order + "HH", value, 0) if kind == 3 and count == 1 else struct.pack(order + "I", value)
        link = len(out)
        out += struct.pack(order + "I", 0)
    with open(path, "wb") as f:
        f.write(out)


def read(probe, out, dtype, **options):
    answer = probe.ask("read", out, "", **options)
    e = answer["extent"]
    shape = [e[5] - e[4] + 1, e[3] - e[2] + 1, e[1] - e[0] + 1]
    return np.fromfile(out, dtype).reshape(shape + ([answer["components"]] if answer["components"] > 1 else []))


def tiff(folder, probe):
    out = os.path.join(folder, "out.raw")
    rng = np.random.default_rng(5)
    for dtype in ("u1", "u2", "i2", "f4", "u4", "f8"):
        values = (rng.random((5, 37, 41)) * 200).astype(dtype)
        for kw in (dict(), dict(big=True, rows=7), dict(tiled=16)):
            path = os.path.join(folder, "pages.tif")
            write_tiff(path, list(values), **kw)
            probe.ask("open", path)
            assert np.array_equal(read(probe, out, dtype), values), (dtype, kw)
            got = read(probe, out, dtype, region=[3, 40, 2, 30, 1, 5], stride=[2, 3, 2], threads=3)
            assert np.array_equal(got, values[1:5:2, 2:30:3, 3:40:2]), (dtype, kw)
    series = os.path.join(folder, "series")
    os.mkdir(series)
    for i in range(12):  # without leading zeros: 10 comes after 9
        write_tiff(os.path.join(series, f"slice_{i + 1}.tif"), [np.full((8, 9), i, "u2")])
    write_tiff(os.path.join(series, "other_3.tif"), [np.zeros((3, 3), "u1")])
    probe.ask("open", os.path.join(series, "slice_5.tif"))
    got = read(probe, out, "u2")
    assert got.shape == (12, 8, 9) and np.array_equal(got[:, 0, 0], np.arange(12)), got[:, 0, 0]
    os.remove(os.path.join(series, "slice_7.tif"))
    probe.ask("open", os.path.join(series, "slice_5.tif"))
    assert "Number 7" in probe.ask("info")["missing"][0]
    write_tiff(os.path.join(series, "slice_9.tif"), [np.zeros((4, 4), "u2")])
    assert "slice_9.tif" in refuses(probe, "read", "-", "")
    colours = (rng.random((2, 10, 11, 3)) * 255).astype("u1")
    path = os.path.join(folder, "colour.tif")
    write_tiff(path, list(colours))
    probe.ask("open", path)
    assert np.array_equal(read(probe, out, "u1"), colours)
    path = os.path.join(folder, "imagej.tif")
    write_tiff(path, [np.zeros((4, 4), "u2")] * 3, resolution=[4, 1],
               description="ImageJ=1.53\nimages=3\nslices=3\nunit=micron\nspacing=0.5\n")
    probe.ask("open", path)
    v = probe.ask("info")["volumes"][0]
    assert v["unit"] == "um" and v["spacing"] == [0.25, 0.25, 0.5], v
    with open(path, "r+b") as f:
        f.truncate(150)
    refuses(probe, "open", path)
    print("TIFF: pages, strips, tiles, series, colours, sizes")


def raw(folder, probe):
    out = os.path.join(folder, "out.raw")
    values = np.arange(4 * 5 * 6, dtype=">u2").reshape(4, 5, 6)
    path = os.path.join(folder, "bone_6x5x4_uint16.raw")
    values.astype("<u2").tofile(path)
    probe.ask("open", path)
    assert np.array_equal(read(probe, out, "u2"), values)
    path = os.path.join(folder, "scan.raw")
    with open(path, "wb") as f:
        f.write(b"header" + values.tobytes())
    assert "are not known" in refuses(probe, "open", path)
    with open(os.path.join(folder, "scan.json"), "w") as f:
        json.dump(dict(size=[6, 5, 4], type="uint16", byte_order="big", skip=6, spacing=[2, 2, 3], unit="um"), f)
    probe.ask("open", path)
    assert np.array_equal(read(probe, out, "u2", stride=[2, 1, 3]), values[::3, :, ::2])
    v = probe.ask("info")["volumes"][0]
    assert np.allclose(v["spacing"], [0.002, 0.002, 0.003]) and v["unit"] == "mm", v
    with open(os.path.join(folder, "scan.mhd"), "w") as f:
        f.write("ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_USHORT\nElementSpacing = 1 2 3\n"
                "BinaryDataByteOrderMSB = True\nHeaderSize = 6\nElementDataFile = scan.raw\n")
    probe.ask("open", os.path.join(folder, "scan.mhd"))
    assert np.array_equal(read(probe, out, "u2"), values)
    path = os.path.join(folder, "esrf.vol")
    floats = values.astype("<f4")
    floats.tofile(path)
    with open(path + ".info", "w") as f:
        f.write("! PyHST_SLAVE VOLUME INFO FILE\nNUM_X =  6\nNUM_Y =  5\nNUM_Z =  4\nvoxelSize =  1.5\n"
                "BYTEORDER = LOWBYTEFIRST\n")
    probe.ask("open", path)
    assert np.array_equal(read(probe, out, "f4"), floats)
    assert np.allclose(probe.ask("info")["volumes"][0]["spacing"], 0.0015)
    with open(path, "r+b") as f:
        f.truncate(100)
    assert "has 100 bytes" in refuses(probe, "open", path)
    print("raw files: names, .json, .mhd, .info")


def numpy_files(folder, probe):
    out, path = os.path.join(folder, "out.raw"), os.path.join(folder, "array.npy")
    values = (np.arange(4 * 5 * 6) % 100).reshape(4, 5, 6)
    for dtype in ("<i2", ">f4", "u1", "<f8", ">u2"):
        np.save(path, values.astype(dtype))
        probe.ask("open", path)
        assert np.array_equal(read(probe, out, dtype.lstrip("<>")), values), dtype
    np.save(path, values[0].astype("f4"))
    probe.ask("open", path)
    assert np.array_equal(read(probe, out, "f4").reshape(5, 6), values[0])
    for array, says in ((np.asfortranarray(values.astype("i2")), "Fortran order"), (values.astype("c8"), "<c8"),
                        (np.zeros((2, 2, 2, 3), "u1"), "4 dimensions"), (np.zeros(9), "1 dimensions")):
        np.save(path, array)
        assert says in refuses(probe, "open", path), says
    np.save(path, values.astype("i2"))
    with open(path, "rb") as file:
        whole = file.read()
    for cut, says in ((whole[:-1], "need 240"), (whole[:60], "is no .npy file"), (b"nonsense" * 20, "is no .npy file"),
                      (whole.replace(b"(4, 5, 6)", b"(0, 5, 6)"), "are not known"),
                      (whole.replace(b"(4, 5, 6)", b"(4, x, 6)"), "is no .npy file")):
        with open(path, "wb") as file:
            file.write(cut)
        assert says in refuses(probe, "open", path), says
    print("NumPy files: types, byte orders, dimensions, damage")


def main():
    with tempfile.TemporaryDirectory() as folder, Probe(sys.argv[1]) as probe:
        tiff(folder, probe)
        raw(folder, probe)
        numpy_files(folder, probe)


if __name__ == "__main__":
    main()
