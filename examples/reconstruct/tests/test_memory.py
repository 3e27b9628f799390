#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A volume that is streamed is in memory twice, in the producer's array and in the server: the producer's peak is what
it is unwatched, the server's grows by one volume."""
import os
import re

import harness

SIDE, PLANES = 640, 40
VOLUME = SIDE * SIDE * PLANES * 4


def peak_of(scan, *options):
    """Bytes that one rank had at most."""
    process = harness.start(scan, "--size", SIDE, "--slab", PLANES, "--passes", 1, *options)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, (out, process.stderr.read())
    return used.ru_maxrss * 1024, out


def memory_of(process, what):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(what + r":\s+(\d+)", status.read())[1]) * 1024


def main():
    with harness.folder() as work:
        sample = harness.write_sample(work + "/sample", harness.sample(planes=PLANES))
        scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", 16)
        alone, _ = peak_of(scan)
        assert alone > VOLUME, alone
        for wire in ("tcp", "shm"):
            os.environ["BEAMCAST_WIRE"] = wire
            with harness.Watcher(work + "/contact.json", ranks=1) as watcher:
                before = memory_of(watcher.process, "VmRSS")
                streamed, said = peak_of(scan, "--show", work + "/contact.json", "--limit", harness.LIMIT)
                assert "steps shown 1, not shown 0" in said, said
                watcher.wait_step(0)
                server = (memory_of(watcher.process, "VmHWM") - before) / VOLUME
                watcher.end()
            producer = (streamed - alone) / VOLUME
            print(f"{wire}: {producer:.2f} volumes more in the producer, {server:.2f} in the server")
            assert 0.9 < server < 1.1, server
            # By shm the producer writes into the server's memory, which the system counts here, too.
            assert producer < (0.1 if wire == "tcp" else 1.1), producer


main()
