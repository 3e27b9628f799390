#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# On a machine with a CUDA device: builds, checks cuda against cpu for each kernel, runs compute-sanitizer, and
# measures. One command: bench/gpu.sh [build folder]. Exit status: 0 all fine, 1 a check failed, 77 no device.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-gpu}

if ! command -v nvcc >/dev/null; then
  echo "bench/gpu.sh: no nvcc on PATH (the CUDA toolkit)"
  exit 77
fi
if ! nvidia-smi -L 2>/dev/null; then
  echo "bench/gpu.sh: no CUDA device answers (nvidia-smi -L)"
  exit 77
fi
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
architecture=$capability
[ "$capability" = 90 ] && architecture=90a
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S . -B "$build" "${generator[@]}" -DBEAMCAST_ROOMS="core;xac_kernels;bench" -DBEAMCAST_PARAVIEW=OFF \
  -DBEAMCAST_CUDA_ARCHITECTURES="$architecture" || exit 1
cmake --build "$build" -j || exit 1

failed=0
volume=$build/volume.raw
n=256
# A volume of waves: nothing empty, detail of a few voxels.
python3 - "$volume" $n <<'PYTHON' || exit 1
import array, math, sys
path, n = sys.argv[1], int(sys.argv[2])
sx = [math.sin(0.1 * i) for i in range(n)]
with open(path, "wb") as out:
    for z in range(n):
        c = math.cos(0.07 * z)
        for y in range(n):
            s = math.sin(0.13 * y) * c
            array.array("f", [0.5 + 0.25 * (a + s) for a in sx]).tofile(out)
PYTHON

echo "== cuda against cpu, each kernel (at most 0.1 % of the values may differ by more than 2/255)"
"$build/bin/bench_render" "$volume" $n $n $n float32 backend=cuda compare=cpu kernels=0,1,2,4,5,6 pixels=512 frames=3 \
  | tee "$build/compare.txt" || failed=1
awk -F'"differing_from_cpu": ' 'NF > 1 { rows++; split($2, v, ","); if (v[1] > 0.001) bad++ }
  END { exit !(rows == 6 && bad == 0) }' "$build/compare.txt" || { echo "FAILED: cuda differs from cpu"; failed=1; }

echo "== compute-sanitizer"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck initcheck; do
    compute-sanitizer --tool $tool --error-exitcode 9 "$build/bin/bench_render" "$volume" $n $n 32 float32 \
      backend=cuda kernels=0,1,5,6 pixels=64 frames=1 || { echo "FAILED: compute-sanitizer $tool"; failed=1; }
  done
else
  echo "skipped: no compute-sanitizer"
fi

echo "== speed"
for pixels in 1024 2048; do
  "$build/bin/bench_render" "$volume" $n $n $n float32 backend=cuda kernels=0,1,2,4,5,6 pixels=$pixels frames=20 || failed=1
done
if python3 -c "import vtkmodules.vtkRenderingVolumeOpenGL2" 2>/dev/null; then
  echo "== beside VTK's GPU mapper (python3 with VTK; off screen through EGL where that VTK has it)"
  python3 bench/render/compare.py "$build/bin/bench_render" --frames 5 || echo "VTK's GPU mapper did not run here"
else
  echo "skipped: no Python module vtk for VTK's GPU mapper"
fi
[ $failed = 0 ] && echo "all checks passed"
exit $failed
