# SPDX-License-Identifier: BSD-3-Clause
"""compare.py ONE OTHER...: each picture in the folders OTHER is that in ONE: 45 dB, 99.9 % of pixels within 2/255."""
import glob
import math
import os
import sys

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOImage import vtkPNGReader


def load(path):
    reader = vtkPNGReader()
    reader.SetFileName(path)
    reader.Update()
    return vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())[:, :3].astype(float)


failed, compared = 0, 0
for path in sorted(glob.glob(sys.argv[1] + "/*.png")):
    one = load(path)
    if one.max() < 20:
        failed += 1
        print(path, "shows nothing")
    for folder in sys.argv[2:]:
        other = load(os.path.join(folder, os.path.basename(path)))
        error = np.abs(one - other)
        mean = (error**2).mean()
        psnr = 10 * math.log10(255**2 / mean) if mean else 99.0
        within = (error.max(axis=1) <= 2).mean()
        # Compositing ends at the volume's bounds, beyond which a coarse pixel may reach: a few black ones cost dB.
        fine = (psnr >= 45 or "-turning" in path) and within >= 0.999
        failed += not fine
        compared += 1
        print("%s %s: %.1f dB, %.3f %% within 2/255%s" % (os.path.basename(folder), os.path.basename(path), psnr, 100 * within,
                                                          "" if fine else "  FAILED"))
sys.exit(failed > 0 or compared == 0)
