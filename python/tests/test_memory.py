# SPDX-License-Identifier: BSD-3-Clause
"""Arrays are not copied where the library can read them, and live until end_step returns."""
import gc
import time
import tracemalloc
import weakref

import numpy
from harness import Case, beamcast, main, numbers

MIB = 1 << 20


def peak_resident():
    """The most memory that this process has had, in bytes, since it was last reset."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


class Copies(Case):
    def setUp(self):
        super().setUp()
        # shm maps the server's own memory into this process, which would count here
        self.stream = self.connect(wire="tcp")
        self.step = 0

    def peak_of(self, array, **options):
        """Bytes that one step of the array needs at most, as NumPy and as the system counts."""
        self.step += 1
        while not self.stream.begin_step(self.step):  # the server may still make room
            self.step += 1
            time.sleep(0.01)
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")  # the peak counts from here
        before = resident()
        tracemalloc.start()
        try:
            self.assertTrue(self.stream.put(array, **options))
            self.assertTrue(self.stream.end_step())
            return tracemalloc.get_traced_memory()[1], peak_resident() - before
        finally:
            tracemalloc.stop()

    def test_no_copy(self):
        cube = numpy.ones((32, 512, 512), "float32")  # 32 MiB
        truth = numpy.ones((64, 512, 512), "bool")
        vectors = numpy.ones((16, 256, 512, 4), "float32")
        for name, array in (("contiguous", cube), ("Fortran", numpy.asfortranarray(cube)), ("reversed", cube[::-1]),
                            ("every second", cube[:, :, ::2]), ("turned", cube.transpose(2, 0, 1)), ("bool", truth),
                            ("vectors", vectors), ("buffer", memoryview(cube))):
            with self.subTest(name):
                allocated, peak = self.peak_of(array)
                self.assertLess(allocated, 1 * MIB)
                self.assertLess(peak, 8 * MIB)  # a copy would take 16 or 32

    def test_copy_is_seen(self):
        """What test_no_copy measures does see a copy."""
        planar = numpy.moveaxis(numpy.ones((2, 16, 512, 512), "float32"), 0, -1)
        allocated, peak = self.peak_of(planar)
        self.assertGreater(allocated, 30 * MIB)
        self.assertGreater(peak, 30 * MIB)

    def test_views_share_memory(self):
        base = numbers((8, 9, 10), "float32")
        for array in (base, base[::-1, ::2], base.T, numpy.asfortranarray(base), base[2:3]):
            voxels = beamcast.arrays.as_voxels(array)
            self.assertEqual(voxels.__array_interface__["data"], array.__array_interface__["data"])
            self.assertEqual(voxels.strides, array.strides)

    def test_retrieved_is_not_copied(self):
        self.send(self.stream, 0, numpy.ones((32, 512, 512), "float32"))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        got = self.retrieve()
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 * MIB)
        box = got[1:2, 3:4]
        del got
        gc.collect()
        self.assertTrue((box == 1).all())  # a view keeps the memory


class Lives(Case):
    def setUp(self):
        super().setUp()
        self.stream = self.connect()

    def put(self, **options):
        """Puts an array that nobody else knows; returns a weak reference to it."""
        array = numbers((6, 7, 8), "int32")
        self.assertTrue(self.stream.put(array, **options))
        return weakref.ref(array)

    def test_alive_until_end_step(self):
        self.stream.begin_step(0)
        kept = [self.put(), self.put(name="other")]
        copied = self.put(name="copied", copy=True)
        gc.collect()
        self.assertEqual([ref() is None for ref in kept + [copied]], [False, False, True])
        self.assertTrue(self.stream.end_step())
        gc.collect()
        self.assertEqual([ref() is None for ref in kept], [True, True])

    def test_cannot_be_resized(self):
        array = numbers((6, 7, 8), "int32")
        self.stream.begin_step(0)
        self.stream.put(array)
        with self.assertRaises(ValueError):
            array.resize((60, 70, 80))
        self.stream.end_step()
        array.resize((6, 7, 9))

    def test_registered_is_alive_until_it_is_taken_back(self):
        array, more = numbers((6, 7, 8), "float16"), numbers((6, 7, 8), "int32")
        ref, more_ref = weakref.ref(array), weakref.ref(more)
        self.stream.register(array)
        self.stream.register(array)
        self.stream.register(more)
        with self.assertRaises(beamcast.errors.ArgumentError):
            self.stream.register(array[1:])
        with self.assertRaises(ValueError):
            self.stream.register(array[:, ::2])
        with self.assertRaises(ValueError):
            array.resize((60, 70, 80))
        for step in range(2):
            self.stream.begin_step(step)
            self.stream.put(array)
            self.assertTrue(self.stream.end_step())
        self.stream.unregister(array)
        with self.assertRaises(beamcast.errors.ArgumentError):
            self.stream.unregister(array)
        del array, more
        gc.collect()
        self.assertEqual([ref() is None, more_ref() is None], [True, False])
        self.stream.close()
        gc.collect()
        self.assertIsNone(more_ref())

    def test_next_step_gives_up_the_last(self):
        self.stream.begin_step(0)
        kept = self.put()
        self.assertTrue(self.stream.begin_step(1))
        gc.collect()
        self.assertIsNone(kept())
        self.assertTrue(self.stream.end_step())

    def test_close_lets_go(self):
        self.stream.begin_step(0)
        kept = self.put()
        self.stream.close()
        gc.collect()
        self.assertIsNone(kept())

    def test_refused_array_is_let_go(self):
        array = numbers((6, 7, 8), "int32")
        ref = weakref.ref(array)
        self.stream.begin_step(0)
        with self.assertRaises(beamcast.errors.ArgumentError):
            self.stream.put(array, spacing=(0, 1, 1))
        del array
        gc.collect()
        self.assertIsNone(ref())

    def test_forgotten_stream_is_closed(self):
        stream = beamcast.connect(self.server.contact, "forgotten", time_limit=30)
        stream.begin_step(0)
        self.assertEqual(self.server.counts("forgotten")[2], 1)
        array = numbers((6, 7, 8), "int32")
        ref = weakref.ref(array)
        stream.put(array)
        del array, stream
        gc.collect()
        self.assertIsNone(ref())
        self.wait_gone("forgotten")

    def test_array_that_knows_its_stream(self):
        class Knowing(numpy.ndarray):
            pass

        stream = beamcast.connect(self.server.contact, "circle", time_limit=30)
        array = numbers((6, 7, 8), "int32").view(Knowing)
        array.stream = stream
        ref = weakref.ref(array)
        stream.begin_step(0)
        stream.put(array)
        del array, stream
        gc.collect()
        self.assertIsNone(ref())
        self.wait_gone("circle")

    def wait_gone(self, stream):
        """Fails by the test's own time limit if the producer never leaves."""
        while self.server.counts(stream)[2] > 0:
            time.sleep(0.002)

    def test_many_steps_leave_nothing(self):
        array = numbers((6, 7, 8), "int32")
        for step in range(50):
            self.send(self.stream, step, array[::-1])
        gc.collect()
        before = resident()
        for step in range(50, 1500):
            if self.stream.begin_step(step):
                self.stream.put(array[::-1])
                self.stream.end_step()
            self.stream.request()
            self.stream.describe()
        gc.collect()
        self.assertLess(resident() - before, 2 * MIB)


if __name__ == "__main__":
    main()
