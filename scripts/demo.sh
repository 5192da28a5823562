#!/usr/bin/env bash
# Shows a worker at work, from a bare checkout: sets the machine up, builds Caisson and the images, starts a local SQS, and
# has scripts/demo.py send every job of examples/ through it.
#
#   scripts/demo.sh [OPTION...]      options of scripts/demo.py; see scripts/demo.py --help
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What needs no worker needs none of the rest either.
for option in "$@"; do
    case $option in
        -h | --help | --list | --print | --print=*) exec python3 scripts/demo.py "$@" ;;
    esac
done

titles=() times=()

# timed TITLE COMMAND...: as `part`, and keeps the time for the table at the end.
timed() {
    local begin=${EPOCHREALTIME/[.,]/} status=0
    part "$@" || status=$?
    titles+=("$1")
    times+=($(((${EPOCHREALTIME/[.,]/} - begin) / 1000)))
    return "$status"
}

table() {
    local status=$? i
    printf '\n' >&2
    for i in "${!titles[@]}"; do
        printf '    %-20s %5d.%d s\n' "${titles[i]}" $((times[i] / 1000)) $((times[i] % 1000 / 100)) >&2
    done
    stop_images
    exit "$status"
}
trap table EXIT

timed "machine" scripts/setup.sh demo
begin_images
timed "caisson" cargo build --release
timed "images, the rest" end_images
timed "jobs" scripts/sqs.sh "$VENV/bin/python" scripts/demo.py "$@"
