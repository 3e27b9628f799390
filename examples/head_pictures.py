"""Pictures of the head that examples/push shows, made by a stock ParaView client:

    pvpython --force-offscreen-rendering head_pictures.py HOST:PORT FOLDER [SIZE]

Connects to a running server, waits for the first volume of the stream "volume", and writes
FOLDER/ct-*.png. Prints the time of the first picture. x, y, z go to the patient's left, back and
top (see examples/cranium), in mm.
"""
import os
import sys
import time

from paraview import simple

# Tissue by its X-ray density in Hounsfield units: colours as (HU, red, green, blue), opacity as (HU, opacity).
BONE = {
    "colours": [(-1024, 0.60, 0.45, 0.30), (150, 0.75, 0.60, 0.45), (400, 0.93, 0.87, 0.75), (1500, 1, 0.99, 0.95)],
    "opacity": [(-1024, 0), (180, 0), (330, 0.6), (700, 1), (3000, 1)],
}
SKIN_SURFACE = {"value": -350, "colour": (0.93, 0.74, 0.62)}
BONE_SURFACE = {"value": 300, "colour": (0.95, 0.90, 0.78)}
GREY = [(-100, 0, 0, 0), (200, 1, 1, 1)]

# Where the camera stands, seen from the head, and the letters at the picture's left and right edge.
FRONT = {"from": (0, -1, 0), "up": (0, 0, 1), "edges": "RL"}
LEFT = {"from": (1, 0, 0), "up": (0, 0, 1), "edges": "AP"}
RIGHT_OBLIQUE = {"from": (-0.75, -1, 0.25), "up": (0, 0, 1), "edges": "RL"}
BELOW = {"from": (0, 0, -1), "up": (0, -1, 0), "edges": "RL"}  # how radiologists look at slices

# The scanner's head rest is a shell round the back of the head; the volume has it, the pictures not.
WITHOUT_HEAD_REST = "if((coordsY>124)&((coordsX-124.75)^2+(coordsY-140.9)^2>105.3^2),-1000,density)"


def say(line):
    """Prints at once: the sys.stdout of pvpython may keep what goes to a file until the end."""
    os.write(1, f"{line}\n".encode())


def wait_for_volume(stream, seconds=60):
    """Polls until the server has the first whole step."""
    until = time.time() + seconds
    while time.time() < until:
        stream.InvokeCommand("Refresh")
        stream.UpdatePropertyInformation()
        if stream.StepShown >= 0:
            stream.UpdatePipeline()
            return
        time.sleep(0.02)
    raise SystemExit(f"head_pictures: no volume came within {seconds} s; did the producer fail?")


class Pictures:
    """A view, and what is needed to look at it from several sides."""

    def __init__(self, folder, size):
        self.folder = folder
        self.view = simple.CreateView("RenderView")
        self.view.ViewSize = [size, size]
        self.view.UseColorPaletteForBackground = 0
        self.view.Background = [0, 0, 0]
        self.view.OrientationAxesVisibility = 0
        self.view.CameraParallelProjection = 1
        self.edges = [self.text(0.03, 0.5, 28), self.text(0.94, 0.5, 28)]
        self.caption = self.text(0.03, 0.03, 16)
        self.view.StillRender()  # the first one resets the camera

    def text(self, x, y, size):
        """A text at a place of the picture, (0, 0) being its lower left corner."""
        text = simple.Text(Text=" ")
        display = simple.Show(text, self.view)
        display.WindowLocation = "Any Location"
        display.Position = [x, y]
        display.FontSize = size
        display.Color = [0.9, 0.9, 0.9]
        return text

    def save(self, name, look, caption, bounds):
        """Looks from one side at the middle of the bounds and writes ct-NAME.png."""
        centre = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        self.view.CameraFocalPoint = centre
        self.view.CameraPosition = [c + 600 * step for c, step in zip(centre, look["from"])]
        self.view.CameraViewUp = look["up"]
        self.view.CameraParallelScale = 130  # mm from the middle to the upper edge
        for text, letter in zip(self.edges, look["edges"]):
            text.Text = letter
        self.caption.Text = caption
        path = f"{self.folder}/ct-{name}.png"
        simple.SaveScreenshot(path, self.view)
        say(path)


def colour(display, array, tissue):
    """Colours a display of the array by a tissue's table."""
    simple.ColorBy(display, ("POINTS", array))
    display.SetScalarBarVisibility(simple.GetActiveView(), False)
    table = simple.GetColorTransferFunction(array)
    table.ColorSpace = "RGB"
    table.RGBPoints = [value for point in tissue["colours"] for value in point]
    opacity = simple.GetOpacityTransferFunction(array)
    opacity.Points = [value for hu, alpha in tissue["opacity"] for value in (hu, alpha, 0.5, 0)]


def volume(source, view, array, tissue):
    """Shows a source as a volume."""
    display = simple.Show(source, view)
    display.SetRepresentationType("Volume")
    display.ScalarOpacityUnitDistance = 1.0
    colour(display, array, tissue)
    return display


def surface(source, view, array, tissue):
    """Shows where a tissue begins."""
    contour = simple.Contour(source, ContourBy=["POINTS", array], Isosurfaces=[tissue["value"]],
                             ComputeNormals=1, ComputeScalars=0)
    display = simple.Show(contour, view)
    simple.ColorBy(display, ("POINTS", None))
    display.AmbientColor = display.DiffuseColor = tissue["colour"]
    display.Specular, display.SpecularPower = 0.2, 20
    return contour, display


def take(pictures, stream):
    """All pictures of the head in a source with the array density."""
    view = pictures.view
    bounds = stream.GetDataInformation().GetBounds()
    volume(stream, view, "density", BONE)
    pictures.save("first", FRONT, "bone, unlit, as it arrived", bounds)
    say(f"first picture at {time.time():.3f}")

    simple.Hide(stream, view)
    head = simple.Calculator(stream, ResultArrayName="head", Function=WITHOUT_HEAD_REST, ResultArrayType="Short")
    skin, _ = surface(head, view, "head", SKIN_SURFACE)
    pictures.save("skin-front", FRONT, "skin", bounds)
    pictures.save("skin-left", LEFT, "skin, from the left", bounds)
    simple.Hide(skin, view)
    bone, _ = surface(head, view, "head", BONE_SURFACE)
    pictures.save("bone-front", FRONT, "bone", bounds)
    pictures.save("bone-oblique", RIGHT_OBLIQUE, "bone, from the right", bounds)

    simple.Hide(bone, view)
    slice_ = simple.Show(stream, view)
    slice_.SetRepresentationType("Slice")
    slice_.Slice = stream.GetDataInformation().GetExtent()[5] * 3 // 5
    simple.ColorBy(slice_, ("POINTS", "density"))
    slice_.SetScalarBarVisibility(view, False)
    simple.GetColorTransferFunction("density").RGBPoints = [value for point in GREY for value in point]
    pictures.save("axial", BELOW, "slice, -100 to 200 HU", bounds)


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    simple.Connect(host, int(port))
    pictures = Pictures(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 720)
    stream = simple.BeamcastStream()
    say("waiting for a volume")
    wait_for_volume(stream)
    take(pictures, stream)


if __name__ == "__main__":
    main()
