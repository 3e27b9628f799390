# SPDX-License-Identifier: BSD-3-Clause
"""A session from Python: started, shown a volume, asked for it, stopped; lesser contacts; what is wrong."""
import contextlib
import gc
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import weakref

import numpy
from harness import LIMIT, SERVER, beamcast, numbers, skip

errors = beamcast.errors
HOME = tempfile.mkdtemp(prefix="beamcast session ")
VIEWER = os.path.join(os.path.dirname(SERVER), "beamcast-viewer")
CRANIUM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "cranium")


def head():
    """Debian's CT, int16 [108, 256, 256], or numbers where it is not installed."""
    path = os.path.join(HOME, "ct.raw")
    if subprocess.run([CRANIUM, path], capture_output=True).returncode != 0:
        return numbers((54, 64, 64), "int16")
    return numpy.fromfile(path, "<i2").reshape(108, 256, 256)


def processes(program):
    """Those of this test's sessions."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open("/proc/%s/environ" % pid, "rb") as stream:
                if ("HOME=" + HOME).encode() in stream.read().split(b"\0") and \
                        os.path.basename(os.readlink("/proc/%s/exe" % pid)) == program:
                    found.append(int(pid))
    return found


@contextlib.contextmanager
def interrupted(when):
    """Ctrl-C comes into the block once when() is true."""
    ended = threading.Event()

    def watch():
        while not ended.wait(0.02):
            if when():
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


class Viewing(unittest.TestCase):
    """On a headless viewer of two ranks, with a real CT where it is installed."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(VIEWER):
            raise unittest.SkipTest("beamcast-viewer was not built")
        cls.session = cls.enterClassContext(beamcast.start(2, keep=2, time_limit=LIMIT))
        cls.array = head()
        while not cls.session.render_volume(cls.array, spacing=(1.5, 0.957, 0.957), unit="HU", length_unit="mm",
                                            name="density", time_limit=LIMIT):
            time.sleep(0.02)

    def test_picture(self):
        picture = self.session.screenshot((320, 200))
        self.assertEqual((picture.shape, picture.dtype), ((200, 320, 4), numpy.uint8))
        self.assertTrue((picture[..., 3] == 255).all() and picture[80:120, 130:190, :3].mean() > 30)
        turned = self.session.screenshot((320, 200), camera=(60, 20, 1.5), preset="rock", kernel="plain")
        self.assertGreater(abs(turned.astype(int) - picture).mean(), 1)
        numpy.testing.assert_array_equal(self.session.screenshot((320, 200)), picture)
        plane = self.session.screenshot((256, 256), slice=("z", 50), window=(-1000, 1000))
        self.assertEqual(len(numpy.unique(plane[..., 0])) > 20, True)
        for wrong in (dict(size=(1, 1)), dict(preset="none"), dict(window=(2, 1)), dict(slice=("w", 1)),
                      dict(camera=(1, 2))):
            with self.assertRaises(errors.ArgumentError):
                self.session.screenshot(**wrong)

    def test_there_and_back(self):
        got, info = self.session.retrieve(time_limit=LIMIT, return_info=True)
        numpy.testing.assert_array_equal(got, self.array)
        kept = self.session.retrieve(numpy.s_[3:5, :, 7:], "density", step=info.step, time_limit=LIMIT)
        numpy.testing.assert_array_equal(kept, self.array[3:5, :, 7:])
        with self.assertRaisesRegex(errors.RefusedError, "step 9999"):
            self.session.retrieve(step=9999)

    def test_what_a_file_holds(self):
        path = os.path.join(HOME, "three axes.npy")
        numpy.save(path, numpy.zeros((5, 6, 7), "uint16"))
        self.assertEqual([(one["size"], one["type"]) for one in beamcast.info(path)], [([5, 6, 7], "uint16")])
        with self.assertRaisesRegex(errors.FileError, "none.h5"):
            beamcast.info("none.h5")

    def test_notebook(self):
        bundle = self.session._repr_mimebundle_()
        self.assertIn("running, 2 ranks", bundle["text/plain"])
        self.assertIn("data:image/png;base64,", bundle["text/html"])

    def test_state_and_settings(self):
        answer, _ = self.session.call("set", preset="grey", window=[-500, 500])
        self.assertEqual((answer["look"]["preset"], answer["look"]["window"]), ("grey", [-500, 500]))
        answer, _ = self.session.call("set", preset="bone", window=[])
        self.assertTrue(answer["look"]["window_by_itself"])
        self.assertEqual(answer["shown"]["size"], list(self.array.shape[::-1]))
        with self.assertRaises(errors.Error):
            self.session.call("nonsense")

    def test_a_file_that_is_not_there(self):
        with self.assertRaisesRegex(errors.Error, "there is no file"):
            self.session.load_file("none.h5")

    def test_interrupt_ends_a_call(self):
        there = processes("beamcast-viewer")
        self.assertEqual(len(there), 2)
        for pid in there:
            os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with self.assertRaises(KeyboardInterrupt), interrupted(lambda: time.monotonic() > begun + 0.3):
                self.session.screenshot((64, 64), time_limit=10 * LIMIT)
        finally:
            for pid in there:
                os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.session.screenshot((64, 64)).shape, (64, 64, 4))


class Running(unittest.TestCase):
    """On one session of two ranks."""

    @classmethod
    def setUpClass(cls):
        cls.session = cls.enterClassContext(beamcast.start(2, paraview=True, time_limit=LIMIT))

    def render(self, array, **options):
        """Steps are dropped while the server makes room for another size."""
        while not self.session.render_volume(array, time_limit=LIMIT, **options):
            time.sleep(0.02)

    def lesser(self, rights):
        path = os.path.join(HOME, rights)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(self.session.contact(rights))
        return path

    def test_status(self):
        info = self.session.status()
        self.assertEqual((info.state, info.ranks, info.id), ("running", 2, self.session.id))
        self.assertTrue(info.paraview.startswith("cs://"))
        self.assertEqual(info.contact, self.session.contact())
        self.assertTrue(os.path.exists(info.contact) and os.path.exists(info.log))
        self.assertGreaterEqual(info.start_time, info.created)
        self.assertIn(info, beamcast.sessions())
        self.assertEqual(beamcast.Session(info.id).status(), info)
        self.assertIn("running, 2 ranks, cs://", repr(self.session))

    def test_volumes(self):
        base = numbers((20, 30, 40), "int16")
        for array in (base, base[::-1, ::2, 3:].transpose(2, 0, 1), numbers((9, 8, 7, 3), "float16"),
                      numbers((9, 8, 7), "bool")):
            with self.subTest(shape=array.shape):
                self.render(array, spacing=(3, 2, 1), origin=(30, 20, 10), unit="HU", length_unit="mm")
                got, info = self.session.retrieve(time_limit=LIMIT, return_info=True)
                numpy.testing.assert_array_equal(got, array)
                self.assertEqual((info.spacing, info.origin), ((3, 2, 1), (30, 20, 10)))
                self.assertEqual((info.name, info.unit, info.length_unit), ("volume", "HU", "mm"))

    def test_regions(self):
        array = numbers((20, 30, 40), "int16")
        self.render(array, name="density")
        for roi in (numpy.s_[3:10, :, 25:], numpy.s_[-3:, 5:6, :-1], numpy.s_[:, :, :]):
            numpy.testing.assert_array_equal(self.session.retrieve(roi, "density", time_limit=LIMIT), array[roi])
        for roi in (numpy.s_[::2, :, :], numpy.s_[20:, :, :], numpy.s_[1:2, 1:2], (1, 2, 3), numpy.s_[::-1, :, :]):
            with self.assertRaisesRegex(errors.ArgumentError, "roi"):
                self.session.retrieve(roi)

    def test_array_is_let_go(self):
        array = numbers((20, 30, 40), "int16")
        ref = weakref.ref(array)
        self.render(array)
        del array
        gc.collect()
        self.assertIsNone(ref())

    def test_stream_into_it(self):
        with beamcast.connect(self.session.contact(), "live", time_limit=LIMIT) as stream:
            self.assertTrue(stream.begin_step(0))
            stream.put(numbers((5, 6, 7), "float32"))
            self.assertTrue(stream.end_step())

    def test_lesser_contacts(self):
        self.render(numbers((20, 30, 40), "int16"))
        with self.assertRaises(errors.RefusedError):
            beamcast.connect(self.lesser("view"), time_limit=LIMIT)
        with self.assertRaises(errors.RefusedError):
            beamcast.retrieve(self.lesser("push"), time_limit=LIMIT)
        self.assertEqual(beamcast.retrieve(self.lesser("view"), time_limit=LIMIT).shape, (20, 30, 40))
        beamcast.connect(self.lesser("push"), "other", time_limit=LIMIT).close()
        with self.assertRaisesRegex(errors.ArgumentError, "rights"):
            self.session.contact("all")

    def test_what_is_wrong(self):
        for array in (numpy.zeros((3, 4)), numpy.zeros((3, 4, 5), "int64"), "text"):
            with self.assertRaises(errors.ArgumentError):
                self.session.render_volume(array)


class Life(unittest.TestCase):
    def test_leaving_the_block_stops(self):
        with contextlib.suppress(KeyError):
            with beamcast.start(paraview=True, idle=0, time_limit=LIMIT) as session:
                session.render_volume(numbers((5, 6, 7), "uint8"), time_limit=LIMIT)
                raise KeyError
        with self.assertRaisesRegex(errors.ArgumentError, session.id):
            session.status()
        self.assertIn(session.id, repr(session))
        with self.assertRaises(beamcast.Error):
            session.render_volume(numbers((5, 6, 7), "uint8"))
        session.stop()
        self.assertEqual([info for info in beamcast.sessions() if info.id == session.id], [])

    def test_interrupt_ends_a_start(self):
        with self.assertRaises(KeyboardInterrupt), interrupted(lambda: processes("beamcast-keeper")):
            beamcast.start(paraview=True, time_limit=LIMIT)
        self.assertEqual((beamcast.sessions(), processes("beamcast-keeper")), ([], []))

    def test_arguments(self):
        for options in (dict(ranks=-1, paraview=True), dict(idle=float("nan"), paraview=True),
                        dict(shape=(1, 2), paraview=True), dict(shape=(1, -2, 3), paraview=True),
                        dict(time_limit=-1, paraview=True)):
            with self.subTest(options), self.assertRaises(errors.ArgumentError):
                beamcast.start(**options).stop()
        for name in ("", "../..", "no-such-session", "x" * 5000):
            with self.subTest(name), self.assertRaises(errors.ArgumentError):
                beamcast.Session(name)


def main():
    if not hasattr(beamcast, "start"):
        skip("libbeamcast_session was not built")
    for program in ("Xvfb", "mpiexec"):
        if shutil.which(program) is None:
            skip(program + " is missing")
    os.environ["PATH"] = os.path.dirname(SERVER) + os.pathsep + os.environ["PATH"]
    if shutil.which("beamcast-server") is None:
        skip("beamcast-server was not built")
    os.environ["HOME"] = HOME
    for name in ("DISPLAY", "XAUTHORITY", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "BEAMCAST_TOKEN"):
        os.environ.pop(name, None)
    try:
        unittest.main(verbosity=2)
    finally:
        for info in beamcast.sessions():
            beamcast.Session(info.id).stop()
        shutil.rmtree(HOME, ignore_errors=True)


if __name__ == "__main__":
    main()
