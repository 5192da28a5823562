#!/usr/bin/env bash
# Real workers under faults, or one worker under load, beside a local SQS; bounded, and ends by itself.
#
#   scripts/chaos.sh [chaos|soak] [--workers N] [--slots N] [--waiting N] [--receipts N] [--recycle 1] [--jobs N] [--seed N]
#                    [--runs N] [--seconds N] [--minutes N] [--keep 1]
#
# chaos: so many runs (1) with N workers (4) of so many slots (4), M jobs (400) and faults for so many seconds (75), each at most so
#        many minutes (22); prints the invariants one by one, and the seed, which is the next number for each further run.
#        --receipts N is the incoming queue's maxReceiveCount: 5 where the seed is even, 3 where it is odd, unless told;
#        --recycle 1 has containers started again for later jobs;
#        --waiting 0 runs without containers made ahead, and then looks at CPUs, too;
#        --keep 1 leaves logs and ledger also where everything held.
# soak:  M jobs (10000) through one worker without faults; prints its memory and its descriptors.
# The exit code is 0 when everything held. When not, logs and ledger are in target/chaos/SEED/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test=chaos
case ${1:-} in
    chaos | soak)
        test=$1
        shift
        ;;
esac
if [[ $test == soak ]]; then
    export CHAOS_JOBS=10000 CHAOS_MINUTES=120
fi
while (($# > 0)); do
    case $1 in
        --workers | --slots | --waiting | --receipts | --recycle | --jobs | --seed | --runs | --seconds | --minutes | --keep) name=${1#--} ;;
        *) fail "no such option: $1" "see the head of scripts/chaos.sh" ;;
    esac
    [[ ${2:-} =~ ^[0-9]+$ ]] || fail "$1 takes a whole number"
    export "CHAOS_${name^^}=$2"
    shift 2
done

scripts/setup.sh test
part "images" images/build
part "compiling" cargo test --quiet --no-run --all-features --test chaos

# Another worker on this machine is not our leftover.
before=$(mktemp)
trap 'rm -f "$before"' EXIT
scripts/leftovers.sh --list >"$before"
status=0
scripts/sqs.sh cargo test --quiet --all-features --test chaos "$test" -- --exact --ignored --nocapture || status=$?
scripts/leftovers.sh --except "$before" || status=$((status == 0 ? 1 : status))
exit "$status"
