# SPDX-License-Identifier: BSD-3-Clause
"""Colours and opacities over a window of values."""
import numpy

from . import errors

PRESETS = {"bone": "CT bone", "grey": "CT grey", "rock": "CT rock", "soft matter": "CT soft matter"}
KERNELS = ("plain", "local", "scatter", "occlusion", "local+occlusion", "scatter+occlusion")
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
