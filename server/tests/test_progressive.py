# SPDX-License-Identifier: BSD-3-Clause
"""With Progressive a step is seen while it arrives, over the one before, on all ranks; without it never. What
is asked in the source's panel reaches the producers with their next step, and nonsense does not."""
import os
import sys
import time

import harness

SHAPE = (12, 10, 8)  # z, y, x
REQUESTS = ('{"centre": 3.5}', "nonsense", "[1]", '{"region": [0, 8, 0, 10, 2, 5]}')


def looks(port):
    """Says what it sees whenever that has changed: the step shown and the least and largest value."""
    simple = harness.connect(port)
    growing = harness.open_stream(simple, Progressive=1)
    whole = harness.open_stream(simple, StreamName="whole")
    print("here", flush=True)
    seen = None
    until = time.monotonic() + harness.LIMIT
    while seen != ("volume", 1, (2.0, 2.0)):
        assert time.monotonic() < until, seen
        for name, source in (("volume", growing), ("whole", whole)):
            step = harness.refresh(source)
            source.UpdatePipeline()
            now = (name, step, source.PointData["volume"].GetRange()) if step >= 0 else None
            if now is not None and now[0] == "volume" and now != seen:
                seen = now
                print(*seen, flush=True)
            if now is not None and now[0] == "whole":
                assert now[2] == (step + 1.0, step + 1.0), now
    for request in REQUESTS:
        growing.Request = request
    growing.InvokeCommand("RequestStop")
    print("asked", flush=True)


def requests(stream, step, array, count):
    """The next so many requests; they come with steps."""
    asked, until = [], time.monotonic() + harness.LIMIT
    while len(asked) < count:
        assert time.monotonic() < until, asked
        if stream.begin_step(step):
            stream.put(array)
            stream.end_step()
        request = stream.request()
        while request is not None:
            asked.append(request)
            request = stream.request()
        step += 1
    return asked


def main():
    sys.path.insert(0, os.path.join(harness.BUILD, "python"))
    try:
        import beamcast
        import numpy
    except ImportError as missing:
        harness.skip(str(missing))
    with harness.Screen() as screen, harness.Server(screen, 2) as server:
        client = server.client("looks", wait=False)

        def sees(line):
            said = client.stdout.readline().strip()
            assert said == line, (line, said, server.messages())

        sees("here")
        with beamcast.connect(server.contact, "volume", time_limit=harness.LIMIT) as growing, \
                beamcast.connect(server.contact, "whole", time_limit=harness.LIMIT) as whole:
            for step in (0, 1):
                slabs = numpy.full((2, SHAPE[0] // 2, *SHAPE[1:]), step + 1, "float32")
                assert growing.begin_step(step) and whole.begin_step(step)
                for half, slab in enumerate(slabs):
                    for stream in (growing, whole):
                        assert stream.put(slab, start=(half * slab.shape[0], 0, 0), shape=SHAPE, copy=True)
                    if step == 1 and half == 0:
                        sees("volume 0 (1.0, 2.0)")
                assert growing.end_step() and whole.end_step()
                sees("volume %d (%.1f, %.1f)" % (step, step + 1, step + 1))
            line = client.stdout.readline()
            while line and line != "asked\n":  # ParaView's errors of the two that are no requests
                line = client.stdout.readline()
            assert line, server.messages()
            asked = requests(growing, 2, numpy.zeros(SHAPE, "float32"), 3)
            assert asked == [{"centre": 3.5}, {"region": [0, 8, 0, 10, 2, 5]}, {"stop": True}], asked
        said, _ = client.communicate(timeout=harness.LIMIT)
        assert client.returncode == 0, said[-3000:]


if __name__ == "__main__":
    harness.main({"looks": looks}, main)
