//! `caisson-agent --probe`: what a job's program would find if it looked around and tried things.
//!
//! `caisson doctor` runs it as a job's program runs: forked by the agent, under its filter and Landlock domain. It prints
//! facts, one `key value` a line, and judges none of them; the judging is on the host, where it can be tested on recorded
//! facts. An attempt's value is `allowed` or `refused ERRNO`. Whatever would change something is tried in a child of its
//! own, or with the values that are in force already, so that a sandbox with a hole is still in one piece afterwards.
//!
//! `caisson-agent --probe files` looks for files of the image that carry privilege instead, and `--probe kill` tries to end
//! its own supervisor.

mod attempt;
mod calls;
mod limits;
mod places;
mod reach;
mod walk;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// The lines of `/proc/PID/status` that say who somebody is and what they may do.
const STATUS: [&str; 11] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
];

/// Runs the probe and prints what it finds. `what` is the argument behind `--probe`.
pub(crate) fn run(what: Option<&str>) -> ExitCode {
    // Some attempts would do harm outside: on a host they would be made against its real init.
    if !is_below_an_agent() {
        eprintln!("caisson-agent --probe runs in a sandbox, started by its agent, and nowhere else");
        return ExitCode::from(64);
    }
    // As every program is. This one's file can't be read, for which the kernel makes it undumpable at exec, and then its
    // own files in /proc would be closed to it for another reason than the one that is being asked for.
    let _ = crate::sys::set_dumpable(true);
    match what {
        Some("files") => walk::print(),
        Some("kill") => reach::kill(),
        _ => print(),
    }
    ExitCode::SUCCESS
}

fn is_below_an_agent() -> bool {
    let parent_is_first = std::os::unix::process::parent_id() == 1;
    let name = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    // Both files of the agent's volume.
    parent_is_first && matches!(name.trim_end(), "agent" | "agent.readable")
}

fn print() {
    status("self", "/proc/self/status");
    status("agent", "/proc/1/status");
    names();
    fact("landlock", calls::landlock_abi());
    fact("confined-by", confinement_name());
    fact("processes", processes());
    interfaces();
    limits::print();
    places::print();
    calls::print();
    reach::print();
    let _ = std::io::stdout().flush();
}

/// Prints a fact. A value never has a line of its own: a file name in it could otherwise invent facts.
pub(crate) fn fact(key: &str, value: impl Display) {
    let value: String =
        value.to_string().chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    println!("{key} {value}");
}

fn status(whose: &str, path: &str) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    for name in STATUS {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        if let Some(value) = line {
            fact(&format!("{whose}.{name}"), value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

/// The kernel's release and the host's name, as uname(2) has them: not every runtime has the files for it.
fn names() {
    // SAFETY: a `utsname` of zeroes is a valid value, to be overwritten.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the right type.
    if unsafe { libc::uname(&mut names) } == 0 {
        for (key, name) in [("kernel", &names.release), ("hostname", &names.nodename)] {
            let bytes: Vec<u8> = name.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0).collect();
            fact(key, String::from_utf8_lossy(&bytes));
        }
    }
}

/// What the kernel's security module calls this process, `docker-default (enforce)` for AppArmor's usual profile.
fn confinement_name() -> String {
    ["/proc/self/attr/apparmor/current", "/proc/self/attr/current"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .map_or_else(|| "nothing".to_owned(), |name| name.trim_end_matches(['\n', '\0']).to_owned())
}

/// How many processes there are to be seen, this one and PID 1 included.
fn processes() -> usize {
    let is_number = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    std::fs::read_dir("/proc").map_or(0, |all| all.flatten().filter(|entry| is_number(&entry.file_name())).count())
}

/// The names in `/proc/net/dev`: two lines of headings, then one for each, up to a colon.
fn interfaces() {
    match std::fs::read_to_string("/proc/net/dev") {
        Ok(text) => {
            let names = text.lines().skip(2).filter_map(|line| line.split_once(':'));
            names.for_each(|(name, _)| fact("interface", name.trim()));
        }
        Err(error) => fact("interfaces", attempt::refused(&error)),
    }
}
