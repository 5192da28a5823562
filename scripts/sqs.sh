#!/usr/bin/env bash
# Runs a command beside an SQS of its own (moto, which does S3 too): starts it on a free port, tells the command where
# by the environment, and ends it however the command ends.
#
#   scripts/sqs.sh COMMAND [ARGUMENT...]
#
# The command finds AWS_ENDPOINT_URL, AWS_REGION, test credentials, and CAISSON_TEST_SQS_URL (the endpoint again: its
# presence tells a test that this SQS may be filled with rubbish). The exit code is the command's.
set -euo pipefail
caller=$PWD
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Only against a server that hangs: on a busy host the imports alone take a minute.
START_SECONDS=600

(($# > 0)) || fail "usage: scripts/sqs.sh COMMAND [ARGUMENT...]"
scripts/tools.sh sqs

export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
# What the user's own account would add must not reach the command.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_SQS AWS_ENDPOINT_URL_S3 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
export AWS_EC2_METADATA_DISABLED=true

log=$(mktemp)
server='' command=''

# SIGKILL: the server has nothing to save, and answers SIGTERM slowly.
# shellcheck disable=SC2329  # called by the trap
finish() {
    [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
    rm -f "$log"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The server writes its address once it answers; the end of its output before that means that it died.
exec {ready}< <(exec "$VENV/bin/python" scripts/sqs_server.py $$ </dev/null 2>"$log")
server=$!
if ! read -r -t "$START_SECONDS" -u "$ready" address; then
    cat "$log" >&2
    fail "the local SQS did not start"
fi
exec {ready}<&-
export AWS_ENDPOINT_URL=$address CAISSON_TEST_SQS_URL=$address

# In the background, so that a signal to this script is acted on at once; with stdin and Ctrl-C as in the foreground.
cd "$caller"
env --default-signal=INT,QUIT "$@" <&0 &
command=$!
interrupted=''
# shellcheck disable=SC2329  # called by the traps
pass_on() {
    interrupted=yes
    kill "-$1" "$command" 2>/dev/null || true
}
trap 'pass_on TERM' TERM HUP
# A terminal has already sent its Ctrl-C to the command, and many take a second one for "now".
trap 'if [[ -t 0 || -t 2 ]]; then interrupted=yes; else pass_on INT; fi' INT

# A trapped signal ends `wait` before the command has ended: then it has to be waited for again.
while :; do
    interrupted='' status=0
    wait "$command" || status=$?
    [[ -n $interrupted ]] || break
done
exit "$status"
