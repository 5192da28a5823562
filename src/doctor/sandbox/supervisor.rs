//! The agent, PID 1, which has the program's own user and must be out of its reach all the same.

use super::{End, View, check, let_through};
use crate::doctor::finding::{Check, Finding};

pub const SUPERVISOR: Check = check("sandbox.supervisor", "PID 1 is out of the program's reach");
pub const OOM_SCORE: Check = check("sandbox.oom-score", "out of memory, the program goes before PID 1");

/// What can only be looked at. The agent has no secret in it: its environment is a PATH, its arguments are none.
const LOOKING: [&str; 6] = ["file", "maps", "environment", "descriptor", "program", "root"];

pub(super) fn reach(view: View<'_>, end: Option<&End>) -> Finding {
    // Whatever the errno: what isn't allowed is out of reach.
    let Some(open) = let_through(view.facts, "reach.", |_| true) else {
        return view.unseen(&SUPERVISOR, "any attempt");
    };
    let acts = open.iter().any(|name| !LOOKING.contains(&name.as_str()));
    if acts || (!open.is_empty() && !view.has_own_kernel()) {
        return SUPERVISOR.broken(
            open.join(", "),
            "a program can read or hinder who measures it, so that its verdict means nothing: PID 1 has to be undumpable, and \
             the program under the agent's filter; see the findings on seccomp and on the user",
        );
    }
    match (end, view.has_own_kernel()) {
        (Some(End::Probe(reason)), _) => SUPERVISOR.broken(
            format!("it did not survive the probe: {reason}"),
            "a program can end its own judging here: see the other findings first, and whether this runtime has PID namespaces",
        ),
        (Some(End::Signal), false) => SUPERVISOR.broken(
            "SIGKILL from a program ends it",
            "Linux keeps signals from the first process of a PID namespace: see whether the sandbox has one of its own",
        ),
        (Some(End::Signal), true) => SUPERVISOR.warning(
            "SIGKILL from a program ends it",
            "the runtime's own kernel doesn't keep signals from PID 1, as Linux does. A program that sends one ends its own \
             sandbox and is judged for that; it gains nothing",
        ),
        (None, _) if !open.is_empty() => SUPERVISOR.note(
            format!("can be looked at: {}", open.join(", ")),
            "the runtime's own kernel shows these; there is nothing in them, and nothing can be changed through them",
        ),
        (None, _) => {
            SUPERVISOR.good(format!("{} ways tried; SIGKILL does nothing", view.facts.group("reach.").count()))
        }
    }
}

/// The highest there is, proc(5).
const FIRST_TO_GO: &str = "1000";

pub(super) fn oom_score(view: View<'_>) -> Finding {
    let (Some(score), Some(lowering)) = (view.facts.one("oom-score"), view.facts.one("oom-score.lower")) else {
        return view.unseen(&OOM_SCORE, "the program's score");
    };
    if score != FIRST_TO_GO && !view.has_own_kernel() {
        return OOM_SCORE.broken(
            format!("score {score:?} instead of {FIRST_TO_GO}"),
            "the kernel may take PID 1 for the program's memory, and the verdict is a guess then: see whether /proc of a \
             container is mounted as usual",
        );
    }
    if view.has_own_kernel() && (score != FIRST_TO_GO || lowering == "allowed") {
        return OOM_SCORE.note(
            format!("score {score}, lowering it {lowering}"),
            "it is the runtime's own kernel's score; the host's kernel ends such a sandbox as a whole, which is a memory verdict \
             as well",
        );
    }
    if lowering == "allowed" {
        return OOM_SCORE.warning(
            format!("{score}, and the program can lower it"),
            "Landlock is what forbids that, and this kernel has none that can be used (kernel.landlock)",
        );
    }
    OOM_SCORE.good(format!("score {score}, which can't be lowered"))
}
