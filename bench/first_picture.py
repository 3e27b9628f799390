#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""From memory to the first picture: a volume of int16 is pushed into a session of 2 ranks on this machine, over shared memory,
then drawn lit at 1024 x 768, and once more from elsewhere; three steps, one after the other. Beside it the limits: the same
bytes copied into memory that was never touched and into memory that was, as the push of a first step and of a later one has to.

    . build/env.sh; bench/first_picture.py [--side 1000] [--json FILE]
"""
import argparse
import json
import os
import re
import time

import numpy

import beamcast

STEPS = 3


def ball(side):
    """Waves in a ball, different in every plane."""
    volume = numpy.zeros((side, side, side), "int16")
    y, x = numpy.ogrid[-1:1:side * 1j, -1:1:side * 1j]
    for k in range(side):
        z = 2 * k / (side - 1) - 1
        volume[k] = (x * x + y * y + z * z < 0.81) * (1000 + 500 * numpy.sin(40 * x) * numpy.sin(30 * y + 20 * z)).astype("int16")
    return volume


def seconds(call):
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def ranks_of(session):
    """Resident memory of the session's ranks, in bytes: their own, and mapped."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace").read()
            if session.id in line and line.split("\0")[0].endswith("beamcast-viewer"):
                text = open(f"/proc/{pid}/status", encoding="ascii").read()
                found[pid] = [int(re.search(name + r":\s+(\d+)", text)[1]) * 1024 for name in ("RssAnon", "RssShmem")]
        except OSError:
            pass
    return list(found.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=1000)
    parser.add_argument("--json")
    options = parser.parse_args()
    volume = ball(options.side)
    gib = volume.nbytes / 2**30
    target = numpy.empty_like(volume)
    limits = [seconds(lambda: numpy.copyto(target, volume)) for _ in range(2)]
    del target
    found = {"side": options.side, "gib": gib, "copy_untouched": limits[0], "copy_touched": limits[1], "steps": []}
    print(f"{options.side}^3 int16, {gib:.2f} GiB; copied into untouched memory in {limits[0]:.2f} s, into touched in {limits[1]:.2f} s")
    with beamcast.start(2, shape=volume.shape, dtype="int16") as session:
        with beamcast.connect(session.contact(), time_limit=120) as stream:
            for step in range(STEPS):
                def push(step=step):
                    assert stream.begin_step(step) and stream.put(volume) and stream.end_step() and stream.wait()

                pushed = seconds(push)
                first = seconds(lambda: session.screenshot((1024, 768), camera=(30, 15, 1)))
                again = seconds(lambda: session.screenshot((1024, 768), camera=(40, 15, 1)))
                found["steps"].append({"push": pushed, "first": first, "again": again})
                print(f"step {step}: pushed in {pushed:.2f} s ({pushed / limits[0]:.1f} of a copy into untouched memory), first picture "
                      f"{first:.2f} s later ({gib / (pushed + first):.2f} GiB/s to the screen), next picture {again:.2f} s", flush=True)
        found["ranks"] = ranks_of(session)
    print("memory of the ranks, GiB, own and mapped: " +
          ", ".join(f"{own / 2**30:.2f} and {mapped / 2**30:.2f}" for own, mapped in found["ranks"]))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


main()
