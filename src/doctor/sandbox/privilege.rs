//! Who the program is, what it may do, and what it sees of others.

use super::{View, check};
use crate::doctor::finding::{Check, Finding};

pub const USER: Check = check("sandbox.user", "the program has a user of its own, not root");
pub const CAPABILITIES: Check = check("sandbox.capabilities", "there are no capabilities, and none to gain");
pub const NO_NEW_PRIVILEGES: Check = check("sandbox.no-new-privileges", "setuid programs gain nothing");
pub const SECCOMP: Check = check("sandbox.seccomp", "the profile and the agent's filter are on");
pub const MODULE: Check = check("sandbox.security-module", "the engine's security module confines it");
pub const SEEN: Check = check("sandbox.processes-seen", "no processes but its own can be seen");
pub const HOSTNAME: Check = check("sandbox.hostname", "the host's name isn't told");

/// SECCOMP_MODE_FILTER, linux/seccomp.h.
const FILTERED: &str = "2";

pub(super) fn user(view: View<'_>) -> Finding {
    let (Some(users), Some(groups)) = (view.facts.one("self.Uid"), view.facts.one("self.Gid")) else {
        return view.unseen(&USER, "the program's user");
    };
    let further = view.facts.one("self.Groups").unwrap_or_default();
    // Real, effective, saved and file system ids; every one of them has to be in the range.
    let ours = |ids: &str| {
        !ids.is_empty() && ids.split(' ').all(|id| id.parse().is_ok_and(|id: u32| view.asked.uids.contains(&id)))
    };
    let first = |ids: &str| ids.split(' ').next().unwrap_or_default().to_owned();
    let measured = format!(
        "uid {}, gid {}, groups {}",
        first(users),
        first(groups),
        if further.is_empty() { "none" } else { further }
    );
    if ours(users) && ours(groups) && (further.is_empty() || ours(further)) {
        return USER.good(measured);
    }
    USER.broken(
        measured,
        format!(
            "programs are to run as one of the uids from {} on: something between Caisson and the kernel changes the user",
            view.asked.uids.start
        ),
    )
}

pub(super) fn capabilities(view: View<'_>) -> Finding {
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let mut held = Vec::new();
    for whose in ["self", "agent"] {
        for set in sets {
            let Some(value) = view.facts.one(&format!("{whose}.{set}")) else {
                if whose == "self" && set != "CapAmb" {
                    return view.unseen(&CAPABILITIES, set);
                }
                continue;
            };
            if value.contains(|digit| digit != '0') {
                held.push(format!("{whose} {set} {value}"));
            }
        }
    }
    if held.is_empty() {
        return CAPABILITIES.good("all five sets are empty");
    }
    CAPABILITIES.broken(
        held.join(", "),
        "the engine was told to drop all of them: see whether the container is privileged, or something adds capabilities on \
         the way (capsh --decode=… names them)",
    )
}

pub(super) fn no_new_privileges(view: View<'_>) -> Finding {
    // The agent sets it for each program as well; that of PID 1 is what the engine set.
    match (view.facts.one("self.NoNewPrivs"), view.facts.one("agent.NoNewPrivs")) {
        (Some("1"), Some("1")) => NO_NEW_PRIVILEGES.good("set by the engine and by the agent"),
        (Some(program), Some(agent)) => NO_NEW_PRIVILEGES.broken(
            format!("{} for PID 1, {} for the program", set(agent), set(program)),
            "the engine was told no-new-privileges=true: see whether this runtime knows it",
        ),
        _ => view.unseen(&NO_NEW_PRIVILEGES, "NoNewPrivs"),
    }
}

fn set(value: &str) -> &'static str {
    if value == "1" { "set" } else { "not set" }
}

pub(super) fn seccomp(view: View<'_>) -> Finding {
    let (Some(program), Some(agent)) = (view.facts.one("self.Seccomp"), view.facts.one("agent.Seccomp")) else {
        return view.unseen(&SECCOMP, "seccomp's state");
    };
    let count = |whose: &str| view.facts.number(&format!("{whose}.Seccomp_filters"));
    let counts = count("agent").zip(count("self"));
    // The profile on PID 1 and both on the program, which inherits the second from PID 1 or puts it on by itself. Where the
    // kernel doesn't count filters, the program has at least as much as PID 1.
    let has_both = counts.is_none_or(|(agent, program)| agent >= 1 && program >= 2);
    let measured = match counts {
        Some((agent, program)) => format!("{program} filters on the program, {agent} on PID 1"),
        None => format!("mode {program} for the program, {agent} for PID 1"),
    };
    if program == FILTERED && agent == FILTERED && has_both {
        return SECCOMP.good(measured);
    }
    if view.has_own_kernel() {
        return SECCOMP.note(
            measured,
            "the runtime answers system calls itself, and its own filter stands between it and the host's kernel. The agent puts \
             the profile's refusals on each program by itself",
        );
    }
    SECCOMP.broken(
        measured,
        "PID 1 has to be under the profile that the engine was given, and the program under the agent's filter as well: see that the \
         container isn't privileged, and that engine and runtime have seccomp (docker info, Security Options)",
    )
}

/// Between the names of profiles that hold together (apparmor.d(5)).
const STACKED: &str = "//&";

pub(super) fn module(view: View<'_>) -> Finding {
    let name = view.facts.one("confined-by").unwrap_or("nothing");
    if !view.asked.apparmor {
        return MODULE.good(format!("{name}; the engine has no AppArmor"));
    }
    if name.contains(STACKED) {
        return MODULE.warning(
            name,
            "two profiles hold at once, and each allows signals and the like only between processes of its own name: take out the \
             one for the runtime's program (/etc/apparmor.d/crun or runc; a link to it in /etc/apparmor.d/disable/)",
        );
    }
    if name.starts_with("unconfined") || name == "nothing" || name.contains("(complain)") {
        return MODULE.warning(
            name,
            "the engine has AppArmor and the sandbox isn't under it: see that the profile docker-default is loaded and enforced \
             (aa-status)",
        );
    }
    MODULE.good(name)
}

/// PID 1 and the probe.
const OWN: u64 = 2;

pub(super) fn seen(view: View<'_>) -> Finding {
    match view.facts.number("processes") {
        None | Some(0) => view.unseen(&SEEN, "any process"),
        Some(OWN) => SEEN.good("PID 1 and itself"),
        Some(count) => SEEN.broken(
            format!("{count} processes"),
            "the sandbox has to have a PID namespace of its own: see what changes the container's PidMode",
        ),
    }
}

/// What the create call sets.
const NAME: &str = "caisson";

pub(super) fn hostname(view: View<'_>) -> Finding {
    match view.facts.one("hostname") {
        None | Some("") => view.unseen(&HOSTNAME, "the host's name"),
        Some(NAME) => HOSTNAME.good(NAME),
        Some(name) => HOSTNAME
            .broken(name, format!("it should be {NAME:?}: see what changes the container's UTSMode or Hostname")),
    }
}
