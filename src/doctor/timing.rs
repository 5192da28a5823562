//! What makes one program's times differ between two runs on the same host, after the advice that the isolate sandbox
//! gives its users (its manual, section "Reproducibility"). Hints: nothing here is ever broken.

use super::finding::{Area, Check, Finding};
use super::host::HostFacts;

const fn check(id: &'static str, promise: &'static str) -> Check {
    Check::new(Area::Timing, id, promise)
}

pub const PINNED: Check = check("timing.pinned", "each sandbox has a CPU of its own");
pub const SMT: Check = check("timing.smt", "no two jobs share a core");
pub const SWAP: Check = check("timing.swap", "the host doesn't swap");
pub const HUGE_PAGES: Check = check("timing.huge-pages", "huge pages come only where asked for");
pub const GOVERNOR: Check = check("timing.governor", "the CPUs keep their frequency");
pub const TURBO: Check = check("timing.turbo", "the CPUs don't go over their frequency");
pub const STEAL: Check = check("timing.steal", "the hypervisor takes no time away");

pub const CHECKS: [Check; 7] = [PINNED, SMT, SWAP, HUGE_PAGES, GOVERNOR, TURBO, STEAL];

/// Hundredths of a percent of all time: from one percent on, verdicts near a time limit depend on the neighbours.
const MUCH_STEAL: u64 = 100;

/// How a worker of this configuration would place its sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub slots: usize,
    /// Physical ones.
    pub cores: usize,
    pub cpus: usize,
    /// `sandbox.pin_cpus`.
    pub pin: bool,
}

pub fn judge(facts: &HostFacts, placement: Placement) -> Vec<Finding> {
    vec![
        pinned(placement),
        smt(facts.smt, placement),
        swap(&facts.swaps),
        huge_pages(facts.huge_pages.as_deref()),
        governor(&facts.governors),
        turbo(facts.turbo),
        steal(facts.steal),
    ]
}

fn pinned(Placement { slots, cpus, pin, .. }: Placement) -> Finding {
    let measured = format!("{slots} slots on {cpus} CPUs");
    if !pin {
        return PINNED.note(
            format!("{measured}, sandbox.pin_cpus is off"),
            "programs move between CPUs and disturb each other; turn it on unless something else pins them",
        );
    }
    if slots > cpus {
        return PINNED.warning(
            measured,
            "with more slots than CPUs nothing is pinned, and jobs take time from each other: lower worker.slots",
        );
    }
    PINNED.good(measured)
}

fn smt(active: Option<bool>, Placement { slots, cores, pin, .. }: Placement) -> Finding {
    match active {
        Some(true) if pin && slots <= cores => {
            SMT.good(format!("two threads share each core; of {cores} cores {slots} slots use one thread each"))
        }
        Some(true) => SMT.note(
            format!("two threads share each core, {slots} slots on {cores} cores"),
            "two jobs on one core slow each other down, and can watch each other through its caches: leave worker.slots at \
             its default with sandbox.pin_cpus on, or turn the second threads off (nosmt, or CpuOptions of an EC2 instance)",
        ),
        Some(false) => SMT.good("simultaneous threads are off"),
        None => SMT.good("the kernel knows of none"),
    }
}

fn swap(swaps: &[String]) -> Finding {
    if swaps.is_empty() {
        return SWAP.good("no swap");
    }
    SWAP.warning(
        format!("swap on {}", swaps.join(", ")),
        "a page of a waiting program may be fetched from the disk in the middle of its measured time: swapoff -a, and take it \
         out of /etc/fstab",
    )
}

fn huge_pages(mode: Option<&str>) -> Finding {
    match mode {
        Some("always") => HUGE_PAGES.note(
            "always",
            "whether a program gets one depends on how fragmented the host's memory is, and its times with it: write madvise \
             to /sys/kernel/mm/transparent_hugepage/enabled",
        ),
        Some(mode) => HUGE_PAGES.good(mode),
        None => HUGE_PAGES.good("the kernel has none"),
    }
}

fn governor(governors: &[String]) -> Finding {
    if governors.is_empty() {
        return GOVERNOR.good("no governor to be seen (usual in virtual machines)");
    }
    let measured = governors.join(", ");
    if governors == ["performance"] {
        return GOVERNOR.good(measured);
    }
    GOVERNOR.note(
        measured,
        "short programs are measured on a CPU that has yet to speed up: cpupower frequency-set --governor performance",
    )
}

fn turbo(on: Option<bool>) -> Finding {
    match on {
        Some(true) => TURBO.note(
            "turbo is on",
            "a program alone on the host is faster than beside others: write 1 to \
             /sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to cpufreq/boost, where times matter more than speed",
        ),
        Some(false) => TURBO.good("turbo is off"),
        None => TURBO.good("no switch to be seen (usual in virtual machines)"),
    }
}

fn steal(steal: Option<u64>) -> Finding {
    let Some(steal) = steal else { return STEAL.good("the kernel doesn't count it") };
    let measured = format!("{}.{:02} % since boot", steal / 100, steal % 100);
    if steal < MUCH_STEAL {
        return STEAL.good(measured);
    }
    STEAL.warning(
        measured,
        "other machines on this host take CPU time from this one: no burstable instance types (t3, t4g) for judging, and no \
         shared hosts that are overbooked",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    const PLACEMENT: Placement = Placement { slots: 4, cores: 4, cpus: 4, pin: true };

    fn told(facts: &HostFacts, placement: Placement) -> Vec<(&'static str, Verdict)> {
        let findings = judge(facts, placement);
        findings.iter().filter(|it| it.verdict > Verdict::Good).map(|it| (it.check, it.verdict)).collect()
    }

    #[test]
    fn a_plain_virtual_machine_is_good_throughout() {
        let facts = HostFacts { smt: Some(false), huge_pages: Some("madvise".to_owned()), ..HostFacts::default() };
        assert_eq!(told(&facts, PLACEMENT), []);
    }

    #[test]
    fn everything_that_moves_times_is_told_and_nothing_is_broken() {
        let facts = HostFacts {
            smt: Some(true),
            swaps: vec!["/swapfile".to_owned()],
            huge_pages: Some("always".to_owned()),
            governors: vec!["powersave".to_owned()],
            turbo: Some(true),
            steal: Some(123),
            ..HostFacts::default()
        };
        let told = told(&facts, Placement { slots: 8, ..PLACEMENT });
        assert_eq!(told.iter().map(|(check, _)| *check).collect::<Vec<_>>(), CHECKS.map(|check| check.id));
        assert!(told.iter().all(|(_, verdict)| *verdict < Verdict::Broken));
        let unpinned = judge(&facts, Placement { pin: false, ..PLACEMENT });
        assert_eq!(unpinned[0].verdict, Verdict::Note);
    }

    #[test]
    fn threads_that_share_a_core_are_no_matter_while_each_slot_has_one() {
        let facts = HostFacts { smt: Some(true), ..HostFacts::default() };
        let threads = Placement { cpus: 8, ..PLACEMENT };
        assert_eq!(told(&facts, threads), []);
        assert_eq!(told(&facts, Placement { slots: 5, ..threads }), [("timing.smt", Verdict::Note)]);
        assert!(told(&facts, Placement { pin: false, ..threads }).contains(&("timing.smt", Verdict::Note)));
    }
}
