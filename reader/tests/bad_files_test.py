#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bad files give an error with a sentence: no crash, no hang, no wrong voxels.

    bad_files_test.py PROBE [SEED]"""

import os
import struct
import sys
import tempfile

import h5py
import numpy as np

from probe import Probe, ProbeError


def refuses(probe, *words, **options):
    """The sentence of the error that must come."""
    try:
        answer = probe.ask(*words, **options)
    except ProbeError as error:
        assert len(error.sentence) > 15 and error.code != 0, error
        return error.sentence
    raise AssertionError(f"{words} was accepted: {answer}")


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)
    return path


def no_hdf5(folder, probe):
    assert "can't be opened" in refuses(probe, "open", os.path.join(folder, "absent.h5"))
    assert "is empty" in refuses(probe, "open", write(os.path.join(folder, "empty.h5"), b""))
    assert "is no HDF5 file" in refuses(probe, "open", write(os.path.join(folder, "text.h5"), b"hello " * 1000))
    assert "no ordinary file" in refuses(probe, "open", folder)
    fifo = os.path.join(folder, "fifo.h5")
    os.mkfifo(fifo)
    assert "no ordinary file" in refuses(probe, "open", fifo)
    signature = write(os.path.join(folder, "signature.h5"), b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert "can't be opened" in refuses(probe, "open", signature)
    print("not HDF5, empty, absent, a folder, a pipe")


def unreadable(folder, program):
    """Root may read everything, unless it gives up those two rights."""
    secret = os.path.join(folder, "secret.h5")
    with h5py.File(secret, "w") as f:
        f["v"] = np.zeros((3, 4, 5))
    os.chmod(secret, 0)
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    with Probe(program, words=words) as probe:
        assert "can't be read (Permission denied)" in refuses(probe, "open", secret)
    print("an unreadable file")


def wrong_datasets(folder, probe):
    path = os.path.join(folder, "wrong.h5")
    with h5py.File(path, "w") as f:
        f["good"] = np.arange(60, dtype="u2").reshape(3, 4, 5)
        f["zero"] = np.zeros((3, 0, 5))
        f["scalar"] = 3.0
        f["six"] = np.zeros((2, 2, 2, 2, 2, 2))
        f["line"] = np.zeros(7)
        f["text"] = np.array([[b"a", b"b"], [b"c", b"d"]])
        f["records"] = np.zeros((3, 3), dtype=[("a", "f4"), ("b", "i4")])
        f["nothing"] = h5py.Empty("f4")
        f.create_dataset("rows", (2, 2), dtype=h5py.vlen_dtype("f4"))
        f.create_dataset("references", (2, 2), dtype=h5py.ref_dtype)
        f["circle"] = h5py.SoftLink("/circle")
        f["dangling"] = h5py.SoftLink("/not/there")
        f["outside"] = h5py.ExternalLink("not-there.h5", "/x")
        f["pipe"] = h5py.ExternalLink("pipe.h5", "/x")
        f["loop"] = h5py.SoftLink("/")
        f["group/self"] = f["/"]
    os.mkfifo(os.path.join(folder, "pipe.h5"))
    probe.ask("open", path)
    info = probe.ask("info")
    assert [v["path"] for v in info["volumes"]] == ["/good"], info
    missing = " ".join(info["missing"])
    for text in ("/not/there", "not-there.h5", "/circle", "pipe.h5"):
        assert text in missing, missing
    for name, text in [("zero", "is empty"), ("scalar", "0 dimensions"), ("six", "6 dimensions"),
                       ("line", "1 dimensions"), ("text", "holds text"), ("records", "records"),
                       ("nothing", "dimensions"), ("rows", "varying length"), ("references", "references"),
                       ("no/such", "can't be opened"), ("dangling", "can't be opened"), ("group", "can't be opened")]:
        sentence = refuses(probe, "find", "/" + name)
        assert text in sentence and name in sentence, sentence
    with h5py.File(path, "a") as f:
        del f["good"]
    assert "holds no volume" in refuses(probe, "open", path)
    print("wrong datasets, circles, dangling links")


def wrong_questions(folder, probe):
    path = os.path.join(folder, "fine.h5")
    with h5py.File(path, "w") as f:
        f["v"] = np.zeros((3, 4, 5), "f4")
        f["c"] = np.zeros((3, 4, 5), "c8")
    probe.ask("open", path)
    assert "has 5 voxels there" in refuses(probe, "read", "-", "/v", region=[0, 6, 0, 4, 0, 3])
    assert "not in /v" in refuses(probe, "read", "-", "/v", region=[3, 2, 0, 4, 0, 3])
    assert "can't become int32" in refuses(probe, "read", "-", "/v", type="int32")
    assert "can't become uint8" in refuses(probe, "read", "-", "/c", type="uint8")
    assert "1 times" in refuses(probe, "read", "-", "/v", time=1)
    assert "the limit is" in refuses(probe, "read", "-", "/v", stride=[1, 1, 1], limit=10)
    print("wrong questions")


def missing_filter(folder, probe):
    path = os.path.join(folder, "filter.h5")
    with h5py.File(path, "w") as f:
        space = h5py.h5s.create_simple((4, 8, 8))
        for number, name in [(32026, "blosc2"), (32013, "zfp"), (41000, "odd")]:
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_chunk((1, 8, 8))
            properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (4,))
            d = h5py.h5d.create(f.id, name.encode(), h5py.h5t.NATIVE_UINT8, space, properties)
            d.write_direct_chunk((0, 0, 0), b"\1" * 64)
    probe.ask("open", path)
    for name, words in [("blosc2", ("Blosc2 (32026)", "hdf5plugin")), ("zfp", ("zfp (32013)", "zfp")),
                        ("odd", ("(41000)", "HDF5_PLUGIN_PATH"))]:
        sentence = refuses(probe, "read", "-", "/" + name)
        assert all(word in sentence for word in words), sentence
    print("missing filters are named, and what brings them")


def truncated(folder, probe, rng):
    path = os.path.join(folder, "whole.h5")
    values = rng.integers(0, 1000, (24, 32, 32)).astype("u2")
    with h5py.File(path, "w") as f:
        f.create_dataset("packed", data=values, chunks=(2, 16, 32), compression="gzip", shuffle=True)
        f["plain"] = values
        f.create_dataset("checked", data=values, chunks=(3, 32, 32), fletcher32=True)
    with open(path, "rb") as f:
        whole = f.read()
    out = os.path.join(folder, "out.raw")
    opened = 0
    for cut in sorted(int(n) for n in rng.integers(1, len(whole), 20)):
        short = write(os.path.join(folder, "short.h5"), whole[:cut])
        opened += harmless(probe, short, out, values)
        # the same with the announced end of the file corrected, so that the library lets it pass
        patched = bytearray(whole[:cut])
        if len(patched) > 48:
            struct.pack_into("<Q", patched, 40, cut)
            opened += harmless(probe, write(short, bytes(patched)), out, values)
    print(f"truncated at 20 places ({opened} volumes were still read, rightly)")


def harmless(probe, path, out, values):
    """Whatever is read is right; everything else is an error with a sentence."""
    read = 0
    try:
        probe.ask("open", path)
    except ProbeError as error:
        assert len(error.sentence) > 15, error
        return read
    for volume in probe.ask("info")["volumes"]:
        try:
            probe.ask("read", out, volume["path"])
        except ProbeError as error:
            assert len(error.sentence) > 15, error
            continue
        got = np.fromfile(out, "u2")
        assert np.array_equal(got, values.ravel()), f"wrong voxels from {path} {volume['path']}"
        read += 1
    return read


def corrupted_chunk(folder, probe, rng):
    path = os.path.join(folder, "corrupt.h5")
    values = rng.integers(0, 50, (8, 32, 32)).astype("u2")
    for name, kw in [("gzip", dict(compression="gzip")), ("lzf", dict(compression="lzf")),
                     ("fletcher32", dict(fletcher32=True))]:
        with h5py.File(path, "w") as f:
            d = f.create_dataset("v", data=values, chunks=(1, 32, 32), **kw)
            place = d.id.get_chunk_info(5)
        with open(path, "r+b") as f:
            f.seek(place.byte_offset)
            f.write(b"\xff\xff\xff\xff")
        probe.ask("open", path)
        sentence = refuses(probe, "read", "-", "/v")
        assert "(5, 0, 0)" in sentence and "/v" in sentence and (name in sentence.lower() or name == "gzip"), sentence
        answer = probe.ask("read", "-", "/v", region=[0, 32, 0, 32, 0, 5])
        assert answer["chunks"] == 5, answer
    print("corrupted chunks are named; the others can be read")


def mutated(folder, probe, rng):
    """Files with some bytes changed: an error or some volumes, never a crash."""
    path = os.path.join(folder, "seed.h5")
    with h5py.File(path, "w") as f:
        f.attrs["default"] = "entry"
        e = f.create_group("entry")
        e.attrs.update(NX_class="NXentry", default="data")
        d = e.create_group("data")
        d.attrs.update(NX_class="NXdata", signal="v", axes=["z", "y", "x"])
        d.create_dataset("v", data=rng.integers(0, 9, (6, 7, 8)).astype("u2"), chunks=(2, 7, 8), compression="gzip")
        d["x"], d["y"], d["z"] = np.arange(8.0), np.arange(7.0), np.arange(6.0)
        d["x"].attrs["units"] = "um"
    with open(path, "rb") as f:
        whole = bytearray(f.read())
    rounds, opened = int(os.environ.get("BEAMCAST_MUTATIONS", "100")), 0
    for _ in range(rounds):
        changed = bytearray(whole)
        for _ in range(int(rng.integers(1, 6))):
            changed[int(rng.integers(0, len(changed)))] = int(rng.integers(0, 256))
        write(path, bytes(changed))
        try:
            probe.ask("open", path)
            opened += 1
            for volume in probe.ask("info")["volumes"][:3]:
                probe.ask("read", "-", volume["path"], limit=1 << 26)
        except ProbeError as error:
            assert len(error.sentence) > 10, error
    print(f"{rounds} mutated files: {opened} opened, none crashed")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}", flush=True)
    rng = np.random.default_rng(seed)
    environment = dict(os.environ, HDF5_PLUGIN_PATH="/nonexistent",
                       ASAN_OPTIONS="allocator_may_return_null=1")
    with tempfile.TemporaryDirectory() as folder, Probe(sys.argv[1], environment) as probe:
        no_hdf5(folder, probe)
        unreadable(folder, sys.argv[1])
        wrong_datasets(folder, probe)
        wrong_questions(folder, probe)
        missing_filter(folder, probe)
        truncated(folder, probe, rng)
        corrupted_chunk(folder, probe, rng)
        mutated(folder, probe, rng)


if __name__ == "__main__":
    main()
