# SPDX-License-Identifier: BSD-3-Clause
"""In one process: the arrays are the receiver's memory, stay as they are while anything holds them
(steps that find no slot are dropped then, and counted), and outlive the source."""
import sys

import harness


def run(_):
    import numpy as np
    from paraview import simple
    from vtkmodules.util.numpy_support import vtk_to_numpy

    def output():
        source.UpdatePipeline()
        return source.GetClientSideObject().GetOutputDataObject(0)

    def hold(step):
        """A step's array, without the pipeline that made it, and a copy of its values."""
        assert harness.push(contact, run=1, first=step) == ["step %d OK" % step]
        assert harness.refresh(source) == step
        array = output().GetPointData().GetArray("volume")
        held = array.NewInstance()
        held.ShallowCopy(array)
        assert held.GetVoidPointer(0) == array.GetVoidPointer(0)
        return held, vtk_to_numpy(held).copy()

    def same(held):
        return all(np.array_equal(vtk_to_numpy(array), values) for array, values in held)

    source = simple.BeamcastStream()
    source.UpdatePipeline()  # before any data: nothing, and no complaint
    assert output().GetNumberOfPoints() == 0 and source.StepShown == -1
    contact = source.ContactFile

    held = [hold(0)]
    first = held[0][0].GetVoidPointer(0)
    source.Modified() if hasattr(source, "Modified") else None
    assert output().GetPointData().GetArray("volume").GetVoidPointer(0) == first, "copied"

    held += [hold(1), hold(2)]
    assert len({array.GetVoidPointer(0) for array, _ in held}) == 3
    dropped = harness.push(contact, run=1, first=3, steps=5)
    assert dropped == ["step %d DROPPED" % step for step in range(3, 8)], dropped
    assert harness.refresh(source) == 2
    assert source.StepsDropped == 5 and source.LastDrop, (source.StepsDropped, source.LastDrop)
    print("dropped:", source.LastDrop)
    assert same(held)

    held = held[1:]  # one slot is free again
    held.append(hold(8))
    assert same(held)
    simple.Delete(source)
    del source
    assert same(held)
    source = simple.BeamcastStream()
    assert harness.refresh(source) == 8
    print("held to the end of the process:", held[0][0].GetNumberOfTuples())
    sys.held = held


def main():
    import subprocess
    with harness.Screen() as screen:
        done = subprocess.run([sys.executable, sys.argv[0], "run", "0"], timeout=harness.LIMIT,
                              env=harness.environment(screen, plugins=True))
        assert done.returncode == 0, done.returncode


if __name__ == "__main__":
    harness.main({"run": run}, main)
