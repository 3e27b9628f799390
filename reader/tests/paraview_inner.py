# SPDX-License-Identifier: BSD-3-Clause
"""Run by pvbatch for paraview_test.py: reads, asks with ghost planes, probes, writes; prints one line of JSON."""

import json
import sys

from paraview.simple import (BeamcastVolumeReader, Contour, Delete, GetSources, LoadState, ProbeLocation, SaveData,
                             SaveState)



def texts(value):
    """ParaView gives a list of one text as that text."""
    return [value] if isinstance(value, str) else [str(v) for v in value or []]


def numbers(value):
    return [value] if isinstance(value, float) else [float(v) for v in value or []]


what = json.loads(sys.argv[1])
reader = BeamcastVolumeReader(FileName=what["files"])
for name, value in what.get("properties", {}).items():
    setattr(reader, name, value)
reader.UpdatePipeline()
reader.UpdatePropertyInformation()
answer = {"datasets": texts(reader.DatasetList), "size": list(reader.Size), "notice": str(reader.Notice),
          "unit": str(reader.OutputUnit), "memory": float(reader.Memory), "missing": texts(reader.Missing)}
info = reader.GetDataInformation()
answer["extent"] = list(info.GetExtent())
answer["bounds"] = list(info.GetBounds())
answer["arrays"] = [a.GetName() for a in reader.PointData]
answer["components"] = reader.PointData[0].GetNumberOfComponents() if answer["arrays"] else 0
answer["times"] = numbers(reader.TimestepValues)
answer["samples"] = reader.SamplesRead
if "contour" in what:
    contour = Contour(Input=reader, ContourBy=["POINTS", answer["arrays"][0]], Isosurfaces=[what["contour"]])
    contour.UpdatePipeline()
    answer["points"] = contour.GetDataInformation().GetNumberOfCells()
    reader.UpdatePropertyInformation()
    answer["samples_with_ghosts"] = reader.SamplesRead
if "probe" in what:
    answer["probe"] = []
    for point in what["probe"]:
        probe = ProbeLocation(Input=reader, ProbeType="Fixed Radius Point Source")
        probe.ProbeType.Center = point
        probe.ProbeType.NumberOfPoints = 1
        probe.ProbeType.Radius = 0
        probe.UpdatePipeline()
        answer["probe"].append(probe.PointData[0].GetRange()[0])
if "time" in what:
    reader.UpdatePipeline(what["time"])
if "write" in what:
    SaveData(what["write"], proxy=reader, **what.get("writer", {}))
if "state" in what:
    SaveState(what["state"])
    for source in list(GetSources().values()):
        Delete(source)
    LoadState(what["state"])
    (again,) = [s for s in GetSources().values() if s.GetXMLName() == "BeamcastVolumeReader"]
    again.UpdatePipeline()
    answer["again"] = [list(again.Size), again.SMProxy.GetProperty("Dataset").GetElement(0), list(again.Region), list(again.Stride)]
print("ANSWER " + json.dumps(answer), flush=True)
