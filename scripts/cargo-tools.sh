#!/usr/bin/env bash
# Makes sure that the named cargo subcommands are there: one on PATH is taken as it is, a missing one is built, pinned,
# into .tools/bin (some minutes, once).
#
#   scripts/cargo-tools.sh nextest|deny|fuzz...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

declare -A VERSIONS=(
    [nextest]=0.9.143
    [deny]=0.20.2
    [fuzz]=0.13.2
)

missing() {
    local name
    for name in "$@"; do
        have "cargo-$name" || printf '%s\n' "$name"
    done
}

for name in "$@"; do
    [[ -v VERSIONS[$name] ]] || fail "no such cargo tool here: $name"
done
[[ -n $(missing "$@") ]] || exit 0

lock cargo-tools
for name in $(missing "$@"); do
    say "building cargo-$name ${VERSIONS[$name]} into .tools/bin: some minutes, once"
    # Not into the project's target directory, wherever the caller has put that.
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --root "$TOOLS" --version "${VERSIONS[$name]}" "cargo-$name" </dev/null
done
