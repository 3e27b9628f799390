# SPDX-License-Identifier: BSD-3-Clause
"""XAC Volume as it is used: with the built-in server, in a client of two ranks, in state files, beside
geometry, cropped, several at once, while the view turns; and its panel in the ParaView program."""
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server", "tests"))
import harness

KERNEL = """XAC_PARAMETER(float, level, 0, 300, 150, "Value of the surface")
XAC_PARAMETER(int, bands, 1, 9, 3, "How many")
XAC_KERNEL(p, color) {
  color->a = fabsf(p->value - XAC_GET(p, level)) < 30.0f ? 0.4f : 0.0f;
  color->r *= (float)XAC_GET(p, bands) / 9.0f;
}
"""
SIZE = [200, 200]


# --- in a client ---------------------------------------------------------------------------------

def new_view(simple):
    view = simple.CreateView("RenderView")
    view.ViewSize = SIZE
    view.OrientationAxesVisibility, view.UseFXAA, view.UseColorPaletteForBackground = 0, 0, 0
    view.Background = [0.2, 0.2, 0.3]
    return view


def look(view):
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = [80, -60, 40], [0, 0, 0], [0, 0, 1]
    view.CameraParallelScale = 35


def show(simple, view, source, kind, array="RTData", opacity=0.1):
    display = simple.Show(source, view)
    look(view)  # Show may have moved the camera
    display.SetRepresentationType(kind)
    simple.ColorBy(display, ("POINTS", array))
    simple.GetColorTransferFunction(array).RGBPoints = [30, 0.9, 0.2, 0.1, 150, 0.3, 0.8, 0.4, 280, 0.2, 0.4, 1]
    simple.GetOpacityTransferFunction(array).Points = [30, 0.01, 0.5, 0, 280, opacity, 0.5, 0]
    display.ScalarOpacityUnitDistance = 1.0
    return display


def save(simple, view, folder, name):
    simple.SaveScreenshot(os.path.join(folder, name + ".png"), view, ImageResolution=SIZE)


def pixels(view):
    """What the window shows, [pixels][3]."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter
    image = vtkWindowToImageFilter()
    image.SetInput(view.GetRenderWindow())
    image.ShouldRerenderOff()
    image.ReadFrontBufferOff()
    image.Update()
    return vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())[:, :3].astype(int)


def status(display):
    display.UpdatePropertyInformation()
    return str(display.GetProperty("XACStatus"))


def plugin(simple):
    simple.LoadPlugin("Beamcast", remote=False)
    simple._DisableFirstRenderCameraReset()


def place(display, offset):
    """Moves what is shown; the property has another name since ParaView 5.13."""
    setattr(display, "Translation" if hasattr(display, "Translation") else "Position", offset)


def scenes(port, folder):
    """The pictures that have to be the same on two ranks and on one; port 0: the built-in server."""
    from paraview import simple
    if int(port):
        simple = harness.connect(port)
    plugin(simple)
    kernel = os.path.join(folder, "..", "kernel.c")
    view = new_view(simple)
    wavelet = simple.Wavelet(WholeExtent=[-20, 20, -20, 20, -20, 20])
    display = show(simple, view, wavelet, "XAC Volume")
    for name in ("local", "scatter+occlusion", kernel):
        display.XACKernel = name
        display.XACParameters = "level=160 bands=7"
        save(simple, view, folder, "user" if name == kernel else name)
    said = status(display)
    assert "kernel.c" in said and " ms a frame" in said, said
    declared = str(display.GetProperty("XACDeclaredParameters"))
    assert "level=160" in declared and "bands=7" in declared and "How many" in declared, declared
    # While the view turns, pixels are twice as wide, also where ranks composite a reduced picture.
    display.XACKernel = "local"
    simple.Render(view)
    view.SMProxy.InteractiveRender()
    middle = pixels(view).reshape(SIZE[1], SIZE[0], 3)[70:130, 70:130]
    changes = (middle[:, 1:] != middle[:, :-1]).any(axis=2).mean()
    assert 0.3 < changes < 0.55, "pixels while turning are %.1f wide" % (1 / changes)
    # Light as arrays; what is shaded is chosen by itself.
    simple.Hide(wavelet, view)
    shade = simple.BeamcastShadeVolume(Input=wavelet, Window=[30, 280])
    cut = simple.Slice(Input=shade)
    cut.SliceType.Normal = [0.3, 1, 0.2]
    for array in ("light", "openness"):
        flat = simple.Show(cut, view)
        look(view)
        simple.ColorBy(flat, ("POINTS", array))
        simple.GetColorTransferFunction(array).RGBPoints = [0, 0, 0, 0.3, 1, 1, 1, 0.3]
        save(simple, view, folder, array)
        least, most = shade.PointData[array].GetRange()
        assert 0 <= least < 0.5 and 0.6 < most <= 1, (array, least, most)
    shade.Output = "Shaded RGBA"
    shade.UpdatePipeline()
    assert shade.PointData["shaded"].GetNumberOfComponents() == 4
    simple.Delete(cut)
    simple.Delete(shade)
    simple.Show(wavelet, view)
    look(view)
    display.XACKernel = "local"
    view.CameraParallelProjection = 1
    save(simple, view, folder, "parallel")
    display.Orientation = [180, 0, 0]  # what was behind is in front now
    save(simple, view, folder, "turned")
    display.Orientation = [0, 0, 0]
    simple.SaveState(os.path.join(folder, "state.pvsm"))
    # Two volumes that reach into one another; ranks cut them alike.
    other = simple.Calculator(Input=wavelet, ResultArrayName="other", Function="RTData")
    second = show(simple, view, other, "XAC Volume", "other")
    place(second, [12, 6, 0])
    save(simple, view, folder, "together")
    assert "cut differently" not in status(second), status(second)
    if int(port):  # along z this one lies where another rank has the first
        place(second, [0, 0, 25])
        simple.Render(view)
        assert "cut differently" in status(second), status(second)
    simple.ResetSession()
    plugin(simple)
    simple.LoadState(os.path.join(folder, "state.pvsm"))
    view = simple.GetRenderViews()[0]
    save(simple, view, folder, "loaded")


def stock(folder):
    """What has to look as with the stock representation, plain, at the same step."""
    from paraview import simple
    plugin(simple)
    for kind in ("Volume", "XAC Volume"):
        view = new_view(simple)
        wavelet = simple.Wavelet(WholeExtent=[-20, 20, -20, 20, -20, 20])
        display = show(simple, view, wavelet, kind)
        display.XACKernel = "plain"
        tag = kind.split()[0]
        save(simple, view, folder, tag + "-alone")
        ball = simple.Show(simple.Sphere(Center=[25, -25, 10], Radius=9, ThetaResolution=40, PhiResolution=40), view)
        simple.Show(simple.Sphere(Center=[0, 0, 0], Radius=12, ThetaResolution=40, PhiResolution=40), view)
        simple.Show(simple.Sphere(Center=[-30, 30, 0], Radius=15, ThetaResolution=40, PhiResolution=40), view)
        save(simple, view, folder, tag + "-balls")
        display.UseCropping, display.CroppingScale, display.CroppingOrigin = 1, [1, 0.5, 1], [0, 4, 0]
        save(simple, view, folder, tag + "-cropped")
        view.CameraParallelProjection = 1
        save(simple, view, folder, tag + "-parallel")
        if kind == "XAC Volume":
            display.UseCropping, display.XACCropping = 0, 1
            display.XACCroppingScale, display.XACCroppingOrigin = [1, 0.5, 1], [0, 4, 0]
            save(simple, view, folder, "XAC-own-crop")
            ball.Opacity = 0.5
            save(simple, view, folder, "XAC-translucent")


def turning(folder):
    """Coarser while the view turns, full when it stands; labels never mixed; the window of values."""
    import numpy as np
    from paraview import simple
    plugin(simple)
    view = new_view(simple)
    wavelet = simple.Wavelet(WholeExtent=[-20, 20, -20, 20, -20, 20])
    labels = simple.Calculator(Input=wavelet, ResultArrayName="label", Function="floor((RTData-30)/85)")
    display = show(simple, view, labels, "XAC Volume", "label")
    colours = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    simple.GetColorTransferFunction("label").RGBPoints = sum(([i] + c for i, c in enumerate(colours)), [])
    simple.GetOpacityTransferFunction("label").Points = [0, 1, 0.5, 0, 3, 1, 0.5, 0]
    display.XACKernel, display.XACLabels, display.XACInteractiveCoarseness = "plain", 1, 4

    def grab():
        return pixels(view)

    simple.Render(view)
    still = grab()
    known = np.array([[c * 255 for c in one] for one in colours] + [[51, 51, 76]])
    away = np.abs(still[:, None, :] - known[None]).max(axis=2).min(axis=1)
    assert away.max() <= 1, "colours between those of two labels: %d" % away.max()
    display.XACLabels = 0
    simple.Render(view)
    full = grab()
    mixed = np.abs(full[:, None, :] - known[None]).max(axis=2).min(axis=1)
    assert mixed.max() > 20, "interpolated labels should be seen"
    view.SMProxy.InteractiveRender()
    coarse = grab()
    assert (coarse != full).any(), "not coarser while turning"
    simple.Render(view)
    assert (grab() == full).all(), "not as before when still"
    bad = os.path.join(folder, "bad.c")
    with open(bad, "w") as stream:
        stream.write("XAC_KERNEL(p, color) {\n  color->a = nonsense;\n}\n")
    display.XACKernel = bad
    simple.Render(view)
    assert (grab() == full).all(), "a kernel that does not compile changed the picture"
    assert "bad.c:2" in status(display) and "nonsense" in status(display), status(display)
    assert "kernel before " + bad in status(display), status(display)
    away = os.path.join(folder, "away.c")
    with open(away, "w") as stream:  # in the trial run the parameter is 0
        stream.write("XAC_PARAMETER(int, endless, 0, 1, 0, \"Never ends\")\n"
                     "XAC_KERNEL(p, color) { while (XAC_GET(p, endless) > 0) color->a = 1; }\n")
    display.XACKernel, display.XACParameters = away, "endless=1"
    simple.Render(view)
    stopped = grab()
    assert "away.c was stopped" in status(display), status(display)
    display.XACKernel = "local"
    simple.Render(view)
    lit, nan, inf = grab(), float("nan"), float("inf")
    assert (stopped == lit).all(), "in the place of a kernel that never ends local light should draw"
    for name, value in (("XACLightVector", [nan, 0, 0]), ("XACUnitDistance", inf)):
        good = getattr(display, name)
        good = list(good) if isinstance(value, list) else good
        setattr(display, name, value)
        simple.Render(view)
        assert (grab() == lit).all(), "%s of %s changed the picture" % (name, value)
        assert any(word in status(display) for word in ("finite", "more than 0")), status(display)
        setattr(display, name, good)
    for name, value in (("XACSampleDistance", nan), ("XACSampleDistance", 1e30), ("XACSampleDistance", 1e-30),
                        ("XACOcclusionRadius", -5), ("XACLightResolution", 100000)):
        good = getattr(display, name)
        setattr(display, name, value)
        simple.Render(view)
        assert (grab() == lit).all(), "%s of %s changed the picture" % (name, value)
        assert " is not from " in status(display), (name, value, status(display))
        setattr(display, name, good)
    simple.Render(view)
    assert " is not from " not in status(display), status(display)
    whole = simple.Calculator(Input=labels, ResultArrayName="whole", Function="label", ResultArrayType="Id Type")
    simple.Hide(labels, view)
    copied = show(simple, view, whole, "XAC Volume", "whole")
    simple.GetColorTransferFunction("whole").RGBPoints = list(simple.GetColorTransferFunction("label").RGBPoints)
    simple.GetOpacityTransferFunction("whole").Points = list(simple.GetOpacityTransferFunction("label").Points)
    simple.Render(view)
    assert "copy in float" in status(copied), status(copied)
    assert np.abs(grab() - lit).max() <= 2, "64-bit integers are not drawn as float"
    simple.Delete(whole)
    simple.Show(labels, view)
    display.XACKernel = "plain"
    display.SMProxy.InvokeCommand("XACMeasure")
    simple.Render(view)
    display.UpdatePropertyInformation()
    window = list(display.GetProperty("XACWindow"))
    assert abs(window[0]) < 0.1 and abs(window[1] - 2.0) < 0.1, window
    # Two volumes, one behind the other: as where they reach into one another by a hair, from both sides.
    simple.Hide(labels, view)
    display = show(simple, view, wavelet, "XAC Volume", opacity=1)
    other = simple.Calculator(Input=wavelet, ResultArrayName="other", Function="310-RTData")
    second = show(simple, view, other, "XAC Volume", "other", opacity=1)
    for camera in ([60, -90, 40], [-60, 90, -30]):
        pictures = []
        for y in (39.99, 40.0, -39.99, -40.0):
            place(second, [0, y, 0])
            view.CameraPosition, view.CameraFocalPoint = camera, [0, 0, 0]
            simple.Render(view)
            pictures.append(grab())
        for hair, apart in (pictures[:2], pictures[2:]):
            assert ((hair - apart) ** 2).mean() < 10, "the order of two volumes is wrong"
        assert ((pictures[0] - pictures[2]) ** 2).mean() > 500, "the second volume should be seen elsewhere"
    simple.Delete(other)
    simple.Show(labels, view)
    look(view)
    # The presets for scripts: the same window, and a picture that shows something.
    sys.path.insert(0, os.path.join(harness.BUILD, "python"))
    import beamcast.presets
    simple.Hide(labels, view)
    display = show(simple, view, wavelet, "XAC Volume")
    display.SMProxy.InvokeCommand("XACMeasure")
    pictures = []
    for name in beamcast.presets.NAMES:
        used = beamcast.presets.apply(display, name)
        simple.Render(view)
        pictures.append(grab())
        display.UpdatePropertyInformation()
        for mine, measured in zip(used, list(display.GetProperty("XACWindow"))):
            assert name == "labels" or abs(mine - measured) < 1.0, (name, used, list(display.GetProperty("XACWindow")))
        assert pictures[-1].std() > 5 and not any((pictures[-1] == one).all() for one in pictures[:-1]), name
    assert display.XACLabels == 1 and used == (0.0, 255.0), used
    for wrong in ("gold", ""):
        try:
            beamcast.presets.apply(display, wrong)
            raise AssertionError("no preset is called " + wrong)
        except ValueError:
            pass


# --- the test ------------------------------------------------------------------------------------

def load(folder, name):
    import numpy as np
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkPNGReader
    reader = vtkPNGReader()
    reader.SetFileName(os.path.join(folder, name + ".png"))
    reader.Update()
    return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())[:, :3].astype(np.float64)


def expect(folder, name, other_folder, other, least):
    import math
    a, b = load(folder, name), load(other_folder, other)
    error = ((a - b) ** 2).mean()
    psnr = 10 * math.log10(255**2 / error) if error else 99.0
    print("%s against %s: %.1f dB" % (name, other, psnr))
    assert a.std() > 10, name + " shows nothing"
    assert psnr >= least, (name, other, psnr)


def run(screen, function, *arguments):
    out = subprocess.run([sys.executable, sys.argv[0], function, *arguments], text=True, timeout=600,
                         capture_output=True, env=harness.environment(screen, plugins=True))
    assert out.returncode == 0, out.stdout + out.stderr


PANEL = """
import os, time, traceback
from paraview.simple import *

def wait(what, condition):
    until = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < until, 'not seen: ' + what
        app.processEvents()
        time.sleep(0.02)

def clicks(view, display, kernel):
    def named(name):
        return [w for w in app.allWidgets() if w.objectName() == name and w.isVisible() and in_panel(w)]
    def in_panel(widget):
        while widget is not None and widget.metaObject().className() != 'XACPanel':
            widget = widget.parentWidget()
        return widget is not None
    def button(text):
        return [w for w in app.allWidgets() if in_panel(w) and w.isVisible() and w.property('text') == text]
    def choose(box, text):
        box.setCurrentIndex(box.findText(text))
        box.activated[int].emit(box.currentIndex())
    def table():
        return list(display.LookupTable.RGBPoints)
    def write(least, greatest):
        with open(kernel, 'w') as stream:
            stream.write('XAC_PARAMETER(int, stripes, %%d, %%d, %%d, "How many")\\n'
                         'XAC_KERNEL(p, color) { color->r *= 0.1f * (float)XAC_GET(p, stripes); }\\n'
                         %% (least, greatest, greatest))
    wait('the panel', lambda: named('Kernel') and named('Preset') and named('Window'))
    before = table()
    choose(named('Preset')[0], 'CT bone')
    wait('the preset', lambda: table() != before)
    whole = table()
    button('Window')[0].click()
    wait('the window of values', lambda: table()[0] > whole[0] + 0.5 and table()[-4] < whole[-4] - 0.5)
    choose(named('Kernel')[0], 'occlusion')
    wait('the kernel', lambda: display.XACKernel == 'occlusion')
    wait('what is in use', lambda: 'kernel occlusion' in named('Status')[0].text())
    write(1, 5)
    line = named('Kernel')[0].lineEdit()
    line.setText(kernel)
    line.editingFinished.emit()
    wait('a row for the parameter', lambda: named('stripes') and named('stripes')[0].maximum() == 5)
    named('stripes')[0].setValue(3)
    wait('the parameter', lambda: 'stripes=3' in str(display.XACParameters))
    write(1, 9)
    button('Reload')[0].click()
    wait('the kernel again', lambda: named('stripes') and named('stripes')[0].maximum() == 9)

try:
    view = GetActiveViewOrCreate('RenderView')
    display = Show(Wavelet(), view)
    display.SetRepresentationType('XAC Volume')
    ColorBy(display, ('POINTS', 'RTData'))
    Render(view)
    said = 'drawn'
    if %(click)r:
        try:
            from PyQt%(qt)s.QtCore import QTimer
            from PyQt%(qt)s.QtWidgets import QApplication
        except ImportError:
            said = 'drawn; nothing clicked: no PyQt%(qt)s (python3-pyqt%(qt)s)'
        else:
            app = QApplication.instance()
            timer = QTimer()  # the welcome dialog would wait for somebody
            timer.timeout.connect(lambda: app.activeModalWidget() and app.activeModalWidget().close())
            timer.start(200)
            clicks(view, display, %(kernel)r)
            said = 'drawn and clicked'
            timer.stop()
except BaseException:
    said = traceback.format_exc()
with open(%(ready)r + '.new', 'w') as stream:
    stream.write(said)
os.rename(%(ready)r + '.new', %(ready)r)
"""


def qt_of_panel(library):
    """5 or 6: what the panel's library is linked with."""
    needed = subprocess.run(["ldd", library], capture_output=True, text=True).stdout
    return 6 if "libQt6Widgets" in needed else 5


def program(screen, folder, kernel):
    """The ParaView program with the panel's library: what is clicked there is done."""
    ready, script = os.path.join(folder, "ready"), os.path.join(folder, "script.py")
    library = os.path.join(harness.BUILD, "lib", "beamcast", "BeamcastPanel.so")
    settings = os.path.join(folder, ".config", "ParaView")
    os.makedirs(settings)
    with open(os.path.join(settings, "ParaView-UserSettings.json"), "w") as stream:
        json.dump({"settings": {"GeneralSettings": {"ShowWelcomeDialog": 0}}}, stream)
    with open(script, "w") as stream:
        stream.write(PANEL % {"kernel": kernel, "ready": ready, "click": os.path.exists(library),
                              "qt": qt_of_panel(library)})
    env = harness.environment(screen, plugins=True, HOME=folder)
    env.pop("XDG_CONFIG_HOME", None)
    log = open(os.path.join(folder, "log"), "w+")
    process = subprocess.Popen(["paraview", "--script=" + script], env=env, stdout=log, stderr=log,
                               start_new_session=True)
    try:
        until = time.monotonic() + harness.LIMIT + 300
        while not os.path.exists(ready):
            assert process.poll() is None and time.monotonic() < until, log.seek(0) or log.read()
            time.sleep(0.1)
        with open("/proc/%d/maps" % process.pid) as stream:
            panel = "BeamcastPanel.so" in stream.read()
        assert panel == os.path.exists(library)
        with open(ready) as stream:
            said = stream.read()
        print("the ParaView program: " + said)
        assert said.startswith("drawn"), said + (log.seek(0) or log.read())
        time.sleep(1)  # nothing depends on it: a panel that falls over would do so now
        assert process.poll() is None, "the program ended by itself"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def main():
    with open(os.path.join(harness.BUILD, "plugin", "Beamcast", "BeamcastRepresentationsXML.h")) as stream:
        if "XAC Volume" not in stream.read():
            harness.skip("the plugin was built without filters/")
    with harness.Screen() as screen, tempfile.TemporaryDirectory(prefix="beamcast-test-") as work:
        one, two, both, home = (os.path.join(work, name) for name in ("one", "two", "both", "home"))
        for folder in (one, two, both, home):
            os.mkdir(folder)
        kernel = os.path.join(work, "kernel.c")
        with open(kernel, "w") as stream:
            stream.write(KERNEL)
        def on_server():
            with harness.Server(screen, 2) as server:
                server.client("scenes", two, plugins=True, timeout=600)

        # Two at a time: each spends most of its time starting, on one processor.
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            parts = [pool.submit(*part) for part in (
                (on_server,), (program, screen, home, os.path.join(home, "kernel.c")), (run, screen, "scenes", "0", one),
                (run, screen, "stock", both), (run, screen, "turning", both))]
        for part in parts:
            part.result()
        for name in ("local", "scatter+occlusion", "user", "light", "openness", "parallel", "turned", "together",
                     "loaded"):
            expect(two, name, one, name, 45)
        for folder in (one, two):
            expect(folder, "loaded", folder, "parallel", 45)
        for name in ("alone", "balls", "cropped", "parallel"):
            expect(both, "XAC-" + name, both, "Volume-" + name, 35)
        expect(both, "XAC-own-crop", both, "XAC-parallel", 60)
        expect(both, "XAC-translucent", both, "XAC-own-crop", 15)


if __name__ == "__main__":
    harness.main({"scenes": scenes, "stock": stock, "turning": turning}, main)
