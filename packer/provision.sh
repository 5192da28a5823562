#!/bin/bash
# Makes a worker's host of a bare Debian 13 (or Ubuntu 24.04): engine, runtimes, images, the worker with its units, and the
# settings of docs/operations.md. Run as root, by Packer, with the sources in /tmp/caisson.
#
#   KIND=machine      an instance that becomes an AMI
#   KIND=container    a container that a test looks into: no kernel of its own, no engine that could run, no systemd
#   KIND=chroot       the root of a machine that a test boots later (scripts/vm.sh): the distribution's engine, which doesn't run yet
set -euo pipefail

KIND=${KIND:?KIND is machine, container or chroot}
SOURCES=${SOURCES:-/tmp/caisson}
export DEBIAN_FRONTEND=noninteractive

# Docker's own packages, for an engine and a runc of this month; its fingerprint is published by Docker.
DOCKER_KEY_FINGERPRINT=9DC858229FC7DD38854AE2D88D81803C0EBFCD88
# Published by AWS ("Verifying the signature of the CloudWatch agent package").
CLOUDWATCH_AGENT_KEY_FINGERPRINT=937616F3450B7D806CBD9725D58167303B789C72

say() { printf '==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
install_packages() { apt-get install --yes --no-install-recommends "$@"; }

# shellcheck source=/dev/null
source /etc/os-release
[[ $ID == debian || $ID == ubuntu ]] || fail "this is made for Debian and Ubuntu, not for $ID"

download() { curl --silent --show-error --fail --location --retry 5 --output "$2" "$1"; }

# keyring NAME KEY-URL FINGERPRINT: /usr/share/keyrings/NAME.gpg with that one key. Without it alone, nothing it signed is taken.
keyring() {
    local file=/usr/share/keyrings/$1.gpg found
    download "$2" /tmp/key
    gpg --dearmor --yes --output "$file" /tmp/key
    rm /tmp/key
    found=$(gpg --show-keys --with-colons "$file" | awk -F: '$1 == "pub" { wanted = 1 } wanted && $1 == "fpr" { print $10; wanted = 0 }')
    [[ $found == "$3" ]] || fail "the key of $1 has the fingerprint $found, not $3: don't use it"
}

# add_repository NAME KEY-URL FINGERPRINT LINE...: a package source that only its own key can speak for.
add_repository() {
    local name=$1
    keyring "$name" "$2" "$3"
    shift 3
    printf '%s\n' "deb [arch=$(dpkg --print-architecture) signed-by=/usr/share/keyrings/$name.gpg] $*" \
        >"/etc/apt/sources.list.d/$name.list"
}

say "packages"
if [[ $KIND == machine ]]; then
    # Workers reach port 443 and nothing else.
    install_packages ca-certificates curl gpg gpgv
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
elif [[ $KIND == chroot ]]; then
    install_packages docker.io docker-cli runc crun apparmor
else
    # No engine: it could not run here. The distribution's runtimes, because they are reachable wherever Debian is.
    install_packages runc crun
fi
runc --version | head -n 1
# What is known against these versions stands in one table, which is the doctor's.
if [[ $KIND == machine ]]; then
    "$SOURCES/caisson" doctor --strict --only engine.escapes --only engine.containerd ||
        fail "runc or containerd has known escapes, or its version can't be told; see above for what is needed"
fi

# AppArmor 4's profiles for the runtimes' own programs confine nothing, but give what these start a second name beside the container's
# profile. That one allows signals only between processes of its own name, so nothing in a sandbox could be ended.
for runtime in crun runc; do
    profile=/etc/apparmor.d/$runtime
    [[ -e $profile ]] || continue
    ln --symbolic --force "$profile" "/etc/apparmor.d/disable/$runtime"
    ! aa-enabled --quiet || apparmor_parser --remove "$profile"
done

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
    bucket=https://amazoncloudwatch-agent.s3.amazonaws.com
    download "$bucket/debian/$architecture/latest/amazon-cloudwatch-agent.deb" /tmp/agent.deb
    download "$bucket/debian/$architecture/latest/amazon-cloudwatch-agent.deb.sig" /tmp/agent.deb.sig
    keyring cloudwatch-agent "$bucket/assets/amazon-cloudwatch-agent.gpg" "$CLOUDWATCH_AGENT_KEY_FINGERPRINT"
    gpgv --keyring /usr/share/keyrings/cloudwatch-agent.gpg /tmp/agent.deb.sig /tmp/agent.deb ||
        fail "the agent's package isn't signed by its publisher: don't use it"
    dpkg --install /tmp/agent.deb
    rm /tmp/agent.deb /tmp/agent.deb.sig
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
