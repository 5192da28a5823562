//! The engine: what it is, what it can hold a container to, what is known against it.

use super::finding::{Area, Check, Finding};
use super::version::{self, CONTAINERD as CONTAINERD_ESCAPES, CONTAINERD_SAFE, RUNC, RUNC_SAFE, Version};
use crate::sandbox::{EngineFacts, RuntimeFacts};

const fn check(id: &'static str, promise: &'static str) -> Check {
    Check::new(Area::Engine, id, promise)
}

pub const REACHABLE: Check = check("engine.reachable", "the engine answers");
pub const RUNTIME: Check = check("engine.runtime", "the configured runtime is there");
pub const ESCAPES: Check = check("engine.escapes", "the runtime has no known escape");
pub const CONTAINERD: Check = check("engine.containerd", "containerd has no known escape");
pub const CGROUP: Check = check("engine.cgroup", "cgroups are of the current kind");
pub const LIMITS: Check = check("engine.limits", "memory, processes and CPUs can be limited");
pub const SWAP: Check = check("engine.swap", "swap can be limited");
pub const SECCOMP: Check = check("engine.seccomp", "seccomp filters can be set");
pub const MODULE: Check = check("engine.security-module", "a security module confines containers");
pub const USERS: Check = check("engine.user-namespace", "containers' users are not the host's");
pub const LIVE_RESTORE: Check = check("engine.live-restore", "containers end with the engine");
pub const STORAGE: Check = check("engine.storage", "a container's root file system is cheap");
pub const DISK: Check = check("engine.disk", "the engine has room on its disk");
pub const PLUGINS: Check = check("engine.authorization", "nothing rests on authorization plugins");
pub const WARNINGS: Check = check("engine.warnings", "the engine has no complaint");

pub const CHECKS: [Check; 15] = [
    REACHABLE,
    RUNTIME,
    ESCAPES,
    CONTAINERD,
    CGROUP,
    LIMITS,
    SWAP,
    SECCOMP,
    MODULE,
    USERS,
    LIVE_RESTORE,
    STORAGE,
    DISK,
    PLUGINS,
    WARNINGS,
];

/// Room in a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub free_bytes: u64,
    pub free_inodes: u64,
    /// 0 where inodes are made as needed.
    pub inodes: u64,
}

/// Below this an image can't be updated any more.
const LITTLE_BYTES: u64 = 2 << 30;
const LITTLE_INODES: u64 = 50_000;
/// Below this containers may not be made: a container takes little (nothing it writes lands there), but not nothing.
const TOO_LITTLE_BYTES: u64 = 128 << 20;
const TOO_LITTLE_INODES: u64 = 2_000;

pub fn judge(facts: &EngineFacts, runtime: Option<&str>, disk: Option<Disk>, swap_is_on: bool) -> Vec<Finding> {
    let mut findings = vec![REACHABLE.good(format!("Docker {}, API {}", facts.version, facts.api_version))];
    findings.extend(runtimes(facts, runtime));
    findings.extend(containerd(facts));
    findings.push(cgroup(facts));
    findings.push(limits(facts));
    findings.push(swap(facts, swap_is_on));
    findings.push(seccomp(facts));
    findings.push(module(facts));
    findings.push(users(facts));
    findings.push(live_restore(facts));
    findings.push(storage(facts));
    findings.push(room(facts, disk));
    findings.extend(plugins(facts));
    findings.extend(warnings(facts));
    findings
}

fn runtimes(facts: &EngineFacts, configured: Option<&str>) -> Vec<Finding> {
    let name = configured.unwrap_or(&facts.default_runtime);
    let Some(runtime) = facts.runtimes.get(name) else {
        let known = facts.runtimes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return vec![RUNTIME.broken(
            format!("the engine has no {name:?}; it has {known}"),
            "correct sandbox.runtime, or add the runtime to the engine's daemon.json under \"runtimes\"",
        )];
    };
    let whose = if configured.is_some() { "configured" } else { "the engine's default" };
    vec![RUNTIME.good(format!("{name}, {whose}")), escapes(name, runtime)]
}

fn escapes(name: &str, runtime: &RuntimeFacts) -> Finding {
    let program = runtime.path.rsplit('/').next().filter(|program| !program.is_empty()).unwrap_or(name);
    let Some(text) = &runtime.version else {
        return ESCAPES.note(
            format!("the engine doesn't tell the version of {program}"),
            format!("see that {program} is current, by its own --version and its project's advisories"),
        );
    };
    if program != "runc" {
        return ESCAPES.note(
            format!("{program} {text}"),
            format!("no table of {program}'s advisories is kept here; see that it is current"),
        );
    }
    let Some(version) = Version::parse(text) else {
        return ESCAPES.warning(format!("runc {text}"), "the version can't be read; see that runc is current");
    };
    let known = version::known(&RUNC, version);
    if known.is_empty() {
        return ESCAPES.good(format!("runc {text}"));
    }
    let known = known.join(", ");
    if version::is_a_distributions(text) {
        return ESCAPES.warning(
            format!("runc {text}: can't tell from the version"),
            format!(
                "upstream's runc of this number has {known}. A distribution mends such things without changing the \
                 number: look for these in its security tracker"
            ),
        );
    }
    ESCAPES.broken(
        format!("runc {text} has {known}"),
        format!("upgrade runc to {RUNC_SAFE} or later (Docker's package of it is containerd.io)"),
    )
}

/// `None` where the engine has none of its own, or doesn't name it. Its known escapes are in a plugin for Kubernetes that Docker's
/// engine doesn't use; so they are a warning.
fn containerd(facts: &EngineFacts) -> Option<Finding> {
    let text = facts.containerd.as_ref()?;
    let Some(version) = Version::parse(text) else {
        return Some(CONTAINERD.warning(text.clone(), "the version can't be read; see that containerd is current"));
    };
    let known = version::known(&CONTAINERD_ESCAPES, version).join(", ");
    Some(match () {
        () if known.is_empty() => CONTAINERD.good(text.clone()),
        () if version::is_a_distributions(text) => CONTAINERD.note(
            format!("{text}: can't tell from the version"),
            format!("upstream's containerd of this number has {known}: look for these in the distribution's security tracker"),
        ),
        () => CONTAINERD.warning(
            format!("{text} has {known}"),
            format!(
                "upgrade it to {CONTAINERD_SAFE} or later (Docker's package of it is containerd.io). They are in its plugin for \
                 Kubernetes (CRI), by which Docker starts no container"
            ),
        ),
    })
}

fn cgroup(facts: &EngineFacts) -> Finding {
    let driver = &facts.cgroup_driver;
    match facts.cgroup_version {
        Some(2) => CGROUP.good(format!("version 2, driver {driver}")),
        Some(version) => CGROUP.note(
            format!("version {version}, driver {driver}"),
            "Caisson works on it, but kernel and systemd give version 1 up: boot with systemd.unified_cgroup_hierarchy=1 \
             when the host is next rebuilt",
        ),
        None => CGROUP.warning(
            format!("the engine doesn't say; driver {driver}"),
            "see /sys/fs/cgroup on the engine's host; the sandbox checks tell whether limits hold",
        ),
    }
}

fn limits(facts: &EngineFacts) -> Finding {
    let able = [
        ("memory", facts.limits_memory),
        ("processes", facts.limits_processes),
        ("CPU time", facts.limits_cpu_time),
        ("CPU sets", facts.pins_cpus),
    ];
    let names =
        |wanted: bool| able.iter().filter(|(_, able)| *able == wanted).map(|(name, _)| *name).collect::<Vec<_>>();
    let missing = names(false);
    if missing.is_empty() {
        return LIMITS.good(names(true).join(", "));
    }
    LIMITS.broken(
        format!("not {}", missing.join(", ")),
        "the kernel lacks these cgroup controllers or they aren't enabled for the engine: see /proc/cgroups, the kernel's \
         command line (cgroup_enable=memory), and for a rootless engine systemd's Delegate=",
    )
}

fn swap(facts: &EngineFacts, swap_is_on: bool) -> Finding {
    if facts.limits_swap {
        return SWAP.good("yes");
    }
    if swap_is_on {
        return SWAP.broken(
            "no, and this host has swap",
            "a program could go past its memory limit into swap: turn swap off, or boot with swapaccount=1",
        );
    }
    SWAP.note("no, but this host has none", "leave swap off here: the engine couldn't keep programs out of it")
}

fn seccomp(facts: &EngineFacts) -> Finding {
    if facts.has_security_option("seccomp") {
        return SECCOMP.good("yes; sandboxes bring their own profile");
    }
    SECCOMP.broken(
        "the engine has no seccomp",
        "without it a program may make any system call: use a kernel with CONFIG_SECCOMP_FILTER and a runtime built with \
         libseccomp",
    )
}

fn module(facts: &EngineFacts) -> Finding {
    match ["apparmor", "selinux"].iter().find(|name| facts.has_security_option(name)) {
        Some(name) => MODULE.good(*name),
        None => MODULE.note(
            "neither AppArmor nor SELinux",
            "a wall behind the others is missing: seccomp, no capabilities, Landlock and the read-only root stand without \
             it. Boot a kernel with AppArmor, or enable SELinux for the engine, to have it",
        ),
    }
}

fn users(facts: &EngineFacts) -> Finding {
    if facts.has_security_option("rootless") {
        return USERS.good("rootless engine");
    }
    if facts.has_security_option("userns") {
        return USERS.good("userns-remap is on");
    }
    USERS.note(
        "userns-remap is off",
        "nothing in a sandbox is root, so there is no root to remap; it would be one more wall for everything else that this \
         engine runs",
    )
}

fn live_restore(facts: &EngineFacts) -> Finding {
    if facts.live_restore {
        return LIVE_RESTORE.note(
            "live-restore is on",
            "containers that run while the engine restarts lose their worker, whose jobs go back to the queue; they are \
             removed when the worker looks for orphans. With live-restore off they end with the engine",
        );
    }
    LIVE_RESTORE.good("live-restore is off")
}

fn storage(facts: &EngineFacts) -> Finding {
    let driver = facts.storage_driver.as_str();
    // vfs, which containerd's store calls native, copies every file of the image for each container; devicemapper and aufs are
    // gone from current engines.
    if matches!(driver, "vfs" | "native" | "devicemapper" | "aufs") {
        return STORAGE.warning(
            driver,
            "it copies the image for every container, or isn't maintained any more: set \"storage-driver\" to overlay2",
        );
    }
    if driver == "fuse-overlayfs" {
        return STORAGE.warning(
            driver,
            "every file that a program opens comes through a process of its own: a container was measured to take 300 ms of CPU \
             time more, and a warm Python job 70 ms. Set \"storage-driver\" to overlay2 in the engine's daemon.json, on a disk \
             with ext4 or xfs; rootless engines can do so from Linux 5.11 on",
        );
    }
    STORAGE.good(driver)
}

fn room(facts: &EngineFacts, disk: Option<Disk>) -> Finding {
    let folder = &facts.root_folder;
    let Some(disk) = disk else {
        return DISK.note(
            format!("{folder} can't be seen from here"),
            "look there yourself when this worker runs in a container or as another user",
        );
    };
    let inodes = if disk.inodes == 0 { u64::MAX } else { disk.free_inodes };
    let mut measured = format!("{:.1} GiB", disk.free_bytes as f64 / (1_u64 << 30) as f64);
    if disk.inodes != 0 {
        measured.push_str(&format!(" and {} inodes", disk.free_inodes));
    }
    measured.push_str(&format!(" free in {folder}"));
    let advice = "remove images and containers that nobody needs (docker system prune), or give it a larger disk";
    if disk.free_bytes < TOO_LITTLE_BYTES || inodes < TOO_LITTLE_INODES {
        DISK.broken(measured, format!("containers can hardly be made: {advice}"))
    } else if disk.free_bytes < LITTLE_BYTES || inodes < LITTLE_INODES {
        DISK.warning(measured, format!("there may be no room for the next image: {advice}"))
    } else {
        DISK.good(measured)
    }
}

fn plugins(facts: &EngineFacts) -> Option<Finding> {
    let plugins = facts.authorization_plugins.join(", ");
    (!plugins.is_empty()).then(|| {
        PLUGINS.note(
            plugins,
            "such plugins were bypassed more than once (CVE-2024-41110): whoever can write to the engine's socket is root \
             on its host, plugin or not",
        )
    })
}

/// Complaints about what sandboxes don't use: they have no network, and no CPU or I/O shares.
const BESIDE_THE_POINT: [&str; 4] = ["bridge-nf-call", "IPv4 forwarding", "blkio", "io."];

fn warnings(facts: &EngineFacts) -> Vec<Finding> {
    let matters = |warning: &&String| !BESIDE_THE_POINT.iter().any(|beside| warning.contains(beside));
    let about = |warning: &String| {
        WARNINGS.warning(
            warning.trim_start_matches("WARNING: "),
            "this is the engine's own complaint, as `docker info` prints it; its documentation has the cure",
        )
    };
    facts.warnings.iter().filter(matters).map(about).collect()
}

#[cfg(test)]
#[path = "engine/tests.rs"]
mod tests;
