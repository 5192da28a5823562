//! What the host's kernel says of itself: collected here, judged in [`super::kernel`] and [`super::timing`].

use std::fs;
use std::path::Path;

/// The kernel and the machine. What a kernel doesn't have, or doesn't show us, is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// As `uname -r`.
    pub release: String,
    /// `kernel.unprivileged_userns_clone`, of Debian's and other kernels.
    pub user_namespaces_for_all: Option<u64>,
    /// `user.max_user_namespaces`.
    pub user_namespaces: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu's kernels.
    pub user_namespaces_by_profile: Option<u64>,
    /// `kernel.io_uring_disabled`, from Linux 6.6 on: 0 for all, 1 for a group, 2 for nobody.
    pub io_uring_disabled: Option<u64>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub bpf_disabled: Option<u64>,
    /// `net.core.bpf_jit_limit`, in bytes; none where filters aren't compiled.
    pub bpf_jit_limit: Option<u64>,
    /// How many huge pages each pool may have, by the size of its pages in KiB. Empty pools are left out.
    pub huge_page_pools: Vec<(u64, u64)>,
    /// `/sys/kernel/mm/ksm/run`: 1 while the kernel looks for equal pages.
    pub ksm: Option<u64>,
    /// `kernel.yama.ptrace_scope`.
    pub ptrace_scope: Option<u64>,
    /// `kernel.core_pattern`.
    pub core_pattern: Option<String>,
    /// `debug.exception-trace`: whether a program that faults has a line in the kernel's log.
    pub exception_trace: Option<u64>,
    /// Each file of `/sys/devices/system/cpu/vulnerabilities`, with its text.
    pub vulnerabilities: Vec<(String, String)>,
    /// Whether two threads share a core right now.
    pub smt: Option<bool>,
    /// Devices and files that are swapped to.
    pub swaps: Vec<String>,
    /// The word in brackets of `transparent_hugepage/enabled`.
    pub huge_pages: Option<String>,
    /// The governors of all CPUs, each once. Virtual machines have none.
    pub governors: Vec<String>,
    /// Whether the processor may go faster than its nominal frequency.
    pub turbo: Option<bool>,
    /// Hundredths of a percent of all CPU time since boot that the hypervisor gave to others.
    pub steal: Option<u64>,
}

impl HostFacts {
    /// Reads them below `root`, which is `/` but in tests.
    pub fn collect(root: &Path) -> HostFacts {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok().map(|text| text.trim_end().to_owned());
        let number = |path: &str| text(path).and_then(|text| text.parse::<u64>().ok());
        let cpus = root.join("sys/devices/system/cpu");
        HostFacts {
            release: text("proc/sys/kernel/osrelease").unwrap_or_default(),
            user_namespaces_for_all: number("proc/sys/kernel/unprivileged_userns_clone"),
            user_namespaces: number("proc/sys/user/max_user_namespaces"),
            user_namespaces_by_profile: number("proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            io_uring_disabled: number("proc/sys/kernel/io_uring_disabled"),
            bpf_disabled: number("proc/sys/kernel/unprivileged_bpf_disabled"),
            bpf_jit_limit: number("proc/sys/net/core/bpf_jit_limit"),
            huge_page_pools: huge_page_pools(&root.join("sys/kernel/mm/hugepages")),
            ksm: number("sys/kernel/mm/ksm/run"),
            ptrace_scope: number("proc/sys/kernel/yama/ptrace_scope"),
            core_pattern: text("proc/sys/kernel/core_pattern"),
            exception_trace: number("proc/sys/debug/exception-trace"),
            vulnerabilities: files(&cpus.join("vulnerabilities")),
            smt: number("sys/devices/system/cpu/smt/active").map(|active| active == 1),
            swaps: text("proc/swaps").map(|text| parse_swaps(&text)).unwrap_or_default(),
            huge_pages: text("sys/kernel/mm/transparent_hugepage/enabled").and_then(|text| in_brackets(&text)),
            governors: governors(&cpus),
            turbo: number("sys/devices/system/cpu/intel_pstate/no_turbo")
                .map(|off| off == 0)
                .or_else(|| number("sys/devices/system/cpu/cpufreq/boost").map(|on| on == 1)),
            steal: text("proc/stat").and_then(|text| parse_steal(&text)),
        }
    }

    pub fn swap_is_on(&self) -> bool {
        !self.swaps.is_empty()
    }
}

/// Every readable file of a folder, with its text, in the order of the names.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), text.trim_end().to_owned()))
        })
        .collect();
    files.sort();
    files
}

/// A folder `hugepages-2048kB` for each size (kernel documentation, admin-guide/mm/hugetlbpage).
fn huge_page_pools(pools: &Path) -> Vec<(u64, u64)> {
    let folders = fs::read_dir(pools).into_iter().flatten().flatten();
    let mut found: Vec<(u64, u64)> = folders
        .filter_map(|entry| {
            let name = entry.file_name();
            let size = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let pages = ["nr_hugepages", "nr_overcommit_hugepages"]
                .iter()
                .filter_map(|file| fs::read_to_string(entry.path().join(file)).ok()?.trim_end().parse::<u64>().ok())
                .sum();
            (pages > 0).then_some((size, pages))
        })
        .collect();
    found.sort_unstable();
    found
}

fn governors(cpus: &Path) -> Vec<String> {
    let folders = fs::read_dir(cpus).into_iter().flatten().flatten();
    let mut governors: Vec<String> = folders
        .filter_map(|entry| fs::read_to_string(entry.path().join("cpufreq/scaling_governor")).ok())
        .map(|text| text.trim_end().to_owned())
        .collect();
    governors.sort();
    governors.dedup();
    governors
}

/// `/proc/swaps`: a heading, then a line for each, its name first.
fn parse_swaps(text: &str) -> Vec<String> {
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// `always [madvise] never`.
fn in_brackets(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// The first line of `/proc/stat`: `cpu` user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); what
/// guests took is in user and nice already.
fn parse_steal(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = line.split_whitespace().take(8).filter_map(|time| time.parse().ok()).collect();
    let all: u64 = times.iter().sum();
    (all > 0).then(|| times.get(7).map(|steal| steal * 10_000 / all))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_as_it_writes_them() {
        assert_eq!(in_brackets("always [madvise] never"), Some("madvise".to_owned()));
        assert_eq!(in_brackets("never"), None);
        let swaps =
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/nvme0n1p3   partition\t8388604\t\t0\t\t-2\n";
        assert_eq!(parse_swaps(swaps), ["/dev/nvme0n1p3"]);
        assert_eq!(parse_swaps("Filename\t\t\t\tType\n"), [""; 0]);
        assert_eq!(parse_steal("cpu  700 0 200 9000 0 0 0 100 50 0\ncpu0 1 2\n"), Some(100));
        assert_eq!(parse_steal("cpu  0 0 0 0 0 0 0 0 0 0\n"), None);
        assert_eq!(parse_steal("intr 5\n"), None);
    }

    #[test]
    fn facts_are_collected_from_where_the_kernel_has_them() {
        let root = tempfile::tempdir().expect("a folder can be made");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
            fs::write(path, text).expect("the file can be written");
        };
        write("proc/sys/kernel/osrelease", "6.12.48\n");
        write("proc/sys/kernel/io_uring_disabled", "2\n");
        write("proc/sys/net/core/bpf_jit_limit", "528482304\n");
        write("sys/kernel/mm/ksm/run", "1\n");
        write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4\n");
        write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "2\n");
        write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
        write("sys/devices/system/cpu/smt/active", "1\n");
        write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
        write("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
        write("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
        write("sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable: Clear CPU buffers attempted\n");
        let facts = HostFacts::collect(root.path());
        assert_eq!(
            facts,
            HostFacts {
                release: "6.12.48".to_owned(),
                io_uring_disabled: Some(2),
                bpf_jit_limit: Some(528_482_304),
                huge_page_pools: vec![(2_048, 6)],
                ksm: Some(1),
                smt: Some(true),
                governors: vec!["powersave".to_owned()],
                turbo: Some(true),
                vulnerabilities: vec![("mds".to_owned(), "Vulnerable: Clear CPU buffers attempted".to_owned())],
                ..HostFacts::default()
            }
        );
    }
}
