# SPDX-License-Identifier: BSD-3-Clause
"""What is shown, and how: one volume in one view, on all ranks."""
import json
import os
import socket
import time

import numpy
from paraview import simple

from . import camera, colours, errors, labels, parameters as kernel_parameters, pictures, points, voxels

BACKGROUND = (0.0, 0.0, 0.0)
SIZE = (1024, 768)
LARGEST = 8192  # pixels along a side of a picture
PLANES, SAMPLES = 9, 1 << 22  # at most so many, to find the window of a file's values
AXES = "xyz"


class Viewer:
    """The newest step of a stream, or a file, in a view that every rank draws a part of.

    For rank 0's main thread alone. Whoever changes something calls a method here; whoever shows
    pictures elsewhere asks to be told with on_change and draws with render(), the one place where
    the view is drawn. view, source and display are ParaView's proxies; source and display are None
    until there is a volume.
    """

    def __init__(self, receiver, stream="volume", keep=0, slots=3):
        self.receiver = receiver
        self.stream = stream
        self.source = self.display = None
        self.array = None
        self.path = self.dataset = None  # of the file that is shown; None: the stream is
        self.preset, self.kernel, self.window = "bone", "local", None  # window None: by itself
        self.parameters = {}  # of the kernel file, by name; what is not in it has its default
        self.quality = "normal"
        self.curves = None  # colours and opacities that were drawn by hand, see colours.curves; None: the preset's
        self.used_window = (0.0, 1.0)
        self.camera = {}  # as turn() takes it
        self.time = None  # of the kept step that is shown; None: the newest is
        self._sampled = self._seen = None  # the window, and the bounds that the camera was placed for
        self._listeners, self._data_listeners, self._waiting_listeners = [], [], []
        self._changes = 0
        self.labels = labels.Labels(self)  # over the volume
        self.points = points.Points(self)  # beside it
        simple._DisableFirstRenderCameraReset()
        self.live = simple.BeamcastStream(registrationName=stream, StreamName=stream, Keep=keep, Slots=slots,
                                          FollowNewest=1)  # the view's time, 0, may be that of a kept step
        self.view = simple.CreateView("RenderView")
        self.view.ViewSize = list(SIZE)
        self.view.UseColorPaletteForBackground = 0
        self.view.Background = BACKGROUND
        self.view.OrientationAxesVisibility = 0
        self.view.UseFXAA = 0  # it would smooth each rank's part by itself

    # --- what is shown -------------------------------------------------------------------------

    def on_change(self, listener):
        """listener() is called whenever the picture would be another one than before."""
        self._listeners.append(listener)

    def on_data(self, listener):
        """listener() is called after other data is shown: a new step, another file."""
        self._data_listeners.append(listener)

    def on_wait(self, listener):
        """listener(doing, part) is called while all wait for something long, from part 0.0 to 1.0; then with None, None.
        Nothing else runs meanwhile. It returns True to end what is waited for."""
        self._waiting_listeners.append(listener)

    def read(self, reader, doing):
        """Updates a reader; says how far this rank is. Refused when it was to end before it was done."""
        ended = []

        def tell(what, part):
            return any([listener(what, part) for listener in self._waiting_listeners])

        def look(algorithm, _):
            if tell(doing, algorithm.GetProgress()) or self.receiver.is_to_end():
                ended.append(True)
                algorithm.SetAbortExecute(1)  # the other ranks hear of it

        algorithm = reader.GetClientSideObject()
        observer = algorithm.AddObserver("ProgressEvent", look)
        tell(doing, 0.0)
        try:
            reader.UpdatePipeline()
        finally:
            algorithm.RemoveObserver(observer)
            tell(None, None)
        if ended:
            raise errors.Refused(errors.REFUSED, "%s was cancelled" % doing)

    def changed(self):
        self._changes += 1
        for listener in self._listeners:
            listener()

    def poll(self):
        """Takes a step that has come; True if there was one. Call it often: it costs nothing."""
        volume = self._poll_volume()
        return self.points.poll() or volume

    def _poll_volume(self):
        if not self.receiver.poll(self.stream):
            return False
        fresh = self.source is not self.live
        self.live.SMProxy.MarkModified(self.live.SMProxy)
        self.live.UpdatePipeline(self.time if self.source is self.live else None)  # a kept step that is shown stays
        if fresh:
            self._show(self.live)
            self.path = self.dataset = None
        self.adopt(fresh)
        self.changed()
        return True

    def open_file(self, path, dataset="", stride=(0, 0, 0)):
        """Shows a volume of a file of this machine, each rank reading its part. stride 0: as memory
        allows. Returns what of it is shown, as state()["shown"]."""
        if not os.path.exists(path):
            raise errors.Refused(errors.IO, "there is no file %s on %s" % (path, socket.gethostname()))
        reader = simple.BeamcastVolumeReader(FileName=[path])
        try:
            self._read_volume(reader, path, dataset, stride)
        except Exception:
            simple.Delete(reader)
            raise
        self._show(reader)
        self.path, self.dataset = os.path.abspath(path), _text(reader, "Dataset")
        self._sampled = None
        self.adopt(True)
        self.changed()
        return self.state()["shown"]

    def _read_volume(self, reader, path, dataset, stride):
        reader.UpdatePipelineInformation()
        names = _texts(reader, "DatasetList")
        if dataset and dataset not in names:
            raise errors.Refused(errors.ARGUMENT, "%s has no volume %s; it has %s"
                                 % (path, dataset, ", ".join(names[:8]) or "none"))
        reader.Dataset = dataset or (names[0] if names else "")
        reader.Stride = list(stride)
        self.read(reader, "Opening " + os.path.basename(path))
        extent = reader.GetDataInformation().GetExtent()
        reader.UpdatePropertyInformation()  # units and the like are this dataset's now
        if extent[0] > extent[1]:
            raise errors.Refused(errors.IO, _text(reader, "Notice") or "%s holds no volume that can be read" % path)

    def show_stream(self):
        """Shows the newest step again after a file."""
        if self.receiver.step(self.stream) is None:
            raise errors.Refused(errors.REFUSED, "nothing was pushed yet")
        if self.source is not self.live:
            self.live.UpdatePipeline()
            self._show(self.live)
            self.path = self.dataset = None
            self.adopt(True)
            self.changed()

    def follow(self, stream):
        """Shows another stream from now on; the same one again, after a file."""
        known = self.receiver.streams().splitlines()
        if stream not in known or self.receiver.status(stream)["received"] == 0:
            raise errors.Refused(errors.ARGUMENT, 'nothing was pushed into a stream "%s"; there are %s'
                                 % (stream, ", ".join(known) or "none"))
        if stream == self.stream:
            return self.show_stream()
        self.stream, self.time = stream, None
        self.live.StreamName = stream
        self.receiver.poll(stream)
        self.live.SMProxy.MarkModified(self.live.SMProxy)
        self.live.UpdatePipeline()
        self._show(self.live)
        self.path = self.dataset = None
        self.adopt(True)
        self.changed()

    def _show(self, source):
        old, old_display = self.source, self.display
        if old_display is not None:
            simple.Delete(old_display)
        if old not in (None, source, self.live):
            simple.Delete(old)
        self.source = source
        self.display = simple.Show(source, self.view, "UniformGridRepresentation")
        kinds = self.display.GetProperty("Representation").Available
        self.display.SetRepresentationType("XAC Volume" if "XAC Volume" in kinds else "Volume")

    def adopt(self, fresh=False):
        """The source has other data than before: colours for its array, camera for its place."""
        points = self.source.GetDataInformation().GetPointDataInformation()
        names = [points.GetArrayInformation(i).GetName() for i in range(points.GetNumberOfArrays())]
        names = [name for name in names if name != "vtkGhostType"]
        if not names:
            return
        if self.array not in names:
            self.array, fresh = self.stream if self.stream in names else names[0], True
        window = self._find_window() if self.window is None else self.window
        bounds = self.bounds()
        if fresh or self._seen != bounds:
            self._seen = bounds
            simple.ColorBy(self.display, ("POINTS", self.array))
            self.display.SetScalarBarVisibility(self.view, False)
            spacing = self.geometry()["spacing"]
            self.display.ScalarOpacityUnitDistance = sum(spacing) / 3
            self.camera = {}
            camera.place(self.view, bounds)
            voxels.keep_crop(self)
            self._apply_look(window)
        elif window != self.used_window:
            self._apply_look(window)
        for listener in self._data_listeners:
            listener()

    def _find_window(self):
        if self.source is self.live:
            low, high = self.receiver.step(self.stream)["window"]
            return (low, high) if low < high else (low, low + 1.0)
        if self._sampled is None:
            self._sampled = colours.percentiles(self.sample())
        return self._sampled

    def sample(self):
        """Values from some planes, for the window of a file, and for histograms."""
        extent, size = self.geometry()["extent"], self.geometry()["size"]
        planes = max(3, min(PLANES, SAMPLES // (size[0] * size[1])))
        every = max(1, size[0] * size[1] * planes // SAMPLES)
        places = sorted({(2 * i + 1) * size[2] // (2 * planes) for i in range(planes)})
        return numpy.concatenate([self.values(extent[:4] + (extent[4] + z,) * 2).ravel()[::every]
                                  for z in places])

    def _apply_look(self, window):
        self.used_window = tuple(window)
        colours.apply(self.array, colours.preset_name(self.preset), window)
        if self.curves is not None:
            colours.apply_curves(self.array, *self.curves, window)
        if self._representation() == "XAC Volume":
            self.display.XACKernel = self.kernel
            self.display.XACParameters = kernel_parameters.text(self.receiver, self.kernel, self.parameters)
            apart, self.display.XACInteractiveCoarseness = colours.QUALITIES[self.quality]
            self.display.XACSampleDistance = apart * min(self.geometry()["spacing"])

    def _representation(self):
        return _text(self.display, "Representation")

    # --- how it is shown -----------------------------------------------------------------------

    def set(self, camera=None, preset=None, window=None, kernel=None, array=None, size=None, curves=None, quality=None,
            parameters=None, stream=None):
        """Changes the view. camera: (azimuth, elevation, zoom); window: (low, high), or () for the
        one that is found by itself; kernel: see colours.KERNELS, or a kernel file; size: of the
        view in pixels; curves: colours and opacities in the place of the preset's, see
        colours.curves; quality: see colours.QUALITIES; parameters: of the kernel file, see parameters.py; those that
        are not given stay, another kernel's have their defaults; stream: see follow. What is None stays as it is."""
        if stream is not None:
            self.follow(stream)
        self._need_volume()
        kernel = kernel and kernel_parameters.find(kernel)
        self._check(camera, preset, window, kernel, array, size)
        kernel_before = self.kernel, self.parameters
        wanted = self._new_parameters(kernel, parameters)
        if quality is not None:
            if quality not in colours.QUALITIES:
                raise errors.Refused(errors.ARGUMENT, "quality is one of %s" % ", ".join(colours.QUALITIES))
            self.quality = quality
        if curves is not None:
            colours.check_curves(*curves)
            self.curves = curves
        if preset is not None:
            self.preset, self.curves = preset, None
        self.kernel, self.parameters = kernel or self.kernel, wanted
        if array is not None and array != self.array:
            self.array = array
            simple.ColorBy(self.display, ("POINTS", array))
            self.display.SetScalarBarVisibility(self.view, False)
        if window is not None:
            self.window = tuple(window) or None
        if size is not None:
            self.view.ViewSize = list(size)
        if camera is not None:
            self.camera = dict(zip(("azimuth", "elevation", "zoom"), camera))
            self._place(camera)
        self._apply_look(self.window or self._find_window())
        if kernel is not None and kernel not in colours.KERNELS:
            self.render(quick=True)
            try:
                self._check_kernel()
            except errors.Refused:
                self.kernel, self.parameters = kernel_before
                self._apply_look(self.used_window)
                self.changed()
                raise
        self.changed()

    def _new_parameters(self, kernel, given):
        """The parameters with what is given, for this kernel, None: the one that is used."""
        kept = self.parameters if kernel in (None, self.kernel) else {}
        return kept if given is None else dict(kept, **kernel_parameters.check(self.receiver, kernel or self.kernel, given))

    def _check_kernel(self):
        """Refuses a kernel file with which the view was not drawn: what the compiler said, or why it was stopped."""
        if self._representation() == "XAC Volume" and self.kernel not in colours.KERNELS:
            self.display.UpdatePropertyInformation()
            problem = _text(self.display, "XACKernelProblem")
            if problem:
                raise errors.Refused(errors.ARGUMENT, " ".join(problem.split()))

    def _place(self, place):
        camera.place(self.view, self.bounds(), *place)

    def turn(self, azimuth=0.0, elevation=0.0, zoom=1.0, pan=(0.0, 0.0)):
        """Moves the camera alone, see camera.place: for views that are turned by hand."""
        if not self.draws():
            self._need_volume()
        self.camera = {"azimuth": azimuth, "elevation": elevation, "zoom": zoom, "pan": list(pan)}
        camera.place(self.view, self.bounds(), **self.camera)
        self.changed()

    def _check(self, place, preset, window, kernel, array, size):
        def numbers(values, count):
            return len(values) == count and all(isinstance(v, (int, float)) and v == v for v in values)

        def wrong(text, *values):
            raise errors.Refused(errors.ARGUMENT, text % values)

        if place is not None and not (numbers(place, 3) and 0.01 <= place[2] <= 1000):
            wrong("a camera is azimuth and elevation in degrees and a zoom from 0.01 to 1000")
        if preset is not None:
            colours.preset_name(preset)
        if window and not (numbers(window, 2) and window[0] < window[1]):
            wrong("a window is two numbers, the smaller one first")
        if kernel is not None and "/" in kernel and not os.path.isfile(kernel):
            wrong("there is no kernel file %s on the server", kernel)
        if kernel is not None and kernel not in colours.KERNELS and not os.path.isfile(kernel):
            wrong('there is no kernel "%s"; there are %s, or the path of a kernel file on the server',
                  kernel, ", ".join([*colours.KERNELS, *kernel_parameters.own()]))
        if array is not None and array not in self.arrays():
            wrong('there is no array "%s"; there are %s', array, ", ".join(self.arrays()))
        if size is not None and not (numbers(size, 2) and all(
                isinstance(n, int) and 16 <= n <= LARGEST for n in size)):
            wrong("a picture has 16 to %d pixels along each side", LARGEST)

    def _need_volume(self):
        if self.display is None:
            raise errors.Refused(errors.REFUSED, "there is nothing to show yet: push a volume, or open a file")

    # --- pictures ------------------------------------------------------------------------------

    def render(self, quick=False):
        """Draws the view as it is. Everything that is drawn is drawn here. quick: coarser, as while
        it is turned."""
        if self.draws() and quick:
            self.view.SMProxy.InteractiveRender()
        elif self.draws():
            simple.Render(self.view)

    def capture(self):
        """The view as it is, as an array (height, width, 4)."""
        self.render()
        return pictures.from_vtk(self.view.SMProxy.CaptureWindow(1))

    def screenshot(self, size=None, camera=None, preset=None, window=None, kernel=None, slice=None, parameters=None):
        """A picture, as an array (height, width, 4) of uint8, and what it shows, as a dict. The
        options count for this picture alone. slice: ("z", 40), the plane of voxels with z = 40."""
        self._need_volume()
        kernel = kernel and kernel_parameters.find(kernel)
        self._check(camera, preset, window, kernel, None, size)
        wanted = self._new_parameters(kernel, parameters)
        before = (self.preset, self.kernel, self.window, list(self.view.ViewSize), self.used_window, self.curves,
                  self.parameters)
        stood = _camera_save(self.view)
        try:
            self.preset = preset or before[0]
            self.kernel, self.parameters = kernel or before[1], wanted
            self.window = tuple(window) if window else before[2]
            self.view.ViewSize = list(size or before[3])
            if camera is not None:
                self._place(camera)
            if slice is not None and preset is None:
                self.preset = "grey"
            if preset or slice is not None:
                self.curves = None
            self._apply_look(self.window or self._find_window())
            if slice is not None:
                picture = self._slice_picture(*slice, tuple(self.view.ViewSize))
            else:
                picture = self.capture()
                if kernel is not None:
                    self._check_kernel()
            return picture, self._provenance(camera, slice, picture.shape)
        finally:
            self.preset, self.kernel, self.window, self.curves, self.parameters = *before[:3], *before[5:]
            self.view.ViewSize = before[3]
            _camera_restore(self.view, stood)
            self._apply_look(before[4])

    def _slice_picture(self, axis, at, size):
        across, spacing = self.slice_values(axis, at)
        plane = colours.look_up(self.array, across[::-1], self.used_window)
        return pictures.fit(plane, spacing, size)

    def _provenance(self, place, slice, shape):
        state = self.state()
        notes = {"shown": state["shown"], "look": state["look"], "size": [shape[1], shape[0]],
                 "versions": {"beamcast": self.receiver.version, "paraview": self.receiver.paraview},
                 "ranks": self.receiver.ranks, "host": socket.gethostname(),
                 "date": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        if place is not None:
            notes["camera"] = list(place)
        if slice is not None:
            notes["slice"] = "%s=%d" % tuple(slice)
        return notes

    # --- voxels --------------------------------------------------------------------------------

    def values(self, region):
        """Voxels of the shown array on rank 0, [z][y][x]; region: (x0, x1, y0, y1, z0, z1) of VTK's
        extent, the last ones included. For parts that fit one rank's memory: planes."""
        return voxels.gather(self, list(region), self.array)[..., 0]

    def slice_values(self, axis, at):
        """The plane of voxels number `at` along x, y or z, as the picture has it: columns are x (y
        where the axis is x), rows are the other axis, the lowest first. And the spacing of rows and
        columns."""
        region, index = self.slice_region(axis, at)
        spacing = [self.geometry()["spacing"][i] for i in (2, 1, 0) if i != index]
        return self.values(region).squeeze(axis=2 - index), spacing

    def slice_region(self, axis, at):
        """The region of such a plane, and the axis as 0, 1 or 2."""
        self._need_volume()
        geometry = self.geometry()
        index = AXES.find(axis)
        if index < 0 or len(axis) != 1 or not isinstance(at, int):
            raise errors.Refused(errors.ARGUMENT, "a slice is x, y or z and the number of a voxel")
        if not 0 <= at < geometry["size"][index]:
            raise errors.Refused(errors.ARGUMENT, "%s=%d does not lie in the volume, whose voxels go from 0 to %d"
                                 % (axis, at, geometry["size"][index] - 1))
        region = list(geometry["extent"])
        region[2 * index] = region[2 * index + 1] = geometry["extent"][2 * index] + at
        return region, index

    def arrays(self):
        """Names of the arrays that can be shown."""
        if self.source is None:
            return []
        points = self.source.GetDataInformation().GetPointDataInformation()
        names = [points.GetArrayInformation(i).GetName() for i in range(points.GetNumberOfArrays())]
        return [name for name in names if name != "vtkGhostType"]

    def place_for_points(self):
        """Places the camera for points where there is no volume."""
        if self.source is None and self._seen != self.bounds():
            self._seen = self.bounds()
            self.camera = {}
            camera.place(self.view, self._seen)

    def draws(self):
        """Whether there is anything to draw."""
        return self.display is not None or self.points.count > 0

    def bounds(self):
        if self.source is None:
            return self.points.bounds()
        return tuple(self.source.GetDataInformation().GetBounds())

    def geometry(self):
        """size, spacing, origin and VTK's extent of what is shown; x, y, z."""
        extent = tuple(self.source.GetDataInformation().GetExtent())
        size = [extent[2 * i + 1] - extent[2 * i] + 1 for i in range(3)]
        bounds = self.bounds()
        spacing = [(bounds[2 * i + 1] - bounds[2 * i]) / (size[i] - 1) if size[i] > 1 else 1.0
                   for i in range(3)]
        return {"size": size, "spacing": spacing, "extent": extent}

    # --- state ---------------------------------------------------------------------------------

    def state(self):
        """Everything that somebody who looks at the session may know, as a JSON object."""
        look = {"preset": self.preset, "kernel": self.kernel, "quality": self.quality,
                "window": list(self.used_window),
                "window_by_itself": self.window is None, "view": list(self.view.ViewSize),
                "curves": colours.curves(self.array) if self.array else None, "by_hand": self.curves is not None,
                "parameters": kernel_parameters.state(self.receiver, self.kernel, self.parameters)}
        return {"version": self.receiver.version, "paraview": self.receiver.paraview,
                "ranks": self.receiver.ranks, "host": socket.gethostname(), "changes": self._changes,
                "stream": dict(self.receiver.status(self.stream), name=self.stream),
                "shown": self._shown(), "look": look}

    def _shown(self):
        """None where there is nothing, or nothing of this array any more."""
        if self.array not in self.arrays():
            return None
        geometry = self.geometry()
        info = self.source.GetDataInformation().GetPointDataInformation().GetArrayInformation(self.array)
        shown = {"array": self.array, "arrays": self.arrays(), "size": geometry["size"],
                 "type": info.GetDataTypeAsString(), "components": info.GetNumberOfComponents(),
                 "spacing": geometry["spacing"], "range": list(info.GetComponentRange(0)),
                 "representation": self._representation()}
        if self.source is self.live:
            step = self.receiver.step(self.stream)
            if step is None:
                return None
            header = json.loads(step["header"] or "{}")
            shown.update(stream=self.stream, step=step["step"], time=step["time"], run=str(step["run"]),
                         length_unit=step["length_unit"], unit=step["units"].get(self.array, ""), source=header.get("source"), header=header)
            if self.time is None:  # a kept step may be another volume
                shown.update(spacing=step["spacing"])
        else:
            shown.update(source=self.path, dataset=self.dataset, notice=_text(self.source, "Notice"),
                         length_unit=_text(self.source, "OutputUnit"), unit=_text(self.source, "ValueUnit"))
        return shown


def _texts(proxy, name):
    """A property's texts, which paraview.simple wraps in various ways."""
    found = proxy.SMProxy.GetProperty(name)
    return [found.GetElement(i) for i in range(found.GetNumberOfElements())]


def _text(proxy, name):
    return (_texts(proxy, name) or [""])[0]


def _camera_save(view):
    return camera.save(view)


def _camera_restore(view, saved):
    camera.restore(view, saved)
