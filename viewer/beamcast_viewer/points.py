# SPDX-License-Identifier: BSD-3-Clause
"""A point cloud beside the volume: the stream "points", whose arrays x, y, z and any more have a value a point. As a
stream it is spread over the ranks, comes in steps, and needs nothing else to be drawn than ParaView's own filters."""
import math

from paraview import simple

NAME = "points"
PLACES = ("x", "y", "z")


class Points:
    def __init__(self, viewer):
        self.viewer = viewer
        self.size = 3.0  # pixels across a point
        self.visible = True
        self.count, self.arrays, self.array = 0, [], None
        self._stream = self._cloud = self._display = None

    def state(self):
        return {"count": self.count, "arrays": self.arrays, "array": self.array, "size": self.size,
                "visible": self.visible}

    def poll(self):
        """Takes points that have come; True if there were some."""
        if not self.viewer.receiver.poll(NAME):
            return False
        if self._stream is None:
            self._stream = simple.BeamcastStream(registrationName=NAME, StreamName=NAME)
            table = simple.ExtractAttributes(Input=self._stream, AddMetaData=0)
            self._cloud = simple.TableToPoints(Input=table, XColumn="x", YColumn="y", ZColumn="z")
        self._stream.SMProxy.MarkModified(self._stream.SMProxy)
        self._cloud.UpdatePipeline()
        information = self._cloud.GetDataInformation()
        points = information.GetPointDataInformation()
        names = [points.GetArrayInformation(i).GetName() for i in range(points.GetNumberOfArrays())]
        extent = self._stream.GetDataInformation().GetExtent()  # without the ones that ranks share
        self.count = math.prod(extent[2 * i + 1] - extent[2 * i] + 1 for i in range(3))
        self.arrays = [name for name in names if name not in PLACES and not name.startswith("vtk")]
        if self._display is None:
            self._display = simple.Show(self._cloud, self.viewer.view, "GeometryRepresentation")
            self._display.SetRepresentationType("Points")
        self.array = self.array if self.array in self.arrays else (self.arrays or [None])[0]
        self._apply()
        self.viewer.place_for_points()
        self.viewer.changed()
        return True

    def bounds(self):
        return tuple(self._cloud.GetDataInformation().GetBounds())

    def set(self, array=None, size=None, visible=None):
        if array is not None:
            self.array = array if array in self.arrays else None
        if size is not None:
            self.size = max(1.0, min(50.0, float(size)))
        if visible is not None:
            self.visible = bool(visible)
        if self._display is not None:
            self._apply()
            self.viewer.changed()

    def _apply(self):
        display = self._display
        display.PointSize = self.size
        display.Visibility = int(self.visible)
        if self.array is None:
            simple.ColorBy(display, None)
            display.DiffuseColor = display.AmbientColor = [1.0, 0.8, 0.3]
            return
        simple.ColorBy(display, ("POINTS", self.array), separate=True)
        display.SetScalarBarVisibility(self.viewer.view, False)
        information = self._cloud.GetDataInformation().GetPointDataInformation().GetArrayInformation(self.array)
        display.LookupTable.ApplyPreset("Viridis (matplotlib)", True)
        display.LookupTable.RescaleTransferFunction(*information.GetComponentRange(0))
