# SPDX-License-Identifier: BSD-3-Clause
"""Clients come and go, on 2 and 3 ranks: what was pushed before the first is there for each of them,
voxel by voxel; the next step, too. Idle ranks sleep. The server ends as a whole, in good order."""
import os
import signal
import sys
import time

import harness

SHAPE = (40, 30, 50)


def sees(port, ranks, step):
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    assert harness.refresh(source) == int(step), source.StepShown
    harness.check_voxels(simple, source, SHAPE, int(ranks))
    harness.check_voxels(simple, source, SHAPE, int(ranks), ghosts=1)
    low, high = source.ValueRange
    assert 0 <= low <= 1 and 98 <= high <= 99, (low, high)
    view = simple.GetActiveViewOrCreate("RenderView")
    view.ViewSize = [64, 64]
    simple.Show(source, view)
    simple.Render(view)


def stays(port):
    """A client that is connected and does nothing."""
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    harness.refresh(source)
    print("here", flush=True)
    time.sleep(1000)


def with_ranks(screen, ranks, sign):
    """The sign to end comes to a rank that is not the root."""
    with harness.Server(screen, ranks) as server:
        share = harness.cpu_share(server.pids, 3)
        print("%d ranks, idle, no client: %.1f %% of a core" % (ranks, 100 * share))
        assert share < 0.2, share
        assert harness.push(server.contact, producers=2, first=4) == ["step 4 OK"]
        server.client("sees", ranks, 4)
        server.client("sees", ranks, 4)

        staying = server.client("stays", wait=False)
        assert staying.stdout.readline().strip() == "here"
        share = harness.cpu_share(server.pids, 3)
        print("%d ranks, idle, a client is connected: %.1f %% of a core" % (ranks, 100 * share))
        assert share < 0.2, share
        refused = server.client("sees", ranks, 4, check=False)
        assert "one at a time" in server.messages(), refused
        staying.send_signal(signal.SIGKILL)
        staying.wait(harness.LIMIT)

        assert harness.push(server.contact, first=5, steps=2) == ["step 5 OK", "step 6 OK"]
        server.client("sees", ranks, 6)
        server.stop(sign, [pid for pid in server.pids if pid != server.ready["pid"]][0])


def main():
    with harness.Screen() as screen:
        with_ranks(screen, 2, signal.SIGINT)
        with_ranks(screen, 3, signal.SIGTERM)
        with harness.Server(screen, 1, "--idle", "0.02") as server:
            assert server.process.wait(harness.LIMIT) == 0, "an idle server must end"
            assert not os.path.exists(server.contact)


if __name__ == "__main__":
    harness.main({"sees": sees, "stays": stays}, main)
