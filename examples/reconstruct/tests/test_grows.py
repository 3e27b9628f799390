#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A viewer sees the volume grow: every step that it sees is exactly what the reconstruction had at that step, slabs of
this pass over those of the pass before, in order, and never a mixture."""
import os

import harness
from harness import numpy

RANKS, SLAB, PASSES = 2, 4, 4


def states(scan, work):
    """[pass][z][y][x]: the whole volume after each pass, from runs that nobody watches; before the first: empty."""
    volumes = []
    for passes in range(1, PASSES + 1):
        harness.run(scan, "-o", work + "/pass.h5", "--passes", passes, "--slab", SLAB)
        volumes.append(harness.volume_of(work + "/pass.h5"))
    return [numpy.zeros_like(volumes[0]), *volumes]


def expected(step, after):
    """The volume at a step: every rank has done the first slabs of its planes in this pass."""
    planes = after[0].shape[0]
    slabs = -(-(-(-planes // RANKS)) // SLAB)
    turn, slab = divmod(step, slabs)
    volume = after[turn].copy()
    for rank in range(RANKS):
        first, end = planes * rank // RANKS, planes * (rank + 1) // RANKS
        end = min(end, first + (slab + 1) * SLAB)
        volume[first:end] = after[turn + 1][first:end]
    return volume, slabs


def every_step(scan, work, after):
    """A viewer for whom the producer waits sees all states."""
    keep = work + "/kept"
    os.mkdir(keep)
    with harness.Watcher(work + "/contact.json", policy="all", keep=keep) as watcher:
        said = harness.run(scan, "--show", work + "/contact.json", "--slab", SLAB, "--limit", harness.LIMIT,
                           ranks=RANKS)
        seen = watcher.end()
    _, slabs = expected(0, after)
    assert seen == list(range(PASSES * slabs)), seen
    assert said["shown"] == len(seen) and said["missed"] == 0, said
    check(keep, seen, after)


def as_it_can(scan, work, after):
    """A viewer that takes what it gets sees some of them, and the last."""
    keep = work + "/taken"
    os.mkdir(keep)
    with harness.Watcher(work + "/contact.json", milliseconds=20, keep=keep) as watcher:
        harness.run(scan, "--show", work + "/contact.json", "--slab", SLAB, "--linger", 60, "--limit", harness.LIMIT,
                    ranks=RANKS)
        seen = watcher.end()
    assert seen == sorted(set(seen)) and seen, seen
    check(keep, [step for step in seen if step < PASSES * expected(0, after)[1]], after)


def check(keep, seen, after):
    for step in seen:
        found = numpy.fromfile(f"{keep}/{step}.raw", "float32").reshape(after[0].shape)
        volume, _ = expected(step, after)
        assert numpy.array_equal(found, volume), f"step {step} is no state of the reconstruction"
    print("looked at", len(seen), "states, in order, none a mixture")


def main():
    harness.need_mpi()
    with harness.folder() as work:
        sample = harness.write_sample(work + "/sample", harness.sample())
        scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", 64)
        after = states(scan, work)
        assert len({volume.tobytes() for volume in after}) == PASSES + 1
        every_step(scan, work, after)
        as_it_can(scan, work, after)


main()
