# SPDX-License-Identifier: BSD-3-Clause
"""What pages look at: slices at full bit depth, the histogram, the crop box, pictures to take away."""
import json
import math

import numpy

from beamcast_viewer import colours, errors, pictures, voxels

BINS = 256
PLANE = 1 << 22  # values that one slice has at most; of larger planes every n-th row and column


SIDE, QUICK_SIDE = 512, 128  # values along a free plane; while it is being turned


def _portable(plane):
    """As a page can read it: little endian, without integers of 64 bits."""
    if plane.dtype.kind not in "iuf":
        raise errors.Refused(errors.UNSUPPORTED, "slices of %s can't be shown" % plane.dtype)
    if plane.dtype.itemsize > 4:
        plane = plane.astype("float64")
    return numpy.ascontiguousarray(plane, plane.dtype.newbyteorder("<"))


class Looking:
    def __init__(self, viewer, commands):
        self.viewer = viewer
        self._histogram = (None, None)  # what it is of, and it
        commands.add("colours", self._colours)
        commands.add("slice", self._slice)
        commands.add("free_slice", self._free_slice)
        commands.add("labels", self._labels, steers=True)
        commands.add("label_colours", lambda _: ({}, viewer.labels.colours()))
        commands.add("points", self._points, steers=True)
        commands.add("histogram", self._histogram_of)
        commands.add("crop", self._crop, steers=True)
        commands.add("light", self._light, steers=True)
        commands.add("screenshot", self._screenshot)

    def crop(self):
        """The crop box in voxels, x0, x1, y0, y1, z0, z1, the last ones not included; None: there is none."""
        return voxels.crop_box(self.viewer)

    def light(self):
        """Where light comes from; None for representations that have no say in it."""
        display = self.viewer.display
        if display is None or not hasattr(display, "XACLightKind"):
            return None
        return {"kind": str(display.XACLightKind), "vector": list(display.XACLightVector),
                "ambient": display.XACAmbient}

    def _colours(self, _):
        """256 colours from the window's low end to its high end, as bytes."""
        self._need()
        steps = numpy.linspace(0, 1, 256)
        return {}, colours.look_up(self.viewer.array, steps, (0.0, 1.0)).tobytes()

    def _slice(self, _, axis, at):
        """A plane of voxels: rows and columns as a picture has them, the first row at the bottom."""
        plane, spacing = self.viewer.slice_values(axis, at)
        every = max(1, math.isqrt(max(0, plane.size - 1) // PLANE) + 1)
        plane = _portable(plane[::every, ::every])
        region, index = self.viewer.slice_region(axis, at)
        labels = self.viewer.labels.plane(region)
        over = b"" if labels is None else labels.squeeze(axis=2 - index)[::every, ::every].tobytes()
        return {"axis": axis, "at": at, "rows": plane.shape[0], "columns": plane.shape[1], "every": every,
                "spacing": spacing, "type": plane.dtype.name, "labels": bool(over)}, plane.tobytes() + over

    def _free_slice(self, _, azimuth, elevation, depth, quick=False):
        """A plane that lies as it will: the values, interpolated, a byte a value that says whether it lies inside, and labels."""
        if not all(math.isfinite(value) for value in (azimuth, elevation, depth)):
            raise errors.Refused(errors.ARGUMENT, "a plane has two angles and a depth from -1 to 1")
        plane, inside, labels, where = voxels.free_plane(self.viewer, azimuth, elevation, max(-1.0, min(1.0, depth)),
                                                         QUICK_SIDE if quick else SIDE)
        plane = _portable(plane)
        over = b"" if labels is None else self.viewer.labels.to_bytes(labels).tobytes()
        return dict(where, rows=plane.shape[0], columns=plane.shape[1], type=plane.dtype.name, labels=bool(over)), \
            plane.tobytes() + inside.astype("uint8").tobytes() + over

    def _labels(self, _, array=None, opacity=None):
        self.viewer.labels.show(self.viewer.labels.array if array is None else array, opacity)

    def _points(self, _, **values):
        self.viewer.points.set(**values)

    def _histogram_of(self, _):
        """How many of some sampled values lie in each of 256 bins from low to high."""
        self._need()
        viewer = self.viewer
        of = (viewer.array, viewer.path, viewer.dataset, viewer.time,
              viewer.receiver.step(viewer.stream)["step"] if viewer.source is viewer.live else None)
        if self._histogram[0] != of:
            values = viewer.sample()
            values = values[numpy.isfinite(values)] if values.dtype.kind == "f" else values
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
            high = high if high > low else low + 1.0
            counts, _ = numpy.histogram(values, BINS, (low, high))
            self._histogram = (of, {"low": low, "high": high, "counts": counts.tolist(),
                                    "by_itself": list(colours.percentiles(values))})
        return self._histogram[1]

    def _crop(self, _, box):
        voxels.set_crop(self.viewer, [int(end) for end in box])

    def _light(self, _, azimuth=None, elevation=None, ambient=None):
        """A standing light from these degrees, as a camera's are; without them light comes with the camera."""
        display = self.viewer.display
        if self.light() is None:
            raise errors.Refused(errors.UNSUPPORTED, "only XAC Volume has a light that can be moved")
        if ambient is not None:
            display.XACAmbient = max(0.0, min(1.0, float(ambient)))
        if azimuth is None or elevation is None:
            display.XACLightKind = "With the camera"
        else:
            around, above = math.radians(float(azimuth)), math.radians(float(elevation))
            display.XACLightKind = "Directional"
            display.XACLightVector = [math.sin(around) * math.cos(above), -math.cos(around) * math.cos(above),
                                      math.sin(above)]
        self.viewer.changed()

    def _screenshot(self, _, width, height):
        picture, notes = self.viewer.screenshot(size=(int(width), int(height)))
        texts = {"Software": "Beamcast %s" % self.viewer.receiver.version,
                 "Source": str(notes["shown"].get("source") or notes["shown"]["array"]), "Beamcast": json.dumps(notes)}
        return {}, pictures.to_png(picture, texts)

    def _need(self):
        if self.viewer.source is None or self.viewer.array is None:
            raise errors.Refused(errors.REFUSED, "there is nothing to show yet: push a volume, or open a file")
