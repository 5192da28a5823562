//! Judging, on what probes printed on a host of each kind, and on the same with one thing changed.

use super::*;
use crate::doctor::finding::Verdict;

/// Recorded on Docker 20.10 with cgroup v1, Linux 6.18.
const V1: &str = include_str!("../recorded/docker-20.10-v1.txt");
/// As Docker 28 with cgroup v2 and AppArmor has it on Linux 6.12.
const V2: &str = include_str!("../recorded/docker-28-v2.txt");

fn asked(facts: &str) -> Asked {
    Asked {
        memory_bytes: 64 << 20,
        processes: 32,
        disk_bytes: 32 << 20,
        inodes: 16_384,
        uids: 20_000..30_000,
        pinned: true,
        host_kernel: Facts::parse(facts).one("kernel").unwrap_or_default().to_owned(),
        host_swaps: true,
        apparmor: facts == V2,
        remapped: false,
    }
}

fn probe(facts: &str) -> Probe {
    let resized = facts.replace("limit.memory 67108864", "limit.memory 100663296");
    let resized = resized.replace("limit.processes 32", "limit.processes 25");
    let resized = Resize::Done { facts: Facts::parse(&resized), memory_bytes: 96 << 20, processes: 25 };
    Probe::Told(Box::new(Told { facts: Facts::parse(facts), start_ms: 300, resized, end: None }))
}

/// What isn't good.
fn told(probe: &Probe, asked: &Asked) -> Vec<(&'static str, Verdict)> {
    let findings = judge(probe, asked);
    findings.iter().filter(|it| it.verdict > Verdict::Good).map(|it| (it.check, it.verdict)).collect()
}

#[test]
fn a_sandbox_on_either_kind_of_host_is_good_throughout() {
    for facts in [V1, V2] {
        assert_eq!(told(&probe(facts), &asked(facts)), []);
        let findings = judge(&probe(facts), &asked(facts));
        assert_eq!(findings.iter().map(|it| it.check).collect::<Vec<_>>(), CHECKS.map(|check| check.id));
    }
}

/// Changes some text of the facts, which has to be there, and expects exactly one finding.
fn is_told(facts: &str, from: &str, to: &str, check: Check, verdict: Verdict) {
    assert!(facts.contains(from), "{from:?} isn't among the facts");
    assert_eq!(told(&probe(&facts.replace(from, to)), &asked(facts)), [(check.id, verdict)], "{from} → {to}");
}

#[test]
fn each_wall_that_is_missing_is_told_as_that_one() {
    for facts in [V1, V2] {
        for (from, to, check) in [
            ("self.Uid 20000 20000", "self.Uid 20000 0", USER),
            ("self.Gid 20000 20000 20000 20000", "self.Gid 0 0 0 0", USER),
            ("self.Groups 20000", "self.Groups 20000 999", USER),
            ("self.CapBnd 0000000000000000", "self.CapBnd 00000000a80425fb", CAPABILITIES),
            ("agent.CapEff 0000000000000000", "agent.CapEff 0000000000002000", CAPABILITIES),
            ("agent.NoNewPrivs 1", "agent.NoNewPrivs 0", NO_NEW_PRIVILEGES),
            ("agent.Seccomp 2", "agent.Seccomp 0", SECCOMP),
            ("self.Seccomp_filters 2", "self.Seccomp_filters 1", SECCOMP),
            ("call.keyctl refused EPERM", "call.keyctl allowed", CALLS),
            ("call.io_uring_setup refused EPERM", "call.io_uring_setup refused EFAULT", CALLS),
            ("namespace.unshare refused EPERM", "namespace.unshare allowed", NAMESPACES),
            ("socket.alg refused EPERM", "socket.alg allowed", SOCKETS),
            ("interface lo", "interface lo\ninterface eth0", NETWORK),
            ("create /var/tmp refused EROFS", "create /var/tmp allowed", ROOT),
            ("/box tmpfs rw,nosuid,nodev", "/box tmpfs rw,nodev", PLACES),
            ("mount /caisson ext4 ro", "mount /caisson ext4 rw", PLACES),
            ("mount /proc/sys proc ro", "mount /proc/sys proc rw", KERNEL_FILES),
            ("/proc/sys/vm/drop_caches refused EACCES", "/proc/sys/vm/drop_caches allowed", KERNEL_FILES),
            ("read /proc/keys empty", "read /proc/keys allowed", MASKED),
            ("device /dev/null", "device /dev/sda block 8:0\ndevice /dev/null", DEVICES),
            ("mknod refused EPERM", "mknod allowed", DEVICES),
            ("reach.limits refused EPERM", "reach.limits allowed", SUPERVISOR),
            ("oom-score 1000", "oom-score 0", OOM_SCORE),
            ("processes 2\n", "processes 131\n", SEEN),
            ("hostname caisson", "hostname ip-10-0-0-7", HOSTNAME),
            ("rlimit.core 0", "rlimit.core 18446744073709551615", RLIMITS),
        ] {
            is_told(facts, from, to, check, Verdict::Broken);
        }
        is_told(facts, "oom-score.lower refused EACCES", "oom-score.lower allowed", OOM_SCORE, Verdict::Warning);
        is_told(facts, "socket.unix allowed", "socket.unix refused EPERM", SOCKETS, Verdict::Warning);
    }
    is_told(V1, "/ fuse.fuse-overlayfs ro", "/ fuse.fuse-overlayfs rw", ROOT, Verdict::Broken);
    is_told(V2, "/ overlay ro", "/ overlay rw", ROOT, Verdict::Broken);
    is_told(
        V1,
        "noexec,relatime 16777216 16384 allowed",
        "noexec,relatime 67108864 16384 allowed",
        PLACES,
        Verdict::Broken,
    );
    is_told(V2, "16777216 16384 allowed", "16777216 4094632 allowed", PLACES, Verdict::Broken);
    is_told(V2, "confined-by docker-default (enforce)", "confined-by unconfined", MODULE, Verdict::Warning);
    is_told(V2, "docker-default (enforce)", "crun//&docker-default (mixed)", MODULE, Verdict::Warning);
}

#[test]
fn cgroups_that_arent_mounted_read_only_are_a_note_where_nobody_inside_can_own_them() {
    let with = |outcome: &str| {
        let options = "nosuid,nodev,noexec,relatime 0 0";
        let read_only = format!(" cgroup ro,{options} refused EROFS");
        assert!(V1.contains(&read_only));
        V1.replace(&read_only, &format!(" cgroup rw,{options} {outcome}"))
    };
    let refused = probe(&with("refused EACCES"));
    let remapped = Asked { remapped: true, ..asked(V1) };
    assert_eq!(told(&refused, &remapped), [(KERNEL_FILES.id, Verdict::Note)]);
    assert_eq!(told(&refused, &asked(V1)), [(KERNEL_FILES.id, Verdict::Broken)]);
    assert!(told(&probe(&with("allowed")), &remapped).contains(&(KERNEL_FILES.id, Verdict::Broken)));
}

/// Version 2's group is handed over to the container's user. The facts are recorded ones, changed by hand.
#[test]
fn a_cgroup_of_remapped_users_is_behind_landlock_alone() {
    let read_only = "mount /sys/fs/cgroup cgroup2 ro,";
    assert!(V2.contains(read_only));
    let refused = V2.replace(read_only, "mount /sys/fs/cgroup cgroup2 rw,");
    let remapped = Asked { remapped: true, ..asked(V2) };
    assert_eq!(told(&probe(&refused), &remapped), [(KERNEL_FILES.id, Verdict::Warning)]);
    assert_eq!(told(&probe(&refused), &asked(V2)), [(KERNEL_FILES.id, Verdict::Broken)]);
    let without_landlock = refused.replace("landlock 6", "landlock 0");
    assert_eq!(told(&probe(&without_landlock), &remapped), [(KERNEL_FILES.id, Verdict::Broken)]);
}

#[test]
fn limits_are_read_in_both_versions_own_ways() {
    let broken = Verdict::Broken;
    // Both together, in version 1.
    is_told(V1, "limit.swap 67108864", "limit.swap 134217728", SWAP, broken);
    is_told(V1, "limit.swap 67108864", "limit.swap 9223372036854771712", SWAP, broken);
    is_told(V2, "limit.swap 0", "limit.swap 67108864", SWAP, broken);
    is_told(V2, "limit.swap 0", "limit.swap max", SWAP, broken);
    is_told(V2, "limit.cpus 3", "limit.cpus 0-7", CPUS, broken);
    is_told(V2, "limit.cpus 3", "limit.cpus ", CPUS, broken);
    // Not resized either, so the second look finds the same.
    for (facts, none) in [(V1, "9223372036854771712"), (V2, "max")] {
        let changed = facts.replace("limit.processes 32", "limit.processes max");
        assert_eq!(told(&probe(&changed), &asked(facts)), [(PROCESSES.id, broken), (RESIZE.id, broken)]);
        let changed = facts.replace("limit.memory 67108864", &format!("limit.memory {none}"));
        let told = told(&probe(&changed), &asked(facts));
        assert!(told.contains(&(MEMORY.id, broken)) && told.contains(&(RESIZE.id, broken)), "{told:?}");
    }
}

#[test]
fn without_pinning_the_quota_has_to_be_one_cpus() {
    for (facts, with_quota) in [
        (V1, V1.replace("limit.cpu-quota -1", "limit.cpu-quota 100000")),
        (V2, V2.replace("max 100000", "100000 100000")),
    ] {
        let unpinned = Asked { pinned: false, ..asked(facts) };
        assert_eq!(told(&probe(facts), &unpinned), [(CPUS.id, Verdict::Broken)]);
        assert_eq!(told(&probe(&with_quota), &unpinned), []);
    }
}

#[test]
fn swap_that_the_kernel_doesnt_count_matters_only_where_there_is_some() {
    let facts = V1.replace("limit.swap 67108864\n", "");
    assert_eq!(told(&probe(&facts), &asked(V1)), [(SWAP.id, Verdict::Broken)]);
    assert_eq!(told(&probe(&facts), &Asked { host_swaps: false, ..asked(V1) }), []);
}

#[test]
fn what_the_probe_says_nothing_of_is_never_good() {
    let nothing = Probe::Told(Box::new(Told {
        facts: Facts::parse("kernel 6.18.44\n"),
        start_ms: 300,
        resized: Resize::Unsupported,
        end: None,
    }));
    let asked = Asked { host_swaps: true, apparmor: true, ..asked(V1) };
    let findings = judge(&nothing, &asked);
    let good: Vec<_> = findings.iter().filter(|it| it.verdict == Verdict::Good).map(|it| it.check).collect();
    // The agent has tried these before it answered.
    assert_eq!(good, [START.id, SIGNALS.id]);
}

/// Recorded on gVisor (runsc of Debian's backports) under Docker 20.10, Linux 6.18.
const GVISOR: &str = include_str!("../recorded/gvisor.txt");

#[test]
fn a_sandbox_with_a_kernel_of_its_own_is_not_measured_by_the_hosts() {
    let asked = Asked { pinned: false, host_swaps: false, ..asked(V1) };
    let without_resize = |facts: &str, end: Option<End>| {
        Probe::Told(Box::new(Told { facts: Facts::parse(facts), start_ms: 1118, resized: Resize::Unsupported, end }))
    };
    let notes = told(&without_resize(GVISOR, None), &asked);
    assert!(notes.iter().all(|(_, verdict)| *verdict == Verdict::Note), "{notes:?}");
    let checks: Vec<&str> = notes.iter().map(|(check, _)| *check).collect();
    for own in [SECCOMP, CALLS, NAMESPACES, SOCKETS, PLACES, MEMORY, PROCESSES, SUPERVISOR, RESIZE] {
        assert!(checks.contains(&own.id), "{} isn't among {checks:?}", own.id);
    }
    // There, signals reach PID 1.
    let killed = told(&without_resize(GVISOR, Some(End::Signal)), &asked);
    assert!(killed.contains(&(SUPERVISOR.id, Verdict::Warning)), "{killed:?}");
    // What isn't the kernel's to give away is promised there as well.
    for (from, to, check) in [
        ("self.CapBnd 0000000000000000", "self.CapBnd 00000000a80425fb", CAPABILITIES),
        ("interface lo", "interface lo\ninterface eth0", NETWORK),
        ("self.Uid 20064 20064", "self.Uid 0 0", USER),
        ("/ 9p ro,ro", "/ 9p rw", ROOT),
        ("/tmp tmpfs rw 33554432", "/tmp tmpfs rw 12638257152", PLACES),
        ("mount /caisson 9p ro,ro", "mount /caisson 9p rw", PLACES),
        ("reach.limits refused", "reach.limits allowed", SUPERVISOR),
        ("hostname caisson", "hostname ip-10-0-0-7", HOSTNAME),
    ] {
        assert!(GVISOR.contains(from), "{from:?} isn't among the facts");
        let findings = judge(&without_resize(&GVISOR.replace(from, to), None), &asked);
        let broken: Vec<_> = findings.iter().filter(|it| it.verdict == Verdict::Broken).map(|it| it.check).collect();
        assert_eq!(broken, [check.id], "{from} → {to}");
    }
}

#[test]
fn a_supervisor_that_a_program_can_end_is_broken_but_for_kernels_that_know_no_better() {
    for (kernel, verdict) in [("kernel 6.18.44", Verdict::Broken), ("kernel 4.4.0", Verdict::Warning)] {
        let facts = Facts::parse(&V1.replace("kernel 6.18.44", kernel));
        let (resized, end) = (Resize::NotTried, Some(End::Signal));
        let probe = Probe::Told(Box::new(Told { facts, start_ms: 300, resized, end }));
        assert!(told(&probe, &asked(V1)).contains(&(SUPERVISOR.id, verdict)));
    }
}

#[test]
fn a_supervisor_that_didnt_survive_the_probe_is_told_beside_what_the_probe_had_said() {
    let facts = Facts::parse(&V1.replace("hostname caisson", "hostname other"));
    let end = Some(End::Probe("the agent could not empty the scratch directories".to_owned()));
    let probe = Probe::Told(Box::new(Told { facts, start_ms: 300, resized: Resize::NotTried, end }));
    let broken = Verdict::Broken;
    assert_eq!(told(&probe, &asked(V1)), [(SUPERVISOR.id, broken), (HOSTNAME.id, broken)]);
}

#[test]
fn a_sandbox_that_isnt_there_is_one_finding() {
    let reason = || "failed to create a container: no such runtime".to_owned();
    for (probe, check) in [
        (Probe::NotStarted(reason()), START),
        (Probe::Silent(reason()), START),
        (Probe::EndsNobody(reason()), SIGNALS),
        (Probe::HasNetwork, NETWORK),
    ] {
        assert_eq!(told(&probe, &asked(V1)), [(check.id, Verdict::Broken)]);
    }
    for (resized, verdict) in
        [(Resize::Unsupported, Verdict::Note), (Resize::Failed("busy".to_owned()), Verdict::Broken)]
    {
        let facts = Facts::parse(V1);
        let probe = Probe::Told(Box::new(Told { facts, start_ms: 300, resized, end: None }));
        assert_eq!(told(&probe, &asked(V1)), [(RESIZE.id, verdict)]);
    }
}
