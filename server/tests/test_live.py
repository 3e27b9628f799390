# SPDX-License-Identifier: BSD-3-Clause
"""1,000 steps arrive while pipelines of several filters run on 2 ranks: whatever is looked at shows one
step, the same everywhere, and nothing hangs."""
import sys
import time

import harness

STEPS = 1000
LAST = 5000  # number of one more that is not dropped


def watches(port):
    simple = harness.connect(port)
    source = harness.open_stream(simple)
    while harness.refresh(source) < 0:
        time.sleep(0.01)
    source.UpdatePipeline()  # so that filters know where the volume lies
    view = simple.GetActiveViewOrCreate("RenderView")
    view.ViewSize = [64, 64]
    contour = simple.Contour(Input=source, ContourBy=["POINTS", "volume"], Isosurfaces=[50.0])
    filters = [simple.Slice(Input=source),
               simple.Threshold(Input=source, Scalars=["POINTS", "volume"], LowerThreshold=20.0,
                                UpperThreshold=60.0),
               simple.Gradient(Input=source, ScalarArray=["POINTS", "volume"])]
    for shown in [contour] + filters:
        simple.Show(shown, view)
    seen = set()
    cells = {}  # of the contour, which carries no other array; every hundredth step is the same volume
    until = time.monotonic() + harness.LIMIT
    while source.StepShown < LAST and time.monotonic() < until:
        step = harness.refresh(source)
        simple.Render(view)
        seen.add(step)
        for pipe in filters:
            numbers = pipe.PointData["step"]
            assert numbers is not None, (pipe.GetXMLLabel(), step, pipe.PointData.keys())
            low, high = numbers.GetRange()
            assert low == high == step, (pipe, low, high, step)
        count = contour.GetDataInformation().DataInformation.GetNumberOfCells()
        assert cells.setdefault(step % 100, count) == count, (step, cells, count)
    assert source.StepShown == LAST, source.StepShown
    print("looked at %d different steps of %d received, %d dropped"
          % (len(seen), source.StepsReceived, source.StepsDropped))
    assert len(seen) > 1, seen


def main():
    with harness.Screen() as screen, harness.Server(screen, 2) as server:
        client = server.client("watches", wait=False)
        producer = harness.push(server.contact, wait=False, steps=STEPS, shape="24,20,28", producers=2,
                                every=20, linger=100)
        out, _ = producer.communicate(timeout=harness.LIMIT)
        assert producer.returncode == 0, out[-2000:]
        lines = out.splitlines()
        assert len(lines) == STEPS, lines[-5:]
        print("%d of %d steps were dropped" % (sum("DROPPED" in line for line in lines), STEPS))
        while harness.push(server.contact, first=LAST, shape="24,20,28") != ["step %d OK" % LAST]:
            time.sleep(0.05)
        said, _ = client.communicate(timeout=2 * harness.LIMIT)
        print(said[-2000:])
        assert client.returncode == 0, server.messages()


if __name__ == "__main__":
    harness.main({"watches": watches}, main)
