#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every voxel equals what h5py reads: random types, byte orders, layouts, filters, regions, strides, ranks.

    compare_test.py PROBE [SEED]

The seed is printed; give it to repeat a failure. Filters of PyPI's hdf5plugin are tested where it is."""

import os
import sys
import tempfile

import h5py
import numpy as np

from probe import Probe, skip_names

try:
    import hdf5plugin
except ImportError:
    hdf5plugin = None

TYPES = ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4", "<u8", ">u8", "<i8", ">i8",
         "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "?", "<c8", "<c16", ">c8"]


def random_values(rng, shape, dtype):
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "ui":
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max, shape, dtype=np.dtype(dtype).newbyteorder("="), endpoint=True)
        # Long runs, so that compressors have something to do and some chunks do not shrink.
        values[rng.random(shape) < 0.3] = 7
        return values.astype(dtype)
    values = rng.normal(size=shape) * 100
    if kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


def filters(rng):
    """Name and keyword arguments of a random filter."""
    choices = [("none", {}), ("gzip", dict(compression="gzip", compression_opts=int(rng.integers(1, 10)))),
               ("shuffle+gzip", dict(compression="gzip", shuffle=True)),
               ("lzf", dict(compression="lzf")), ("shuffle+lzf", dict(compression="lzf", shuffle=True)),
               ("fletcher32", dict(fletcher32=True)),
               ("shuffle+gzip+fletcher32", dict(compression="gzip", shuffle=True, fletcher32=True))]
    if hdf5plugin is not None:
        choices += [("bitshuffle", dict(hdf5plugin.Bitshuffle(cname="none"))),
                    ("bitshuffle+lz4", dict(hdf5plugin.Bitshuffle(cname="lz4"))),
                    ("bitshuffle+zstd", dict(hdf5plugin.Bitshuffle(cname="zstd"))),
                    ("bitshuffle+lz4, blocks of 128", dict(hdf5plugin.Bitshuffle(nelems=128, cname="lz4"))),
                    ("lz4", dict(hdf5plugin.LZ4())), ("lz4, small blocks", dict(hdf5plugin.LZ4(nbytes=512))),
                    ("zstd", dict(hdf5plugin.Zstd())),
                    ("blosc lz4", dict(hdf5plugin.Blosc(cname="lz4"))),
                    ("blosc zstd", dict(hdf5plugin.Blosc(cname="zstd", shuffle=hdf5plugin.Blosc.BITSHUFFLE))),
                    ("blosc2", dict(hdf5plugin.Blosc2())), ("bzip2", dict(hdf5plugin.BZip2()))]
    return choices[rng.integers(len(choices))]


def layout(rng, shape):
    name, arguments = filters(rng)
    if name == "none" and rng.random() < 0.5:
        return "contiguous", {}
    arguments["chunks"] = tuple(int(rng.integers(1, n + 1)) for n in shape)
    return name, arguments


def expect(values, region, stride):
    x0, x1, y0, y1, z0, z1 = region
    return values[z0:z1:stride[2], y0:y1:stride[1], x0:x1:stride[0]]


def read(probe, out, dataset, dtype, shape, **options):
    answer = probe.ask("read", out, dataset, **options)
    raw = np.fromfile(out, dtype=dtype)
    e = answer["extent"]
    return raw.reshape([e[5] - e[4] + 1, e[3] - e[2] + 1, e[1] - e[0] + 1] + list(shape)), answer


def native(dtype):
    dtype = np.dtype(dtype)
    return np.dtype("u1") if dtype.kind == "b" else dtype.newbyteorder("=")


def one_case(rng, folder, probe, number):
    shape = tuple(int(n) for n in rng.integers(1, 40, 3))
    dtype = TYPES[rng.integers(len(TYPES))]
    name, arguments = layout(rng, shape)
    values = random_values(rng, shape, dtype)
    path = os.path.join(folder, f"case{number}.h5")
    what = f"case {number}: {dtype} {shape} {name} {arguments.get('chunks')}"
    with h5py.File(path, "w", userblock_size=512 if rng.random() < 0.1 else 0,
                   libver=("v110", "v110") if rng.random() < 0.3 else ("earliest", "v110")) as f:
        if name != "contiguous" and rng.random() < 0.2:  # some chunks are never written
            fill = values.flat[0]
            d = f.create_dataset("v", shape, dtype, fillvalue=fill, **arguments)
            half = shape[0] // 2
            d[:half] = values[:half]
        else:
            f.create_dataset("v", data=values, **arguments)
    with h5py.File(path, "r") as f:
        values = f["v"][()]
    probe.ask("open", path, "z,y,x")
    out = os.path.join(folder, "out.raw")
    for _ in range(3):
        region, stride = [], [int(n) for n in rng.integers(1, 5, 3)]
        for n in shape[::-1]:
            low = int(rng.integers(0, n))
            region += [low, int(rng.integers(low + 1, n + 1))]
        if rng.random() < 0.3:
            region, stride = [0, shape[2], 0, shape[1], 0, shape[0]], [1, 1, 1]
        arguments = dict(region=region, stride=stride, threads=int(rng.integers(1, 5)))
        case = f"{what} {arguments}"
        wanted = expect(values, region, stride)
        if np.dtype(dtype).kind == "c":
            part = np.dtype(dtype).newbyteorder("=").type(0).real.dtype
            got, _ = read(probe, out, "/v", part, [2], parts=1, **arguments)
            assert np.array_equal(got[..., 0], wanted.real) and np.array_equal(got[..., 1], wanted.imag), case
            got, _ = read(probe, out, "/v", part, [2], **arguments)
            assert np.allclose(got[..., 0], np.abs(wanted), rtol=1e-6), case
            assert np.allclose(got[..., 1], np.angle(wanted), atol=1e-6), case
            continue
        got, _ = read(probe, out, "/v", native(dtype), [], **arguments)
        assert got.tobytes() == wanted.astype(native(dtype)).tobytes(), case
        if np.dtype(dtype).kind in "uif":
            got, _ = read(probe, out, "/v", "f4", [], type="float32", **arguments)
            assert np.array_equal(got, wanted.astype("f4"), equal_nan=True), case
            low, high = sorted(float(v) for v in rng.choice(values.ravel(), 2).astype("f8"))
            if high > low:
                small = rng.choice(["uint8", "uint16", "int8", "int16"])
                got, _ = read(probe, out, "/v", small, [], type=small, window=[low, high], **arguments)
                top = {"uint8": 255, "uint16": 65535, "int8": 127, "int16": 32767}[small]
                exact = np.clip((wanted.astype("f8") - low) * (top / (high - low)) + 0.5, 0, top)
                assert np.array_equal(got, np.floor(exact).astype(small)), case
        ranks = int(rng.integers(1, 5))
        pieces(probe, out, values, dtype, region, stride, ranks, int(rng.integers(0, 3)), case)


def pieces(probe, out, values, dtype, region, stride, ranks, ghosts, case):
    """The ranks' parts cover the whole, share planes, and hold the same as the whole does."""
    wanted = expect(values, region, stride)
    covered = np.zeros(wanted.shape, int)
    for rank in range(ranks):
        for g in {0, ghosts}:
            got, answer = read(probe, out, "/v", native(dtype), [], region=region, stride=stride, ranks=ranks,
                               rank=rank, ghosts=g)
            x0, x1, y0, y1, z0, z1 = answer["extent"]
            part = np.s_[z0:z1 + 1, y0:y1 + 1, x0:x1 + 1]
            assert got.tobytes() == wanted[part].astype(native(dtype)).tobytes(), f"{case} rank {rank}/{ranks} {g}"
            if g == 0:
                covered[part] += 1
    assert covered.min() >= 1, f"{case}: {ranks} ranks leave gaps"


def stretches(rng, folder, program):
    """Contiguous voxels of several pieces, each thread at its own; also where descriptors are few."""
    values = rng.integers(0, 60000, (23, 700, 700)).astype("u2")
    path, out = os.path.join(folder, "stretches.h5"), os.path.join(folder, "out.raw")
    with h5py.File(path, "w") as f:
        f.create_dataset("v", data=values)
    for words in ((), ("sh", "-c", 'ulimit -n 5; exec "$0"')):
        with Probe(program, words=words) as probe:
            probe.ask("open", path, "z,y,x")
            for threads in (1, 2, 5, 40):
                for region in ([0, 700, 0, 700, 0, 23], [0, 700, 9, 650, 1, 23]):
                    for options in ({}, dict(type="float32")):
                        got, _ = read(probe, out, "/v", options.get("type", "u2"), [], region=region,
                                      threads=threads, **options)
                        wanted = expect(values, region, [1, 1, 1])
                        assert np.array_equal(got, wanted), f"{threads} threads {region} {options} {words}"
    print("each thread reads its stretch")


def memory(folder, program):
    """Beyond the output, a rank takes at most 64 MiB, however many threads it has."""
    plane = (np.arange(2048 * 1024, dtype="u2") % 977).reshape(1024, 2048)
    for name, kw in (("contiguous", {}), ("planes", dict(chunks=(1, 1024, 2048), compression="gzip", shuffle=True)),
                     ("blocks", dict(chunks=(8, 1024, 1024), compression="lzf"))):
        path = os.path.join(folder, "memory.h5")
        with h5py.File(path, "w") as f:
            d = f.create_dataset("v", (32, 1024, 2048), "u2", **kw)
            for z in range(32):
                d[z] = plane + z
        for options in (dict(threads=16), dict(threads=16, type="float32", stride=[2, 1, 1])):
            with Probe(program) as probe:  # the peak is that of a process
                probe.ask("open", path, "z,y,x")
                answer = probe.ask("read", "-", "/v", **options)
            assert answer["grown"] <= 64 << 20, f"{name} {options}: {answer['grown'] >> 20} MiB beyond the output"
    print("at most 64 MiB beyond the output")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
    cases = int(os.environ.get("BEAMCAST_CASES", "100"))
    print(f"seed {seed}, {cases} cases", flush=True)
    rng = np.random.default_rng(seed)
    environment = dict(os.environ)
    if hdf5plugin is not None:
        environment["HDF5_PLUGIN_PATH"] = hdf5plugin.PLUGIN_PATH
    with tempfile.TemporaryDirectory() as folder, Probe(sys.argv[1], environment) as probe:
        for number in range(cases):
            one_case(rng, folder, probe, number)
        stretches(rng, folder, sys.argv[1])
    print(f"{cases} files read as h5py reads them")
    if not os.environ.get("BEAMCAST_SANITIZED"):  # sanitizers take memory of their own
        with tempfile.TemporaryDirectory() as folder:
            memory(folder, sys.argv[1])
    if hdf5plugin is None:
        skip_names("hdf5plugin (PyPI) is missing: bitshuffle, LZ4, Zstandard, Blosc, Blosc2 and bzip2 were left out")


if __name__ == "__main__":
    main()
