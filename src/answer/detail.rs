//! One sentence that tells a person what happened.

use super::sentence;
use crate::execute::{StepResult, TestResult};
use crate::plan::Plan;
use crate::verdict::Verdict;

pub(super) fn compile(compile: &StepResult, plan: &Plan) -> String {
    match &plan.compile {
        Some(command) => format!("The compile step {}.", sentence(compile, &command.limits)),
        None => "The compile step failed.".to_owned(),
    }
}

pub(super) fn tests(verdict: Verdict, tests: &[TestResult], plan: &Plan) -> String {
    let all = match tests.len() {
        1 => "The program".to_owned(),
        count => format!("All {count} tests"),
    };
    match verdict {
        Verdict::Accepted => format!("{all} gave the right output within every limit."),
        Verdict::Completed => format!("{all} ran to the end within every limit; there was nothing to compare."),
        _ => {
            let Some(index) = tests.iter().position(|test| test.step.verdict == verdict) else {
                return String::new();
            };
            let cause = sentence(&tests[index].step, &plan.tests[index].command.limits);
            match tests.len() {
                1 => format!("The program {cause}."),
                count => {
                    let good = tests.iter().filter(|test| test.step.verdict.is_success()).count();
                    format!("In test {} the program {cause}; {good} of {count} tests are good.", tests[index].id)
                }
            }
        }
    }
}

/// Signals by the names people know them by, as on Linux.
pub(super) fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL (illegal instruction)",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT (abort)",
        libc::SIGBUS => "SIGBUS (bad memory access)",
        libc::SIGFPE => "SIGFPE (arithmetic error)",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV (bad memory access)",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSYS => "SIGSYS (forbidden system call)",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ (file too large)",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
