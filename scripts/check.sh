#!/usr/bin/env bash
# Everything but the tests that must hold before a change goes in. All checks run, whatever the earlier ones found.
#
#   scripts/check.sh [format|clippy|dependencies|advisories|shell|dockerfiles|spelling|deploy|generated...]    (default: all)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CHECKS=(format spelling shell dockerfiles deploy dependencies advisories clippy generated)
ADVISORY_FETCH_SECONDS=30

# Tracked files and new ones that are not ignored, each still there.
files() {
    local file
    git ls-files -z --cached --others --exclude-standard -- "$@" | while IFS= read -r -d '' file; do
        [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}

format() { cargo fmt --check; }

clippy() { cargo clippy --quiet --all-targets --all-features -- -D warnings; }

dependencies() { cargo deny --log-level error check --hide-inclusion-graph bans licenses sources; }

advisories() {
    local database=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
    timeout "$ADVISORY_FETCH_SECONDS" cargo deny --log-level off fetch db </dev/null >/dev/null 2>&1 || true
    if compgen -G "$database/*/crates" >/dev/null; then
        cargo deny --log-level error check --hide-inclusion-graph --disable-fetch advisories
    else
        note "skipped: the RustSec advisory database is not here and cannot be reached"
    fi
}

shell() {
    local scripts=()
    mapfile -t scripts < <(files | while IFS= read -r file; do
        # Programs that tests run are specimens, some of them wrong on purpose.
        [[ $file != tests/cases/* ]] || continue
        # By its first line: the `.sh` files among the examples are jobs, for a shell that only the sandbox names.
        if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](sh|bash|dash)( |$)|^# shellcheck shell='; then
            printf '%s\n' "$file"
        fi
    done)
    note "${#scripts[@]} scripts"
    # SC2016: a `$` in single quotes is meant here, it is for another shell or for awk.
    "$VENV/bin/shellcheck" --exclude=SC2016 --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
}

dockerfiles() {
    local found=()
    mapfile -t found < <(files '*Dockerfile' '*Dockerfile.*' '*.Dockerfile')
    note "${#found[@]} Dockerfiles"
    ((${#found[@]} == 0)) || "$VENV/bin/hadolint" --config .hadolint.yaml "${found[@]}"
}

spelling() { "$VENV/bin/typos" --config typos.toml; }

# The template with its permissions and its refusals, the machine images, the units. Deploying them is for the tests.
deploy() {
    "$VENV/bin/python" tests/deploy/template.py lint
    if have packer; then
        # Any file that is there does for a binary: nothing is built.
        packer validate -var binary="$0" -var binary_arm64="$0" packer/caisson.pkr.hcl
    else
        note "skipped: there is no packer here, so packer/caisson.pkr.hcl is not validated"
    fi
    if have systemd-analyze; then
        systemd-analyze security --offline=true --threshold=15 "$PWD/deploy/host/caisson.service" >/dev/null ||
            fail "deploy/host/caisson.service is exposed by more than 1.5" \
                "look at: systemd-analyze security --offline=true deploy/host/caisson.service"
    else
        note "skipped: there is no systemd-analyze here, so the units are not looked at"
    fi
}

generated() {
    local scratch stale=0 file
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064  # the directory's name is meant as it is now
    trap "rm -rf '$scratch'" EXIT
    scripts/generate.sh "$scratch"
    while IFS= read -r -d '' file; do
        diff --new-file --unified "$file" "$scratch/$file" || stale=1
    done < <(cd "$scratch" && find . -type f -printf '%P\0')
    ((stale == 0)) || fail "generated files are stale" "type: ./justw generate"
}

# Each check is a process of its own, so that `set -e` holds in it.
if [[ ${1:-} == --only ]]; then
    "$2"
    exit
fi

(($# > 0)) || set -- "${CHECKS[@]}"
for check in "$@"; do
    [[ " ${CHECKS[*]} " == *" $check "* ]] || fail "no such check: $check" "there are: ${CHECKS[*]}"
done

scripts/setup.sh check
failed=()
for check in "$@"; do
    part "$check" "${BASH_SOURCE[0]}" --only "$check" || failed+=("$check")
done
((${#failed[@]} == 0)) || fail "failed: ${failed[*]}"
say "all good: $*"
