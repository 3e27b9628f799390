# SPDX-License-Identifier: BSD-3-Clause
"""Several producers, in processes and in threads; what the viewer asks; steps that are dropped."""
import subprocess
import sys
import threading
import time

import numpy
from harness import LIMIT, Case, beamcast, main, numbers

SHAPE = (9, 8, 7)
WHOLE = numbers(SHAPE, "uint16")


def produce(contact, rank, ranks, steps):
    """One producer's share: every ranks-th plane, as a program would have it."""
    with beamcast.connect(contact, "volume", rank, ranks, run_id=77, time_limit=LIMIT) as stream:
        for step in range(steps):
            while not stream.begin_step(step):
                time.sleep(0.01)
            for plane in range(rank, SHAPE[0], ranks):
                stream.put(WHOLE[plane:plane + 1] + numpy.uint16(step), start=(plane, 0, 0), shape=SHAPE)
            stream.end_step()


class Producers(Case):
    def check(self, step):
        self.server.wait_received(step + 1)
        got, info = self.retrieve(return_info=True)
        self.assertEqual(info.step, step)
        numpy.testing.assert_array_equal(got, WHOLE + numpy.uint16(step))

    def test_two_processes(self):
        ranks = [subprocess.Popen([sys.executable, __file__, self.server.contact, str(rank), "2", "3"])
                 for rank in range(2)]
        self.assertEqual([process.wait(LIMIT) for process in ranks], [0, 0])
        self.check(2)

    def test_two_threads(self):
        threads = [threading.Thread(target=produce, args=(self.server.contact, rank, 2, 3)) for rank in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        self.assertFalse(any(thread.is_alive() for thread in threads))
        self.check(2)

    def test_threads_on_one_stream(self):
        """Bricks from several threads at once: the calls come one after the other."""
        stream = self.connect()
        self.assertTrue(stream.begin_step(0))
        bad = []

        def put(planes):
            for plane in planes:
                if not stream.put(WHOLE[plane:plane + 1], start=(plane, 0, 0), shape=SHAPE):
                    bad.append(plane)

        threads = [threading.Thread(target=put, args=(range(first, SHAPE[0], 3),)) for first in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(bad, [])
        self.assertTrue(stream.end_step())
        self.check(0)

    def test_requests(self):
        stream = self.connect()
        self.send(stream, 0, WHOLE)
        self.assertIsNone(stream.request())
        self.assertEqual(self.server.ask("request", "volume", '{"stop": true, "µ": [1, 2.5]}'), "ok")
        self.assertEqual(self.server.ask("request", "volume", '{"centre": [3, 2, 1]}'), "ok")
        self.assertTrue(stream.begin_step(1))
        self.assertEqual(stream.request(), {"stop": True, "µ": [1, 2.5]})
        self.assertEqual(stream.request(), {"centre": [3, 2, 1]})
        self.assertIsNone(stream.request())
        stream.put(WHOLE)
        stream.end_step()

    def test_dropped_step_is_no_error(self):
        self.assertEqual(self.server.ask("slots", "volume", 2), "ok")
        stream = self.connect()
        self.assertEqual(stream.why_dropped, "")
        for step in range(2):
            self.send(stream, step, WHOLE)
            self.assertEqual(self.server.ask("hold", "volume"), str(step))
        self.assertFalse(stream.begin_step(2))
        self.assertIn("step 2", stream.why_dropped)
        self.assertFalse(stream.put(WHOLE))
        self.assertFalse(stream.end_step())
        info = stream.describe()
        self.assertEqual((info.steps_sent, info.steps_dropped, info.server_ranks), (2, 1, 2))
        self.assertEqual(info.bytes_sent, 2 * WHOLE.nbytes * 10 // 9)  # the ranks share a plane
        self.assertIn(info.wire, ("shm", "tcp"))

    def test_overlap(self):
        stream = self.connect(overlap=True)
        for step in range(5):
            while not stream.begin_step(step):
                time.sleep(0.01)
            array = WHOLE + numpy.uint16(step)
            stream.put(array)
            self.assertTrue(stream.end_step())
            array[:] = 0
        stream.close()
        self.check(4)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        produce(sys.argv[1], *map(int, sys.argv[2:]))
    else:
        main()
