#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our renderer beside ParaView's (VTK's) on the same volumes, tables, cameras, step and picture size.

compare.py BENCH_RENDER [--size 256] [--pixels 1024] [--frames 3] [--stock-frames 2] [--head FILE]
           [--scaling 128,256,512,768] [--cases PART,...] [--json FILE] [--tiny]
Wants an X server and the Python that sees VTK: bench/render/run calls it as it should be called. One JSON
object a case on standard output, all of them and the conditions in --json."""
import argparse
import json
import math
import os
import platform
import subprocess
import sys
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

try:
    from vtkmodules.vtkRenderingRayTracing import vtkOSPRayPass
except ImportError:  # Debian's ParaView has none
    vtkOSPRayPass = None

CASES = ("dense-float32", "dense-uint16", "head", "scaling")
# What has to hold: times faster than "GPU Based", plain and local.
TARGETS = {"dense-float32": (2.5, 5.0), "dense-uint16": (2.5, 5.0), "head": (5.0, 10.0)}

parser = argparse.ArgumentParser()
parser.add_argument("bench")
parser.add_argument("--size", type=int, default=256)
parser.add_argument("--pixels", type=int, default=1024)
parser.add_argument("--frames", type=int, default=5)
parser.add_argument("--stock-frames", type=int, default=2)
parser.add_argument("--head", help="raw int16 108 x 256 x 256 head CT")
parser.add_argument("--scaling", default="128,256,512,768")
parser.add_argument("--cases", default=",".join(CASES))
parser.add_argument("--backend", default="cpu")
parser.add_argument("--json")
parser.add_argument("--tiny", action="store_true", help="sizes that only show that everything runs")
options = parser.parse_args()
if options.tiny:
    options.size, options.pixels, options.frames, options.stock_frames, options.scaling = 32, 64, 1, 1, "16,32"


def waves(n, kind):
    """Nothing empty: waves in all directions."""
    x = np.arange(n, dtype=np.float32) * (256 / n)
    v = 0.5 + 0.25 * (np.sin(0.1 * x)[None, None, :] + np.sin(0.13 * x)[None, :, None] * np.cos(0.07 * x)[:, None, None])
    return v.astype(np.float32) if kind == "float32" else (v * 65535).astype(np.uint16)


def shell(n):
    """Mostly empty: a sphere's shell, always six voxels thick, so that what shows grows with n squared."""
    x = np.arange(n, dtype=np.float32) - 0.5 * (n - 1)
    flat, volume = x[None, :]**2 + x[:, None]**2, np.empty((n, n, n), np.float32)
    for z in range(n):
        volume[z] = np.clip(1.0 - np.abs(np.sqrt(flat + x[z]**2) - 0.4 * n) / 3.0, 0.0, 1.0)
    return volume


DENSE = [(0.0, (0.9, 0.3, 0.2), 0.002), (0.5, (0.4, 0.8, 0.3), 0.004), (1.0, (0.3, 0.4, 0.9), 0.006)]
SHELL = [(0.0, (0.9, 0.3, 0.2), 0.0), (0.2, (0.4, 0.8, 0.3), 0.0), (1.0, (0.9, 0.9, 0.8), 0.05)]
BONE = [(-1000, (0.3, 0.1, 0.05), 0.0), (150, (0.7, 0.45, 0.3), 0.0), (300, (0.9, 0.8, 0.65), 0.35),
        (1500, (1.0, 1.0, 0.95), 0.9)]


def camera_of(shape, spacing, frame):
    length = [(n - 1) * s for n, s in zip(shape[::-1], spacing)]
    focus = [0.5 * a for a in length]
    size, angle = max(length), -1.1 + 0.5 * frame
    eye = [focus[0] + 2.2 * size * math.cos(angle), focus[1] + 2.2 * size * math.sin(angle), focus[2] + 0.5 * size]
    return eye, focus


def stock(volume, spacing, points, step, shade, mapper, ray_pass=None):
    """Median ms of a frame, how many were drawn, and the first camera's picture."""
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
    if hasattr(mapper, "SetInteractiveSampleDistance"):
        mapper.SetInteractiveSampleDistance(step)
        mapper.SetImageSampleDistance(1.0)
    prop_volume = vtkVolume()
    prop_volume.SetMapper(mapper)
    prop_volume.SetProperty(prop)
    renderer, window = vtkRenderer(), vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)
    window.SetSize(options.pixels, options.pixels)
    window.AddRenderer(renderer)
    renderer.AddVolume(prop_volume)
    if ray_pass:
        renderer.SetPass(ray_pass)
    renderer.SetBackground(0, 0, 0)
    camera = renderer.GetActiveCamera()
    camera.SetViewAngle(30)
    camera.SetViewUp(0, 0, 1)
    times, picture = [], None
    for frame in [0] + list(range(options.stock_frames)):  # the first warms up
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
            picture = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
            picture = picture.reshape(options.pixels, options.pixels, -1)[..., :3].copy()
        if len(times) == 1 and times[0] > 15e3:  # a slow one: its warm-up has to do
            break
    window.Finalize()
    timed = times[1:] or times
    return float(np.median(timed)), len(timed), picture


def ours(volume, spacing, points, step, kernels, frames):
    """Rows of bench_render by kernel, its first row, and the plain picture."""
    with tempfile.TemporaryDirectory() as folder:
        path, table = os.path.join(folder, "volume.raw"), os.path.join(folder, "table.raw")
        volume.tofile(path)
        at = np.linspace(points[0][0], points[-1][0], 4096)
        rgba = [np.interp(at, [p[0] for p in points], [p[1][c] for p in points]) for c in range(3)]
        rgba.append(np.interp(at, [p[0] for p in points], [p[2] for p in points]))
        np.stack(rgba, axis=1).astype(np.float32).tofile(table)
        nz, ny, nx = volume.shape
        command = [options.bench, path, str(nx), str(ny), str(nz), str(volume.dtype),
                   "spacing=%g,%g,%g" % tuple(spacing), "pixels=%d" % options.pixels, "step=%g" % step,
                   "frames=%d" % frames, "kernels=" + kernels, "table=" + table, "backend=" + options.backend,
                   "range=%.9g,%.9g" % (points[0][0], points[-1][0]), "out=" + os.path.join(folder, "ours")]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        picture = np.fromfile(os.path.join(folder, "ours" + kernels[0] + ".rgb"), np.uint8)
    rows = [json.loads(line) for line in text.splitlines()]
    merged = {}
    for row in rows:
        if "kernel" not in row:
            merged.update(row)
    return ({row["kernel"]: row for row in rows if "kernel" in row}, merged,
            picture.reshape(options.pixels, options.pixels, 3))


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 10 * math.log10(255 ** 2 / error) if error else 99.0


found = []


def say(line):
    found.append(line)
    print(json.dumps(line), flush=True)


def case(name, volume, spacing, points, step):
    rows, general, picture = ours(volume, spacing, points, step, "0,1,2,4,5,6", options.frames)
    line = {"case": name, "size": list(volume.shape[::-1]), "type": str(volume.dtype), "what": rows[0]["what"]}
    line.update(general)
    for bits, key in ((0, "plain"), (1, "local"), (2, "scatter"), (4, "occlusion"), (5, "local+occlusion"),
                      (6, "scatter+occlusion")):
        line[key + "_ms"] = rows[bits]["median_ms"]
        line[key + "_million_samples_a_second"] = rows[bits]["million_samples_a_second"]
    line["light_ms"] = rows[4]["light_ms"]
    line["occlusion_costs"] = round(line["local+occlusion_ms"] / line["local_ms"], 2)
    missed = [] if line["occlusion_costs"] <= 1.5 else ["local+occlusion at most 1.5 times local"]
    peers = [(vtkGPUVolumeRayCastMapper, "gpu_based", None), (vtkFixedPointVolumeRayCastMapper, "ray_cast_only", None)]
    if vtkOSPRayPass:
        peers.append((vtkGPUVolumeRayCastMapper, "ospray", vtkOSPRayPass))
    for mapper, label, ray_pass in peers:
        for shade, key in ((False, "plain"), (True, "local")):
            ms, frames, theirs = stock(volume, spacing, points, step, shade, mapper(), ray_pass and ray_pass())
            times = ms / line[key + "_ms"]
            line["%s_%s_ms" % (label, key)] = round(ms, 1)
            line["%s_%s_frames" % (label, key)] = frames
            line["times_%s_%s" % (label, key)] = round(times, 1)
            if label == "gpu_based" and not shade:
                line["psnr_plain"] = round(psnr(picture, theirs), 1)
            if label == "gpu_based" and name in TARGETS and times < TARGETS[name][shade]:
                missed.append("%s at least %g times GPU Based" % (key, TARGETS[name][shade]))
    if line["psnr_plain"] < 35:
        missed.append("plain at least 35 dB against GPU Based")
    line["missed"] = missed
    say(line)


def scaling(n):
    """A frame's cost where what shows grows with n squared, in a volume that grows with n cubed."""
    rows, general, _ = ours(shell(n), (1, 1, 1), SHELL, 1.0, "0,1", 3 if n > 256 else options.frames)
    line = {"case": "scaling", "size": n}
    line.update(general)
    for bits, key in ((0, "plain"), (1, "local")):
        line[key + "_ms"] = rows[bits]["median_ms"]
        line[key + "_million_samples_a_frame"] = rows[bits]["million_samples_a_frame"]
        line[key + "_ns_a_sample"] = round(rows[bits]["median_ms"] / max(rows[bits]["million_samples_a_frame"], 0.1), 2)
    say(line)


def conditions():
    with open("/proc/cpuinfo") as stream:
        models = [line.split(":", 1)[1].strip() for line in stream if line.startswith("model name")]
    return {"processor": models[0] if models else platform.machine(), "processors": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0], "pixels": options.pixels, "frames": options.frames}


def main():
    wanted = options.cases.split(",")
    unknown = set(wanted) - set(CASES)
    if unknown:
        sys.exit("compare.py: no case is called %s; there are %s" % (", ".join(sorted(unknown)), ", ".join(CASES)))
    start, minutes = time.time(), 0.1 if options.tiny else 4.0 * sum(c != "scaling" for c in wanted) + 2.0 * ("scaling" in wanted)
    print("compare.py: about %.0f minutes on two idle cores" % max(minutes, 1), file=sys.stderr, flush=True)
    begin = conditions()
    n = options.size
    for kind, most in (("float32", 1.0), ("uint16", 65535.0)):
        if "dense-" + kind in wanted:
            case("dense-" + kind, waves(n, kind), (1, 1, 1), [(most * a, c, o) for a, c, o in DENSE], 256.0 / n)
    if "head" in wanted and options.head:
        head = np.fromfile(options.head, np.int16).reshape(108, 256, 256)
        case("head", head, (0.957, 0.957, 1.5), BONE, 0.957)
    elif "head" in wanted:
        print("compare.py: no head CT (--head); that case is left out", file=sys.stderr)
    if "scaling" in wanted:
        for size in options.scaling.split(","):
            scaling(int(size))
    if options.json:
        with open(options.json, "w") as stream:
            json.dump({"conditions": begin, "seconds": round(time.time() - start), "cases": found}, stream, indent=1)
            stream.write("\n")
    missed = [line["case"] + ": " + text for line in found for text in line.get("missed", [])]
    print("compare.py: %d s; %s" % (time.time() - start, "all that has to hold holds" if not missed else
                                    "missed: " + "; ".join(missed)), file=sys.stderr)


main()
