#!/usr/bin/env bash
# The whole test run: set-up, images, a local SQS, every test, and a look for what the tests left behind.
#
#   scripts/test.sh [NEXTEST ARGUMENT...]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/setup.sh test
before=$(mktemp)
trap 'stop_images; rm -f "$before"' EXIT

arguments=(--all-features)
[[ -z ${CI:-} ]] || arguments+=(--locked --profile ci)

# Compiled before the SQS is started, and timed apart; with arguments, which may change what is compiled, together.
begin_images
(($# > 0)) || part "compiling" cargo nextest run "${arguments[@]}" --no-run
part "images" end_images

# Another worker on this machine is not our leftover.
scripts/leftovers.sh --list >"$before"

say "tests"
status=0
scripts/sqs.sh cargo nextest run "${arguments[@]}" "$@" || status=$?
scripts/leftovers.sh --except "$before" || status=$((status == 0 ? 1 : status))
exit "$status"
