# SPDX-License-Identifier: BSD-3-Clause
"""Volumes go into a session and come back equal: from .npy and HDF5, whole and in part, by full and
lesser contacts; stock ParaView clients see them. What is typed wrong gets one line."""
import contextlib
import json
import os
import random
import socket
import subprocess
import sys

import numpy as np

import sessions

SHAPE = (30, 40, 51)  # z, y, x


def volumes(home):
    rng = np.random.default_rng(5)
    real = rng.normal(size=SHAPE)
    whole = rng.integers(0, 250, SHAPE)
    yield "float32", real.astype("<f4")
    yield "int16", whole.astype("<i2")
    yield "fortran", np.asfortranarray(real.astype("<f8"))
    yield "mask", whole > 100
    yield "colours", rng.integers(0, 250, SHAPE + (3,)).astype("u1")
    yield "picture", real[0].astype("<f4")


def there_and_back(home, contact):
    for name, array in volumes(home):
        np.save(os.path.join(home.path, name + ".npy"), array)
        home.run("push", name + ".npy", "--to", contact)
        home.run("retrieve", "--from", contact, "-o", "back.npy")
        back = np.load(os.path.join(home.path, "back.npy"))
        assert np.array_equal(back, array if array.ndim > 2 else array[None]), name
        got = home.json("info", name + ".npy")["volumes"][0]
        assert got["size"] == list(array.shape[2::-1] if array.ndim > 2 else (51, 40, 1)), got
    home.run("push", "float32.npy", "--to", contact, "--as", "density")
    home.run("retrieve", "--from", contact, "-o", "part.npy", "--roi", "3:10,,25:", "--array", "density")
    want = np.load(os.path.join(home.path, "float32.npy"))[25:, :, 3:10]
    assert np.array_equal(np.load(os.path.join(home.path, "part.npy")), want)


def hdf5(home, contact):
    import h5py
    array = np.load(os.path.join(home.path, "int16.npy"))
    if home.popen("retrieve", "--from", contact, "-o", "back.h5").wait(sessions.LIMIT) != 0:
        print("the HDF5 reader was not built")
        return
    with h5py.File(os.path.join(home.path, "in.h5"), "w") as file:
        file.create_dataset("a/b", data=array, chunks=(7, 20, 51), compression="gzip").attrs["units"] = "HU"
        file.create_dataset("large", data=array.astype("i8")).attrs["units"] = "µm/s"
    listed = {one["path"]: one["value_unit"] for one in home.json("info", "in.h5")["volumes"]}
    assert listed == {"/a/b": "HU", "/large": "µm/s"}, listed
    for dataset, name, unit, says in (("/a/b", "b", "HU", "compressed (deflate); 0.1 MiB were sent, as ranks share"),
                                      ("/large", "large", "µm/s", "sent as float64")):
        err = home.run("push", "in.h5:" + dataset, "--to", contact)[1]
        assert says in err and "0.%d MiB of voxels" % (1 if unit == "HU" else 5) in err, err
        got = home.json("retrieve", "--from", contact, "-o", "back.h5", "--roi", "0:51,2:40,0:30")
        assert (got["array"], got["unit"]) == (name, unit), got
        text = home.run("info", "back.h5")[0]
        assert "/%s\n" % name in text and "51 x 38 x 30" in text and "values in " + unit in text, text
        with h5py.File(os.path.join(home.path, "back.h5")) as file:
            found = []
            file.visititems(lambda _, one: found.append((one.attrs["units"], one[()])) if getattr(one, "ndim", 0) == 3 else None)
        assert len(found) == 1 and found[0][0] == unit and np.array_equal(found[0][1], array[:, 2:, :])
    assert "values in HU" in home.run("info", "in.h5")[0]
    err = home.run("push", "in.h5", "--to", contact, "--stream", "two")[1]
    assert "Stream Name of Beamcast Stream chooses this stream, two" in err, err


def what_files_lack(home, contact):
    """A raw file's layout, spacing and units are given with it, and come back."""
    import h5py
    array = np.load(os.path.join(home.path, "int16.npy"))
    array.tofile(os.path.join(home.path, "raw.bin"))
    home.run("push", "raw.bin", "--to", contact, "--size", "51x40x30", "--type", "int16", "--spacing", "1,2,3.5",
             "--length-unit", "um", "--unit", "HU", "--as", "my density")
    os.link(os.path.join(home.path, "raw.bin"), os.path.join(home.path, "ct_51x40x30_int16.raw"))
    os.link(os.path.join(home.path, "raw.bin"), os.path.join(home.path, "ct_51x40x30.raw"))
    for name, more in (("ct_51x40x30_int16.raw", []), ("ct_51x40x30.raw", ["--type", "int16"])):
        home.run("push", name, "--to", contact, *more)
        assert home.json("retrieve", "--from", contact, "-o", "back.npy")["type"] == "int16"
        assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), array)
    for words, says in ((["raw.bin", "--size", "51,40,30"], "int16"), (["raw.bin", "--size", "51,40,15", "--type", "int16"], "int32"),
                        (["raw.bin", "--size", "51,40,29", "--type", "int16"], "--skip"), (["raw.bin", "--type", "int16"], "size"),
                        (["int16.npy", "--type", "int16"], "raw files")):
        err = home.run("push", *words, "--to", contact, status=1)[1]
        assert says in err and err.count("\n") == 1, (words, err)
    home.run("push", "raw.bin", "--to", contact, "--size", "51x40x30", "--type", "int16", "--spacing", "1,2,3.5",
             "--length-unit", "um", "--unit", "HU", "--as", "my density")
    got = home.json("retrieve", "--from", contact, "-o", "back.h5")
    assert (got["array"], got["type"], got["unit"], got["length_unit"]) == ("my density", "int16", "HU", "um"), got
    with h5py.File(os.path.join(home.path, "back.h5")) as file:
        data = file["entry/data"]
        values = data[data.attrs["signal"]]
        assert np.array_equal(values[()], array)
        assert (values.attrs["units"], values.attrs["long_name"], data["z"].attrs["units"]) == ("HU", "my density", "um")
        assert data["z"][2] == 7 and data["x"][2] == 2
        about = json.loads(file["entry/process/source"][()])
    assert about["shown"]["source"] == "raw.bin" and about["shown"]["array"] == "my density", about
    assert about["session"] == contact and about["versions"]["beamcast"], about
    home.run("push", "back.h5", "--to", contact, "--spacing", "3,2,1")  # its um were of its own spacing
    home.run("retrieve", "--from", contact, "-o", "part.h5", "--roi", ":9,,1:")
    with h5py.File(os.path.join(home.path, "part.h5")) as file:
        assert file["entry/data/x"][1] == 3 and file["entry/data/z"][0] == 1 and "units" not in file["entry/data/x"].attrs
        assert np.array_equal(file["entry/data"][file["entry/data"].attrs["signal"]][()], array[1:, :, :9])


def rights(home, contact):
    home.run("contact", contact, "--push-only", "-o", "push.json")
    home.run("contact", contact, "--view-only", "-o", "view.json")
    assert os.stat(os.path.join(home.path, "push.json")).st_mode & 0o077 == 0
    home.run("push", "int16.npy", "--to", "push.json")
    home.run("retrieve", "--from", "view.json", "-o", "seen.npy")
    home.run("push", "int16.npy", "--to", "view.json", status=1)
    home.run("retrieve", "--from", "push.json", "-o", "seen.npy", status=1)
    home.run("contact", "push.json", "--view-only", status=1)


def typed_wrong(home, contact):
    np.save(os.path.join(home.path, "long.npy"), np.zeros((2, 2, 2), "i8"))
    with open(os.path.join(home.path, "no.npy"), "w") as stream:
        stream.write("no array")
    with open(os.path.join(home.path, "float32.npy"), "rb") as stream, \
            open(os.path.join(home.path, "short.npy"), "wb") as short:
        short.write(stream.read()[:5000])
    for status, *words in (
            (2, "psh"), (2, "push"), (2, "push", "float32.npy"), (2, "push", "float32.npy", "--to"),
            (2, "push", "float32.npy", "--too", contact), (2, "push", "float32.npy", "--to", contact, "--length-unit", "parsec"), (1, "push", "raw.bin", "--to", contact, "--type", "int16"),
            (2, "push", "raw.bin", "--to", contact, "--size", "5,0,5"),
            (1, "push", "raw.bin", "--to", contact, "--size", "5000,5,5"),
            (1, "push", "raw.bin", "--to", contact), (1, "push", "int16.npy", "--to", contact, "--size", "5,5,5"),
            (1, "retrieve", "--from", contact, "-o", "x.npy", "--step", "77"),
            (2, "connect-back"), (1, "connect-back", "no-such"), (2, "start", "--ranks", "many"),
            (2, "stop"), (2, "retrieve", "--from", contact), (2, "contact", contact),
            (1, "push", "none.npy", "--to", contact), (1, "push", "float32.npy", "--to", "none.json"),
            (1, "push", "long.npy", "--to", contact), (1, "push", "no.npy", "--to", contact),
            (1, "push", "short.npy", "--to", contact), (2, "screenshot"), (2, "open"), (2, "start", "now"),
            (1, "retrieve", "--from", contact, "-o", "x.png"), (1, "status", "nonsense"),
            (1, "retrieve", "--from", contact, "-o", "x.npy", "--roi", "0:1"),
            (1, "retrieve", "--from", contact, "-o", "x.npy", "--array", "none"),
            (1, "stop", "; touch gone"), (1, "info", "none.h5")):
        out, err = home.run(*words, status=status)
        assert out == "" and err.startswith("beamcast") and err.count("\n") == 1, (words, out, err)
    for hint, *words in (
            ("did you mean `beamcast push`?", "psh"), ("`beamcast --help` lists them", "nonsense"),
            ("name one in it", "push", home.path, "--to", contact), ("no .npy file", "push", "no.npy", "--to", contact),
            (".raw, .vol, .mhd", "push", "raw.bin", "--to", contact),
            ("`beamcast status` shows", "push", "int16.npy", "--to", "none.json"),
            ("`beamcast status` shows", "push", "int16.npy", "--to", "abcdefgh"),
            ("it has int16", "retrieve", "--from", contact, "-o", "x.npy", "--array", "none"),
            ("it has 0 (", "retrieve", "--from", contact, "-o", "x.npy", "--step", "77"),
            ("no/x.h5 can't be written: No such", "retrieve", "--from", contact, "-o", "no/x.h5"),
            ("uint8, int16, float32", "start", "--type", "flaot"),
            ("m, cm, mm, um, nm or angstrom", "push", "int16.npy", "--to", contact, "--length-unit", "parsec"),
            ("64-bit integers ('<i8') are not taken; bool, uint8", "push", "long.npy", "--to", contact),
            ("script", "start", "--script", home.path)):
        err = home.popen(*words).communicate(timeout=sessions.LIMIT)[1]
        assert hint in err and err.count("\n") == 1, (words, err)
    assert home.run("help", "push")[0] == home.run("push", "--help")[0]


def full_disk(home, contact):
    """What can't be written whole is not there at all, and one line says why."""
    full = os.path.join(home.path, "full")
    os.mkdir(full)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", full], capture_output=True).returncode != 0:
        return  # it takes root
    try:
        with open(os.path.join(full, "fill"), "wb") as fill:
            os.posix_fallocate(fill.fileno(), 0, 1 << 16)
        for words in (("retrieve", "--from", contact, "-o", "full/a.npy"), ("retrieve", "--from", contact, "-o", "full/a.h5"),
                      ("contact", contact, "--view-only", "-o", "full/a.json")):
            err = home.run(*words, status=1)[1]
            assert " can't be written: " in err and err.count("\n") == 1, err
        home.environment["XDG_STATE_HOME"] = full
        err = home.run("start", "--paraview", status=1)[1]
        assert "No space left" in err and err.count("\n") == 1, err
        assert sorted(os.listdir(full)) == ["beamcast", "fill"] and os.listdir(os.path.join(full, "beamcast")) == ["lock"]
    finally:
        home.environment.pop("XDG_STATE_HOME", None)
        subprocess.run(["umount", full], check=True)


def draws_nothing(home, contact):
    """A session for ParaView clients says in one sentence that it draws nothing."""
    for words in (("screenshot", "--from", contact, "-o", "no.png"), ("open", "/etc/hostname", "--to", contact)):
        out, err = home.run(*words, status=1)
        assert "headless viewer" in err and err.count("\n") == 1, err


def client(way, port, connect_id):
    """A stock ParaView client, in a process of its own."""
    from paraview import simple
    from paraview.modules.vtkRemotingCore import vtkRemotingCoreConfiguration
    vtkRemotingCoreConfiguration.GetInstance().SetConnectID(int(connect_id))
    if way == "listen":
        simple.ReverseConnect(port)
    else:
        simple.Connect("localhost", int(port))
    source = simple.BeamcastStream()
    source.InvokeCommand("Refresh")
    source.UpdatePipeline()
    info = source.GetDataInformation()
    print("sees", info.GetExtent(), source.PointData[0].GetRange(), flush=True)


def stock_clients(home, session):
    with open(session["connect_id_file"]) as stream:
        connect_id = stream.read()
    home.run("push", "int16.npy", "--to", session["id"])
    array = np.load(os.path.join(home.path, "int16.npy"))
    port = session["paraview"].rsplit(":", 1)[1]
    want = "sees (0, 50, 0, 39, 0, 29) (%.1f, %.1f)" % (array.min(), array.max())

    def start(*words):
        return subprocess.Popen([sys.executable, sys.argv[0], *words], env=home.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    for _ in range(2):
        out, err = start("connect", port, connect_id).communicate(timeout=sessions.LIMIT)
        assert want in out, (want, out, err)
    connect_back(home, session, start, connect_id, want)


def free_port():
    """Not one that the kernel gives to connections by itself: one of those could have it before it is listened at."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("", port))
            return str(port)


def connect_back(home, session, start, connect_id, want):
    """Clients that listen are connected to, once they are asked for and are the user's own."""
    for number, status in (("1", 1), (connect_id, 0)):
        port = free_port()
        listening = start("listen", port, number)
        err = home.run("connect-back", session["id"], "--port", port, status=status)[1]
        if status:
            assert "connect id" in err and err.count("\n") == 1, err
            listening.kill()
        out, err = listening.communicate(timeout=sessions.LIMIT)
        assert (want in out) == (status == 0), (out, err)
    err = home.run("connect-back", session["id"], "--port", free_port(), "--time-limit", "0.3", status=1)[1]
    assert "no ParaView client listens" in err and err.count("\n") == 1, err
    err = home.run("connect-back", session["id"], status=1)[1]
    assert "which port" in err and err.count("\n") == 1, err
    if os.geteuid() == 0:
        os.seteuid(65534)
        with socket.socket() as one:
            os.seteuid(0)
            one.bind(("127.0.0.1", 0))
            one.listen()
            err = home.run("connect-back", session["id"], "--port", one.getsockname()[1], status=1)[1]
        assert "another user" in err and err.count("\n") == 1, err


def main():
    sessions.need("Xvfb", "mpiexec")
    with sessions.Home() as home:
        session = home.start("--ranks", 2)
        there_and_back(home, session["id"])
        hdf5(home, session["contact"])
        what_files_lack(home, session["id"])
        rights(home, session["contact"])
        typed_wrong(home, session["contact"])
        full_disk(home, session["contact"])
        draws_nothing(home, session["id"])
        stock_clients(home, session)
        home.run("stop", session["id"])
        home.run("push", "int16.npy", "--to", session["id"], status=1)
        home.run("push", "int16.npy", "--to", session["contact"], status=1)
        home.check_nothing_left()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        client(*sys.argv[1:])
    else:
        main()
