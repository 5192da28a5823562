#!/bin/bash
# Makes a worker's host of a bare Debian 13 (or Ubuntu 24.04): engine, runtimes, images, the worker with its units, and the
# settings of docs/operations.md. Run as root, by Packer, with the sources in /tmp/caisson.
#
#   KIND=machine      an instance that becomes an AMI
#   KIND=container    a container that a test looks into: no kernel of its own, no engine that could run, no systemd
set -euo pipefail

KIND=${KIND:?KIND is machine or container}
SOURCES=${SOURCES:-/tmp/caisson}
export DEBIAN_FRONTEND=noninteractive

# Docker's own packages, for an engine and a runc of this month; its fingerprint is published by Docker.
DOCKER_KEY_FINGERPRINT=9DC858229FC7DD38854AE2D88D81803C0EBFCD88

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
install_packages() { apt-get install --yes --no-install-recommends "$@"; }

# shellcheck source=/dev/null
source /etc/os-release
[[ $ID == debian || $ID == ubuntu ]] || fail "this is made for Debian and Ubuntu, not for $ID"

# add_repository NAME KEY-URL FINGERPRINT LINE...: a package source that only its own key can speak for.
add_repository() {
    local name=$1 url=$2 wanted=$3 found
    shift 3
    curl --silent --show-error --fail --location --retry 5 "$url" | gpg --dearmor --yes --output "/usr/share/keyrings/$name.gpg"
    found=$(gpg --show-keys --with-colons "/usr/share/keyrings/$name.gpg" | awk -F: '$1 == "fpr" { print $10; exit }')
    [[ $found == "$wanted" ]] || fail "the key of $name has the fingerprint $found, not $wanted: don't use it"
    printf '%s\n' "deb [arch=$(dpkg --print-architecture) signed-by=/usr/share/keyrings/$name.gpg] $*" \
        >"/etc/apt/sources.list.d/$name.list"
}

say "packages"
if [[ $KIND == machine ]]; then
    # Workers reach port 443 and nothing else.
    install_packages ca-certificates curl gpg
    sed -i 's|http://|https://|' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true
fi
apt-get update
apt-get dist-upgrade --yes
# jq and the like are not here on purpose: what isn't there can't be used by whoever gets out of a sandbox.
install_packages ca-certificates curl logrotate unattended-upgrades

say "engine and runtimes"
if [[ $KIND == machine ]]; then
    add_repository docker "https://download.docker.com/linux/$ID/gpg" "$DOCKER_KEY_FINGERPRINT" \
        "https://download.docker.com/linux/$ID $VERSION_CODENAME stable"
    apt-get update
    install_packages docker-ce docker-ce-cli containerd.io docker-buildx-plugin crun runsc apparmor
else
    # No engine: it could not run here. The distribution's runtimes, because they are reachable wherever Debian is.
    install_packages runc crun
fi
runc --version | head -n 1
# The escapes of 2024 and 2025 are mended in 1.1.12, 1.2.8, 1.3.3 and 1.4.0; distributions mend older numbers, too.
if [[ $KIND == machine ]]; then
    version=$(runc --version | sed -n 's/^runc version \([0-9.]*\).*/\1/p')
    printf '%s\n' 1.2.8 "$version" | sort --version-sort --check=quiet || fail "runc $version has known escapes; 1.2.8 or newer is needed"
fi

say "the worker"
"$SOURCES/host/install" "$SOURCES/caisson"
install -D --mode=0644 "$SOURCES/host/unattended-upgrades.conf" /etc/apt/apt.conf.d/52caisson-unattended-upgrades

if [[ $KIND == machine ]]; then
    say "the images of the languages"
    install_packages mmdebstrap
    [[ $ID == debian ]] || install_packages debian-archive-keyring
    "$SOURCES/images/build"
    apt-get purge --yes --autoremove mmdebstrap docker-buildx-plugin
    docker builder prune --all --force >/dev/null

    say "the agent that sends the log to CloudWatch"
    architecture=$(dpkg --print-architecture)
    curl --silent --show-error --fail --retry 5 --output /tmp/agent.deb \
        "https://amazoncloudwatch-agent.s3.amazonaws.com/debian/$architecture/latest/amazon-cloudwatch-agent.deb"
    dpkg --install /tmp/agent.deb
    rm /tmp/agent.deb
fi

# After the images are built: it takes the bridge away, and with it the network of `docker build`.
say "engine settings"
install -D --mode=0644 "$SOURCES/host/daemon.json" /etc/docker/daemon.json
[[ $KIND != machine ]] || systemctl restart docker.service

say "what must not be in an image"
# A swap file would make memory limits soft, and an SSH server is a port; neither has a use here.
if [[ $KIND == machine ]]; then
    swapoff --all
    sed -i '/\sswap\s/d' /etc/fstab
    # Not stopped now: this script came over it.
    for unit in ssh.socket ssh.service; do systemctl disable "$unit" 2>/dev/null || true; done
    cloud-init clean --logs
    rm -f /etc/ssh/ssh_host_*
fi
truncate --size=0 /etc/machine-id 2>/dev/null || true
apt-get clean
rm -rf /var/lib/apt/lists/* /tmp/caisson /var/log/apt /var/log/*.log
find / -xdev -path /proc -prune -o -perm /6000 -type f -print 2>/dev/null | while IFS= read -r file; do
    case $file in
        # Needed by the host itself; none of them is in a sandbox.
        */sudo | */su | */mount | */umount | */dbus-daemon-launch-helper | */unix_chkpwd) ;;
        *) chmod ug-s "$file" ;;
    esac
done
say "done"
