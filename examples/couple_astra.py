#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A reconstruction by the ASTRA Toolbox (PyPI: astra-toolbox) that is shown while it converges:
    . build/env.sh; examples/couple_astra.py SCAN.nxs OUT.npy [CONTACT [STEPS]]
SIRT, five iterations a step, slice by slice on the processor. ASTRA works in the rows of our own array (data2d.link),
and what is put is that array: nothing is copied on this side. A viewer may send {"stop": true}.
"""
import sys

import astra
import beamcast
import h5py
import numpy


def read_scan(path):
    """Line integrals [row, angle, column] per pixel, angles in radians, the size of a pixel (z, y, x)."""
    with h5py.File(path, "r") as file:
        detector = file["entry/instrument/detector"]
        frames, key = detector["data"][()].astype("float32"), detector["image_key"][()]
        angles = numpy.radians(file["entry/sample/rotation_angle"][()])
        width, height = (float(numpy.ravel(detector[axis + "_pixel_size"][()])[0]) for axis in "xy")
    flat, dark = frames[key == 1].mean(axis=0), frames[key == 2].mean(axis=0)
    lines = -numpy.log(numpy.maximum((frames[key == 0] - dark) / (flat - dark), 1e-6)) / width
    return numpy.ascontiguousarray(lines.swapaxes(0, 1)), angles[key == 0], (height, width, width)


def solvers(lines, angles, volume):
    """One SIRT for each slice. It starts from what is in volume[z], and leaves its result there."""
    size, columns = volume.shape[1], lines.shape[2]
    slice_ = astra.create_vol_geom(size, size)
    beam = astra.create_proj_geom("parallel", 1.0, columns, -angles)  # ASTRA's rows go down, our y goes up
    options = astra.astra_dict("SIRT")
    options["ProjectorId"] = astra.create_projector("linear", beam, slice_)
    for z in range(volume.shape[0]):
        options["ProjectionDataId"] = astra.data2d.link("-sino", beam, lines[z])
        options["ReconstructionDataId"] = astra.data2d.link("-vol", slice_, volume[z])
        yield astra.algorithm.create(options)


def show(stream, step, volume, spacing):
    """The coupling. True: the viewer wants no more."""
    if stream.begin_step(step):  # False: no room for it now, so go on
        stream.put(volume, spacing=spacing, length_unit="mm", name="attenuation")
        stream.end_step()  # from here on, volume may change
    requests = iter(stream.request, None)
    return any(request.get("stop") for request in requests)


def main(scan, out, contact=None, steps=20):
    lines, angles, spacing = read_scan(scan)
    volume = numpy.zeros((lines.shape[0], lines.shape[2], lines.shape[2]), "float32")
    slices = list(solvers(lines, angles, volume))
    stream = beamcast.connect(contact) if contact else None
    for step in range(steps):
        for solver in slices:
            astra.algorithm.run(solver, 5)
        try:
            if stream and show(stream, step, volume, spacing):
                break
        except beamcast.Error as lost:  # a viewer that is gone costs its pictures, nothing else
            print("goes on without the viewer:", lost, file=sys.stderr)
            stream = None
    numpy.save(out, volume)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: couple_astra.py SCAN.nxs OUT.npy [CONTACT [STEPS]]")
    main(*sys.argv[1:4], *map(int, sys.argv[4:5]))
