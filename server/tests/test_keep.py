# SPDX-License-Identifier: BSD-3-Clause
"""Kept steps can be gone back to by their time, on all ranks alike; any other time shows the newest; and
without Keep no time steps are published. Under policy `all` every step is shown, in order."""
import sys
import time

import harness

SHAPE = (12, 10, 14)


def looks(port):
    simple = harness.connect(port)
    source = harness.open_stream(simple, StreamName="kept", Keep=3, Slots=6)
    print("here", flush=True)
    while harness.refresh(source) < 4:
        time.sleep(0.02)
    source.UpdatePipelineInformation()
    assert list(source.TimestepValues) == [1.0, 1.5, 2.0], list(source.TimestepValues)
    view = simple.GetAnimationScene().TimeKeeper
    for asked, step in ((1.0, 2), (1.5, 3), (2.0, 4), (0.25, 4), (1.0, 2)):
        view.Time = asked
        source.UpdatePipeline(asked)
        found = harness.rows(simple, source, 2, at=asked)
        assert [(row["step"], row["wrong"]) for row in found] == [(step, 0)] * 2, (asked, found)
    source.FollowNewest = 1
    found = harness.rows(simple, source, 2, at=1.0)
    assert {row["step"] for row in found} == {4}, found
    assert len(open_times(simple, "volume")) == 0


def again(port):
    """Another run, whose times begin anew: the newest steps are kept, whatever their times. A source of another stream,
    which has the default name while it is made, changes nothing."""
    simple = harness.connect(port)
    source = harness.open_stream(simple, StreamName="volume", Keep=3, Slots=12)
    harness.open_stream(simple, StreamName="another")
    print("here", flush=True)
    for last in (19, 7):
        while harness.refresh(source) != last:
            time.sleep(0.02)
        source.UpdatePipeline()
        print("seen", flush=True)
    source.UpdatePipelineInformation()
    assert list(source.TimestepValues) == [2.5, 3.0, 3.5], list(source.TimestepValues)


def open_times(simple, name):
    source = harness.open_stream(simple, StreamName=name)
    harness.refresh(source)
    source.UpdatePipelineInformation()
    return list(source.TimestepValues or [])


def all_steps(port):
    simple = harness.connect(port)
    source = harness.open_stream(simple, StreamName="all", Policy="all")
    print("here", flush=True)
    seen = []
    while not seen or seen[-1] < 19:
        step = harness.refresh(source)
        if step >= 0 and (not seen or seen[-1] != step):
            seen.append(step)
            source.UpdatePipeline()
            assert source.PointData["step"].GetRange() == (step, step)
    assert seen == list(range(20)), seen


def main():
    shape = ",".join(map(str, SHAPE))
    with harness.Screen() as screen, harness.Server(screen, 2) as server:
        harness.push(server.contact, shape=shape)
        client = server.client("looks", wait=False)
        assert client.stdout.readline().strip() == "here"
        lines = harness.push(server.contact, name="kept", shape=shape, steps=5)
        assert lines == ["step %d OK" % step for step in range(5)], lines
        said, _ = client.communicate(timeout=harness.LIMIT)
        assert client.returncode == 0, said[-3000:]

        client = server.client("all_steps", wait=False)
        assert client.stdout.readline().strip() == "here"
        lines = harness.push(server.contact, name="all", shape=shape, steps=20)
        assert lines == ["step %d OK" % step for step in range(20)], lines
        said, _ = client.communicate(timeout=harness.LIMIT)
        assert client.returncode == 0, said[-3000:]
        client = server.client("again", wait=False)
        assert client.stdout.readline().strip() == "here"
        for steps in (20, 8):
            lines = harness.push(server.contact, name="volume", shape=shape, steps=steps)
            assert lines == ["step %d OK" % step for step in range(steps)], lines
            said = client.stdout.readline().strip()
            assert said == "seen", said + client.communicate(timeout=harness.LIMIT)[0]
        said, _ = client.communicate(timeout=harness.LIMIT)
        assert client.returncode == 0, said[-3000:]
        assert "has lost step" not in server.messages(), server.messages()


if __name__ == "__main__":
    harness.main({"looks": looks, "all_steps": all_steps, "again": again}, main)
