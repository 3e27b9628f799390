"""Pictures of a head that grows while examples/reconstruct makes it, by a stock ParaView client:

    pvpython --force-offscreen-rendering growing_pictures.py HOST:PORT FOLDER STEP [SIZE]

Connects to a running server and looks at every step of the stream "volume" that it can keep up with, until it has seen
STEP or a later one. Writes FOLDER/ct-growing-N.png about six times on the way, then the pictures of head_pictures.py and
one for each of our shading kernels, FOLDER/ct-xac-*.png. Prints the times of the first picture and of the last step's.
"""
import sys
import time

from paraview import simple

import head_pictures
from head_pictures import BONE, FRONT, RIGHT_OBLIQUE, Pictures, say

PICTURES = 6  # of the growth
XAC = "XAC Volume"  # our representation; the plugin brings it
KERNELS = {"plain": "unlit", "local": "lit by its gradients", "occlusion": "less light where it is hemmed in",
           "local+occlusion": "both", "scatter": "shadows", "scatter+occlusion": "shadows, less light where hemmed in"}


def show(source, array, view):
    """The source as bone, with our kernels where the plugin is, else with ParaView's."""
    display = head_pictures.volume(source, view, array, BONE)
    if XAC in list(display.GetProperty("Representation").Available):
        display.SetRepresentationType(XAC)
        display.XACKernel = "local"
    return display


def warm_up(view):
    """The first picture of a server takes longer: kernels are compiled, the screen is opened."""
    wavelet = simple.Wavelet(WholeExtent=[-8, 8] * 3)
    wavelet.UpdatePipeline()
    show(wavelet, "RTData", view)
    simple.Render(view)
    simple.Hide(wavelet, view)
    simple.Delete(wavelet)


def watch(pictures, stream, last, seconds=240):
    """Looks at each step that comes, until the last."""
    begun, shown, wanted, saved, display = time.time(), -1, 0, 0, None
    while shown < last:
        if time.time() - begun > seconds:
            raise SystemExit(f"growing_pictures: no step {last} within {seconds} s, the last was {shown}")
        stream.InvokeCommand("Refresh")
        stream.UpdatePropertyInformation()
        if stream.StepShown == shown:
            time.sleep(0.01)
            continue
        shown = stream.StepShown
        stream.UpdatePipeline()
        if display is None:
            display = show(stream, "density", pictures.view)
        bounds = stream.GetDataInformation().GetBounds()
        if shown * PICTURES >= wanted * last:
            saved += 1
            pictures.save(f"growing-{saved}", FRONT, f"step {shown}", bounds)
            wanted = shown * PICTURES // last + 1
        else:
            simple.Render(pictures.view)
        if shown < last:
            say(f"picture of step {shown} at {time.time():.3f}")
    say(f"last picture at {time.time():.3f}")
    say(f"rate {stream.Rate / 1e6:.0f} MB/s {stream.Wire}")


def kernels(pictures, stream):
    """The same volume with each kernel, without the head rest."""
    bounds = stream.GetDataInformation().GetBounds()
    head = simple.Calculator(stream, ResultArrayName="head", Function=head_pictures.WITHOUT_HEAD_REST)
    display = show(head, "head", pictures.view)
    for kernel, caption in KERNELS.items() if display.Representation == XAC else ():
        display.XACKernel = kernel
        pictures.save("xac-" + kernel.replace("+", "-"), RIGHT_OBLIQUE, caption, bounds)
    simple.Hide(head, pictures.view)


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    simple.Connect(host, int(port))
    pictures = Pictures(sys.argv[2], int(sys.argv[4]) if len(sys.argv) > 4 else 600)
    stream = simple.BeamcastStream()
    warm_up(pictures.view)
    say("waiting for a volume")
    watch(pictures, stream, int(sys.argv[3]))
    simple.Hide(stream, pictures.view)
    kernels(pictures, stream)
    head_pictures.take(pictures, stream)


main()
