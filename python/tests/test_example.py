# SPDX-License-Identifier: BSD-3-Clause
"""examples/push_python.py runs as it stands, and stops when the viewer says so."""
import os
import subprocess
import sys

from harness import LIMIT, Case, main

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(os.path.dirname(os.path.dirname(HERE)), "examples", "push_python.py")


class Example(Case):
    def test_runs(self):
        done = subprocess.run([sys.executable, PROGRAM, self.server.contact, "6"], timeout=LIMIT,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        received, dropped = self.server.counts()[:2]
        self.assertGreaterEqual(received, 1)
        self.assertEqual(done.stdout, "%d %d steps sent and dropped\n" % (received, dropped))
        got, info = self.retrieve(array="phase", return_info=True)
        self.assertEqual((got.shape, got.dtype.name), ((64, 96, 128), "float32"))
        self.assertEqual((info.spacing, info.time), ((2, 1, 1), 0.1 * info.step))
        self.assertAlmostEqual(self.server.seen()["header"]["mean"], got.mean(), places=6)

    def test_stops(self):
        program = subprocess.Popen([sys.executable, PROGRAM, self.server.contact, "1000000"])
        self.addCleanup(program.kill)
        self.server.wait_received(1)
        self.assertEqual(self.server.ask("request", "volume", '{"stop": true}'), "ok")
        self.assertEqual(program.wait(LIMIT), 0)

    def test_is_short(self):
        with open(PROGRAM) as program:
            self.assertLess(len(program.readlines()), 40)


if __name__ == "__main__":
    main()
