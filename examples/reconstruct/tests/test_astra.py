#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""examples/couple_astra.py with the real ASTRA Toolbox, in a venv of its own: the viewer sees each step of it, ASTRA
works in the array that is put, and the result is the same to the bit with and without a viewer.

    test_astra.py FOLDER    the venv is made there, and kept"""
import os
import subprocess
import sys

import harness
from harness import numpy

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "couple_astra.py")
STEPS = 3


def venv(folder):
    """A Python that has astra; skips where PyPI does not give it."""
    place = os.path.join(folder, "astra")
    python = os.path.join(place, "bin", "python")
    if os.path.exists(python) and subprocess.run([python, "-c", "import astra"], capture_output=True).returncode == 0:
        return python
    for command in ([sys.executable, "-m", "venv", "--system-site-packages", place],
                    [python, "-m", "pip", "install", "--quiet", "astra-toolbox"], [python, "-c", "import astra"]):
        if subprocess.run(command, capture_output=True, timeout=900).returncode != 0:
            harness.skip("astra-toolbox (PyPI) can't be installed")
    return python


def main():
    python = venv(sys.argv[1])

    def run(*words):
        result = subprocess.run([python, EXAMPLE, *map(str, words)], capture_output=True, text=True,
                                timeout=harness.LIMIT, env=dict(os.environ, OMP_NUM_THREADS="1"))
        assert result.returncode == 0, result.stderr
        return numpy.load(words[1]), result.stderr

    with harness.folder() as work:
        volume = harness.sample(32, 6)
        sample = harness.write_sample(work + "/sample", volume)
        scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", 48, "--columns", 33)
        alone, _ = run(scan, work + "/alone.npy", "", STEPS)
        contact, keep = work + "/contact.json", work + "/steps"
        os.mkdir(keep)
        with harness.Watcher(contact, policy="all", keep=keep) as watcher:
            watched, said = run(scan, work + "/watched.npy", contact, STEPS)
            seen = watcher.end()
        assert seen == list(range(STEPS)) and "goes on" not in said, (seen, said)
        steps = [numpy.fromfile(f"{keep}/{step}.raw", "float32").reshape(alone.shape) for step in seen]
        assert numpy.array_equal(watched, alone) and numpy.array_equal(steps[-1], alone)
        truth = numpy.pad(volume, ((0, 0), (0, 1), (0, 1)))
        errors = [float(((step - truth) ** 2).mean()) for step in steps]
        errors.insert(0, float((truth ** 2).mean()))  # of nothing: ASTRA must have worked in the array that was put
        assert all(after < before for before, after in zip(errors, errors[1:])), errors
        print("mean squared error of nothing and of the steps that were seen:", *("%.2e" % error for error in errors))

        with harness.Watcher(contact, policy="all") as watcher:
            watcher.ask('{"stop": true}')
            stopped, _ = run(scan, work + "/stopped.npy", contact, STEPS)
        assert numpy.array_equal(stopped, steps[0])


main()
