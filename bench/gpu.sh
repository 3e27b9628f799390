#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# On a machine with a CUDA device: builds, checks cuda against cpu for each kernel, runs the renderer's tests on it,
# measures, runs compute-sanitizer, and writes gpu-report.md there, a text for docs/performance.md, which it prints, too.
# One command: bench/gpu.sh [build folder]. No network, no ParaView; cmake, a C and C++ compiler, python3 and the CUDA
# toolkit have to be there. About three minutes on 16 processors, most of them to build. Exit status: 0 all fine, 1 a
# check failed, 77 something is missing.
# bench/gpu.sh --pack, before, on a machine that has libcmocka-dev, libsodium-dev and libjansson-dev: puts what of them
# is needed into gpu-needs/ here, for a machine that has not; the folder goes there with the tree.
set -u
cd "$(dirname "$0")/.." || exit 1
needs=$PWD/gpu-needs
if [ "${1:-}" = --pack ]; then
  mkdir -p "$needs/include" "$needs/lib" || exit 1
  for package in libcmocka-dev libsodium-dev libjansson-dev; do
    dpkg -L $package >/dev/null || exit 77
    dpkg -L $package | grep '/include/.*[.]h$' | while read -r file; do
      relative=${file#*/include/}
      install -D -m 644 "$file" "$needs/include/${relative#x86_64-linux-gnu/}"
    done
    for library in $(dpkg -L $package | grep '/lib/.*[.]so$'); do
      cp -L "$library" "$needs/lib/"
      cp -L "$library" "$needs/lib/$(objdump -p "$library" | sed -n 's/^ *SONAME *//p')"
    done
  done
  mkdir -p "$needs/lib/pkgconfig"
  for module in libsodium jansson; do
    # shellcheck disable=SC2016 # pkg-config's own variables
    sed 's#^prefix=.*#prefix=${pcfiledir}/../..#; s#^includedir=.*#includedir=${prefix}/include#; s#^libdir=.*#libdir=${prefix}/lib#' \
      "$(pkg-config --variable=pcfiledir $module)/$module.pc" >"$needs/lib/pkgconfig/$module.pc" || exit 1
  done
  echo "bench/gpu.sh: $needs is complete, $(du -sh "$needs" | cut -f1)"
  exit 0
fi
build=${1:-build-gpu}
PATH=$PATH:/usr/local/cuda/bin:/usr/local/nvidia/bin
[ -d "$needs/lib" ] && export CPATH=$needs/include${CPATH:+:$CPATH} LIBRARY_PATH=$needs/lib PKG_CONFIG_PATH=$needs/lib/pkgconfig \
  CMAKE_PREFIX_PATH=$needs LD_LIBRARY_PATH=$needs/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

missing=()
for program in nvcc nvidia-smi cmake cc c++ python3; do
  command -v $program >/dev/null || missing+=("$program")
done
command -v ninja >/dev/null || command -v make >/dev/null || missing+=("ninja or make")
if [ ${#missing[@]} != 0 ]; then
  echo "bench/gpu.sh: missing: ${missing[*]}"
  exit 77
fi
if ! nvidia-smi -L; then
  echo "bench/gpu.sh: no CUDA device answers (nvidia-smi -L)"
  exit 77
fi
[ -e "$needs/include/cmocka.h" ] || [ -e /usr/include/cmocka.h ] ||
  echo "bench/gpu.sh: no cmocka here, so no tests are built: run bench/gpu.sh --pack elsewhere, and bring gpu-needs/"
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
device=$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | head -1)
# 9.0 has instructions of its own: nvcc -gencode=arch=compute_90a,code=sm_90a.
architecture=$capability
[ "$capability" = 90 ] && architecture=90a
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
# A compiler that is newer than ours may warn of something; that is no reason not to measure.
configure() {
  cmake -S . -B "$build" "${generator[@]}" -DBEAMCAST_ROOMS="$1" -DBEAMCAST_PARAVIEW=OFF -DBEAMCAST_WERROR=OFF \
    -DBEAMCAST_CUDA_ARCHITECTURES="$architecture" -DCMAKE_BUILD_TYPE=RelWithDebInfo
}
if ! pkg-config --exists libsodium jansson 2>/dev/null; then
  configure "core;xac_kernels;bench" || exit 1
elif ! configure "core;transport;adaptor;xac_kernels;bench" || ! cmake --build "$build" --parallel "$(nproc)"; then
  echo "bench/gpu.sh: the transport does not build here; without it"
  rm -rf "$build"
  configure "core;xac_kernels;bench" || exit 1
fi
cmake --build "$build" --parallel "$(nproc)" || exit 1
report=$build/gpu-report.md
{
  echo "### On $device"
  echo
  echo "\`bench/gpu.sh\`, $(nvcc --version | grep -o 'release [0-9.]*'), sm_$architecture, $(date +%F)."
} >"$report"

failed=0
# check TITLE COMMAND...: runs it, and notes in the report whether it succeeded.
check() {
  local title=$1
  shift
  echo "== $title ($SECONDS s)"
  if "$@"; then
    echo "- $title: passed" >>"$report"
  else
    echo "FAILED: $title"
    echo "- $title: FAILED" >>"$report"
    failed=1
  fi
}

echo >>"$report"
for test in cuda physics cut input landing; do
  if [ -x "$build/bin/test_xac_$test" ]; then
    check "test xac.$test on the device" timeout 90 env XAC_TEST_BACKEND=cuda "$build/bin/test_xac_$test"
  else
    echo "- test xac.$test: not built (libcmocka-dev)" | tee -a "$report"
  fi
done

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

# shellcheck disable=SC2317 # called through check
same_pictures() {
  "$build/bin/bench_render" "$volume" "$n" "$n" "$n" float32 backend=cuda compare=cpu kernels=0,1,2,4,5,6 pixels=512 frames=3 \
    >"$build/compare.txt" || return 1
  cat "$build/compare.txt"
  awk -F'"differing_from_cpu": ' 'NF > 1 { rows++; split($2, v, ","); if (v[1] > 0.001) bad++ }
    END { exit !(rows == 6 && bad == 0) }' "$build/compare.txt"
}
check "cuda against cpu, six kernels, at most 0.1 % of the values off by more than 2/255" same_pictures

echo "== speed"
{
  echo
  echo "| picture | kernel | ms a frame, median | million samples/s |"
  echo "|---|---|---|---|"
} >>"$report"
for pixels in 1024 2048; do
  "$build/bin/bench_render" "$volume" "$n" "$n" "$n" float32 backend=cuda kernels=0,1,2,4,5,6 pixels=$pixels frames=20 \
    >"$build/speed.txt" || { failed=1; continue; }
  cat "$build/speed.txt"
  python3 - "$build/speed.txt" $pixels >>"$report" <<'PYTHON'
import json, sys
names = {0: "plain", 1: "local", 2: "scatter", 4: "occlusion", 5: "local+occlusion", 6: "scatter+occlusion"}
for line in open(sys.argv[1]):
    row = json.loads(line)
    if "kernel" in row:
        print("| %s^2 | %s | %.1f | %.0f |" % (sys.argv[2], names[row["kernel"]], row["median_ms"],
                                              row["million_samples_a_second"]))
PYTHON
done
echo "== from a step's end to its picture, with the device's copy begun while it lands, and when it is whole"
if [ -x "$build/bin/bench_landing" ]; then
  {
    echo
    echo "| wire | step | of it copied while it landed | end of the step to its picture |"
    echo "|---|---|---|---|"
  } >>"$report"
  for wire in shm tcp; do
    for mib in 256 1024; do
      "$build/bin/bench_landing" $wire $mib 9 >"$build/landing.txt" || { failed=1; continue; }
      cat "$build/landing.txt"
      python3 - "$build/landing.txt" >>"$report" <<'PYTHON'
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print("| %s | %d MiB | %.0f %% | %.1f ms |" % (row["wire"], row["mib"], 100 * row["copied_early"], row["to_picture_ms"]))
PYTHON
    done
  done
else
  echo "- steps that land: not built (libsodium-dev, libjansson-dev)" | tee -a "$report"
fi
{
  echo
} >>"$report"
sanitizer=$(command -v compute-sanitizer || echo "$(dirname "$(command -v nvcc)")/compute-sanitizer")
if [ -x "$sanitizer" ]; then
  for tool in memcheck initcheck racecheck; do
    check "compute-sanitizer $tool" timeout 60 "$sanitizer" --tool $tool --error-exitcode 9 "$build/bin/bench_render" "$volume" \
      "$n" "$n" 32 float32 backend=cuda kernels=0,1,5,6 pixels=64 frames=1
  done
  [ -x "$build/bin/test_xac_cuda" ] && check "compute-sanitizer memcheck, users' kernels" timeout 120 "$sanitizer" --tool memcheck \
    --error-exitcode 9 "$build/bin/test_xac_cuda"
else
  echo "- compute-sanitizer: not found, not run" | tee -a "$report"
fi

echo "== beside VTK's GPU mapper (off screen through EGL where this VTK has it)"
if python3 -c "import numpy, vtkmodules.vtkRenderingVolumeOpenGL2" 2>/dev/null; then
  if timeout 200 python3 bench/render/compare.py "$build/bin/bench_render" --backend cuda --cases dense-float32,dense-uint16 \
    --json "$build/compare.json" >"$build/beside.txt"; then
    {
      echo
      echo "Beside VTK's mappers in the same run:"
      echo
      echo '```'
      cat "$build/beside.txt"
      echo '```'
    } >>"$report"
  else
    echo "- VTK's GPU mapper: did not run here" | tee -a "$report"
  fi
else
  echo "- VTK's GPU mapper: no NumPy or VTK for python3, not run" | tee -a "$report"
fi
echo "the report is $report, after $SECONDS s:"
cat "$report"
[ -n "${OUT:-}" ] && cp "$report" "$build"/*.txt "$OUT"/
[ $failed = 0 ] && echo "all checks passed"
exit $failed
