#!/usr/bin/env bash
# Makes sure that a Docker engine answers: the one that is there, or Debian's, installed and started when root.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Only against an engine that hangs: on a busy host a start takes many times as long as on an idle one.
START_SECONDS=600
PIDFILE=$TOOLS/dockerd.pid
LOG=$TOOLS/dockerd.log

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

install_engine() {
    local packages=(docker.io)
    # Newer Debian releases keep the client in a package of its own.
    [[ -z $(apt-cache search --names-only '^docker-cli$' 2>/dev/null) ]] || packages+=(docker-cli)
    # Where the kernel has AppArmor on, the engine needs its parser to start any container.
    ! grep -qs Y /sys/module/apparmor/parameters/enabled || packages+=(apparmor)
    apt_install "${packages[@]}"
}

start_engine() {
    rm -f "$PIDFILE"
    if [[ -d /run/systemd/system ]]; then
        note "systemctl start docker"
        systemctl start docker || fail "systemd could not start docker" "look at: journalctl --unit docker"
        return
    fi
    note "starting dockerd in the background: process id in $PIDFILE, log in $LOG"
    # It outlives this script: own session, no descriptor of ours, above all not the lock's.
    setsid dockerd >"$LOG" 2>&1 </dev/null {LOCK}>&- &
    printf '%s\n' "$!" >"$PIDFILE"
}

started_engine_died() { [[ -f $PIDFILE ]] && ! kill -0 "$(<"$PIDFILE")" 2>/dev/null; }

wait_for_engine() {
    local deadline=$((SECONDS + START_SECONDS))
    until answers; do
        if started_engine_died; then
            tail -n 5 "$LOG" >&2
            fail "dockerd ended while starting" "the whole log: $LOG"
        fi
        ((SECONDS < deadline)) || fail "the Docker engine did not answer within $START_SECONDS s" \
            "look at: journalctl --unit docker, or $LOG"
        sleep 0.2
    done
}

if answers; then exit 0; fi

if have docker; then
    said=$(docker version --format '{{.Server.Version}}' 2>&1 >/dev/null || true)
    if [[ $said == *"permission denied"* ]]; then
        fail "the Docker engine refuses user $(id -un): permission denied on its socket" \
            "run this as root, or type: sudo usermod --append --groups docker $(id -un)   (then log in again)"
    fi
    if [[ -n ${DOCKER_HOST:-} ]]; then
        fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" "${said##*$'\n'}"
    fi
fi

((EUID == 0)) || fail "no Docker engine answers" \
    "run this as root, or type: sudo apt-get install docker.io && sudo systemctl start docker"

lock engine
if answers; then exit 0; fi
if ! have docker || ! have dockerd; then install_engine; fi
# Installing the package may already have started it.
answers || start_engine
wait_for_engine
note "engine $(docker version --format '{{.Server.Version}}')"
