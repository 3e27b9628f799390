#!/usr/bin/env bash
# The verbs wire between two hosts, beside ib_write_bw on the same devices: one command, started on the producer's host.
#   bench/rdma.sh SERVER-HOST [BUILD]     SERVER-HOST: reached by ssh without a password, same path to BUILD
# For sizes from 1 MiB to 4 GiB: medians of 5 alternated runs, as a table; then a registered array, queue pairs, message sizes.
# BEAMCAST_HOST: the server's address on its RDMA device (else SERVER-HOST); DEVICE and GID: ib_write_bw's -d and -x, where its
# own choice is wrong. SIZES, RUNS, ITERATIONS (MiB of one measurement) and SWEEP (MiB of a step in the last part, 0: without it)
# change the amount. Both hosts need perftest. With `localhost` all runs on one host (soft-RoCE: DEVICE=rxe0 GID=1).
set -u
usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0"
}
case ${1-} in
  -h | --help) usage && exit 0 ;;
  '' | -*) usage >&2 && exit 2 ;;
esac
server=$1 build=$(cd -- "${2:-$(dirname -- "${BASH_SOURCE[0]}")/../build}" && pwd) || exit 1
address=${BEAMCAST_HOST:-$server} wire=${WIRE:-verbs}
program=$build/bin/transport_verbs
[[ -x $program ]] || {
  echo "rdma.sh: $program is not there: build with the tests first" >&2
  exit 1
}
[[ $server == localhost ]] || ssh -o BatchMode=yes -o ConnectTimeout=10 "$server" test -x "$(printf %q "$program")" || {
  echo "rdma.sh: $server is not reached by ssh without a password, or has no $program" >&2
  exit 1
}
command -v ib_write_bw >/dev/null || echo 'rdma.sh: perftest is missing: nothing to hold the rates against' >&2
options=(-F -q 1 --report_gbits ${DEVICE:+-d "$DEVICE"} ${GID:+-x "$GID"})
contact=$(mktemp -d)/contact.json
trap 'rm -rf -- "${contact%/*}"' EXIT

# COMMAND...: on the server's host, whose processes end with this script's.
there() {
  if [[ $server == localhost ]]; then
    "$@"
  else
    ssh -tt -o BatchMode=yes "$server" "$(printf '%q ' "$@")" </dev/null
  fi
}

# Bytes per second of ours: MIB STEPS [registered] [NAME=VALUE...]
ours() {
  local mib=$1 steps=$2 serving words=()
  shift 2
  [[ ${1-} != registered ]] || { words=("$1") && shift; }
  rm -f "$contact"
  there env BEAMCAST_HOST="$address" "$program" "$wire" serve >"$contact.lines" 2>/dev/null &
  serving=$!
  for ((i = 0; i < 100; i++)); do
    grep -qs '^}' "$contact.lines" && break
    sleep 0.2
  done
  tr -d '\r' <"$contact.lines" >"$contact"
  env "$@" "$program" "$wire" push "$contact" "$mib" "$steps" "${words[@]}" | sed -n 's/^rate //p'
  kill "$serving" 2>/dev/null
  wait "$serving" 2>/dev/null
}

# Bytes per second of ib_write_bw: MESSAGE-BYTES
theirs() {
  local peer
  command -v ib_write_bw >/dev/null || return
  there ib_write_bw "${options[@]}" -s "$1" -n "${ITERATIONS:-1000}" >/dev/null 2>&1 &
  peer=$!
  for ((i = 0; i < 10; i++)); do
    sleep 0.3
    ib_write_bw "${options[@]}" -s "$1" -n "${ITERATIONS:-1000}" "$address" 2>/dev/null |
      awk '$1 ~ /^[0-9]+$/ && NF >= 4 {printf "%.4e\n", $4 * 1e9 / 8; found = 1} END {exit !found}' && break
  done
  kill "$peer" 2>/dev/null
  wait "$peer" 2>/dev/null
}

median() {
  sort -g | awk '{v[NR] = $1} END {if (NR) print v[int((NR + 1) / 2)]; else print "-"}'
}

printf '%10s %14s %14s %8s\n' MiB 'ours, B/s' ib_write_bw ratio
for mib in ${SIZES:-1 16 256 1024 4096}; do
  steps=$((${ITERATIONS:-2048} / mib)) a=() b=()
  steps=$((steps < 3 ? 3 : steps > 200 ? 200 : steps))
  for ((run = 0; run < ${RUNS:-5}; run++)); do
    a+=("$(ours "$mib" "$steps")")
    b+=("$(theirs 1048576)")
  done
  first=$(printf '%s\n' "${a[@]}" | grep . | median) second=$(printf '%s\n' "${b[@]}" | grep . | median)
  [[ $first != - ]] || {
    echo "rdma.sh: no step of $mib MiB arrived; the reason stands above" >&2
    exit 1
  }
  printf '%10s %14s %14s %8s\n' "$mib" "$first" "$second" \
    "$(awk -v a="$first" -v b="$second" 'BEGIN {if (b + 0 > 0) printf "%.2f", a / b; else print "-"}')"
done
((${SWEEP:-1024})) || exit 0
printf 'array registered once: %s B/s\n' "$(ours "${SWEEP:-1024}" 5 registered)"
for queues in 1 2 4 8; do
  printf 'queue pairs %s: %s B/s\n' "$queues" "$(ours "${SWEEP:-1024}" 5 BEAMCAST_RDMA_QUEUES=$queues)"
done
for message in 65536 262144 1048576 4194304; do
  printf 'messages of %s: %s B/s\n' "$message" "$(ours "${SWEEP:-1024}" 5 BEAMCAST_RDMA_MESSAGE=$message)"
done
