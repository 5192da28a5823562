//! Files: what can be written and how much, what of the kernel's files is open, which devices there are.

use super::{View, check};
use crate::doctor::facts::Mount;
use crate::doctor::finding::{Check, Finding};

pub const ROOT: Check = check("sandbox.root", "the root file system is read-only");
pub const PLACES: Check = check("sandbox.places", "what can be written is bounded");
pub const KERNEL_FILES: Check = check("sandbox.kernel-files", "the kernel's settings can't be changed");
pub const MASKED: Check = check("sandbox.masked-files", "files that tell of the host are covered");
pub const DEVICES: Check = check("sandbox.devices", "there are only devices that everybody may use");

/// Unique to the pseudo files that a program needs, as `major:minor` (kernel documentation, admin-guide/devices.txt):
/// null, zero, full, random, urandom, tty, console, ptmx.
const DEVICES_FOR_ALL: [&str; 8] = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2"];
/// The major number of pseudo terminals.
const TERMINALS: &str = "136:";

fn mounts<'a>(view: View<'a>) -> impl Iterator<Item = Mount<'a>> {
    view.facts.all("mount").filter_map(Mount::parse)
}

pub(super) fn root(view: View<'_>) -> Finding {
    let Some(root) = mounts(view).find(|mount| mount.target == "/") else {
        return view.unseen(&ROOT, "how the root is mounted");
    };
    // Folders of the root that anybody may write to, as an image's /var/tmp, show only in a writable one.
    let created: Vec<&str> = view.facts.all("create").filter_map(|attempt| attempt.strip_suffix(" allowed")).collect();
    if root.has("ro") && created.is_empty() {
        return ROOT.good(format!("{}, mounted ro", root.kind));
    }
    let measured = if created.is_empty() {
        format!("{} is mounted writable", root.kind)
    } else {
        format!("files could be made in {}", created.join(", "))
    };
    ROOT.broken(
        measured,
        "what a program leaves there is no tmpfs's: it fills the host's disk and outlives the test. See what changes the \
         container's ReadonlyRootfs",
    )
}

/// Whether something mounted writable holds files at all. Landlock and permissions may keep a program from writing there
/// today; the engine's own mounts (its /dev, the covers of kernel files, the three files it writes for root) are no places.
fn is_a_place(mount: &Mount<'_>) -> bool {
    let is_the_engines = ["/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]
        .iter()
        .any(|top| mount.target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    !mount.has("ro") && !is_the_engines
}

pub(super) fn places(view: View<'_>) -> Finding {
    let writable: Vec<Mount<'_>> =
        mounts(view).filter(|mount| mount.target != "/" && (mount.is_writable() || is_a_place(mount))).collect();
    if writable.is_empty() {
        return PLACES.broken(
            "nothing can be written at all",
            "programs need /box and /tmp: see whether the engine made the tmpfs mounts it was told to make",
        );
    }
    let asked = view.asked;
    let mut wrong = Vec::new();
    let mut uncounted = Vec::new();
    for mount in &writable {
        let target = mount.target;
        if mount.kind != "tmpfs" {
            wrong.push(format!("{target} is {}", mount.kind));
        } else if mount.bytes == 0 || mount.bytes > asked.disk_bytes {
            wrong.push(format!("{target} takes {} of {} bytes", mount.bytes, asked.disk_bytes));
        } else if mount.inodes == 0 && view.has_own_kernel() {
            uncounted.push(target);
        } else if mount.inodes == 0 || mount.inodes > asked.inodes {
            wrong.push(format!("{target} takes {} inodes of {}", mount.inodes, asked.inodes));
        } else if !(view.has_own_kernel() || mount.has("nosuid") && mount.has("nodev")) {
            wrong.push(format!("{target} isn't nosuid,nodev"));
        }
    }
    if wrong.is_empty() && !uncounted.is_empty() {
        return PLACES.note(
            format!("{}: by size, not by number of files", uncounted.join(", ")),
            "the runtime's own kernel doesn't count files; what it keeps of them is its own memory, which is the container's",
        );
    }
    if wrong.is_empty() {
        let named: Vec<&str> = writable.iter().map(|mount| mount.target).collect();
        return PLACES.good(format!("{} (tmpfs)", named.join(", ")));
    }
    PLACES.broken(
        wrong.join("; "),
        "inodes and bytes without a bound are memory that the kernel charges to nobody's process, so that it kills PID 1 for \
         them: see what adds mounts to the container or changes its Tmpfs or IpcMode",
    )
}

pub(super) fn kernel_files(view: View<'_>) -> Finding {
    let mut open: Vec<String> = view
        .facts
        .all("write")
        .filter_map(|attempt| attempt.strip_suffix(" allowed"))
        .map(|path| format!("{path} opens for writing"))
        .collect();
    if !view.has_own_kernel() {
        // Permissions and Landlock refuse most of this to a user who isn't root; the mount has to refuse it to anybody.
        let is_read_only = |target: &str| mounts(view).any(|mount| mount.target == target && mount.has("ro"));
        let is_absent = |target: &str| {
            view.facts
                .all("write")
                .any(|it| it.strip_prefix(target).is_some_and(|outcome| outcome == " refused ENOENT"))
        };
        for target in ["/proc/sys", "/proc/sysrq-trigger", "/sys"] {
            if !is_read_only(target) && !is_absent(target) {
                open.push(format!("{target} isn't mounted read-only"));
            }
        }
        let groups: Vec<Mount<'_>> =
            mounts(view).filter(|mount| mount.kind.starts_with("cgroup") && !mount.has("ro")).collect();
        // From within a user namespace they can't be mounted read-only.
        if open.is_empty() && !groups.is_empty() && view.asked.remapped && !groups.iter().any(Mount::is_writable) {
            return remapped_groups(view, &groups);
        }
        open.extend(groups.iter().map(|mount| format!("{} isn't mounted read-only", mount.target)));
    }
    if open.is_empty() {
        return KERNEL_FILES.good("/proc/sys, /sys and the cgroups are read-only");
    }
    KERNEL_FILES.broken(
        open.join("; "),
        "these are the host's own settings: see that the container isn't privileged and what changes its ReadonlyPaths",
    )
}

/// Cgroups of remapped users that are mounted writable, and in which the probe could make nothing.
fn remapped_groups(view: View<'_>, groups: &[Mount<'_>]) -> Finding {
    // Version 1's belong to the host's root, who isn't in the namespace, so that not even the container's own root could write.
    if groups.iter().all(|group| group.kind == "cgroup") {
        return KERNEL_FILES.note(
            "the cgroups aren't mounted read-only; they belong to nobody in the sandbox's user namespace",
            "nobody in a sandbox can write there, root or not",
        );
    }
    // Version 2's is handed over: it belongs to the user as whom PID 1 and the programs run.
    let measured = "the cgroup isn't mounted read-only, and belongs to the program's own user";
    let advice = "with users remapped the engine gives a container its cgroup of version 2. The agent's Landlock rules keep a program \
                  from writing there, and nothing else does: without them it could lift limits inside its own group. Turn \
                  userns-remap off, or keep to kernels with Landlock";
    match view.facts.number("landlock") {
        None | Some(0) => KERNEL_FILES.broken(format!("{measured}; the kernel has no Landlock"), advice),
        Some(_) => KERNEL_FILES.warning(format!("{measured}; only Landlock keeps it out"), advice),
    }
}

pub(super) fn masked(view: View<'_>) -> Finding {
    let mut read = view.facts.all("read").peekable();
    if read.peek().is_none() {
        return view.unseen(&MASKED, "any of them");
    }
    let open: Vec<&str> = read.filter_map(|attempt| attempt.strip_suffix(" allowed")).collect();
    if open.is_empty() || view.has_own_kernel() {
        return MASKED.good("nothing to be read");
    }
    MASKED.broken(
        open.join(", "),
        "they tell of other containers' keys and timers, and of the machine: see that the container isn't privileged and what \
         changes its MaskedPaths",
    )
}

pub(super) fn devices(view: View<'_>) -> Finding {
    let all: Vec<&str> = view.facts.all("device").collect();
    // `path kind major:minor`
    let is_for_all = |device: &&&str| {
        let mut words = device.rsplitn(3, ' ');
        let number = words.next().unwrap_or_default();
        words.next() == Some("char") && (DEVICES_FOR_ALL.contains(&number) || number.starts_with(TERMINALS))
    };
    let mut foreign: Vec<String> =
        all.iter().filter(|device| !is_for_all(device)).map(|device| (*device).to_owned()).collect();
    if view.facts.one("mknod") == Some("allowed") {
        foreign.push("a device file could be made".to_owned());
    }
    if foreign.is_empty() {
        return if all.is_empty() {
            view.unseen(&DEVICES, "any device")
        } else {
            DEVICES.good(format!("{} in /dev", all.len()))
        };
    }
    if view.has_own_kernel() && !foreign.iter().any(|device| device.contains(" block ")) {
        return DEVICES
            .note(foreign.join(", "), "the runtime's own kernel makes these up; behind them is no device of the host");
    }
    let more = if foreign.len() > 5 { format!(" and {} more", foreign.len() - 5) } else { String::new() };
    DEVICES.broken(
        format!("{}{more}", foreign.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ")),
        "see that the container isn't privileged and what changes its Devices",
    )
}
