#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# docs/pictures/kernels.sh [build folder [folder for the pictures]]: makes the pictures of docs/kernels.md, kernel_*.png and ranks_*.png,
# from the head CT of Debian's invesalius-examples. A minute or two. Exit status 77: something is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
out=$(mkdir -p "${2:-$here}" && cd "${2:-$here}" && pwd)
for program in pvbatch xvfb-run mpiexec; do
  command -v $program >/dev/null || { echo "no $program"; exit 77; }
done
archive=$(dpkg -L invesalius-examples 2>/dev/null | grep 'Cranium.inv3$') || { echo "no invesalius-examples"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar xzf "$archive" -C "$work" --wildcards '*matrix.dat'
head=$work/head.raw # the file's rows go from the front to the back of the head; turned round, left is left
/usr/bin/python3 - "$(find "$work" -name matrix.dat | head -1)" "$head" <<'PYTHON'
import sys
import numpy
numpy.fromfile(sys.argv[1], "<i2").reshape(108, 256, 256)[:, ::-1].tofile(sys.argv[2])
PYTHON
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
# draw RANKS WHAT FOLDER
draw() {
  xvfb-run -n $((300 + $$ % 20000)) -s "-noreset -screen 0 800x800x24" mpiexec --oversubscribe -n "$1" \
    pvbatch "$here/kernels.py" "$build/lib/beamcast/plugins/Beamcast/Beamcast.so" "$head" "$3" "$2" >"$work/log" 2>&1 ||
    { tail -20 "$work/log"; exit 1; }
}
draw 1 kernels "$out"
draw 2 ranks "$out"
mkdir "$work/one"
draw 1 ranks "$work/one"
# What two ranks draw otherwise than one, eight times.
/usr/bin/python3 - "$work/one" "$out" <<'PYTHON'
import sys
import numpy
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkIOImage import vtkPNGReader, vtkPNGWriter

def load(path):
    reader = vtkPNGReader()
    reader.SetFileName(path)
    reader.Update()
    return reader.GetOutput()

for name in "stock", "xac":
    image = load("%s/ranks_%s2.png" % (sys.argv[2], name))
    one = load("%s/ranks_%s2.png" % (sys.argv[1], name))
    two, one = (vtk_to_numpy(i.GetPointData().GetScalars()).astype(int) for i in (image, one))
    difference = numpy.minimum(8 * abs(two - one), 255).astype(numpy.uint8)
    image.GetPointData().SetScalars(numpy_to_vtk(difference))
    writer = vtkPNGWriter()
    writer.SetInputData(image)
    writer.SetFileName("%s/ranks_%s_difference.png" % (sys.argv[2], name))
    writer.Write()
PYTHON
ls "$out"/kernel_*.png "$out"/ranks_*.png
