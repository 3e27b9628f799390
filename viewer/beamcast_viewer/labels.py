# SPDX-License-Identifier: BSD-3-Clause
"""A segmentation over the volume that is shown: whole numbers, a colour each, 0 is nothing. It is another array of what
is shown, or a file's volume on the same grid."""
import numpy
from paraview import servermanager, simple

from . import errors, voxels

PRESET = "CT labels"  # colours of the labels 0 to 255; further ones begin again in slices, and are not drawn in the volume
KNOWN = 256


class Labels:
    def __init__(self, viewer):
        self.viewer = viewer
        self.array = None  # that is shown over the volume; None: none is
        self.path = self.dataset = None  # of the file that it comes from
        self.opacity = 0.4
        self._reader = self._display = None
        viewer.on_data(self._adopt)

    def state(self):
        return {"array": self.array, "path": self.path, "dataset": self.dataset, "opacity": self.opacity}

    def show(self, array, opacity=None):
        """An array of what is shown, by name; "" or None: no labels. opacity 0 to 1."""
        self.viewer._need_volume()
        if opacity is not None:
            self.opacity = max(0.0, min(1.0, float(opacity)))
        if array and array != self.array and array not in self.viewer.arrays():
            raise errors.Refused(errors.ARGUMENT, 'there is no array "%s"' % array)
        if not array or array != self.array:
            self._forget()
            self.array = array or None
        self._adopt()
        self.viewer.changed()

    def open(self, path, dataset):
        """A file's volume, which has to have the size of what is shown."""
        self.viewer._need_volume()
        reader = simple.BeamcastVolumeReader(FileName=[path])
        try:
            reader.UpdatePipelineInformation()
            reader.Dataset = dataset
            reader.Stride = [1, 1, 1]
            self.viewer.read(reader, "Opening " + path.split("/")[-1])
            information = reader.GetDataInformation()
            extent, shown = information.GetExtent(), self.viewer.geometry()["size"]
            size = [extent[2 * i + 1] - extent[2 * i] + 1 for i in range(3)]
            if size != shown:
                raise errors.Refused(errors.ARGUMENT, "these labels have %s voxels, what is shown has %s" % tuple(
                    " x ".join(map(str, one)) for one in (size, shown)))
            name = information.GetPointDataInformation().GetArrayInformation(0).GetName()
        except Exception:
            simple.Delete(reader)
            raise
        self._forget()
        self._reader, self.array, self.path, self.dataset = reader, name, path, dataset
        self._adopt()
        self.viewer.changed()

    def source(self):
        """What has the array."""
        return self._reader or self.viewer.source

    def plane(self, region):
        """Labels of a region as viewer.values gives it, as bytes; None: there are none."""
        if self.array is None:
            return None
        return self.to_bytes(voxels.gather(self.viewer, list(region), self.array, self._reader)[..., 0])

    @staticmethod
    def to_bytes(values):
        return numpy.where(values > 0, (values.astype("int64") - 1) % (KNOWN - 1) + 1, 0).astype("uint8")

    def colours(self):
        """Of the labels 0 to 255, as bytes."""
        function = simple.GetColorTransferFunction("beamcast labels")
        function.ApplyPreset(PRESET, False)
        return numpy.rint(255 * numpy.reshape(function.RGBPoints, (-1, 4))[:, 1:]).astype("uint8").tobytes()

    def _forget(self):
        self._hide()
        if self._reader is not None:
            simple.Delete(self._reader)
        self._reader = self._of = None
        self.array = self.path = self.dataset = None

    def _hide(self):
        if self._display is not None:
            self.viewer.view.Representations.remove(self._display)
            simple.Delete(self._display)
        self._display = None

    def _adopt(self):
        """What is shown may be other data now: labels go with it, or go."""
        viewer = self.viewer
        source = self.source()
        if self.array is None:
            return
        if self._reader is None and self.array not in viewer.arrays() or self._reader is not None and self._size() != \
                viewer.geometry()["size"]:
            self._forget()
            return
        if self._reader is not None:  # voxel for voxel, whatever the file says of their size
            self._reader.Spacing, self._reader.Origin = viewer.geometry()["spacing"], viewer.bounds()[::2]
        if self._display is None or self._of is not source:
            self._hide()
            self._display, self._of = servermanager.CreateRepresentation(source, viewer.view), source
            self._display.SetRepresentationType("XAC Volume")
            simple.ColorBy(self._display, ("POINTS", self.array), separate=True)
            self._display.SetScalarBarVisibility(viewer.view, False)
            self._display.XACLabels = 1
            self._display.XACKernel = "local"
        self._colour()

    def _size(self):
        extent = self._reader.GetDataInformation().GetExtent()
        return [extent[2 * i + 1] - extent[2 * i] + 1 for i in range(3)]

    def _colour(self):
        display = self._display
        display.LookupTable.ApplyPreset(PRESET, False)
        display.ScalarOpacityFunction.ApplyPreset(PRESET, False)
        display.ScalarOpacityFunction.Points = [0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5001, self.opacity, 0.5, 0.0,
                                                float(KNOWN - 1), self.opacity, 0.5, 0.0]
        display.Visibility = int(self.opacity > 0)
