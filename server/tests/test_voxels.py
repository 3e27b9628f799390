# SPDX-License-Identifier: BSD-3-Clause
"""Every voxel that ParaView's ranks hold is the one that was pushed: all types, random shapes with
more ranks than planes among them, one to four producers, each wire that a single host has."""
import json
import os
import random
import sys

import harness

TYPES = {"uint8": 3, "int8": 15, "uint16": 5, "int16": 4, "uint32": 7, "int32": 6, "float16": 10,
         "float32": 10, "float64": 11}  # and VTK's number of each


def look(port, ranks, volumes):
    simple = harness.connect(port)
    for name, shape in json.loads(volumes).items():
        look_at(simple, int(ranks), name, shape)


def look_at(simple, ranks, name, shape):
    print(name, flush=True)
    source = harness.open_stream(simple, StreamName=name)
    assert harness.refresh(source) == 0, source.StepShown
    for ghosts in (0, 1, 0):
        harness.check_voxels(simple, source, shape, ranks, ghosts)
    assert {row["type"] for row in harness.rows(simple, source, ranks)} == {TYPES[name]}
    info = source.GetDataInformation().DataInformation
    assert info.GetExtent() == (0, shape[0] - 1, 0, shape[1] - 1, 0, shape[2] - 1), info.GetExtent()
    low, high = (10, 20, 30), [10 + shape[0] - 1, 20 + 2 * (shape[1] - 1), 30 + 3 * (shape[2] - 1)]
    bounds = info.GetBounds()
    assert tuple(bounds[0::2]) == low and list(bounds[1::2]) == high, bounds


def main():
    seed = int(os.environ.get("BEAMCAST_SEED", random.randrange(1 << 30)))
    print("BEAMCAST_SEED=%d" % seed, flush=True)
    draw = random.Random(seed)
    ranks = 3
    volumes = {}
    with harness.Screen() as screen, harness.Server(screen, ranks) as server:
        for i, name in enumerate(TYPES):
            shape = [draw.randint(2, 40) for _ in range(3)]
            shape[2] = draw.choice([2, 3, 4, draw.randint(5, 40)])
            volumes[name] = shape
            os.environ["BEAMCAST_WIRE"] = ("tcp", "shm")[i % 2]
            print(name, shape, os.environ["BEAMCAST_WIRE"], flush=True)
            harness.push(server.contact, name=name, type=name, shape=",".join(map(str, shape)),
                         producers=draw.randint(1, 4))
        server.client("look", ranks, json.dumps(volumes), timeout=3 * harness.LIMIT)


if __name__ == "__main__":
    harness.main({"look": look}, main)
