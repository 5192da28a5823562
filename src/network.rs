//! Whether a container has a way out, from the kernel's list of network interfaces.

/// Whether `/proc/net/dev` names an interface other than the loopback: two lines of headings, then a line for each with
/// its name before a colon. Text of another form counts as a way out.
pub fn has_interface(proc_net_dev: &[u8]) -> bool {
    let mut lines = proc_net_dev.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let headings = lines.by_ref().take(2).filter(|line| line.contains(&b'|')).count();
    headings < 2 || !lines.all(|line| line.trim_ascii_start().starts_with(b"lo:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded on Linux 6.18, in a container without a network and on a host with one.
    const HEADINGS: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
    const LOOPBACK: &str = "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n";
    const ETHERNET: &str = "  eth0: 1538112     999    0    0    0     0          0         0    95544    1012    0    0    0     0       0          0\n";

    #[test]
    fn the_loopback_alone_is_no_way_out() {
        assert!(!has_interface(format!("{HEADINGS}{LOOPBACK}").as_bytes()));
        assert!(!has_interface(HEADINGS.as_bytes()), "not even a loopback");
    }

    #[test]
    fn any_other_interface_is_and_so_is_what_we_cant_read() {
        assert!(has_interface(format!("{HEADINGS}{LOOPBACK}{ETHERNET}").as_bytes()));
        assert!(has_interface(b""));
        assert!(has_interface(LOOPBACK.as_bytes()));
    }
}
