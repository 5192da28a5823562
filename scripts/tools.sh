#!/usr/bin/env bash
# Installs the pinned Python tools of the named groups (scripts/requirements/GROUP.txt) into .tools/venv, so that
# everybody runs the same versions and nothing is installed outside this directory.
#
#   scripts/tools.sh just|sqs|lint...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

REQUIREMENTS=scripts/requirements

# A stamp in the venv holds what was installed; the directory is part of it, because a venv cannot be moved.
wanted() { { cat "$REQUIREMENTS/$1.txt" "$REQUIREMENTS/constraints.txt" && pwd; } | sha256sum; }
current() { [[ -f $VENV/.stamp-$1 && $(<"$VENV/.stamp-$1") == "$(wanted "$1")" ]]; }
missing() {
    local group
    for group in "$@"; do
        current "$group" || printf '%s\n' "$group"
    done
}

# A Python that can make a venv; Debian splits that ability off into a package of its own.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if have "$python" && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

for group in "$@"; do
    [[ -f $REQUIREMENTS/$group.txt ]] || fail "no such group of tools: $group"
done
[[ -n $(missing "$@") ]] || exit 0

lock tools
mapfile -t groups < <(missing "$@")
((${#groups[@]} > 0)) || exit 0

say "installing Python tools: ${groups[*]}"
if [[ ! -f $VENV/.root || $(<"$VENV/.root") != "$ROOT" ]] || ! "$VENV/bin/python" -c '' 2>/dev/null; then
    python=$(find_python) || {
        apt_install python3 python3-venv
        python=$(find_python) || fail "no python3 here can make a virtual environment (ensurepip is missing)"
    }
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
    printf '%s' "$ROOT" >"$VENV/.root"
fi

arguments=()
for group in "${groups[@]}"; do
    arguments+=(--requirement "$REQUIREMENTS/$group.txt")
done
"$VENV/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --constraint "$REQUIREMENTS/constraints.txt" "${arguments[@]}" </dev/null >&2

for group in "${groups[@]}"; do
    wanted "$group" >"$VENV/.stamp-$group"
done
