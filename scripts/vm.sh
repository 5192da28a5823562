#!/usr/bin/env bash
# Makes a Debian 13 machine by the machine image's own provisioning, boots it in qemu, and tries Caisson in it: on version 2 of the
# cgroups, under systemd, with AppArmor, with the distribution's engine. Nothing else of this machine is touched.
#
#   scripts/vm.sh [--binary FILE] [--fresh] [--keep] [CHECK...]
#
# CHECK… are groups of tests/vm/checks.py: host, runc (default: both).
#   --binary FILE   that caisson, in place of a release build
#   --fresh         make the machine's disk again
#   --keep          leave what the machine printed in .tools/vm/log, also where everything was right
#
# The disk stays in .tools/vm until what it was made from changes; a run writes to a copy that goes with it. Without KVM, which is used
# where a machine boots with it, the processor is emulated: everything takes ten times as long, or more on a busy host.
set -euo pipefail
caller=$PWD
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SUITE=trixie
IMAGES=(base bash c python3)
DISK_SIZE=8G
MEMORY_MIB=3072
CPUS=2
# Against a machine that hangs; they decide nothing else.
CHECK_SECONDS=${CAISSON_VM_CHECK_SECONDS:-5400}
LOAD_SECONDS=1200
PROBE_SECONDS=30

VM=$TOOLS/vm
binary='' fresh='' keep=''
while (($# > 0)); do
    case $1 in
        --binary)
            binary=$(cd "$caller" && realpath "${2:?--binary takes a file}")
            shift
            ;;
        --fresh) fresh=yes ;;
        --keep) keep=yes ;;
        -*) fail "no such option: $1" "see the head of scripts/vm.sh" ;;
        *) break ;;
    esac
    shift
done

# Where the local SQS runs, which this script starts itself beside.
if [[ ${CAISSON_VM_INSIDE:-} != yes ]]; then
    # Its packages keep their own users and modes, and its provisioning is a chroot.
    ((EUID == 0)) || fail "the machine's disk can be made by root only" "type: sudo ./justw vm"
    scripts/setup.sh vm
    part "images" images/build "${IMAGES[@]}"
    if [[ -z $binary ]]; then
        part "caisson" cargo build --release
        binary=$(realpath "${CARGO_TARGET_DIR:-target}/release/caisson")
    fi
    options=(--binary "$binary")
    [[ -z $fresh ]] || options+=(--fresh)
    [[ -z $keep ]] || options+=(--keep)
    CAISSON_VM_INSIDE=yes exec scripts/sqs.sh "$ROOT/scripts/vm.sh" "${options[@]}" "$@"
fi

lock vm
work=$(mktemp -d "$TOOLS/vm-work.XXXXXX")
machine='' # process id of the machine that runs
shower=''  # process id of what shows its lines

# shellcheck disable=SC2329  # called by the trap
finish() {
    local status=$?
    [[ -z $machine ]] || kill "$machine" 2>/dev/null || true
    [[ -z $shower ]] || kill "$shower" 2>/dev/null || true
    if [[ -s $work/console ]] && { ((status != 0)) || [[ -n $keep ]]; }; then
        mkdir -p "$VM/log"
        cp "$work"/console "$work"/lines "$VM/log/"
        note "what the machine printed: $VM/log"
    fi
    # What was mounted in it is not ours to remove.
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What the disk is made from. The binary isn't: it is put in at each run.
key() {
    local image
    {
        cat scripts/vm.sh packer/provision.sh tests/vm/load-images tests/vm/caisson-vm.service deploy/host/*
        for image in "${IMAGES[@]}"; do docker image inspect --format '{{.Id}}' "caisson/$image"; done
    } | sha256sum | cut --characters=1-16
}

# An initramfs and a kernel that print something show that KVM works; that /dev/kvm can be opened doesn't.
acceleration() {
    if [[ -w /dev/kvm ]]; then
        : >"$work/probe"
        timeout --kill-after=5 "$PROBE_SECONDS" qemu-system-x86_64 -nodefaults -display none -no-reboot -accel kvm -cpu host -m 512 \
            -kernel "$disk/kernel" -initrd "$disk/initrd" -append "console=ttyS0 loglevel=7 panic=-1 rdinit=/bin/false" \
            -serial "file:$work/probe" </dev/null >/dev/null 2>&1 || true
        if grep -qa 'Run /bin/false as init process' "$work/probe"; then
            echo kvm
            return
        fi
    fi
    echo tcg
}

# What would look for packages meanwhile.
masked="systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer systemd.mask=unattended-upgrades.service"

# boot SECONDS INPUT.tar QEMU-ARGUMENT...: until the machine switches itself off. Shows the lines that it prints.
boot() {
    local seconds=$1 input=$2 status=0 processor clock=''
    shift 2
    # Page tables of five levels only make emulation slower.
    # Nor may the machine find out by itself how fast its clock is: where the host has no time for it meanwhile, all of its time runs
    # many times too fast. An emulated time stamp counter is the host's.
    if [[ $accelerator == kvm ]]; then
        processor=host
    else
        processor=max,la57=off
        clock="clocksource=hpet no_timer_check tsc_early_khz=$(awk -F: '/^cpu MHz/ { printf "%d", $2 * 1000; exit }' /proc/cpuinfo)"
    fi
    : >"$work/lines"
    timeout --kill-after=10 "$seconds" qemu-system-x86_64 -nodefaults -display none -name caisson-vm \
        -accel "$accelerator" -cpu "$processor" -smp "$CPUS" -m "$MEMORY_MIB" \
        -kernel "$disk/kernel" -initrd "$disk/initrd" \
        -append "root=LABEL=caisson-vm rw console=ttyS0 TERM=dumb quiet panic=-1 $clock $masked" \
        -drive "file=$input,if=none,id=input,format=raw,readonly=on" \
        -device virtio-rng-pci -netdev user,id=network -device virtio-net-pci,netdev=network,romfile= \
        -serial "file:$work/console" -serial "file:$work/lines" \
        "$@" -device virtio-blk-pci,drive=input,serial=input </dev/null &
    machine=$!
    tail --pid="$machine" --lines=+1 --follow "$work/lines" 2>/dev/null | tr --delete '\r' | sed --unbuffered 's/^/    /' &
    shower=$!
    wait "$machine" || status=$?
    machine=''
    wait "$shower" || true
    shower=''
    ((status != 124 && status != 137)) || fail "the machine did not switch itself off within $seconds s"
    ((status == 0)) || fail "qemu failed with exit code $status"
    status=$(tr --delete '\r' <"$work/lines" | sed -n 's/^== end \([0-9]*\)$/\1/p' | tail -n 1)
    [[ -n $status ]] || fail "the machine ended without saying how it went"
    return "$status"
}

# pack FILE.tar MAIN FILE...: what the machine finds on its second disk, with MAIN as what it runs.
pack() {
    local file=$1 main=$2
    shift 2
    rm -rf "$work/input"
    mkdir "$work/input"
    cp "$main" "$work/input/main"
    (($# == 0)) || cp -r "$@" "$work/input/"
    tar --create --file="$file" --owner=0 --group=0 --directory="$work/input" .
}

# inside COMMAND...: in the machine's root before it is a machine, in namespaces of its own, with a /sys in which there is nothing.
inside() {
    unshare --mount --pid --ipc --uts --fork --kill-child bash -c 'root=$1
        shift
        # An engine that unpacks images wants to be at the top of something mounted.
        mount --rbind "$root" "$root"
        mount -t tmpfs tmpfs "$root/sys"
        exec chroot "$root" env -i PATH="$PATH" HOME=/root "$@"' - "$root" "$@"
}

# The root file system: packages, then the provisioning in it, as Packer would run it.
make_root() {
    local packages
    packages=(systemd systemd-sysv udev dbus kmod iproute2 linux-image-cloud-amd64 initramfs-tools ca-certificates)
    unshare --mount mmdebstrap --variant=minbase --mode=root --aptopt='Acquire::Languages "none"' --dpkgopt='force-unsafe-io' \
        --include="$(IFS=,; echo "${packages[*]}")" "$SUITE" "$root" || return

    # What a machine image of Debian brings along: a network by DHCP.
    printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/80-any.network"
    chroot "$root" systemctl enable systemd-networkd.service || return
    echo caisson-vm >"$root/etc/hostname"

    mkdir -p "$root/tmp/caisson" || return
    cp -r "$binary" "$root/tmp/caisson/caisson" && cp -r deploy/host images "$root/tmp/caisson/" || return
    cp packer/provision.sh "$root/root/provision.sh"
    # No service of it may start here.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 0755 "$root/usr/sbin/policy-rc.d"
    cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
    inside bash -c 'mount -t proc -o ro proc /proc && KIND=chroot exec bash /root/provision.sh' </dev/null || return
    rm "$root/usr/sbin/policy-rc.d" "$root/root/provision.sh" "$root/etc/resolv.conf"

    cp tests/vm/caisson-vm.service "$root/etc/systemd/system/"
    chroot "$root" systemctl enable caisson-vm.service
}

# The engine in that root looks for the cgroups, and has no network.
load_images() {
    cp tests/vm/load-images "$root/root/load-images"
    docker save --output "$work/images.tar" "${IMAGES[@]/#/caisson/}" || return
    timeout --kill-after=10 "$LOAD_SECONDS" unshare --mount --net bash -c "$(declare -f inside)
        root=$root"'
        mkdir -p "$root/cgroup"
        mount --rbind /sys/fs/cgroup "$root/cgroup"
        inside /root/load-images' <"$work/images.tar" || return
    rm "$work/images.tar" "$root/root/load-images"
    rmdir "$root/cgroup"
}

# logged COMMAND...: with its output only where it fails.
logged() {
    "$@" >"$work/log" 2>&1 || {
        tail -n 30 "$work/log" >&2
        fail "the machine's disk could not be made"
    }
}

make_disk() {
    root=$work/root
    disk=$work/disk
    mkdir "$disk"
    part "packages and provisioning" logged make_root
    part "images" logged load_images
    cp "$root"/boot/vmlinuz-* "$disk/kernel"
    cp "$root"/boot/initrd.img-* "$disk/initrd"
    part "file system" mkfs.ext4 -q -L caisson-vm -d "$root" "$disk/root.img" "$DISK_SIZE"
    rm -rf --one-file-system "$root"
    # Disks of other sources are of no use any more.
    rm -rf "$VM"/disk-*
    mkdir -p "$VM"
    mv "$disk" "$VM/disk-$key"
}

key=$(key)
[[ -z $fresh ]] || rm -rf "$VM/disk-$key"
[[ -d $VM/disk-$key ]] || make_disk
disk=$VM/disk-$key
accelerator=$(acceleration)
note "accelerator: $accelerator; disk: $(du --human-readable "$disk/root.img" | cut --fields=1) in $disk"

# The machine's own name for this one.
endpoint=${AWS_ENDPOINT_URL/127.0.0.1/10.0.2.2}
cp "$binary" "$work/caisson"
printf '%s\n' "$endpoint" >"$work/endpoint"
printf '%s\n' "$@" >"$work/groups"
pack "$work/input.tar" tests/vm/checks.py "$work/caisson" "$work/endpoint" "$work/groups" deploy/host
status=0
part "checks" boot "$CHECK_SECONDS" "$work/input.tar" \
    -drive "file=$disk/root.img,if=none,id=root,format=raw,cache=unsafe,snapshot=on" \
    -device virtio-blk-pci,drive=root || status=$?
((status == 0)) || fail "something is not as it should be in the machine; see above"
