#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ranks.sh PLUGIN [N...]: through ParaView, N ranks draw the same pictures as one. Exit status 77: something is missing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
plugin=$1
shift
for program in pvbatch xvfb-run mpiexec; do
  if ! command -v $program >/dev/null; then
    echo "skipped: no $program"
    exit 77
  fi
done
/usr/bin/python3 -c "import numpy, vtkmodules.vtkIOImage" 2>/dev/null || { echo "skipped: no VTK or NumPy for /usr/bin/python3"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
head=()
archive=$(dpkg -L invesalius-examples 2>/dev/null | grep 'Cranium.inv3$')
if [ -n "$archive" ] && tar xzf "$archive" -C "$work" --wildcards '*matrix.dat' 2>/dev/null; then
  head=("$(find "$work" -name matrix.dat | head -1)")
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
folders=()
display=$((100 + $$ % 20000))
# draw RANKS FOLDER [option of pvbatch]
draw() {
  display=$((display + 1))
  mkdir -p "$work/$2"
  xvfb-run -n $display -s "-noreset -screen 0 800x800x24" mpiexec --oversubscribe -n "$1" \
    pvbatch "${@:3}" "$here/draw.py" "$plugin" "$work/$2" "${head[@]}" >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
  grep "kernel" "$work/log" | head -3
}
for n in 1 "${@:-2 3}"; do
  for ranks in $n; do
    draw "$ranks" "$ranks"
    [ "$ranks" = 1 ] || folders+=("$work/$ranks")
  done
done
draw 2 symmetric --symmetric
mkdir "$work/uneven"
cp "$work/1"/uneven*.png "$work/uneven"
/usr/bin/python3 "$here/compare.py" "$work/uneven" "$work/symmetric" || exit 1
/usr/bin/python3 "$here/compare.py" "$work/1" "${folders[@]}"
