#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A real scan of Diamond Light Source, NXtomo in several linked files, gives what scikit-image makes of it.
BEAMCAST_SCAN names its file."""
import os
import subprocess

import harness
from harness import h5py, numpy

try:
    from skimage.transform import iradon
except ImportError:
    harness.skip("scikit-image is missing; package: python3-skimage")

SCAN = os.environ.get("BEAMCAST_SCAN", "")
ANGLES = "/entry/imaging/gts_theta_value"
SIDE, CENTRE = 27, 13  # of 26 columns: with one more the middle pixel is the axis for both


def lines():
    """[angle, row, column] line integrals and degrees, by NumPy alone."""
    with h5py.File(SCAN, "r") as file:
        frames, angles = file["/entry/imaging/data"][()].astype(float), file[ANGLES][()]
        key = file["/entry/instrument/imaging/image_key"][()]
    flat, dark = frames[key == 1].mean(axis=0), frames[key == 2].mean(axis=0)
    return -numpy.log((frames[key == 0] - dark) / (flat - dark)), angles[key == 0]


def main():
    if not os.path.exists(SCAN):
        harness.skip("the scan %s is missing" % (SCAN or "(BEAMCAST_SCAN)"))
    harness.need_mpi()
    with harness.folder() as work:
        out = work + "/out.h5"
        unnamed = subprocess.run(harness.command(SCAN, "-o", out), capture_output=True, text=True, check=False,
                                 timeout=harness.LIMIT)
        assert unnamed.returncode == 1 and "--angles" in unnamed.stderr, unnamed
        options = ["-o", out, "--angles", ANGLES, "--size", SIDE]
        said = harness.run(SCAN, *options, ranks=2)
        print("axis found at column", said["axis"])
        assert said["projections"] == 3001 and 11 < said["axis"] < 15, said
        harness.run(SCAN, *options, "--centre", CENTRE, "--progressive", 1, ranks=2)
        ours = harness.volume_of(out)
    integrals, angles = lines()
    y, x = numpy.mgrid[:SIDE, :SIDE] - CENTRE
    inside = numpy.hypot(x, y) < CENTRE - 1
    for row in (0, 10, 21):
        wide = numpy.pad(integrals[:, row].T, ((0, 1), (0, 0)))
        theirs = iradon(wide, theta=angles, filter_name="ramp", circle=True)[::-1]
        difference = abs(ours[row] - theirs)[inside].max() / abs(theirs[inside]).max()
        print(f"row {row}: largest difference from iradon {difference:.1e} of the largest value")
        assert difference < 1e-4, difference


main()
