# SPDX-License-Identifier: BSD-3-Clause
"""python3 catalyst.py MADE FOLDER: the pictures of docs/catalyst.md from what the scripts have made; catalyst.sh runs it."""
import csv
import glob
import os
import sys

import h5py
import matplotlib
import numpy
matplotlib.use("agg")
from matplotlib import pyplot

made, folder = sys.argv[1:3]


def picture(name, columns, width, height):
    figure, axes = pyplot.subplots(1, columns, figsize=(width / 100, height / 100), dpi=100, squeeze=False,
                                   layout="constrained")
    return figure, axes[0], os.path.join(folder, "catalyst-%s.png" % name)


def shots(name, paths, less=1):
    """Pictures side by side, each made smaller."""
    images = [pyplot.imread(path)[..., :3] for path in paths]
    images = [image.reshape(image.shape[0] // less, less, image.shape[1] // less, less, 3).mean(axis=(1, 3))
              for image in images]
    pyplot.imsave(os.path.join(folder, "catalyst-%s.png" % name), numpy.hstack(images))


def plane(axis, name):
    """From the front: x to the right, z up."""
    with h5py.File(os.path.join(made, name)) as file:
        data = file["entry/data/density"]
        image = data[:, data.shape[1] // 2, :]
        step = [abs(float(file["entry/data/" + a][1] - file["entry/data/" + a][0])) for a in "zx"]
    axis.imshow(image, cmap="gray", vmin=-1000, vmax=1500, origin="lower", aspect=step[0] / step[1])
    axis.set_title(name)
    axis.axis("off")


rows = list(csv.DictReader(open(os.path.join(made, "statistics.csv"))))
steps = [int(row["step"]) for row in rows]
event = os.path.basename(glob.glob(os.path.join(made, "event_*.h5"))[0])

with open(os.path.join(made, "orbit.cdb", "data.csv")) as table:
    orbit = [os.path.join(made, "orbit.cdb", row["FILE"]) for row in csv.DictReader(table) if row["step"] == "11"]
shots("orbit", orbit, 2)
shots("volume", [os.path.join(made, "volume_000011.png")])
shots("slices", [os.path.join(made, "slices_000011.png")])

figure, axes, path = picture("statistics", 1, 768, 288)
for name in "maximum", "deviation", "mean", "minimum":
    axes[0].plot(steps, [float(row[name]) for row in rows], "o-", ms=4, label=name)
axes[0].set(xlabel="step", ylabel="HU")
axes[0].grid(alpha=0.3)
axes[0].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
figure.savefig(path)

figure, axes, path = picture("save", 4, 1000, 200)
for axis, step in zip(axes, (0, 1, 3, 11)):
    plane(axis, "step_%06d.h5" % step)
figure.savefig(path)

figure, axes, path = picture("when", 2, 800, 290)
deviation = [float(row["deviation"]) for row in rows]
saved = steps.index(int(event[6:12]))
axes[0].plot(steps, deviation, "o-", ms=4, label="deviation")
axes[0].axhline(580, color="tab:red", ls="--", label="BEAMCAST_BELOW=580")
axes[0].plot(steps[saved], deviation[saved], "o", ms=10, color="tab:red")
axes[0].set(xlabel="step", ylabel="HU")
axes[0].grid(alpha=0.3)
axes[0].legend()
plane(axes[1], event)
figure.savefig(path)
