use super::*;
use crate::doctor::finding::Verdict;
use crate::sandbox::recorded::{debian_12, docker_28};

const ROOMY: Disk = Disk { free_bytes: 50 << 30, free_inodes: 3_000_000, inodes: 6_000_000 };

fn verdict(findings: &[Finding], check: &Check) -> Verdict {
    let of_check = findings.iter().filter(|finding| finding.check == check.id);
    of_check.map(|finding| finding.verdict).max().unwrap_or_else(|| panic!("nothing about {}", check.id))
}

#[test]
fn debians_engine_on_version_one_works_but_its_runc_cant_be_told_by_its_number() {
    let findings = judge(&debian_12(), None, Some(ROOMY), false);
    assert_eq!(verdict(&findings, &ESCAPES), Verdict::Warning, "{findings:#?}");
    assert_eq!(verdict(&findings, &CGROUP), Verdict::Note);
    assert_eq!(verdict(&findings, &MODULE), Verdict::Note);
    for good in [REACHABLE, RUNTIME, LIMITS, SWAP, SECCOMP, DISK, LIVE_RESTORE] {
        assert_eq!(verdict(&findings, &good), Verdict::Good, "{}", good.id);
    }
    assert!(findings.iter().all(|finding| finding.verdict < Verdict::Broken));
}

#[test]
fn dockers_own_engine_on_version_two_has_a_runc_with_known_escapes() {
    let findings = judge(&docker_28(), None, Some(ROOMY), true);
    assert_eq!(verdict(&findings, &ESCAPES), Verdict::Broken, "{findings:#?}");
    let escapes = findings.iter().find(|finding| finding.check == ESCAPES.id).expect("it is there");
    assert!(escapes.measured.contains("CVE-2025-31133") && !escapes.measured.contains("CVE-2024-21626"));
    let containerd = findings.iter().find(|finding| finding.check == CONTAINERD.id).expect("it is there");
    assert_eq!(containerd.verdict, Verdict::Warning);
    assert!(containerd.measured.starts_with("1.7.27 (") && containerd.measured.contains("CVE-2026-53492"));
    for good in [CGROUP, MODULE, LIMITS, SWAP, SECCOMP, STORAGE] {
        assert_eq!(verdict(&findings, &good), Verdict::Good, "{}", good.id);
    }
    assert_eq!(verdict(&findings, &LIVE_RESTORE), Verdict::Note);
}

#[test]
fn a_storage_driver_that_makes_every_container_dear_is_a_warning_with_what_to_do() {
    for (driver, expected) in [
        ("overlay2", Verdict::Good),
        ("overlayfs", Verdict::Good),
        ("btrfs", Verdict::Good),
        ("fuse-overlayfs", Verdict::Warning),
        ("vfs", Verdict::Warning),
        ("native", Verdict::Warning),
    ] {
        let findings = judge(&EngineFacts { storage_driver: driver.to_owned(), ..docker_28() }, None, None, false);
        let finding = findings.iter().find(|finding| finding.check == STORAGE.id).expect("it is there");
        assert_eq!((finding.verdict, finding.measured.as_str()), (expected, driver));
        let advice = finding.advice.as_deref();
        assert_eq!(advice.is_some_and(|advice| advice.contains("overlay2")), expected == Verdict::Warning, "{driver}");
    }
}

#[test]
fn a_mended_runc_is_good_and_other_runtimes_are_left_to_their_projects() {
    let mut facts = docker_28();
    facts.runtimes.get_mut("runc").expect("it is there").version = Some("1.3.3 (v1.3.3-0-gd842d771)".to_owned());
    assert_eq!(verdict(&judge(&facts, None, None, false), &ESCAPES), Verdict::Good);
    for other in ["crun", "runsc"] {
        assert_eq!(verdict(&judge(&facts, Some(other), None, false), &ESCAPES), Verdict::Note, "{other}");
    }
}

#[test]
fn a_runtime_that_the_engine_doesnt_have_is_broken_and_nothing_is_said_of_its_version() {
    let findings = judge(&debian_12(), Some("runsc"), Some(ROOMY), false);
    assert_eq!(verdict(&findings, &RUNTIME), Verdict::Broken);
    assert!(findings.iter().all(|finding| finding.check != ESCAPES.id));
}

#[test]
fn limits_that_the_engine_cant_set_are_broken_and_swap_only_where_there_is_some() {
    let facts = EngineFacts { limits_processes: false, limits_swap: false, ..debian_12() };
    let findings = judge(&facts, None, Some(ROOMY), true);
    assert_eq!(verdict(&findings, &LIMITS), Verdict::Broken);
    assert_eq!(verdict(&findings, &SWAP), Verdict::Broken);
    assert_eq!(verdict(&judge(&facts, None, Some(ROOMY), false), &SWAP), Verdict::Note);
}

#[test]
fn an_engine_without_seccomp_is_broken() {
    let facts = EngineFacts { security_options: vec!["name=apparmor".to_owned()], ..docker_28() };
    assert_eq!(verdict(&judge(&facts, None, None, false), &SECCOMP), Verdict::Broken);
}

/// As the engine itself puts its options together, with each module there or not.
#[test]
fn apparmor_and_remapped_users_are_good_where_they_are_and_never_required() {
    for (apparmor, userns) in [(false, false), (false, true), (true, false), (true, true)] {
        let there = [("name=apparmor", apparmor), ("name=seccomp,profile=default", true), ("name=userns", userns)];
        let security_options = there.iter().filter(|(_, there)| *there).map(|(name, _)| (*name).to_owned()).collect();
        let facts = EngineFacts { security_options, ..debian_12() };
        let findings = judge(&facts, None, Some(ROOMY), false);
        let expected = |there| if there { Verdict::Good } else { Verdict::Note };
        assert_eq!(verdict(&findings, &MODULE), expected(apparmor), "{facts:?}");
        assert_eq!(verdict(&findings, &USERS), expected(userns), "{facts:?}");
        assert_eq!(verdict(&findings, &SECCOMP), Verdict::Good);
        assert_eq!(facts.has_security_option("apparmor"), apparmor);
        assert_eq!(facts.remaps_users(), userns);
    }
}

#[test]
fn a_full_disk_is_broken_a_nearly_full_one_a_warning_and_an_unseen_one_a_note() {
    let with = |free_bytes, free_inodes, inodes| {
        let disk = Disk { free_bytes, free_inodes, inodes };
        verdict(&judge(&debian_12(), None, Some(disk), false), &DISK)
    };
    assert_eq!(with(50 << 30, 1_000_000, 2_000_000), Verdict::Good);
    assert_eq!(with(1 << 30, 1_000_000, 2_000_000), Verdict::Warning);
    assert_eq!(with(50 << 30, 10_000, 2_000_000), Verdict::Warning);
    assert_eq!(with(10 << 20, 1_000_000, 2_000_000), Verdict::Broken);
    assert_eq!(with(50 << 30, 0, 2_000_000), Verdict::Broken);
    assert_eq!(with(50 << 30, 0, 0), Verdict::Good, "btrfs has no number of inodes");
    assert_eq!(verdict(&judge(&debian_12(), None, None, false), &DISK), Verdict::Note);
}

#[test]
fn the_engines_complaints_are_passed_on_but_for_those_about_networks_and_shares() {
    let facts = EngineFacts {
        warnings: vec![
            "WARNING: bridge-nf-call-iptables is disabled".to_owned(),
            "WARNING: API is accessible on http://0.0.0.0:2375 without encryption.".to_owned(),
        ],
        ..debian_12()
    };
    let findings = judge(&facts, None, None, false);
    let passed_on: Vec<_> = findings.iter().filter(|finding| finding.check == WARNINGS.id).collect();
    assert_eq!(passed_on.len(), 1);
    assert!(passed_on[0].measured.starts_with("API is accessible"));
}
