#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The reconstruction is right: against scikit-image's, against the sample, with the axis found, from both kinds of
file, the same to the bit on any number of ranks and threads."""
import os
import subprocess

import harness
from harness import h5py, numpy

try:
    from skimage.transform import iradon
except ImportError:
    harness.skip("scikit-image is missing; package: python3-skimage")


def lines_of(scan):
    """Line integrals [angle, row, column] and angles in degrees, by NumPy alone."""
    with h5py.File(scan, "r") as file:
        frames = file["entry/instrument/detector/data"][()].astype(float)
        key = file["entry/instrument/detector/image_key"][()]
        angles = file["entry/sample/rotation_angle"][()]
    flat, dark = frames[key == 1].mean(axis=0), frames[key == 2].mean(axis=0)
    return -numpy.log((frames[key == 0] - dark) / (flat - dark)), angles[key == 0]


def same_as_iradon(work, sample):
    """65 columns: the middle of 65 pixels is a pixel for both."""
    scan = harness.take_scan(sample, work + "/odd.nxs", "--columns", 65, "--projections", 96, "--centre", 32)
    out = work + "/odd.h5"
    harness.run(scan, "-o", out, "--centre", 32, "--progressive", 1)
    ours = harness.volume_of(out)
    lines, angles = lines_of(scan)
    y, x = numpy.mgrid[:65, :65] - 32
    inside = numpy.hypot(x, y) < 31
    for row in (0, 11, 23):
        # Its rows go down where our y goes up.
        theirs = iradon(lines[:, row].T, theta=angles, filter_name="ramp", circle=True)[::-1]
        difference = abs(ours[row] - theirs)[inside].max() / abs(theirs).max()
        print(f"row {row}: largest difference from iradon {difference:.1e} of the largest value")
        assert difference < 1e-4, difference


def same_as_sample(work, volume, sample):
    scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", 192)
    out = work + "/one.h5"
    said = harness.run(scan, "-o", out, "--size", volume.shape[2])
    found = harness.volume_of(out)
    psnr = 10 * numpy.log10(volume.max() ** 2 / ((found - volume) ** 2).mean())
    inner = volume == numpy.float32(0.05)
    for axis in range(3):  # without its rim
        inner &= numpy.roll(inner, 2, axis) & numpy.roll(inner, -2, axis)
    ratio = found[inner].mean() / 0.05
    print(f"against the sample: PSNR {psnr:.1f} dB, the ball's mean {ratio:.4f} of what it is, axis {said['axis']}")
    assert psnr > 25 and abs(ratio - 1) < 0.01
    for mirrored in (found[:, ::-1], found[:, :, ::-1], found[::-1]):
        assert ((mirrored - volume) ** 2).mean() > 1.5 * ((found - volume) ** 2).mean()
    with h5py.File(out, "r") as file:
        assert numpy.allclose(numpy.diff(file["entry/data/z"][:2]), 1.5) and file["entry/data/z"].attrs["units"] == "mm"
    return scan, found


def same_everywhere(work, scan, found):
    """Ranks, threads, slabs and passes with the same projections."""
    out = work + "/again.h5"
    for ranks, threads, slab in ((2, 1, 16), (3, 2, 5), (1, 2, 24)):
        harness.run(scan, "-o", out, "--size", found.shape[2], "--slab", slab, ranks=ranks, threads=threads)
        assert numpy.array_equal(harness.volume_of(out), found), (ranks, threads, slab)
    print("the same to the bit on 1, 2 and 3 ranks")


def finds_axis(work, sample, found):
    scan = harness.take_scan(sample, work + "/off.nxs", "--projections", 192, "--columns", 96, "--centre", 50.3)
    out = work + "/off.h5"
    said = harness.run(scan, "-o", out, "--size", found.shape[2])
    print("axis found at", said["axis"], "of 50.3")
    assert abs(said["axis"] - 50.3) < 0.1
    wrong = harness.run(scan, "-o", work + "/wrong.h5", "--size", found.shape[2], "--centre", 47.5)
    assert wrong["axis"] == 47.5
    error = [((harness.volume_of(path) - found) ** 2).mean() for path in (out, work + "/wrong.h5")]
    assert error[0] < 0.1 * error[1], error


def from_data_exchange(work, scan, found):
    with h5py.File(scan, "r") as file, h5py.File(work + "/exchange.h5", "w") as out:
        frames = file["entry/instrument/detector/data"][()]
        key = file["entry/instrument/detector/image_key"][()]
        for name, kind in (("data", 0), ("data_white", 1), ("data_dark", 2)):
            out["exchange/" + name] = frames[key == kind]
        out["exchange/theta"] = file["entry/sample/rotation_angle"][()][key == 0]
        out["exchange/theta"].attrs["units"] = "degree"
        for axis, size in (("x", 1.0), ("y", 1.5)):
            out[f"measurement/instrument/detector/{axis}_pixel_size"] = size
            out[f"measurement/instrument/detector/{axis}_pixel_size"].attrs["units"] = "mm"
    harness.run(work + "/exchange.h5", "-o", work + "/exchange_out.h5", "--size", found.shape[2])
    assert numpy.array_equal(harness.volume_of(work + "/exchange_out.h5"), found)
    print("Data Exchange gives the same")


def says_what_is_wrong(work):
    with h5py.File(work + "/none.h5", "w") as file:
        file["v"] = numpy.zeros((4, 5, 6))
    for path, words in ((work + "/none.h5", "no scan"), (work + "/absent.h5", "absent.h5")):
        result = subprocess.run(harness.command(path), capture_output=True, text=True, timeout=harness.LIMIT)
        lines = [line for line in result.stderr.splitlines() if line.startswith("reconstruct: ")]  # MPI may add its own
        assert result.returncode == 1 and len(lines) == 1 and words in lines[0], result
    result = subprocess.run(harness.command(path, "--slab", "0"), capture_output=True, text=True, timeout=harness.LIMIT)
    assert result.returncode == 2 and "usage" in result.stderr, result


def main():
    harness.need_mpi()
    with harness.folder() as work:
        volume = harness.sample()
        sample = harness.write_sample(os.path.join(work, "sample"), volume)
        same_as_iradon(work, sample)
        scan, found = same_as_sample(work, volume, sample)
        same_everywhere(work, scan, found)
        finds_axis(work, sample, found)
        from_data_exchange(work, scan, found)
        says_what_is_wrong(work)


main()
