# SPDX-License-Identifier: BSD-3-Clause
"""Voxels of what is shown, for who fetches them, and the crop box. A box is first and last voxels, x0, x1, y0,
y1, z0, z1, from 0, the last ones not included."""
import math

import numpy
from paraview import servermanager, simple
from vtkmodules.util.numpy_support import vtk_to_numpy

from . import camera, errors

MOST = 1 << 30  # bytes of one answer, see transport/calls.h
TYPES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32", "f4": "float32",
         "f8": "float64"}


def whole(viewer):
    return [bound for size in viewer.geometry()["size"] for bound in (0, size)]


def check(viewer, box):
    size = viewer.geometry()["size"]
    if len(box) != 6 or not all(isinstance(n, int) for n in box) or not all(
            0 <= box[2 * i] < box[2 * i + 1] <= size[i] for i in range(3)):
        raise errors.Refused(errors.ARGUMENT, "the box does not lie in the volume of %d x %d x %d voxels" % tuple(size))


def crop_box(viewer):
    """The voxels in the crop box of the display, or None where there is none, or none of the volume lies in it."""
    display = viewer.display
    if display is None or not hasattr(display, "XACCropping") or not display.XACCropping:
        return None
    bounds, geometry, box = viewer.bounds(), viewer.geometry(), []
    for i in range(3):
        ends = [display.XACCroppingOrigin[i] + bounds[2 * i + k] * display.XACCroppingScale[i] for k in (0, 1)]
        places = [(end - bounds[2 * i]) / geometry["spacing"][i] for end in ends]
        box += [max(0, math.ceil(places[0] - 1e-6)), min(geometry["size"][i], math.floor(places[1] + 1e-6) + 1)]
    return box if all(box[2 * i] < box[2 * i + 1] for i in range(3)) else None


def keep_crop(viewer):
    """Another volume is shown: the crop box goes where nothing of it would be seen."""
    if hasattr(viewer.display, "XACCropping") and viewer.display.XACCropping and crop_box(viewer) is None:
        viewer.display.XACCropping = 0


def set_crop(viewer, box):
    """Shows this box alone; None or (): all of it."""
    viewer._need_volume()
    if not hasattr(viewer.display, "XACCropping"):
        raise errors.Refused(errors.UNSUPPORTED, "only XAC Volume has a crop box")
    if not box:
        viewer.display.XACCropping = 0
    else:
        check(viewer, box)
        bounds, spacing = viewer.bounds(), viewer.geometry()["spacing"]
        scale, shift = [], []
        for i in range(3):
            low = bounds[2 * i] + box[2 * i] * spacing[i]
            high = bounds[2 * i] + (box[2 * i + 1] - 1) * spacing[i]
            length = bounds[2 * i + 1] - bounds[2 * i]
            scale.append((high - low) / length if length > 0 else 1.0)
            shift.append(low - bounds[2 * i] * scale[i])
        viewer.display.XACCroppingScale, viewer.display.XACCroppingOrigin = scale, shift
        viewer.display.XACCropping = 1
    viewer.changed()


def describe(viewer):
    """What `fetch` can give: the shown array, or a stream's name where transport gives it faster."""
    viewer._need_volume()
    state = viewer.state()
    shown, bounds = state["shown"], viewer.bounds()
    return {"array": shown["array"], "stream": shown.get("stream"), "size": shown["size"],
            "spacing": shown["spacing"], "origin": [bounds[0], bounds[2], bounds[4]], "crop": crop_box(viewer),
            "step": shown.get("step", 0), "time": shown.get("time", 0.0),
            "length_unit": shown.get("length_unit") or "", "unit": shown.get("unit") or "",
            "provenance": {"shown": shown, "look": state["look"],
                           "versions": {"beamcast": state["version"], "paraview": state["paraview"]}}}


def fetch(viewer, box, array=None):
    """Voxels of an array: what they are, and their bytes, [z][y][x][component]."""
    viewer._need_volume()
    check(viewer, box)
    name = array or viewer.array
    if name not in viewer.arrays():
        raise errors.Refused(errors.ARGUMENT, 'there is no array "%s"; there are %s' % (name, ", ".join(viewer.arrays())))
    extent = viewer.geometry()["extent"]
    region = [extent[i - i % 2] + box[i] - i % 2 for i in range(6)]
    values = gather(viewer, region, name)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:  # as `beamcast push` sends those of a file
        values = values.astype("f8")
    kind = values.dtype.str[1:]
    if kind not in TYPES:
        raise errors.Refused(errors.UNSUPPORTED, "values of %s can't be sent" % values.dtype)
    return {"type": TYPES[kind], "components": values.shape[3]}, numpy.ascontiguousarray(values).tobytes()


def gather(viewer, region, name, source=None):
    """An array (z, y, x, components) of a region of VTK's extent, from all ranks; of what is shown, or of `source`."""
    subset = simple.ExtractSubset(Input=source or viewer.source, VOI=region)
    try:
        subset.UpdatePipeline(viewer.time)
        sizes = [region[2 * i + 1] - region[2 * i] + 1 for i in (2, 1, 0)]
        values = None
        for rank in range(viewer.receiver.ranks):
            part = servermanager.Fetch(subset, rank)
            scalars = part.GetPointData().GetArray(name)
            if scalars is None or part.GetNumberOfPoints() == 0:
                continue
            there = vtk_to_numpy(scalars).reshape(part.GetDimensions()[::-1] + (-1,))
            at = part.GetExtent()  # a rank that has none of the region may give all that it has
            first = [max(at[2 * i], region[2 * i]) for i in (2, 1, 0)]
            last = [min(at[2 * i + 1], region[2 * i + 1]) for i in (2, 1, 0)]
            if values is None:
                shape = sizes + [there.shape[3]]
                if math.prod(shape) * there.itemsize > MOST:
                    raise errors.Refused(errors.ARGUMENT, "the box is too large for one answer: at most 1 GiB")
                values = numpy.zeros(shape, there.dtype)
            if all(low <= high for low, high in zip(first, last)):
                values[_between(first, last, region)] = there[_between(first, last, at)]
        if values is None:
            raise errors.Refused(errors.REFUSED, "these voxels are on no rank any more")
        return values
    finally:
        simple.Delete(subset)


def free_plane(viewer, azimuth, elevation, depth, most):
    """Values on a plane that faces a camera there (see camera.py), interpolated: depth goes from -1 behind the volume
    to 1 before it. At most so many values along a side. Returns rows and columns as a picture has them, the lowest row
    first, where they lie inside the volume, labels (None: there are none), and what the page needs to tell places: centre,
    right, up, distances."""
    viewer._need_volume()
    bounds, spacing = viewer.bounds(), viewer.geometry()["spacing"]
    away, right, up = camera.axes(azimuth, elevation)
    half = [(bounds[2 * i + 1] - bounds[2 * i]) / 2 for i in range(3)]
    reach = [sum(abs(part) * length for part, length in zip(axis, half)) for axis in (away, right, up)]
    centre = [(bounds[2 * i] + bounds[2 * i + 1]) / 2 + depth * reach[0] * away[i] for i in range(3)]
    fine = min(step for step, length in zip(spacing, half) if length > 0) if any(half) else 1.0
    step = max(fine, 2 * max(reach[1:]) / max(1, most - 1))
    columns, rows = (int(2 * length / step) + 1 for length in reach[1:])
    wide, high = (columns - 1) * step / 2, (rows - 1) * step / 2

    def place(x, y):
        return [c + x * r + y * u for c, r, u in zip(centre, right, up)]

    made = []

    def probe(source, mesh):
        made.append(simple.ResampleWithDataset(SourceDataArrays=source, DestinationMesh=mesh, MarkBlankPointsAndCells=0))
        made[-1].UpdatePipeline(viewer.time)
        return made[-1]

    plane = simple.Plane(Origin=place(-wide, -high), Point1=place(max(wide, step / 2), -high),
                         Point2=place(-wide, max(high, step / 2)), XResolution=max(1, columns - 1), YResolution=max(1, rows - 1))
    try:
        shape = max(2, rows), max(2, columns)
        values, inside = _probed(viewer, probe(viewer.source, plane), viewer.array, shape)
        if values is None:
            raise errors.Refused(errors.REFUSED, "no rank has values on this plane")
        over = None
        if viewer.labels.array is not None:  # they are not to be mixed: taken at the nearest voxels
            made.append(simple.Calculator(Input=plane, CoordinateResults=1, Function=" + ".join(
                "%sHat * (floor((coords%s - (%.17g)) / %.17g + 0.5) * %.17g + (%.17g))" % (hat, axis, low, wide, wide, low)
                for hat, axis, low, wide in zip("ijk", "XYZ", bounds[::2], spacing))))
            over, there = _probed(viewer, probe(viewer.labels.source(), made[-1]), viewer.labels.array, shape)
            over = None if over is None else numpy.where(there & inside, over, 0)
        return values, inside, over, {"centre": centre, "right": right, "up": up, "step": step, "origin": list(bounds[::2])}
    finally:
        for one in reversed([plane, *made]):
            simple.Delete(one)


def _probed(viewer, probe, name, shape):
    """An array's values at a mesh's points, and where they lie in the volume; None: no rank has any."""
    values, inside = None, numpy.zeros(shape, bool)
    for rank in range(viewer.receiver.ranks):
        data = servermanager.Fetch(probe, rank).GetPointData()
        found, mask = data.GetArray(name), data.GetArray("vtkValidPointMask")
        if found is None or mask is None or found.GetNumberOfTuples() != inside.size:
            continue
        there, known = vtk_to_numpy(found), vtk_to_numpy(mask).reshape(shape) != 0
        there = (there if there.ndim == 1 else there[:, 0]).reshape(shape)
        values = numpy.zeros(shape, there.dtype) if values is None else values
        values[known] = there[known]
        inside |= known
    return values, inside


def _between(first, last, extent):
    """Slices of an array that holds extent; first and last in the order z, y, x."""
    return tuple(slice(low - extent[2 * i], high + 1 - extent[2 * i]) for low, high, i in zip(first, last, (2, 1, 0)))
