//! The kernel's files that the agent reads.

use caisson::cgroup::Version;
use caisson::{cgroup, network};

/// Numbers are read where they stand and nowhere else; a group without the line has no number.
pub fn cgroup_text(data: &[u8]) {
    // One number, read a digit at a time.
    let plain = |text: &[u8]| {
        let text = text.trim_ascii();
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        digits.iter().try_fold((!digits.is_empty()).then_some(0u64), |sum, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            Some(sum?.checked_mul(10)?.checked_add(digit))
        })?
    };
    assert_eq!(cgroup::number(data), plain(data));
    assert_eq!(Version::V1.cpu_time_us(data), plain(data).map(|nanoseconds| nanoseconds / 1_000));
    let line = |key: &str| {
        let start = format!("{key} ").into_bytes();
        let mut rest = data;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (first, next) = end.map_or((rest, None), |end| (&rest[..end], Some(&rest[end + 1..])));
            if let Some(number) = first.starts_with(&start).then(|| plain(&first[start.len()..])).flatten() {
                return Some(number);
            }
            rest = next?;
        }
    };
    assert_eq!(Version::V2.cpu_time_us(data), line("usage_usec"));
    for version in [Version::V1, Version::V2] {
        assert_eq!(version.oom_kills(data), line("oom_kill"));
        assert_eq!(version.throttled_periods(data), line("nr_throttled"));
    }
    assert_eq!(Version::V2.throttled_us(data), line("throttled_usec"));
    // What isn't pressure is none; it must only not panic.
    let _ = cgroup::stalled_us(data);
}

/// A way out is never overlooked: with the two headings and loopbacks only there is none, whatever comes on top is one.
pub fn proc_net_dev(data: &[u8]) {
    let way_out = network::has_interface(data);
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    if !way_out {
        assert!(lines.len() >= 2 && lines[..2].iter().all(|line| line.contains(&b'|')));
        assert!(lines[2..].iter().all(|line| line.trim_ascii_start().starts_with(b"lo:")));
    }
    for interface in ["  eth0: 1 2 3", "lo0: 1", "\tlo :", "vlo:", "?"] {
        let more = [data, b"\n", interface.as_bytes(), b"\n"].concat();
        assert!(network::has_interface(&more) || lines.len() < 2, "{interface:?} is no way out");
    }
}
