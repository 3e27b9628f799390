"""Holds the demo's pictures against the CT itself: compare.py CT.raw FOLDER

Draws what the pictures should show with a few lines of NumPy: the slice, and the depth of the first
bone and skin seen from a side, shaded by its slope. The picture must look like that, and less like it
when it is mirrored or stood on its head; and it must be as large as the patient, in mm.
"""
import sys

import numpy
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOImage import vtkPNGReader

SPACING = numpy.array([0.9570312, 0.9570312, 1.5])  # x, y, z
SHAPE = (108, 256, 256)  # z, y, x
HEIGHT_MM = 260.0  # of a picture
MIDDLE = (numpy.array(SHAPE[::-1]) - 1) * SPACING / 2


def read_volume(path):
    """[z][y][x] in Hounsfield units, without the head rest."""
    volume = numpy.fromfile(path, "<i2").reshape(SHAPE).copy()
    y, x = numpy.mgrid[0:256, 0:256]
    rest = (y > 130) & (numpy.hypot(x - 130.4, y - 147.3) > 110)
    volume[:, rest] = -1000
    return volume


def read_picture(path):
    """Brightness [row][column], row 0 at the top."""
    reader = vtkPNGReader()
    reader.SetFileName(path)
    reader.Update()
    image = reader.GetOutput()
    width, height, _ = image.GetDimensions()
    colours = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
    return colours[::-1, :, :3].astype(float).mean(axis=2)


def shaded_depth(solid):
    """Brightness of the first solid voxel along axis 0 (steps of one x-voxel), 0 where there is none."""
    depth = solid.argmax(axis=0).astype(float)
    seen = solid.any(axis=0)
    depth[~seen] = numpy.nan
    slope_0, slope_1 = numpy.gradient(depth)
    light = 1 / numpy.sqrt(1 + slope_0 ** 2 / 2.5 + slope_1 ** 2)
    return numpy.where(seen, numpy.nan_to_num(light, nan=0.3), 0)


def sample(image, spacing, middle, pixels):
    """An image [v][u] with this spacing (u, v), v upwards, on the pixels of a square picture."""
    mm = ((numpy.arange(pixels) + 0.5) / pixels - 0.5) * HEIGHT_MM
    u = numpy.rint((mm + middle[0]) / spacing[0]).astype(int)
    v = numpy.rint((-mm + middle[1]) / spacing[1]).astype(int)
    inside = numpy.logical_and.outer((v >= 0) & (v < image.shape[0]), (u >= 0) & (u < image.shape[1]))
    values = image[numpy.clip(v, 0, image.shape[0] - 1)[:, None], numpy.clip(u, 0, image.shape[1] - 1)]
    return numpy.where(inside, values, 0)


def extent(mask):
    """Height and width of what is set, in pixels."""
    return numpy.ptp(numpy.flatnonzero(mask.any(axis=1))) + 1, numpy.ptp(numpy.flatnonzero(mask.any(axis=0))) + 1


def compare(name, picture, expected):
    pixels = picture.shape[0]
    edge = pixels // 10  # the letters and the caption are there
    inner = (slice(edge, -edge), slice(edge, -edge))
    picture, expected = picture[inner], expected[inner]

    def likeness(other):
        return numpy.corrcoef(picture.ravel(), other.ravel())[0, 1]

    straight = likeness(expected)
    mirrored = likeness(expected[:, ::-1])
    upside_down = likeness(expected[::-1])
    size = numpy.array(extent(picture > 40))
    size_expected = numpy.array(extent(expected > 0.05))
    print(f"{name}: likeness {straight:.3f}, mirrored {mirrored:.3f}, upside down {upside_down:.3f}, "
          f"size {size} of {size_expected} pixels")
    good = straight > 0.75 and straight > mirrored + 0.02 and straight > upside_down + 0.02
    return good and bool((abs(size - size_expected) <= 0.03 * pixels).all())


def main():
    volume = read_volume(sys.argv[1])
    folder = sys.argv[2]
    dx, dy, dz = SPACING
    pictures = {name: read_picture(f"{folder}/ct-{name}.png") for name in ("bone-front", "skin-left", "axial")}
    pixels = pictures["axial"].shape[0]

    # From the front: y away from the viewer, x to the right, z up.
    front = sample(shaded_depth((volume > 300).swapaxes(0, 1)), (dx, dz), (MIDDLE[0], MIDDLE[2]), pixels)
    # From the patient's left: x towards the viewer, y to the right, z up.
    left = sample(shaded_depth((volume > -350).transpose(2, 0, 1)[::-1]), (dy, dz), (MIDDLE[1], MIDDLE[2]), pixels)
    # From below: x to the right, y downwards. The slice itself has the head rest.
    whole = numpy.fromfile(sys.argv[1], "<i2").reshape(SHAPE)
    grey = numpy.clip((whole[107 * 3 // 5] + 100) / 300, 0, 1)
    axial = sample(grey[::-1], (dx, dy), (MIDDLE[0], MIDDLE[1]), pixels)

    good = [compare("bone-front", pictures["bone-front"], front), compare("skin-left", pictures["skin-left"], left),
            compare("axial", pictures["axial"], axial)]
    sys.exit(0 if all(good) else 1)


main()
