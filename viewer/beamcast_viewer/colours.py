# SPDX-License-Identifier: BSD-3-Clause
"""Colours and opacities over a window of values."""
import numpy

from . import errors

PRESETS = {"bone": "CT bone", "grey": "CT grey", "rock": "CT rock", "soft matter": "CT soft matter"}
KERNELS = ("plain", "local", "scatter", "occlusion", "local+occlusion", "scatter+occlusion")
# between samples of a ray, in shortest spacings (0: as the renderer would); how much coarser while the view is turned
QUALITIES = {"draft": (1.0, 4), "normal": (0.0, 2), "fine": (0.25, 2)}
POINTS = 64  # of a map that is drawn by hand
BUT_FOR = (0.1, 99.9)  # percentiles of the values: circular masks and outliers are usual


def preset_name(name):
    """ParaView's name for a preset; ours are short, others are ParaView's own."""
    from paraview import servermanager
    known = servermanager.vtkSMTransferFunctionPresets.GetInstance()
    if name in PRESETS:
        return PRESETS[name]
    if known.HasPreset(name):
        return name
    raise errors.Refused(errors.ARGUMENT, 'there is no preset "%s"; there are %s, and ParaView\'s own'
                         % (name, ", ".join(sorted(PRESETS))))


def apply(array, preset, window):
    """Gives an array's colour map and opacities the preset, over this window."""
    from paraview import simple
    for function in (simple.GetColorTransferFunction(array), simple.GetOpacityTransferFunction(array)):
        function.ApplyPreset(preset, True)
        function.RescaleTransferFunction(*window)


def curves(array):
    """An array's map as it is, over the window from 0 to 1: [[place, red, green, blue], ...], [[place, opacity], ...]."""
    from paraview import simple
    found = []
    for points, keep in ((simple.GetColorTransferFunction(array).RGBPoints, 4),
                         (simple.GetOpacityTransferFunction(array).Points, 2)):
        points = numpy.reshape(points, (-1, 4))[:, :keep].copy()
        points[:, 0] = (points[:, 0] - points[0, 0]) / (points[-1, 0] - points[0, 0] or 1.0)
        found.append(numpy.round(points, 5).tolist())
    return found


def check_curves(colours, opacities):
    """Refuses what is no map: places from 0 to 1 that rise, everything else from 0 to 1 too."""
    for points, parts in ((colours, 4), (opacities, 2)):
        good = isinstance(points, list) and 2 <= len(points) <= POINTS and all(
            isinstance(point, list) and len(point) == parts and
            all(isinstance(part, (int, float)) and 0 <= part <= 1 for part in point) for point in points)
        if not good or points[0][0] != 0 or points[-1][0] != 1 or any(
                a[0] >= b[0] for a, b in zip(points, points[1:])):
            raise errors.Refused(errors.ARGUMENT, "a map has 2 to %d points from 0 to 1, each higher up than the one "
                                 "before, and colours and opacities from 0 to 1" % POINTS)


def apply_curves(array, colours, opacities, window):
    """Gives an array these curves, as `curves` returns them."""
    from paraview import simple
    low, wide = window[0], window[1] - window[0]
    mapping, opacity = simple.GetColorTransferFunction(array), simple.GetOpacityTransferFunction(array)
    mapping.ColorSpace = "RGB"
    mapping.RGBPoints = [part for place, *colour in colours for part in (low + place * wide, *colour)]
    opacity.Points = [part for place, value in opacities for part in (low + place * wide, value, 0.5, 0.0)]


def percentiles(values):
    """The window of these samples; never empty."""
    values = values[numpy.isfinite(values)] if values.dtype.kind == "f" else values
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in numpy.percentile(values, BUT_FOR))
    return (low, high) if low < high else (low, low + 1.0)


def look_up(array, values, window):
    """Values to (..., 3) uint8 by an array's colour map, stretched over the window."""
    from paraview import simple
    points = numpy.reshape(simple.GetColorTransferFunction(array).RGBPoints, (-1, 4))
    places = (points[:, 0] - points[0, 0]) / (points[-1, 0] - points[0, 0] or 1.0)
    at = numpy.clip((values.astype("float64") - window[0]) / (window[1] - window[0]), 0.0, 1.0)
    colours = [numpy.interp(numpy.nan_to_num(at), places, points[:, 1 + channel]) for channel in range(3)]
    return numpy.rint(255 * numpy.stack(colours, axis=-1)).astype("uint8")
