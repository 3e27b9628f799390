# SPDX-License-Identifier: BSD-3-Clause
"""What Beamcast's Catalyst scripts share. They run alike in a producer, where every rank runs them on its
own brick, and on a receiving server, where rank 0 runs them on a Beamcast Stream.

    from beamcast_catalyst import due, output, volume
    data = volume()                # the proxy of the volume that is shown
    def catalyst_execute(info):    # once per step
        if due(info, data, 10):    # every BEAMCAST_EVERY-th, else every 10th
            SaveData(output("step%04d.h5" % info.timestep), proxy=data)

A script may also have catalyst_initialize() and catalyst_finalize().
"""
import glob
import os

from paraview import servermanager, simple
from paraview.catalyst.detail import IsInsitu, IsInsituInput
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline


def option(name, default):
    """The environment's BEAMCAST_<NAME>, in the type of the default; lists are written 1,2,3."""
    text = os.environ.get("BEAMCAST_" + name, "")
    if text == "":
        return default
    try:
        if isinstance(default, (list, tuple)):
            return [float(part) for part in text.split(",")]
        return type(default)(text)
    except ValueError:
        raise ValueError("BEAMCAST_%s=%s is no %s" % (name, text, type(default).__name__)) from None


def output(name):
    """A path in the folder BEAMCAST_OUTPUT (default: where the program was started), which is made."""
    path = os.path.join(option("OUTPUT", "."), name)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return path


def due(info, data, every=1):
    """Whether this step is one of every BEAMCAST_EVERY; the volume is then up to date."""
    if info.timestep % option("EVERY", every) != 0:
        return False
    data.UpdatePipeline()
    return True


def is_root():
    """Whether this rank writes what is written once."""
    return servermanager.vtkProcessModule.GetProcessModule().GetPartitionId() == 0


def load_plugin():
    """Loads the plugin Beamcast where it is to be had. Returns whether XAC Volume and our writer are there."""
    session = servermanager.ProxyManager().SMProxyManager
    for _ in range(2):
        if session.GetPrototypeProxy("writers", "BeamcastVolumeWriter"):
            return True
        here = os.path.dirname(os.path.abspath(__file__))
        folders = [f for f in os.environ.get("PV_PLUGIN_PATH", "").split(":") if f]
        folders += glob.glob(here + "/../../../lib/beamcast/plugins/Beamcast")
        folders += glob.glob(here + "/../../../lib/*/beamcast/plugins/Beamcast")
        for file in [f + end for f in folders for end in ("/Beamcast.so", "/Beamcast/Beamcast.so")]:
            if os.path.exists(file):
                simple.LoadPlugin(file, remote=False, ns=vars(simple))
                break
        else:
            return False
    return False


def volume():
    """The volume's proxy: the stream or channel BEAMCAST_STREAM, by default "volume"."""
    name = option("STREAM", "volume")
    if IsInsitu() and IsInsituInput(name):
        return simple.TrivialProducer(registrationName=name)
    for source in simple.GetSources().values():
        if source.GetXMLName() == "BeamcastStream" and source.StreamName == name:
            return source
    source = simple.FindSource(name) or simple.GetActiveSource()
    if source is None:
        raise RuntimeError("there is no volume called %s: set BEAMCAST_STREAM to the stream's name" % name)
    return source


def array_name(data):
    """The array that is shown: BEAMCAST_ARRAY, else the first. Empty on a rank that knows of none."""
    names = data.PointData.keys()
    return option("ARRAY", names[0] if names else "")


_statistics_script = """
from builtins import any, max, min  # ParaView puts its own in their place
import numpy as np
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as sddp
from vtkmodules.vtkParallelCore import vtkCommunicator, vtkMultiProcessController
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
controller = vtkMultiProcessController.GetGlobalController()
ranks = controller.GetNumberOfProcesses() if controller else 1
def reduce(values, operation):
    mine = numpy_to_vtk(np.asarray(values, float), deep=True)
    if ranks == 1:
        return vtk_to_numpy(mine).copy()
    everyones = numpy_to_vtk(np.zeros(len(values)), deep=True)
    controller.AllReduce(mine, everyones, operation)
    return vtk_to_numpy(everyones).copy()
image = self.GetInputDataObject(0, 0)
array = image.GetPointData().GetArray(NAME) if image.GetNumberOfPoints() else None
memory = image.GetExtent() if array else (0, -1, 0, -1, 0, -1)
shape = [memory[2 * a + 1] - memory[2 * a] + 1 for a in (2, 1, 0)]
extent = list(memory)
ghosts = image.GetCellData().GetArray("vtkGhostType") if array else None
if ghosts:
    cells = vtk_to_numpy(ghosts).reshape([max(n - 1, 1) for n in shape])
    own = np.nonzero((cells & 1) == 0)
    for a, at in zip((2, 1, 0), own):
        if len(at) and memory[2 * a] < memory[2 * a + 1]:
            extent[2 * a:2 * a + 2] = memory[2 * a] + int(at.min()), memory[2 * a] + int(at.max()) + 1
rank = controller.GetLocalProcessId() if controller else 0
table = np.zeros((ranks, 6)); table[rank] = extent
extents = reduce(table.ravel(), vtkCommunicator.SUM_OP).reshape(ranks, 6)
# Without ghosts, and the plane that is shared with the next rank is the next rank's.
keep = [slice(extent[2 * a] - memory[2 * a], extent[2 * a + 1] - memory[2 * a] + 1
              - any(e[2 * a] == extent[2 * a + 1] and e[2 * a + 1] > e[2 * a] for e in extents)) for a in (2, 1, 0)]
def planes():
    size = shape[1] * shape[2]
    for z in range(keep[0].start, keep[0].stop) if array else ():
        part = array.NewInstance()
        part.SetNumberOfComponents(array.GetNumberOfComponents())
        part.SetNumberOfTuples(size)
        array.GetTuples(z * size, (z + 1) * size - 1, part)
        plane = vtk_to_numpy(part).reshape(shape[1], shape[2], -1)[keep[1], keep[2], 0].astype(float)
        yield plane[np.isfinite(plane)]
sums, low, high = np.zeros(3), np.inf, -np.inf
for p in planes():
    sums += [p.size, p.sum(), (p * p).sum()]
    if p.size:
        low, high = min(low, p.min()), max(high, p.max())
count, total, squares = reduce(sums, vtkCommunicator.SUM_OP)
low, high = reduce([low], vtkCommunicator.MIN_OP)[0], reduce([high], vtkCommunicator.MAX_OP)[0]
bins = np.zeros(BINS)
for p in planes() if count else ():
    bins += np.histogram(p, BINS, (low, high if high > low else low + 1))[0]
bins = reduce(bins, vtkCommunicator.SUM_OP)
edges = np.linspace(low, high, BINS + 1) if count else np.zeros(BINS + 1)
below = np.cumsum(bins)  # all but a thousandth at either end; all where nearly everything has one value
ends = [edges[np.searchsorted(below, part * count) + more] for part, more in ((0.001, 0), (0.999, 1))]
most = ends if ends[1] - ends[0] > 0.02 * (high - low) else [low, high]
out = self.GetOutputDataObject(0)
out.Initialize()
for name, values in (("count", [count]), ("sum", [total]), ("squares", [squares]), ("range", [low, high]),
                     ("most", most)):
    fields = numpy_to_vtk(np.asarray(values, float), deep=True)
    fields.SetName(name)
    out.GetFieldData().AddArray(fields)
for name, values in (("value", (edges[1:] + edges[:-1]) / 2), ("voxels", bins)):
    column = numpy_to_vtk(values if rank == 0 else values[:0], deep=True)
    column.SetName(name)
    out.AddColumn(column)
"""


def histogram(data, bins=256):
    """A proxy of a table with the columns value and voxels, on rank 0, of all ranks' finite values."""
    made = simple.ProgrammableFilter(Input=data, OutputDataSetType="vtkTable", CopyArrays=0)
    made.Script = "NAME, BINS = %r, %d\n%s" % (array_name(data), bins, _statistics_script)
    return made


def statistics(table):
    """What histogram()'s proxy says of this step: voxels, minimum, maximum, mean, deviation, and most, the values
    between which all but a thousandth at either end lie. The same on every rank of a producer."""
    table.UpdatePipeline()
    result = table.GetClientSideObject().GetOutputDataObject(0)
    fields = result.GetFieldData()
    count, total, squares = (fields.GetArray(n).GetValue(0) for n in ("count", "sum", "squares"))
    (low, high), most = ([fields.GetArray(n).GetValue(i) for i in (0, 1)] for n in ("range", "most"))
    mean = total / count if count else 0.0
    return {"voxels": int(count), "minimum": low, "maximum": high, "mean": mean, "most": most,
            "deviation": max(squares / count - mean * mean, 0.0) ** 0.5 if count else 0.0}


_windows = {}


def window(data, shown):
    """The values at the ends of the colours: BEAMCAST_WINDOW=LO,HI, else those between which nearly all of the first
    step lies whose values differ (nothing may be there yet of a volume that grows), kept for as long as shown, a
    view or layout, is."""
    key = shown.SMProxy.GetGlobalIDAsString()
    if key not in _windows:
        low, high = option("WINDOW", []) or most_values(data)
        if high <= low:
            return low, low + 1.0
        _windows[key] = low, high
    return _windows[key]


def most_values(data):
    """The values between which nearly all of this step lies."""
    table = histogram(data, 1024)
    most = statistics(table)["most"]
    simple.Delete(table)
    return most


def show_volume(data, view):
    """Shows the volume in a view, at each step anew: XAC Volume where the plugin is, else ParaView's own. Grey to
    bone over the window, opacity from nothing at its lower end; BEAMCAST_KERNEL is XAC Volume's kernel, or stock."""
    # Before anything is shown: what is shown knows the representations of its time.
    xac = option("KERNEL", "local") != "stock" and load_plugin()
    low, high = window(data, view)
    name = array_name(data)
    middle = (low + high) / 2
    display = simple.Show(data, view)
    display.SetRepresentationType("XAC Volume" if xac else "Volume")
    set_colours(display, name, [low, 0.1, 0.1, 0.15, middle, 0.75, 0.6, 0.45, high, 1, 1, 0.95])
    opacities = simple.GetOpacityTransferFunction(name, display)
    opacities.Points = [low, 0, 0.5, 0, low + 0.2 * (high - low), 0, 0.5, 0, high, 0.6, 0.5, 0]
    if xac:
        display.XACKernel = option("KERNEL", "local")
    bounds = whole_bounds(data)
    display.ScalarOpacityUnitDistance = max(bounds[1] - bounds[0], bounds[3] - bounds[2]) / 60 or 1.0
    return display


def set_colours(display, name, points):
    """Colours an array over values, four numbers each. After ColorBy, which takes the range of the rank's own
    part: in a producer each rank's ParaView knows of no other part, and colours must be the same on all.
    The colours are the display's own: another script may show the same array."""
    simple.ColorBy(display, ("POINTS", name), separate=True)
    colours = simple.GetColorTransferFunction(name, display)
    colours.AutomaticRescaleRangeMode = "Never"
    colours.RGBPoints = points


def whole_bounds(data):
    """Bounds of the whole volume, also of what no rank has yet."""
    image = data.GetClientSideObject().GetOutputDataObject(0)
    information = data.GetClientSideObject().GetOutputInformation(0)
    extent = information.Get(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT())
    bounds = []
    for a in range(3):
        ends = [image.GetOrigin()[a] + image.GetSpacing()[a] * extent[2 * a + e] for e in (0, 1)]
        bounds += [min(ends), max(ends)]
    return bounds


def new_view(data, size=(800, 600), azimuth=30.0, elevation=25.0):
    """A dark view that looks at the middle of the whole volume, turned by degrees."""
    view = simple.CreateView("RenderView")
    view.ViewSize = [int(s) for s in option("SIZE", list(size))]
    view.UseColorPaletteForBackground = 0
    view.Background = [0.05, 0.05, 0.08]
    view.OrientationAxesVisibility = 0
    view.UseFXAA = 0  # it would smooth each rank's part by itself
    look(data, view, azimuth, elevation)
    return view


def look(data, view, azimuth, elevation):
    """Turns a view around the middle of the volume, which is in it whole; BEAMCAST_ZOOM (1) goes nearer."""
    from math import cos, radians, sin
    b = whole_bounds(data)
    middle = [(b[2 * a] + b[2 * a + 1]) / 2 for a in range(3)]
    distance = 1.9 * sum((b[2 * a + 1] - b[2 * a]) ** 2 for a in range(3)) ** 0.5 / option("ZOOM", 1.0)
    u, v = radians(azimuth), radians(elevation)
    to = [sin(u) * cos(v), -cos(u) * cos(v), sin(v)]
    view.CameraPosition = [middle[a] + distance * to[a] for a in range(3)]
    view.CameraFocalPoint = middle
    view.CameraViewUp = [0, 0, 1]
    view.CameraViewAngle = 30
