#!/usr/bin/env bash
# Makes sure that qemu-system-x86_64 is here: Debian's, installed when root.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

! have qemu-system-x86_64 || exit 0

# qemu's packages are all of one version. Where qemu-utils came from the backports, the rest has to come from there too.
options=()
installed=$(dpkg-query --show --showformat '${Version}' qemu-utils 2>/dev/null || true)
if [[ -n $installed ]]; then
    release=$(apt-cache madison qemu-system-x86 2>/dev/null |
        awk -v version="$installed" '$3 == version { sub("/.*", "", $6); print $6; exit }')
    [[ -z $release ]] || options+=(--target-release "$release")
fi
apt_install "${options[@]}" qemu-system-x86
