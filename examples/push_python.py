#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A simulation in Python that shows every step while it runs:
    . build/env.sh; examples/push_python.py CONTACT [STEPS]
It stands for any program whose volumes are NumPy arrays [z, y, x]: two phases separate (Cahn-Hilliard). The viewer
may stop it by the request {"stop": true}; a viewer that is slow or gone does not.
"""
import sys

import beamcast
import numpy


def laplacian(field):
    return sum(numpy.roll(field, shift, axis) for axis in range(3) for shift in (1, -1)) - 6 * field


def main(contact, steps=500):
    shape, spacing = (64, 96, 128), (2.0, 1.0, 1.0)  # z, y, x; spacing in micrometres
    phase = numpy.random.default_rng(1).normal(0, 0.1, shape).astype("float32")
    with beamcast.connect(contact) as stream:
        for step in range(steps):
            for _ in range(5):
                phase += 0.02 * laplacian(phase**3 - phase - 0.5 * laplacian(phase))
            if stream.begin_step(step, time=0.1 * step):  # False: no room for it now, so go on
                stream.put(phase, spacing=spacing, length_unit="um", name="phase")
                stream.annotate("mean", phase.mean())
                stream.end_step()  # from here on, phase may change
            while (request := stream.request()) is not None:
                if request.get("stop"):
                    return
        print(*stream.describe()[:2], "steps sent and dropped")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: push_python.py CONTACT [STEPS]")
    main(sys.argv[1], *map(int, sys.argv[2:3]))
