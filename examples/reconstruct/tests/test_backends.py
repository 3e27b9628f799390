#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same program, its back end chosen at start: ParaView's scripts in its own ranks, a viewer beside them that comes
late and is killed, and a ParaView that is missing or can't be loaded. Its volume is the same to the bit, scripts see
every step, and what can't be is said in one sentence."""
import glob
import os

import harness

RANKS, PLANES, SLAB, PASSES = 2, 24, 6, 4
STEPS = PASSES * (PLANES // RANKS // SLAB)
OPTIONS = ["--slab", SLAB]
LIBRARIES = os.path.join(os.path.dirname(harness.BIN), "lib")
CATALYST = os.path.join(LIBRARIES, "libbeamcast_catalyst.so")


def run(backend, scan, work, *options, watcher=None, **environment):
    """What the run says, its volume, and the lines of the script's table."""
    os.environ.update(environment, BEAMCAST_BACKEND=backend, BEAMCAST_CATALYST_SCRIPTS="statistics_csv",
                      BEAMCAST_CATALYST_DRAW="0", BEAMCAST_OUTPUT=work)
    process = harness.start(scan, "-o", work + "/out.h5", *OPTIONS, *options, ranks=RANKS)
    if watcher is not None:
        watcher.wait_step(1)
        watcher.kill()
    said = harness.finish(process)
    said["errors"] = [line for line in said["errors"].splitlines() if line.startswith("reconstruct: ")]  # not MPI's
    volume = harness.volume_of(work + "/out.h5").tobytes()
    os.remove(work + "/out.h5")
    if not os.path.exists(work + "/statistics.csv"):
        return said, volume, []
    with open(work + "/statistics.csv", encoding="ascii") as table:
        lines = table.read().splitlines()[1:]
    os.remove(work + "/statistics.csv")
    return said, volume, lines


def steps(lines):
    return [int(line.split(",")[0]) for line in lines]


def scripts_and_viewer(scan, work):
    said, alone, lines = run("none", scan, work, "--show", "-")
    assert said["missed"] == 0 and not said["errors"] and not lines, (said, lines)
    said, volume, table = run("catalyst", scan, work, "--show", "-")
    assert volume == alone and steps(table) == list(range(STEPS)) and not said["errors"], (said, table)
    with harness.Watcher(work + "/contact.json", policy="all") as watcher:
        said, volume, lines = run("both", scan, work, "--show", work + "/contact.json", "--limit", 3, watcher=watcher)
    assert volume == alone and "goes on; viewer or scripts had not all of this step" in said["errors"][0], said
    assert lines == table, (lines, table)
    with harness.Watcher(work + "/contact.json", policy="all") as watcher:
        said, volume, lines = run("both", scan, work, "--show", work + "/contact.json", "--limit", harness.LIMIT)
        seen = watcher.end()
    assert volume == alone and lines == table and seen == list(range(STEPS)), (said, lines, seen)
    print("none, catalyst, both: the same to the bit; scripts and viewer saw", STEPS, "steps")
    return alone


def without_paraview(scan, work, alone):
    """libbeamcast in a folder of its own, where its neighbour is missing, or needs a ParaView that is not there."""
    for name in glob.glob(LIBRARIES + "/libbeamcast.so*") + glob.glob(LIBRARIES + "/libbeamcast_transport.so*"):
        with open(name, "rb") as file, open(os.path.join(work, os.path.basename(name)), "wb") as copy:
            copy.write(file.read().replace(LIBRARIES.encode(), b"/" * len(LIBRARIES.encode())))  # not to look there
    with open(CATALYST, "rb") as file:
        library = file.read()
    broken = library.replace(b"libvtkPVInSitu-", b"libvtkNoInSitu-")
    assert broken != library
    for backend in ("catalyst", "both"):
        for content, words in ((None, "needs libbeamcast_catalyst.so"), (broken, "can't be loaded (libvtkNoInSitu-")):
            if content is not None:
                with open(work + "/libbeamcast_catalyst.so", "wb") as file:
                    file.write(content)
            said, volume, lines = run(backend, scan, work, "--show", "-", LD_LIBRARY_PATH=work)
            complaints = said["errors"]
            assert volume == alone and not lines and said["shown"] == 0, (said, lines)
            assert len(complaints) == 1 and words in complaints[0] and "goes on" in complaints[0], complaints
        os.remove(work + "/libbeamcast_catalyst.so")
    print(complaints[0])


def main():
    harness.need_mpi()
    if not os.path.exists(CATALYST):
        harness.skip(CATALYST + " was not built")
    with harness.folder() as work:
        sample = harness.write_sample(work + "/sample", harness.sample(planes=PLANES))
        scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", 64)
        without_paraview(scan, work, scripts_and_viewer(scan, work))


main()
