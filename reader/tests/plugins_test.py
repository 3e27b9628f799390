#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""compare_test.py with the filters of PyPI's hdf5plugin: bitshuffle, LZ4, Zstandard, Blosc, Blosc2, bzip2.

    plugins_test.py PROBE FOLDER

The package is installed into FOLDER; where that is not possible the test is skipped."""

import os
import subprocess
import sys

from pypi import python_with


def main():
    probe, folder = sys.argv[1:3]
    python = python_with(os.path.join(folder, "hdf5plugin"), ["hdf5plugin"], "hdf5plugin")
    if python is None:
        print("skipped: hdf5plugin (PyPI) can't be installed")
        sys.exit(77)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.exit(subprocess.run([python, os.path.join(here, "compare_test.py"), probe]).returncode)


if __name__ == "__main__":
    main()
