# SPDX-License-Identifier: BSD-3-Clause
"""Run by pvbatch for paraview_test.py: one of the functions below, by name; prints one line of JSON."""

import json
import os
import subprocess
import sys
import time

from paraview import servermanager
from paraview.simple import (BeamcastVolumeReader, Contour, CreateWriter, Delete, FindSource, GetSources, LoadState,
                             ProgrammableFilter, SaveData, SaveState)


def cancel(what):
    """A read is ended from its own progress, and done again."""
    reader = BeamcastVolumeReader(FileName=[what["file"]], Threads=1)  # others could be done before it tells
    reader.UpdatePipelineInformation()
    algorithm, seen = reader.GetClientSideObject(), []

    def stop(caller, _):
        seen.append(caller.GetProgress())
        if 0 < seen[-1] < 1:
            caller.SetAbortExecute(1)

    tag = algorithm.AddObserver("ProgressEvent", stop)
    reader.UpdatePipeline()
    cancelled = [a.GetName() for a in reader.PointData]
    algorithm.RemoveObserver(tag)
    reader.UpdatePropertyInformation()
    samples = [int(reader.SamplesRead)]
    contour = Contour(Input=reader, ContourBy=["POINTS", "v"], Isosurfaces=[0.5])
    contour.UpdatePipeline()  # asks with ghost planes where there are ranks
    reader.UpdatePropertyInformation()
    samples.append(int(reader.SamplesRead))
    reader.Threads = 2  # a change, so that it is asked again
    reader.UpdatePipeline()
    return {"progress": seen, "cancelled": cancelled, "again": [a.GetName() for a in reader.PointData],
            "samples": samples[0], "samples_asked_again": samples[1]}


def follow(what):
    """A script polls a file that a writer in another process lets grow."""
    writer = subprocess.Popen(what["writer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def more(count):
        print(count, file=writer.stdin, flush=True)
        assert writer.stdout.readline() == "flushed\n"

    assert writer.stdout.readline() == "ready\n"
    more(3)
    reader = BeamcastVolumeReader(FileName=[what["file"]], Dataset=what["dataset"], Live=1)
    planes, ranges = [], []
    for _ in range(4):
        reader.InvokeCommand("Refresh")
        reader.UpdatePipeline()
        planes.append(reader.GetDataInformation().GetExtent()[5] + 1)
        ranges.append(reader.PointData[0].GetRange())
        more(4)
    writer.stdin.close()
    writer.wait(60)
    return {"planes": planes, "ranges": ranges}


STREAM = """
import vtk
output = self.GetOutputDataObject(0)
output.ShallowCopy(self.GetInputDataObject(0, 0))
output.GetFieldData().Initialize()
for name, values in (("length_unit", "nm"), ("absorption_unit", "1/cm"), ("step", 7)):
    array = vtk.vtkStringArray() if isinstance(values, str) else vtk.vtkTypeUInt64Array()
    array.SetName(name)
    array.InsertNextValue(values)
    output.GetFieldData().AddArray(array)
output.GetInformation().Set(output.DATA_TIME_STEP(), 2.5)
"""


def states(what):
    """A state file has the reader and the writer, with what they were set to; the writer then writes."""
    reader = BeamcastVolumeReader(registrationName="scan", FileName=[what["file"]], Stride=[1, 2, 1], Unit="mm")
    writer = CreateWriter(what["out"], reader, Compression=3, Unit="mm", Chunk=[4, 5, 6])
    servermanager.ProxyManager().RegisterProxy("writers", "saved", writer.SMProxy)
    SaveState(what["state"])
    servermanager.ProxyManager().UnRegisterProxy("writers", "saved", writer.SMProxy)
    del writer
    for source in list(GetSources().values()):
        Delete(source)
    LoadState(what["state"])
    reader = FindSource("scan")
    proxy = servermanager.ProxyManager().SMProxyManager.GetProxy("writers", "saved")
    writer = servermanager._getPyProxy(proxy)
    writer.UpdatePipeline()
    stream = ProgrammableFilter(Input=reader, Script=STREAM)  # the field data that Beamcast Stream has
    SaveData(what["stream"], proxy=stream)
    return {"stride": list(reader.Stride), "unit": reader.SMProxy.GetProperty("Unit").GetElement(0),
            "compression": writer.Compression, "chunk": list(writer.Chunk), "written": os.path.exists(what["out"])}


asked = json.loads(sys.argv[1])
print("ANSWER " + json.dumps({"cancel": cancel, "follow": follow, "states": states}[asked["what"]](asked)), flush=True)
