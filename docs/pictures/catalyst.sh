#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# docs/pictures/catalyst.sh [build folder [folder for the pictures]]: makes the pictures of docs/catalyst.md, catalyst-*.png, while
# examples/reconstruct makes the head CT of Debian's invesalius-examples on two ranks. A minute. Exit status 77: something is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
out=$(mkdir -p "${2:-$here}" && cd "${2:-$here}" && pwd)
for program in xvfb-run mpiexec; do
  command -v $program >/dev/null || { echo "no $program"; exit 77; }
done
/usr/bin/python3 -c 'import h5py, matplotlib' || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=/dev/null
. "$build/env.sh"
"$here/../../examples/cranium" "$work/ct.raw" >/dev/null
take_scan "$work/ct.raw" "$work/ct.nxs" --hounsfield 0.019 >/dev/null
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1 HWLOC_COMPONENTS=-gl
# SCRIPTS OPTION=VALUE...: three slabs of each rank in four passes are 12 steps.
make() {
  local scripts=$1
  shift
  env BEAMCAST_BACKEND=catalyst BEAMCAST_CATALYST_SCRIPTS="$scripts" BEAMCAST_OUTPUT="$work" OMP_NUM_THREADS=1 "$@" \
    xvfb-run -n $((300 + $$ % 20000)) -s "-noreset -screen 0 1280x1024x24" mpiexec --oversubscribe -n 2 \
    reconstruct "$work/ct.nxs" --hounsfield 0.019 --size 256 --slab 18 --show - >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
}
make volume_picture BEAMCAST_EVERY=11 BEAMCAST_WINDOW=-150,1000 BEAMCAST_ZOOM=1.7 BEAMCAST_AZIMUTH=-30 BEAMCAST_ELEVATION=15
make orbit BEAMCAST_EVERY=11 BEAMCAST_WINDOW=-150,1000 BEAMCAST_ZOOM=1.7 BEAMCAST_VIEWS=4 BEAMCAST_ELEVATIONS=10
make slices:statistics_csv:save_hdf5:save_when BEAMCAST_EVERY=1 BEAMCAST_WINDOW=-1000,1500 BEAMCAST_WHEN=deviation \
  BEAMCAST_BELOW=580 BEAMCAST_MOST=1
/usr/bin/python3 "$here/catalyst.py" "$work" "$out"
ls "$out"/catalyst-*.png
