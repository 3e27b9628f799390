#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whatever the viewer does or fails to do, the volume that comes out is the same to the bit and the run ends well:
no coupling, no viewer, one that looks on, one that renders slowly, one that stands still, one that is killed at random
moments and comes again."""
import os
import random
import select
import signal
import sys
import time

import harness

RANKS = 2
# Slabs of one plane: each pass has many steps.
OPTIONS = ["--slab", 1, "--linger", 20]
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 30)


def watched(scan, out, contact, *more, limit=harness.LIMIT):
    return harness.start(scan, "-o", out, "--show", contact, "--limit", limit, *OPTIONS, *more, ranks=RANKS)


def no_viewer(scan, out, contact):
    said = harness.finish(watched(scan, out, contact))
    assert said["shown"] == 0, said


def dead_contact(scan, out, contact):
    """A viewer that was killed before leaves its contact file behind."""
    with harness.Watcher(contact) as watcher:
        watcher.kill()
    assert os.path.exists(contact)
    said = harness.finish(watched(scan, out, contact, limit=3))
    assert said["shown"] == 0 and "goes on without the viewer" in said["errors"], said
    os.remove(contact)


def looks_on(scan, out, contact):
    with harness.Watcher(contact) as watcher:
        said = harness.finish(watched(scan, out, contact))
        seen = watcher.end()
    assert said["shown"] > 0 and seen and seen == sorted(set(seen)), (said, seen)
    print("steps shown and not:", said["shown"], said["missed"], "looked at:", len(seen))


def renders_slowly(scan, out, contact):
    """So slowly that its first picture is not done when the run is: the producer does not wait."""
    with harness.Watcher(contact, milliseconds=1000 * harness.LIMIT) as watcher:
        said = harness.finish(watched(scan, out, contact, "--linger", 0))  # the last step would be waited for in vain
        watcher.kill()
    assert said["shown"] > 1, said
    print("while one picture was made, steps shown and not:", said["shown"], said["missed"])


def stands_still(scan, out, contact):
    """Stopped by a signal in the middle: it answers nothing, but is there."""
    with harness.Watcher(contact, policy="all") as watcher:
        process = watched(scan, out, contact, limit=3)
        time.sleep(0.3)
        watcher.process.send_signal(signal.SIGSTOP)
        harness.finish(process)
        watcher.process.send_signal(signal.SIGCONT)


def killed_at_random(scan, out, contact, times=4):
    chance = random.Random(SEED)
    process, kills = None, 0
    for _ in range(times):
        with harness.Watcher(contact, policy="all") as watcher:
            process = process or watched(scan, out, contact)
            after = chance.randrange(1, 12)
            while after > 0 and process.poll() is None:
                if select.select([watcher.process.stdout], [], [], 0.05)[0]:
                    watcher.line()
                    after -= 1
            time.sleep(chance.random() * 0.003)
            watcher.kill()
            kills += process.poll() is None
    harness.finish(process)
    print(f"killed {kills} times (seed {SEED})")


def main():
    harness.need_mpi()
    with harness.folder() as work:
        sample = harness.write_sample(work + "/sample", harness.sample())
        scan = harness.take_scan(sample, work + "/scan.nxs", "--projections", 128)
        harness.run(scan, "-o", work + "/alone.h5", *OPTIONS, ranks=RANKS)
        alone = harness.volume_of(work + "/alone.h5").tobytes()
        for case in (no_viewer, dead_contact, looks_on, renders_slowly, stands_still, killed_at_random):
            begun = time.monotonic()
            out, contact = work + "/watched.h5", work + "/contact.json"
            case(scan, out, contact)
            assert harness.volume_of(out).tobytes() == alone, f"{case.__name__}: another volume (seed {SEED})"
            os.remove(out)
            if os.path.exists(contact):
                os.remove(contact)
            print(f"{case.__name__}: the same to the bit ({time.monotonic() - begun:.1f} s)")


main()
