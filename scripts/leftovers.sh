#!/usr/bin/env bash
# Fails, naming them, when containers, volumes or networks of Caisson exist: after a test run there must be none.
# Ours are those with the label `caisson.worker` and those whose name starts with `caisson-`.
#
#   scripts/leftovers.sh                  all of them
#   scripts/leftovers.sh --list           only list them
#   scripts/leftovers.sh --except FILE    all but those that FILE, an earlier list, names
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# An engine of 20.10 may list a container until it is restarted that it no longer has, without a name. That is none.
is_there() {
    local complaint
    complaint=$(docker inspect --type container --format '{{.Id}}' "$1" 2>&1 >/dev/null) || [[ ${complaint,,} != *"no such"* ]]
}

list() {
    local filter name id status
    for filter in label=caisson.worker name=^/?caisson-; do
        docker ps --all --no-trunc --filter "$filter" --format '{{.ID}}|{{.Names}}|{{.Status}}'
    done | sort --unique | while IFS='|' read -r id name status; do
        if is_there "$id"; then printf 'container %s %s (%s)\n' "$name" "$id" "$status"; fi
    done
    for filter in label=caisson.worker name=^caisson-; do
        docker volume ls --filter "$filter" --format 'volume {{.Name}}'
        docker network ls --no-trunc --filter "$filter" --format 'network {{.Name}} {{.ID}}'
    done | sort --unique
}

known=/dev/null
case ${1:-} in
    --list)
        list
        exit
        ;;
    --except) known=$2 ;;
    '') ;;
    *) fail "no such option: $1" ;;
esac

# The first three words name a thing; what follows them, its state, may have changed since.
all=$(list)
left=$(awk '{ key = $1 " " $2 " " $3 } FILENAME != "-" { known[key]; next } key != "  " && !(key in known)' "$known" - <<<"$all")
[[ -z $left ]] || {
    mapfile -t lines <<<"$left"
    fail "left behind:" "${lines[@]}"
}
