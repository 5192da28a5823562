#!/usr/bin/env bash
# The benchmark: ways to run one program side by side, and what the parts of Caisson cost; in one run, with one table.
#
#   scripts/bench.sh [--quick] [--rounds N] [--no-page] [--busy]
#
# --quick     few rounds, about four minutes
# --rounds N  of the latencies (50); everything else follows from it
# --no-page   leaves docs/performance.md and its pictures alone
# --busy      measures although the machine has other things to do
# Writes target/bench/result.json. Whatever it makes in the engine is removed however it ends.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Runnable processes for each core, over the last minute, from which on figures are about something else.
BUSY_PERCENT=50

arguments=() page=yes busy=''
while (($# > 0)); do
    case $1 in
        --quick) arguments+=(--quick) ;;
        --rounds)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || fail "--rounds takes a whole number"
            arguments+=(--rounds "$2")
            shift
            ;;
        --no-page) page='' ;;
        --busy) busy=yes ;;
        *) fail "no such option: $1" "see the head of scripts/bench.sh" ;;
    esac
    shift
done
[[ -z $page ]] || arguments+=(--docs docs)

# Before anything of ours has made it busy. A page with such figures would be a lie; anything else is the caller's affair.
load=$(awk '{ printf "%d", $1 * 100 }' /proc/loadavg)
if ((load >= BUSY_PERCENT * $(nproc))) && [[ -z $busy ]]; then
    message="the machine is busy: its load is $((load / 100)).$(printf '%02d' $((load % 100))) on $(nproc) cores"
    [[ -z $page ]] || fail "$message" "wait until it is quiet, or add --no-page, or --busy to write the page all the same"
    note "$message: take no figure for its own"
fi

scripts/setup.sh demo
part "images" images/build
part "compiling" cargo build --quiet --release --features bench

id=$$-$RANDOM
work=$ROOT/target/bench/work-$id
mkdir -p "$work"
# Another worker on this machine is not our leftover.
scripts/leftovers.sh --list >"$work/before"

# Everything carries the run's id. The benchmark removes it all by itself; this is for one that was cut off.
# shellcheck disable=SC2329  # called by the trap
clear_up() {
    local containers=() volumes=()
    mapfile -t containers < <(
        docker ps --all --quiet --filter "label=caisson.bench=$id"
        docker ps --all --format '{{.ID}} {{.Label "caisson.worker"}}' --filter label=caisson.worker |
            awk -v worker="bench-$id-" 'index($2, worker) == 1 { print $1 }'
    )
    ((${#containers[@]} == 0)) || docker rm --force --volumes "${containers[@]}" >/dev/null 2>&1 || true
    docker rmi --force "caisson-bench/program:$id" >/dev/null 2>&1 || true
    # The agent's, where nobody had it before; the engine refuses while somebody else uses it.
    mapfile -t volumes < <(comm -23 <(docker volume ls --quiet --filter label=caisson.agent | sort) \
        <(awk '$1 == "volume" { print $2 }' "$work/before" | sort))
    ((${#volumes[@]} == 0)) || docker volume rm "${volumes[@]}" >/dev/null 2>&1 || true
    rm -rf --one-file-system "$work"
}
trap clear_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

status=0
part "benchmark" scripts/sqs.sh target/release/caisson-bench --id "$id" --work "$work" --out target/bench/result.json \
    ${arguments[@]+"${arguments[@]}"} || status=$?
scripts/leftovers.sh --except "$work/before" || status=$((status == 0 ? 1 : status))
[[ $status != 0 ]] || note "all figures and samples: target/bench/result.json"
exit "$status"
