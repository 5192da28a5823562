//! System calls that the sandbox refuses.

use super::{View, check, is_refused, let_through};
use crate::doctor::finding::{Check, Finding};

pub const CALLS: Check = check("sandbox.calls", "what no program needs of the kernel is refused");
pub const NAMESPACES: Check = check("sandbox.namespaces", "namespaces and mounts can't be made");
pub const SOCKETS: Check = check("sandbox.sockets", "there are sockets of the Unix family only");
pub const NETWORK: Check = check("sandbox.network", "there is no network");

/// How many names are written out.
const NAMED: usize = 8;

pub(super) fn calls(view: View<'_>) -> Finding {
    let advice = "the profile that the engine was given refuses these: see that the container isn't privileged and that engine \
                  and runtime have seccomp";
    group(view, &CALLS, "call.", advice, |errno| {
        // A runtime that answers calls itself refuses in more ways.
        is_refused(errno) || view.has_own_kernel()
    })
}

pub(super) fn namespaces(view: View<'_>) -> Finding {
    let advice = "most escapes begin with one of these. The profile that the engine was given refuses them: see that the \
                  container isn't privileged and that engine and runtime have seccomp";
    group(view, &NAMESPACES, "namespace.", advice, |errno| is_refused(errno) || view.has_own_kernel())
}

fn group(view: View<'_>, check: &Check, prefix: &str, advice: &str, is_refusal: impl Fn(&str) -> bool) -> Finding {
    let Some(open) = let_through(view.facts, prefix, is_refusal) else { return view.unseen(check, "any of the calls") };
    let tried = view.facts.group(prefix).count();
    if open.is_empty() {
        return check.good(format!("{tried} of {tried} refused"));
    }
    let more = if open.len() > NAMED { ", …" } else { "" };
    let named = open.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let measured = format!("{} of {tried} got through: {named}{more}", open.len());
    if view.has_own_kernel() {
        return check.note(measured, "the runtime's own kernel answered them, not the host's");
    }
    check.broken(measured, advice)
}

pub(super) fn sockets(view: View<'_>) -> Finding {
    // Whatever keeps a family away, a filter or a kernel without it, keeps it away.
    let Some(open) = let_through(view.facts, "socket.", |_| true) else { return view.unseen(&SOCKETS, "any socket") };
    let foreign: Vec<&str> = open.iter().map(String::as_str).filter(|name| *name != "unix").collect();
    if !foreign.is_empty() {
        let measured = foreign.join(", ");
        if view.has_own_kernel() {
            return SOCKETS.note(measured, "the runtime's own kernel made them; without a network they lead nowhere");
        }
        return SOCKETS.broken(
            measured,
            "families such as ALG, NETLINK and VSOCK work without a network and have been a way into the kernel; the profile \
             allows the Unix family alone: see that the container isn't privileged and that engine and runtime have seccomp",
        );
    }
    if open.is_empty() {
        return SOCKETS.warning(
            "not even the Unix family",
            "compilers and multiprocessing libraries need it and will fail: see what other seccomp profile is in force",
        );
    }
    SOCKETS.good(format!("{} other families refused", view.facts.group("socket.").count() - 1))
}

pub(super) fn network(view: View<'_>) -> Finding {
    // The loopback is always among them.
    if view.facts.one("interface").is_none() {
        return view.unseen(&NETWORK, "the list of interfaces");
    }
    let others: Vec<&str> = view.facts.all("interface").filter(|name| *name != "lo").collect();
    if others.is_empty() {
        return NETWORK.good("no interface beside the loopback");
    }
    NETWORK.broken(others.join(", "), "a sandbox has no network at all: see what changes the container's NetworkMode")
}
