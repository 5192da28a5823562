//! From fork to exec: how a program comes to life.
//!
//! The order is security, so it is a list: own session, descriptors, nothing else open, limits, folder, signals,
//! confinement, exec. Between fork and exec there is no allocation; all of it is prepared before.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;

use caisson::protocol::Step;

use crate::confine::Confinement;
use crate::{Agent, sys};

/// A program that was started, and our ends of its pipes.
pub(crate) struct Child {
    pub(crate) pid: libc::pid_t,
    /// Only for a streamed stdin.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Why exec failed, when it did.
    pub(crate) not_started: Option<i32>,
}

pub(crate) fn start(agent: &Agent, step: &Step, input: Option<&File>) -> io::Result<Child> {
    let argv = c_strings(&step.argv)?;
    let env = c_strings(&step.env)?;
    let candidates = candidates(&step.argv, &step.env)?;
    let (argv, env) = (pointers(&argv), pointers(&env));

    let (stdout, child_stdout) = sys::pipe()?;
    let (stderr, child_stderr) = sys::pipe()?;
    let (exec_failed, child_exec_failed) = sys::pipe()?;
    let stream = if input.is_none() { Some(sys::pipe()?) } else { None };
    let child_stdin = match (input, &stream) {
        (Some(memory), _) => memory.as_raw_fd(),
        (None, Some((read_end, _))) => read_end.as_raw_fd(),
        (None, None) => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    for end in [&stdout, &stderr] {
        sys::set_nonblocking(end.as_raw_fd())?;
    }

    agent.oom_score.raise();
    // SAFETY: this process has one thread, so the child may do what it likes; it only makes system calls all the same.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let plan = Plan {
            descriptors: [child_stdin, child_stdout.as_raw_fd(), child_stderr.as_raw_fd()],
            exec_failed: child_exec_failed.as_raw_fd(),
            step,
            confinement: &agent.confinement,
            candidates: &candidates,
            argv: &argv,
            env: &env,
        };
        let errno = plan.exec().raw_os_error().unwrap_or(libc::EINVAL);
        let _ = sys::write(EXEC_FAILED, &errno.to_le_bytes());
        // SAFETY: ends the child without running anything of the parent's at exit.
        unsafe { libc::_exit(127) };
    }

    let pid = sys::check(pid.into());
    agent.oom_score.lower()?;
    let pid = pid? as libc::pid_t;
    drop((child_stdout, child_stderr, child_exec_failed));
    // The pipe closes at exec; only a failure writes to it.
    let mut errno = [0; 4];
    let not_started = match sys::read(exec_failed.as_raw_fd(), &mut errno)? {
        4 => Some(i32::from_le_bytes(errno)),
        _ => None,
    };
    let stdin = stream.map(|(_, write_end)| write_end);
    if let Some(stdin) = &stdin {
        sys::set_nonblocking(stdin.as_raw_fd())?;
    }
    Ok(Child { pid, stdin, stdout, stderr, not_started })
}

/// Where the child keeps the pipe that tells of a failed exec: the first descriptor after the standard three.
const EXEC_FAILED: RawFd = 3;

struct Plan<'a> {
    descriptors: [RawFd; 3],
    exec_failed: RawFd,
    step: &'a Step,
    confinement: &'a Confinement,
    candidates: &'a [CString],
    argv: &'a [*const libc::c_char],
    env: &'a [*const libc::c_char],
}

impl Plan<'_> {
    /// Runs in the child. Returns only when it fails.
    fn exec(&self) -> io::Error {
        if let Err(error) = self.prepare() {
            return error;
        }
        let mut outcome = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in self.candidates {
            // SAFETY: the path ends with a NUL, both arrays end with a null pointer, and all outlive the call.
            unsafe { libc::execve(candidate.as_ptr(), self.argv.as_ptr(), self.env.as_ptr()) };
            let error = io::Error::last_os_error();
            // Like execvp: a file that is there but can't be run says more than one that isn't.
            if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) {
                outcome = error;
            }
        }
        outcome
    }

    fn prepare(&self) -> io::Result<()> {
        // SAFETY: no arguments.
        sys::check(unsafe { libc::setsid() }.into())?;
        self.place_descriptors()?;
        self.set_limits()?;
        // SAFETY: the path ends with a NUL.
        sys::check(unsafe { libc::chdir(c"/box".as_ptr()) }.into())?;
        reset_signals();
        self.confinement.enter()
    }

    /// Standard input, output and error at 0, 1 and 2, the failure pipe (closed at exec) at 3, nothing else open.
    fn place_descriptors(&self) -> io::Result<()> {
        // All four are moved out of the way first, so that none is overwritten before it was used.
        let mut high = [0; 4];
        let from = [self.descriptors[0], self.descriptors[1], self.descriptors[2], self.exec_failed];
        for (high, from) in high.iter_mut().zip(from) {
            // SAFETY: fcntl with integer arguments.
            *high = sys::check(unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, 64) }.into())? as RawFd;
        }
        for (target, high) in (0..).zip(high) {
            let flags = if target == EXEC_FAILED { libc::O_CLOEXEC } else { 0 };
            // SAFETY: takes plain integers.
            sys::check(unsafe { libc::dup3(high, target, flags) }.into())?;
        }
        // The Landlock domain is still needed; like all of the agent's it closes at exec.
        // SAFETY: takes plain integers.
        unsafe { libc::syscall(libc::SYS_close_range, EXEC_FAILED + 1, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        Ok(())
    }

    fn set_limits(&self) -> io::Result<()> {
        let step = self.step;
        // No RLIMIT_CPU: the kernel compares it with times sampled at its ticks, so that it killed a program that had used
        // half of what it was held to. CPU time is the cgroup's, and the watch is ours.
        let limits = [
            // 1 and not 0: the kernel then writes no core and starts no program to pipe it to (core(5), fs/coredump.c).
            (libc::RLIMIT_CORE, 1, 1),
            (libc::RLIMIT_FSIZE, step.file_size_bytes, step.file_size_bytes),
            // A program may raise its own: memory bounds a stack anyway, and the guards of evaluation suites fail when they
            // can't set it.
            (libc::RLIMIT_STACK, step.stack_bytes, sys::highest_stack()),
            (libc::RLIMIT_MSGQUEUE, 0, 0),
            (libc::RLIMIT_MEMLOCK, 64 << 10, 64 << 10),
            // Last: it may be below the descriptors in use.
            (libc::RLIMIT_NOFILE, step.open_files, step.open_files),
        ];
        for (resource, soft, hard) in limits {
            let limit = libc::rlimit { rlim_cur: soft.min(hard), rlim_max: hard };
            // SAFETY: the pointer is to a live structure of the right type.
            match sys::check(unsafe { libc::setrlimit(resource, &limit) }.into()) {
                // Above the hard limit that the engine gave us: the lower one stays in force.
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
                outcome => {
                    outcome?;
                }
            }
        }
        Ok(())
    }
}

/// What the agent ignores or blocks; programs expect the default. All others have it, since [`sys::forget_signals`].
fn reset_signals() {
    // SAFETY: the default disposition needs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    sys::unblock_ends();
}

/// What execvp would try: the name itself when it has a slash, else each folder of the program's own PATH.
fn candidates(argv: &[Vec<u8>], env: &[Vec<u8>]) -> io::Result<Vec<CString>> {
    let name = argv.first().ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    if name.contains(&b'/') {
        return c_strings(std::slice::from_ref(name));
    }
    let path = env.iter().find_map(|variable| variable.strip_prefix(b"PATH=")).unwrap_or(b"/usr/bin:/bin");
    let files: Vec<Vec<u8>> =
        path.split(|&byte| byte == b':').map(|folder| [folder, name.as_slice()].join(&b'/')).collect();
    c_strings(&files)
}

fn c_strings(strings: &[Vec<u8>]) -> io::Result<Vec<CString>> {
    strings
        .iter()
        .map(|string| CString::new(string.as_slice()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL)))
        .collect()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| CStr::as_ptr(string)).chain([ptr::null()]).collect()
}
