//! The kernel that sandboxes run on: what it offers to confine programs with, and what it offers to programs that a
//! sandbox already refuses (a second wall behind the first).

use super::finding::{Area, Check, Finding};
use super::host::HostFacts;

const fn check(id: &'static str, promise: &'static str) -> Check {
    Check::new(Area::Kernel, id, promise)
}

pub const VERSION: Check = check("kernel.version", "the kernel is one that is maintained");
pub const SAME: Check = check("kernel.same", "the engine runs on this kernel");
pub const LANDLOCK: Check = check("kernel.landlock", "Landlock is there, with signals in its scope");
pub const USER_NAMESPACES: Check = check("kernel.user-namespaces", "user namespaces are for root only");
pub const IO_URING: Check = check("kernel.io-uring", "io_uring is turned off");
pub const BPF: Check = check("kernel.bpf", "bpf is for root only");
pub const PTRACE: Check = check("kernel.ptrace", "processes can't trace each other at will");
pub const FILTERS: Check = check("kernel.filters", "there is room for every sandbox's filters");
pub const HUGE_PAGES: Check = check("kernel.huge-pages", "no memory is kept apart that no limit counts");
pub const MERGING: Check = check("kernel.merging", "equal pages of different containers stay apart");
pub const CORES: Check = check("kernel.core-dumps", "a crash starts no program of the host");
pub const FAULT_LINES: Check = check("kernel.fault-lines", "programs write nothing to the kernel's log");
pub const PROCESSOR: Check = check("kernel.processor", "the processor's known leaks are closed");

pub const CHECKS: [Check; 13] = [
    VERSION,
    SAME,
    LANDLOCK,
    USER_NAMESPACES,
    IO_URING,
    BPF,
    FILTERS,
    HUGE_PAGES,
    MERGING,
    PTRACE,
    CORES,
    FAULT_LINES,
    PROCESSOR,
];

/// The oldest series with long-term support (kernel.org/category/releases.html). The agent needs 5.9 (`close_range`), and
/// reads what filters a process has, which 5.9 tells as well.
const OLDEST: (u32, u32) = (5, 10);

/// The ABI that scopes signals: Linux 6.12 (kernel documentation, userspace-api/landlock).
const LANDLOCK_SIGNALS: u64 = 6;
/// The ABI that lets files move between folders, below which the agent doesn't use it.
const LANDLOCK_USABLE: u64 = 2;

/// What filters have to have room for. The two of a sandbox have 477 instructions (read from the kernel, Linux 6.18 with runc
/// 1.1), at up to 16 bytes each, so that this is enough for a thousand sandboxes and three times as much of others.
const FILTERS_BYTES: u64 = 32 << 20;

/// `engine_kernel` is what the engine says that it runs on, `landlock` the ABI that a sandbox saw.
pub fn judge(facts: &HostFacts, engine_kernel: &str, landlock: Option<u64>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = landlock.map(landlock_abi).into_iter().collect();
    if !engine_kernel.is_empty() && engine_kernel != facts.release {
        findings.push(SAME.note(
            format!("the engine is on {engine_kernel}, this is {}", facts.release),
            "its host is another machine (a virtual one, as Docker Desktop has): what this machine's kernel says is of no \
             use for it and was left out. Run doctor there as well",
        ));
        return findings;
    }
    findings.extend([
        version(&facts.release),
        user_namespaces(facts),
        io_uring(facts.io_uring_disabled),
        bpf(facts.bpf_disabled),
        filters(facts.bpf_jit_limit),
        huge_pages(&facts.huge_page_pools),
        merging(facts.ksm),
        ptrace(facts.ptrace_scope),
        cores(facts.core_pattern.as_deref()),
        fault_lines(facts.exception_trace),
        processor(&facts.vulnerabilities),
    ]);
    findings
}

fn version(release: &str) -> Finding {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => return VERSION.warning(release, "the version can't be read; see that the kernel is maintained"),
    };
    if version < OLDEST {
        return VERSION.warning(
            release,
            "no long-term series is this old any more: every sandbox shares this kernel, so upgrade it",
        );
    }
    VERSION.good(release)
}

fn landlock_abi(abi: u64) -> Finding {
    let without = "The read-only root and PID 1's own protection hold without it; boot Linux 6.12 or later, with landlock in \
                   the kernel's lsm= list, to have all of it";
    match abi {
        LANDLOCK_SIGNALS.. => LANDLOCK.good(format!("ABI {abi}")),
        LANDLOCK_USABLE.. => LANDLOCK.note(
            format!("ABI {abi}, without signals"),
            format!("a program can send PID 1 signals, which PID 1 doesn't get. {without}"),
        ),
        1 => LANDLOCK.warning("ABI 1, which isn't used", format!("it would forbid ordinary renames. {without}")),
        _ => LANDLOCK.warning(
            "none",
            format!("a program can make itself the kernel's second choice when memory runs out. {without}"),
        ),
    }
}

fn user_namespaces(facts: &HostFacts) -> Finding {
    let is_off = facts.user_namespaces_for_all == Some(0)
        || facts.user_namespaces == Some(0)
        || facts.user_namespaces_by_profile == Some(1);
    if is_off {
        return USER_NAMESPACES.good("yes");
    }
    USER_NAMESPACES.note(
        "anybody may make one",
        "sandboxes refuse the calls for it. Most kernel escapes of recent years began with one: where nothing else on this \
         host needs them, set user.max_user_namespaces = 0",
    )
}

fn io_uring(disabled: Option<u64>) -> Finding {
    match disabled {
        Some(value @ 1..) => IO_URING.good(format!("kernel.io_uring_disabled = {value}")),
        Some(0) => {
            IO_URING.note("it is on", "sandboxes refuse its calls; set kernel.io_uring_disabled = 2 for a second wall")
        }
        None => IO_URING.note(
            "this kernel has no switch for it",
            "sandboxes refuse its calls; Linux 6.6 and later have kernel.io_uring_disabled for a second wall",
        ),
    }
}

fn bpf(disabled: Option<u64>) -> Finding {
    match disabled {
        Some(value @ 1..) => BPF.good(format!("kernel.unprivileged_bpf_disabled = {value}")),
        Some(0) => BPF.note(
            "anybody may use it",
            "sandboxes refuse its call; set kernel.unprivileged_bpf_disabled = 1 for a second wall",
        ),
        // Only a kernel without bpf() has no such file (kernel documentation, admin-guide/sysctl/kernel).
        None => BPF.good("this kernel has no bpf"),
    }
}

fn filters(limit: Option<u64>) -> Finding {
    match limit {
        None => FILTERS.good("filters aren't compiled here"),
        Some(bytes) if bytes < FILTERS_BYTES => FILTERS.warning(
            format!("net.core.bpf_jit_limit = {bytes}"),
            format!(
                "the machine code of all sandboxes' filters, and of everybody else's, has to fit: at the limit no sandbox \
                 starts. Set it to {FILTERS_BYTES} or more"
            ),
        ),
        Some(bytes) => FILTERS.good(format!("net.core.bpf_jit_limit = {bytes}")),
    }
}

fn huge_pages(pools: &[(u64, u64)]) -> Finding {
    if pools.is_empty() {
        return HUGE_PAGES.good("no pool of huge pages");
    }
    let named: Vec<String> = pools.iter().map(|(kib, pages)| format!("{pages} of {kib} KiB")).collect();
    HUGE_PAGES.note(
        named.join(", "),
        "sandboxes refuse to map them. The limit of memory doesn't count them: where nothing else on this host needs the pool, \
         set vm.nr_hugepages and vm.nr_overcommit_hugepages to 0 for a second wall",
    )
}

fn merging(ksm: Option<u64>) -> Finding {
    if ksm == Some(1) {
        return MERGING.note(
            "KSM runs",
            "sandboxes refuse to ask for it. The time that a write takes tells whether somebody else has the same page: where \
             no virtual machines need it, set /sys/kernel/mm/ksm/run to 2 for a second wall",
        );
    }
    MERGING.good("KSM is off")
}

fn fault_lines(exception_trace: Option<u64>) -> Finding {
    match exception_trace {
        Some(value @ 1..) => FAULT_LINES.note(
            format!("debug.exception-trace = {value}"),
            "each program that faults has a line in the kernel's log, with a name of its own choice: a line feed in it begins a line \
             that looks like the kernel's, and many of them push others out. Set debug.exception-trace = 0",
        ),
        Some(0) => FAULT_LINES.good("debug.exception-trace = 0"),
        None => FAULT_LINES.good("this kernel writes none"),
    }
}

fn ptrace(scope: Option<u64>) -> Finding {
    match scope {
        Some(value @ 1..) => PTRACE.good(format!("kernel.yama.ptrace_scope = {value}")),
        _ => PTRACE.note(
            "any process may trace others of its user",
            "sandboxes refuse the calls for it, and no two share a user; a kernel with Yama and kernel.yama.ptrace_scope = 1 is \
             a second wall",
        ),
    }
}

fn cores(pattern: Option<&str>) -> Finding {
    let Some(pattern) = pattern else {
        return CORES.note("kernel.core_pattern can't be read", "see that it begins with no |");
    };
    if let Some(program) = pattern.strip_prefix('|') {
        // core(5): RLIMIT_CORE isn't enforced for core dumps that are piped to a program.
        let program = program.split_whitespace().next().unwrap_or_default();
        return CORES.warning(
            format!("crashes are piped to {program}"),
            "for every program that crashes the host starts this one, as root, outside the sandbox, on memory that the \
             program chose, whatever its limit on core files: set kernel.core_pattern = core",
        );
    }
    CORES.good(format!("kernel.core_pattern = {pattern}"))
}

fn processor(vulnerabilities: &[(String, String)]) -> Finding {
    if vulnerabilities.is_empty() {
        return PROCESSOR
            .note("the kernel doesn't say", "nothing is known here; see the processor's maker's advisories");
    }
    let open: Vec<&str> =
        vulnerabilities.iter().filter(|(_, text)| text.contains("Vulnerable")).map(|(name, _)| name.as_str()).collect();
    if open.is_empty() {
        return PROCESSOR.good(format!("{} looked at by the kernel", vulnerabilities.len()));
    }
    PROCESSOR.warning(
        format!("open: {}", open.join(", ")),
        "a program may read what others on the same core leave behind: update microcode and kernel (of the hypervisor too), \
         don't boot with mitigations=off, and see /sys/devices/system/cpu/vulnerabilities for each",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    fn hardened() -> HostFacts {
        HostFacts {
            release: "6.12.48+deb13-amd64".to_owned(),
            user_namespaces_for_all: Some(0),
            user_namespaces: Some(127_435),
            io_uring_disabled: Some(2),
            bpf_disabled: Some(2),
            bpf_jit_limit: Some(528_482_304),
            ksm: Some(0),
            ptrace_scope: Some(1),
            core_pattern: Some("core".to_owned()),
            exception_trace: Some(0),
            vulnerabilities: vec![
                ("meltdown".to_owned(), "Not affected".to_owned()),
                ("mds".to_owned(), "Mitigation: Clear CPU buffers; SMT disabled".to_owned()),
            ],
            ..HostFacts::default()
        }
    }

    fn worst(facts: &HostFacts, landlock: u64) -> Vec<(&'static str, Verdict)> {
        let findings = judge(facts, &facts.release, Some(landlock));
        findings.iter().filter(|it| it.verdict > Verdict::Good).map(|it| (it.check, it.verdict)).collect()
    }

    #[test]
    fn a_hardened_host_is_good_throughout() {
        assert_eq!(worst(&hardened(), 6), []);
    }

    #[test]
    fn each_missing_wall_is_told() {
        let is = |change: fn(&mut HostFacts), check: Check, verdict| {
            let mut facts = hardened();
            change(&mut facts);
            assert_eq!(worst(&facts, 7), [(check.id, verdict)]);
        };
        is(|facts| facts.release = "4.19.0-27-amd64".to_owned(), VERSION, Verdict::Warning);
        is(|facts| facts.user_namespaces_for_all = None, USER_NAMESPACES, Verdict::Note);
        is(|facts| facts.io_uring_disabled = Some(0), IO_URING, Verdict::Note);
        is(|facts| facts.io_uring_disabled = None, IO_URING, Verdict::Note);
        is(|facts| facts.bpf_disabled = Some(0), BPF, Verdict::Note);
        is(|facts| facts.bpf_jit_limit = Some(1 << 20), FILTERS, Verdict::Warning);
        is(|facts| facts.huge_page_pools = vec![(2_048, 512)], HUGE_PAGES, Verdict::Note);
        is(|facts| facts.ksm = Some(1), MERGING, Verdict::Note);
        is(|facts| facts.exception_trace = Some(1), FAULT_LINES, Verdict::Note);
        is(|facts| facts.ptrace_scope = None, PTRACE, Verdict::Note);
        is(
            |facts| facts.core_pattern = Some("|/usr/lib/systemd/systemd-coredump %P".to_owned()),
            CORES,
            Verdict::Warning,
        );
        is(|facts| facts.vulnerabilities[1].1 = "Vulnerable; SMT vulnerable".to_owned(), PROCESSOR, Verdict::Warning);
        is(|facts| facts.vulnerabilities.clear(), PROCESSOR, Verdict::Note);
    }

    #[test]
    fn landlock_is_judged_by_what_its_abi_can_do() {
        let of = |abi| judge(&hardened(), "", Some(abi))[0].verdict;
        assert_eq!([0, 1, 2, 5, 6, 7].map(of), {
            use Verdict::{Good, Note, Warning};
            [Warning, Warning, Note, Note, Good, Good]
        });
    }

    #[test]
    fn a_kernel_that_isnt_the_engines_is_not_judged() {
        let findings = judge(&hardened(), "5.15.49-linuxkit", None);
        assert_eq!(findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), [SAME.id]);
    }
}
