#!/usr/bin/env bash
# Fuzzes one target for some seconds, starting from the project's own examples and what earlier runs found.
#
#   scripts/fuzz.sh TARGET [SECONDS]        (default: 60; targets are in fuzz/src/targets.rs)
#
# What breaks a target is kept in fuzz/artifacts/TARGET. Make it small with `cargo fuzz tmin`, put it into
# fuzz/regressions/TARGET, and mend the code: tests/fuzz_regressions.rs replays it from then on.
#
# FUZZ_SANITIZER=address adds AddressSanitizer: slower, and of use only to what is `unsafe`, which is in the libraries.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

target=${1:?TARGET is missing; scripts/fuzz.sh TARGET SECONDS}
seconds=${2:-60}
[[ -f fuzz/fuzz_targets/$target.rs ]] || fail "no such target: $target" "there are: $(cd fuzz/fuzz_targets && echo *.rs)"

scripts/setup.sh build
scripts/cargo-tools.sh fuzz
have g++ || apt_install g++

# The versions that the product itself is built with.
cp -u Cargo.lock fuzz/Cargo.lock
sanitizer=${FUZZ_SANITIZER:-none}
# Coverage is a matter of code generation and needs no nightly compiler; a sanitizer's flag does, or this.
[[ $sanitizer == none ]] || export RUSTC_BOOTSTRAP=1
start=fuzz/start/$target corpus=fuzz/corpus/$target artifacts=fuzz/artifacts/$target
mkdir -p "$start" "$corpus" "$artifacts"
options=(--sanitizer "$sanitizer")
part "building" nice -n 10 cargo fuzz build "${options[@]}" "$target"

# Writes the seeds and the words before anything else; see fuzz/src/seeds.rs.
export CAISSON_FUZZ_START=$ROOT/$start
fuzz() { nice -n 10 cargo fuzz run "${options[@]}" "$target" "$corpus" "$start/seeds" -- "$@"; }
mkdir -p "$start/seeds"
fuzz -runs=0 >/dev/null 2>&1 || true
dictionary=()
[[ ! -s $start/dictionary ]] || dictionary=("-dict=$start/dictionary")
say "fuzzing $target for $seconds s"
fuzz -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 "${dictionary[@]}"
