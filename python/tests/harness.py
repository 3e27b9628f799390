# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the module share: servers without ParaView, waiting, and the way out."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

LIMIT = 60  # seconds for anything that must come to an end
SERVER = os.environ.get("BEAMCAST_TEST_SERVER", "")


def skip(what):
    print("skipped: " + what)
    sys.exit(77)


try:
    import numpy
except ImportError:
    skip("NumPy of " + sys.executable + " is missing")
import beamcast


class Server:
    """A running server of some ranks, see test_server.c. Leaving the block ends it."""

    def __init__(self, ranks=1):
        self.folder = tempfile.mkdtemp(prefix="beamcast-python-")
        self.contact = os.path.join(self.folder, "contact.json")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen([SERVER, self.contact, str(ranks)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout.readline() == "ready\n", self.messages()

    def messages(self):
        self.log.seek(0)
        return self.log.read()

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, "the server is gone: " + self.messages()
        return answer

    def counts(self, stream="volume"):
        """Steps received, steps dropped, producers."""
        return [int(number) for number in self.ask("counts", stream).split()]

    def wait_received(self, steps, stream="volume"):
        """end_step returns when this producer's bytes are there; the step is complete a moment later."""
        end = time.monotonic() + LIMIT
        while self.counts(stream)[0] < steps:
            assert time.monotonic() < end, self.messages()
            time.sleep(0.002)

    def seen(self, stream="volume"):
        return json.loads(self.ask("seen", stream))

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        code = self.process.wait(LIMIT)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert code in (0, -9), code


class Case(unittest.TestCase):
    """A test with a server of two ranks of its own and a stream called volume on it."""

    ranks = 2

    def setUp(self):
        self.server = self.enterContext(Server(self.ranks))

    def connect(self, *arguments, **options):
        stream = beamcast.connect(self.server.contact, *arguments, **dict({"time_limit": LIMIT}, **options))
        self.addCleanup(stream.close)
        return stream

    def retrieve(self, **options):
        return beamcast.retrieve(self.server.contact, time_limit=LIMIT, **options)

    def send(self, stream, step, array, **options):
        """One whole step of one array, and waits until the server has it."""
        before = self.server.counts()[0]
        self.assertTrue(stream.begin_step(step))
        self.assertTrue(stream.put(array, **options))
        self.assertTrue(stream.end_step())
        self.server.wait_received(before + 1)


def numbers(shape, dtype, seed=1):
    """Values that differ from voxel to voxel and use the type's range."""
    generator = numpy.random.default_rng(seed)
    dtype = numpy.dtype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        info = numpy.iinfo(dtype)
        return generator.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return generator.normal(size=shape).astype(dtype)


def main():
    if not SERVER or not os.path.exists(SERVER):
        skip("BEAMCAST_TEST_SERVER does not name the test's server")
    unittest.main(verbosity=2)
