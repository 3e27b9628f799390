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
perftest=$(command -v ib_write_bw) || echo 'rdma.sh: perftest is missing: nothing to hold the rates against' >&2
options=(-F -q 1 --report_gbits ${DEVICE:+-d "$DEVICE"} ${GID:+-x "$GID"})
contact=$(mktemp -d)/contact.json
trap 'jobs -p | xargs -r kill 2>/dev/null; rm -rf -- "${contact%/*}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# COMMAND...: on the server's host, in the place of a subshell, so that its end is the process's.
there() {
  [[ $server != localhost ]] || exec "$@"
  exec ssh -tt -o BatchMode=yes "$server" "$(printf '%q ' "$@")" </dev/null
}

# Sets rate, bytes per second of ours: MIB STEPS [registered] [NAME=VALUE...]
# The server ends when nobody reads from it, however this script ends.
ours() {
  local mib=$1 steps=$2 words=() line from serving
  shift 2
  [[ ${1-} != registered ]] || { words=("$1") && shift; }
  exec {from}< <(there env BEAMCAST_HOST="$address" "$program" "$wire" serve 2>/dev/null)
  serving=$!
  while IFS= read -r -t 20 -u "$from" line; do
    printf '%s\n' "${line%$'\r'}"
    [[ $line != '}'* ]] || break
  done >"$contact"
  env "$@" "$program" "$wire" push "$contact" "$mib" "$steps" "${words[@]}" >"$contact.rate" &
  wait "$!" # which a signal interrupts
  rate=$(sed -n 's/^rate //p' "$contact.rate")
  exec {from}<&-
  kill "$serving" 2>/dev/null
  wait "$serving" 2>/dev/null
  return 0
}

# Sets rate, bytes per second of ib_write_bw: MESSAGE-BYTES [its options...]
theirs() {
  local command=(ib_write_bw "${options[@]}" -s "$1" -n "${ITERATIONS:-1000}" "${@:2}") peer
  rate=
  [[ -n $perftest ]] || return 0
  there "${command[@]}" >/dev/null 2>&1 &
  peer=$!
  for ((i = 0; i < 10; i++)); do
    sleep 0.3
    "${command[@]}" "$address" >"$contact.rate" 2>/dev/null &
    wait "$!"
    rate=$(awk '$1 ~ /^[0-9]+$/ && NF >= 4 {printf "%.4e\n", $4 * 1e9 / 8}' "$contact.rate")
    [[ -z $rate ]] || break
  done
  kill "$peer" 2>/dev/null
  wait "$peer" 2>/dev/null
  return 0
}

median() {
  sort -g | awk '{v[NR] = $1} END {if (NR) print v[int((NR + 1) / 2)]; else print "-"}'
}

# OURS THEIRS
ratio() {
  awk -v a="$1" -v b="$2" 'BEGIN {if (b + 0 > 0) printf "%.2f", a / b; else print "-"}'
}

# A step of 1 MiB is one message, and ends before the next begins: beside it one of ib_write_bw's at a time, too.
printf '%10s %14s %14s %8s %14s %8s\n' MiB 'ours, B/s' ib_write_bw ratio 'with -t 1' ratio
for mib in ${SIZES:-1 16 256 1024 4096}; do
  steps=$((${ITERATIONS:-2048} / mib)) a=() b=() c=()
  steps=$((steps < 3 ? 3 : steps > 200 ? 200 : steps))
  for ((run = 0; run < ${RUNS:-5}; run++)); do
    ours "$mib" "$steps" && a+=("$rate")
    theirs 1048576 && b+=("$rate")
    ((mib > 1)) || { theirs 1048576 -t 1 && c+=("$rate"); }
  done
  first=$(printf '%s\n' "${a[@]}" | grep . | median) second=$(printf '%s\n' "${b[@]}" | grep . | median)
  third=$(printf '%s\n' "${c[@]}" | grep . | median)
  [[ $first != - ]] || {
    echo "rdma.sh: no step of $mib MiB arrived; the reason stands above" >&2
    exit 1
  }
  printf '%10s %14s %14s %8s %14s %8s\n' "$mib" "$first" "$second" "$(ratio "$first" "$second")" "$third" "$(ratio "$first" "$third")"
done
sweep=${SWEEP:-1024}
((sweep)) || exit 0
ours "$sweep" 5 registered && printf 'array registered once: %s B/s\n' "$rate"
for queues in 1 2 4 8; do
  ours "$sweep" 5 BEAMCAST_RDMA_QUEUES=$queues && printf 'queue pairs %s: %s B/s\n' "$queues" "$rate"
done
for message in 65536 262144 1048576 4194304; do
  ours "$sweep" 5 BEAMCAST_RDMA_MESSAGE=$message && printf 'messages of %s: %s B/s\n' "$message" "$rate"
done
