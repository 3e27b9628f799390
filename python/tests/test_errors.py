# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong is an exception with a sentence, and never a crash or a hang."""
import builtins
import json
import os
import signal
import socket
import threading
import time
import unittest
import unittest.mock

import numpy
from harness import LIMIT, Case, beamcast, main, numbers

errors = beamcast.errors


class Arguments(Case):
    ranks = 1

    def setUp(self):
        super().setUp()
        self.stream = self.connect()
        self.stream.begin_step(0)

    def refused(self, pattern, array, **options):
        with self.assertRaisesRegex(errors.ArgumentError, pattern) as caught:
            self.stream.put(array, **options)
        self.assertEqual(caught.exception.code, 1)
        self.assertIsInstance(caught.exception, ValueError)

    def test_types(self):
        shape = (2, 3, 4)
        self.refused("Python objects", numpy.empty(shape, dtype=object))
        self.refused(r"other byte order \(>f4\).*astype\('float32'\)", numpy.zeros(shape, ">f4"))
        self.refused(r"int64 .*astype\('int32'\)", numpy.zeros(shape, "int64"))
        self.refused(r"uint64 .*astype\('uint32'\)", numpy.zeros(shape, "uint64"))
        for dtype in ("complex64", "longdouble", "datetime64[s]", "timedelta64[s]", "S4", "U4", "V4",
                      [("a", "f4"), ("b", "f4")]):
            self.refused("can't be sent", numpy.zeros(shape, dtype))
        self.refused("masked", numpy.ma.masked_array(numpy.zeros(shape), numpy.zeros(shape)))

    def test_not_arrays(self):
        class Device:
            def __dlpack__(self, **_):
                raise BufferError("on a GPU")

            def __dlpack_device__(self):
                return (2, 0)

        for thing in (None, 3, "text", [[[1, 2]]], object()):
            self.refused("needs an array", thing)
        self.refused("this host's memory", Device())
        self.refused("1 axes", b"bytes")

    def test_shapes(self):
        self.refused("numpy.newaxis", numpy.zeros((3, 4)))
        self.refused("5 axes", numpy.zeros((1, 1, 1, 1, 1)))
        self.refused("1 to 4 components, not 5", numpy.zeros((2, 2, 2, 5)))
        self.refused("components, not 0", numpy.zeros((2, 2, 2, 0)))
        array = numpy.zeros((2, 3, 4), "uint8")
        self.refused("shape=", array, start=(1, 0, 0))
        self.refused("beyond the volume", array, start=(1, 0, 0), shape=(2, 3, 4))
        self.refused("2 numbers", array, start=(1, 0), shape=(9, 9, 9))
        self.refused("-1", array, start=(-1, 0, 0), shape=(9, 9, 9))
        self.refused("below 2\\^63", array, shape=(2**63, 9, 9))
        self.refused("2\\^58", array, shape=(2**62, 2**62, 9))
        self.refused("at least 1", array[:0])
        self.refused("spacing", array, spacing=(1, 0, 1))
        self.refused("spacing", array, spacing=(1, float("nan"), 1))
        self.refused("spacing has 2", array, spacing=(1, 1))
        self.refused("direction has 4", array, direction=((1, 0), (0, 1)))
        self.refused("name", array, name="")
        self.refused("units", array, unit="u" * 1000)
        with self.assertRaises(TypeError):
            self.stream.put(array, start=(0.5, 0, 0), shape=(9, 9, 9))
        with self.assertRaises(ValueError):
            self.stream.put(array, name="a\0b")
        self.assertTrue(self.stream.put(array))  # after all of this, the step goes on
        self.assertTrue(self.stream.end_step())

    def test_order_of_calls(self):
        stream = self.connect("other")
        with self.assertRaisesRegex(errors.ArgumentError, "begin_step"):
            stream.put(numpy.zeros((2, 2, 2)))
        with self.assertRaisesRegex(errors.ArgumentError, "begin_step"):
            stream.end_step()
        with self.assertRaisesRegex(errors.ArgumentError, "at least 0"):
            stream.begin_step(-1)
        with self.assertRaisesRegex(errors.ArgumentError, "below 2"):
            stream.begin_step(2**64)
        with self.assertRaisesRegex(errors.ArgumentError, "finite"):
            stream.begin_step(1, time=float("inf"))
        with self.assertRaises(TypeError):
            stream.begin_step("1")

    def test_annotations(self):
        for value in (float("nan"), object(), {1, 2}):
            with self.assertRaises((ValueError, TypeError)):
                self.stream.annotate("key", value)
        with self.assertRaisesRegex(errors.ArgumentError, "131072"):
            self.stream.annotate("key", "x" * 200000)
        with self.assertRaisesRegex(errors.ArgumentError, "1 to 255"):
            self.stream.annotate("", 1)
        self.stream.annotate("key", "it's \"quoted\" µ")
        self.stream.put(numpy.zeros((2, 2, 2)))
        self.stream.end_step()
        self.server.wait_received(1)
        self.assertEqual(self.server.seen()["header"], {"key": "it's \"quoted\" µ"})

    def test_closed(self):
        with self.stream as stream:
            self.assertFalse(stream.closed)
        self.assertTrue(stream.closed)
        stream.close()
        for call in (lambda: stream.begin_step(1), lambda: stream.put(numpy.zeros((2, 2, 2))), stream.end_step,
                     stream.request, stream.describe, lambda: stream.annotate("a", 1)):
            with self.assertRaisesRegex(errors.ArgumentError, "closed"):
                call()

    def test_core_checks_memory_itself(self):
        """Whatever the Python half is made to say, the C half reads no memory that isn't the array's."""
        core = self.stream._core
        rest = ((1.0,) * 3, (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), 0.0, "volume", None, None, False)
        for array, dtype in ((numpy.zeros((2, 2, 2), "uint8"), "float64"), (numpy.zeros((2, 2), "uint8"), "uint8"),
                             (numpy.zeros((2, 2, 2), "uint8"), "nonsense"), (b"abc", "uint8"),
                             (numpy.zeros((2, 2, 2, 9), "uint8"), "uint8"),
                             (numpy.broadcast_to(numpy.uint8(1), (2, 2, 2)), "uint8"),
                             (numpy.moveaxis(numpy.zeros((3, 2, 2, 2), "uint8"), 0, -1), "uint8")):
            with self.assertRaises(errors.ArgumentError):
                core.put(array, dtype, (0, 0, 0), (2, 2, 2), *rest)
        with self.assertRaises(errors.ArgumentError):
            core.put(numpy.zeros((2, 2, 2), "uint8"), "uint8", (-1, 0, 0), (2, 2, 2), *rest)
        with self.assertRaises(TypeError):
            type(core)()

    def test_retrieve(self):
        where = dict(contact=self.server.contact, time_limit=LIMIT)
        with self.assertRaises(beamcast.Error):
            beamcast.retrieve(stream="unknown", **where)
        self.stream.put(numpy.zeros((2, 3, 4)))
        self.stream.end_step()
        self.server.wait_received(1)
        with self.assertRaisesRegex(errors.ArgumentError, "no array called other"):
            beamcast.retrieve(array="other", **where)
        for start, shape in (((0, 0, 0), (3, 3, 4)), ((1, 0, 0), (2, 3, 4)), ((2**62, 0, 0), None), ((5, 5, 5), (1, 1, 1))):
            with self.assertRaises(errors.ArgumentError):
                beamcast.retrieve(start=start, shape=shape, **where)


class Servers(Case):
    ranks = 1

    def test_no_server(self):
        with self.assertRaisesRegex(errors.ConnectionError, "no-such-file") as caught:
            beamcast.connect(os.path.join(self.server.folder, "no-such-file"), time_limit=0.2)
        self.assertEqual(caught.exception.code, 4)
        self.assertIsInstance(caught.exception, builtins.ConnectionError)
        with self.assertRaises(errors.ConnectionError):
            beamcast.retrieve(os.path.join(self.server.folder, "no-such-file"), time_limit=0.2)

    def test_connect_arguments(self):
        for options in (dict(rank=2, ranks=2, run_id=1), dict(ranks=0, rank=-1), dict(name=""), dict(time_limit=-1),
                        dict(connections=99), dict(run_id=-1), dict(wire="pigeon")):
            with self.subTest(options), self.assertRaises(beamcast.Error):
                stream = self.connect(**options)
                stream.begin_step(0)
                stream.put(numpy.zeros((2, 2, 2)))
        with self.assertRaises(TypeError):
            beamcast.connect(3)
        with self.assertRaises(TypeError):
            beamcast.connect(self.server.contact, name=None)

    def test_wrong_token(self):
        with self.assertRaises(errors.RefusedError) as caught:
            self.connect(token="0" * 64)
        self.assertIsInstance(caught.exception, PermissionError)

    def test_too_large(self):
        """The server has 1 GiB for slots."""
        stream = self.connect()
        stream.begin_step(0)
        with self.assertRaises(errors.RefusedError):
            stream.put(numbers((2, 2, 2), "uint8"), shape=(4096, 4096, 4096))

    def test_address(self):
        """beamcast://host:port with the token in the environment."""
        with open(self.server.contact) as file:
            contact = json.load(file)
        with unittest.mock.patch.dict(os.environ, BEAMCAST_TOKEN=contact["token"]):
            stream = self.connected_to("beamcast://127.0.0.1:%d" % contact["port"])
            self.send(stream, 0, numbers((2, 3, 4), "uint8"))

    def connected_to(self, address):
        stream = beamcast.connect(address, time_limit=LIMIT)
        self.addCleanup(stream.close)
        return stream

    def test_server_dies(self):
        stream = self.connect()
        array = numbers((40, 50, 60), "float32")
        self.send(stream, 0, array)
        stream.begin_step(1)
        stream.put(array)
        self.server.kill()
        with self.assertRaises(errors.ConnectionError):
            for step in range(2, 10):
                stream.end_step()
                stream.begin_step(step)
                stream.put(array)
        with self.assertRaises(errors.ConnectionError):  # and again, at once
            stream.begin_step(11)
        stream.close()

    def test_gil_is_free_while_calls_wait(self):
        """The server sleeps until another thread wakes it: it can only if the call that waits has no GIL."""
        stream = self.connect(wire="tcp", time_limit=LIMIT / 2)
        array = numpy.ones((32, 512, 512), "float32")  # more than sockets hold
        self.send(stream, 0, array)
        calls = (("begin_step", lambda: stream.begin_step(1)), ("put", lambda: stream.put(array)),
                 ("end_step", stream.end_step),
                 ("retrieve", lambda: beamcast.retrieve(self.server.contact, time_limit=LIMIT / 2)))
        for name, call in calls:
            while name == "put" and not stream.begin_step(2):  # until the server has made room
                time.sleep(0.01)
            results, began = [], threading.Event()

            def run():
                began.set()
                try:
                    results.append(call())
                except beamcast.Error as error:
                    results.append(error)

            self.server.process.send_signal(signal.SIGSTOP)
            thread = threading.Thread(target=run)
            thread.start()
            began.wait()
            time.sleep(0.05)
            self.server.process.send_signal(signal.SIGCONT)
            thread.join(LIMIT)
            self.assertFalse(thread.is_alive())
            self.assertNotIsInstance(results[0], Exception, name)

    def test_gil_is_free_while_connect_waits(self):
        """A peer in this very process takes the connection while connect waits: only without the GIL."""
        with open(self.server.contact) as file:
            contact = json.load(file)
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(LIMIT)
        result = []

        def connect():
            try:
                beamcast.connect("beamcast://127.0.0.1:%d" % listener.getsockname()[1], token=contact["token"],
                                 time_limit=LIMIT / 2)
            except beamcast.Error as error:
                result.append(error)

        thread = threading.Thread(target=connect)
        thread.start()
        peer, _ = listener.accept()
        peer.sendall(b"this is no Beamcast server\n" * 100)
        peer.close()
        listener.close()
        thread.join(LIMIT)
        self.assertFalse(thread.is_alive())
        self.assertIsInstance(result[0], (errors.ProtocolError, errors.ConnectionError))


class Classes(unittest.TestCase):
    def test_all_codes(self):
        for code in range(1, 9):
            error = errors.from_code(code, "a sentence")
            self.assertIsInstance(error, beamcast.Error)
            self.assertEqual((error.code, str(error)), (code, "a sentence"))
        self.assertIs(type(errors.from_code(99, "")), beamcast.Error)


if __name__ == "__main__":
    main()
