# SPDX-License-Identifier: BSD-3-Clause
"""Where the camera stands: degrees round a volume instead of positions in its coordinates.

Azimuth 0 looks from the front, from -y towards +y with z up; 90 from the right side of that
picture, from +x. Elevation 90 looks from above, from +z. Zoom 1 shows the whole volume. Pan shifts what is seen to the
right and upwards, in half heights of a picture at zoom 1.
"""
import itertools
import math

PROPERTIES = ("CameraPosition", "CameraFocalPoint", "CameraViewUp", "CameraViewAngle",
              "CameraParallelScale")
VIEW_ANGLE = 30.0  # degrees
FILLED = 0.94  # of the picture's half height or width that the volume reaches at zoom 1


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def axes(azimuth, elevation):
    """Unit vectors from what is looked at towards the camera, to the picture's right, and upwards in it."""
    around, above = math.radians(azimuth), math.radians(elevation)
    away = (math.sin(around) * math.cos(above), -math.cos(around) * math.cos(above), math.sin(above))
    up = (-math.sin(around) * math.sin(above), math.cos(around) * math.sin(above), math.cos(above))
    return away, cross(up, away), up


def place(view, bounds, azimuth=0.0, elevation=0.0, zoom=1.0, pan=(0.0, 0.0)):
    """Puts the camera of a view there. bounds: of what is looked at, x0, x1, y0, y1, z0, z1."""
    away, right, up = axes(azimuth, elevation)
    centre = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    wide = FILLED * math.tan(math.radians(VIEW_ANGLE / 2))
    narrow = min(1.0, view.ViewSize[0] / max(1, view.ViewSize[1]))  # the view angle is the height's
    distance, scale = 0.0, 0.0
    for corner in itertools.product(*(bounds[2 * axis:2 * axis + 2] for axis in range(3))):
        arm = [a - c for a, c in zip(corner, centre)]
        nearer = dot(arm, away)
        aside = max(abs(dot(arm, up)), abs(dot(arm, right)) / narrow)
        distance = max(distance, nearer + aside / wide)
        scale = max(scale, aside / FILLED)
    distance, scale = distance or 1.0, scale or 1.0
    half = distance * math.tan(math.radians(VIEW_ANGLE / 2))
    focus = [c - half * (pan[0] * r + pan[1] * u) for c, r, u in zip(centre, right, up)]
    view.CameraFocalPoint = focus
    view.CameraPosition = [c + distance / zoom * a for c, a in zip(focus, away)]
    view.CameraViewUp = up
    view.CameraViewAngle = VIEW_ANGLE
    view.CameraParallelScale = scale / zoom


def save(view):
    """The camera as it stands, for restore."""
    return {name: list(value) if hasattr(value, "__len__") else value
            for name in PROPERTIES for value in [getattr(view, name)]}


def restore(view, saved):
    for name, value in saved.items():
        setattr(view, name, value)
