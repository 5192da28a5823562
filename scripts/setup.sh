#!/usr/bin/env bash
# Brings the machine to where the named purposes need it, and does nothing, quickly, where it is there already.
#
#   scripts/setup.sh [build|images|demo|test|test-fast|vm|check...]      (default: everything)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

(($# > 0)) || set -- test check

rust=() engine=() emulator=() packages=() wanted=() tools=() cargo_tools=()
for purpose in "$@"; do
    case $purpose in
        build) rust=(yes) ;;
        images) engine=(yes) packages=(mmdebstrap) ;;
        demo) rust=(yes) engine=(yes) packages=(mmdebstrap) tools+=(sqs) ;;
        test) rust=(yes) engine=(yes) packages=(mmdebstrap) wanted=(packer) tools+=(sqs deploy) cargo_tools+=(nextest) ;;
        test-fast) rust=(yes) cargo_tools+=(nextest) ;;
        vm) rust=(yes) engine=(yes) emulator=(yes) packages=(mmdebstrap) tools+=(sqs) ;;
        check) rust=(yes) wanted=(packer) tools+=(lint deploy) cargo_tools+=(deny) ;;
        *) fail "no such purpose: $purpose" ;;
    esac
done

# Base images are made from Debian packages by mmdebstrap. Elsewhere the image build says what it wants instead.
for package in "${packages[@]}"; do
    have "$package" || ! have apt-get || part "$package" bash -c 'source scripts/lib.sh && apt_install "$1"' - "$package"
done
# Debian has it in some releases. Where it is not to be had, what needs it says that it is skipped.
for package in "${wanted[@]}"; do
    have "$package" || ((EUID != 0)) || ! have apt-cache || [[ -z $(apt-cache search --names-only "^$package\$") ]] ||
        part "$package" bash -c 'source scripts/lib.sh && apt_install "$1"' - "$package"
done
((${#rust[@]} == 0)) || part "Rust" scripts/rust.sh
((${#engine[@]} == 0)) || part "Docker engine" scripts/engine.sh
((${#emulator[@]} == 0)) || part "emulator" scripts/qemu.sh
((${#tools[@]} == 0)) || part "Python tools (${tools[*]})" scripts/tools.sh "${tools[@]}"
((${#cargo_tools[@]} == 0)) || part "cargo tools (${cargo_tools[*]})" scripts/cargo-tools.sh "${cargo_tools[@]}"
