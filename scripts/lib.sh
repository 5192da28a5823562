# shellcheck shell=bash
# What the scripts share: where things are, how they speak, and how they install what a machine lacks.
# Sourced, never run; it leaves the shell in the project's top directory.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$ROOT/.tools
# shellcheck disable=SC2034  # for those who source this
VENV=$TOOLS/venv
cd "$ROOT" || exit 1

# A bare environment (cron, CI, `su`) may lack these three; what the caller put on PATH still comes first.
export HOME=${HOME:-$(cd ~ && pwd)}
export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:$TOOLS/bin:/usr/sbin:/sbin

say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# part TITLE COMMAND...: says what runs and, at its end, how long it took. COMMAND is a program, or a function that minds each status by itself:
# `set -e` does not hold inside a function whose status is asked for.
part() {
    local title=$1 begin=${EPOCHREALTIME/[.,]/} status=0 ms
    shift
    say "$title"
    "$@" || status=$?
    ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    local outcome=''
    ((status == 0)) || outcome=" (failed, exit code $status)"
    note "$title: $((ms / 1000)).$((ms % 1000 / 100)) s$outcome"
    return "$status"
}

# begin_images, then something that compiles, then end_images: the images take packages and the disk, compiling the CPU, so
# that both are done sooner beside each other. stop_images is for the caller's trap.
begin_images() {
    IMAGES_LOG=$(mktemp)
    images/build >"$IMAGES_LOG" 2>&1 &
    IMAGES=$!
}
end_images() {
    local status=0
    wait "$IMAGES" || status=$?
    IMAGES=''
    cat "$IMAGES_LOG" >&2
    return "$status"
}
stop_images() {
    if [[ -n ${IMAGES:-} ]]; then
        kill "$IMAGES" 2>/dev/null || true
        wait "$IMAGES" || true
    fi
    rm -f "${IMAGES_LOG:-}"
}

# lock NAME: one process at a time from here to the end of the script. The descriptor is in $LOCK, for children that
# outlive the script to close.
lock() {
    mkdir -p "$TOOLS"
    exec {LOCK}>"$TOOLS/$1.lock"
    flock "$LOCK"
}

# apt_install PACKAGE...: installs Debian packages when root, and otherwise says what to type.
apt_install() {
    local log=$TOOLS/apt.log
    have apt-get || fail "missing: $*" "install what your system calls these Debian packages"
    ((EUID == 0)) || fail "missing: $*" "type: sudo apt-get install $*"
    note "apt-get install $*"
    mkdir -p "$TOOLS"
    (
        exec >"$log" 2>&1 </dev/null
        export DEBIAN_FRONTEND=noninteractive
        flock 8
        # An update that fails is no reason to stop: the lists at hand may do.
        apt-get update || true
        apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
    ) 8>"$TOOLS/apt.lock" || {
        tail -n 20 "$log" >&2
        fail "apt-get install $* failed" "the whole log: $log"
    }
}
