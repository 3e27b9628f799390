#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our renderer beside ParaView's (VTK's) on the same volumes, tables, cameras, step and picture size.

compare.py BENCH_RENDER [--size 256] [--pixels 1024] [--frames 3] [--head FILE] [--pictures FOLDER]
Wants an X server (xvfb-run) and the Python that sees VTK. Prints one line a case."""
import argparse
import json
import math
import os
import subprocess
import tempfile
import time

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPiecewiseFunction
from vtkmodules.vtkRenderingCore import (vtkColorTransferFunction, vtkRenderer, vtkRenderWindow, vtkVolume,
                                         vtkVolumeProperty, vtkWindowToImageFilter)
from vtkmodules.vtkRenderingVolume import vtkFixedPointVolumeRayCastMapper, vtkGPUVolumeRayCastMapper

parser = argparse.ArgumentParser()
parser.add_argument("bench")
parser.add_argument("--size", type=int, default=256)
parser.add_argument("--pixels", type=int, default=1024)
parser.add_argument("--frames", type=int, default=3)
parser.add_argument("--head", help="raw int16 108 x 256 x 256 head CT")
parser.add_argument("--pictures")
parser.add_argument("--cpu-too", action="store_true", help='"Ray Cast Only" as well')
options = parser.parse_args()


def dense(n, kind):
    """Nothing empty: waves in all directions."""
    x = np.arange(n, dtype=np.float32) * (256 / n)
    v = 0.5 + 0.25 * (np.sin(0.1 * x)[None, None, :] + np.sin(0.13 * x)[None, :, None] * np.cos(0.07 * x)[:, None, None])
    return v.astype(np.float32) if kind == "float32" else (v * 65535).astype(np.uint16)


DENSE = [(0.0, (0.9, 0.3, 0.2), 0.002), (0.5, (0.4, 0.8, 0.3), 0.004), (1.0, (0.3, 0.4, 0.9), 0.006)]
BONE = [(-1000, (0.3, 0.1, 0.05), 0.0), (150, (0.7, 0.45, 0.3), 0.0), (300, (0.9, 0.8, 0.65), 0.35),
        (1500, (1.0, 1.0, 0.95), 0.9)]


def camera_of(shape, spacing, frame):
    length = [(n - 1) * s for n, s in zip(shape[::-1], spacing)]
    focus = [0.5 * a for a in length]
    size, angle = max(length), -1.1 + 0.5 * frame
    eye = [focus[0] + 2.2 * size * math.cos(angle), focus[1] + 2.2 * size * math.sin(angle), focus[2] + 0.5 * size]
    return eye, focus


def stock(volume, spacing, points, step, shade, mapper):
    """Median ms of a frame, and the first frame's picture."""
    image = vtkImageData()
    image.SetDimensions(*volume.shape[::-1])
    image.SetSpacing(*spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(volume.ravel(), deep=False))
    color, opacity = vtkColorTransferFunction(), vtkPiecewiseFunction()
    for at, rgb, alpha in points:
        color.AddRGBPoint(at, *rgb)
        opacity.AddPoint(at, alpha)
    prop = vtkVolumeProperty()
    prop.SetColor(color)
    prop.SetScalarOpacity(opacity)
    prop.SetScalarOpacityUnitDistance(1.0)
    prop.SetInterpolationTypeToLinear()
    prop.SetShade(shade)
    mapper.SetInputData(image)
    mapper.SetAutoAdjustSampleDistances(False)
    mapper.SetSampleDistance(step)
    if hasattr(mapper, "LockSampleDistanceToInputSpacingOff"):
        mapper.LockSampleDistanceToInputSpacingOff()
    prop_volume = vtkVolume()
    prop_volume.SetMapper(mapper)
    prop_volume.SetProperty(prop)
    renderer, window = vtkRenderer(), vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)
    window.SetSize(options.pixels, options.pixels)
    window.AddRenderer(renderer)
    renderer.AddVolume(prop_volume)
    renderer.SetBackground(0, 0, 0)
    camera = renderer.GetActiveCamera()
    camera.SetViewAngle(30)
    camera.SetViewUp(0, 0, 1)
    times, picture = [], None
    for frame in [0] + list(range(options.frames)):  # the first warms up
        eye, focus = camera_of(volume.shape, spacing, frame)
        camera.SetPosition(*eye)
        camera.SetFocalPoint(*focus)
        renderer.ResetCameraClippingRange()
        begin = time.perf_counter()
        window.Render()
        window.WaitForCompletion()
        grab = vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.ShouldRerenderOff()
        grab.Update()
        times.append((time.perf_counter() - begin) * 1e3)
        if picture is None:
            picture = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(options.pixels, options.pixels, -1)[..., :3].copy()
    window.Finalize()
    return float(np.median(times[1:])), picture


def ours(volume, spacing, points, step, folder, name):
    path, table = os.path.join(folder, "volume.raw"), os.path.join(folder, "table.raw")
    volume.tofile(path)
    at = np.linspace(points[0][0], points[-1][0], 4096)
    rgba = np.stack([np.interp(at, [p[0] for p in points], [p[1][c] for p in points]) for c in range(3)] +
                    [np.interp(at, [p[0] for p in points], [p[2] for p in points])], axis=1).astype(np.float32)
    rgba.tofile(table)
    nz, ny, nx = volume.shape
    text = subprocess.run([options.bench, path, str(nx), str(ny), str(nz), str(volume.dtype),
                           "spacing=%g,%g,%g" % tuple(spacing), "pixels=%d" % options.pixels, "step=%g" % step,
                           "frames=%d" % options.frames, "kernels=0,1,5", "table=" + table,
                           "range=%.9g,%.9g" % (points[0][0], points[-1][0]), "out=" + os.path.join(folder, name)],
                          check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in text.splitlines()]
    picture = np.fromfile(os.path.join(folder, name + "0.rgb"), np.uint8).reshape(options.pixels, options.pixels, 3)
    return {row["kernel"]: row for row in rows if "kernel" in row}, picture


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 10 * math.log10(255 ** 2 / error) if error else 99.0


def case(title, volume, spacing, points, step):
    with tempfile.TemporaryDirectory() as folder:
        rows, picture = ours(volume, spacing, points, step, folder, "ours")
    line = {"case": title, "plain_ms": rows[0]["median_ms"], "local_ms": rows[1]["median_ms"],
            "local+occlusion_ms": rows[5]["median_ms"], "light_ms": rows[5]["light_ms"],
            "plain_million_samples_a_second": rows[0]["million_samples_a_second"],
            "local_million_samples_a_second": rows[1]["million_samples_a_second"]}
    for shade, key in ((False, "plain"), (True, "local")):
        ms, stock_picture = stock(volume, spacing, points, step, shade, vtkGPUVolumeRayCastMapper())
        line["gpu_based_%s_ms" % key] = round(ms, 1)
        line["times_faster_%s" % key] = round(ms / line[key + "_ms"], 1)
        if not shade:
            line["psnr_plain"] = round(psnr(picture, stock_picture), 1)
            if options.pictures:
                picture.tofile(os.path.join(options.pictures, title.replace(" ", "_") + "_ours.rgb"))
                stock_picture.tofile(os.path.join(options.pictures, title.replace(" ", "_") + "_stock.rgb"))
        if options.cpu_too:
            ms, _ = stock(volume, spacing, points, step, shade, vtkFixedPointVolumeRayCastMapper())
            line["ray_cast_only_%s_ms" % key] = round(ms, 1)
    print(json.dumps(line), flush=True)


n = options.size
case("dense float32 %d" % n, dense(n, "float32"), (1, 1, 1), [(256 / 256 * a, c, o) for a, c, o in DENSE], 1.0)
case("dense uint16 %d" % n, dense(n, "uint16"), (1, 1, 1), [(65535 * a, c, o) for a, c, o in DENSE], 1.0)
if options.head:
    head = np.fromfile(options.head, np.int16).reshape(108, 256, 256)
    case("head bone int16", head, (0.957, 0.957, 1.5), BONE, 0.957)
