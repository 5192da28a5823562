//! Whose doing it is that an agent is gone. It is decided here and nowhere else, from three things: what the agent said last,
//! how the engine says that the container ended, and what of the job was in it by then.
//!
//! Memory is the job's from the first file on: a job chooses its limit, and its own files, their folders and the snapshot of
//! them can fill it before any program runs. The kernel then kills the agent, since nobody else is there. It makes no
//! difference whether the container was made for the job, waited for it, or was started again.

use crate::sandbox::SandboxError;
use crate::sandbox::conversation::Lost;
use crate::sandbox::fate::Fate;

/// A sandbox that is used up by what a job put into it or ran in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// For want of memory, by the kernel's account.
    pub oom: bool,
    /// For the log.
    pub detail: String,
}

/// Why a conversation is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// It ended, with the container or without it.
    Ended(String),
    /// The agent couldn't go on, and said so.
    Failed { operation: String, errno: i32 },
    /// The agent said something that it shouldn't, or nothing for too long.
    Said(String),
}

/// `touched` says whether programs of the job have run in the sandbox, or what they made elsewhere was brought there: from then
/// on an agent that fails is evidence about them. Bytes of files can't make it fail, but for want of memory.
///
/// # Errors
/// Where it wasn't the job's doing.
pub(super) fn blame(cause: Cause, touched: bool, fate: Option<Fate>) -> Result<Broken, SandboxError> {
    let detail = cause.to_string();
    let Some(fate) = fate else {
        return Err(SandboxError::Disturbed(format!("{detail}, and the engine doesn't say how it ended")));
    };
    if matches!(cause, Cause::Ended(_))
        && let Some(disturbance) = fate.disturbance()
    {
        return Err(SandboxError::Disturbed(format!("{detail}, and {disturbance}")));
    }
    let was_refused = matches!(cause, Cause::Failed { errno: libc::ENOMEM, .. });
    let oom = fate.ran_out_of_memory() || was_refused;
    match cause {
        _ if oom || touched => Ok(Broken { oom, detail }),
        Cause::Failed { operation, errno } => Err(SandboxError::Agent { operation, errno }),
        Cause::Ended(_) | Cause::Said(_) => Err(SandboxError::Lost(detail)),
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Ended(detail) | Cause::Said(detail) => formatter.write_str(detail),
            Cause::Failed { operation, errno } => {
                write!(formatter, "the agent could not {operation}: {}", std::io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl From<SandboxError> for Cause {
    fn from(error: SandboxError) -> Cause {
        match error {
            SandboxError::Conversation(reason) => Cause::Ended(reason),
            SandboxError::Agent { operation, errno } => Cause::Failed { operation, errno },
            other => Cause::Said(other.to_string()),
        }
    }
}

impl From<Lost> for Cause {
    fn from(lost: Lost) -> Cause {
        match lost {
            Lost::Ended(reason) => Cause::Ended(reason),
            Lost::Frame(error) => Cause::Said(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> Cause {
        Cause::Ended("the container's output ended".to_owned())
    }

    fn failed(errno: i32) -> Cause {
        Cause::Failed { operation: "take a snapshot".to_owned(), errno }
    }

    fn by(exit_code: i64) -> Fate {
        Fate { exit_code: Some(exit_code), ..Fate::default() }
    }

    /// Whether memory ran out, where it is the job's doing.
    fn of_job(cause: Cause, touched: bool, fate: Fate) -> Option<bool> {
        blame(cause, touched, Some(fate)).ok().map(|broken| broken.oom)
    }

    #[test]
    fn memory_that_ran_out_is_the_jobs_doing_from_its_first_file_on() {
        for touched in [false, true] {
            for cause in [ended(), Cause::Said("the agent fell silent".to_owned()), failed(libc::EIO)] {
                assert_eq!(of_job(cause, touched, Fate { oom: true, ..by(137) }), Some(true), "the engine was told");
            }
            assert_eq!(of_job(ended(), touched, by(137)), Some(true), "the kernel killed it");
            assert_eq!(of_job(failed(libc::ENOMEM), touched, by(1)), Some(true), "the kernel refused it");
        }
    }

    #[test]
    fn an_agent_that_only_had_files_and_is_lost_otherwise_is_our_failure_and_not_the_engines() {
        for (cause, fate) in [
            (ended(), by(134)),
            (Cause::Said("the agent fell silent".to_owned()), Fate { killed: true, ..by(137) }),
            (failed(libc::ENOSPC), by(1)),
        ] {
            let error = blame(cause.clone(), false, Some(fate)).expect_err("no program has run");
            assert!(!error.is_engine_failure(), "{error}");
            assert_eq!(of_job(cause, true, fate), Some(false), "it is evidence");
        }
    }

    #[test]
    fn what_the_engine_did_is_nobodys_doing_whatever_had_run() {
        for touched in [false, true] {
            let killed = Fate { killed: true, oom: true, ..by(137) };
            for fate in [killed, by(0), by(1), Fate { doubtful: true, ..by(137) }] {
                let error = blame(ended(), touched, Some(fate)).expect_err("it was disturbed");
                assert!(matches!(error, SandboxError::Disturbed(_)), "{error}");
            }
            let error = blame(failed(libc::ENOMEM), touched, None).expect_err("nothing is known");
            assert!(matches!(error, SandboxError::Disturbed(_)), "{error}");
        }
    }
}
