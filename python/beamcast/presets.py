# SPDX-License-Identifier: BSD-3-Clause
"""First pictures in ParaView scripts: colours made for CT, laid over a window of values.

    from paraview.simple import *
    import beamcast.presets
    LoadPlugin("Beamcast")
    display = Show(volume)
    display.SetRepresentationType("XAC Volume")
    beamcast.presets.apply(display, "bone")

Everything here runs in a ParaView client (pvpython, pvbatch, the Python shell) that has loaded the
plugin Beamcast, which brings the colours: they are in ParaView's list of presets, too ("CT bone")."""

NAMES = ("grey", "bone", "rock", "soft matter", "labels")

_BINS = 4096


def _shown(display):
    """The source, output port and array of a display that is coloured by a point array."""
    association, name = display.ColorArrayName[:2]
    if not name:
        raise ValueError("the display is not coloured by an array; call ColorBy first")
    if association != "POINTS":
        raise ValueError("%s is an array of the %s; a volume has its values on the points" % (name, association.lower()))
    return display.Input, name


def _histogram(source, name, lo, hi):
    from paraview import servermanager, simple
    view = simple.GetActiveView()
    histogram = simple.Histogram(Input=source, SelectInputArray=["POINTS", name], BinCount=_BINS,
                                 UseCustomBinRanges=1, CustomBinRanges=[lo, hi])
    try:
        histogram.UpdatePipeline()
        table = servermanager.Fetch(histogram)
        values = table.GetRowData().GetArray("bin_values")
        return [values.GetValue(i) for i in range(values.GetNumberOfTuples())]
    finally:
        simple.Delete(histogram)
        simple.SetActiveView(view)


def _at(bins, lo, hi, part):
    target, below = part * sum(bins), 0
    for i, here in enumerate(bins):
        if here and below + here >= target:
            return lo + (hi - lo) * (i + (target - below) / here) / len(bins)
        below += here
    return hi


def window(display, low=0.1, high=99.9):
    """The values under which low and high per cent of the volume's finite values lie.

    Counted on all ranks, over the whole volume; outliers do not matter. Returns (low, high). Raises
    ValueError when the display shows no point array."""
    if not 0 <= low < high <= 100:
        raise ValueError("percentiles rise from 0 to 100, not %g to %g" % (low, high))
    source, name = _shown(display)
    source.UpdatePipeline()
    information = source.GetPointDataInformation().GetArray(name)
    if information is None:
        raise ValueError("the volume has no point array %s" % name)
    lo, hi = information.GetRange(0)
    found = (lo, hi)
    for _ in range(6):  # over what lies between, until the window is wide in bins
        if not hi > lo:
            break
        bins = _histogram(source, name, lo, hi)
        if not sum(bins):
            break
        found = (_at(bins, lo, hi, low / 100), _at(bins, lo, hi, high / 100))
        width = (hi - lo) / _BINS
        if found[1] - found[0] > 64 * width:
            break
        lo, hi = max(lo, found[0] - width), min(hi, found[1] + width)
    return found


def apply(display, name="bone", between=None):
    """Gives a display one of the presets, over a window of values, between = (low, high) (default: from the 0.1 to the 99.9
    percentile; for labels none, each label has its colour). Returns the window that was used.
    Raises ValueError for an unknown name, RuntimeError when the plugin is not loaded."""
    from paraview import servermanager, simple
    if name not in NAMES:
        raise ValueError('no preset is called "%s"; there are %s' % (name, ", ".join(NAMES)))
    if not servermanager.vtkSMTransferFunctionPresets.GetInstance().HasPreset("CT " + name):
        raise RuntimeError('the plugin is not loaded in this client; LoadPlugin("Beamcast") first')
    array = _shown(display)[1]
    colours, opacities = simple.GetColorTransferFunction(array), simple.GetOpacityTransferFunction(array)
    labels = name == "labels"
    if labels:
        used = (0.0, 255.0)
    else:
        used = tuple(between) if between is not None else window(display)
        if not used[0] < used[1]:
            used = (used[0], used[0] + 1.0)
    for function in (colours, opacities):
        function.ApplyPreset("CT " + name, not labels)
        if not labels:
            function.RescaleTransferFunction(*used)
    if "XACLabels" in display.ListProperties():
        display.XACLabels = int(labels)
    return used
