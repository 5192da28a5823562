//! Versions of runc and containerd, and which known escapes they have. `caisson doctor` judges hosts by these tables, and so does
//! the machine image's provisioning, which asks it.

/// A version as runc and its kin write it: `1.1.5+ds1`, `v1.2.5`, `1.4.0-rc.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    series: (u64, u64),
    patch: u64,
    /// The number of a release candidate; a release comes after all of them.
    candidate: u64,
}

const RELEASE: u64 = u64::MAX;

const fn release(major: u64, minor: u64, patch: u64) -> Version {
    Version { series: (major, minor), patch, candidate: RELEASE }
}

/// A way out of a container that a runtime once had.
#[derive(Debug)]
pub struct Escape {
    pub cve: &'static str,
    /// The first fixed version of each series that was mended, oldest first; later series have the fix from the start,
    /// earlier ones never got it.
    fixed: &'static [Version],
}

/// runc's, from its own security advisories (github.com/opencontainers/runc/security/advisories).
pub const RUNC: [Escape; 4] = [
    Escape { cve: "CVE-2019-5736", fixed: &[Version { series: (1, 0), patch: 0, candidate: 7 }] },
    Escape { cve: "CVE-2021-30465", fixed: &[Version { series: (1, 0), patch: 0, candidate: 95 }] },
    Escape { cve: "CVE-2024-21626", fixed: &[release(1, 1, 12)] },
    Escape {
        cve: "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
        fixed: &[release(1, 2, 8), release(1, 3, 3), Version { series: (1, 4), patch: 0, candidate: 3 }],
    },
];

/// The first version without any of them.
pub const RUNC_SAFE: &str = "1.2.8, 1.3.3 or 1.4.0";

/// containerd's, from its own security advisories (GHSA-xhf5-7wjv-pqxp and GHSA-33vj-92qq-66hc, July 2026).
pub const CONTAINERD: [Escape; 1] = [Escape {
    cve: "CVE-2026-53488, CVE-2026-53492",
    fixed: &[release(1, 7, 33), release(2, 0, 10), release(2, 1, 9), release(2, 2, 5), release(2, 3, 2)],
}];

/// The first version without any of them.
pub const CONTAINERD_SAFE: &str = "1.7.33, 2.0.10, 2.1.9, 2.2.5 or 2.3.2";

/// What of a table a version has.
pub fn known(table: &[Escape], version: Version) -> Vec<&'static str> {
    table.iter().filter(|escape| escape.is_in(version)).map(|escape| escape.cve).collect()
}

impl Escape {
    pub fn is_in(&self, version: Version) -> bool {
        match self.fixed.iter().find(|fixed| fixed.series == version.series) {
            Some(fixed) => version < *fixed,
            None => self.fixed.last().is_some_and(|last| version.series < last.series),
        }
    }
}

impl Version {
    /// The number at the beginning; what a distribution or a build adds behind it is passed over.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.trim().trim_start_matches('v');
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let mut parts = numbers.trim_end_matches('.').split('.').map(str::parse::<u64>);
        let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
        let patch = parts.next().and_then(Result::ok).unwrap_or(0);
        // 1.0.0-rc95 and 1.4.0-rc.3; Debian writes 1.0.0~rc95.
        let candidate = rest.strip_prefix("-rc").or_else(|| rest.strip_prefix("~rc")).map(|rest| {
            let digits = rest.trim_start_matches('.');
            let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse().unwrap_or(0)
        });
        Some(Version { series: (major, minor), patch, candidate: candidate.unwrap_or(RELEASE) })
    }
}

/// Whether a version string is a distribution's, which mends without changing the number: `1.1.5+ds1-1+deb12u1`,
/// `1.1.7-0ubuntu1~22.04.2`, `1.1.12-3.el9`, `1.2.4-1.amzn2023`, `1.1.5~rc1`. A build of upstream's own has at most a
/// candidate and git's description of a commit: `1.4.0-rc.3`, `v1.2.5-0-g59923ef`, `1.2.5+dev`.
pub fn is_a_distributions(text: &str) -> bool {
    let marks = ["ubuntu", "deb", "+ds", "dfsg", ".el", ".fc", ".amzn", ".azl", ".cm", "~", "suse", "-r"];
    let without_candidate = text.replace("-rc", "");
    marks.iter().any(|mark| without_candidate.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escapes(text: &str) -> Vec<&'static str> {
        let version = Version::parse(text).expect("it is a version");
        known(&RUNC, version)
    }

    const OF_2025: &str = "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881";

    #[test]
    fn a_version_has_the_escapes_that_its_series_had_not_mended() {
        for fixed in ["1.2.8", "1.2.9", "1.3.3", "1.4.0-rc.3", "1.4.0", "1.5.0", "2.0.1", "v1.3.3-0-gabcdef"] {
            assert_eq!(escapes(fixed), [""; 0], "{fixed}");
        }
        for one in ["1.2.7", "1.3.2", "1.4.0-rc.2", "1.1.12", "1.1.15"] {
            assert_eq!(escapes(one), [OF_2025], "{one}");
        }
        for two in ["1.1.11", "1.1.5+ds1", "1.0.3"] {
            assert_eq!(escapes(two), ["CVE-2024-21626", OF_2025], "{two}");
        }
        assert_eq!(escapes("1.0.0-rc6").len(), 4);
        assert_eq!(escapes("1.0.0-rc94").len(), 3);
        assert_eq!(escapes("1.0.0~rc95").len(), 2);
    }

    #[test]
    fn containerd_has_them_in_every_series_before_its_own_fix() {
        let has = |text| !known(&CONTAINERD, Version::parse(text).expect("it is a version")).is_empty();
        for safe in ["1.7.33", "2.0.10", "2.1.9", "2.2.5", "2.3.2", "2.4.0", "v2.2.6"] {
            assert!(!has(safe), "{safe}");
        }
        for not in ["1.6.38", "1.7.32", "2.0.9", "2.1.8", "2.2.4", "2.3.1", "2.3.0-rc.1"] {
            assert!(has(not), "{not}");
        }
    }

    #[test]
    fn a_distributions_version_is_told_from_upstreams() {
        for text in ["1.1.5+ds1 (1.1.5+ds1-1+deb12u1)", "1.1.7-0ubuntu1~22.04.2", "1.2.4-1.el9", "1.0.0~rc95"] {
            assert!(is_a_distributions(text), "{text}");
        }
        for text in ["1.2.5 (v1.2.5-0-g59923ef)", "1.4.0-rc.3", "1.1.12"] {
            assert!(!is_a_distributions(text), "{text}");
        }
    }

    #[test]
    fn what_isnt_a_version_is_none() {
        for text in ["", "release-20250820.0", "one.two", "1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
