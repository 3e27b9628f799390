#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""compare_test.py with the filters of PyPI's hdf5plugin: bitshuffle, LZ4, Zstandard, Blosc, Blosc2, bzip2.

    plugins_test.py PROBE FOLDER

The package is installed into FOLDER; where that is not possible the test is skipped."""

import os
import subprocess
import sys


def main():
    probe, folder = sys.argv[1:3]
    place = os.path.join(folder, "hdf5plugin")
    python = os.path.join(place, "bin", "python")
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        if subprocess.run([python, "-c", "import hdf5plugin"], capture_output=True).returncode != 0:
            raise OSError
    except OSError:
        for command in ([sys.executable, "-m", "venv", "--system-site-packages", place],
                        [python, "-m", "pip", "install", "--quiet", "hdf5plugin"]):
            try:
                done = subprocess.run(command, capture_output=True, timeout=300).returncode == 0
            except (OSError, subprocess.TimeoutExpired):
                done = False
            if not done:
                print("skipped: hdf5plugin (PyPI) can't be installed")
                sys.exit(77)
    sys.exit(subprocess.run([python, os.path.join(here, "compare_test.py"), probe]).returncode)


if __name__ == "__main__":
    main()
