# SPDX-License-Identifier: BSD-3-Clause
"""The headless viewer from outside: a real CT is pushed, pictures come out with what they were asked for,
it comes back equal; files are opened; scripts run; rights hold; nothing is left. Also the C example."""
import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np

import sessions

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
SIZE = "300x240"


def read_png(home, name):
    """Height x width x 3, and the texts that came with it."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkPNGReader
    reader = vtkPNGReader()
    reader.SetFileName(os.path.join(home.path, name))
    reader.Update()
    width, height, _ = reader.GetOutput().GetDimensions()
    colours = vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(height, width, -1)
    texts = {reader.GetTextKey(i): reader.GetTextValue(i) for i in range(reader.GetNumberOfTextChunks())}
    return colours[::-1, :, :3], texts


def shoot(home, contact, *options):
    home.run("screenshot", "--from", contact, "-o", "picture.png", "--size", SIZE, *options)
    picture, texts = read_png(home, "picture.png")
    assert picture.shape == (240, 300, 3), picture.shape
    return picture.astype(int), texts


def head(home):
    """The CT of Debian's package as ct.npy; None where the package is missing."""
    done = subprocess.run(["/usr/bin/python3", os.path.join(EXAMPLES, "cranium"), "ct.raw"], cwd=home.path,
                          capture_output=True, text=True)
    if done.returncode != 0:
        sessions.skip("invesalius-examples is missing: " + done.stderr.strip())
    nx, ny, nz = map(int, done.stdout.split()[:3])
    array = np.fromfile(os.path.join(home.path, "ct.raw"), "<i2").reshape(nz, ny, nx)
    np.save(os.path.join(home.path, "ct.npy"), array)
    return array


def pictures(home, contact, array):
    plain, texts = shoot(home, contact)
    assert "Beamcast" in texts["Software"] and texts["Source"] == "ct.npy", texts
    notes = json.loads(texts["Beamcast"])
    assert notes["shown"]["size"] == [256, 256, 108] and notes["shown"]["type"] == "short", notes
    assert notes["look"]["preset"] == "bone" and notes["versions"]["paraview"], notes
    low, high = notes["look"]["window"]
    assert abs(low - np.percentile(array, 0.1)) < 100 and abs(high - np.percentile(array, 99.9)) < 100, notes
    # seen from the front the skull is in the middle, bright, with black around
    assert plain[0].max() == 0 and plain[-1].max() == 0
    assert plain[100:140, 130:170].mean() > 60, plain[100:140, 130:170].mean()
    again, _ = shoot(home, contact)
    assert np.array_equal(plain, again)
    for options in (("--camera", "90,10,1"), ("--camera", "0,0,2"), ("--preset", "soft matter"),
                    ("--window", "-500,500"), ("--kernel", "plain"), ("--kernel", "scatter+occlusion")):
        other, texts = shoot(home, contact, *options)
        assert np.abs(other - plain).mean() > 1, (options, np.abs(other - plain).mean())
    again, _ = shoot(home, contact)
    assert np.array_equal(plain, again)  # they counted for one picture each


def slices(home, contact, array):
    """Exact: grey over the window, each voxel a square of pixels, first row on top is the last of y or z."""
    for axis, plane in (("z=60", array[60]), ("y=100", array[:, 100]), ("x=0", array[:, :, 0])):
        home.run("screenshot", "--from", contact, "-o", "picture.png", "--size", "512x512", "--slice", axis,
                 "--window", "-1000,1000")
        picture, texts = read_png(home, "picture.png")
        assert json.loads(texts["Beamcast"])["slice"] == axis
        rows = 2 * plane.shape[0]
        seen = picture[(512 - rows) // 2:][:rows:2, ::2].astype(int)
        want = np.rint(255 * np.clip((plane[::-1] + 1000) / 2000, 0, 1)).astype(int)
        assert np.abs(seen - want[..., None]).max() <= 1, (axis, np.abs(seen - want[..., None]).max())


def kept_steps(home, contact):
    """Steps that are kept are fetched by their number, whatever is shown; those that have gone are told apart."""
    sys.path.insert(0, sessions.PYTHON)
    import beamcast
    arrays, path = {}, home.json("status", contact)["contact"]
    with beamcast.connect(path) as stream:
        for step in itertools.count():  # a step that is dropped is gone: the next one has the next number
            array = np.full((6, 7, 8), step, "u2")
            if stream.begin_step(step) and stream.put(array, name="density") and stream.put(array + 1000, name="other") \
                    and stream.end_step() and stream.wait():
                arrays[step] = array
                text, _ = beamcast._core.call_viewer(path, '{"verb": "state"}', 60)
                shown = json.loads(text)["shown"]  # the newest, though the step of the view's time, 0, is kept
                assert (shown["step"], shown["range"]) == (step, [step, step]), shown
            if len(arrays) == 9:
                break
    *_, one, _, another, _, newest = arrays
    for step in (newest, another, one):
        got = home.json("retrieve", "--from", contact, "-o", "step.npy", "--step", step, "--roi", "1:,,2:3")
        assert got["step"] == step and got["array"] == "density", got
        assert np.array_equal(np.load(os.path.join(home.path, "step.npy")), arrays[step][2:3, :, 1:])
    for step in ([], ["--step", one]):
        got = home.json("retrieve", "--from", contact, "-o", "other.npy", "--array", "other", *step)
        assert got["array"] == "other", got
        assert np.array_equal(np.load(os.path.join(home.path, "other.npy")), arrays[one if step else newest] + 1000)
    home.run("retrieve", "--from", contact, "-o", "kept.h5", "--array", "other", "--step", one)
    with h5py.File(os.path.join(home.path, "kept.h5")) as file:  # it says its own origin, not that of what is shown
        about = json.loads(file["entry/process/source"][()])["shown"]
    assert (about["step"], about["array"]) == (one, "other") and about["step"] != newest, about
    message = home.run("retrieve", "--from", contact, "-o", "step.npy", "--step", 99999, status=1)[1]
    assert "step 99999" in message and ", %d (" % newest in message and message.count("\n") == 1, message


def points(home, contact):
    """Points lie beside the volume, where they are said to, coloured by their values."""
    before, _ = shoot(home, contact)
    rng = np.random.default_rng(3)
    cloud = rng.uniform(0, 6, (5000, 4)).astype("f4")  # what is shown has 8 x 7 x 6 voxels
    np.save(os.path.join(home.path, "cloud.npy"), cloud)
    home.run("push", "cloud.npy", "--points", "--to", contact, "--as", "size")
    for i, name in enumerate(("x", "y", "z", "size")):
        home.run("retrieve", "--from", contact, "--stream", "points", "--array", name, "-o", "column.npy")
        assert np.array_equal(np.load(os.path.join(home.path, "column.npy")).ravel(), cloud[:, i]), name
    sessions.wait_until(lambda: np.abs(shoot(home, contact)[0] - before).mean() > 1)
    err = home.run("push", "ct.npy", "--points", "--to", contact, status=1)[1]
    assert "a row for each" in err and err.count("\n") == 1, err
    sys.path.insert(0, sessions.PYTHON)
    os.environ["HOME"] = home.path
    import beamcast
    session = beamcast.Session(contact)
    assert session.render_points(cloud[:10, :3], cloud[:10, 3].astype("f8"), "weight", length_unit="mm")
    got = beamcast.retrieve(session.contact(), stream="points", array="weight")
    assert got.dtype == "f8" and np.array_equal(got.ravel(), cloud[:10, 3]), got
    assert np.array_equal(beamcast.retrieve(session.contact(), stream="points", array="y").ravel(), cloud[:10, 1])
    for wrong in ((cloud,), (cloud[:, :3], cloud[:9, 3]), (cloud[:0, :3],)):
        try:
            session.render_points(*wrong)
            raise AssertionError(wrong)
        except beamcast.errors.ArgumentError:
            pass


def folder_group(home, contact):
    """Where asked, files belong to their folder's group; else to ours. It takes root to have a group to give."""
    if os.geteuid() != 0:
        return
    folder = os.path.join(home.path, "shared")
    os.mkdir(folder)
    os.chown(folder, -1, 12345)
    for words in (("screenshot", "--from", contact, "--size", "64x64", "-o", "shared/a.png"),
                  ("retrieve", "--from", contact, "-o", "shared/a.h5"),
                  ("contact", contact, "--view-only", "-o", "shared/a.json")):
        path = os.path.join(home.path, words[-1])
        home.run(*words)
        assert os.stat(path).st_gid == os.getegid(), words
        os.unlink(path)
        home.run(*words, "--folder-group")
        state = os.stat(path)
        assert state.st_gid == 12345 and state.st_mode & 0o040, words
    assert state.st_mode & 0o777 == 0o640, oct(state.st_mode)


def kernels(home, contact):
    """A kernel file that can't draw is told of, and no picture is made with another."""
    for name, body, says in (("bad.c", "color->r = nonsense;", "bad.c:1"), ("endless.c", "while (1) color->r = 1;", "loops"),
                             ("red.c", "color->g = color->b = 0;", None)):
        path = os.path.join(home.path, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("XAC_KERNEL(p, color) { %s }\n" % body)
        err = home.run("screenshot", "--from", contact, "-o", name + ".png", "--kernel", path, status=1 if says else 0)[1]
        assert says is None or says in err, err
        assert os.path.exists(os.path.join(home.path, name + ".png")) == (says is None), name
    err = home.run("screenshot", "--from", contact, "-o", "no.png", "--kernel", "/none.c", status=1)[1]
    assert "no kernel file /none.c" in err, err
    kernel_parameters(home, contact)


def kernel_parameters(home, contact):
    """A kernel's parameters are set for one picture or for all, and what it has not is refused with what it has."""
    path = os.path.join(home.path, "shade.c")
    with open(path, "w", encoding="ascii") as file:
        file.write('XAC_PARAMETER(float, red, 0, 2, 1, "Red light")\nXAC_PARAMETER(int, blue, 0, 1, 1, "Blue light")\n'
                   "XAC_KERNEL(p, color) { color->r *= XAC_GET(p, red); color->b *= XAC_GET(p, blue); }\n")
    plain, _ = shoot(home, contact, "--kernel", path)
    dark, texts = shoot(home, contact, "--kernel", path, "--set", "red=0", "--set", "blue=0")
    assert plain[..., 0].max() > 50 and dark[..., 0].max() == dark[..., 2].max() == 0 < dark[..., 1].max()
    assert [one["value"] for one in json.loads(texts["Beamcast"])["look"]["parameters"]] == [0, 0]
    assert np.array_equal(plain, shoot(home, contact, "--kernel", path)[0])  # they counted for one picture
    look = home.json("set", "--to", contact, "--kernel", path, "red=0.5")
    assert look["parameters"][0] == {"name": "red", "type": "float", "minimum": 0, "maximum": 2, "value": 0.5,
                                     "help": "Red light"}, look
    half, _ = shoot(home, contact)
    assert abs(half[..., 0].mean() / plain[..., 0].mean() - 0.5) < 0.05 and np.array_equal(half[..., 2], plain[..., 2])
    for words, says in ((["rod=1"], "no parameter rod; it has red (0 to 2), blue (0 to 1)"), (["red=3"], "red is from 0 to 2, not 3"),
                        (["blue=0.5"], "whole number"), (["--kernel", "local", "red=1"], "kernel local has no parameters")):
        err = home.run("set", "--session", contact, *words, status=1)[1]
        assert says in err and err.count("\n") == 1, (words, err)
    home.run("set", "red=much", "--to", contact, status=2)
    sys.path.insert(0, sessions.PYTHON)
    os.environ["HOME"] = home.path
    import beamcast
    session = beamcast.Session(contact)
    assert [one["value"] for one in session.set(parameters={"blue": 0})["parameters"]] == [0.5, 0]
    assert session.screenshot((300, 240), parameters={"blue": 1, "red": 0})[..., 0].max() == 0
    try:
        session.screenshot(parameters={"green": 1})
        raise AssertionError("green")
    except beamcast.errors.ArgumentError as error:
        assert "it has red (0 to 2)" in str(error), error
    shown = home.run("set", "--to", contact)[0]
    assert "red                0.5        float, 0 to 2: Red light" in shown, shown
    home.run("set", "--to", contact, "--kernel", "local")
    assert session.set()["parameters"] == [] and session.set()["kernel"] == "local"


def refusals(home, contact):
    home.run("contact", contact, "--view-only", "-o", "view.json")
    home.run("contact", contact, "--push-only", "-o", "push.json")
    shoot(home, "view.json")
    for words in (("screenshot", "--from", "push.json", "-o", "no.png"),
                  ("open", os.path.join(home.path, "ct.h5"), "--to", "view.json"),
                  ("screenshot", "--from", contact, "-o", "no.png", "--slice", "z=108"),
                  ("screenshot", "--from", contact, "-o", "no.png", "--preset", "none"),
                  ("screenshot", "--from", contact, "-o", "no.png", "--kernel", "none"),
                  ("screenshot", "--from", contact, "-o", "no/where.png"),
                  ("screenshot", "--from", "none.json", "-o", "no.png"),
                  ("open", "/none.h5", "--to", contact), ("open", "none.h5", "--to", contact),
                  ("open", os.path.join(home.path, "ct.h5:/none"), "--to", contact),
                  ("connect-back", contact, "--port", "4")):
        out, err = home.run(*words, status=1)
        assert out == "" and err.startswith("beamcast: ") and err.count("\n") == 1, (words, out, err)
    kernels(home, contact)
    os.link(os.path.join(home.path, "ct.raw"), os.path.join(home.path, "bare.raw"))
    np.save(os.path.join(home.path, "turned.npy"), np.zeros((4, 5, 6), "u1").T)
    for hint, name in (("Fortran order", "turned.npy"), ("size and type", "bare.raw"), ("no HDF5 file", "view.json")):
        err = home.run("open", os.path.join(home.path, name), "--to", contact, status=1)[1]
        assert hint in err and err.count("\n") == 1, err
    for words in (("screenshot", "--from", contact), ("screenshot", "-o", "no.png"), ("open", "--to", contact),
                  ("screenshot", "--from", contact, "-o", "no.png", "--size", "9x9"),
                  ("screenshot", "--from", contact, "-o", "no.png", "--camera", "1,2"),
                  ("screenshot", "--from", contact, "-o", "no.png", "--window", "2,1"),
                  ("screenshot", "--from", contact, "-o", "no.jpg"),
                  ("screenshot", "--from", contact, "-o", "no.png", "--slice", "w=1")):
        out, err = home.run(*words, status=2)
        assert out == "" and err.count("\n") == 1, (words, out, err)
    assert not os.path.exists(os.path.join(home.path, "no.png"))


def progress(home, contact, array):
    """How far a job is, on a terminal alone, in a line that is gone at its end."""
    for words, seen in ((("open", "ct.h5", "--to", contact, "--stride", "2,2,2"), ("opening   0 s",)),
                        (("screenshot", "--from", contact, "-o", "picture.png", "--size", "64x64"), ("drawing   0 s",)),
                        (("retrieve", "--from", contact, "-o", "part.npy"), ("retrieving   0 s", "writing   0 s")),
                        (("push", "ct.npy", "--to", contact), ("pushing 100 %",))):
        shown = home.on_terminal(*words)
        for part in seen:
            assert "\r" + part in shown, (words, shown)
        assert shown.count("\r\033[K") == len(seen), (words, shown)
        assert words[0] == "push" or shown.endswith("\r\033[K"), (words, shown)  # push says how much it was
        assert "\r" not in home.run(*words)[1], words
    assert np.array_equal(np.load(os.path.join(home.path, "part.npy")), array[::2, ::2, ::2])


def files(home, contact, array):
    before, _ = shoot(home, contact)
    shown = home.json("open", "ct.h5", "--to", contact)["shown"]
    assert shown["size"] == [256, 256, 108] and shown["source"] == os.path.join(home.path, "ct.h5"), shown
    opened, texts = shoot(home, contact)
    assert np.abs(opened - before).mean() < 2, np.abs(opened - before).mean()
    assert texts["Source"].endswith("ct.h5"), texts
    shown = home.json("open", "ct.h5", "--to", contact, "--stride", "2,2,2")["shown"]
    assert shown["size"] == [128, 128, 54], shown
    home.run("retrieve", "--from", contact, "-o", "part.h5")  # of the file, as it is shown
    home.run("contact", contact, "--view-only", "-o", "visitor.json")
    home.run("retrieve", "--from", "visitor.json", "-o", "part.npy", "--roi", ":,10:20,50:")
    assert np.array_equal(np.load(os.path.join(home.path, "part.npy")), array[::2, ::2, ::2][50:, 10:20])
    home.run("retrieve", "--from", contact, "-o", "whole.npy", "--stream", "volume")  # whatever is shown
    assert np.array_equal(np.load(os.path.join(home.path, "whole.npy")), array)
    with h5py.File(os.path.join(home.path, "part.h5")) as file:
        data = file["entry/data"]
        assert np.array_equal(data[data.attrs["signal"]][()], array[::2, ::2, ::2])
        about = json.loads(file["entry/process/source"][()])
    assert about["shown"]["source"].endswith("ct.h5") and about["look"]["window"] and about["versions"]["paraview"]
    units(home, contact)
    assert home.json("open", "ct.npy", "--to", contact, "--stride", "2,2,2")["shown"]["size"] == [128, 128, 54]
    cropped(home, contact, array)
    cancelled(home, contact)
    home.run("push", "ct.npy", "--to", contact)  # what is newer is shown
    sessions.wait_until(lambda: shoot(home, contact)[1]["Source"] == "ct.npy")


def cancelled(home, contact):
    """Who no longer waits for a file ends its reading; what was shown is shown."""
    sessions.slow_file(os.path.join(home.path, "slow.h5"))
    log = home.json("status", contact)["log"]
    before, most = shoot(home, contact)[1]["Source"], home.memory() + (64 << 20)
    for word in (signal.SIGINT, signal.SIGKILL):
        opening = home.popen("open", "slow.h5", "--to", contact, "--stride", "1,1,1")
        sessions.wait_until(lambda: home.memory() > most)
        opening.send_signal(word)
        assert opening.wait(sessions.LIMIT) != 0
        assert shoot(home, contact)[1]["Source"] == before
    with open(log) as stream:
        assert stream.read().count("The read was cancelled") == 2


def units(home, contact):
    """An opened file's values keep their unit, and another stream is shown where that is asked for."""
    small = np.arange(210, dtype="i8").reshape(5, 6, 7)
    with h5py.File(os.path.join(home.path, "units.h5"), "w") as file:
        for name, unit in (("a", "HU"), ("b", "1/cm")):
            file.create_dataset(name, data=small).attrs["units"] = unit
    for name, unit in (("b", "1/cm"), ("a", "HU")):
        assert home.json("open", "units.h5:/" + name, "--to", contact)["shown"]["unit"] == unit
        got = home.json("retrieve", "--from", contact, "-o", "units.npy")
        assert (got["unit"], got["type"], got["array"]) == (unit, "float64", name), got
    assert np.array_equal(np.load(os.path.join(home.path, "units.npy")), small)
    err = home.run("push", "units.h5:/b", "--to", contact, "--stream", "two")[1]
    assert "shows the stream volume; `beamcast set --to %s --stream two`" % contact in err, err
    home.run("set", "--to", contact, "--stream", "two")
    assert home.json("retrieve", "--from", contact, "-o", "units.npy")["array"] == "b"
    assert "stream    two\narray     b, in 1/cm\n" in home.run("set", "--to", contact)[0]
    assert "viewer shows" not in home.run("push", "units.h5:/a", "--to", contact, "--stream", "two")[1]
    err = home.run("set", "--to", contact, "--stream", "three", status=1)[1]
    assert 'a stream "three"; there are two, volume' in err and err.count("\n") == 1, err
    home.run("set", "--to", contact, "--stream", "volume")
    home.run("open", "ct.h5", "--to", contact, "--stride", "2,2,2")


def crop(contact, box):
    """The crop box is set by a call, as a page does it."""
    library = ctypes.CDLL(os.path.join(sessions.BUILD, "lib", "libbeamcast_session.so"))
    answer, error = ctypes.c_void_p(), ctypes.create_string_buffer(4096)
    call = json.dumps({"verb": "crop", "box": box}).encode()
    code = library.beamcast_call_viewer(contact.encode(), call, ctypes.c_double(sessions.LIMIT), ctypes.byref(answer),
                                        None, None, error)
    assert code == 0, error.raw


def cropped(home, contact, array):
    """What is retrieved is what is shown: the crop box, of a file and of a stream."""
    path = home.json("status", contact)["contact"]
    crop(path, [10, 100, 0, 128, 7, 40])
    home.run("retrieve", "--from", contact, "-o", "part.npy")
    assert np.array_equal(np.load(os.path.join(home.path, "part.npy")), array[::2, ::2, ::2][7:40, :, 10:100])
    cut, _ = shoot(home, contact)
    crop(path, [])
    assert np.abs(shoot(home, contact)[0] - cut).mean() > 1
    home.run("push", "ct.npy", "--to", contact)
    crop(path, [0, 256, 100, 200, 50, 51])
    got = home.json("retrieve", "--from", contact, "-o", "part.npy")
    assert got["size"] == [256, 100, 1], got
    assert np.array_equal(np.load(os.path.join(home.path, "part.npy")), array[50:51, 100:200])
    crop(path, [])


def named(home, contact):
    """A session's name is as good as its id, a file of that name is not taken for it, and a user has it once."""
    with open(os.path.join(home.path, "bone"), "w") as stream:
        stream.write("no contact")
    assert home.json("status", "bone")["id"] == contact and home.json("status", contact)["name"] == "bone"
    assert "session   bone, id %s, running" % contact in home.run("status")[0]
    assert json.loads(home.run("contact", "bone", "--view-only")[0])["token"]
    before = os.listdir(home.state)
    err = home.run("start", "--name", "bone", status=1)[1]
    assert 'a session called "bone" already, %s' % contact in err and err.count("\n") == 1, err
    for wrong in ("", "a b", "-x", "../x", "x" * 32):
        err = home.run("start", "--name=" + wrong, status=1)[1]
        assert "a session's name has" in err and err.count("\n") == 1, err
    assert sorted(os.listdir(home.state)) == sorted(before)
    err = home.run("status", "bones", status=1)[1]
    assert 'no session "bones"' in err and err.count("\n") == 1, err


def life(home):
    array = head(home)
    session = home.json("start", "--ranks", 2, "--size", "256,256,108", "--type", "int16", "--keep", 5, "--slots", 4,
                        "--name", "bone")
    assert "9 steps (slots, kept)" in session["estimate"], session
    assert any("beamcast-viewer" in line and "--slots 4" in line for line in home.command_lines())
    named(home, session["id"])
    assert session["state"] == "running" and session["paraview"] is None, session
    assert not os.path.exists(home.servers)
    contact = session["id"]
    out, err = home.run("screenshot", "--from", contact, "-o", "no.png", status=1)
    assert "nothing to show" in err, err
    home.run("push", "ct.npy", "--to", contact)
    pictures(home, contact, array)
    slices(home, contact, array)
    home.run("retrieve", "--from", contact, "-o", "back.npy")
    assert np.array_equal(np.load(os.path.join(home.path, "back.npy")), array)
    home.run("retrieve", "--from", contact, "-o", "ct.h5")
    files(home, contact, array)
    progress(home, contact, array)
    refusals(home, contact)
    folder_group(home, contact)
    kept_steps(home, contact)
    points(home, contact)
    np.save(os.path.join(home.path, "large.npy"), np.zeros((108, 256, 257), "i2"))
    message = home.run("push", "large.npy", "--to", contact, status=1)[1]  # more than was announced
    assert "--size" in message and message.count("\n") == 1, message
    home.run("stop", contact)
    home.run("screenshot", "--from", contact, "-o", "no.png", status=1)
    home.check_nothing_left()


def scripts(home):
    good = """import os
from paraview.simple import *
lines = []
def catalyst_execute(info):
    source = FindSource("volume")
    source.UpdatePipeline()
    lines.append("%d %g %s" % (info.timestep, source.PointData[0].GetRange()[1], source is not None))
    with open("OUT", "w") as stream: stream.write("\\n".join(lines))
def catalyst_finalize():
    open("OUT.end", "w").close()
""".replace("OUT", os.path.join(home.path, "out"))
    bad = "a = 1\ndef catalyst_execute(info):\n    a.nonsense()\n"
    for name, text in (("good.py", good), ("bad.py", bad)):
        with open(os.path.join(home.path, name), "w") as stream:
            stream.write(text)
    array = np.arange(24, dtype="f4").reshape(2, 3, 4)
    np.save(os.path.join(home.path, "small.npy"), array)
    for name in ("good.py", "bad.py"):
        session = home.json("start", "--script", name, "--ranks", 2)
        home.run("push", "small.npy", "--to", session["id"])
        if name == "good.py":
            sessions.wait_until(lambda: os.path.exists(os.path.join(home.path, "out")))
            home.run("stop", session["id"])
            with open(os.path.join(home.path, "out")) as stream:
                assert stream.read().splitlines()[0] == "0 23 True"
            assert os.path.exists(os.path.join(home.path, "out.end"))
        else:
            def log():
                with open(session["log"]) as stream:
                    return stream.read()
            sessions.wait_until(lambda: "nonsense" in log(), log)
            shoot(home, session["id"])
            assert log().count("nonsense") == 1 and "bad.py:3: AttributeError" in log(), log()
            home.run("stop", session["id"])
    home.run("start", "--script", "none.py", status=1)
    home.run("start", "--script", "good.py", "--paraview", status=1)
    home.check_nothing_left()


def ends(home):
    """However it ends, it is known and leaves nothing."""
    ended = home.json("start", "--idle", "0.03", "--name", "bone")
    sessions.wait_until(lambda: home.json("status", "bone")["state"] == "ended")
    assert "unused" in home.json("status", ended["id"])["reason"]
    session = home.json("start", "--ranks", 2, "--name", "bone")  # one that is over gives its name up
    assert home.json("status", "bone")["id"] == session["id"] and home.json("status", ended["id"])["name"] is None
    home.run("stop", ended["id"])
    viewers = [pid for pid in home.processes()
               if os.path.basename(os.readlink("/proc/%d/exe" % pid)) == "beamcast-viewer"]
    assert len(viewers) == 2, viewers
    os.kill(viewers[-1], signal.SIGKILL)
    sessions.wait_until(lambda: home.json("status", session["id"])["state"] == "crashed")
    sessions.wait_until(lambda: not home.processes(), home.command_lines)
    home.run("stop", session["id"])
    home.check_nothing_left()
    start = home.popen("start", "--ranks", "2")
    time.sleep(0.5)
    start.send_signal(signal.SIGKILL)
    start.communicate()
    if start.returncode == 0:
        for session in home.json("status")["sessions"]:
            home.run("stop", session["id"])
    home.check_nothing_left()


def c_program(home):
    program = os.path.join(sessions.BUILD, "bin", "start_render")
    if not os.path.exists(program):
        print("start_render was not built")
        return
    head(home)
    done = subprocess.run([program, "ct.raw", "head.png"], env=home.environment, capture_output=True, text=True,
                          timeout=sessions.LIMIT, cwd=home.path)
    assert done.returncode == 0 and "is equal" in done.stdout, (done.stdout, done.stderr)
    picture, texts = read_png(home, "head.png")
    assert picture.shape == (600, 800, 3) and picture.max() > 150 and picture[0].max() == 0
    home.check_nothing_left()


if __name__ == "__main__":
    sessions.need("Xvfb", "mpiexec")
    if not os.path.exists(os.path.join(sessions.BUILD, "bin", "beamcast-viewer")):
        sessions.skip("beamcast-viewer was not built")
    wanted = sys.argv[1:]
    for test in (life, scripts, ends, c_program):
        if wanted and test.__name__ not in wanted:
            continue
        begun = time.monotonic()
        with sessions.Home() as its_home:
            test(its_home)
        print("%s: %.1f s" % (test.__name__, time.monotonic() - begun), flush=True)
