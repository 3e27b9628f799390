# SPDX-License-Identifier: BSD-3-Clause
"""Two servers of one user at once, with the contact files that they choose themselves: each has its own,
and shows what was pushed to it."""
import sys

import harness


def sees(port, step):
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == int(step), source.StepShown
    harness.check_voxels(simple, source, (40, 30, 50), 2)


def main():
    with harness.Screen() as screen:
        with harness.Server(screen, 2, contact=False) as one, \
                harness.Server(screen, 2, contact=False) as two:
            assert one.contact != two.contact and one.port != two.port
            assert harness.push(one.contact, first=1, run=7) == ["step 1 OK"]
            assert harness.push(two.contact, first=2, run=7) == ["step 2 OK"]
            one.client("sees", 1)
            two.client("sees", 2)
            one.stop()
            two.client("sees", 2)


if __name__ == "__main__":
    harness.main({"sees": sees}, main)
