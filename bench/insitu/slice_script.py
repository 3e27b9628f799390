# SPDX-License-Identifier: BSD-3-Clause
"""The Catalyst script of bench/insitu/run.py, in the producer's ranks. It makes the picture that the viewers make, a
slice, 400 x 400, slice.png in BEAMCAST_OUTPUT; or, where BENCH_LIVE names a host and port, leaves that to the ParaView
server which listens there, over ParaView's own Live connection.
"""
import os

from paraview import catalyst, simple
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

WHOLE_EXTENT = vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT

options = catalyst.Options()
LIVE = os.environ.get("BENCH_LIVE", "")
if LIVE:
    options.EnableCatalystLive = 1
    options.CatalystLiveURL = LIVE
    options.CatalystLiveTrigger = "TimeStep"
data = simple.TrivialProducer(registrationName="volume")
view = None


def catalyst_execute(info):
    global view
    data.UpdatePipeline()
    if LIVE:
        return
    if view is None:
        view = simple.CreateView("RenderView")
        view.ViewSize = [400, 400]
        extent = data.GetClientSideObject().GetOutputInformation(0).Get(WHOLE_EXTENT())
        cut = simple.Slice(Input=data, SliceType="Plane")
        cut.SliceType.Normal = [0, 0, 1]
        cut.SliceType.Origin = [(extent[2 * axis] + extent[2 * axis + 1]) / 2 for axis in range(3)]
        simple.ColorBy(simple.Show(cut, view), ("POINTS", "volume"))
        view.ResetCamera()
    simple.SaveScreenshot(os.environ["BEAMCAST_OUTPUT"] + "/slice.png", view)
