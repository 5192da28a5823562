//! Which of the CPUs that this process may use are threads of one physical core.

use std::collections::BTreeMap;
use std::path::Path;

/// What the kernel says of one CPU, as the text of its files in `/sys/devices/system/cpu/cpuN/topology`; empty where it
/// says nothing, as in some containers and emulations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// `thread_siblings_list`: the CPUs that share its core, itself among them, as in `0,4` or `0-1`.
    pub(super) siblings: String,
    /// `core_id`, which is unique only within its package.
    pub(super) core: String,
    /// `physical_package_id`; -1 where the firmware doesn't say.
    pub(super) package: String,
}

impl Listing {
    fn read(cpus: &Path, cpu: usize) -> Listing {
        let folder = cpus.join(format!("cpu{cpu}/topology"));
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default().trim().to_owned();
        Listing { siblings: text("thread_siblings_list"), core: text("core_id"), package: text("physical_package_id") }
    }
}

/// Tells two cores apart.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Siblings(Vec<usize>),
    Numbers(String, String),
    /// Nothing is known of it, so that it is taken for a core of its own.
    Alone(usize),
}

/// The CPUs that this process may use, by physical core.
pub(super) fn own_cores() -> Vec<Vec<usize>> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = parse_allowed(&status).unwrap_or_default();
    cores(&allowed, |cpu| Listing::read(Path::new("/sys/devices/system/cpu"), cpu))
}

/// The CPUs of `allowed` by physical core, in the order of each core's first. A core that others have threads of too is
/// here with those that are ours.
pub(super) fn cores(allowed: &[usize], listing: impl Fn(usize) -> Listing) -> Vec<Vec<usize>> {
    let mut cores: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
    for &cpu in allowed {
        let Listing { siblings, core, package } = listing(cpu);
        let name = match parse_list(&siblings) {
            Some(siblings) if siblings.contains(&cpu) => Name::Siblings(siblings),
            _ if core.parse::<u32>().is_ok() => Name::Numbers(package, core),
            _ => Name::Alone(cpu),
        };
        cores.entry(name).or_default().push(cpu);
    }
    let mut cores: Vec<Vec<usize>> = cores.into_values().collect();
    cores.sort();
    cores
}

/// How many jobs run side by side where nobody says: one for each core, and no more than the CPUs' worth of time that this
/// process is given by its control group (`share`).
pub(super) fn slots(cores: usize, share: usize) -> usize {
    cores.min(share).max(1)
}

/// The `Cpus_allowed_list` line of a `/proc/PID/status`.
pub(super) fn parse_allowed(status: &str) -> Option<Vec<usize>> {
    parse_list(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// Numbers and ranges, as in `0-3,8`.
fn parse_list(list: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(siblings: &str, core: &str, package: &str) -> Listing {
        Listing { siblings: siblings.to_owned(), core: core.to_owned(), package: package.to_owned() }
    }

    /// Four cores whose second threads are numbered behind the first ones, as on Xeons and their instances of EC2.
    fn xeon(cpu: usize) -> Listing {
        let core = cpu % 4;
        listing(&format!("{core},{}", core + 4), &core.to_string(), "0")
    }

    /// Four cores whose threads are numbered side by side, as on many desktops.
    fn ryzen(cpu: usize) -> Listing {
        let first = cpu / 2 * 2;
        listing(&format!("{first}-{}", first + 1), &(cpu / 2).to_string(), "0")
    }

    const ALL: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn two_threads_are_one_core_however_they_are_numbered() {
        assert_eq!(cores(&ALL, xeon), [[0, 4], [1, 5], [2, 6], [3, 7]]);
        assert_eq!(cores(&ALL, ryzen), [[0, 1], [2, 3], [4, 5], [6, 7]]);
        // Core numbers aren't needed, and where they say something else they aren't believed.
        let only_siblings = |cpu| Listing { core: "0".to_owned(), package: String::new(), ..xeon(cpu) };
        assert_eq!(cores(&ALL, only_siblings), [[0, 4], [1, 5], [2, 6], [3, 7]]);
    }

    #[test]
    fn without_simultaneous_threads_each_cpu_is_a_core() {
        // Recorded in a virtual machine; and with a firmware that numbers no packages.
        assert_eq!(cores(&[0, 1], |cpu| listing(&cpu.to_string(), &cpu.to_string(), "0")), [[0], [1]]);
        assert_eq!(cores(&[0, 1], |cpu| listing(&cpu.to_string(), &cpu.to_string(), "-1")), [[0], [1]]);
        // nosmt: the second threads are offline, and not among what is allowed.
        assert_eq!(cores(&[0, 1, 2, 3], |cpu| listing(&cpu.to_string(), &cpu.to_string(), "0")).len(), 4);
    }

    #[test]
    fn of_a_core_only_the_threads_that_are_allowed_are_used() {
        assert_eq!(cores(&[1, 2, 5], xeon), [vec![1, 5], vec![2]]);
        // A container with one thread of each core; two cores of the first package and the same numbers in the second.
        assert_eq!(cores(&[4, 5, 6, 7], xeon), [[4], [5], [6], [7]]);
        let two_packages = |cpu: usize| listing("", &(cpu % 2).to_string(), &(cpu / 4).to_string());
        assert_eq!(cores(&ALL, two_packages), [[0, 2], [1, 3], [4, 6], [5, 7]]);
    }

    #[test]
    fn what_the_kernel_doesnt_say_or_says_badly_is_a_core_for_each_cpu() {
        assert_eq!(cores(&[0, 3], |_| Listing::default()), [[0], [3]]);
        assert_eq!(cores(&[0, 3], |_| listing("7", "x", "")), [[0], [3]], "siblings that leave it out");
        let folder = tempfile::tempdir().expect("a folder can be made");
        assert_eq!(Listing::read(folder.path(), 0), Listing::default());
        assert_eq!(cores(&[], xeon), [[0usize; 0]; 0]);
    }

    #[test]
    fn there_are_as_many_slots_as_cores_and_no_more_than_the_control_group_gives_time_for() {
        assert_eq!(slots(cores(&ALL, xeon).len(), 8), 4);
        assert_eq!(slots(4, 2), 2, "a quota of two CPUs");
        assert_eq!(slots(0, 1), 1, "nothing is known");
    }

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_allowed("Name:\tx\nCpus_allowed_list:\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_allowed("Cpus_allowed_list:\tnone\n"), None);
        assert_eq!(parse_list(""), None);
    }
}
